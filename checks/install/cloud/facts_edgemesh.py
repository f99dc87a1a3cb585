"""Whether EdgeMesh is installed (kubeprepare.md §1.6)."""

from __future__ import annotations

from dataclasses import dataclass

from kedoctor.api import Cluster, fact, require
from kedoctor.checks.parsers.kubernetes import DaemonSet

__all__ = ["EdgeMesh"]


@dataclass(frozen=True, slots=True)
class EdgeMesh:
    """Whether its DaemonSet is there, in whatever namespace."""

    installed: bool


@fact
def edge_mesh(cluster: Cluster) -> EdgeMesh:
    """By the name that its chart gives the DaemonSet."""
    found = require(cluster.list(DaemonSet, field_selector="metadata.name=edgemesh-agent"))
    return EdgeMesh(bool(found))
