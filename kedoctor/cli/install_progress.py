"""What an install shows: one line a step as it happens, and everything it is going to do before it asks."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from itertools import zip_longest

import click

from kedoctor.base.text import Text
from kedoctor.changes.executor import Prepared
from kedoctor.cli import telling
from kedoctor.cli.prompts import TerminalPrompter, described, diff_lines
from kedoctor.install.steps import Foreseen, InstallStep
from kedoctor.model.actions.action import Restart
from kedoctor.model.plans import MergedPlan
from kedoctor.model.report import Verdict

__all__ = ["InstallDesk"]

_WILL = Text("Plan", zh="将执行的操作")
_LATER = Text("checked after the steps before it", zh="前面的步骤完成后才能判断")
_ASK = Text("Do this now?", zh="现在执行？")
_TRY = Text("try", zh="可执行")


class InstallDesk(TerminalPrompter):
    """Tells an install on standard output."""

    def __init__(self, language: str, *, yes: bool) -> None:
        super().__init__(language, yes=yes, aloud=True)

    def starts(self, step: InstallStep) -> None:
        """Names the step on a line that is overwritten, where there is somebody to see it."""
        if sys.stdout.isatty():
            self._end_line()
            self._echo(f"{self._head(step)} …", newline=False)
            self._open_line = True

    def ends(self, step: InstallStep, outcome: Text) -> None:
        """The step's line, and below it what is not right."""
        if self._open_line:
            self._echo("\r\x1b[K", newline=False)
            self._open_line = False
        self._echo(f"{self._head(step)} … {outcome.in_language(self._language)}")
        told = list(step.worth_telling)
        for verdict, following in zip_longest(told, told[1:]):
            self._explain(verdict)
            # Several findings that one thing puts right end with it once.
            if following is None or following.hint != verdict.hint:
                self._advise(verdict)

    def foretells(self, previewed: Sequence[Foreseen]) -> None:
        """Every step that is not right, with the actions that make it so and their diffs."""
        self._echo(f"{_WILL.in_language(self._language)}:")
        for ahead in previewed:
            self._echo(f"{self._head(ahead.step)}")
            if ahead.plan is None:
                self._echo(f"    {_LATER.in_language(self._language)}")
                continue
            self._titles(ahead.plan)
            if ahead.prepared is not None:
                self._actions(ahead.prepared)
                continue
            for action in ahead.plan.actions:
                if not (isinstance(action, Restart) and action.backward):
                    self._echo(f"    - {described(action, self._language)}")

    def show(self, plan: MergedPlan, prepared: Prepared) -> None:
        """A plan that could not be shown before, with its diffs."""
        self._end_line()
        self._titles(plan)
        self._actions(prepared)

    def consents(self) -> bool:
        """Asks once for everything, unless ``--yes`` was given; without a terminal the answer is no."""
        return self._ask(_ASK.in_language(self._language))

    def hand_over(self, words: Text) -> None:
        """Shows what is typed on the other hosts: the one text that is of use only with the secret in it."""
        self._end_line()
        with suppress(OSError):
            telling.show(words.in_language(self._language))

    # ------------------------------------------------------------------------------------------ inside

    def _head(self, step: InstallStep) -> str:
        width = len(str(step.total))
        title = step.node.check.title.in_language(self._language)
        return f"[{step.number:{width}}/{step.total}] {step.node.check.code} {title}"

    def _titles(self, plan: MergedPlan) -> None:
        for one in plan.plans:
            self._echo(f"    {one.title.in_language(self._language)}")
            self._echo(f"    {one.prediction.in_language(self._language)}")

    def _actions(self, prepared: Prepared) -> None:
        for action, foresight in zip(prepared.actions, prepared.foresight, strict=True):
            if isinstance(action, Restart) and action.backward:
                continue
            self._echo(f"    - {described(action, self._language)}")
            for line, colour in diff_lines(foresight.diff):
                self._echo(f"        {line}", colour=colour)

    def _explain(self, verdict: Verdict) -> None:
        chinese = self._language == "zh"
        summary = verdict.zh.summary if chinese else verdict.summary
        self._echo(f"        {click.style(summary, bold=True) if sys.stdout.isatty() else summary}")
        if verdict.actual and verdict.actual not in verdict.summary:
            self._echo(f"        ({verdict.actual})")

    def _advise(self, verdict: Verdict) -> None:
        hint = verdict.zh.hint if self._language == "zh" else verdict.hint.text
        if hint:
            self._echo(f"        {hint}")
        for command in verdict.hint.commands:
            self._echo(f"        {_TRY.in_language(self._language)}: {command}")
