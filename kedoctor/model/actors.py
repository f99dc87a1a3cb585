"""What carries actions out: the contract of an actor, the place it works in, and the errors it may end with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from kedoctor.base import records
from kedoctor.base.errors import ChangeError
from kedoctor.base.records import Record
from kedoctor.model.actions.action import Action
from kedoctor.model.declarations import RedactionRule
from kedoctor.model.observations.inputs import Setting
from kedoctor.model.observations.request import Unavailable
from kedoctor.model.observations.tools import ToolOutput

__all__ = [
    "ActionKind",
    "Actor",
    "ApiClient",
    "ConflictError",
    "Preview",
    "RefusedError",
    "ReservingActor",
    "State",
    "Workplace",
]


class State(Record, frozen=True, kw_only=True):
    """What is there: enough to put it back, and a fingerprint by which it is recognised.

    ``data`` is the content (a file's bytes, an object's JSON, a rule set); ``attributes`` whatever else belongs to
    it (owner, mode, extended attributes, link target). Everything in it goes to the journal, which only root reads.
    """

    target: str
    exists: bool
    fingerprint: str
    data: bytes = b""
    attributes: dict[str, str] = records.field(default_factory=dict)


class Preview(Record, frozen=True, kw_only=True):
    """What an action will do: a diff for people, and the fingerprint it will leave (empty: cannot be predicted).

    ``changes`` is false if the target is already as wanted.
    """

    changes: bool
    diff: str
    fingerprint: str = ""


class ConflictError(ChangeError):
    """The target is not what kedoctor left (or saw); somebody else changed it. Nothing was overwritten."""


class RefusedError(ChangeError):
    """The world refused (no permission, read-only, full, forbidden, a time-out); the target is as it was."""


class Actor(Protocol):
    """Carries out some kinds of actions. Each ``do`` and ``undo`` leaves the target wholly before or wholly after."""

    def look(self, action: Action) -> State:
        """What is there now.

        Raises:
            RefusedError: it cannot be looked at.
        """

    def preview(self, action: Action, before: State) -> Preview:
        """What the action would make of ``before``; touches nothing.

        Raises:
            RefusedError: it cannot be done to this (a file that is not YAML any more, say).
        """

    def do(self, action: Action, before: State) -> State:
        """Does it and gives what is there now.

        Raises:
            ConflictError: the target is not ``before`` any more; nothing was done.
            RefusedError: the world refused.
        """

    def undo(self, action: Action, before: State, after: State) -> None:
        """Puts ``before`` back.

        Raises:
            ConflictError: the target is not ``after``; both versions are kept.
            RefusedError: the world refused.
        """

    def tidy(self, action: Action) -> None:
        """Removes what a killed process may have left beside the target (a half-written temporary file)."""


@runtime_checkable
class ReservingActor(Protocol):
    """An actor whose ``undo`` writes to a disk that may be full by then."""

    def reserve(self, action: Action, before: State) -> Callable[[], None]:
        """Keeps the space that ``undo`` needs until the function it gives is called.

        Raises:
            RefusedError: there is not that much.
        """


class ApiClient(Protocol):
    """Single objects of the API server, by path (``/api/v1/namespaces/kubeedge/configmaps/cloudcore``)."""

    def get(self, path: str) -> dict[str, Any] | None:
        """The object, or ``None`` if there is none.

        Raises:
            RefusedError: the server refused or did not answer.
        """

    def write(self, path: str, method: str, body: Any, *, kind: str = "", query: str = "") -> dict[str, Any]:
        """The object as the server made it; ``kind`` of a PATCH is ``merge``, ``strategic``, ``json`` or ``apply``.

        Raises:
            ConflictError: somebody else changed it, or owns the field.
            RefusedError: anything else that is not a success; the message is the server's.
        """


def _no_cluster() -> ApiClient | None:
    return None


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where an actor works: this machine, or a sandbox.

    Files lie under ``root``; with another root than ``/`` the kernel, the runtime and other programs must be left
    alone. ``run`` starts a program (arguments, seconds). ``api`` gives the API server's client, or ``None`` while there
    is not a cluster. ``redactions`` say what no diff may show; ``settings`` are those of an install. A unit has to stay up
    for ``calm`` seconds to count as started; the pods of a workload have ``patience`` seconds to become ready.
    """

    run: Callable[[Sequence[str], float], ToolOutput | Unavailable]
    root: str = "/"
    api: Callable[[], ApiClient | None] = _no_cluster
    redactions: Sequence[RedactionRule] = ()
    settings: Mapping[str, Setting] = field(default_factory=dict)
    calm: float = 4.0
    patience: float = 120.0

    @property
    def is_host(self) -> bool:
        """Whether it is this machine itself, and not a directory that stands for one."""
        return self.root == "/"


@dataclass(frozen=True, slots=True)
class ActionKind:
    """Kinds of actions and who carries them out.

    ``actor`` makes the actor for a place, once; ``None``: these actions cannot be carried out there (yet: it is asked
    again, for an install makes the cluster that its later steps change). The names of the classes in ``actions`` are
    what a journal calls them, so that they are never renamed.
    """

    actions: tuple[type[Action], ...]
    actor: Callable[[Workplace], Actor | None]
