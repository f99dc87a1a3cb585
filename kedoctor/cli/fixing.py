"""``kedoctor run --fix``: from a report to repairs, and to the report from afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from kedoctor import state
from kedoctor.changes.actors import Actors
from kedoctor.changes.carrying import recover
from kedoctor.changes.hands.dispatch import live_actors
from kedoctor.changes.journal import Journal
from kedoctor.changes.lock import hold
from kedoctor.changes.signals import deferred
from kedoctor.cli import options
from kedoctor.cli.desk import TerminalDesk
from kedoctor.consultation import Question, consult
from kedoctor.declarations import Risk
from kedoctor.errors import ExitCode
from kedoctor.live.host import read_identity
from kedoctor.model import Report
from kedoctor.plugins import Plugins
from kedoctor.records import replace
from kedoctor.repair import Considered, Repair, consider
from kedoctor.selection import Selection
from kedoctor.sites import OpenSite

__all__ = ["Wish", "fix", "journal_directory"]

ROUNDS = 4
"""Repairing one cause may show the next; so often at most."""


@dataclass(frozen=True, slots=True)
class Wish:
    """How the person wants it repaired."""

    allowed: Risk = Risk.RESTARTS_EDGECORE
    yes: bool = False
    dry_run: bool = False


def journal_directory() -> Journal:
    """The journal of this host."""
    return Journal(state.directory() / "journal")


def fix(
    plugins: Plugins,
    where: dict[str, Any],
    question: Question,
    *,
    report: Report,
    site: OpenSite,
    wish: Wish,
    language: str,
) -> tuple[Report, int]:
    """Repairs what the report names, round by round; gives the last report and the exit code.

    Raises:
        ChangeError: the lock is held, or something could not be taken back.
    """
    journal, desk = journal_directory(), TerminalDesk(language, yes=wish.yes)
    actors = live_actors(root=where["root"], kubeconfig=where["kubeconfig"], context=where["context"])
    fixer = _Fixer(plugins, where, question, journal, actors, desk, wish)
    if wish.dry_run:
        return fixer.rounds(report, site)
    with hold(journal.directory / "lock", boot_id=read_identity().boot_id, command=question.command):
        for entry in recover(journal, actors, tell=desk.tell):
            click.echo(f"An interrupted repair ({entry.id}) was taken back first.", err=True)
            report, site = fixer.look_again()
        return fixer.rounds(report, site)


@dataclass(frozen=True, slots=True)
class _Fixer:
    """What the rounds share."""

    plugins: Plugins
    where: dict[str, Any]
    question: Question
    journal: Journal
    actors: Actors
    desk: TerminalDesk
    wish: Wish

    def rounds(self, report: Report, site: OpenSite) -> tuple[Report, int]:
        changes = list(report.changes)
        tried: set[tuple[str, str]] = set()
        for _ in range(ROUNDS):
            considered = consider(self.plugins, site, report, allowed=self.wish.allowed)
            plans = [plan for plan in considered.plans if (plan.code, plan.subject) not in tried]
            tried |= {(plan.code, plan.subject) for plan in plans}
            if not plans:
                self._tell_left(considered)
                break
            with deferred() as stop:
                attempt = self._repair().go(plans, stop)
            changes.extend(attempt.changes)
            if attempt.failed:
                report, _ = self.look_again()
                return self._closing(report, changes), ExitCode.CHANGE_FAILED
            if attempt.declined or self.wish.dry_run or not attempt.changes:
                self._tell_left(considered)
                break
            report, site = self.look_again()
        code = ExitCode.CHANGE_FAILED if self.desk.could_not_ask else report.run.exit_code
        return self._closing(report, changes), int(code)

    def look_again(self) -> tuple[Report, OpenSite]:
        """A report from what is there now."""
        site = options.open_site(self.plugins, **self.where)
        return consult(self.plugins, site, self.question), site

    def _repair(self) -> Repair:
        return Repair(
            journal=self.journal,
            actors=self.actors,
            desk=self.desk,
            look=self._look_at,
            command=self.question.command,
            dry_run=self.wish.dry_run,
        )

    def _look_at(self, codes: Sequence[str]) -> Report:
        site = options.open_site(self.plugins, **self.where)
        only = Selection(tuple(codes), sides=self.question.selection.sides)
        return consult(self.plugins, site, replace_question(self.question, only))

    def _tell_left(self, considered: Considered) -> None:
        for verdict, reason in considered.left:
            self.desk.refuse(verdict, reason)

    def _closing(self, report: Report, changes: Sequence[Any]) -> Report:
        return replace(report, changes=tuple(changes))


def replace_question(question: Question, selection: Selection) -> Question:
    """The same question about other checks."""
    return Question(
        selection, question.nodes, question.fail_on, question.deadline, question.command, question.demo
    )
