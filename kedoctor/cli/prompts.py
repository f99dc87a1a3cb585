"""The person at the terminal: shows plans, asks, and tells what is being done."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress

import click

from kedoctor.base.text import Text
from kedoctor.changes.executor import Prepared
from kedoctor.cli import telling
from kedoctor.model.actions.action import Action, Restart
from kedoctor.model.declarations import Risk
from kedoctor.model.plans import MergedPlan

__all__ = ["TerminalPrompter", "described", "diff_lines", "plan_lines", "risk_words"]

_RISKS = {
    Risk.SAFE: Text("disturbs nothing", zh="不影响运行"),
    Risk.RESTARTS_EDGECORE: Text(
        "restarts edgecore; this edge node reconnects, its containers keep running",
        zh="重启 edgecore；该边缘节点会重连，容器继续运行",
    ),
    Risk.RESTARTS_CLOUDCORE: Text(
        "restarts cloudcore; every edge reconnects", zh="重启 cloudcore；所有边缘节点都会重连"
    ),
    Risk.RESTARTS_APISERVER: Text(
        "restarts the API server; the whole cluster is unreachable for a while",
        zh="重启 API 服务器；整个集群会短暂不可用",
    ),
}
_ONLY_RESTARTS = Text(
    "restarts the pods of what it changes; edges and their pods notice nothing",
    zh="会重启所修改对象的 Pod；边缘节点及其 Pod 不受影响",
)
_SAYS = {
    "will": Text("Plan", zh="将执行的操作"),
    "risk": Text("risk: {effect}", zh="风险：{effect}"),
    "go": Text("Do this now?", zh="现在执行？"),
    "left": Text("Not repaired: {code} ({subject}): {reason}.", zh="不处理 {code}（{subject}）：{reason}。"),
    "unpredictable": Text("cannot predict what it will leave", zh="无法预测结果"),
    "no-terminal": Text(
        "Nothing was changed: there is no terminal to ask at, and --yes was not given.",
        zh="未做任何更改：没有可供确认的终端，且未指定 --yes。",
    ),
    "waits": Text("waiting for {codes} ({seconds:.0f} s left)", zh="等待 {codes}（剩余 {seconds:.0f} 秒）"),
}


def plan_lines(plan: MergedPlan, prepared: Prepared, language: str) -> list[str]:
    """What a plan would do, a line each: titles, predictions, actions with their diffs, and the risk."""
    lines = [f"{_say('will', language)}:"]
    for one in plan.plans:
        lines.append(f"  {one.code} {one.subject}: {one.title.in_language(language)}")
        lines.append(f"    {one.prediction.in_language(language)}")
    for action, foresight in zip(prepared.actions, prepared.foresight, strict=True):
        if isinstance(action, Restart) and action.backward:
            continue
        lines.append(f"  - {described(action, language)}")
        lines.extend(f"      {note.in_language(language)}" for note in action.notes)
        lines.extend(f"      {line}" for line in foresight.diff.splitlines())
        if not foresight.fingerprint and not isinstance(action, Restart):
            lines.append(f"      {_say('unpredictable', language)}")
    lines.append(f"  {_say('risk', language, effect=_disturbs(plan, prepared).in_language(language))}")
    return lines


def _disturbs(plan: MergedPlan, prepared: Prepared) -> Text:
    """What the risk of a plan means here: a safe one may still restart pods, by itself or by what it changes."""
    restarts = any(isinstance(one, Restart) and not one.backward for one in prepared.actions)
    if plan.risk is Risk.SAFE and (restarts or any(map(_rolls_pods_out, prepared.actions))):
        return _ONLY_RESTARTS
    return _RISKS[plan.risk]


def risk_words(risk: Risk) -> Text:
    """What a repair of this risk disturbs."""
    return _RISKS[risk]


def _rolls_pods_out(action: Action) -> bool:
    return any(f"/{kind}/" in action.target for kind in ("deployments", "daemonsets", "statefulsets"))


def diff_lines(diff: str) -> list[tuple[str, str | None]]:
    """The lines of a diff that may be printed, each with its colour: added green, removed red."""
    colours = {"+": "green", "-": "red"}
    return [(_printable(line), colours.get(line.strip()[:1])) for line in diff.splitlines()]


def described(action: Action, language: str) -> str:
    """What an action does, in a few words."""
    return action.described.in_language(language)


def _say(key: str, language: str, **values: object) -> str:
    text = _SAYS[key].in_language(language)
    return text.format(**values) if values else text


class TerminalPrompter:
    """Shows on standard error, so that standard output stays the report's; asks with No as the default.

    With ``aloud`` it shows on standard output, for who tells the whole story there.
    """

    def __init__(self, language: str, *, yes: bool, aloud: bool = False) -> None:
        self._language = language
        self._yes = yes
        self._err = not aloud
        self.could_not_ask = False
        self._open_line = False

    def show(self, plan: MergedPlan, prepared: Prepared) -> None:
        """Shows a plan with its diffs, added lines green and removed lines red."""
        # Each text as a whole: a key that lies over several lines is known by all of them. Diffs were made of safe texts.
        told = [telling.safe(text) for text in plan_lines(plan, prepared, self._language)]
        for line in "\n".join(told).split("\n"):
            stripped = line.strip()
            colour = {"+": "green", "-": "red"}.get(stripped[:1]) if line.startswith("      ") else None
            self._echo(_printable(line), colour=colour)

    def refuse(self, code: str, subject: str, reason: Text) -> None:
        """Says why nothing is done about a verdict."""
        said = telling.safe(reason.in_language(self._language))
        words = {"code": code, "subject": telling.safe(subject), "reason": said}
        self._echo(_say("left", self._language, **words))

    def agree(self, plan: MergedPlan) -> bool:
        """Asks, unless ``--yes`` was given; without a terminal the answer is no."""
        del plan
        return self._ask(_say("go", self._language))

    def tell(self, action: Action) -> None:
        """Says what is being done."""
        self._end_line()
        self._echo(f"  … {described(action, self._language)}")

    def say(self, sentence: Text) -> None:
        """Says how something ended."""
        self._end_line()
        self._echo(sentence.in_language(self._language))

    def wait(self, codes: Sequence[str], seconds_left: float) -> None:
        """Shows what is being waited for, on one line that is overwritten."""
        if (sys.stderr if self._err else sys.stdout).isatty():
            words = _say("waits", self._language, codes=" ".join(codes), seconds=seconds_left)
            self._echo(f"\r\x1b[K  … {words} ", newline=False)
            self._open_line = True

    def _ask(self, question: str) -> bool:
        if self._yes:
            return True
        if not (sys.stdin.isatty() and (sys.stderr if self._err else sys.stdout).isatty()):
            self.could_not_ask = True
            self._echo(_say("no-terminal", self._language))
            return False
        return click.confirm(question, default=False, err=self._err)

    def _end_line(self) -> None:
        if self._open_line:
            self._echo("")
            self._open_line = False

    def _echo(self, text: str, *, colour: str | None = None, newline: bool = True) -> None:
        # That nobody listens any more (a closed pipe, a full disk) must not disturb what is being changed.
        with suppress(OSError):
            telling.say(text, fg=colour, nl=newline, err=self._err)


def _printable(line: str) -> str:
    """A line of somebody's file without what would move the cursor of a terminal."""
    return "".join(one if one.isprintable() or one == "\t" else "\N{REPLACEMENT CHARACTER}" for one in line)
