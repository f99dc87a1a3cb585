"""What a gate's checks see of test pods: those of their own gate, and the places where one should be and is not."""

from __future__ import annotations

from typing import Any

from kedoctor.gate.namespace import GateNamespace
from kedoctor.gate.pods import Pods
from kedoctor.model.gate import TEST_PODS, GatePod, absent
from kedoctor.model.observations import Request, Source, Unavailable

__all__ = ["GateSource"]


class GateSource:
    """Passes every question on but one: which test pods there are.

    That is answered with the pods of this gate's namespace (others may run gates, too), and with a :class:`GatePod`
    that is ``missing`` for each node that should have one. So a gate is told from any other run: it always has some.
    """

    def __init__(self, source: Source, ground: GateNamespace, pods: Pods, nothing: str) -> None:
        self._source = source
        self._ground = ground
        self._places = dict(pods.places) or {"": nothing}
        self._pods = pods

    def observe(self, request: Request) -> Any:
        """The answer that belongs to ``request``."""
        return self._test_pods() if request == TEST_PODS else self._source.observe(request)

    def _test_pods(self) -> tuple[GatePod, ...]:
        found = self._pods.look(self._source) if self._ground.made else ()
        if isinstance(found, Unavailable):
            return tuple(absent(node, str(found)) for node in self._places)
        seen = {pod.node for pod in found}
        return (*found, *(absent(node, why) for node, why in self._places.items() if node not in seen))
