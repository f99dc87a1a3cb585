"""What ``kedoctor watch`` says: one line for each thing that changed, with the time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime

from kedoctor.base.plain import plain
from kedoctor.base.text import Text
from kedoctor.cli import telling
from kedoctor.model.report import Report
from kedoctor.watch.changes import Change, ChangeKind

__all__ = ["Lines"]

_NAMES = 3
_LONGEST = 400

_KINDS = {
    ChangeKind.BROKEN: Text("broken", zh="故障"),
    ChangeKind.AT_RISK: Text("warning", zh="警告"),
    ChangeKind.SETTLING: Text("settling", zh="恢复中"),
    ChangeKind.UNKNOWN: Text("unknown", zh="未知"),
    ChangeKind.ACCEPTED: Text("accepted", zh="已豁免"),
    ChangeKind.WORKS: Text("works", zh="恢复"),
}
_WATCHING = Text("Nothing is wrong; printing what changes.", zh="未发现问题；之后只输出变化。")
_BEGINS = Text("That is how it is now; printing what changes.", zh="以上为当前状态；之后只输出变化。")
_UNSEEN = Text(
    "{codes}: could not be judged; kedoctor run says why", zh="{codes}：无法判断；原因见 kedoctor run"
)
_FAILED = Text("The check gave no report: {why}", zh="检查没有给出报告：{why}")
_UNFINISHED = Text(
    "The check did not get through in time (--timeout); its result is not compared.",
    zh="检查未在时限内完成（--timeout）；其结果不参与比较。",
)
_RECOVERED = Text("Checks give whole reports again.", zh="检查已恢复，可给出完整报告。")
_UNWRITTEN = Text("The metrics could not be written: {why}", zh="无法写入指标：{why}")
_BREAKS = Text("breaks {what}", zh="影响 {what}")
_STEP = Text("step: {hop}", zh="环节：{hop}")
_UNTIL = Text("until {time}", zh="直至 {time}")
_MORE = Text("and {n} more", zh="等 {n} 个")


class Lines:
    """Prints to standard output, each line at once."""

    def __init__(self, language: str) -> None:
        self._language = language

    def begins(self, report: Report, found: Sequence[Change]) -> None:
        """All that is not right, what could not be judged in one line, and that the rest will be changes."""
        known = [one for one in found if one.kind is not ChangeKind.UNKNOWN]
        self.changed(report, known)
        unseen = list(dict.fromkeys(one.code for one in found if one.kind is ChangeKind.UNKNOWN))
        if unseen:
            words = _UNSEEN.in_language(self._language).format(codes=", ".join(unseen))
            self._say(_KINDS[ChangeKind.UNKNOWN].in_language(self._language), words)
        self._say("", (_BEGINS if found else _WATCHING).in_language(self._language))

    def changed(self, report: Report, found: Sequence[Change]) -> None:
        """One line for each change."""
        del report
        for one in found:
            kind = _KINDS[one.kind].in_language(self._language)
            self._say(kind, self._words(one))

    def unfinished(self) -> None:
        """A run was not complete."""
        self._say("", _UNFINISHED.in_language(self._language))

    def failed(self, why: str) -> None:
        """A run gave no report."""
        self._say("", _FAILED.in_language(self._language).format(why=why))

    def recovered(self) -> None:
        """Runs are whole again."""
        self._say("", _RECOVERED.in_language(self._language))

    def unpublished(self, why: str) -> None:
        """The file of the metrics could not be written."""
        self._say("", _UNWRITTEN.in_language(self._language).format(why=why))

    def _words(self, one: Change) -> str:
        summary = " ".join(one.summary.in_language(self._language).split())
        notes = []
        if one.capabilities:
            notes.append(_BREAKS.in_language(self._language).format(what=", ".join(one.capabilities)))
        if hop := one.hop.in_language(self._language):
            notes.append(_STEP.in_language(self._language).format(hop=hop))
        if one.until is not None:
            notes.append(_UNTIL.in_language(self._language).format(time=_clock(one.until)))
        behind = f" ({'; '.join(notes)})" if notes else ""
        return f"{one.code} {self._named(one.names)}: {summary[:_LONGEST]}{behind}"

    def _named(self, names: Sequence[str]) -> str:
        shown = ", ".join(names[:_NAMES])
        more = len(names) - _NAMES
        if more <= 0:
            return shown
        number = len(names) if self._language == "zh" else more
        return f"{shown} {_MORE.in_language(self._language).format(n=number)}"

    def _say(self, kind: str, words: str) -> None:
        lead = f"{kind:<9}" if self._language != "zh" else f"{kind}{'　' * (3 - len(kind))} "
        flat = " ".join(words.split())
        telling.say(plain(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {lead}{flat}"))


def _clock(when: datetime) -> str:
    return f"{when.astimezone():%H:%M:%S}"
