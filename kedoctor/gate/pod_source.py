"""What a gate's checks see of test pods: those of their own gate, and the places where one should be and is not."""

from __future__ import annotations

from typing import Any

from kedoctor.gate.namespace import GateNamespace
from kedoctor.gate.pods import Pods
from kedoctor.model.gate import TEST_PODS, GatePod, absent
from kedoctor.model.observations.apiserver import ApiAnswer, GetPath
from kedoctor.model.observations.containers import AttachToPod, ExecInPod, FollowPodLog, StreamedAnswer
from kedoctor.model.observations.logs import LogText, ReadPodLog
from kedoctor.model.observations.request import Request, Source, Unavailable

__all__ = ["GateSource", "Proofs"]

Stream = FollowPodLog | ExecInPod | AttachToPod


class Proofs:
    """What has been proved in this gate, over all its looks.

    A stream that brought back what its test pod wrote is not asked for again: waiting for one edge must not load the
    others, and each exec and attach is a risk for an edgecore with the defect of kubeedge/kubeedge#6488. Nor is a page of
    a node, or one line of a pod's log: whoever asks for no more than that wants to know whether it comes.
    """

    def __init__(self) -> None:
        self._nonces: dict[tuple[str, str], bytes] = {}
        self._answers: dict[Request, StreamedAnswer | ApiAnswer | LogText] = {}

    def expect(self, pods: tuple[GatePod, ...]) -> None:
        """Learns what these pods write."""
        known = {(pod.metadata.namespace, pod.metadata.name): pod.nonce.encode() for pod in pods if pod.nonce}
        self._nonces.update(known)

    def answer(self, request: Stream | GetPath | ReadPodLog, source: Source) -> Any:
        """The proof, if there is one; else what the source says now."""
        known = self._answers.get(request)
        if known is not None:
            return known
        answer = source.observe(request)
        if isinstance(request, GetPath):
            proved = isinstance(answer, ApiAnswer) and answer.status == 200 and _of_node(request)
        elif isinstance(request, ReadPodLog):
            proved = isinstance(answer, LogText) and bool(answer.text.strip()) and request.lines == 1
        else:
            proved = isinstance(answer, StreamedAnswer) and self._proves(request, answer)
        if proved:
            self._answers[request] = answer
        return answer

    def _proves(self, request: Stream, answer: StreamedAnswer) -> bool:
        """As the checks see it: the nonce came, and the stream ended as it should."""
        nonce = self._nonces.get((request.namespace, request.pod))
        ended = answer.complete and (not isinstance(request, ExecInPod) or answer.exit_code == 0)
        return ended and nonce is not None and nonce in answer.out


def _of_node(request: GetPath) -> bool:
    return request.path.startswith("/api/v1/nodes/") and "/proxy/" in request.path


class GateSource:
    """Passes every question on but two: which test pods there are, and what has been proved with them already.

    The first is answered with the pods of this gate's namespace (others may run gates, too), and with a
    :class:`GatePod` that is ``missing`` for each node that should have one. So a gate is told from any other run: it
    always has some.
    """

    def __init__(
        self, source: Source, ground: GateNamespace, pods: Pods, proofs: Proofs, nothing: str
    ) -> None:
        self._source = source
        self._ground = ground
        self._places = dict(pods.places) or {"": nothing}
        self._pods = pods
        self._proofs = proofs

    def observe(self, request: Request) -> Any:
        """The answer that belongs to ``request``."""
        if request == TEST_PODS:
            return self._test_pods()
        if isinstance(request, Stream | GetPath | ReadPodLog):
            return self._proofs.answer(request, self._source)
        return self._source.observe(request)

    def _test_pods(self) -> tuple[GatePod, ...]:
        found = self._pods.look(self._source) if self._ground.made else ()
        if isinstance(found, Unavailable):
            return tuple(absent(node, str(found)) for node in self._places)
        self._proofs.expect(found)
        seen = {pod.node for pod in found}
        return (*found, *(absent(node, why) for node, why in self._places.items() if node not in seen))
