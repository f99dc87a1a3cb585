"""Faults of a site whose cloudcore has the network of its pod (:mod:`pod_network_site`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from faults_edge import edge_dial, hub_dial
from faulty_machine import CLOUD, NODE_PORT
from faulty_site import silent
from pod_network_site import POD, PodNetwork

__all__ = ["POD_FAULTS", "PodFault"]

JUMP = '-A OUTPUT -m comment --comment "kubeedge tunnel port" -j TUNNEL-PORT\n'


@dataclass(frozen=True, slots=True)
class PodFault:
    """One fault: the only cause, also where the edge is not in view (``cloud``) and from a laptop."""

    name: str
    code: str
    cloud: str
    laptop: str
    nodes: tuple[str, ...]
    inject: Callable[[PodNetwork], None]


POD_FAULTS: list[PodFault] = []
Inject = Callable[[PodNetwork], None]


def pod_fault(code: str, *nodes: str, cloud: str = "", laptop: str = "") -> Callable[[Inject], Inject]:
    """Registers a fault under the name of its function."""

    def register(inject: Inject) -> Inject:
        POD_FAULTS.append(
            PodFault(inject.__name__.replace("_", "-"), code, cloud or code, laptop or code, nodes, inject)
        )
        return inject

    return register


@pod_fault("KE106")
def service_without_a_way_in(site: PodNetwork) -> None:
    """The Service is of type ClusterIP: no edge gets in (facts.md §1.3)."""
    site.service = "ClusterIP"
    site.tunnel_down.add("no node port")
    site.hub_down.add("no node port")
    site.inside = [one for one in site.inside if one.state == "LISTEN"]
    edge_dial(site, f"dial tcp {CLOUD}:30004: connect: connection refused")
    hub_dial(site, f"dial tcp {CLOUD}:30000: connect: connection refused")
    site.change("Node", "edge2", silent)


@pod_fault("KE203", "edge1", cloud="KE508", laptop="KE513")
def stream_server_of_the_host_network(site: PodNetwork) -> None:
    """edgeStream dials 10004, where nothing listens without hostNetwork (facts.md §10 (20))."""
    site.set("modules.edgeStream.server", f"{CLOUD}:10004")
    site.tunnel_down.add("10004 is a port of the pod")
    site.edge.close(port=30004)
    edge_dial(site, f"dial tcp {CLOUD}:10004: connect: connection refused")


@pod_fault("KE304", laptop="KE513")
def rule_to_the_host(site: PodNetwork) -> None:
    """A rule made by hand leads to the host, as documents for hostNetwork have it."""
    own = f"-A OUTPUT -p tcp -m tcp --dport {NODE_PORT} -j DNAT --to-destination {CLOUD}:10003\n"
    site.legacy = site.legacy.replace(JUMP, own + JUMP)


@pod_fault("KE107")
def rules_written_in_the_pod(site: PodNetwork) -> None:
    """Mode internal: cloudcore writes its rules into the network of its own pod, where no kube-apiserver is."""
    site.cloudcore("modules.iptablesManager.mode", "internal")
    site.change("Pod", "cloud-iptables-manager", None)
    site.change("DaemonSet", "cloud-iptables-manager", None)
    rule = f"-A TUNNEL-PORT -p tcp -m tcp --dport {NODE_PORT} -j DNAT --to-destination {POD}:10003\n"
    site.legacy = site.legacy.replace(rule, "")
