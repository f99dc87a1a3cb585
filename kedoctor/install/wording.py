"""What an install says: how a step ends, and why the install does."""

from __future__ import annotations

from collections.abc import Sequence

from kedoctor.base.errors import ChangeError
from kedoctor.base.text import Text
from kedoctor.changes.executor import IrreversibleError
from kedoctor.changes.journal import JournalEntry, Phase
from kedoctor.install.steps import InstallStep, Standing
from kedoctor.model.actions.action import OneWay

__all__ = [
    "DONE_ALREADY",
    "LATER",
    "LEFT_OUT",
    "NOTHING_IN_DRY_RUN",
    "NOTHING_TO_CHANGE",
    "NOT_CHANGED",
    "NOT_DONE",
    "NO_OBSTACLE",
    "RIGHT",
    "ROLLED_BACK",
    "STILL_FAILING",
    "UNKNOWN",
    "UNKNOWN_ENDS",
    "WOULD",
    "WRONG",
    "done_in",
    "goes_on",
    "no_way",
    "not_done",
    "recovered",
    "refused",
    "stands_text",
    "state_of",
    "stopped",
    "waits_for",
    "would_recover",
]

RIGHT = Text("ok", zh="符合")
NO_OBSTACLE = Text("no obstacle", zh="不妨碍安装")
DONE_ALREADY = Text("already done", zh="已完成")
NOT_CHANGED = Text("not changed", zh="未更改")
WRONG = Text("failed", zh="不符合")
UNKNOWN = Text("undetermined", zh="无法判断")
WOULD = Text("would be done", zh="将执行")
LATER = Text("checked after the steps before it", zh="前面的步骤完成后才能判断")
LEFT_OUT = Text("cannot be checked from this host", zh="此处无法查看")
UNKNOWN_ENDS = Text(
    "Stopped: nothing is done about what is unknown. Find out why, then run the same command again.",
    zh="已停止：无法判断的事项不做处理。请查明原因后重新执行同一命令。",
)
NOTHING_IN_DRY_RUN = Text("Nothing was changed: this was a dry run.", zh="未做任何更改：仅为演练。")
NOTHING_TO_CHANGE = Text("Nothing to change: every step is done.", zh="未做任何更改：一切均已就绪。")
NOT_DONE = Text("not done", zh="未完成")
STILL_FAILING = Text("still failing after it was applied", zh="执行后仍不符合")
ROLLED_BACK = Text("This step was rolled back.", zh="已撤销该步骤。")


def no_way(reason: Text) -> Text:
    """Why there is no plan for what is wrong."""
    return Text(
        f"Stopped: {reason.en}. Put that right, then run the same command again.",
        zh=f"已停止：{reason.zh}。请先处理，再重新执行同一命令。",
    )


def goes_on(step: InstallStep) -> Text:
    """A step that may fail has failed."""
    code = step.node.check.code
    return Text(
        f"{code} did not come out right; the rest does not need it, so the install goes on. `kedoctor explain {code}` says more.",
        zh=f"{code} 未能就绪；其余部分不依赖它，安装继续。详见 `kedoctor explain {code}`。",
    )


def state_of(step: InstallStep) -> Text:
    """What a step is like that is left alone."""
    if step.advice:
        return NOT_CHANGED
    return DONE_ALREADY if step.seen else LEFT_OUT


def done_in(seconds: float) -> Text:
    """How long it took."""
    return Text(f"done in {seconds:.0f} s", zh=f"完成，用时 {seconds:.0f} 秒")


def refused(steps: Sequence[InstallStep]) -> Text:
    """What keeps the install from beginning."""
    codes = ", ".join(step.node.check.code for step in steps if step.standing is not Standing.RIGHT)
    return Text(
        f"Nothing was changed: {codes} must pass first. Then run the same command again.",
        zh=f"未做任何更改：须先处理 {codes}，然后重新执行同一命令。",
    )


def not_done(error: ChangeError) -> Text:
    """Why a step was rolled back."""
    said = f"{error}; {error.hint}" if error.hint else str(error)
    return Text(
        f"Stopped: {said}. This step was rolled back; the same command goes on from here.",
        zh=f"已停止：{said}。该步骤已撤销；重新执行同一命令可从此处继续。",
    )


def stopped(why: str) -> Text:
    """Why the install ends."""
    return Text(f"Stopped: {why}.", zh=f"已停止：{why}。")


def waits_for(action: OneWay) -> Text:
    """A foreign program of an earlier install may still run."""
    return Text(
        f"An interrupted install had started {action.name}; if it still runs, its end is waited for (at most {action.longest:.0f} s).",
        zh=f"被中断的安装曾启动 {action.name}；若仍在运行，将等待其结束（最多 {action.longest:.0f} 秒）。",
    )


def would_recover(entry: JournalEntry) -> Text:
    """What a dry run says of an interrupted step."""
    return Text(
        f"An interrupted step ({entry.id}) would be rolled back first; below is what is so now.",
        zh=f"会先撤销一个被中断的步骤（{entry.id}）；以下为当前状态。",
    )


def recovered(entry: JournalEntry) -> Text:
    """What became of an interrupted step."""
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
