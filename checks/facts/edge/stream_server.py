"""What the configured address of edgeStream's server says by itself, before anybody dials it."""

from __future__ import annotations

from dataclasses import dataclass

from kedoctor.api import Text, Unavailable
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreConfig
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig, EdgecoreUnit
from kedoctor.checks.parsers.host_port import HostPort, is_loopback, same_host

__all__ = ["ServerFault", "server_fault"]

_OTHER_PORTS = {
    10000: "cloudHub websocket",
    10001: "cloudHub quic",
    10002: "cloudHub HTTPS",
    10003: "cloudStream stream server",
    30000: "cloudHub websocket (NodePort)",
    30002: "cloudHub HTTPS (NodePort)",
    30003: "cloudStream stream server (NodePort)",
}


@dataclass(frozen=True, slots=True)
class ServerFault:
    """What is wrong with the address; ``sure`` unless another route to the same cloud could explain it."""

    summary: Text
    expected: Text
    sure: bool = True


def server_fault(
    config: EdgecoreConfig, unit: EdgecoreUnit, cloudcore: CloudcoreConfig | Unavailable
) -> ServerFault | None:
    """What is wrong with the written address by itself, whoever answers there; ``None`` if nothing is."""
    tunnel_port = 10004 if isinstance(cloudcore, Unavailable) else cloudcore.tunnel_port or 10004
    return _fault(config, config.stream_server, tunnel_port, cloudcore_here=_runs_here(unit))


def _runs_here(unit: EdgecoreUnit) -> bool | None:
    if isinstance(unit.table, Unavailable):
        return None
    return any(process.name == "cloudcore" for process in unit.table.items)


def _fault(
    config: EdgecoreConfig, server: HostPort | None, tunnel_port: int, *, cloudcore_here: bool | None
) -> ServerFault | None:
    hub = config.hub_server
    wanted = _wanted(hub, tunnel_port)
    if server is None or not server.port:
        written = config.text("modules.edgeStream.server") or "nothing"
        return ServerFault(
            Text(
                f"modules.edgeStream.server is not a host:port ({written}).",
                zh=f"modules.edgeStream.server 不是 主机:端口（{written}）。",
            ),
            wanted,
        )
    if is_loopback(server.host):
        return None if cloudcore_here else _loops(config, server, wanted)
    if server.port in _OTHER_PORTS and server.port != tunnel_port:
        return ServerFault(
            Text(
                f"edgeStream of {config.node_name} dials {server}, which is the port of the {_OTHER_PORTS[server.port]}, not of the tunnel.",
                zh=f"{config.node_name} 的 edgeStream 连接 {server}，这是 {_OTHER_PORTS[server.port]} 的端口，不是隧道端口。",
            ),
            wanted,
        )
    if hub is None or (is_loopback(hub.host) and not cloudcore_here):
        return None  # edgeHub's own address is not a measure then (KE211)
    if hub.port >= 30000 and server.port == 10004 and same_host(server.host, hub.host):
        return ServerFault(
            Text(
                f"edgeHub dials NodePort {hub.port}, but edgeStream dials {server}: with NodePorts the tunnel is at 30004.",
                zh=f"edgeHub 连接的是 NodePort {hub.port}，而 edgeStream 连接 {server}：NodePort 方式下隧道端口为 30004。",
            ),
            wanted,
            sure=False,
        )
    return _other_place(config, server, hub, tunnel_port)


def _wanted(hub: HostPort | None, tunnel_port: int) -> Text:
    host = "<cloud>" if hub is None or is_loopback(hub.host) else hub.host
    port = 30004 if hub is not None and hub.port >= 30000 else tunnel_port
    return Text(f"server: {HostPort(host, port)}", zh=f"server: {HostPort(host, port)}")


def _loops(config: EdgecoreConfig, server: HostPort, wanted: Text) -> ServerFault:
    summary = Text(
        f"edgeStream of {config.node_name} dials {server}, which is the edge itself; the tunnel server runs on the cloud.",
        zh=f"{config.node_name} 的 edgeStream 连接 {server}，即边缘节点自身；隧道服务器在云端。",
    )
    return ServerFault(summary, wanted)


def _other_place(
    config: EdgecoreConfig, server: HostPort, hub: HostPort, tunnel_port: int
) -> ServerFault | None:
    if not same_host(server.host, hub.host):
        return ServerFault(
            Text(
                f"edgeStream of {config.node_name} dials {server.host}, but edgeHub dials {hub.host}.",
                zh=f"{config.node_name} 的 edgeStream 连接 {server.host}，而 edgeHub 连接 {hub.host}。",
            ),
            _wanted(hub, tunnel_port),
            sure=False,
        )
    if server.port not in (tunnel_port, 30004) and hub.port == 10000:
        return ServerFault(
            Text(
                f"edgeStream of {config.node_name} dials port {server.port}, but the tunnel server of the cloud is at {tunnel_port}.",
                zh=f"{config.node_name} 的 edgeStream 连接端口 {server.port}，而云端隧道服务器在 {tunnel_port}。",
            ),
            _wanted(hub, tunnel_port),
            sure=False,
        )
    return None
