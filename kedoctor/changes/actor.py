"""The actors of one place, by kind of action."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Self

from kedoctor.model.actions.action import Action
from kedoctor.model.actors import ActionKind, Actor, RefusedError, Workplace

__all__ = ["Actors"]


class Actors:
    """The actors by kind of action; ``late`` is asked again for those that were not there before."""

    def __init__(
        self,
        actors: Mapping[type[Action], Actor],
        late: Callable[[], Mapping[type[Action], Actor]] | None = None,
    ) -> None:
        self._actors = dict(actors)
        self._late = late

    @classmethod
    def at(cls, workplace: Workplace, kinds: Iterable[ActionKind]) -> Self:
        """All that can act there."""
        waiting = list(kinds)

        def come() -> dict[type[Action], Actor]:
            found: dict[type[Action], Actor] = {}
            for kind in [*waiting]:
                actor = kind.actor(workplace)
                if actor is not None:
                    waiting.remove(kind)
                    found |= dict.fromkeys(kind.actions, actor)
            return found

        return cls(come(), late=come)

    def able(self, action: Action) -> bool:
        """Whether anybody here carries out actions of this kind."""
        if self._found(action) is None and self._late is not None:
            self._actors |= self._late()
        return self._found(action) is not None

    def of(self, action: Action) -> Actor:
        """The actor for an action.

        Raises:
            RefusedError: there is none here (an API action without a cluster, say).
        """
        found = self._found(action) if self.able(action) else None
        if found is not None:
            return found
        raise RefusedError(
            f"nothing here can change {action.target}; what is in the cluster needs a kubeconfig (--kubeconfig FILE)"
        )

    def _found(self, action: Action) -> Actor | None:
        return next((self._actors[kind] for kind in type(action).__mro__ if kind in self._actors), None)
