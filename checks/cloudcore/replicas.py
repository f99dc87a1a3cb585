"""What is said of one cloudcore of several that does not run (KE105)."""

from __future__ import annotations

from collections.abc import Iterator

from kedoctor.api import Evidence, Finding, Status, Text, Unavailable, replace, warned
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.cloud.cloudcore import NAMESPACE, CloudcoreWorkload
from kedoctor.checks.facts.cluster.nodes import EdgeNodes, SiteNodes
from kedoctor.checks.parsers.kubernetes import Pod
from kedoctor.checks.parsers.kubernetes.pod_health import Trouble, condition, trouble

__all__ = ["for_edges", "no_place"]


def for_edges(
    finding: Finding,
    pod: Pod,
    users: tuple[str, ...],
    *,
    nodes: SiteNodes | Unavailable,
    edges: EdgeNodes | Unavailable,
) -> Iterator[Finding]:
    """The finding about one cloudcore, for each edge that hangs on it; without edges it breaks nothing now."""
    told = _lost(pod, nodes) or finding.summary
    if not users:
        summary = Text(
            f"{told.en} No edge hangs on it now; another cloudcore runs.",
            zh=f"{told.zh}目前没有边缘节点依赖它；另有 cloudcore 在运行。",
        )
        yield replace(finding, status=Status.WARN, summary=summary, breaks=())
        return
    for name in users:
        edge = None if isinstance(edges, Unavailable) else edges.named(name)
        yield replace(
            finding,
            summary=Text(f"{told.en} {name} hangs on it.", zh=f"{told.zh}{name} 依赖它。"),
            subject=f"{name}, {finding.subject}",
            node=name,
            # An edge that is Ready has its hub link with another one.
            breaks=ALL_STREAMS if edge is not None and edge.is_ready else None,
        )


def _lost(pod: Pod, nodes: SiteNodes | Unavailable) -> Text | None:
    """That its host does not report any more; then the state of the pod is as it was last seen."""
    node = None if isinstance(nodes, Unavailable) else nodes.named(pod.spec.node_name)
    ready = None if node is None else condition(node.status.conditions, "Ready")
    if ready is None or ready.status == "True":
        return None
    name = pod.spec.node_name
    return Text(
        f"The cloudcore on {name} is down with its host: Node {name} is not Ready ({ready.reason}).",
        zh=f"{name} 上的 cloudcore 随主机一起不可用：节点 {name} 未就绪（{ready.reason}）。",
    )


def no_place(workload: CloudcoreWorkload, pod: Pod, subject: str) -> Finding:
    """A pod that waits for a node: with hostNetwork each cloudcore needs a host of its own."""
    wanted = workload.deployment.spec.replicas if workload.deployment is not None else len(workload.pods)
    reason = trouble(pod) or Trouble("Pending")
    return warned(
        Text(
            f"The Deployment asks for {wanted} cloudcores, and {pod.metadata.name} has no node: {reason}.",
            zh=f"Deployment 要求 {wanted} 个 cloudcore，但 {pod.metadata.name} 没有可用节点：{reason}。",
        ),
        expected=Text("as many nodes as cloudcores", zh="节点数不少于 cloudcore 数"),
        actual=str(reason),
        hint=Text(
            "With hostNetwork each cloudcore needs a node of its own: add a node, or set the replicas to the number of nodes.",
            zh="使用 hostNetwork 时每个 cloudcore 需要独立的节点：请增加节点，或将副本数设为节点数。",
        ),
        subject=subject,
        evidence=(Evidence(subject, str(reason)),),
        commands=(
            f"kubectl -n {NAMESPACE} get pods -l kubeedge=cloudcore -o wide",
            f"kubectl -n {NAMESPACE} describe pod {pod.metadata.name}",
        ),
        breaks=(),
    )
