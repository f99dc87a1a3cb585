"""What is traced, and the facts of the site narrowed down to it: nothing here reads more than one edge.

The types provided here are those of :mod:`kedoctor.checks.facts.cluster.nodes` and its neighbours, so that every check and
fact of the path can be used for one edge of very many as it stands.
"""

from __future__ import annotations

from dataclasses import dataclass

from kedoctor.api import (
    EXAMPLE,
    Cluster,
    HostContext,
    Reason,
    Text,
    TraceTarget,
    Unavailable,
    fact,
    patterns,
    require,
)
from kedoctor.checks.facts.cluster.nodes import (
    EdgeNode,
    EdgeNodes,
    NodeLeases,
    SiteNodes,
    edge_nodes,
    is_edge,
)
from kedoctor.checks.facts.edge.edgecore import EdgeName
from kedoctor.checks.parsers.kubernetes import (
    Condition,
    Lease,
    Metadata,
    Node,
    NodeMetadata,
    Pod,
    PodSpec,
    PodStatus,
)
from kedoctor.checks.parsers.kubernetes.pod_health import is_ready

__all__ = ["FACTS", "OBJECTS", "Traced", "TracedObjects", "TracedPod"]

_NAME = patterns.compiled(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\Z")
_NO_EDGES = "!node-role.kubernetes.io/edge"


@dataclass(frozen=True, slots=True)
class TracedObjects:
    """What the API has under the name that was typed: the pod (``None``: a node was named) and its node."""

    pod: Pod | None = None
    node: Node | None = None


@fact
def traced_objects(cluster: Cluster, target: TraceTarget) -> TracedObjects:
    """``NAMESPACE/POD``, a pod of the given namespace, a node, or a pod of the namespace ``default``, in this order."""
    namespace, name = _parts(target)
    if not _NAME.match(name) or not _NAME.match(namespace or "default"):
        return TracedObjects()
    if not namespace:
        nodes = require(cluster.list(Node, field_selector=f"metadata.name={name}"))
        if nodes:
            return TracedObjects(node=nodes[0])
    pods = require(
        cluster.list(Pod, namespace=namespace or "default", field_selector=f"metadata.name={name}")
    )
    if not pods or not pods[0].spec.node_name:
        return TracedObjects(pod=next(iter(pods), None))
    found = require(cluster.list(Node, field_selector=f"metadata.name={pods[0].spec.node_name}"))
    return TracedObjects(pods[0], next(iter(found), None))


def _parts(target: TraceTarget) -> tuple[str, str]:
    """Namespace (may be empty) and name."""
    before, slash, after = target.name.rpartition("/")
    return (before, after) if slash else (target.namespace, target.name)


@dataclass(frozen=True, slots=True)
class Traced:
    """What is traced, in words (``label``), and on which ``node``; ``refusal`` is why it cannot be.

    ``here`` is whether this host is that edge. ``api`` is why the API could not be asked; then only this host is looked
    at, and ``pod`` is unknown.
    """

    label: str
    node: str = ""
    refusal: Text | None = None
    pod: Pod | None = None
    here: bool = False
    ready: bool = True
    api: Unavailable | None = None


@fact
def traced(
    target: TraceTarget,
    objects: TracedObjects | Unavailable,
    vantage: HostContext,
    own: EdgeName | Unavailable,
) -> Traced | Unavailable:
    """The subject of the trace; without the API it can only be the edge that this host is."""
    mine = own.name if isinstance(own, EdgeName) and "edge" in vantage.sides else ""
    if isinstance(objects, Unavailable):
        if mine and target.name == mine:
            return Traced(target.name, mine, here=True, api=objects)
        return objects
    label = _label(target, objects)
    refusal = _refusal(target, objects)
    if refusal is not None or objects.node is None:
        return Traced(label, refusal=refusal)
    node = objects.node.metadata.name
    ready = _edge(objects.node).is_ready
    return Traced(label, node, None, objects.pod, here=node == mine, ready=ready)


def _label(target: TraceTarget, objects: TracedObjects) -> str:
    if objects.pod is None:
        return target.name
    return f"{objects.pod.metadata.namespace}/{objects.pod.metadata.name}"


def _refusal(target: TraceTarget, objects: TracedObjects) -> Text | None:
    label, node = _label(target, objects), objects.node
    if objects.pod is None and node is None:
        return _nobody(target)
    if node is None:
        return Text(
            f"pod {label} is on no node yet; see kubectl describe pod",
            zh=f"Pod {label} 尚未调度到节点；请查看 kubectl describe pod",
        )
    if not is_edge(node):
        return Text(
            f"{label} is not on an edge: {node.metadata.name} is reached by kube-apiserver without any tunnel",
            zh=f"{label} 不在边缘节点上：kube-apiserver 无需隧道即可访问 {node.metadata.name}",
        )
    if _edge(node).runs_foreign_kubelet:
        version = node.status.node_info.kubelet_version
        return Text(
            f"{node.metadata.name} runs an ordinary kubelet ({version}), which is reached without any tunnel",
            zh=f"{node.metadata.name} 运行普通 kubelet（{version}），无需隧道即可访问",
        )
    return None


def _nobody(target: TraceTarget) -> Text:
    namespace, name = _parts(target)
    if namespace:
        return Text(
            f"there is no pod {name} in namespace {namespace}",
            zh=f"命名空间 {namespace} 中没有 Pod {name}",
        )
    return Text(
        f"there is neither a node {name} nor a pod default/{name}; a pod elsewhere is named as NAMESPACE/POD",
        zh=f"既没有节点 {name}，也没有 Pod default/{name}；其他命名空间的 Pod 请写作 NAMESPACE/POD",
    )


def _edge(node: Node) -> EdgeNode:
    return edge_nodes(SiteNodes((node,)), Unavailable(Reason.ABSENT, "leases")).items[0]


@dataclass(frozen=True, slots=True)
class TracedPod:
    """The pod that the real request is made for, and its container: the pod that was named, or one of the node's."""

    namespace: str
    name: str
    container: str

    @property
    def label(self) -> str:
        """As kubectl is told."""
        return f"{self.namespace}/{self.name}"


@fact
def traced_pod(cluster: Cluster, objects: TracedObjects) -> TracedPod | Unavailable:
    """Of a node the first pod that is ready, by name."""
    pods = [objects.pod] if objects.pod is not None else []
    if objects.pod is None and objects.node is not None:
        selector = f"spec.nodeName={objects.node.metadata.name}"
        there = require(cluster.list(Pod, field_selector=selector))
        pods = sorted(filter(is_ready, there), key=lambda one: (one.metadata.namespace, one.metadata.name))
    if not pods:
        return Unavailable(Reason.ABSENT, "a pod to ask for", "no pod on this node is ready; name one")
    chosen = pods[0]
    container = chosen.spec.containers[0].name if chosen.spec.containers else ""
    return TracedPod(chosen.metadata.namespace, chosen.metadata.name, container)


# ------------------------------------------------------------------------- facts of the site, for one edge


@fact
def few_nodes(cluster: Cluster, objects: TracedObjects) -> SiteNodes:
    """The nodes that are no edges, and the one that is traced."""
    found = {node.metadata.name: node for node in require(cluster.list(Node, label_selector=_NO_EDGES))}
    if objects.node is not None:
        found[objects.node.metadata.name] = objects.node
    return SiteNodes(tuple(node for _, node in sorted(found.items())))


@fact
def one_lease(cluster: Cluster, objects: TracedObjects) -> NodeLeases:
    """The lease of the node that is traced."""
    name = objects.node.metadata.name if objects.node is not None else ""
    leases = require(cluster.list(Lease, namespace="kube-node-lease", field_selector=f"metadata.name={name}"))
    return NodeLeases(
        {one.metadata.name: one.spec.renew_time for one in leases if one.spec.renew_time is not None}
    )


@fact
def one_edge(objects: TracedObjects, leases: NodeLeases | Unavailable) -> EdgeNodes:
    """The edge that is traced, alone."""
    return edge_nodes(SiteNodes((objects.node,) if objects.node is not None else ()), leases)


FACTS = (traced_objects, traced, traced_pod, few_nodes, one_lease, one_edge)
"""What every trace of this package knows."""

OBJECTS = (
    Node(metadata=NodeMetadata(name=EXAMPLE)),
    Pod(
        metadata=Metadata(name=EXAMPLE, namespace=EXAMPLE),
        spec=PodSpec(node_name=EXAMPLE),
        status=PodStatus(phase="Running", conditions=(Condition(type="Ready", status="True"),)),
    ),
)
"""What stands for the pod or edge that somebody traces, where it is found out what that asks."""
