"""What tells the scheduler that a node is an edge, and what lands on edges that has no business there."""

from __future__ import annotations

from collections.abc import Iterator

from kedoctor.api import (
    EveryHost,
    Evidence,
    Finding,
    Risk,
    Side,
    Status,
    Text,
    Unavailable,
    check,
    passed,
    replace,
    unknown,
    warned,
)
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.cluster.nodes import EdgeNode, EdgeNodes
from kedoctor.checks.facts.cluster.site_info import AboutSite, kubeedge_version
from kedoctor.checks.facts.edge.daemonset_pods import ForeignPods
from kedoctor.checks.facts.edge.edgecore import EdgeName
from kedoctor.checks.facts.edge.edgecore_log import EdgecoreLog, quoted
from kedoctor.checks.parsers.releases import Trait, has, parse

__all__ = ["LABEL", "edge_label", "foreign_daemonsets"]

LABEL = "node-role.kubernetes.io/edge"
_REFUSED = "kube-proxy should not"  # "running on edge node when running edgecore", up to v1.18


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
    references=("facts.md §7", "facts.md §10 (49)", "versions.md §4"),
)
def foreign_daemonsets(
    pods: ForeignPods,
    edges: EdgeNodes,
    about: AboutSite | Unavailable,
    *,
    logs: EveryHost[EdgecoreLog],
    names: EveryHost[EdgeName],
) -> Iterator[Finding]:
    """kube-proxy, svclb, network plugins and node-local DNS on each edge; up to v1.18 edgecore refuses the first of them."""
    k3s = not isinstance(about, Unavailable) and about.distribution == "k3s"
    said = {
        name.name: log
        for host, log in logs.known().items()
        if isinstance(name := names.items.get(host), EdgeName)
    }
    for node in edges.items:
        found = pods.on.get(node.name, ())
        if found:
            yield _with_proxy(_foreign(node.name, found, k3s=k3s), node, found, said.get(node.name))
        else:
            yield passed(
                Text(
                    f"No pod of the cloud's own kind is on {node.name}.",
                    zh=f"{node.name} 上没有云端专用的 Pod。",
                ),
                subject=node.name,
                node=node.name,
            )


def _with_proxy(finding: Finding, node: EdgeNode, found: tuple[str, ...], log: EdgecoreLog | None) -> Finding:
    """What a kube-proxy does to edgecore of that release: a failure where edgecore says that it ends because of it."""
    release = parse(kubeedge_version(node.version))
    tolerated = has(release, Trait.KUBE_PROXY_TOLERATED)
    if tolerated or not any("kube-proxy" in name for name in found):
        return finding
    if tolerated is None:
        more = " Whether this release of edgecore starts beside kube-proxy is unknown."
        more_zh = "无法得知该版本的 edgecore 能否与 kube-proxy 同时运行。"
    else:
        more = f" edgecore {release} refuses to start beside kube-proxy."
        more_zh = f"edgecore {release} 拒绝与 kube-proxy 同时运行。"
    told = replace(finding, summary=Text(finding.summary.en + more, zh=finding.summary.zh + more_zh))
    last = None if log is None else log.ended_with()
    if last is None or _REFUSED not in last.raw:
        return told
    evidence = (*told.evidence, Evidence("journal of edgecore", quoted(last)))
    return replace(told, status=Status.FAIL, breaks=(*ALL_STREAMS, "ready"), evidence=evidence, root=True)


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
