"""The nodes of the site: which are edges, and on which hosts kube-apiserver runs.

An edge node carries the label ``node-role.kubernetes.io/edge`` or runs a kubelet whose version names KubeEdge
(facts.md §7). Leases are read in one list, so nothing here costs a request per node.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from kedoctor.api import Cluster, Reason, Unavailable, fact, require
from kedoctor.checks.parsers.kubernetes import Condition, Endpoints, EndpointSlice, Lease, Node, Taint

__all__ = ["ApiServerHost", "CloudNodes", "EdgeNode", "EdgeNodes", "NodeLeases", "SiteNodes"]

_IDENTITY = "apiserver.kubernetes.io/identity=kube-apiserver"


@dataclass(frozen=True, slots=True)
class SiteNodes:
    """Every Node object of the cluster, by name."""

    items: tuple[Node, ...]

    def named(self, name: str) -> Node | None:
        """The node of that name."""
        return next((node for node in self.items if node.metadata.name == name), None)


@dataclass(frozen=True, slots=True)
class NodeLeases:
    """When each node last renewed its lease, by node name and by that node's own clock."""

    renewed: Mapping[str, datetime]


@dataclass(frozen=True, slots=True)
class EdgeNode:
    """An edge node; ``ready`` is its Ready condition (``None``: it never reported one).

    ``port`` is ``status.daemonEndpoints.kubeletEndpoint.Port`` (0: not set), ``lease`` the last renewal by the
    node's own clock, ``cloudcore`` the address of the cloudcore it hangs on, ``labelled`` whether it carries the
    edge label.
    """

    name: str
    internal_ip: str = ""
    hostname: str = ""
    port: int = 0
    ready: Condition | None = None
    taints: tuple[Taint, ...] = ()
    cordoned: bool = False
    created: datetime | None = None
    version: str = ""
    lease: datetime | None = None
    cloudcore: str = ""
    labelled: bool = True

    @property
    def is_ready(self) -> bool:
        """Whether its Ready condition is True."""
        return self.ready is not None and self.ready.status == "True"

    @property
    def runs_foreign_kubelet(self) -> bool:
        """Whether a kubelet reports that is not KubeEdge's: such a node is reached without any tunnel."""
        return bool(self.version) and "kubeedge" not in self.version

    @property
    def absent_as_planned(self) -> bool:
        """Whether somebody cordoned it and it is not there now."""
        return self.cordoned and not self.is_ready

    def heard_before(self, now: datetime) -> timedelta | None:
        """How long before ``now`` the cluster last heard of it; ``None`` when that is unknown."""
        beat = self.ready.last_heartbeat_time if self.ready else None
        times = [time for time in (self.lease, beat) if time is not None]
        return now - max(times) if times else None


@dataclass(frozen=True, slots=True)
class EdgeNodes:
    """The edge nodes, by name; ``names`` are the rows of the matrix."""

    items: tuple[EdgeNode, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Their names, in order."""
        return tuple(node.name for node in self.items)

    def named(self, name: str) -> EdgeNode | None:
        """The edge node of that name."""
        return next((node for node in self.items if node.name == name), None)


@dataclass(frozen=True, slots=True)
class ApiServerHost:
    """A host that runs kube-apiserver; ``node`` is empty when that host is not a node of this cluster.

    ``lost`` is whether its Node does not report that it is ready, so that what its pods show is as it was last seen.
    """

    node: str
    address: str
    taints: tuple[Taint, ...] = ()
    lost: bool = False


@dataclass(frozen=True, slots=True)
class CloudNodes:
    """The hosts that run kube-apiserver, and how that is known; ``others`` are nodes that are neither."""

    hosts: tuple[ApiServerHost, ...]
    known_from: str
    others: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The node names of the API-server hosts that are nodes."""
        return tuple(host.node for host in self.hosts if host.node)


@fact
def site_nodes(cluster: Cluster) -> SiteNodes:
    """All nodes."""
    return SiteNodes(tuple(sorted(require(cluster.list(Node)), key=lambda node: node.metadata.name)))


@fact
def node_leases(cluster: Cluster) -> NodeLeases:
    """All node leases, in one list."""
    leases = require(cluster.list(Lease, namespace="kube-node-lease"))
    return NodeLeases(
        {lease.metadata.name: lease.spec.renew_time for lease in leases if lease.spec.renew_time is not None}
    )


@fact
def edge_nodes(nodes: SiteNodes, leases: NodeLeases | Unavailable) -> EdgeNodes:
    """The edge nodes with what is judged of them."""
    renewed = {} if isinstance(leases, Unavailable) else leases.renewed
    return EdgeNodes(tuple(_edge(node, renewed) for node in nodes.items if is_edge(node)))


@fact
def cloud_nodes(cluster: Cluster, nodes: SiteNodes) -> CloudNodes | Unavailable:
    """The API-server hosts, by role label; without one by the identity leases of kube-apiserver, and without those by endpoints."""
    here = tuple(node for node in nodes.items if not is_edge(node))
    labelled = tuple(node for node in here if _is_control_plane(node))
    if labelled:
        return _known(
            here, tuple(_host(node) for node in labelled), "the label node-role.kubernetes.io/control-plane"
        )
    for find, source in (
        (_by_lease, "the leases of kube-apiserver"),
        (_by_endpoint, "the endpoints of default/kubernetes"),
    ):
        hosts = find(cluster, here)
        if hosts:
            return _known(here, hosts, source)
    return Unavailable(
        Reason.ABSENT,
        "which hosts run kube-apiserver",
        "no node has a control-plane label, and neither leases nor endpoints of kube-apiserver could be read",
    )


def is_edge(node: Node) -> bool:
    """Whether a node is an edge: by its role label or by the version of its kubelet (facts.md §7)."""
    return node.metadata.labels.edge is not None or "kubeedge" in node.status.node_info.kubelet_version


def _edge(node: Node, renewed: Mapping[str, datetime]) -> EdgeNode:
    return EdgeNode(
        name=node.metadata.name,
        internal_ip=_address(node, "InternalIP"),
        hostname=_address(node, "Hostname"),
        port=node.status.daemon_endpoints.kubelet_endpoint.port,
        ready=next((one for one in node.status.conditions or () if one.type == "Ready"), None),
        taints=node.spec.taints or (),
        cordoned=node.spec.unschedulable,
        created=node.metadata.creation_timestamp,
        version=node.status.node_info.kubelet_version,
        lease=renewed.get(node.metadata.name),
        cloudcore=node.metadata.annotations.cloudcore or "",
        labelled=node.metadata.labels.edge is not None,
    )


def _address(node: Node, kind: str) -> str:
    return next((one.address for one in node.status.addresses or () if one.type == kind), "")


def _is_control_plane(node: Node) -> bool:
    labels = node.metadata.labels
    return labels.control_plane is not None or labels.master is not None


def _host(node: Node) -> ApiServerHost:
    ready = next((one for one in node.status.conditions or () if one.type == "Ready"), None)
    lost = ready is not None and ready.status == "Unknown"
    return ApiServerHost(node.metadata.name, _address(node, "InternalIP"), node.spec.taints or (), lost)


def _known(here: tuple[Node, ...], hosts: tuple[ApiServerHost, ...], source: str) -> CloudNodes:
    taken = {host.node for host in hosts}
    return CloudNodes(hosts, source, tuple(n.metadata.name for n in here if n.metadata.name not in taken))


def _by_lease(cluster: Cluster, here: tuple[Node, ...]) -> tuple[ApiServerHost, ...]:
    # Since Kubernetes 1.26 each kube-apiserver keeps a lease that is labelled with the name of its host.
    leases = cluster.list(Lease, namespace="kube-system", label_selector=_IDENTITY)
    if isinstance(leases, Unavailable):
        return ()
    found = {}
    for lease in leases:
        hostname = lease.metadata.labels.hostname or ""
        node = next((one for one in here if hostname and hostname in _names(one)), None)
        if node is None:
            return ()  # a host that is not a node here: endpoints know its address, a lease does not
        found[node.metadata.name] = _host(node)
    return tuple(found.values())


def _names(node: Node) -> set[str]:
    return {node.metadata.name, node.metadata.labels.hostname or "", _address(node, "Hostname")}


def _by_endpoint(cluster: Cluster, here: tuple[Node, ...]) -> tuple[ApiServerHost, ...]:
    hosts = []
    for address in _endpoint_addresses(cluster):
        node = next((one for one in here if address in {a.address for a in one.status.addresses or ()}), None)
        hosts.append(_host(node) if node else ApiServerHost("", address))
    return tuple(hosts)


def _endpoint_addresses(cluster: Cluster) -> tuple[str, ...]:
    slices = cluster.list(
        EndpointSlice, namespace="default", label_selector="kubernetes.io/service-name=kubernetes"
    )
    if not isinstance(slices, Unavailable) and slices:
        endpoints = [
            one for piece in slices for one in piece.endpoints or () if one.conditions.ready is not False
        ]
        return tuple(sorted({address for one in endpoints for address in one.addresses or ()}))
    old = cluster.list(Endpoints, namespace="default", field_selector="metadata.name=kubernetes")
    if isinstance(old, Unavailable):
        return ()
    subsets = [subset for one in old for subset in one.subsets or ()]
    return tuple(sorted({address.ip for subset in subsets for address in subset.addresses or ()}))
