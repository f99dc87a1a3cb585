"""How an edge finds itself: names in ``/etc/hosts``, and what the stream port of the cloud answers to it."""

from __future__ import annotations

from dataclasses import dataclass

from kedoctor.api import Connection, File, Host, Identity, Reason, Unavailable, Wire, fact
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreConfig
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig
from kedoctor.checks.parsers.host_port import HostPort

__all__ = ["EdgeNames", "StreamReach", "edge_names", "stream_reach"]

_NODE_PORTS = 30000
_STREAM_NODE_PORT = 30003


@dataclass(frozen=True, slots=True)
class EdgeNames:
    """``/etc/hosts`` as (address, names), and the host's own name; ``hosts`` is ``None`` where it was not read."""

    hosts: tuple[tuple[str, tuple[str, ...]], ...] | None
    hostname: str

    def addresses_of(self, name: str) -> tuple[str, ...]:
        """The addresses under which ``/etc/hosts`` has that name."""
        return tuple(address for address, names in self.hosts or () if name in names)


@fact
def edge_names(host: Host) -> EdgeNames:
    """``/etc/hosts``, without its comments, and the host name."""
    file, identity = host.read("/etc/hosts"), host.identity()
    hosts = None
    if isinstance(file, File):
        lines = (line.partition("#")[0].split() for line in file.text().splitlines())
        hosts = tuple((words[0], tuple(words[1:])) for words in lines if len(words) > 1)
    return EdgeNames(hosts, identity.hostname if isinstance(identity, Identity) else "")


@dataclass(frozen=True, slots=True)
class StreamReach:
    """Whether this edge can connect to the port that answers kube-apiserver and authenticates nobody."""

    server: HostPort
    tcp: Connection | Unavailable


@fact
def stream_reach(
    wire: Wire, config: EdgecoreConfig, cloudcore: CloudcoreConfig | Unavailable
) -> StreamReach | Unavailable:
    """One TCP connection to 10003 (NodePort mode: 30003) of the cloud; nothing is sent."""
    hub = config.hub_server
    if hub is None:
        return Unavailable(Reason.INVALID, "the cloud's address", "edgecore.yaml names none")
    port = 10003 if isinstance(cloudcore, Unavailable) else cloudcore.stream_port or 10003
    server = HostPort(hub.host, _STREAM_NODE_PORT if hub.port >= _NODE_PORTS else port)
    return StreamReach(server, wire.connect(server.host, server.port, timeout=3.0))
