"""Repairing what a run found: plans of remedies, shown, confirmed, journalled, verified, or taken back.

Only root causes (and advice that has a remedy) are repaired; consequences are expected to go with their causes.
Nothing is ever done about what is unknown. A repair after which the same checks do not pass, or something that
worked before does not work any more, is rolled back at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from kedoctor.base.errors import ChangeError
from kedoctor.base.text import Text
from kedoctor.changes.actor import Actors
from kedoctor.changes.executor import Prepared, RollbackError, execute, prepare
from kedoctor.changes.journal import Journal, JournalEntry, JournalManifest, Phase
from kedoctor.changes.signals import Deferred, InterruptedChangeError, deferred
from kedoctor.judge.fact_evaluation import contexts
from kedoctor.judge.planning import plan_for
from kedoctor.model.actions.action import steps_of
from kedoctor.model.declarations import Check, Risk
from kedoctor.model.findings import Status
from kedoctor.model.plans import MergedPlan, NoPlan, Plan, PlanConflictError, merge, risk_rank
from kedoctor.model.report import Change, Report, Verdict
from kedoctor.plugins import Plugins
from kedoctor.repair.cooldown import too_soon
from kedoctor.repair.prompter import Prompter
from kedoctor.repair.verification import Recheck, recheck
from kedoctor.repair.way_back import WAITS, take_back
from kedoctor.run.site import SiteSession

__all__ = ["Attempt", "Considered", "Prompter", "Repair", "consider"]

STEADY = 6.0
"""Seconds for which a restarted part has to be well before a repair is called done."""

QUIET = 8.0
"""Seconds after which what is unknown, and of which nothing new is said, is not waited for any longer."""


@dataclass(frozen=True, slots=True)
class Considered:
    """What can be done about a report: plans in the order of the causes, and verdicts nothing is planned for."""

    plans: tuple[Plan, ...]
    left: tuple[tuple[Verdict, Text], ...]


def consider(
    plugins: Plugins,
    site: SiteSession,
    report: Report,
    *,
    allowed: Risk,
    history: Sequence[JournalManifest] = (),
) -> Considered:
    """Asks the remedies of all root causes, then those of advice, for plans. Touches nothing.

    ``history`` is what was done before; what was done twice within minutes is not planned again.
    """
    whole, hosts = contexts(plugins.registry, site.view)
    plans: list[Plan] = []
    left: list[tuple[Verdict, Text]] = []
    for verdict in [*_roots(report), *_advice(report, plugins)]:
        answer = plan_for(plugins.registry, verdict, hosts.get(verdict.host, whole))
        if isinstance(answer, Plan):
            answer = _held_back(answer, allowed, history) or answer
        if isinstance(answer, Plan):
            plans.append(answer)
        else:
            left.append((verdict, answer.reason))
    return Considered(tuple(plans), tuple(left))


def _roots(report: Report) -> list[Verdict]:
    order = {cause.code: place for place, cause in enumerate(report.causes)}
    wrong = [
        verdict
        for verdict in report.verdicts
        if verdict.status in (Status.FAIL, Status.WARN)
        and verdict.code in order
        and verdict.hop
        and not verdict.explained_by
    ]
    return sorted(wrong, key=lambda verdict: order[verdict.code])


def _advice(report: Report, plugins: Plugins) -> list[Verdict]:
    """Warnings beside the data path are no causes, but some can be put right."""
    return [
        verdict
        for verdict in report.verdicts
        if verdict.status in (Status.FAIL, Status.WARN)
        and not verdict.hop
        and not verdict.explained_by
        and verdict.code in plugins.registry.remedies
    ]


def _held_back(plan: Plan, allowed: Risk, history: Sequence[JournalManifest]) -> NoPlan | None:
    if risk_rank(plan.risk) > risk_rank(allowed):
        return NoPlan(
            Text(
                f"this repair needs --allow {plan.risk.value}, which was not given",
                zh=f"该修复需要 --allow {plan.risk.value}，当前未允许",
            )
        )
    reason = too_soon(history, plan.code, plan.subject, datetime.now(UTC))
    return NoPlan(reason) if reason else None


@dataclass(slots=True)
class Attempt:
    """How a round of repairs ended: what was changed (or, in a dry run, would be).

    ``attended`` are the plans that were dealt with; others wait for the next round. ``failed`` says that
    something was refused or taken back.
    """

    changes: list[Change] = field(default_factory=list)
    attended: tuple[Plan, ...] = ()
    failed: bool = False
    declined: bool = False


@dataclass(frozen=True, slots=True)
class Repair:
    """One round: prepare, show, agree, act, check again.

    ``look`` makes a whole report from what is there now, by reading everything anew. ``checks`` are the declarations by
    which a plan answers for what depends on it; ``run`` names what is taken back together. ``waits`` are the seconds
    between tries to roll back where that is refused.
    """

    journal: Journal
    actors: Actors
    desk: Prompter
    look: Callable[[], Report]
    command: str
    dry_run: bool = False
    poll: float = 2.0
    checks: Mapping[str, Check] | None = None
    run: str = ""
    waits: Sequence[float] = WAITS

    def go(self, plans: Sequence[Plan], before: Report) -> Attempt:
        """Carries the plans out; ``before`` is the report that they come from.

        Raises:
            ChangeError: a signal came, and something could not be rolled back.
            InterruptedChangeError: a signal came; everything was rolled back.
        """
        attempt = Attempt()
        chosen = self._feasible(plans, attempt)
        if not chosen:
            return attempt
        merged = merge(chosen)
        prepared = prepare(self.actors, merged.actions)
        attempt.attended += merged.plans
        if not prepared.actions:
            return attempt
        self.desk.show(merged, prepared)
        if self.dry_run:
            attempt.changes += _changes(merged, prepared, "", "planned")
        elif not self.desk.agree(merged):
            attempt.declined = True
        else:
            with deferred() as stop:
                self._act(merged, prepared, before, attempt, stop)
        return attempt

    def _feasible(self, plans: Sequence[Plan], attempt: Attempt) -> list[Plan]:
        """The plans that can be carried out here and together."""
        chosen: list[Plan] = []
        for plan in sorted(plans, key=lambda one: one.alone):
            if chosen and plan.alone:
                continue  # the next round sees whether it is still needed
            try:
                merge([*chosen, plan])
                prepare(self.actors, (*plan.actions, *plan.restarts))
            except PlanConflictError:
                continue  # the next round sees whether it is still needed
            except ChangeError as error:
                self.desk.refuse(plan.code, plan.subject, Text(_said(error), zh=_said(error)))
                attempt.attended += (plan,)
                attempt.failed = True
            else:
                chosen.append(plan)
        return chosen

    def _act(
        self, merged: MergedPlan, prepared: Prepared, before: Report, attempt: Attempt, stop: Deferred
    ) -> None:
        try:
            entry = execute(
                self.journal,
                self.actors,
                prepared,
                codes=[plan.code for plan in merged.plans],
                subjects=[plan.subject for plan in merged.plans],
                command=self.command,
                stop=stop,
                tell=self.desk.tell,
                run=self.run,
            )
        except RollbackError as error:
            if self._took_back(error.entry, merged, prepared, attempt, stop):
                self.desk.say(_refused(merged, error.refusal))
                attempt.changes += _changes(merged, prepared, error.entry.id, "refused")
            return
        except ChangeError as error:
            self.desk.say(_refused(merged, _said(error)))
            attempt.changes += _changes(merged, prepared, "", "refused")
            attempt.failed = True
            return
        found = self._settled(merged, before, stop)
        if stop.received is None and found.good:
            entry.become(Phase.DONE)
            self.desk.say(_repaired(merged, entry))
            if found.meanwhile:
                self.desk.say(_meanwhile(found))
            attempt.changes += _changes(merged, prepared, entry.id, "fixed")
            return
        if stop.received is None:
            self.desk.say(_not_better(found))
        if self._took_back(entry, merged, prepared, attempt, stop):
            attempt.changes += _changes(merged, prepared, entry.id, "taken back")

    def _took_back(
        self, entry: JournalEntry, merged: MergedPlan, prepared: Prepared, attempt: Attempt, stop: Deferred
    ) -> bool:
        """Whether everything is as it was; where it is not, that is said and stands among the changes.

        Raises:
            ChangeError: a signal came, and something could not be rolled back.
            InterruptedChangeError: a signal came; everything was rolled back.
        """
        attempt.failed = True
        try:
            take_back(entry, self.actors, desk=self.desk, stop=stop, waits=self.waits)
        except ChangeError as error:
            if stop.received is not None:
                raise
            self.desk.say(_left(merged, error))
            attempt.changes += _changes(merged, prepared, entry.id, "left")
            return False
        if stop.received is not None:
            raise InterruptedChangeError
        return True

    def _settled(self, merged: MergedPlan, before: Report, stop: Deferred) -> Recheck:
        """What the checks say once everything has come back, at the latest when it should have."""
        begun = moved = time.monotonic()
        ends = begun + merged.settle
        steady = begun + (min(merged.settle, STEADY) if any(plan.restarts for plan in merged.plans) else 0.0)
        last = frozenset[tuple[str, str]]()
        while True:
            found = recheck(merged.plans, before, self.look(), self.checks)
            now = time.monotonic()
            if found.unsure != last:
                last, moved = found.unsure, now
            quiet = not found.unsure or now - moved >= QUIET
            if stop.received is not None or now >= ends or (found.settled and quiet and now >= steady):
                return found
            self.desk.wait(sorted(found.awaited), ends - now)
            time.sleep(min(self.poll, ends - now))


def _subjects(merged: MergedPlan) -> str:
    return ", ".join(f"{plan.code} {plan.subject}" for plan in merged.plans)


def _said(error: ChangeError) -> str:
    return f"{error}; {error.hint}" if error.hint else str(error)


def _left(merged: MergedPlan, error: ChangeError) -> Text:
    return Text(
        f"{_subjects(merged)}: not repaired, and NOT rolled back whole: {_said(error)}.",
        zh=f"{_subjects(merged)}：未修复，且未能完全撤销：{_said(error)}。",
    )


def _refused(merged: MergedPlan, said: str) -> Text:
    return Text(
        f"{_subjects(merged)}: not repaired, and everything is as it was: {said}.",
        zh=f"{_subjects(merged)}：未修复，一切恢复原状：{said}。",
    )


def _repaired(merged: MergedPlan, entry: JournalEntry) -> Text:
    return Text(
        f"{_subjects(merged)}: repaired. Undo: `kedoctor rollback {entry.id}`.",
        zh=f"{_subjects(merged)}：已修复。`kedoctor rollback {entry.id}` 可撤销。",
    )


def _meanwhile(found: Recheck) -> Text:
    codes = ", ".join(sorted(found.meanwhile))
    return Text(
        f"Meanwhile {codes} began to fail, which this repair cannot have caused.",
        zh=f"其间 {codes} 开始失败，但并非由该修复引起。",
    )


def _not_better(found: Recheck) -> Text:
    wrong, worse = sorted(found.wrong), sorted(found.worse)
    codes, codes_worse = ", ".join(wrong), ", ".join(worse)
    en = [
        f"{codes} still fails after it" if wrong else "",
        f"{codes_worse} worked before it" if worse else "",
    ]
    zh = [f"{codes} 仍不正常" if wrong else "", f"{codes_worse} 修复前正常、现在异常" if worse else ""]
    said = [found.said[code] for code in (*wrong, *worse) if code in found.said]
    return Text(
        f"Rolling the repair back: {' and '.join(filter(None, en))}.{''.join(f' {one.en}' for one in said)}",
        zh=f"撤销修复：{'，'.join(filter(None, zh))}。{''.join(one.zh for one in said)}",
    )


def _changes(merged: MergedPlan, prepared: Prepared, journal_id: str, result: str) -> list[Change]:
    steps = steps_of(prepared.actions)
    return [
        Change(
            journal_id=journal_id,
            code=plan.code,
            actions=tuple(action.target for action in prepared.actions),
            diffs=tuple(one.diff for one in prepared.foresight if one.diff),
            result=result,
            steps=tuple(one.en for one in steps),
            steps_zh=tuple(one.zh for one in steps),
        )
        for plan in merged.plans
    ]
