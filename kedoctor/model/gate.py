"""What a plugin brings for a gate, and what the pods of a gate look like from outside.

The engine gives the pods names, labels and a namespace; what runs in them, and what is concluded from them, is the
plugin's. The labels are the meeting place: facts find the pods by them, in a live cluster and in a bundle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from kedoctor.base.records import field
from kedoctor.model.objects import EXAMPLE, Fields, Object
from kedoctor.model.observations.apiserver import ListObjects

__all__ = [
    "GATE_LABEL",
    "GATE_PODS",
    "MANAGED_BY",
    "NONCE",
    "RUN",
    "TEST_PODS",
    "GatePod",
    "GateRecipe",
    "PodOrder",
    "absent",
    "example",
]

MANAGED_BY = "app.kubernetes.io/managed-by"
GATE_LABEL = "kedoctor/purpose"
RUN = "kedoctor/run"
NONCE = "kedoctor/nonce"
GATE_PODS = f"{MANAGED_BY}=kedoctor,{GATE_LABEL}=gate"
"""The label selector of every test pod, and of every namespace that holds some."""


@dataclass(frozen=True, slots=True)
class PodOrder:
    """One test pod as it is wanted: on which node, what it is to say, and for how many seconds it may live."""

    node: str
    nonce: str
    image: str
    pull_policy: str
    lifetime: int


@dataclass(frozen=True, slots=True)
class GateRecipe:
    """How a gate proves that things work.

    ``codes`` are the checks that look at test pods; without any of them none are made. ``image`` is what the pods
    run unless somebody names another. ``spec`` gives the ``spec`` of a pod, as the API server takes it.
    """

    codes: tuple[str, ...]
    image: str
    spec: Callable[[PodOrder], Mapping[str, Any]]


class _Metadata(Fields, frozen=True):
    name: str = ""
    namespace: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None


class _Spec(Fields, frozen=True):
    node_name: str = ""


class _Waiting(Fields, frozen=True):
    reason: str = ""
    message: str = ""


class _Running(Fields, frozen=True):
    started_at: datetime | None = None


class _Terminated(Fields, frozen=True):
    exit_code: int = 0
    reason: str = ""
    message: str = ""


class _State(Fields, frozen=True):
    waiting: _Waiting | None = None
    running: _Running | None = None
    terminated: _Terminated | None = None


class _Container(Fields, frozen=True):
    name: str = ""
    image: str = ""
    state: _State = _State()


class _Status(Fields, frozen=True):
    phase: str = ""
    reason: str = ""
    message: str = ""
    container_statuses: tuple[_Container, ...] | None = None


class GatePod(Object, frozen=True):
    """A test pod, or the place of one that is not there.

    ``missing`` is filled by the gate alone: why there is no such pod (the API server's own words). Its node is then
    still named, unless nothing was ordered at all.
    """

    plural: ClassVar[str] = "pods"

    metadata: _Metadata = _Metadata()
    spec: _Spec = _Spec()
    status: _Status = _Status()
    missing: str = ""

    @property
    def node(self) -> str:
        """Where it is to run."""
        return self.spec.node_name

    @property
    def nonce(self) -> str:
        """What it writes, and nobody else."""
        return self.metadata.labels.get(NONCE, "")

    @property
    def running_since(self) -> datetime | None:
        """When its container started, if it runs now."""
        containers = self.status.container_statuses or ()
        states = [one.state.running for one in containers if one.state.running is not None]
        return states[0].started_at or self.metadata.creation_timestamp if states else None

    @property
    def runs(self) -> bool:
        """Whether its container runs and nobody is deleting it."""
        containers = self.status.container_statuses or ()
        alive = any(one.state.running is not None for one in containers)
        return alive and not self.missing and not self._is_being_deleted

    @property
    def is_over(self) -> bool:
        """Whether it will not run any more."""
        return bool(self.missing) or self.status.phase in ("Failed", "Succeeded") or self._is_being_deleted

    @property
    def _is_being_deleted(self) -> bool:
        return self.metadata.deletion_timestamp is not None

    @property
    def is_untouched(self) -> bool:
        """Whether its node has said nothing of it yet."""
        return not self.missing and not self.status.reason and not self.status.container_statuses

    @property
    def trouble(self) -> tuple[str, str]:
        """Reason and message of what keeps it from running, as Kubernetes names them; empty when nothing is said."""
        for one in self.status.container_statuses or ():
            why = one.state.waiting or one.state.terminated
            if why is not None:
                return why.reason, why.message
        if self._is_being_deleted:
            return "Terminating", "it is being deleted"
        return self.status.reason, self.status.message


TEST_PODS = ListObjects(GatePod.__name__, label_selector=GATE_PODS)
"""The question of all test pods there are."""


def example() -> GatePod:
    """A test pod that runs, in whatever namespace and on whatever node."""
    return GatePod(
        metadata=_Metadata(EXAMPLE, EXAMPLE),
        spec=_Spec(EXAMPLE),
        status=_Status("Running", container_statuses=(_Container(state=_State(running=_Running())),)),
    )


def absent(node: str, why: str) -> GatePod:
    """The place of a pod that is not there."""
    return GatePod(spec=_Spec(node), missing=why)
