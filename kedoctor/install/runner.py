"""Carrying out a procedure: every step is a check, its remedy, and the same check again.

What must hold beforehand is judged before anything is changed. A step that is right already is left alone, so an
install that was interrupted goes on where it stopped, and a second one changes nothing. What cannot be judged ends it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from kedoctor.base.errors import ChangeError, ConfigurationError, ExitCode
from kedoctor.changes.actor import Actors
from kedoctor.changes.executor import (
    IrreversibleError,
    Prepared,
    RollbackError,
    execute,
    prepare,
    recover,
    roll_back,
)
from kedoctor.changes.journal import Journal, JournalEntry, Phase
from kedoctor.changes.signals import Deferred, InterruptedChangeError
from kedoctor.install import wording
from kedoctor.install.steps import Foreseen, Installed, InstallStep, Standing, Witness
from kedoctor.judge.fact_evaluation import Context
from kedoctor.judge.planning import plan_for
from kedoctor.judge.scheduler import run_checks
from kedoctor.model.actions.action import OneWay, steps_of
from kedoctor.model.declarations import Side
from kedoctor.model.plans import MergedPlan, NoPlan, Plan, merge
from kedoctor.model.procedures import Procedure
from kedoctor.model.report import Change, Verdict
from kedoctor.plugins import Plugins
from kedoctor.run.site import SiteSession

__all__ = ["Install"]

_MORE = 60.0
"""Seconds for checks that wait for others to be judged."""


@dataclass(slots=True)
class _Stop(Exception):  # noqa: N818  the end of an install, not an error of the program
    """The install ends here."""

    code: ExitCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Install:
    """One run of a procedure.

    ``look`` opens the site anew, so that everything is read again; ``patience`` stretches what plans allow for.
    ``member`` is the name of the node that is installed, if the procedure has one.
    """

    plugins: Plugins
    procedure: Procedure
    look: Callable[[], SiteSession]
    journal: Journal
    actors: Actors
    witness: Witness
    command: str
    dry_run: bool = False
    patience: float = 1.0
    poll: float = 0.5
    member: str = ""

    def go(self, stop: Deferred) -> Installed:
        """Judges what must hold, shows what will be done, asks, and does it step by step.

        Raises:
            ConfigurationError: the procedure names a check that is not there.
            RollbackError: a step failed and could not be rolled back.
            InterruptedChangeError: a signal came; the step that was being done was rolled back.
        """
        result = Installed()
        steps = self._steps()
        count = len(self.procedure.preflight)
        try:
            self._recover()
            self._preflight(steps[:count])
            previewed = self._survey(steps[count:])
            if previewed and not self.dry_run:
                self._work(steps[count:], previewed, result, stop)
        except _Stop as end:
            result.code = end.code
        else:
            result.complete = True
        return result

    # -------------------------------------------------------------------------------------------- looking

    def _steps(self) -> list[InstallStep]:
        codes = (*self.procedure.preflight, *self.procedure.steps)
        missing = [code for code in codes if code not in self.plugins.registry.checks]
        if missing:
            raise ConfigurationError(
                f"the install {self.procedure.name} names {', '.join(missing)}, which is not a check",
                hint="kedoctor list --plugins shows what was refused",
            )
        checks = self.plugins.registry.checks
        return [InstallStep(number, len(codes), checks[code]) for number, code in enumerate(codes, 1)]

    def _judged(self, steps: Sequence[InstallStep]) -> tuple[list[InstallStep], Context]:
        """The steps with their verdicts as of now, and the context that remedies plan from."""
        # A check that reads a whole bundle on a slow disk takes longer than any other.
        longest = max((step.node.check.deadline for step in steps), default=0.0)
        outcome = run_checks(
            self.plugins.registry,
            self.look().view,
            [step.node for step in steps],
            deadline=longest + _MORE,
        )
        found: dict[str, list[Verdict]] = {}
        for verdict in outcome.verdicts:
            if not self._of_others(verdict):
                found.setdefault(verdict.code, []).append(verdict)
        judged = [
            InstallStep(step.number, step.total, step.node, tuple(found.get(step.node.check.code, ())))
            for step in steps
        ]
        return judged, outcome.site

    def _of_others(self, verdict: Verdict) -> bool:
        """Whether it is about another node; what is judged on this host is about this one, whatever its name still is."""
        site = verdict.side == Side.SITE.value
        return bool(site and self.member and verdict.node) and verdict.node != self.member

    def _preflight(self, steps: Sequence[InstallStep]) -> None:
        judged, _ = self._judged(steps)
        outcomes = {
            Standing.RIGHT: wording.RIGHT,
            Standing.WRONG: wording.WRONG,
            Standing.UNKNOWN: wording.UNKNOWN,
        }
        for step in judged:
            advised = step.standing is Standing.RIGHT and step.advice
            self.witness.ends(step, wording.NO_OBSTACLE if advised else outcomes[step.standing])
        standings = {step.standing for step in judged} - {Standing.RIGHT}
        if standings:
            self.witness.say(wording.refused(judged))
            raise _Stop(ExitCode.FAILED if Standing.WRONG in standings else ExitCode.UNDETERMINED)

    def _survey(self, steps: Sequence[InstallStep]) -> dict[str, Foreseen]:
        """What every step that is not right is going to do; what cannot be told yet may depend on those before it."""
        judged, context = self._judged(steps)
        previewed: dict[str, Foreseen] = {}
        for step in judged:
            first = not previewed and step.node.check.code not in (
                *self.procedure.waits,
                *self.procedure.optional,
            )
            if first and step.standing is Standing.UNKNOWN:
                self._cannot_tell(step)
            ahead = self._foresee(step, context, first=first)
            if step.standing is Standing.RIGHT and ahead.plan is None:
                if self.dry_run:
                    self.witness.ends(step, wording.state_of(step))
                continue
            previewed[step.node.check.code] = ahead
            if self.dry_run:
                # What is wrong about it is going to be put right: no reason to tell it as a fault.
                quiet = InstallStep(step.number, step.total, step.node)
                self.witness.ends(quiet, wording.WOULD if ahead.plan else wording.LATER)
        if previewed:
            self.witness.foretells(tuple(previewed.values()))
        elif not self.dry_run:
            for step in judged:
                self.witness.ends(step, wording.state_of(step))
        self._say_what_now(previewed)
        return previewed

    def _say_what_now(self, previewed: dict[str, Foreseen]) -> None:
        if self.dry_run:
            self.witness.say(wording.NOTHING_IN_DRY_RUN)
        elif not previewed:
            self.witness.say(wording.NOTHING_TO_CHANGE)
        elif not self.witness.consents():
            raise _Stop(ExitCode.FAILED)

    def _foresee(self, step: InstallStep, context: Context, *, first: bool) -> Foreseen:
        plan = self._plan(step, context, strict=first)
        if plan is None:
            return Foreseen(step)
        try:
            return Foreseen(step, plan, prepare(self.actors, plan.actions))
        except ChangeError:
            return Foreseen(step, plan)  # what it works on is made by an earlier step

    def _plan(self, step: InstallStep, context: Context, *, strict: bool) -> MergedPlan | None:
        """One plan for everything that is wrong about a step, or could be better and can be made so.

        ``None`` where there is nothing to do, or no plan for it and that is not an end yet.
        """
        plans: list[Plan] = []
        for verdict in (*step.wrong, *step.advice):
            answer = plan_for(self.plugins.registry, verdict, context.hosts.get(verdict.host, context))
            if isinstance(answer, Plan):
                plans.append(answer)
            elif verdict in step.wrong:
                if strict:
                    self._no_way(step, answer)
                return None
        return merge(plans) if plans else None

    # --------------------------------------------------------------------------------------------- acting

    def _recover(self) -> None:
        self.journal.must_be_readable()
        for entry in self.journal.entries():
            if entry.phase is not Phase.OPEN:
                continue
            if self.dry_run:
                self.witness.say(wording.would_recover(entry))
                continue
            for action in entry.manifest.actions:
                if isinstance(action, OneWay):
                    self.witness.say(wording.waits_for(action))
        if self.dry_run:
            return
        for entry in recover(self.journal, self.actors, tell=self.witness.tell):
            self.witness.say(wording.recovered(entry))

    def _work(
        self, steps: Sequence[InstallStep], previewed: dict[str, Foreseen], result: Installed, stop: Deferred
    ) -> None:
        for step in steps:
            stop.check()
            self.witness.starts(step)
            code = step.node.check.code
            try:
                self._one(step, previewed.get(code), result, stop)
            except _Stop:
                if code not in self.procedure.optional:
                    raise
                self.witness.say(wording.goes_on(step))
                result.missed.append(code)

    def _one(self, step: InstallStep, shown: Foreseen | None, result: Installed, stop: Deferred) -> None:
        """One step: looked at, put right if it is not, and looked at again."""
        judged, context = self._in_time(step, self.procedure.waits.get(step.node.check.code, 0.0), stop)
        if judged.standing is Standing.UNKNOWN:
            self._cannot_tell(judged)
        plan = self._plan(judged, context, strict=True)
        if plan is None:
            self.witness.ends(judged, wording.state_of(judged))
        else:
            self._put_right(judged, plan, shown, result, stop)

    def _put_right(
        self, step: InstallStep, plan: MergedPlan, shown: Foreseen | None, result: Installed, stop: Deferred
    ) -> None:
        begun = time.monotonic()
        try:
            prepared = prepare(self.actors, plan.actions)
            if shown is None or shown.prepared is None or shown.plan != plan:
                self.witness.show(plan, prepared)
            entry = execute(
                self.journal,
                self.actors,
                prepared,
                codes=[one.code for one in plan.plans],
                subjects=[one.subject for one in plan.plans],
                command=self.command,
                stop=stop,
                tell=self.witness.tell,
            )
        except ChangeError as error:
            self._refused(step, error)
        after, _ = self._in_time(step, plan.settle, stop)
        if stop.received is None and _is_right(after, step):
            entry.become(Phase.DONE)
            result.changes += _changes(plan, prepared, entry)
            self.witness.ends(after, wording.done_in(time.monotonic() - begun))
            return
        self._undo(after, entry, stop)

    def _refused(self, step: InstallStep, error: ChangeError) -> NoReturn:
        stands = error.__cause__
        if isinstance(error, RollbackError) and not isinstance(stands, IrreversibleError):
            raise error
        if isinstance(stands, IrreversibleError):
            (now,), _ = self._judged([step])  # the program that failed has changed things, and they stay
            self.witness.ends(now, wording.NOT_DONE)
            self.witness.say(wording.stopped(str(stands.__context__)))
            self.witness.say(wording.stands_text(stands))
        else:
            self.witness.ends(step, wording.NOT_DONE)
            self.witness.say(wording.not_done(error))
        raise _Stop(ExitCode.CHANGE_FAILED) from error

    def _in_time(self, step: InstallStep, seconds: float, stop: Deferred) -> tuple[InstallStep, Context]:
        """The step once it is right, at the latest when it should be; ``step`` tells what it was like before."""
        ends = time.monotonic() + seconds * self.patience
        while True:
            (judged,), context = self._judged([step])
            left = ends - time.monotonic()
            if _is_right(judged, step) or stop.received is not None or left <= 0:
                return judged, context
            self.witness.wait([step.node.check.code], left)
            time.sleep(min(self.poll, left))

    def _undo(self, step: InstallStep, entry: JournalEntry, stop: Deferred) -> None:
        """Takes a step back that did not come out right, as far as that is possible."""
        if stop.received is None:
            self.witness.ends(step, wording.STILL_FAILING)
        try:
            roll_back(entry, self.actors, tell=self.witness.tell)
        except IrreversibleError as stands:
            self.witness.say(wording.stands_text(stands))
        else:
            self.witness.say(wording.ROLLED_BACK)
        if stop.received is not None:
            raise InterruptedChangeError
        raise _Stop(ExitCode.CHANGE_FAILED)

    # ---------------------------------------------------------------------------------------------- ends

    def _cannot_tell(self, step: InstallStep) -> NoReturn:
        self.witness.ends(step, wording.UNKNOWN)
        self.witness.say(wording.UNKNOWN_ENDS)
        raise _Stop(ExitCode.UNDETERMINED)

    def _no_way(self, step: InstallStep, answer: NoPlan) -> NoReturn:
        self.witness.ends(step, wording.WRONG)
        self.witness.say(wording.no_way(answer.reason))
        raise _Stop(ExitCode.FAILED)


def _is_right(step: InstallStep, before: InstallStep) -> bool:
    """Whether it is right, and what could be better before is better now."""
    subjects = {one.subject for one in before.advice}
    return step.standing is Standing.RIGHT and not any(one.subject in subjects for one in step.advice)


def _changes(plan: MergedPlan, prepared: Prepared, entry: JournalEntry) -> list[Change]:
    steps = steps_of(prepared.actions)
    return [
        Change(
            journal_id=entry.id,
            code=one.code,
            actions=tuple(action.target for action in prepared.actions),
            diffs=tuple(ahead.diff for ahead in prepared.foresight if ahead.diff),
            result="fixed",
            steps=tuple(one.en for one in steps),
            steps_zh=tuple(one.zh for one in steps),
        )
        for one in plan.plans
    ]
