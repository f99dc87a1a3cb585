"""Where a pod that asks for edges has to be: on a host that runs kube-apiserver, because there is the diversion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kedoctor.checks.facts.cluster.nodes import CloudNodes, SiteNodes

__all__ = ["on_api_hosts"]

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_LABEL = "node-role.kubernetes.io/control-plane"


def on_api_hosts(cloud: CloudNodes, nodes: SiteNodes, affinity: Mapping[str, Any]) -> dict[str, Any]:
    """The affinity with "an API-server host" added to each of its alternatives; everything else in it stays."""
    node_affinity = dict(affinity.get("nodeAffinity") or {})
    terms = (node_affinity.get(_REQUIRED) or {}).get("nodeSelectorTerms") or [{}]
    wanted = _expression(cloud, nodes)
    new = [
        {**term, "matchExpressions": _joined(term.get("matchExpressions") or [], wanted)} for term in terms
    ]
    return {**affinity, "nodeAffinity": {**node_affinity, _REQUIRED: {"nodeSelectorTerms": new}}}


def _joined(present: list[dict[str, Any]], wanted: dict[str, Any]) -> list[dict[str, Any]]:
    return present if wanted in present else [*present, wanted]


def _expression(cloud: CloudNodes, nodes: SiteNodes) -> dict[str, Any]:
    """By label where all of these hosts have it, so that one that is replaced is found again; else by name."""
    found = [node for name in cloud.names if (node := nodes.named(name)) is not None]
    if not found:  # kube-apiserver runs on hosts that are no nodes
        return {"key": "node-role.kubernetes.io/edge", "operator": "DoesNotExist"}
    if all(node.metadata.labels.control_plane is not None for node in found):
        return {"key": _LABEL, "operator": "Exists"}
    names = [node.metadata.labels.hostname or node.metadata.name for node in found]
    return {"key": "kubernetes.io/hostname", "operator": "In", "values": names}
