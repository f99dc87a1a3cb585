"""What carries actions out: the contract of an actor, and the errors it may end with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

from kedoctor.base.errors import ChangeError
from kedoctor.base.records import Record, field
from kedoctor.model.actions import Action

__all__ = ["Actor", "Actors", "ConflictError", "Preview", "RefusedError", "ReservingActor", "State"]


class State(Record, frozen=True, kw_only=True):
    """What is there: enough to put it back, and a fingerprint by which it is recognised.

    ``data`` is the content (a file's bytes, an object's JSON, a rule set); ``attributes`` whatever else belongs to
    it (owner, mode, extended attributes, link target). Everything in it goes to the journal, which only root reads.
    """

    target: str
    exists: bool
    fingerprint: str
    data: bytes = b""
    attributes: dict[str, str] = field(default_factory=dict)


class Preview(Record, frozen=True, kw_only=True):
    """What an action will do: a diff for people, and the fingerprint it will leave (empty: cannot be predicted).

    ``changes`` is false when it is so already.
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
            RefusedError: it cannot be done to this (a file that is no YAML any more, say).
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


class Actors:
    """The actors by kind of action; ``late`` is asked again for those that were not there before."""

    def __init__(
        self,
        actors: Mapping[type[Action], Actor],
        late: Callable[[], Mapping[type[Action], Actor]] | None = None,
    ) -> None:
        self._actors = dict(actors)
        self._late = late

    def of(self, action: Action) -> Actor:
        """The actor for an action.

        Raises:
            RefusedError: there is none here (an API action without a cluster, say).
        """
        found = self._found(action)
        if found is None and self._late is not None:
            self._actors |= self._late()
            found = self._found(action)
        if found is not None:
            return found
        raise RefusedError(f"nothing here can change {action.target}")

    def _found(self, action: Action) -> Actor | None:
        return next((self._actors[kind] for kind in type(action).__mro__ if kind in self._actors), None)
