"""The sandbox's API server as the tests want it: with the resources of KubeEdge, and edges that answer as edges do.

The server itself is :mod:`kedoctor.sandbox.apiserver`; here lie the recordings it is compared with, and helpers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kedoctor.sandbox.apiserver import (
    ADMIN,
    ANONYMOUS,
    METRICS,
    NO_ROUTE,
    REFUSED,
    TIMED_OUT,
    WRONG_PORT,
    ApiError,
    Attributes,
    Command,
    Container,
    Edge,
    Fault,
    Faults,
    Kubelets,
    Manner,
    Object,
    Request,
    Resource,
    Resources,
    Result,
    Rule,
    Seen,
    State,
    Store,
    Unreachable,
    User,
    busybox,
)
from kedoctor.sandbox.apiserver import ApiServer as PlainApiServer

from .synthetic import add_edge_nodes
from .tables import K3S, KUBEEDGE

__all__ = [
    "ADMIN",
    "ANONYMOUS",
    "K3S",
    "KUBEEDGE",
    "METRICS",
    "NO_ROUTE",
    "REFUSED",
    "TIMED_OUT",
    "WRONG_PORT",
    "ApiError",
    "ApiServer",
    "Attributes",
    "Command",
    "Container",
    "Edge",
    "Fault",
    "Faults",
    "Kubelets",
    "Manner",
    "Object",
    "Request",
    "Resource",
    "Resources",
    "Result",
    "Rule",
    "Seen",
    "State",
    "Store",
    "Unreachable",
    "User",
    "add_edge_nodes",
    "busybox",
]


class ApiServer(PlainApiServer):
    """The API server of a KubeEdge site."""

    def __init__(self, *given: Any, serves: Sequence[str] = (KUBEEDGE, METRICS), **named: Any) -> None:
        super().__init__(*given, serves=serves, **named)
        self.edge.strict = _on_edge


def _on_edge(node: Object) -> bool:
    return "kubeedge" in node.get("status", {}).get("nodeInfo", {}).get("kubeletVersion", "")
