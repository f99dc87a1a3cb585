"""Who is shown what a repair does, and who agrees to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from kedoctor.base.text import Text
from kedoctor.changes.executor import Prepared
from kedoctor.model.actions.action import Action
from kedoctor.model.plans import MergedPlan

__all__ = ["Prompter"]


class Prompter(Protocol):
    """The person (or the options that stand for one) who sees plans and decides."""

    def show(self, plan: MergedPlan, prepared: Prepared) -> None:
        """Shows what is going to be done, with diffs and what running edges will notice."""

    def refuse(self, code: str, subject: str, reason: Text) -> None:
        """Says why nothing is done about a verdict."""

    def agree(self, plan: MergedPlan) -> bool:
        """Whether to go on."""

    def tell(self, action: Action) -> None:
        """Says what is being done."""

    def say(self, sentence: Text) -> None:
        """Says how something ended."""

    def wait(self, codes: Sequence[str], seconds_left: float) -> None:
        """Shows what is being waited for."""
