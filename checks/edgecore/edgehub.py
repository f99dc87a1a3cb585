"""The addresses of the cloud in edgeHub: the hub link and the certificate server must be one cloud (facts.md §2.2)."""

from __future__ import annotations

from dataclasses import dataclass

from kedoctor.api import Evidence, Finding, Side, Text, Unavailable, check, failed, passed, warned
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig, EdgecoreUnit
from kedoctor.checks.facts.edge.sockets_and_probes import EdgeSockets
from kedoctor.checks.parsers.host_port import HostPort, is_loopback, same_host

__all__ = ["edgehub_addresses"]

_HUB = "modules.edgeHub"
_NOT_HUB = {
    10002: "cloudHub HTTPS",
    10003: "cloudStream stream server",
    10004: "cloudStream tunnel server",
    30002: "cloudHub HTTPS (NodePort)",
    30003: "cloudStream stream server (NodePort)",
    30004: "cloudStream tunnel server (NodePort)",
}
_CORRECT = Text(
    "Write the cloud's address: port 10000 for websocket.server, https://<cloud>:10002 for httpServer; then restart edgecore.",
    zh="填写云端地址：websocket.server 用端口 10000，httpServer 为 https://<云端>:10002；然后重启 edgecore。",
)


@dataclass(frozen=True, slots=True)
class _Hub:
    """The server that edgeHub dials: its key, how it is written, and what it names."""

    key: str
    written: str
    server: HostPort | None


@check(
    code="KE211",
    slug="edgehub-addresses",
    title=Text("edgeHub names one cloud", zh="edgeHub 指向同一个云端"),
    side=Side.EDGE,
    breaks=("ready",),
    hop="link",
    builds_on=("KE201",),
    remedy=_CORRECT,
    references=("facts.md §2.2", "facts.md §3.5", "facts.md §4.2"),
)
def edgehub_addresses(
    config: EdgecoreConfig, unit: EdgecoreUnit, sockets: EdgeSockets | Unavailable
) -> Finding:
    """Where the hub is dialled, and whether certificates come from the same host."""
    node, hub = config.node_name, _hub(config)
    held = (
        hub.server is not None and not isinstance(sockets, Unavailable) and bool(sockets.towards(hub.server))
    )
    fault = None if held else _fault(config, hub, unit)
    if fault is not None:
        return failed(
            fault,
            expected=Text("<cloud>:10000", zh="<云端>:10000"),
            actual=Text(
                f"{hub.key}: {hub.written or 'not written'}", zh=f"{hub.key}: {hub.written or '未填写'}"
            ),
            hint=_CORRECT,
            subject=node,
            node=node,
            evidence=(
                Evidence(config.path, f"{hub.key}: {hub.written or 'not written'}", config.line(hub.key)),
            ),
            commands=(f"sudo vi {config.path}   # {hub.key}", "sudo systemctl restart edgecore"),
        )
    https = config.http_server
    if hub.server is not None and https is not None and not same_host(hub.server.host, https.host):
        return _differ(config, hub.server, https)
    return passed(
        Text(
            f"edgeHub of {node} dials {hub.server}, and certificates come from {https}.",
            zh=f"{node} 的 edgeHub 连接 {hub.server}，证书来自 {https}。",
        ),
        subject=node,
        node=node,
    )


def _hub(config: EdgecoreConfig) -> _Hub:
    quic = config.flag(f"{_HUB}.quic.enable") and not config.flag(f"{_HUB}.websocket.enable")
    key = f"{_HUB}.{'quic' if quic else 'websocket'}.server"
    return _Hub(key, config.text(key), config.hub_server)


def _fault(config: EdgecoreConfig, hub: _Hub, unit: EdgecoreUnit) -> Text | None:
    node, server = config.node_name, hub.server
    if not hub.written:
        return Text(
            f"{hub.key} of {node} is not written, so edgecore dials its own address instead of the cloud.",
            zh=f"{node} 未写 {hub.key}，edgecore 会连接自身地址而不是云端。",
        )
    if server is None or not server.port:
        return Text(
            f"{hub.key} of {node} is not a host:port ({hub.written}).",
            zh=f"{node} 的 {hub.key} 不是 主机:端口（{hub.written}）。",
        )
    if is_loopback(server.host) and not _cloudcore_may_be_here(unit):
        return Text(
            f"edgeHub of {node} dials {server}, which is the edge itself; cloudcore does not run here.",
            zh=f"{node} 的 edgeHub 连接 {server}，即边缘节点自身；cloudcore 不在此运行。",
        )
    if server.port in _NOT_HUB:
        return Text(
            f"edgeHub of {node} dials {server}, which is the port of the {_NOT_HUB[server.port]}, not of the hub.",
            zh=f"{node} 的 edgeHub 连接 {server}，这是 {_NOT_HUB[server.port]} 的端口，不是 hub 端口。",
        )
    return None


def _cloudcore_may_be_here(unit: EdgecoreUnit) -> bool:
    return isinstance(unit.table, Unavailable) or any(one.name == "cloudcore" for one in unit.table.items)


def _differ(config: EdgecoreConfig, hub: HostPort, https: HostPort) -> Finding:
    node = config.node_name
    return warned(
        Text(
            f"edgeHub of {node} dials {hub.host}, but takes certificates from {https.host}: if these are not one cloud, the node can never renew its certificate.",
            zh=f"{node} 的 edgeHub 连接 {hub.host}，却从 {https.host} 获取证书：若两者不是同一云端，节点将无法更新证书。",
        ),
        expected=Text("one host in both", zh="两处为同一主机"),
        actual=f"websocket {hub}, httpServer {https}",
        hint=Text(
            "This is fine if both lead to the same cloudcore; otherwise correct httpServer.",
            zh="若两者通向同一 cloudcore 则无问题；否则请修正 httpServer。",
        ),
        subject=node,
        node=node,
        evidence=(Evidence(config.path, f"httpServer: {https}", config.line(f"{_HUB}.httpServer")),),
        commands=(f"sudo vi {config.path}   # {_HUB}.httpServer",),
        breaks=(),
        hop="",
    )
