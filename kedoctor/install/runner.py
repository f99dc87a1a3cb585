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
from kedoctor.base.text import Text
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
from kedoctor.install.steps import Foreseen, Installed, InstallStep, Standing, Witness
from kedoctor.judge.fact_evaluation import Context
from kedoctor.judge.planning import plan_for
from kedoctor.judge.scheduler import run_checks
from kedoctor.model.actions.action import OneWay
from kedoctor.model.declarations import Side
from kedoctor.model.plans import MergedPlan, NoPlan, Plan, merge
from kedoctor.model.procedures import Procedure
from kedoctor.model.report import Change, Verdict
from kedoctor.plugins import Plugins
from kedoctor.run.site import SiteSession

__all__ = ["Install", "stands_text"]

_MORE = 60.0
"""Seconds for checks that wait for others to be judged."""

_RIGHT = Text("ok", zh="符合")
_NO_OBSTACLE = Text("no obstacle", zh="不妨碍安装")
_SO = Text("already done", zh="已完成")
_AS_IT_IS = Text("not changed", zh="未更改")
_WRONG = Text("failed", zh="不符合")
_UNKNOWN = Text("undetermined", zh="无法判断")
_WOULD = Text("would be done", zh="将执行")
_LATER = Text("checked after the steps before it", zh="前面的步骤完成后才能判断")
_LEFT_OUT = Text("cannot be checked from this host", zh="此处无法查看")


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
        outcomes = {Standing.RIGHT: _RIGHT, Standing.WRONG: _WRONG, Standing.UNKNOWN: _UNKNOWN}
        for step in judged:
            advised = step.standing is Standing.RIGHT and step.advice
            self.witness.ends(step, _NO_OBSTACLE if advised else outcomes[step.standing])
        standings = {step.standing for step in judged} - {Standing.RIGHT}
        if standings:
            self.witness.say(_refused(judged))
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
                    self.witness.ends(step, _so(step))
                continue
            previewed[step.node.check.code] = ahead
            if self.dry_run:
                # What is wrong about it is going to be put right: no reason to tell it as a fault.
                quiet = InstallStep(step.number, step.total, step.node)
                self.witness.ends(quiet, _WOULD if ahead.plan else _LATER)
        if previewed:
            self.witness.foretells(tuple(previewed.values()))
        elif not self.dry_run:
            for step in judged:
                self.witness.ends(step, _so(step))
        self._say_what_now(previewed)
        return previewed

    def _say_what_now(self, previewed: dict[str, Foreseen]) -> None:
        if self.dry_run:
            self.witness.say(Text("Nothing was changed: this was a dry run.", zh="未做任何更改：仅为演练。"))
        elif not previewed:
            self.witness.say(
                Text("Nothing to change: every step is done.", zh="未做任何更改：一切均已就绪。")
            )
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
                self.witness.say(_would_recover(entry))
                continue
            for action in entry.manifest.actions:
                if isinstance(action, OneWay):
                    self.witness.say(_waits_for(action))
        if self.dry_run:
            return
        for entry in recover(self.journal, self.actors, tell=self.witness.tell):
            self.witness.say(_recovered(entry))

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
                self.witness.say(_goes_on(step))
                result.missed.append(code)

    def _one(self, step: InstallStep, shown: Foreseen | None, result: Installed, stop: Deferred) -> None:
        """One step: looked at, put right if it is not, and looked at again."""
        judged, context = self._in_time(step, self.procedure.waits.get(step.node.check.code, 0.0), stop)
        if judged.standing is Standing.UNKNOWN:
            self._cannot_tell(judged)
        plan = self._plan(judged, context, strict=True)
        if plan is None:
            self.witness.ends(judged, _so(judged))
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
            self.witness.ends(after, _done(time.monotonic() - begun))
            return
        self._undo(after, entry, stop)

    def _refused(self, step: InstallStep, error: ChangeError) -> NoReturn:
        stands = error.__cause__
        if isinstance(error, RollbackError) and not isinstance(stands, IrreversibleError):
            raise error
        not_done = Text("not done", zh="未完成")
        if isinstance(stands, IrreversibleError):
            (now,), _ = self._judged([step])  # the program that failed has changed things, and they stay
            self.witness.ends(now, not_done)
            self.witness.say(_stopped(str(stands.__context__)))
            self.witness.say(stands_text(stands))
        else:
            self.witness.ends(step, not_done)
            self.witness.say(_not_done(error))
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
            self.witness.ends(step, Text("still failing after it was applied", zh="执行后仍不符合"))
        try:
            roll_back(entry, self.actors, tell=self.witness.tell)
        except IrreversibleError as stands:
            self.witness.say(stands_text(stands))
        else:
            self.witness.say(Text("This step was rolled back.", zh="已撤销该步骤。"))
        if stop.received is not None:
            raise InterruptedChangeError
        raise _Stop(ExitCode.CHANGE_FAILED)

    # ---------------------------------------------------------------------------------------------- ends

    def _cannot_tell(self, step: InstallStep) -> NoReturn:
        self.witness.ends(step, _UNKNOWN)
        self.witness.say(
            Text(
                "Stopped: nothing is done about what is unknown. Find out why, then run the same command again.",
                zh="已停止：无法判断的事项不做处理。请查明原因后重新执行同一命令。",
            )
        )
        raise _Stop(ExitCode.UNDETERMINED)

    def _no_way(self, step: InstallStep, answer: NoPlan) -> NoReturn:
        reason = answer.reason
        self.witness.ends(step, _WRONG)
        self.witness.say(
            Text(
                f"Stopped: {reason.en}. Put that right, then run the same command again.",
                zh=f"已停止：{reason.zh}。请先处理，再重新执行同一命令。",
            )
        )
        raise _Stop(ExitCode.FAILED)


def _is_right(step: InstallStep, before: InstallStep) -> bool:
    """Whether it is right, and what could be better before is better now."""
    subjects = {one.subject for one in before.advice}
    return step.standing is Standing.RIGHT and not any(one.subject in subjects for one in step.advice)


def _goes_on(step: InstallStep) -> Text:
    code = step.node.check.code
    return Text(
        f"{code} did not come out right; the rest does not need it, so the install goes on. `kedoctor explain {code}` says more.",
        zh=f"{code} 未能就绪；其余部分不依赖它，安装继续。详见 `kedoctor explain {code}`。",
    )


def _so(step: InstallStep) -> Text:
    if step.advice:
        return _AS_IT_IS
    return _SO if step.seen else _LEFT_OUT


def _done(seconds: float) -> Text:
    return Text(f"done in {seconds:.0f} s", zh=f"完成，用时 {seconds:.0f} 秒")


def _refused(steps: Sequence[InstallStep]) -> Text:
    codes = ", ".join(step.node.check.code for step in steps if step.standing is not Standing.RIGHT)
    return Text(
        f"Nothing was changed: {codes} must pass first. Then run the same command again.",
        zh=f"未做任何更改：须先处理 {codes}，然后重新执行同一命令。",
    )


def _not_done(error: ChangeError) -> Text:
    said = f"{error}; {error.hint}" if error.hint else str(error)
    return Text(
        f"Stopped: {said}. This step was rolled back; the same command goes on from here.",
        zh=f"已停止：{said}。该步骤已撤销；重新执行同一命令可从此处继续。",
    )


def _stopped(why: str) -> Text:
    return Text(f"Stopped: {why}.", zh=f"已停止：{why}。")


def _waits_for(action: OneWay) -> Text:
    return Text(
        f"An interrupted install had started {action.name}; if it still runs, its end is waited for (at most {action.longest:.0f} s).",
        zh=f"被中断的安装曾启动 {action.name}；若仍在运行，将等待其结束（最多 {action.longest:.0f} 秒）。",
    )


def _would_recover(entry: JournalEntry) -> Text:
    return Text(
        f"An interrupted step ({entry.id}) would be rolled back first; below is what is so now.",
        zh=f"会先撤销一个被中断的步骤（{entry.id}）；以下为当前状态。",
    )


def _recovered(entry: JournalEntry) -> Text:
    if entry.phase is Phase.DONE:
        return Text(
            f"An interrupted step ({entry.id}) was left as the program it had started left it.",
            zh=f"被中断的步骤（{entry.id}）保持其所启动程序留下的状态。",
        )
    return Text(
        f"An interrupted step ({entry.id}) was rolled back first.",
        zh=f"已先撤销一个被中断的步骤（{entry.id}）。",
    )


def stands_text(stands: IrreversibleError) -> Text:
    """What a foreign program has done, and how a person undoes it."""
    program = stands.program
    return Text(
        f"What {program.name} has done stays ({stands.journal_id}), because only that program can undo it: {program.undone_by.en}.",
        zh=f"{program.name} 所做的更改保留（{stands.journal_id}），只有该程序能撤销：{program.undone_by.zh}。",
    )


def _changes(plan: MergedPlan, prepared: Prepared, entry: JournalEntry) -> list[Change]:
    return [
        Change(
            journal_id=entry.id,
            code=one.code,
            actions=tuple(action.target for action in prepared.actions),
            diffs=tuple(ahead.diff for ahead in prepared.foresight if ahead.diff),
            result="fixed",
        )
        for one in plan.plans
    ]
