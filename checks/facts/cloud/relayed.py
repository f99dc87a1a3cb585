"""What the API server itself gets from each edge: the one proof that can be had without being on any host.

Where the user may ask for it, that is the node proxy, which goes the whole way without a pod (facts.md §10.1). Where not,
it is one line of the log of a pod that runs there; an empty log proves nothing, for a dead session gives the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from kedoctor.api import (
    GATE_PODS,
    AccessReview,
    ApiAnswer,
    Cluster,
    EveryHost,
    HttpAnswer,
    LogText,
    Reason,
    Unavailable,
    fact,
)
from kedoctor.checks.facts.cloud.cloudcore import NAMESPACE
from kedoctor.checks.facts.cloud.diversion_probes import SUMMARY, TunnelProbes, node_name_of
from kedoctor.checks.facts.cluster.nodes import EdgeNode, EdgeNodes
from kedoctor.checks.facts.cluster.tunnel_port import TunnelPortRecord
from kedoctor.checks.parsers.concurrency import ask_all, spread
from kedoctor.checks.parsers.kubernetes import Pod
from kedoctor.checks.parsers.kubernetes.pod_health import is_live

__all__ = [
    "FEW",
    "NOT_TRIED",
    "PATIENCE",
    "EdgeAnswer",
    "EdgeAnswers",
    "ProvedEdges",
    "edge_answers",
    "proved_edges",
]

FEW = 20
"""So many edges are all asked; of more a sample, and those that look wrong."""

_SUSPECTS, _SAMPLE = 10, 10
_TEST_POD = dict(part.split("=") for part in GATE_PODS.split(","))
PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class EdgeAnswer:
    """What came from one edge: through the node proxy (``stats``), and of a pod there (``log``, one line of ``pod``)."""

    edge: str
    stats: ApiAnswer | Unavailable | None = None
    log: LogText | Unavailable | None = None
    pod: str = ""

    @property
    def node_name(self) -> str:
        """The node that the stats are of; empty when they are no stats."""
        return (
            node_name_of(HttpAnswer(self.stats.status, self.stats.body))
            if isinstance(self.stats, ApiAnswer)
            else ""
        )

    @property
    def logged(self) -> bool:
        """Whether a line of a log came."""
        return isinstance(self.log, LogText) and bool(self.log.text.strip())

    @property
    def proves(self) -> bool:
        """Whether something came from that edge and from no other."""
        return self.node_name == self.edge or self.logged

    @property
    def arrived(self) -> bool:
        """Whether the request came to cloudcore: an edge answered, or cloudcore as it does without a session."""
        stats = self.stats
        if isinstance(stats, ApiAnswer) and stats.status in (200, 500) and not stats.body.strip():
            return True
        return bool(self.node_name) or self.logged


@dataclass(frozen=True, slots=True)
class EdgeAnswers:
    """The answers of the edges that were asked; ``left_out`` how many more there are."""

    items: tuple[EdgeAnswer, ...] = ()
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class ProvedEdges:
    """Edges from which something came in this run, through the API server or from cloudcore's stream server.

    ``asked`` are all of which that was tried.
    """

    names: frozenset[str] = field(default_factory=frozenset)
    asked: frozenset[str] = field(default_factory=frozenset)


NOT_TRIED = ProvedEdges()


@fact
def edge_answers(
    cluster: Cluster, edges: EdgeNodes, record: TunnelPortRecord | Unavailable
) -> EdgeAnswers | Unavailable:
    """Every edge of a small site; of a large one a sample and those that look wrong. Unavailable where the user may ask nothing."""
    proxy = _allowed(cluster, "nodes", "proxy")
    logs = _allowed(cluster, "pods", "log")
    if not (proxy or logs):
        return Unavailable(
            Reason.FORBIDDEN, "what edges answer", "neither nodes/proxy nor pods/log may be read"
        )
    current = frozenset() if isinstance(record, Unavailable) else record.current
    there = [edge for edge in edges.items if not edge.absent_as_planned and not edge.runs_foreign_kubelet]
    chosen = _chosen(there, current)
    names = {edge.name for edge in chosen}
    # On a large site all pods may be a million: only those of the edges that are asked are read.
    listed = _listed if len(there) <= FEW else _listed_each
    pods = _pods(listed(cluster, names), names, also_of_gates=not proxy) if logs else {}

    def ask(edge: EdgeNode) -> EdgeAnswer:
        return _asked(cluster, edge.name, pods.get(edge.name), proxy=proxy)

    answers = tuple(ask_all(ask, chosen, workers=10))
    if chosen and all(_not_held(one) for one in answers):  # a bundle from before this was asked
        return Unavailable(Reason.NOT_RECORDED, "what edges answer", "it was not recorded")
    return EdgeAnswers(answers, len(there) - len(chosen))


def _not_held(answer: EdgeAnswer) -> bool:
    tried = [one for one in (answer.stats, answer.log) if one is not None]
    return bool(tried) and all(
        isinstance(one, Unavailable) and one.reason in (Reason.NOT_RECORDED, Reason.NOT_ALLOWED)
        for one in tried
    )


def _allowed(cluster: Cluster, resource: str, subresource: str) -> bool:
    answer = cluster.may("get", resource, subresource=subresource)
    return isinstance(answer, AccessReview) and answer.allowed


def _chosen(edges: list[EdgeNode], current: frozenset[int]) -> list[EdgeNode]:
    if len(edges) <= FEW:
        return edges
    wrong = [edge for edge in edges if not edge.is_ready or (current and edge.port not in current)]
    suspects = spread(wrong, _SUSPECTS)
    names = {edge.name for edge in suspects}
    names |= {edge.name for edge in spread([one for one in edges if one.name not in names], _SAMPLE)}
    return [edge for edge in edges if edge.name in names]


def _listed(cluster: Cluster, _: set[str]) -> Sequence[Pod]:
    """All pods in one list; where that is not allowed those of KubeEdge's own namespace, which are on most edges."""
    listed = cluster.list(Pod)
    if isinstance(listed, Unavailable):
        listed = cluster.list(Pod, namespace=NAMESPACE)
    return () if isinstance(listed, Unavailable) else listed


def _listed_each(cluster: Cluster, nodes: set[str]) -> Sequence[Pod]:
    """The pods of these nodes, in a list for each node."""

    def of(node: str) -> Sequence[Pod]:
        selector = f"spec.nodeName={node}"
        listed = cluster.list(Pod, field_selector=selector)
        if isinstance(listed, Unavailable):
            listed = cluster.list(Pod, namespace=NAMESPACE, field_selector=selector)
        return () if isinstance(listed, Unavailable) else listed

    return [pod for pods in ask_all(of, sorted(nodes), workers=10) for pod in pods]


def _pods(listed: Sequence[Pod], nodes: set[str], *, also_of_gates: bool) -> dict[str, Pod]:
    """A running pod on each of these nodes; one that has run for long has most likely written something.

    A gate asks its own pods itself, each stream once.
    """
    found: dict[str, Pod] = {}
    running = [
        pod
        for pod in listed
        if pod.spec.node_name in nodes
        and is_live(pod)
        and (also_of_gates or not _TEST_POD.items() <= pod.metadata.labels.items())
    ]
    for pod in sorted(running, key=lambda one: str(one.metadata.creation_timestamp)):
        found.setdefault(pod.spec.node_name, pod)
    return found


def _asked(cluster: Cluster, edge: str, pod: Pod | None, *, proxy: bool) -> EdgeAnswer:
    stats: ApiAnswer | Unavailable | None = None
    if proxy:
        path = f"/api/v1/nodes/{quote(edge, safe='')}/proxy{SUMMARY}"
        stats = cluster.get(path, accept="*/*", timeout=PATIENCE)
    asked = EdgeAnswer(edge, stats)
    if pod is None or (proxy and asked.node_name != edge):
        return asked
    container = next((one.name for one in pod.spec.containers), "")
    log = cluster.pod_log(pod.metadata.namespace, pod.metadata.name, container, lines=1)
    return EdgeAnswer(edge, stats, log, f"{pod.metadata.namespace}/{pod.metadata.name}")


@fact
def proved_edges(answers: EdgeAnswers | Unavailable, probes: EveryHost[TunnelProbes]) -> ProvedEdges:
    """Which edges have answered in this run, by the question of any check."""
    relayed = () if isinstance(answers, Unavailable) else answers.items
    probed = [probe for one in probes.known().values() for probe in one.items]
    names = {one.edge for one in relayed if one.proves} | {
        one.edge for one in probed if one.node_name == one.edge
    }
    return ProvedEdges(
        frozenset(names), frozenset({one.edge for one in relayed} | {one.edge for one in probed})
    )
