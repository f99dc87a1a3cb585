"""Switching cloudStream on, and giving it the ports that others use (KE101, KE102)."""

from __future__ import annotations

from kedoctor.api import (
    EveryHost,
    NoPlan,
    Plan,
    Risk,
    Status,
    Text,
    Unavailable,
    Verdict,
    YamlChange,
    remedy,
)
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreConfig, CloudcoreWorkload
from kedoctor.checks.facts.cluster.iptables_manager import DEFAULT_FORWARD_PORT, IptablesManager
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig
from kedoctor.checks.parsers.host_port import is_loopback
from kedoctor.checks.plans.cloudcore import (
    AFTER_CLOUD,
    AFTER_CLOUDCORE,
    NOTHING_NOTICED,
    edit_cloudcore,
    noticed,
    put,
    restart_cloudcore,
    risk_of,
)
from kedoctor.checks.plans.touches import CONFIGURATION

__all__ = ["cloudstream", "cloudstream_ports"]

_ENABLE = "modules.cloudStream.enable"
_STREAM = "modules.cloudStream.streamPort"
_TUNNEL = "modules.cloudStream.tunnelPort"
_TUNNEL_PORT = 10004


@remedy("KE101", touches=CONFIGURATION)
def cloudstream(verdict: Verdict, config: CloudcoreConfig, workload: CloudcoreWorkload) -> Plan | NoPlan:
    """One key, and a restart unless the cloudcore that runs has cloudStream on anyway (then the check only warns)."""
    runs_with_it = verdict.status is Status.WARN
    restarts = () if runs_with_it else restart_cloudcore(workload)
    return Plan(
        code=verdict.code,
        subject=verdict.subject,
        title=Text(
            "set modules.cloudStream.enable to true in cloudcore.yaml and leave everything else as it is",
            zh="在 cloudcore.yaml 中将 modules.cloudStream.enable 设为 true，其余保持不变",
        ),
        prediction=NOTHING_NOTICED if runs_with_it else noticed(restarts),
        risk=risk_of(restarts),
        actions=(edit_cloudcore(put(config, _ENABLE, value=True)),),
        restarts=restarts,
        settle=AFTER_CLOUDCORE if restarts else AFTER_CLOUD,
    )


@remedy("KE102", touches=CONFIGURATION)
def cloudstream_ports(
    verdict: Verdict,
    config: CloudcoreConfig,
    workload: CloudcoreWorkload,
    manager: IptablesManager | Unavailable,
    edges: EveryHost[EdgecoreConfig],
) -> Plan | NoPlan:
    """The port that the others use: what iptables-manager forwards to, what edges dial."""
    if verdict.subject.startswith("service/"):
        return NoPlan(_SERVICE)
    changes = _changes(verdict, config, manager, edges)
    if not changes:
        return NoPlan(_DISAGREE)
    restarts = restart_cloudcore(workload)
    told = ", ".join(f"{change.path.rpartition('.')[2]}: {change.value}" for change in changes)
    return Plan(
        code=verdict.code,
        subject=verdict.subject,
        title=Text(f"set {told} in cloudcore.yaml", zh=f"在 cloudcore.yaml 中设置 {told}"),
        prediction=noticed(restarts),
        risk=Risk.RESTARTS_CLOUDCORE,
        actions=(edit_cloudcore(*changes),),
        restarts=restarts,
        settle=AFTER_CLOUDCORE,
    )


def _changes(
    verdict: Verdict,
    config: CloudcoreConfig,
    manager: IptablesManager | Unavailable,
    edges: EveryHost[EdgecoreConfig],
) -> tuple[YamlChange, ...]:
    stream = DEFAULT_FORWARD_PORT if isinstance(manager, Unavailable) else manager.forward_port
    if verdict.subject.endswith(" streamPort"):
        return (put(config, _STREAM, stream),)
    dialled = _dialled(edges)
    if verdict.subject.endswith(" tunnelPort"):
        return (put(config, _TUNNEL, dialled.pop()),) if len(dialled) == 1 else ()
    tunnel = dialled.pop() if len(dialled) == 1 else _TUNNEL_PORT
    wanted = ((_STREAM, stream), (_TUNNEL, tunnel))
    return tuple(put(config, path, port) for path, port in wanted if config.value(path) != port)


def _dialled(edges: EveryHost[EdgecoreConfig]) -> set[int]:
    """The tunnel ports that edges in view dial."""
    servers = [edge.stream_server for edge in edges.known().values() if edge.stream_enabled]
    return {server.port for server in servers if server is not None and not is_loopback(server.host)}


_DISAGREE = Text(
    "the edges in view dial different tunnel ports, so there is no one port that fits all; set edgeStream.server on "
    "each of them to the same port (10004 is the documented one)",
    zh="可见的边缘连接的隧道端口不一致，没有一个端口适合全部；请将它们的 edgeStream.server 改为同一端口（文档规定为 10004）",
)
_SERVICE = Text(
    "which NodePort the edges are to dial is yours to choose; add a port named tunnelport with that nodePort: "
    "kubectl -n kubeedge edit service cloudcore",
    zh="边缘节点应连接哪个 NodePort 需由您决定；请添加名为 tunnelport 并带有该 nodePort 的端口："
    "kubectl -n kubeedge edit service cloudcore",
)
