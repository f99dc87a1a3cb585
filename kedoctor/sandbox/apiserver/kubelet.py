"""What plays the kubelets of nodes: pods that are bound to a node start there, write, and end when they are deleted.

Only what a client sees is played. A container whose command is ``sh -c SCRIPT WORD`` writes its word and a number,
again and again, as the test pods of a gate do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Self

from .deletes import finish_namespace
from .edge import Edge
from .store import Event, Object, Store, copy, now

__all__ = ["Kubelets", "Manner"]

_PULL = 'Back-off pulling image "{image}"'


class Manner(Enum):
    """How a node treats a pod that is bound to it."""

    RUNS = "it runs"
    AWAY = "nothing is heard of it, and it is never confirmed that it ended"
    NO_IMAGE = "its image is not there and may not be pulled"
    NO_REGISTRY = "its image is not there and cannot be pulled"
    CREATING = "it does not get beyond its creation"
    REJECTED = "the kubelet refuses it"


@dataclass(slots=True)
class _Life:
    """One pod: what it writes, and how often it has."""

    pod: Object
    beats: int = 0
    started: bool = False


@dataclass(slots=True)
class Kubelets:
    """The kubelets of all nodes of a store; a context manager.

    ``manners`` per node (default: it runs). ``beat`` is how many seconds a container takes from one line to the next.
    ``says`` may change what the container on a node writes.
    """

    store: Store
    edge: Edge
    manners: dict[str, Manner] = field(default_factory=dict)
    beat: float = 0.2
    says: Callable[[str, str], str] = lambda _node, line: line
    _lives: dict[tuple[str, str], _Life] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.store.on_change.append(self._note)
        self._thread = threading.Thread(target=self._go, name="kubelets", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self.store.on_change.remove(self._note)

    def _note(self, event: Event) -> None:
        pod = event.entry.obj
        if pod["kind"] != "Pod" or not pod.get("spec", {}).get("nodeName"):
            return
        key = (pod["metadata"]["namespace"], pod["metadata"]["name"])
        if event.kind == "DELETED":
            self._lives.pop(key, None)
        elif event.kind == "ADDED":
            self._lives[key] = _Life(copy(pod))
        elif key in self._lives:
            self._lives[key].pod = copy(pod)

    def _go(self) -> None:
        while not self._stop.wait(self.beat):
            with self.store.lock:
                for life in list(self._lives.values()):
                    self._live(life)

    def _live(self, life: _Life) -> None:
        manner = self.manners.get(life.pod["spec"]["nodeName"], Manner.RUNS)
        if manner is Manner.AWAY:
            return
        if "deletionTimestamp" in life.pod["metadata"]:
            self._end(life)
        elif manner is Manner.RUNS:
            self._run(life)
        elif not life.started:
            life.started = True
            self._report(life, _trouble(manner, life.pod))

    def _run(self, life: _Life) -> None:
        if not life.started:
            life.started = True
            self._report(life, _running(life.pod))
        life.beats += 1
        meta, node = life.pod["metadata"], life.pod["spec"]["nodeName"]
        for container in life.pod["spec"]["containers"]:
            command = container.get("command") or [""]
            line = self.says(node, f"{command[-1]} {life.beats}")
            self.edge.say(meta["namespace"], meta["name"], container["name"], line)

    def _end(self, life: _Life) -> None:
        resource = self.store.resources.for_object(life.pod)
        self.store.delete(resource, life.pod)
        finish_namespace(self.store, life.pod["metadata"]["namespace"])

    def _report(self, life: _Life, status: Object) -> None:
        pod = copy(life.pod) | {"status": status}
        self.store.put(self.store.resources.for_object(pod), pod)


def _statuses(pod: Object, state: dict[str, Any], *, ready: bool) -> list[Object]:
    return [
        {
            "name": container["name"],
            "image": container["image"],
            "ready": ready,
            "restartCount": 0,
            "state": state,
        }
        for container in pod["spec"]["containers"]
    ]


def _running(pod: Object) -> Object:
    condition = {"type": "Ready", "status": "True", "lastTransitionTime": now()}
    return {
        "phase": "Running",
        "startTime": now(),
        "conditions": [condition],
        "containerStatuses": _statuses(pod, {"running": {"startedAt": now()}}, ready=True),
    }


def _trouble(manner: Manner, pod: Object) -> Object:
    image = pod["spec"]["containers"][0]["image"]
    if manner is Manner.REJECTED:
        message = "Pod was rejected: Node didn't have enough resource: cpu, requested: 5, used: 1000, capacity: 1000"
        return {"phase": "Failed", "reason": "OutOfcpu", "message": message, "startTime": now()}
    waiting = {
        Manner.NO_IMAGE: {
            "reason": "ErrImageNeverPull",
            "message": f'Container image "{image}" is not present with pull policy of Never',
        },
        Manner.NO_REGISTRY: {"reason": "ImagePullBackOff", "message": _PULL.format(image=image)},
        Manner.CREATING: {"reason": "ContainerCreating"},
    }[manner]
    return {
        "phase": "Pending",
        "startTime": now(),
        "containerStatuses": _statuses(pod, {"waiting": waiting}, ready=False),
    }
