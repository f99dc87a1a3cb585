"""What tells the scheduler that a node is an edge, and what lands on edges that has no business there."""

from __future__ import annotations

from collections.abc import Iterator

from kedoctor.api import Evidence, Finding, Risk, Side, Text, Unavailable, check, passed, unknown, warned
from kedoctor.checks.facts.cluster.nodes import EdgeNode, EdgeNodes
from kedoctor.checks.facts.cluster.site_info import AboutSite
from kedoctor.checks.facts.edge.daemonset_pods import ForeignPods

__all__ = ["LABEL", "edge_label", "foreign_daemonsets"]

LABEL = "node-role.kubernetes.io/edge"


@check(
    code="KE703",
    slug="edge-label",
    title=Text("Every edge node carries the edge label", zh="每个边缘节点都有 edge 标签"),
    side=Side.SITE,
    hop="edgecore",
    remedy=Text("Label the node.", zh="为节点打上标签。"),
    risk=Risk.SAFE,
    references=("facts.md §1.3", "facts.md §7", "facts.md §10 (53)"),
)
def edge_label(edges: EdgeNodes) -> Iterator[Finding]:
    """``node-role.kubernetes.io/edge`` on each node whose kubelet is KubeEdge's."""
    if not edges.items:
        yield unknown(Text("There is no edge node to judge.", zh="没有可判断的边缘节点。"))
    for node in edges.items:
        yield _labelled(node) if node.labelled else _bare(node)


def _labelled(node: EdgeNode) -> Finding:
    return passed(
        Text(f"{node.name} carries {LABEL}.", zh=f"{node.name} 带有 {LABEL} 标签。"),
        subject=node.name,
        node=node.name,
    )


def _bare(node: EdgeNode) -> Finding:
    return warned(
        Text(
            f"{node.name} runs KubeEdge without the label {LABEL}: cloudcore and iptables-manager may be scheduled there.",
            zh=f"{node.name} 运行 KubeEdge 却没有 {LABEL} 标签：cloudcore 和 iptables-manager 可能被调度到该处。",
        ),
        expected=Text(f"the label {LABEL}, with an empty value", zh=f"标签 {LABEL}，值为空"),
        actual=Text("no such label", zh="没有该标签"),
        hint=Text("Label it; nothing restarts.", zh="打上标签即可，不会重启任何组件。"),
        subject=node.name,
        node=node.name,
        evidence=(Evidence(f"node/{node.name}", f"kubelet {node.version}"),),
        commands=(f"kubectl label node {node.name} {LABEL}=",),
        breaks=(),
    )


@check(
    code="KE710",
    slug="foreign-daemonsets",
    title=Text("No DaemonSet of the cloud runs on edges", zh="云端 DaemonSet 未运行在边缘节点上"),
    side=Side.SITE,
    hop="runtime",
    remedy=Text(
        "Keep them off with an affinity: node-role.kubernetes.io/edge DoesNotExist.",
        zh="用亲和性避开边缘节点：node-role.kubernetes.io/edge DoesNotExist。",
    ),
    risk=Risk.SAFE,
    references=("facts.md §7", "facts.md §10 (49)"),
)
def foreign_daemonsets(
    pods: ForeignPods, edges: EdgeNodes, about: AboutSite | Unavailable
) -> Iterator[Finding]:
    """kube-proxy, svclb, network plugins and node-local DNS on each edge."""
    k3s = not isinstance(about, Unavailable) and about.distribution == "k3s"
    for node in edges.names:
        found = pods.on.get(node, ())
        if found:
            yield _foreign(node, found, k3s=k3s)
        else:
            yield passed(
                Text(f"No pod of the cloud's own kind is on {node}.", zh=f"{node} 上没有云端专用的 Pod。"),
                subject=node,
                node=node,
            )


def _foreign(node: str, found: tuple[str, ...], *, k3s: bool) -> Finding:
    names = ", ".join(found)
    label = "kubectl label node CLOUD-NODE svccontroller.k3s.cattle.io/enablelb=true  # K3s: svclb on labelled nodes only"
    more = (label,) if k3s and any("svclb-" in name for name in found) else ()
    return warned(
        Text(
            f"{node} is an edge and has pods that belong to the cloud: {names}; they cannot work there.",
            zh=f"{node} 是边缘节点，却有属于云端的 Pod：{names}；它们无法在边缘节点工作。",
        ),
        expected=Text("only workloads meant for edges", zh="只有面向边缘节点的负载"),
        actual=names,
        hint=Text(
            "Give their DaemonSet the affinity node-role.kubernetes.io/edge DoesNotExist.",
            zh="为其 DaemonSet 添加亲和性 node-role.kubernetes.io/edge DoesNotExist。",
        ),
        subject=node,
        node=node,
        evidence=(Evidence(f"pods on {node}", names),),
        commands=(
            f"kubectl get pods -A -o wide --field-selector spec.nodeName={node}",
            "kubectl get daemonsets -A",
            *more,
        ),
        breaks=(),
    )
