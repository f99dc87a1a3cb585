"""The cloudStream section of cloudcore.yaml: is it on, and do its ports fit those who use them (facts.md §1.2)."""

from __future__ import annotations

from collections.abc import Iterator

from kedoctor.api import (
    EveryHost,
    Evidence,
    Finding,
    Risk,
    Side,
    Status,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    skipped,
    unknown,
    warned,
)
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreConfig, CloudcoreService, CloudcoreWorkload
from kedoctor.checks.facts.cloud.cloudcore_log import CloudcoreLog
from kedoctor.checks.facts.cluster.iptables_manager import IptablesManager
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig
from kedoctor.checks.parsers.host_port import is_loopback
from kedoctor.checks.parsers.kubernetes import Service

__all__ = ["cloudstream_enabled", "cloudstream_ports"]

_SUBJECT = "configmap/kubeedge/cloudcore"
_SECTION = "modules.cloudStream"
_TUNNEL_PORT = 10004
_EDIT = "kubectl -n kubeedge edit configmap cloudcore"
_RECREATE = (
    "kubectl -n kubeedge delete pod -l kubeedge=cloudcore  # every edge reconnects; no rollout restart"
)


@check(
    code="KE101",
    slug="cloudstream-enabled",
    title=Text("cloudStream is switched on", zh="cloudStream 已启用"),
    side=Side.SITE,
    breaks=ALL_STREAMS,
    hop="stream",
    remedy=Text(
        "Set modules.cloudStream.enable to true in ConfigMap kubeedge/cloudcore, keep the rest, re-create the pod.",
        zh="在 ConfigMap kubeedge/cloudcore 中将 modules.cloudStream.enable 设为 true，其余不变，然后重建 Pod。",
    ),
    risk=Risk.RESTARTS_CLOUDCORE,
    references=("facts.md §1.2", "facts.md §9 (23, 24, 29)", "testbed.md case c"),
)
def cloudstream_enabled(config: CloudcoreConfig, log: CloudcoreLog | Unavailable) -> Finding:
    """``modules.cloudStream.enable`` as cloudcore reads it; the code default is false."""
    path = f"{_SECTION}.enable"
    if config.stream_enabled:
        return passed(
            Text(
                "cloudStream is switched on in cloudcore.yaml.", zh="cloudcore.yaml 中 cloudStream 已启用。"
            ),
            subject=_SUBJECT,
            evidence=(Evidence(f"{_SUBJECT}, cloudcore.yaml", f"{path}: true", config.line(path)),),
        )
    actual = (
        f"{path}: {str(config.value(path)).lower()}"
        if config.written(path)
        else f"{path} is not written (default false)"
    )
    evidence = (Evidence(f"{_SUBJECT}, cloudcore.yaml", actual, config.line(path)),)
    expected = Text(f"{path}: true", zh=f"{path}: true")
    hint = Text(
        "Set this one key to true and delete the cloudcore pod; each edge then gets a new port by itself.",
        zh="只将该键设为 true，然后删除 cloudcore Pod；各边缘节点会自动获得新端口。",
    )
    if _runs_with_it(log):
        return warned(
            Text(
                "cloudStream is off in cloudcore.yaml, but cloudcore still runs with it on: logs, exec, attach and top "
                "end at its next restart.",
                zh="cloudcore.yaml 中 cloudStream 未启用，但当前 cloudcore 进程仍启用它：下次重启后 logs、exec、attach、top 将失效。",
            ),
            expected=expected,
            actual=actual,
            hint=Text("Set this one key to true.", zh="将该键设为 true。"),
            subject=_SUBJECT,
            evidence=evidence,
            commands=(_EDIT,),
            breaks=(),
        )
    stray = _stray(config)
    return failed(
        Text(
            f"cloudStream is off ({actual}), so cloudcore opens neither 10003 nor 10004{stray.en}.",
            zh=f"cloudStream 未启用（{actual}），cloudcore 不会打开 10003 和 10004{stray.zh}。",
        ),
        expected=expected,
        actual=actual,
        hint=hint,
        subject=_SUBJECT,
        evidence=evidence,
        commands=(_EDIT, _RECREATE),
    )


def _runs_with_it(log: CloudcoreLog | Unavailable) -> bool:
    pods = () if isinstance(log, Unavailable) else log.pods
    return bool(pods) and all(pod.from_start and pod.stream_module is True for pod in pods)


def _stray(config: CloudcoreConfig) -> Text:
    """Where somebody wrote it in a place that is not read."""
    for deviation in config.violations:
        if any("cloudstream" in str(part).lower() for part in deviation.path):
            return Text(f"; {deviation.text.en}", zh=f"；{deviation.text.zh}")
    return Text("", zh="")


@check(
    code="KE102",
    slug="cloudstream-ports",
    title=Text("cloudStream's ports are those that others use", zh="cloudStream 的端口与使用方一致"),
    side=Side.SITE,
    breaks=ALL_STREAMS,
    hop="stream",
    remedy=Text(
        "Set streamPort 10003 and tunnelPort 10004, the documented ones, and re-create the cloudcore pod.",
        zh="恢复为文档规定的 streamPort 10003、tunnelPort 10004，并重建 cloudcore Pod。",
    ),
    risk=Risk.RESTARTS_CLOUDCORE,
    references=("facts.md §1.2", "facts.md §3.4", "facts.md §10 (19, 20)"),
)
def cloudstream_ports(
    *,
    config: CloudcoreConfig,
    manager: IptablesManager | Unavailable,
    service: CloudcoreService | Unavailable,
    workload: CloudcoreWorkload | Unavailable,
    log: CloudcoreLog | Unavailable,
    edges: EveryHost[EdgecoreConfig],
) -> Iterator[Finding]:
    """``streamPort`` against what the manager forwards to, ``tunnelPort`` against what edges dial."""
    if not config.stream_enabled:
        later = _stream_port(config, manager)
        off = Text("cloudStream is off (KE101).", zh="cloudStream 未启用（KE101）。")
        yield later if later.status is Status.FAIL else skipped(off, subject=_SUBJECT)
        return
    if config.stream_port == config.tunnel_port:
        yield _clash(config)
        return
    yield _stream_port(config, manager)
    node_port_mode = not isinstance(workload, Unavailable) and workload.host_network is False
    if not node_port_mode:
        yield _tunnel_port(config, log, edges)
    elif not isinstance(service, Unavailable) and service.service is not None:
        yield _through_service(config, service.service)


def _evidence(config: CloudcoreConfig, key: str) -> tuple[Evidence, ...]:
    path = f"{_SECTION}.{key}"
    return (Evidence(f"{_SUBJECT}, cloudcore.yaml", f"{path}: {config.value(path)}", config.line(path)),)


def _clash(config: CloudcoreConfig) -> Finding:
    return failed(
        Text(
            f"streamPort and tunnelPort are both {config.stream_port}: cloudcore cannot open it twice and ends.",
            zh=f"streamPort 与 tunnelPort 同为 {config.stream_port}：cloudcore 无法重复监听，会退出。",
        ),
        expected=Text("streamPort 10003, tunnelPort 10004", zh="streamPort 10003，tunnelPort 10004"),
        actual=str(config.stream_port),
        hint=Text("Set the documented ports.", zh="恢复为文档规定的端口。"),
        subject=_SUBJECT,
        evidence=_evidence(config, "streamPort"),
        commands=(_EDIT, _RECREATE),
    )


def _stream_port(config: CloudcoreConfig, manager: IptablesManager | Unavailable) -> Finding:
    port = config.stream_port
    external = not isinstance(manager, Unavailable) and manager.daemonset is not None
    if config.manager_mode != "internal" and external and not isinstance(manager, Unavailable):
        if manager.forward_port != port:
            return _not_forwarded(config, manager)
        return passed(
            Text(
                f"streamPort is {port}, where iptables-manager sends requests.",
                zh=f"streamPort 为 {port}，与 iptables-manager 的转发端口一致。",
            ),
            subject=f"{_SUBJECT} streamPort",
        )
    if isinstance(manager, Unavailable) and config.manager_mode != "internal":
        return unknown(
            Text(
                f"streamPort is {port}; where iptables-manager sends requests was not read: {manager}.",
                zh=f"streamPort 为 {port}；未能读取 iptables-manager 的转发端口：{manager.in_chinese}。",
            ),
            subject=f"{_SUBJECT} streamPort",
        )
    return passed(
        Text(f"streamPort is {port}.", zh=f"streamPort 为 {port}。"), subject=f"{_SUBJECT} streamPort"
    )


def _not_forwarded(config: CloudcoreConfig, manager: IptablesManager) -> Finding:
    return failed(
        Text(
            f"cloudcore serves streams on {config.stream_port}, but iptables-manager sends requests to "
            f"{manager.forward_port}.",
            zh=f"cloudcore 的流服务在 {config.stream_port}，而 iptables-manager 将请求转发到 {manager.forward_port}。",
        ),
        expected=Text(f"streamPort {manager.forward_port}", zh=f"streamPort {manager.forward_port}"),
        actual=f"streamPort {config.stream_port}",
        hint=Text(
            f"Set streamPort back to {manager.forward_port} and delete the cloudcore pod.",
            zh=f"将 streamPort 改回 {manager.forward_port} 并删除 cloudcore Pod。",
        ),
        subject=f"{_SUBJECT} streamPort",
        evidence=_evidence(config, "streamPort"),
        commands=(_EDIT, _RECREATE),
        hop="diversion",
    )


def _tunnel_port(
    config: CloudcoreConfig, log: CloudcoreLog | Unavailable, edges: EveryHost[EdgecoreConfig]
) -> Finding:
    port, subject = config.tunnel_port, f"{_SUBJECT} tunnelPort"
    dialled = {
        name: server.port
        for name, edge in edges.known().items()
        if edge.stream_enabled and (server := edge.stream_server) is not None and not is_loopback(server.host)
    }
    arrived = not isinstance(log, Unavailable) and bool(log.tunnels)
    if port == _TUNNEL_PORT or port in dialled.values() or (arrived and not dialled):
        return passed(
            Text(
                f"tunnelPort is {port}, which edges dial.", zh=f"tunnelPort 为 {port}，与边缘连接的端口一致。"
            ),
            subject=subject,
        )
    if not dialled:
        return unknown(
            Text(
                f"tunnelPort is {port}; keadm join makes edges dial {_TUNNEL_PORT}, and what they dial was not seen.",
                zh=f"tunnelPort 为 {port}；keadm join 使边缘节点连接 {_TUNNEL_PORT}，而实际连接的端口未见到。",
            ),
            subject=subject,
            hint=Text("Run kedoctor on an edge, too.", zh="请在边缘主机上也运行 kedoctor。"),
        )
    name, other = next(iter(dialled.items()))
    return failed(
        Text(
            f"cloudcore takes tunnels on {port}, but {name} dials {other}.",
            zh=f"cloudcore 的隧道端口为 {port}，而 {name} 连接的是 {other}。",
        ),
        expected=Text(f"tunnelPort {other}", zh=f"tunnelPort {other}"),
        actual=f"tunnelPort {port}",
        hint=Text(
            "Set tunnelPort back, or edgeStream.server on every edge.",
            zh="将 tunnelPort 改回，或修改每个边缘节点的 edgeStream.server。",
        ),
        subject=subject,
        evidence=_evidence(config, "tunnelPort"),
        commands=(_EDIT, _RECREATE),
        hop="tunnel",
    )


def _through_service(config: CloudcoreConfig, service: Service) -> Finding:
    subject = "service/kubeedge/cloudcore"
    ports = service.spec.ports or ()
    leading = [
        one
        for one in ports
        if one.target_port == config.tunnel_port or (not one.target_port and one.port == config.tunnel_port)
    ]
    leading = leading or [one for one in ports if one.target_port == "tunnelport"]
    if not leading:
        return failed(
            Text(
                f"cloudcore is not on the host network, and no port of its Service leads to tunnelPort {config.tunnel_port}.",
                zh=f"cloudcore 未使用主机网络，且其 Service 没有端口通向 tunnelPort {config.tunnel_port}。",
            ),
            expected=Text(
                f"a port with targetPort {config.tunnel_port}",
                zh=f"targetPort 为 {config.tunnel_port} 的端口",
            ),
            actual=", ".join(f"{one.name} {one.port} to {one.target_port}" for one in ports)
            or Text("no ports", zh="没有端口"),
            hint=Text("Add it, as the chart has it.", zh="按 chart 补上该端口。"),
            subject=subject,
            commands=("kubectl -n kubeedge edit service cloudcore",),
            hop="tunnel",
        )
    outside = leading[0].node_port or leading[0].port
    return passed(
        Text(
            f"Edges reach tunnelPort {config.tunnel_port} through port {outside} of the Service.",
            zh=f"边缘节点通过 Service 的 {outside} 端口到达 tunnelPort {config.tunnel_port}。",
        ),
        subject=subject,
    )
