"""Every cloudcore of the site: its pod, its address and tunnel port on record, and the edges that hang on it.

Each cloudcore writes its own address and port into the record, a manager makes one rule of each entry, and a tunnel
writes the port of the cloudcore that took it into the Node; only that cloudcore has the session (facts.md §3.2 to §3.5).
So port, rule, session and process belong together for each cloudcore by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kedoctor.api import EveryHost, Unavailable, fact
from kedoctor.checks.facts.cloud.cloud_host import HostAddresses
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreWorkload
from kedoctor.checks.facts.cluster.nodes import EdgeNode, EdgeNodes, SiteNodes
from kedoctor.checks.facts.cluster.tunnel_port import TunnelPortRecord
from kedoctor.checks.parsers.host_port import is_loopback
from kedoctor.checks.parsers.kubernetes import Pod
from kedoctor.checks.parsers.kubernetes.pod_health import is_live

__all__ = ["Cloudcore", "Cloudcores", "cloudcores"]

_NO_HOSTS: EveryHost[HostAddresses] = EveryHost({})
_DONE = frozenset({"Failed", "Succeeded"})


@dataclass(frozen=True, slots=True)
class Cloudcore:
    """One cloudcore.

    ``address`` is what it wrote of itself, or that of its pod where the record does not name it. ``port`` is its tunnel
    port, 0 where none is on record and ``None`` where that is not known. ``pod`` and ``node`` are empty for an entry of
    the record that is no pod's. ``runs`` is ``None`` where that cannot be told. ``addresses`` are all by which it is
    reached, ``edges`` those whose Node has its port. ``guessed``: the record's address is none that is known of its host.
    """

    address: str
    port: int | None
    pod: str = ""
    node: str = ""
    runs: bool | None = None
    addresses: frozenset[str] = frozenset()
    edges: tuple[str, ...] = ()
    guessed: bool = False


@dataclass(frozen=True, slots=True)
class Cloudcores:
    """The cloudcores that have an address: those with a pod first, then entries of the record that are no pod's."""

    items: tuple[Cloudcore, ...] = ()

    @property
    def several(self) -> bool:
        """Whether edges may hang on more than one."""
        return len(self.items) > 1

    @property
    def unrecorded(self) -> tuple[Cloudcore, ...]:
        """Those that run and surely have no entry in the record."""
        return tuple(one for one in self.items if one.runs and one.port == 0)

    def with_port(self, port: int) -> Cloudcore | None:
        """The one to which a tunnel port belongs."""
        return next((one for one in self.items if port and one.port == port), None)

    def at(self, address: str) -> Cloudcore | None:
        """The one that is reached at an address."""
        return next((one for one in self.items if address and address in one.addresses), None)

    def of_pod(self, pod: str) -> Cloudcore | None:
        """The one that runs in that pod."""
        return next((one for one in self.items if one.pod == pod), None)


@fact
def cloudcores(
    workload: CloudcoreWorkload | Unavailable,
    record: TunnelPortRecord | Unavailable,
    nodes: SiteNodes | Unavailable,
    edges: EdgeNodes | Unavailable,
    hosts: EveryHost[HostAddresses] = _NO_HOSTS,
) -> Cloudcores:
    """Pods and entries of the record put together by their addresses.

    A cloudcore writes the address of its default route, which need not be one that Kubernetes knows of its pod: one
    entry that is left over belongs to the one running pod that is left over. Where more are, nobody can tell which. Of a
    host in view all addresses are known: an entry that is none of them is not its cloudcore's.
    """
    entries = {} if isinstance(record, Unavailable) else dict(record.ports)
    users = () if isinstance(edges, Unavailable) else edges.items
    if isinstance(workload, Unavailable) or not workload.pods:
        return Cloudcores(tuple(_entry(ip, port, users) for ip, port in entries.items()))
    seen = {pod.metadata.name: own for pod in workload.pods if (own := _of_host(pod, hosts))}
    known = [
        (pod, _addresses(pod, nodes) | seen.get(pod.metadata.name, frozenset()))
        for pod in _pods(workload.pods)
    ]
    named = [(pod, own, next((ip for ip in entries if ip in own), "")) for pod, own in known]
    strangers = [ip for ip in entries if ip not in {ip for _, _, ip in named}]
    # Without hostNetwork the default route is that of the pod, so the address is always the pod's own.
    nameless = [
        pod
        for pod, _, ip in named
        if not ip and is_live(pod) and pod.spec.host_network and pod.metadata.name not in seen
    ]
    pair = strangers[0] if len(strangers) == len(nameless) == 1 else ""
    unknown = bool(strangers) and bool(nameless) and not pair
    found = []
    for pod, own, ip in named:
        mine = pair if pair and pod in nameless else ip
        port = entries.get(mine, None if isinstance(record, Unavailable) or unknown else 0)
        found.append(_running(pod, mine, own, port, users))
    # With no more strangers than pods without an entry each is somebody's; of more than that some are dead.
    alive = True if len(strangers) <= len(nameless) else None if nameless else False
    return Cloudcores(
        (*found, *(_entry(ip, entries[ip], users, runs=alive) for ip in strangers if ip != pair))
    )


def _of_host(pod: Pod, hosts: EveryHost[HostAddresses]) -> frozenset[str]:
    """All IPv4 addresses of the host that a pod shares, where it is in view; loopback is every host's."""
    if not pod.spec.host_network or not pod.status.host_ip:
        return frozenset()
    own = next((one for one in hosts.known().values() if pod.status.host_ip in one.ipv4), None)
    return frozenset(ip for ip in own.ipv4 if not is_loopback(ip)) if own else frozenset()


def _pods(pods: Sequence[Pod]) -> list[Pod]:
    """One pod for each address: that which runs, else the newest; those that wait for a node have none."""
    placed = [pod for pod in pods if _own(pod) and pod.status.phase not in _DONE]
    found: dict[str, Pod] = {}
    for pod in sorted(placed, key=is_live, reverse=True):  # stable: newest first among equals
        found.setdefault(_own(pod), pod)
    return list(found.values())


def _own(pod: Pod) -> str:
    return pod.status.pod_ip or (pod.status.host_ip or "" if pod.spec.host_network else "")


def _addresses(pod: Pod, nodes: SiteNodes | Unavailable) -> frozenset[str]:
    own = {_own(pod)}
    if pod.spec.host_network:
        node = None if isinstance(nodes, Unavailable) else nodes.named(pod.spec.node_name)
        own |= {pod.status.host_ip or ""} | {
            one.address
            for one in ((node.status.addresses or ()) if node is not None else ())
            if one.type in {"InternalIP", "ExternalIP"}
        }
    return frozenset(own - {""})


def _running(
    pod: Pod, recorded: str, own: frozenset[str], port: int | None, users: Sequence[EdgeNode]
) -> Cloudcore:
    return Cloudcore(
        address=recorded or _own(pod),
        port=port,
        pod=pod.metadata.name,
        node=pod.spec.node_name,
        runs=is_live(pod),
        addresses=frozenset({*own, recorded} - {""}),
        edges=_edges(port, users),
        guessed=bool(recorded) and recorded not in own,
    )


def _entry(ip: str, port: int, users: Sequence[EdgeNode], *, runs: bool | None = None) -> Cloudcore:
    return Cloudcore(ip, port, runs=runs, addresses=frozenset({ip} - {""}), edges=_edges(port, users))


def _edges(port: int | None, users: Sequence[EdgeNode]) -> tuple[str, ...]:
    return tuple(edge.name for edge in users if port and edge.port == port and not edge.runs_foreign_kubelet)
