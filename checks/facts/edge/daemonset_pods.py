"""Pods of DaemonSets that belong to the cloud and are on edges (facts.md §7, §10 (49))."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kedoctor.api import Cluster, Reason, Unavailable, fact, patterns, require
from kedoctor.checks.facts.cluster.nodes import EdgeNodes
from kedoctor.checks.parsers.kubernetes import Pod

__all__ = ["ForeignPods"]

_OF_DAEMONSETS = "controller-revision-hash"
_FEW_EDGES = 200
_FOREIGN = patterns.compiled(
    r"^(kube-proxy|svclb|kube-flannel|flannel|calico-node|canal|cilium|weave-net|kube-router|antrea-agent"
    r"|node-local-dns|nodelocaldns|node-cache)(-|$)"
)


@dataclass(frozen=True, slots=True)
class ForeignPods:
    """By edge node the pods, as ``namespace/name``; nodes that have none are not in it."""

    on: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@fact
def foreign_pods(cluster: Cluster, edges: EdgeNodes) -> ForeignPods | Unavailable:
    """One list of the pods that DaemonSets made; where there are many edges it would be too long."""
    if len(edges.items) > _FEW_EDGES:
        return Unavailable(Reason.TOO_LARGE, "the pods of all DaemonSets", f"more than {_FEW_EDGES} edges")
    names, found = frozenset(edges.names), dict[str, tuple[str, ...]]()
    for pod in require(cluster.list(Pod, label_selector=_OF_DAEMONSETS)):
        node = pod.spec.node_name
        if node in names and _FOREIGN.match(pod.metadata.name):
            found[node] = (*found.get(node, ()), f"{pod.metadata.namespace}/{pod.metadata.name}")
    return ForeignPods(found)
