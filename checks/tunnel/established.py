"""The tunnel as the edge holds it: one established connection to the cloud's 10004 (facts.md §3.5)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from kedoctor.api import (
    EveryHost,
    Evidence,
    Finding,
    HttpAnswer,
    Risk,
    Side,
    Socket,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    unknown,
)
from kedoctor.checks.causality import NO_TUNNEL
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.cloud.cloud_host import CloudSockets, HostAddresses, other_ends
from kedoctor.checks.facts.cloud.diversion_probes import TunnelProbe, TunnelProbes
from kedoctor.checks.facts.cluster.nodes import EdgeNodes
from kedoctor.checks.facts.edge.clock import HostTime
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig, EdgecoreUnit
from kedoctor.checks.facts.edge.edgecore_log import EdgecoreLog, quoted
from kedoctor.checks.facts.edge.sockets_and_probes import EdgeSockets
from kedoctor.checks.parsers.host_port import HostPort
from kedoctor.checks.parsers.logs.dial_errors import dial_meaning
from kedoctor.checks.parsers.logs.klog import LogLine

__all__ = ["tunnel_established"]

_STARTING = timedelta(seconds=40)  # how long a tunnel may take after edgecore starts (facts.md §10.2)
_REDIALLED = timedelta(seconds=5)
_NO_ADDRESSES: EveryHost[HostAddresses] = EveryHost({})


@check(
    code="KE503",
    slug="tunnel-established",
    title=Text("edgecore holds its tunnel to the cloud", zh="edgecore 与云端的隧道已建立"),
    side=Side.EDGE,
    breaks=ALL_STREAMS,
    hop="tunnel",
    builds_on=("KE201",),
    # What the cloud sees of it (no session, node not ready) follows from it and cannot be why.
    explained_by=(
        *(code for code in NO_TUNNEL if code not in ("KE209", "KE503", "KE508", "KE702")),
        "KE409",
        "KE410",
        "KE504",
    ),
    remedy=Text(
        "Remove the cause; edgecore dials again every 2 seconds.", zh="排除原因；edgecore 每 2 秒重连一次。"
    ),
    risk=Risk.RESTARTS_EDGECORE,
    references=(
        "facts.md §3.5",
        "facts.md §5.4",
        "facts.md §9 (1)",
        "KubeEdge: edge/pkg/edgestream/edgestream.go",
    ),
)
def tunnel_established(
    config: EdgecoreConfig,
    sockets: EdgeSockets,
    unit: EdgecoreUnit,
    log: EdgecoreLog | Unavailable,
    time: HostTime | Unavailable,
    *,
    hosts: EveryHost[CloudSockets],
    probes: EveryHost[TunnelProbes],
    edges: EdgeNodes | Unavailable,
    addresses: EveryHost[HostAddresses] = _NO_ADDRESSES,
) -> Finding:
    """Whether edgecore has an ESTABLISHED connection to ``edgeStream.server``; it dials out and listens on nothing.

    With both ends in view, also whether cloudcore still has the other end of it.
    """
    node, server = config.node_name, config.stream_server
    held = () if server is None else sockets.towards(server)
    if server is None or (not config.stream_enabled and not held):
        return _none(config, "edgeStream is switched off", "edgeStream 未启用", ())
    errors = () if isinstance(log, Unavailable) else log.tunnel_errors()
    start = None if isinstance(log, Unavailable) else log.tunnel_start()
    now = None if isinstance(time, Unavailable) else time.now
    if held and not _flaps(errors, start):
        other = other_ends(held[0], server.port, hosts, addresses)
        if _half_open(node, held, server.port, clouds=other, probes=probes, edges=edges):
            return _lost(config, server, held[0])
        just = (
            start is not None and start.time is not None and now is not None and now - start.time < _REDIALLED
        )
        return _redialled(config, server, errors[-1]) if errors and just else _holds(config, server, held[0])
    waiting = sockets.towards(server, "SYN_SENT")
    age = None if unit.started is None or now is None else now - unit.started
    if not errors and not waiting and age is not None and age < _STARTING:
        return _young(node, age)
    return _failing(config, server, unit, errors, dropped=bool(waiting))


def _half_open(
    node: str,
    held: tuple[Socket, ...],
    port: int,
    *,
    clouds: Sequence[CloudSockets],
    probes: EveryHost[TunnelProbes],
    edges: EdgeNodes | Unavailable,
) -> bool:
    """Whether cloudcore has no end of what the edge holds, and says itself that there is no live session.

    Behind address translation the ends cannot be told apart, so it is only said where every connection that cloudcore
    has is that of a Node.
    """
    asked = [probe for one in probes.known().values() for probe in one.items if probe.edge == node]
    dead = bool(asked) and all(_no_session(one) for one in asked)
    if not clouds or not dead or isinstance(edges, Unavailable):
        return False
    peers = {
        socket.remote_address
        for cloud in clouds
        for socket in cloud.sockets.items
        if socket.state == "ESTABLISHED" and socket.local_port == port
    }
    nodes = {edge.internal_ip: edge.name for edge in edges.items}
    own = {socket.local_address for socket in held}
    return peers <= set(nodes) and not peers & own and all(nodes.get(one) == node for one in own)


def _no_session(probe: TunnelProbe) -> bool:
    return isinstance(probe.answer, HttpAnswer) and not probe.node_name and not probe.elsewhere


def _lost(config: EdgecoreConfig, server: HostPort, held: Socket) -> Finding:
    node, local = config.node_name, f"{held.local_address}:{held.local_port}"
    return failed(
        Text(
            f"The tunnel of {node} is half open: edgecore holds {local} to {server}, and cloudcore has no such connection any more.",
            zh=f"{node} 的隧道处于半开状态：edgecore 保持着 {local} → {server}，而 cloudcore 已没有该连接。",
        ),
        expected=Text("the same connection at both ends", zh="两端为同一条连接"),
        actual=Text(
            f"ESTAB {local} {server} on the edge, nothing from {held.local_address} on the cloud",
            zh=f"边缘节点上为 ESTAB {local} {server}，云端没有来自 {held.local_address} 的连接",
        ),
        hint=Text(
            "Restart edgecore; it dials again at once. Then see what cuts idle connections on the way.",
            zh="重启 edgecore，它会立即重新拨号；再查明途中是什么切断了空闲连接。",
        ),
        subject=node,
        node=node,
        evidence=(
            Evidence("ss -tnp on the edge", f"ESTAB {local} {server} {held.process}".rstrip()),
            Evidence("ss -tnp on the cloud host", f"no connection from {held.local_address}"),
        ),
        commands=(
            f"sudo ss -tnp 'sport = :{server.port}'   # on the cloud host",
            "sudo systemctl restart edgecore",
        ),
        root=True,
    )


def _holds(config: EdgecoreConfig, server: HostPort, held: Socket) -> Finding:
    node, local = config.node_name, f"{held.local_address}:{held.local_port}"
    return passed(
        Text(
            f"edgecore of {node} holds its tunnel: {local} to {server}.",
            zh=f"{node} 的 edgecore 隧道已建立：{local} → {server}。",
        ),
        subject=node,
        node=node,
        evidence=(Evidence("ss -tnp", f"ESTAB {local} {server} {held.process}".rstrip()),),
    )


def _young(node: str, age: timedelta) -> Finding:
    seconds = max(0, round(age.total_seconds()))
    return unknown(
        Text(
            f"edgecore of {node} started {seconds} s ago and has no tunnel yet; it may take 40 s.",
            zh=f"{node} 的 edgecore 在 {seconds} 秒前启动，隧道尚未建立；最长需要 40 秒。",
        ),
        subject=node,
        node=node,
        hint=Text("Run again in a minute.", zh="请一分钟后再次运行。"),
        commands=("kedoctor run --only KE503",),
    )


def _flaps(errors: tuple[LogLine, ...], start: LogLine | None) -> bool:
    """Whether the newest attempt is known to have failed, so that a connection seen beside it is one that is dying."""
    if not errors:
        return False
    if start is None or start.time is None or errors[-1].time is None:
        return start is None
    return errors[-1].time >= start.time


def _redialled(config: EdgecoreConfig, server: HostPort, error: LogLine) -> Finding:
    node = config.node_name
    return unknown(
        Text(
            f"edgecore of {node} has just connected to {server} again after an error; whether the tunnel stays is unknown yet.",
            zh=f"{node} 的 edgecore 出错后刚刚重新连接 {server}；尚不能判断隧道是否稳定。",
        ),
        subject=node,
        node=node,
        evidence=(Evidence("journalctl -u edgecore", quoted(error)),),
        commands=("kedoctor run --only KE503",),
    )


def _failing(
    config: EdgecoreConfig,
    server: HostPort,
    unit: EdgecoreUnit,
    errors: tuple[LogLine, ...],
    *,
    dropped: bool,
) -> Finding:
    if unit.runs is False:
        return _none(config, "edgecore does not run", "edgecore 未运行", ())
    evidence = []
    if dropped:
        evidence.append(Evidence("ss -tnp", f"SYN-SENT to {server}: no answer to the first packet"))
    if errors:
        evidence.append(Evidence("journalctl -u edgecore", quoted(errors[-1])))
    meaning = dial_meaning(errors[-1].raw) if errors else None
    if meaning is not None:
        return _none(
            config,
            f"dialling {server} fails: {meaning.text.en}",
            f"连接 {server} 失败：{meaning.text.zh}",
            tuple(evidence),
        )
    if dropped:
        en, zh = (
            f"{server} does not answer: packets are dropped on the way",
            f"{server} 没有应答：报文在途中被丢弃",
        )
        return _none(config, en, zh, tuple(evidence))
    return _none(config, f"nothing is connected to {server}", f"没有到 {server} 的连接", tuple(evidence))


def _none(config: EdgecoreConfig, why_en: str, why_zh: str, evidence: tuple[Evidence, ...]) -> Finding:
    node, server = config.node_name, config.stream_server
    port = server.port if server is not None else 10004
    return failed(
        Text(f"{node} has no tunnel to the cloud: {why_en}.", zh=f"{node} 没有到云端的隧道：{why_zh}。"),
        expected=Text(f"edgecore ESTABLISHED to {server}", zh=f"edgecore 到 {server} 的 ESTABLISHED 连接"),
        actual=Text(why_en, zh=why_zh),
        hint=Text("Follow the error of the last dial.", zh="根据最近一次拨号的错误排查。"),
        subject=node,
        node=node,
        evidence=evidence or (Evidence("ss -tnp", f"no connection of edgecore to port {port}"),),
        commands=(
            f"sudo ss -tnp 'dport = :{port}'",
            "sudo journalctl -u edgecore --no-pager | grep edgestream | tail -n 10",
        ),
    )
