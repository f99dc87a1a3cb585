"""Where a pod that asks for edges has to be: on a host that runs kube-apiserver, because there is the diversion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kedoctor.checks.facts.cluster.nodes import CloudNodes, SiteNodes, is_edge
from kedoctor.checks.parsers.kubernetes import Node

__all__ = ["keeps_away", "on_api_hosts"]

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PLACES = ("matchExpressions", "matchFields")
_CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
_EDGE = "node-role.kubernetes.io/edge"
_HOSTNAME = "kubernetes.io/hostname"
_KNOWN: Mapping[str, Callable[[Node], str | None]] = {
    _CONTROL_PLANE: lambda node: node.metadata.labels.control_plane,
    _EDGE: lambda node: node.metadata.labels.edge,
    _HOSTNAME: lambda node: node.metadata.labels.hostname or node.metadata.name,
    "node-role.kubernetes.io/master": lambda node: node.metadata.labels.master,
    "metadata.name": lambda node: node.metadata.name,
}


def on_api_hosts(cloud: CloudNodes, nodes: SiteNodes, affinity: Mapping[str, Any]) -> dict[str, Any]:
    """The affinity with "an API-server host" added to each of its alternatives.

    What asks for a node that none of these hosts is (the name of an edge) goes, or the pod could run nowhere; everything
    else in it stays.
    """
    node_affinity = dict(affinity.get("nodeAffinity") or {})
    terms = (node_affinity.get(_REQUIRED) or {}).get("nodeSelectorTerms") or [{}]
    hosts, wanted = _hosts(cloud, nodes), _expression(cloud, nodes)
    new = [_moved(term, hosts, wanted) for term in terms]
    return {**affinity, "nodeAffinity": {**node_affinity, _REQUIRED: {"nodeSelectorTerms": new}}}


def keeps_away(cloud: CloudNodes, nodes: SiteNodes, affinity: Mapping[str, Any]) -> bool:
    """Whether an affinity asks for nodes that no API-server host is."""
    required = (affinity.get("nodeAffinity") or {}).get(_REQUIRED) or {}
    hosts = _hosts(cloud, nodes)
    return any(
        _excludes(one, hosts)
        for term in required.get("nodeSelectorTerms") or ()
        for place in _PLACES
        for one in term.get(place) or ()
    )


def _moved(term: Mapping[str, Any], hosts: Sequence[Node], wanted: dict[str, Any]) -> dict[str, Any]:
    kept = {place: [one for one in term.get(place) or () if not _excludes(one, hosts)] for place in _PLACES}
    kept["matchExpressions"] = _joined(kept["matchExpressions"], wanted)
    return {
        **{key: value for key, value in term.items() if key not in _PLACES},
        **{k: v for k, v in kept.items() if v},
    }


def _joined(present: list[dict[str, Any]], wanted: dict[str, Any]) -> list[dict[str, Any]]:
    return present if wanted in present else [*present, wanted]


def _excludes(requirement: Mapping[str, Any], hosts: Sequence[Node]) -> bool:
    """Whether a requirement about a label that is known of nodes fits none of the hosts."""
    key = str(requirement.get("key"))
    if key not in _KNOWN or not hosts:
        return False
    return not any(_fits(_KNOWN[key](host), requirement) for host in hosts)


def _fits(value: str | None, requirement: Mapping[str, Any]) -> bool:
    """As the scheduler judges it; an operator that is not known here fits."""
    values = requirement.get("values") or ()
    match requirement.get("operator"):
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    return True


def _hosts(cloud: CloudNodes, nodes: SiteNodes) -> list[Node]:
    """The hosts where it may run: those of kube-apiserver; where these are no nodes, every node that is no edge."""
    found = [node for name in cloud.names if (node := nodes.named(name)) is not None]
    return found or [node for node in nodes.items if not is_edge(node)]


def _expression(cloud: CloudNodes, nodes: SiteNodes) -> dict[str, Any]:
    """By label where all of these hosts have it, so that one that is replaced is found again; else by name."""
    found = [node for name in cloud.names if (node := nodes.named(name)) is not None]
    if not found:  # kube-apiserver runs on hosts that are no nodes
        return {"key": _EDGE, "operator": "DoesNotExist"}
    if all(node.metadata.labels.control_plane is not None for node in found):
        return {"key": _CONTROL_PLANE, "operator": "Exists"}
    names = [node.metadata.labels.hostname or node.metadata.name for node in found]
    return {"key": _HOSTNAME, "operator": "In", "values": names}
