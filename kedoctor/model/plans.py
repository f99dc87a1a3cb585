"""Plans: what a remedy wants to change, and how the plans of several findings become one.

A remedy is a pure function from facts and a failing verdict to a :class:`Plan` (or :class:`NoPlan`, with the
reason). It is declared with :func:`remedy` and asks for facts by type, exactly as a check does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import ParamSpec, TypeVar

from kedoctor.base.records import Record, replace
from kedoctor.base.text import Text
from kedoctor.model.actions.action import Action, PlanConflictError, Restart
from kedoctor.model.declarations import Risk

__all__ = [
    "MergedPlan",
    "NoPlan",
    "Plan",
    "PlanConflictError",
    "Remedy",
    "Touch",
    "merge",
    "remedy",
    "risk_rank",
]

P = ParamSpec("P")
Planned = TypeVar("Planned", bound="Plan | NoPlan")


class Plan(Record, frozen=True, kw_only=True):
    """What shall be changed for one verdict.

    ``actions`` come in order; ``restarts`` are done once, after the actions of all plans that share them.
    ``prediction`` tells an operator what running edges will notice. ``settle`` is how many seconds the real parts
    need before the checks can be believed again (facts.md §10.2). One that stands ``alone`` is carried out when all
    others are done: it is about the state that they leave.
    """

    code: str
    subject: str
    title: Text
    prediction: Text
    risk: Risk
    actions: tuple[Action, ...]
    restarts: tuple[Restart, ...] = ()
    settle: float = 0.0
    alone: bool = False


class NoPlan(Record, frozen=True):
    """There is nothing kedoctor can do for this verdict; the reason says what a person can do.

    ``needs`` names what a plan would need and is not there; without it the reason is what is missing.
    """

    reason: Text
    needs: tuple[str, ...] = ()


class Touch(Record, frozen=True):
    """Objects of the cluster that a remedy may change: ``how`` (``patch``, ``replace`` or ``restart``), and where.

    ``path`` is an API path whose last step may be ``*`` (any name); of a ``restart`` it is that of the pods.
    ``replace`` stands for applying and for deleting, whose inverses make or remove an object.
    """

    how: str
    path: str

    def covers(self, action: Action) -> bool:
        """Whether an action is of this kind."""
        path, hows = action.writes
        return self.how in hows and fnmatchcase(path, self.path)


@dataclass(frozen=True, slots=True)
class Remedy:
    """A declared remedy: for which codes, the function that plans, and what its plans may change in the cluster."""

    codes: tuple[str, ...]
    plan: Callable[..., Plan | NoPlan]
    touches: tuple[Touch, ...] = ()


def remedy(
    *codes: str, touches: tuple[Touch, ...] = ()
) -> Callable[[Callable[P, Planned]], Callable[P, Planned]]:
    """Declares a function as the remedy of these checks; it gets the failing ``Verdict`` and facts by type.

    ``touches`` are all objects of the cluster that its plans may change; from them ``kedoctor rbac --fix`` knows which
    rights they need.
    """

    def declare(plan: Callable[P, Planned]) -> Callable[P, Planned]:
        plan.__kedoctor_remedy__ = Remedy(codes, plan, touches)  # type: ignore[attr-defined]
        return plan

    return declare


class MergedPlan(Record, frozen=True, kw_only=True):
    """Several plans as one: each target touched once, restarts bracketing everything."""

    plans: tuple[Plan, ...]
    actions: tuple[Action, ...]
    risk: Risk
    settle: float


def risk_rank(risk: Risk) -> int:
    """Risks in the order of what they disturb, from 0."""
    return list(Risk).index(risk)


def merge(plans: Sequence[Plan]) -> MergedPlan:
    """One plan of all of them, in the order given (the data path's).

    Raises:
        PlanConflictError: two plans set the same key to different values, or change a target in two ways.
    """
    actions: list[Action] = []
    for plan in plans:
        for action in plan.actions:
            _join(actions, action)
    restarts = _unique(restart for plan in plans for restart in plan.restarts)
    actions = [one for one in actions if not any(restart.covers(one) for restart in restarts)]
    bracketed = [*(replace(one, when="undo") for one in reversed(restarts)), *actions, *restarts]
    return MergedPlan(
        plans=tuple(plans),
        actions=tuple(bracketed),
        risk=max((plan.risk for plan in plans), key=risk_rank, default=Risk.SAFE),
        settle=max((plan.settle for plan in plans), default=0.0),
    )


def _unique(restarts: Iterable[Restart]) -> list[Restart]:
    found: dict[str, Restart] = {}
    for restart in restarts:
        known = found.setdefault(restart.target, restart)
        both = restart if known == restart else known.joined(restart)
        if isinstance(both, Restart):
            found[restart.target] = both
    return list(found.values())


def _join(actions: list[Action], action: Action) -> None:
    for place, known in enumerate(actions):
        if known == action:
            return
        if known.target != action.target:
            continue
        both = known.joined(action)
        if both is None:
            raise PlanConflictError(
                f"two repairs want to change {action.target} in different ways; repair one after the other"
            )
        actions[place] = both
        return
    actions.append(action)
