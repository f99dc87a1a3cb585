"""The test pods of ``kedoctor gate``, and what came back through each of them.

They are found by their labels. In any other run there are none, and nothing is asked. What a stream answers is kept
as it came: neither a status of 200 nor an exit code proves anything (facts.md §3.8).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from kedoctor.api import GATE_PODS, Cluster, GatePod, Reason, StreamedAnswer, Unavailable, fact
from kedoctor.checks.gate.pod import CONTAINER
from kedoctor.checks.parsers.concurrency import ask_all
from kedoctor.checks.parsers.kubernetes import PodMetrics

__all__ = [
    "HANGS",
    "AttachTrips",
    "ExecTrips",
    "GateFigures",
    "GatePods",
    "LogTrips",
    "StreamTrips",
    "exec_nonce",
]

HANGS = "deadline"
"""The reason of a stream that gave no end in time."""

_TIMEOUT = 10.0
_WORKERS = 32


@dataclass(frozen=True, slots=True)
class GatePods:
    """One test pod for each edge that is asked about, by edge: the one that runs, or the place of one that does not.

    Without any there is no gate. An empty edge name stands for a gate that had no edge to make a pod on.
    """

    items: Mapping[str, GatePod] = field(default_factory=dict)

    @property
    def running(self) -> tuple[GatePod, ...]:
        """Those through which something can be asked."""
        return tuple(pod for pod in self.items.values() if pod.runs)


@dataclass(frozen=True, slots=True)
class StreamTrips:
    """What came back from the running test pods, by edge."""

    answers: Mapping[str, StreamedAnswer | Unavailable] = field(default_factory=dict)


class LogTrips(StreamTrips):
    """Of ``kubectl logs``."""

    __slots__ = ()


class ExecTrips(StreamTrips):
    """Of ``kubectl exec … -- echo NONCE``."""

    __slots__ = ()


class AttachTrips(StreamTrips):
    """Of ``kubectl attach``."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class GateFigures:
    """The edges whose test pod has metrics in the metrics API: of the pod, and of its container."""

    edges: frozenset[str] = frozenset()


@fact
def gate_pods(cluster: Cluster) -> GatePods:
    """One list. Who may not list pods everywhere has not made any: a gate's own pods can always be told."""
    found = cluster.list(GatePod, label_selector=GATE_PODS)
    best: dict[str, GatePod] = {}
    for pod in () if isinstance(found, Unavailable) else found:
        known = best.get(pod.node)
        if known is None or _rank(pod) > _rank(known):
            best[pod.node] = pod
    return GatePods(dict(sorted(best.items())))


def _rank(pod: GatePod) -> tuple[bool, bool, str]:
    made = pod.metadata.creation_timestamp
    return pod.runs, not pod.is_over, made.isoformat() if made else ""


@fact
def log_trips(cluster: Cluster, pods: GatePods) -> LogTrips:
    """The log of each test pod, asked for as kubectl does."""
    return LogTrips(
        _trips(
            cluster,
            pods,
            lambda pod: cluster.answer_log(
                pod.metadata.namespace, pod.metadata.name, CONTAINER, timeout=_TIMEOUT
            ),
        )
    )


@fact
def exec_trips(cluster: Cluster, pods: GatePods) -> ExecTrips:
    """A word of its own, printed by a command in each test pod."""
    return ExecTrips(
        _trips(
            cluster,
            pods,
            lambda pod: cluster.exec(
                pod.metadata.namespace,
                pod.metadata.name,
                "echo",
                exec_nonce(pod),
                container=CONTAINER,
                timeout=_TIMEOUT,
            ),
        )
    )


def exec_nonce(pod: GatePod) -> str:
    """What the command says; the log never holds it."""
    return f"exec-{pod.nonce}"


@fact
def attach_trips(cluster: Cluster, pods: GatePods) -> AttachTrips:
    """What each test pod writes while somebody listens; it writes every second."""
    return AttachTrips(
        _trips(
            cluster,
            pods,
            lambda pod: cluster.attach(
                pod.metadata.namespace, pod.metadata.name, CONTAINER, until=pod.nonce, timeout=_TIMEOUT
            ),
        )
    )


def _trips(
    cluster: Cluster, pods: GatePods, ask: Callable[[GatePod], StreamedAnswer | Unavailable]
) -> dict[str, StreamedAnswer | Unavailable]:
    def trip(pod: GatePod) -> StreamedAnswer | Unavailable:
        return _told_apart(cluster, pod, ask(pod))

    running = pods.running
    answers = ask_all(trip, running, workers=_WORKERS)
    return {pod.node: answer for pod, answer in zip(running, answers, strict=True)}


def _told_apart(
    cluster: Cluster, pod: GatePod, answer: StreamedAnswer | Unavailable
) -> StreamedAnswer | Unavailable:
    """An API server that does not answer is one thing; one that answers, but not for this edge, another."""
    if not isinstance(answer, Unavailable) or answer.reason is not Reason.TIMEOUT:
        return answer
    path = f"/api/v1/namespaces/{pod.metadata.namespace}/pods/{pod.metadata.name}"
    alive = cluster.get(path, timeout=5.0)
    return answer if isinstance(alive, Unavailable) else StreamedAnswer(0, b"", reason=HANGS, complete=False)


@fact
def gate_figures(cluster: Cluster, pods: GatePods) -> GateFigures | Unavailable:
    """One list of the samples of all test pods."""
    running = {(pod.metadata.namespace, pod.metadata.name): pod.node for pod in pods.running}
    if not running:
        return GateFigures()
    samples = cluster.list(PodMetrics, label_selector=GATE_PODS)
    if isinstance(samples, Unavailable):
        return samples
    return GateFigures(
        frozenset(
            running[one.metadata.namespace, one.metadata.name]
            for one in samples
            if (one.metadata.namespace, one.metadata.name) in running
            and any(container.name == CONTAINER and container.usage.cpu for container in one.containers or ())
        )
    )
