"""Who answers names for pods: the cluster's DNS Service, and EdgeMesh, which answers on the edge itself."""

from __future__ import annotations

from dataclasses import dataclass

from kedoctor.api import Cluster, Unavailable, fact, require
from kedoctor.checks.parsers.kubernetes import DaemonSet, Service

__all__ = ["EDGEMESH_ADDRESS", "ClusterDns", "cluster_dns"]

EDGEMESH_ADDRESS = "169.254.96.16"
"""Where the agent of EdgeMesh answers DNS on every edge (facts.md §9 (32))."""


@dataclass(frozen=True, slots=True)
class ClusterDns:
    """The address of the DNS Service (empty: there is none) and whether EdgeMesh's DaemonSet exists.

    ``edgemesh`` is ``None`` when that could not be asked.
    """

    address: str
    edgemesh: bool | None


@fact
def cluster_dns(cluster: Cluster) -> ClusterDns:
    """The Service labelled ``k8s-app=kube-dns`` of kube-system (CoreDNS of kubeadm and of K3s alike)."""
    services = require(cluster.list(Service, namespace="kube-system", label_selector="k8s-app=kube-dns"))
    address = next((one.spec.cluster_ip for one in services if one.spec.cluster_ip), "")
    agents = cluster.list(DaemonSet, namespace="kubeedge", field_selector="metadata.name=edgemesh-agent")
    return ClusterDns(address, None if isinstance(agents, Unavailable) else bool(agents))
