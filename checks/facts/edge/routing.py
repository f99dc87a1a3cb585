"""How an edge finds itself: names in ``/etc/hosts``, and what the stream port of the cloud answers to it."""

from __future__ import annotations

from dataclasses import dataclass

from kedoctor.api import Connection, File, Host, Identity, Reason, Text, Unavailable, Wire, fact
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreConfig
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig
from kedoctor.checks.facts.edge.host import EdgeAddresses
from kedoctor.checks.parsers.host_port import HostPort
from kedoctor.checks.parsers.releases import Release, Trait, has

__all__ = ["EdgeNames", "OwnAddress", "StreamReach", "edge_names", "own_address", "stream_reach"]

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
class OwnAddress:
    """The address that edgecore takes for its own, and where it has it from."""

    address: str
    source: Text


def own_address(
    addresses: EdgeAddresses, names: EdgeNames | Unavailable, release: Release | None
) -> OwnAddress | None:
    """What ``util.GetLocalIP`` finds without ``nodeIP``: of host name and default route the one that the release asks first.

    Up to v1.20 that is the host name, from v1.21 on the default route (versions.md §4). ``None``: there is neither, or
    the two differ and the release is not known.
    """
    route = OwnAddress(addresses.default_route, Text("default route", zh="默认路由"))
    known = () if isinstance(names, Unavailable) else names.addresses_of(names.hostname)
    own = next((one for one in known if addresses.has(one) and not one.startswith(("127.", "::1"))), "")
    name = OwnAddress(own, Text("host name", zh="主机名"))
    if not (route.address and name.address) or route.address == name.address:
        return next((one for one in (route, name) if one.address), None)
    route_first = has(release, Trait.DEFAULT_ROUTE_FIRST)
    if route_first is None:
        return None
    return route if route_first else name


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
