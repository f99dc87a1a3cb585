"""The test pods of a gate: one on each node that is asked about, made a few at a time."""

from __future__ import annotations

import queue
import secrets
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

from kedoctor.base.errors import ChangeError
from kedoctor.changes.actors.objects import ObjectClient
from kedoctor.gate.namespace import Connect, GateNamespace, labels
from kedoctor.model.actors import ConflictError
from kedoctor.model.gate import GATE_PODS, NONCE, GatePod, GateRecipe, PodOrder
from kedoctor.model.observations.request import Source, Unavailable
from kedoctor.model.ports import Cluster
from kedoctor.observe.access_rules import PolicyRule

__all__ = ["RIGHTS", "Pods"]

RIGHTS = tuple(PolicyRule("", "", "pods", verb) for verb in ("create", "get", "list"))
"""What :class:`Pods` does, in namespaces that are not there before."""

_WORKERS = 8
_TRIES = 3
_GONE = "it was made, and somebody removed it"


class Pods:
    """Makes them, and keeps the place of each: ``places`` says of every node why it has no pod, if none is seen there."""

    def __init__(
        self,
        connect: Connect,
        ground: GateNamespace,
        recipe: GateRecipe,
        *,
        image: str,
        pull_policy: str,
        lifetime: int,
    ) -> None:
        self._connect = connect
        self._ground = ground
        self._recipe = recipe
        self._image = image
        self._pull_policy = pull_policy
        self._lifetime = lifetime
        self._made: set[str] = set()
        self._tries: Counter[str] = Counter()
        self._stopped = threading.Event()
        self.places: dict[str, str] = {}

    def order(self, nodes: Sequence[str]) -> None:
        """Makes a pod on each of the nodes that has none yet; what is refused is in ``places`` afterwards."""
        waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
        wanted = [node for node in nodes if node not in self._made]
        for node in wanted:
            waiting.put(node)
        workers = [
            threading.Thread(target=self._work, args=(waiting,), name="kedoctor-pods", daemon=True)
            for _ in range(min(_WORKERS, len(wanted)))
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    def _work(self, waiting: queue.SimpleQueue[str]) -> None:
        client: ObjectClient | None = None
        while not self._stopped.is_set():
            try:
                node = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                client = client or self._connect()
                self._make(client, node)
            except ChangeError as error:
                self.places[node], client = str(error), None
            except Exception as error:  # noqa: BLE001  a recipe is a plugin's; its fault is told at its node
                self.places[node] = f"{type(error).__name__}: {error}"

    def _make(self, client: ObjectClient, node: str) -> None:
        nonce = secrets.token_hex(8)
        name = f"probe-{nonce[:10]}"
        path = f"/api/v1/namespaces/{self._ground.name}/pods"
        try:
            client.write(path, "POST", self._manifest(name, node, nonce))
        except ConflictError:
            if client.get(f"{path}/{name}") is None:  # a conflict about something else, a quota say
                raise
        self._made.add(node)
        self._tries[node] += 1
        self.places[node] = _GONE  # and only counts where it is not seen

    def _manifest(self, name: str, node: str, nonce: str) -> dict[str, Any]:
        order = PodOrder(node, nonce, self._image, self._pull_policy, self._lifetime)
        marks = {**labels(self._ground.run), NONCE: nonce}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": self._ground.name, "labels": marks},
            "spec": dict(self._recipe.spec(order)),
        }

    def stop(self) -> None:
        """Makes no more, also where an order is not through yet."""
        self._stopped.set()

    def expect_none(self, nodes: Sequence[str], why: str) -> None:
        """Keeps a place for nodes on which no pod can be made now."""
        self.places |= {node: why for node in nodes if node not in self._made}

    def forget_all_but(self, nodes: Sequence[str]) -> None:
        """Gives up the places of nodes that are not there any more."""
        there = set(nodes)
        self._made &= there
        self.places = {node: why for node, why in self.places.items() if node in there}

    def expect(self, seen: Sequence[GatePod]) -> None:
        """Compares with what is there: a pod that is gone or over is made again by the next order, a few times."""
        there = {pod.node for pod in seen if not pod.is_over}
        self._made -= {node for node in self._made - there if self._tries[node] < _TRIES}

    def look(self, source: Source) -> tuple[GatePod, ...] | Unavailable:
        """The pods as the API server has them now."""
        return Cluster(source).list(GatePod, namespace=self._ground.name, label_selector=GATE_PODS)
