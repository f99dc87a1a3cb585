"""ServiceLB kept to the nodes of the cloud side (KE982)."""

from __future__ import annotations

from kedoctor.api import PatchObject, Plan, Text, Verdict, remedy
from kedoctor.checks.facts.cluster.nodes import SiteNodes
from kedoctor.checks.install.cloud.extras import ENABLE_LB, cloud_side
from kedoctor.checks.install.steps import step_plan
from kedoctor.checks.plans.touches import NODES

__all__ = ["servicelb"]


@remedy("KE982", touches=NODES)
def servicelb(verdict: Verdict, nodes: SiteNodes) -> Plan:
    """The label on every node that is not an edge."""
    names = [node.metadata.name for node in cloud_side(nodes)]
    title = Text(
        f"label {', '.join(names)} {ENABLE_LB}=true", zh=f"为 {', '.join(names)} 打上标签 {ENABLE_LB}=true"
    )
    prediction = Text(
        "Pods of ServiceLB on nodes without the label end; edges have no use for them.",
        zh="未打标签节点上的 ServiceLB Pod 将被移除；边缘节点不需要它们。",
    )
    labels = (
        PatchObject(f"/api/v1/nodes/{name}", "merge", {"metadata": {"labels": {ENABLE_LB: "true"}}})
        for name in names
    )
    return step_plan(verdict, title, *labels, prediction=prediction, settle=10.0)
