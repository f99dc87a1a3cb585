"""What the addresses are to which a diversion can lead, as seen from one host (facts.md §3.4, §9 (8))."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from kedoctor.api import Cluster, Unavailable, fact
from kedoctor.checks.facts.cloud.cloud_host import CloudProcesses, HostAddresses
from kedoctor.checks.facts.cloud.cloudcore import NAMESPACE, CloudcoreConfig, CloudcoreWorkload
from kedoctor.checks.facts.cloud.cloudcores import Cloudcore, Cloudcores
from kedoctor.checks.facts.cluster.nodes import SiteNodes, is_edge
from kedoctor.checks.facts.cluster.tunnel_port import TunnelPortRecord
from kedoctor.checks.parsers.host_port import is_loopback
from kedoctor.checks.parsers.kubernetes import Service

__all__ = ["DiversionTargets", "Place", "ServiceAddresses", "diversion_targets", "service_addresses"]

_STREAM_PORT = 10003
_IPVS_INTERFACE = "kube-ipvs0"


class Place(StrEnum):
    """What a diversion leads to."""

    CLOUDCORE = "a live cloudcore's stream server"
    OTHER_CLOUDCORE = "a live cloudcore, but not the one that holds this tunnel port"
    OTHER_PORT = "a live cloudcore, another port"
    DOWN = "the cloudcore that holds this tunnel port, which does not run"
    CLUSTER_IP = "the ClusterIP of a Service"
    IPVS_ADDRESS = "the ClusterIP of a Service, which IPVS holds on this host"
    LOOPBACK = "this host itself, where no cloudcore runs"
    KEPT = "the edge itself: the rule names no address"
    EDGE = "an edge node"
    NODE = "a node without a cloudcore"
    DEAD_RECORD = "an address on record where no cloudcore runs"
    STRANGER = "an address that nobody here knows"
    NOT_KNOWN = "not known"


@dataclass(frozen=True, slots=True)
class ServiceAddresses:
    """The ClusterIPs of the cluster, each with ``namespace/name`` of its Service."""

    names: Mapping[str, str]


@fact
def service_addresses(cluster: Cluster) -> ServiceAddresses | Unavailable:
    """All Services in one list; where that is not allowed, those of cloudcore's namespace."""
    services = cluster.list(Service)
    if isinstance(services, Unavailable):
        services = cluster.list(Service, namespace=NAMESPACE)
    if isinstance(services, Unavailable):
        return services
    return ServiceAddresses(
        {
            service.spec.cluster_ip: f"{service.metadata.namespace}/{service.metadata.name}"
            for service in services
            if service.spec.cluster_ip not in ("", "None")
        }
    )


@dataclass(frozen=True, slots=True)
class DiversionTargets:
    """Where a diversion from this host should lead, and what else there is.

    ``live`` are the addresses at which a running cloudcore takes stream requests from this host; ``here`` is
    whether one of them is this host. ``runs`` is false when it is certain that no cloudcore runs at all, and
    ``None`` when the cloudcores are not known. ``services`` is ``None`` when they could not be listed. ``cloudcores`` are
    all that there are, each with its tunnel port.
    """

    port: int = _STREAM_PORT
    live: frozenset[str] = frozenset()
    here: bool = False
    runs: bool | None = True
    recorded: frozenset[str] = frozenset()
    services: Mapping[str, str] | None = field(default_factory=dict)
    edges: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)
    own: frozenset[str] = frozenset()
    ipvs: frozenset[str] = frozenset()
    cloudcores: Cloudcores = field(default_factory=Cloudcores)

    def place(
        self, address: str | None, port: int | None, *, kept: bool = False, tunnel_port: int = 0
    ) -> Place:
        """What ``address:port`` is. ``kept``: the rule names no address, so packets keep that of the edge.

        ``tunnel_port`` is the port whose connections lead there: only the cloudcore that holds it has their sessions.
        """
        place = self._place(address, port, kept=kept)
        wanted = self.cloudcores.with_port(tunnel_port)
        if wanted is None or address is None or not self.cloudcores.several:
            return place
        found = self._at(address)
        if found is wanted:
            down = wanted.runs is False and bool(wanted.pod) and place is not Place.CLOUDCORE
            return Place.DOWN if down else place
        known = found is not None and found.port is not None and place is Place.CLOUDCORE
        return Place.OTHER_CLOUDCORE if known else place

    def _at(self, address: str) -> Cloudcore | None:
        """The cloudcore at an address; this host's own one at every address of this host."""
        found = self.cloudcores.at(address)
        if found is not None or not (address in self.own or is_loopback(address)):
            return found
        return next((one for one in self.cloudcores.items if one.addresses & self.own), None)

    def _place(self, address: str | None, port: int | None, *, kept: bool) -> Place:
        if kept or address in self.edges:
            return Place.KEPT if kept else Place.EDGE
        if address is None or port is None or self.runs is None:
            return Place.NOT_KNOWN
        if address in self.live or (self.here and (address in self.own or is_loopback(address))):
            return Place.CLOUDCORE if port == self.port else Place.OTHER_PORT
        if is_loopback(address) or address in self.own:
            return Place.LOOPBACK
        if self.services is not None and address in self.services:
            return Place.IPVS_ADDRESS if address in self.ipvs else Place.CLUSTER_IP
        if address in self.recorded:
            return Place.DEAD_RECORD
        return Place.NODE if address in self.others else Place.STRANGER

    def strange(self, address: str, port: int) -> bool:
        """Whether only a connection can tell what is behind an address."""
        return self.place(address, port) is Place.STRANGER


@fact
def diversion_targets(
    workload: CloudcoreWorkload | Unavailable,
    config: CloudcoreConfig | Unavailable,
    record: TunnelPortRecord | Unavailable,
    nodes: SiteNodes | Unavailable,
    services: ServiceAddresses | Unavailable,
    *,
    addresses: HostAddresses | Unavailable,
    processes: CloudProcesses | Unavailable,
    cloudcores: Cloudcores,
) -> DiversionTargets:
    """Put together from what the API and this host say; whatever is missing makes an address unknown, not wrong."""
    own = frozenset() if isinstance(addresses, Unavailable) else addresses.ipv4
    recorded = frozenset() if isinstance(record, Unavailable) else frozenset(record.ports)
    process = not isinstance(processes, Unavailable) and processes.cloudcore is not None
    live, runs = _live(workload, nodes, recorded, cloudcores, process=process)
    on_host = isinstance(workload, Unavailable) or workload.host_network is not False
    return DiversionTargets(
        port=_STREAM_PORT if isinstance(config, Unavailable) else config.stream_port or _STREAM_PORT,
        live=live,
        here=on_host and (bool(live & own) or (process and runs is not False)),
        runs=runs,
        recorded=recorded,
        services=None if isinstance(services, Unavailable) else services.names,
        edges=_addresses(nodes, edges=True),
        others=_addresses(nodes, edges=False),
        own=own,
        ipvs=frozenset()
        if isinstance(addresses, Unavailable)
        else frozenset(one.address for one in addresses.addresses.items if one.interface == _IPVS_INTERFACE),
        cloudcores=cloudcores,
    )


def _live(
    workload: CloudcoreWorkload | Unavailable,
    nodes: SiteNodes | Unavailable,
    recorded: frozenset[str],
    cloudcores: Cloudcores,
    *,
    process: bool,
) -> tuple[frozenset[str], bool | None]:
    """Addresses of running cloudcores, and whether any runs."""
    if isinstance(workload, Unavailable):
        return recorded, None if not recorded else True
    if not workload.pods and workload.deployment is None:
        # A cloudcore outside the cluster: what it wrote of itself is all there is.
        return recorded, True if process or recorded else None
    if not workload.live:
        return frozenset(), process
    if workload.host_network is False:
        return frozenset(pod.status.pod_ip for pod in workload.live if pod.status.pod_ip), True
    names = {pod.spec.node_name for pod in workload.live}
    of_nodes = {address for address, node in _addresses(nodes, edges=False).items() if node in names}
    # A cloudcore writes the address of its default route, which need not be the one Kubernetes gives its pod.
    written = {address for one in cloudcores.items if one.runs for address in one.addresses}
    return workload.addresses | of_nodes | written, True


def _addresses(nodes: SiteNodes | Unavailable, *, edges: bool) -> dict[str, str]:
    if isinstance(nodes, Unavailable):
        return {}
    return {
        one.address: node.metadata.name
        for node in nodes.items
        if is_edge(node) is edges
        for one in node.status.addresses or ()
        if one.type in {"InternalIP", "ExternalIP"}
    }
