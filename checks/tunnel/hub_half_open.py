"""A hub link that is open and dead: edgecore holds it, and nothing comes back through it (facts.md §11.3).

edgecore finds out only when the kernel gives up on what it has sent, after a quarter of an hour or more.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from kedoctor.api import (
    EveryHost,
    Evidence,
    Finding,
    Risk,
    Side,
    Socket,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    skipped,
    unknown,
)
from kedoctor.checks.facts.cloud.cloud_host import CloudSockets, HostAddresses, other_ends
from kedoctor.checks.facts.cluster.nodes import EdgeNode, EdgeNodes
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig, EdgecoreUnit
from kedoctor.checks.facts.edge.edgecore_log import EdgecoreLog, quoted
from kedoctor.checks.facts.edge.sockets_and_probes import EdgeSockets
from kedoctor.checks.parsers.host_port import HostPort
from kedoctor.checks.parsers.logs.klog import LogLine

__all__ = ["hub_half_open"]

_NOW = timedelta(minutes=3)  # each try of a lease waits for a minute
_NO_ADDRESSES: EveryHost[HostAddresses] = EveryHost({})
_AGAIN = timedelta(seconds=5)  # lines that are closer are of one try
_RESTART = Text("Restart edgecore; it dials anew at once.", zh="重启 edgecore，它会立即重新连接。")


@check(
    code="KE511",
    slug="hub-half-open",
    title=Text("The hub link of the edge is alive", zh="边缘的 hub 连接有效"),
    side=Side.EDGE,
    breaks=("ready",),
    hop="link",
    builds_on=("KE201",),
    explained_by=("KE105", "KE113"),
    remedy=_RESTART,
    risk=Risk.RESTARTS_EDGECORE,
    references=("facts.md §11.3",),
)
def hub_half_open(
    config: EdgecoreConfig,
    sockets: EdgeSockets,
    unit: EdgecoreUnit,
    log: EdgecoreLog | Unavailable,
    *,
    hosts: EveryHost[CloudSockets],
    edges: EdgeNodes | Unavailable,
    addresses: EveryHost[HostAddresses] = _NO_ADDRESSES,
) -> Finding:
    """An established connection to the hub, held against edgecore's leases and against the other end, where it is in view."""
    node, server = config.node_name, config.hub_server
    held = () if server is None else sockets.towards(server)
    if server is None or unit.runs is False or not held:
        return skipped(
            Text("edgecore holds no hub link (KE514).", zh="edgecore 没有 hub 连接（KE514）。"),
            subject=node,
            node=node,
        )
    known = None if isinstance(edges, Unavailable) else edges.named(node)
    if not isinstance(log, Unavailable) and not (known is not None and known.is_ready):
        silent = _repeated(log, log.unanswered())
        if silent is not None:
            return _dead(config, server, held[0], _UNANSWERED, silent)
        lost = _repeated(log, log.overflows())
        if lost is not None:
            return _dead(config, server, held[0], _UNREAD, lost)
    if known is not None and not isinstance(edges, Unavailable):
        clouds = other_ends(held[0], server.port, hosts, addresses)
        if _no_other_end(known, held, server.port, clouds, edges):
            return _dead(config, server, held[0], _NO_END, None)
    if isinstance(log, Unavailable) and known is None:
        return unknown(
            Text(
                f"Whether the hub link of {node} is alive is unknown: {log}.",
                zh=f"无法得知 {node} 的 hub 连接是否有效：{log.in_chinese}。",
            ),
            subject=node,
            node=node,
        )
    return passed(
        Text(
            f"Nothing says that the hub link of {node} to {server} is dead.",
            zh=f"没有迹象表明 {node} 到 {server} 的 hub 连接已失效。",
        ),
        subject=node,
        node=node,
    )


_UNANSWERED = Text("cloudcore answers nothing through it", zh="cloudcore 不再通过它应答")
_UNREAD = Text("edgecore no longer reads what arrives through it", zh="edgecore 不再读取收到的消息")
_NO_END = Text("cloudcore has no such connection any more", zh="cloudcore 已没有该连接")


def _repeated(log: EdgecoreLog, lines: Sequence[LogLine]) -> LogLine | None:
    """The newest of lines that came more than once, and not long ago."""
    times = [line.time for line in lines if line.time is not None and log.read - line.time < _NOW]
    return lines[-1] if times and times[-1] - times[0] >= _AGAIN else None


def _no_other_end(
    node: EdgeNode,
    held: tuple[Socket, ...],
    port: int,
    clouds: Sequence[CloudSockets],
    edges: EdgeNodes,
) -> bool:
    """Whether a Node that no longer reports holds a connection of which cloudcore has no end.

    Behind address translation the ends cannot be told apart, so it is only said where every connection that cloudcore
    has is that of a Node.
    """
    if not clouds or node.is_ready:
        return False
    peers = {
        socket.remote_address
        for cloud in clouds
        for socket in cloud.sockets.items
        if socket.state == "ESTABLISHED" and socket.local_port == port
    }
    nodes = {edge.internal_ip: edge.name for edge in edges.items}
    own = {socket.local_address for socket in held}
    return peers <= set(nodes) and not peers & own and all(nodes.get(one) == node.name for one in own)


def _dead(config: EdgecoreConfig, server: HostPort, held: Socket, why: Text, line: LogLine | None) -> Finding:
    node, local = config.node_name, f"{held.local_address}:{held.local_port}"
    said = (Evidence("journalctl -u edgecore", quoted(line)),) if line is not None else ()
    return failed(
        Text(
            f"The hub link of {node} is open and dead: edgecore holds {local} to {server}, and {why.en}.",
            zh=f"{node} 的 hub 连接处于半开状态：edgecore 保持着 {local} → {server}，而{why.zh}。",
        ),
        expected=Text("answers to the leases of the Node", zh="节点租约得到应答"),
        actual=quoted(line) if line is not None else f"no connection from {held.local_address} on the cloud",
        hint=Text(
            "Restart edgecore; it dials anew at once. Then see what cuts idle connections on the way.",
            zh="重启 edgecore，它会立即重新连接；再查明途中是什么切断了空闲连接。",
        ),
        subject=node,
        node=node,
        evidence=(Evidence("ss -tnp", f"ESTAB {local} {server} {held.process}".rstrip()), *said),
        commands=(
            f"sudo ss -tnoi 'dport = :{server.port}'   # a timer that backs off: nothing comes back",
            "sudo journalctl -u edgecore -n 30 --no-pager | grep -E 'lease|fifo'",
            "sudo systemctl restart edgecore",
        ),
    )
