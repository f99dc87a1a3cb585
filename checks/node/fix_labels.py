"""The label that tells the scheduler that a node is an edge (KE703)."""

from __future__ import annotations

from kedoctor.api import NoPlan, PatchObject, Plan, Risk, Text, Verdict, remedy
from kedoctor.checks.facts.cluster.nodes import SiteNodes
from kedoctor.checks.node.labels import LABEL
from kedoctor.checks.plans.touches import NODES

__all__ = ["edge_label"]


@remedy("KE703", touches=NODES)
def edge_label(verdict: Verdict, nodes: SiteNodes) -> Plan | NoPlan:
    """A merge patch of the Node for each that lacks it; nothing restarts."""
    concerned = [name for name in (verdict.node, *verdict.nodes) if name]
    lacking = [
        name
        for name in concerned
        if (node := nodes.named(name)) is not None and node.metadata.labels.edge is None
    ]
    if not lacking:
        return NoPlan(Text("every node concerned carries the label by now", zh="相关节点现在都已带有该标签"))
    names = ", ".join(lacking)
    return Plan(
        code=verdict.code,
        subject=verdict.subject,
        title=Text(f"label {names} as {LABEL}", zh=f"为 {names} 打上标签 {LABEL}"),
        prediction=Text("Nothing restarts.", zh="不会重启任何组件。"),
        risk=Risk.SAFE,
        actions=tuple(
            PatchObject(f"/api/v1/nodes/{name}", "merge", {"metadata": {"labels": {LABEL: ""}}})
            for name in lacking
        ),
        settle=2.0,
    )
