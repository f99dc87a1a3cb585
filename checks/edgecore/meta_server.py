"""edgecore's metaServer, the API that EdgeMesh and in-cluster clients ask on an edge (facts.md §11.6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from kedoctor.api import (
    Evidence,
    Finding,
    Side,
    Text,
    Unavailable,
    check,
    passed,
    unknown,
    warned,
)
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreConfig
from kedoctor.checks.facts.edge.clock import HostTime
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig, EdgecoreUnit
from kedoctor.checks.facts.edge.sockets_and_probes import EdgeSockets
from kedoctor.checks.parsers.host_port import parse_host_port

__all__ = ["edge_meta_server"]

_META = "modules.metaManager.metaServer"
_GATE = "featureGates.requireAuthorization"
_AGENT = "edgemesh-agent"
_YOUNG = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class _Wrong:
    text: Text
    expected: Text
    actual: str
    evidence: Evidence
    commands: tuple[str, ...]


@check(
    code="KE719",
    slug="edge-meta-server",
    title=Text(
        "metaServer serves those who ask it on the edge", zh="metaServer 可为边缘节点上的客户端提供服务"
    ),
    side=Side.EDGE,
    builds_on=("KE201",),
    explained_by=("KE701", "KE715", "KE717", "KE718"),
    references=("facts.md §11.6", "facts.md §10 (56)"),
)
def edge_meta_server(
    config: EdgecoreConfig,
    unit: EdgecoreUnit,
    sockets: EdgeSockets | Unavailable,
    cloudcore: CloudcoreConfig | Unavailable,
    time: HostTime | Unavailable,
) -> Finding:
    """Off where EdgeMesh's agent runs; on without a listener, without dynamicController, or with gates that differ.

    Logs, exec, attach and top do not need it.
    """
    node = config.node_name
    on = config.flag(f"{_META}.enable")
    agent = _agent(unit)
    if not on and agent is None:
        return unknown(
            Text(
                f"metaServer of {node} is off; whether something there needs it is unknown: {unit.table}.",
                zh=f"{node} 的 metaServer 未启用；无法得知是否有程序需要它：{unit.table}。",
            ),
            subject=node,
            node=node,
        )
    wrong = _needed(config) if not on and agent else None
    if on:
        wrong = _silent(config, unit, sockets, time) or _half(config, cloudcore)
    if wrong is None:
        return passed(
            Text(
                f"metaServer of {node} is on."
                if on
                else f"metaServer of {node} is off, and nothing there asks it.",
                zh=f"{node} 的 metaServer 已启用。"
                if on
                else f"{node} 的 metaServer 未启用，也没有程序访问它。",
            ),
            subject=node,
            node=node,
        )
    return warned(
        wrong.text,
        expected=wrong.expected,
        actual=wrong.actual,
        hint=Text(
            "EdgeMesh and in-cluster clients on the edge need it; logs, exec and top do not.",
            zh="EdgeMesh 和边缘节点上的集群内客户端需要它；logs、exec、top 不需要。",
        ),
        subject=node,
        node=node,
        evidence=(wrong.evidence,),
        commands=wrong.commands,
        breaks=(),
    )


def _agent(unit: EdgecoreUnit) -> bool | None:
    """Whether EdgeMesh's agent runs here; it shares the host's network, so it is in the table of processes."""
    if isinstance(unit.table, Unavailable):
        return None
    return any(one.name == _AGENT or one.argv[:1] == (_AGENT,) for one in unit.table.items)


def _needed(config: EdgecoreConfig) -> _Wrong:
    node, line = config.node_name, config.line(f"{_META}.enable")
    return _Wrong(
        Text(
            f"EdgeMesh runs on {node} and asks 127.0.0.1:10550, but metaServer is off there.",
            zh=f"{node} 上运行着 EdgeMesh 并访问 127.0.0.1:10550，但 metaServer 未启用。",
        ),
        Text("metaServer.enable: true", zh="metaServer.enable: true"),
        "metaServer.enable: false",
        Evidence(config.path, "metaServer.enable: false", line),
        (
            f"sudo vi {config.path}   # {_META}.enable: true",
            "sudo systemctl restart edgecore",
            "curl -s http://127.0.0.1:10550/api/v1/services | head",
        ),
    )


def _silent(
    config: EdgecoreConfig,
    unit: EdgecoreUnit,
    sockets: EdgeSockets | Unavailable,
    time: HostTime | Unavailable,
) -> _Wrong | None:
    """Whether nothing listens where it should, long after edgecore was started."""
    server = parse_host_port(config.text(f"{_META}.server"))
    if server is None or isinstance(sockets, Unavailable) or isinstance(time, Unavailable) or not unit.runs:
        return None
    if unit.started is None or time.now - unit.started < _YOUNG or sockets.listening(server.port):
        return None
    node = config.node_name
    return _Wrong(
        Text(
            f"metaServer of {node} is on, but nothing listens on {server}.",
            zh=f"{node} 的 metaServer 已启用，但 {server} 无人监听。",
        ),
        Text(f"a listener on {server}", zh=f"监听 {server}"),
        "no listener",
        Evidence("ss -tln", f"nothing on port {server.port}"),
        (
            f"sudo ss -tlnp 'sport = :{server.port}'",
            "sudo journalctl -u edgecore | grep -i metaserver | tail",
        ),
    )


def _half(config: EdgecoreConfig, cloudcore: CloudcoreConfig | Unavailable) -> _Wrong | None:
    """What the cloud's half of it lacks, where that is in view."""
    if isinstance(cloudcore, Unavailable):
        return None
    node = config.node_name
    change = (
        "kubectl -n kubeedge edit configmap cloudcore",
        "kubectl -n kubeedge delete pod -l kubeedge=cloudcore",
    )
    if cloudcore.value("modules.dynamicController.enable") is not True:
        key = "modules.dynamicController.enable"
        return _Wrong(
            Text(
                f"metaServer of {node} is on, but cloudcore's dynamicController is off: lists and watches get nothing from the cloud.",
                zh=f"{node} 的 metaServer 已启用，但 cloudcore 的 dynamicController 未启用：list 和 watch 得不到云端数据。",
            ),
            Text(f"{key}: true", zh=f"{key}: true"),
            f"{key}: false",
            Evidence("configmap/cloudcore", f"{key}: false", cloudcore.line(key)),
            change,
        )
    ours, theirs = config.flag(_GATE), cloudcore.value(_GATE) is True
    if ours == theirs:
        return None
    return _Wrong(
        Text(
            f"requireAuthorization is {str(ours).lower()} on {node} and {str(theirs).lower()} in cloudcore: tokens of pods on the edge are not accepted.",
            zh=f"requireAuthorization 在 {node} 上为 {str(ours).lower()}，在 cloudcore 中为 {str(theirs).lower()}：边缘 Pod 的令牌不被接受。",
        ),
        Text("the same at both ends", zh="两端一致"),
        f"{str(ours).lower()} / {str(theirs).lower()}",
        Evidence(config.path, f"requireAuthorization: {str(ours).lower()}", config.line(_GATE)),
        (f"sudo vi {config.path}   # {_GATE}", *change),
    )
