"""What an install is told in: steps as they were judged, what is going to be done, and who sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from kedoctor.base.errors import ExitCode
from kedoctor.base.text import Text
from kedoctor.changes.executor import Prepared
from kedoctor.judge.registry import RegisteredCheck
from kedoctor.model.actions.action import Action
from kedoctor.model.findings import Status
from kedoctor.model.plans import MergedPlan
from kedoctor.model.report import Change, Verdict

__all__ = ["Foreseen", "InstallStep", "Installed", "Standing", "Witness"]

_NOT_KNOWN = (Status.UNKNOWN, Status.CRASHED, Status.BLOCKED, Status.SETTLING)


class Standing(StrEnum):
    """How a step stands."""

    RIGHT = "right"
    WRONG = "wrong"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class InstallStep:
    """One check of the procedure as it was judged; ``number`` counts from 1 to ``total``, preflight included."""

    number: int
    total: int
    node: RegisteredCheck
    verdicts: tuple[Verdict, ...] = ()

    @property
    def standing(self) -> Standing:
        """Wrong if anything of it is; else not known if anything of it is."""
        states = {one.status for one in self.verdicts}
        if Status.FAIL in states:
            return Standing.WRONG
        return Standing.UNKNOWN if not states or states & set(_NOT_KNOWN) else Standing.RIGHT

    @property
    def wrong(self) -> tuple[Verdict, ...]:
        """What is to be put right."""
        return tuple(one for one in self.verdicts if one.status is Status.FAIL)

    @property
    def advice(self) -> tuple[Verdict, ...]:
        """What could be better and is no reason to stop."""
        return tuple(one for one in self.verdicts if one.status is Status.WARN)

    @property
    def seen(self) -> bool:
        """Whether it was looked at at all (an edge host cannot ask the API server)."""
        return any(one.status is not Status.SKIP for one in self.verdicts)

    @property
    def worth_telling(self) -> tuple[Verdict, ...]:
        """What a person should read: everything that is not right, warnings too."""
        return tuple(
            one for one in self.verdicts if one.status not in (Status.PASS, Status.SKIP, Status.ACCEPTED)
        )


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a step is going to do, as far as can be told: ``prepared`` is missing where its target is not there yet."""

    step: InstallStep
    plan: MergedPlan | None = None
    prepared: Prepared | None = None


class Witness(Protocol):
    """The person at the terminal: sees every step, decides once."""

    def starts(self, step: InstallStep) -> None:
        """A step is being looked at or worked on."""

    def ends(self, step: InstallStep, outcome: Text) -> None:
        """How it came out; what is not right about it is told with it."""

    def foretells(self, previewed: Sequence[Foreseen]) -> None:
        """Shows everything that is going to be done, before it is asked for."""

    def show(self, plan: MergedPlan, prepared: Prepared) -> None:
        """Shows a plan that could not be shown before."""

    def consents(self) -> bool:
        """Whether to go on."""

    def tell(self, action: Action) -> None:
        """Says what is being done."""

    def say(self, sentence: Text) -> None:
        """Says how something ended."""

    def wait(self, codes: Sequence[str], seconds_left: float) -> None:
        """Shows what is being waited for."""


@dataclass(slots=True)
class Installed:
    """How an install ended; ``complete``: every step is right (or in a dry run: nothing speaks against it).

    ``missed`` are the optional steps that did not come out right.
    """

    code: ExitCode = ExitCode.OK
    complete: bool = False
    changes: list[Change] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
