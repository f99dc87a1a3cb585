"""What an edge host shows of its links: sockets, probes of the cloud's ports, and edged's health (facts.md §3.5)."""

from __future__ import annotations

from dataclasses import dataclass

from kedoctor.api import (
    Connection,
    Host,
    HttpAnswer,
    Reason,
    Socket,
    Sockets,
    TlsPeer,
    Unavailable,
    Wire,
    fact,
    require,
)
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig, EdgecoreUnit
from kedoctor.checks.parsers.host_port import HostPort, is_ip, same_host

__all__ = [
    "EDGED_PORT",
    "CloudCa",
    "CloudPorts",
    "EdgeSockets",
    "EdgedHealth",
    "HubLink",
    "PortProbe",
    "cloud_ca",
    "cloud_ports",
    "edge_sockets",
    "edged_health",
    "hub_link_held",
]

EDGED_PORT = 10350
"""Where the cloud always asks an edge: ``http://127.0.0.1:10350`` is hard-coded there (facts.md §3.5)."""


@dataclass(frozen=True, slots=True)
class EdgeSockets:
    """The TCP sockets of an edge host; without root the owners of some are not visible."""

    sockets: Sockets

    def listening(self, port: int) -> tuple[Socket, ...]:
        """Everything that listens on ``port``."""
        return tuple(s for s in self.sockets.items if s.state == "LISTEN" and s.local_port == port)

    def towards(self, server: HostPort, state: str = "ESTABLISHED") -> tuple[Socket, ...]:
        """Edgecore's sockets to ``server`` in ``state``; a name cannot be compared, so its port decides alone."""
        return tuple(
            s
            for s in self.sockets.items
            if s.state == state
            and s.remote_port == server.port
            and (not is_ip(server.host) or same_host(s.remote_address, server.host))
            and self.may_be_edgecore(s)
        )

    def may_be_edgecore(self, socket: Socket) -> bool:
        """Whether a socket is edgecore's; an unknown owner may be, when owners could not all be seen."""
        return socket.process == "edgecore" or (not socket.process and not self.sockets.owners_complete)


@fact
def edge_sockets(host: Host) -> EdgeSockets:
    """All TCP sockets of this host."""
    return EdgeSockets(require(host.sockets()))


@dataclass(frozen=True, slots=True)
class PortProbe:
    """A TCP connection to one port of the cloud and, where it was made, the TLS server behind it.

    ``role`` is ``hub`` (10000), ``https`` (10002) or ``tunnel`` (10004).
    """

    role: str
    server: HostPort
    tcp: Connection | Unavailable
    tls: TlsPeer | Unavailable | None


@dataclass(frozen=True, slots=True)
class CloudPorts:
    """Probes of every cloud port that this edge dials."""

    probes: tuple[PortProbe, ...]


@dataclass(frozen=True, slots=True)
class HubLink:
    """Whether a running edgecore of ``node`` holds an established connection to the hub (10000)."""

    node: str
    held: bool


@fact
def hub_link_held(config: EdgecoreConfig, sockets: EdgeSockets, unit: EdgecoreUnit) -> HubLink:
    """What the edge host itself shows of its hub link, for checks that see both ends."""
    server = config.hub_server
    return HubLink(config.node_name, bool(unit.runs and server is not None and sockets.towards(server)))


@fact
def cloud_ports(wire: Wire, config: EdgecoreConfig) -> CloudPorts:
    """Dials each cloud port that edgecore dials, first TCP, then TLS; never a websocket upgrade."""
    return CloudPorts(tuple(_probe(wire, role, server) for role, server in config.cloud_servers()))


def _probe(wire: Wire, role: str, server: HostPort) -> PortProbe:
    tcp = wire.connect(server.host, server.port)
    tls = None if isinstance(tcp, Unavailable) else wire.tls(server.host, server.port)
    return PortProbe(role, server, tcp, tls)


@dataclass(frozen=True, slots=True)
class CloudCa:
    """What ``GET https://<cloud>:10002/ca.crt`` gave: the CA as DER, and the cloud's time in its ``Date``."""

    url: str
    answer: HttpAnswer


@fact
def cloud_ca(wire: Wire, config: EdgecoreConfig) -> CloudCa | Unavailable:
    """The CA that cloudcore hands to this edge; TLS is not verified, just as edgecore does not (facts.md §4.2)."""
    server = config.http_server
    if server is None:
        what = "modules.edgeHub.httpServer"
        return Unavailable(Reason.INVALID, what, "edgecore.yaml names no server for certificates")
    url = f"https://{server}/ca.crt"
    return CloudCa(url, require(wire.get(url, timeout=5.0)))


@dataclass(frozen=True, slots=True)
class EdgedHealth:
    """The answer of ``http://127.0.0.1:10350/healthz``, or why there was none."""

    answer: HttpAnswer | Unavailable


@fact
def edged_health(wire: Wire) -> EdgedHealth:
    """Asks edged's read-only server for its health (facts.md §3.6)."""
    return EdgedHealth(wire.get(f"http://127.0.0.1:{EDGED_PORT}/healthz", timeout=5.0))
