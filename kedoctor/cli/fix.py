"""``kedoctor run --fix``: from a report to repairs, and to the report from afterwards."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kedoctor.base.errors import ExitCode
from kedoctor.base.records import replace
from kedoctor.base.text import Text
from kedoctor.changes.actor import Actors
from kedoctor.changes.actors.registry import live_actors
from kedoctor.changes.executor import recover
from kedoctor.changes.journal import Journal, JournalManifest, new_id
from kedoctor.changes.lock import hold
from kedoctor.changes.signals import InterruptedChangeError
from kedoctor.cli import options
from kedoctor.cli.prompts import TerminalPrompter
from kedoctor.model.declarations import Risk
from kedoctor.model.findings import Status
from kedoctor.model.plans import Plan
from kedoctor.model.report import Change, SafeReport
from kedoctor.observe.live.host import read_identity
from kedoctor.plugins import Plugins
from kedoctor.redaction.documents import DocumentRedactor
from kedoctor.repair.repair import Attempt, Considered, Repair, consider
from kedoctor.repair.way_back import WAITS
from kedoctor.report import run_store
from kedoctor.run.diagnose import RunRequest, diagnose_site
from kedoctor.run.site import SiteSession

__all__ = ["FixOptions", "fix", "journal_directory", "patience"]

ROUNDS = 4
"""Repairing one cause may show the next; so often at most."""

PATIENCE = "KEDOCTOR_PATIENCE"
"""The environment variable that stretches (5) or shortens (0.1) the time a repaired part has to settle."""

_NOT_JUDGED = (Status.UNKNOWN, Status.SETTLING, Status.BLOCKED, Status.CRASHED)

_NOTHING = Text(
    "Nothing was changed: there is nothing that kedoctor could repair.",
    zh="未做任何更改：没有 kedoctor 可以修复的问题。",
)
_DRY = Text("Nothing was changed: this was a dry run.", zh="未做任何更改：仅为演练。")
_DECLINED = Text("Nothing was changed.", zh="未做任何更改。")
_INTERRUPTED = Text(
    "The repair was interrupted; what it had done was rolled back.", zh="修复被中断；已执行的操作均已撤销。"
)


@dataclass(frozen=True, slots=True)
class FixOptions:
    """How the person wants it repaired; ``again`` also what was repaired in vain just before."""

    allowed: Risk = Risk.RESTARTS_EDGECORE
    yes: bool = False
    dry_run: bool = False
    again: bool = False


def journal_directory(plugins: Plugins) -> Journal:
    """The journal of this host."""
    return Journal(run_store.directory() / "journal", plugins.actions())


def fix(
    plugins: Plugins,
    where: dict[str, Any],
    question: RunRequest,
    *,
    report: SafeReport,
    site: SiteSession,
    wish: FixOptions,
    language: str,
) -> tuple[SafeReport, int]:
    """Repairs what the report names, round by round; gives the last report and the exit code.

    Raises:
        ChangeError: the lock is held, or something could not be rolled back.
    """
    journal, desk = journal_directory(plugins), TerminalPrompter(language, yes=wish.yes)
    redactions = [rule for rules in plugins.evidence() for rule in rules.redactions]
    actors = live_actors(
        plugins.actions(),
        root=where["root"],
        kubeconfig=where["kubeconfig"],
        context=where["context"],
        redactions=redactions,
    )
    fixer = _Fixer(
        plugins=plugins,
        where=where,
        question=question,
        journal=journal,
        actors=actors,
        desk=desk,
        wish=wish,
        report=report,
        site=site,
        redactor=DocumentRedactor(redactions),
    )
    if wish.dry_run:
        return fixer.rounds()
    with hold(journal.directory / "lock", boot_id=read_identity().boot_id, command=question.command):
        journal.must_be_readable()
        recovered = recover(journal, actors, tell=desk.tell)
        for entry in recovered:
            desk.say(_recovered(entry.id))
        # What another run changed while this one looked would be repaired a second time.
        if recovered or any(entry.manifest.started > report.run.started for entry in journal.entries()):
            fixer.look()
        try:
            return fixer.rounds()
        except InterruptedChangeError:
            desk.say(_INTERRUPTED)
            raise KeyboardInterrupt from None


def _recovered(journal_id: str) -> Text:
    return Text(
        f"An interrupted repair ({journal_id}) was rolled back first.",
        zh=f"已先撤销一次被中断的修复（{journal_id}）。",
    )


def patience() -> float:
    """How much longer than planned parts may take to settle: tests, whose parts settle at once, set it below 1."""
    try:
        return max(0.0, float(os.environ.get(PATIENCE, "1")))
    except ValueError:
        return 1.0


class _Fixer:
    """What the rounds share; ``report`` and ``site`` are those of the last look."""

    def __init__(
        self,
        *,
        plugins: Plugins,
        where: dict[str, Any],
        question: RunRequest,
        journal: Journal,
        actors: Actors,
        desk: TerminalPrompter,
        wish: FixOptions,
        report: SafeReport,
        site: SiteSession,
        redactor: DocumentRedactor,
    ) -> None:
        self._plugins, self._where, self._question = plugins, where, question
        self._journal, self._desk, self._wish = journal, desk, wish
        self._report, self._site, self._redactor = report, site, redactor
        self._repair = Repair(
            journal=journal,
            actors=actors,
            desk=desk,
            look=self.look,
            command=question.command,
            dry_run=wish.dry_run,
            checks={code: node.check for code, node in plugins.registry.checks.items()},
            run=new_id(),
            waits=[one * patience() for one in WAITS],
        )

    def look(self) -> SafeReport:
        """A report from what is there now."""
        self._site = options.open_site(self._plugins, **self._where)
        self._report = diagnose_site(self._plugins, self._site, self._question)
        return self._report

    def rounds(self) -> tuple[SafeReport, int]:
        """Plans and repairs until nothing more can be done."""
        history = (
            []
            if self._wish.again
            else [one.manifest for one in self._journal.entries() if not one.taken_back_by_hand]
        )
        attended: set[tuple[str, str]] = set()
        changes: list[Change] = []
        failed = declined = False
        for _ in range(ROUNDS):
            considered = self._consider(history)
            plans = [
                replace(plan, settle=plan.settle * patience())
                for plan in considered.plans
                if (plan.code, plan.subject) not in attended
            ]
            attempt = self._repair.go(plans, self._report) if plans else Attempt()
            attended |= {(plan.code, plan.subject) for plan in attempt.attended}
            changes += attempt.changes
            failed, declined = failed or attempt.failed, declined or attempt.declined
            if attempt.changes and attempt.failed:
                self.look()
            elif attempt.changes and not self._wish.dry_run:
                self._look_until_judged([plan for plan in plans if (plan.code, plan.subject) not in attended])
            if not attempt.changes or attempt.failed or declined or self._wish.dry_run:
                break
        left = self._consider(history) if changes else considered
        self._close(left, changes, declined=declined or failed)
        code = self._report.run.exit_code
        if failed or self._desk.could_not_ask:
            code = int(ExitCode.CHANGE_FAILED)
        return self._redactor.with_changes(self._report, changes), code

    def _look_until_judged(self, plans: Sequence[Plan]) -> None:
        """Looks again until what is still to be repaired can be judged: a restart of the last repair may hide it."""
        codes = {plan.code for plan in plans}
        ends = time.monotonic() + max((plan.settle for plan in plans), default=0.0)
        while True:
            judged = {one.code for one in self._report.verdicts if one.status not in _NOT_JUDGED}
            left = ends - time.monotonic()
            if codes <= judged or left <= 0:
                return
            self._desk.wait(sorted(codes - judged), left)
            time.sleep(min(self._repair.poll, left))
            self.look()

    def _consider(self, history: Sequence[JournalManifest]) -> Considered:
        return consider(self._plugins, self._site, self._report, allowed=self._wish.allowed, history=history)

    def _close(self, considered: Considered, changes: Sequence[Change], *, declined: bool) -> None:
        for verdict, reason in considered.left:
            self._desk.refuse(verdict.code, verdict.subject, reason)
        if self._wish.dry_run:
            self._desk.say(_DRY)
        elif changes or self._desk.could_not_ask:
            return  # how each of them ended has been said
        else:
            self._desk.say(_DECLINED if declined else _NOTHING)
