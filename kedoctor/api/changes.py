"""How a new kind of action is carried out: an action, the actor that does and undoes it, and the place it works in.

A kind of action is a subclass of :class:`Action` (with ``tag=True``), an :class:`Actor` for it, and an
:class:`ActionKind` that the hook ``kedoctor_actions`` gives. A remedy then plans with it as with any other.
"""

from __future__ import annotations

from kedoctor.model.actions.action import Action, OneWay, PlanConflictError, Restart
from kedoctor.model.actors import (
    ActionKind,
    Actor,
    ApiClient,
    ConflictError,
    Preview,
    RefusedError,
    State,
    Workplace,
)

__all__ = [
    "Action",
    "ActionKind",
    "Actor",
    "ApiClient",
    "ConflictError",
    "OneWay",
    "PlanConflictError",
    "Preview",
    "RefusedError",
    "Restart",
    "State",
    "Workplace",
]
