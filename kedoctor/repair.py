"""Repairing what a run found: plans of remedies, shown, confirmed, journalled, verified, or taken back.

Only root causes are repaired; their consequences are expected to go with them. Nothing is ever done about what is
not known. A repair after which the same checks do not pass is taken back at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from kedoctor.changes.actors import Actors
from kedoctor.changes.carrying import Prepared, carry_out, prepare, take_back
from kedoctor.changes.journal import Entry, Journal, Phase
from kedoctor.changes.plan import MergedPlan, NoPlan, Plan, merge, risk_rank
from kedoctor.changes.signals import Deferred
from kedoctor.declarations import MissingError, Risk
from kedoctor.errors import ChangeError
from kedoctor.evaluation import Context, FactCrashError, contexts
from kedoctor.findings import Status
from kedoctor.model import Change, Report, Verdict
from kedoctor.plugins import Plugins
from kedoctor.sites import OpenSite
from kedoctor.text import Text

__all__ = ["Attempt", "Considered", "Desk", "Repair", "consider"]


class Desk(Protocol):
    """The person (or the options that stand for one) who sees plans and decides."""

    def show(self, plan: MergedPlan, prepared: Prepared) -> None:
        """Shows what is going to be done, with diffs and what running edges will notice."""

    def refuse(self, verdict: Verdict, reason: Text) -> None:
        """Says why nothing is done about a verdict."""

    def agree(self, plan: MergedPlan) -> bool:
        """Whether to go on."""

    def tell(self, what: str) -> None:
        """Says what is being done."""

    def wait(self, codes: Sequence[str], seconds_left: float) -> None:
        """Shows what is being waited for."""


@dataclass(frozen=True, slots=True)
class Considered:
    """What can be done about a report: plans in the order of the causes, and verdicts nothing is planned for."""

    plans: tuple[Plan, ...]
    left: tuple[tuple[Verdict, Text], ...]


def consider(plugins: Plugins, site: OpenSite, report: Report, *, allowed: Risk) -> Considered:
    """Asks the remedies of all root causes for plans. Touches nothing."""
    whole, hosts = contexts(plugins.registry, site.view)
    plans: list[Plan] = []
    left: list[tuple[Verdict, Text]] = []
    for verdict in _roots(report):
        answer = _plan(plugins, verdict, hosts.get(verdict.host, whole))
        if isinstance(answer, Plan) and risk_rank(answer.risk) > risk_rank(allowed):
            answer = NoPlan(_not_allowed(answer.risk))
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
        if verdict.status in (Status.FAIL, Status.WARN) and verdict.code in order and not verdict.explained_by
    ]
    return sorted(wrong, key=lambda verdict: order[verdict.code])


def _not_allowed(risk: Risk) -> Text:
    return Text(
        f"this repair needs --allow {risk.value}, which was not given",
        zh=f"该修复需要 --allow {risk.value}，当前未允许",
    )


def _plan(plugins: Plugins, verdict: Verdict, context: Context) -> Plan | NoPlan:
    node = plugins.registry.remedies.get(verdict.code)
    if node is None:
        return NoPlan(
            Text("kedoctor has no repair for this; see its hint", zh="kedoctor 无法自动修复此项，请参见提示")
        )
    try:
        arguments = context.arguments(node.parameters)
        if node.verdict:
            arguments[node.verdict] = verdict
        answer: object = node.remedy.plan(**arguments)
    except MissingError as missing:
        return NoPlan(
            Text(
                f"what the repair rests on was not read: {missing.unavailable}",
                zh=f"未能读取修复所需信息：{missing.unavailable}",
            )
        )
    except FactCrashError as crash:
        return NoPlan(Text(str(crash), zh=str(crash)))
    except Exception as error:  # noqa: BLE001  a remedy of a plugin may break in any way; then nothing is done
        broke = f"{type(error).__name__}: {error}"
        return NoPlan(Text(f"the repair itself broke ({broke})", zh=f"修复程序自身出错（{broke}）"))
    if isinstance(answer, (Plan, NoPlan)):
        return answer
    return NoPlan(Text("the repair gave no plan", zh="修复程序没有给出方案"))


@dataclass(slots=True)
class Attempt:
    """How a round of repairs ended: what was changed, and the report from after it."""

    changes: list[Change] = field(default_factory=list)
    report: Report | None = None
    failed: bool = False
    declined: bool = False


@dataclass(frozen=True, slots=True)
class Repair:
    """One round: prepare, show, agree, act, check again.

    ``look`` makes a report from what is there now, by reading everything anew.
    """

    journal: Journal
    actors: Actors
    desk: Desk
    look: Callable[[Sequence[str]], Report]
    command: str
    dry_run: bool = False
    poll: float = 2.0

    def go(self, plans: Sequence[Plan], stop: Deferred) -> Attempt:
        """Carries the plans out.

        Raises:
            ChangeError: it could not be prepared, or taking it back failed.
            InterruptedChangeError: a signal came; everything was taken back.
        """
        merged = merge(plans)
        prepared = prepare(self.actors, merged.actions)
        if not prepared.actions:
            return Attempt()
        self.desk.show(merged, prepared)
        if self.dry_run or not self.desk.agree(merged):
            return Attempt(declined=not self.dry_run)
        codes = [plan.code for plan in merged.plans]
        try:
            entry = carry_out(
                self.journal,
                self.actors,
                prepared,
                codes=codes,
                command=self.command,
                stop=stop,
                tell=self.desk.tell,
            )
        except ChangeError as error:
            self.desk.tell(str(error))
            return Attempt([_change(code, "", prepared, "refused") for code in codes], failed=True)
        return self._verify(entry, merged, prepared, stop)

    def _verify(self, entry: Entry, merged: MergedPlan, prepared: Prepared, stop: Deferred) -> Attempt:
        codes = [plan.code for plan in merged.plans]
        subjects = {(plan.code, plan.subject) for plan in merged.plans}
        ends = time.monotonic() + merged.settle
        while True:
            report = self.look(codes)
            still = _still_wrong(report, subjects)
            left = ends - time.monotonic()
            if not still or left <= 0 or stop.received is not None:
                break
            self.desk.wait(sorted(still), left)
            time.sleep(min(self.poll, left))
        if still:
            self.desk.tell("not better")
            take_back(entry, self.actors, tell=self.desk.tell)
            return Attempt(
                [_change(code, entry.id, prepared, "taken back") for code in codes], report, failed=True
            )
        entry.become(Phase.DONE)
        return Attempt([_change(code, entry.id, prepared, "fixed") for code in codes], report)


def _still_wrong(report: Report, subjects: set[tuple[str, str]]) -> set[str]:
    """The codes that are not right yet; what can no longer be judged is not right either."""
    good = {Status.PASS, Status.SKIP, Status.ACCEPTED}
    return {
        verdict.code
        for verdict in report.verdicts
        if verdict.status not in good
        and (
            (verdict.code, verdict.subject) in subjects or _unjudged(verdict, {code for code, _ in subjects})
        )
    }


def _unjudged(verdict: Verdict, codes: set[str]) -> bool:
    return verdict.code in codes and verdict.status in (Status.UNKNOWN, Status.CRASHED, Status.BLOCKED)


def _change(code: str, journal_id: str, prepared: Prepared, result: str) -> Change:
    return Change(
        journal_id=journal_id,
        code=code,
        actions=tuple(action.target for action in prepared.actions),
        diffs=tuple(one.diff for one in prepared.foresight if one.diff),
        result=result,
    )
