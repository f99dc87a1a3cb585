"""The report for a terminal or a pipe: causes first, then what works where, then the rest, folded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kedoctor.api import Presentation, Status
from kedoctor.api.report import Cause, Report, Verdict
from kedoctor.api.screen import Group, Line, Padding, RenderableType, Styled, Table, columns, paint
from kedoctor.reports import wording
from kedoctor.reports.edge_names import in_short
from kedoctor.reports.terminal_matrix import matrix

__all__ = ["render"]

_MARKS = {
    Status.PASS: ("✓", "green"),
    Status.WARN: ("!", "yellow"),
    Status.FAIL: ("✗", "bold red"),
    Status.UNKNOWN: ("?", "magenta"),
    Status.BLOCKED: ("·", "dim"),
    Status.SKIP: ("·", "dim"),
    Status.ACCEPTED: ("=", "cyan"),
    Status.CRASHED: ("#", "magenta"),
    Status.SETTLING: ("~", "cyan"),
}
_INDENT = (0, 0, 0, 9)
_LABELS = ("breaks", "where", "found", "expected", "read", "do", "fix", "leads-to", "more")
_REMINDED = 5
_NARROW = 64
"""Columns below which a value stands under its label and not beside it."""


def render(report: Report, presentation: Presentation) -> bytes:
    """The whole text."""
    page = _Page(report, presentation)
    painted = _painted(page.parts(), presentation)
    # What has scrolled away is what matters most.
    if presentation.height and painted.count(b"\n") >= presentation.height and not presentation.brief:
        painted += _painted(page.reminder(), presentation)
    return painted


def _painted(parts: Iterable[RenderableType], presentation: Presentation) -> bytes:
    return paint(Group(*parts), width=presentation.width, colour=presentation.colour)


class _Page:
    """The parts of the page, top to bottom."""

    def __init__(self, report: Report, presentation: Presentation) -> None:
        self.report = report
        self.language = presentation.language
        self.width, self.height = presentation.width, presentation.height
        self.verbose, self.brief = presentation.verbose, presentation.brief
        self.label_width = max(columns(wording.word(key, self.language)) for key in _LABELS)

    def parts(self) -> Iterator[RenderableType]:
        if self.brief:
            yield from self._headline()
            return
        yield from self._head()
        for cause in self.report.causes:
            yield from self._cause(cause)
        yield from matrix(self.report, self.language, self.width)
        yield from self._advice()
        yield from self._accepted()
        yield from self._settling()
        yield from self._unknown()
        if self.verbose:
            yield from self._everything()
        yield from self._foot()

    # ------------------------------------------------------------------------------------------- head

    def _head(self) -> Iterator[RenderableType]:
        run = self.report.run
        seen = ", ".join(wording.hosts_seen(self.report, self.language))
        versions = wording.versions_seen(self.report, self.language)
        yield Styled(" · ".join([f"kedoctor {self.report.tool.version}", seen, *versions]), style="dim")
        if run.demo:
            yield Styled(wording.word("demo", self.language), style="dim")
        if not run.complete:
            yield Styled(wording.word("incomplete", self.language), style="bold yellow")
        yield Styled("")
        yield from self._headline()
        yield Styled("")

    def _headline(self) -> Iterator[RenderableType]:
        yield Styled(wording.headline(self.report, self.language), style="bold")
        step = wording.next_step(self.report, self.language)
        if step:
            yield Styled(f"{wording.word('next', self.language)}{self._colon}{step}")

    def reminder(self) -> Iterator[RenderableType]:
        """The headline and the causes once more, a line each, for the end of a long report."""
        if not self.report.causes:
            return
        yield Styled("")
        yield from self._headline()
        for cause in self.report.causes[:_REMINDED]:
            yield self._line(cause.status, cause.code, wording.summary_of(cause, self.language))
        more = len(self.report.causes) - _REMINDED
        if more > 0:
            yield Styled(wording.word("and-more", self.language).format(n=more), style="dim")

    # ----------------------------------------------------------------------------------------- causes

    def _cause(self, cause: Cause) -> Iterator[RenderableType]:
        yield self._line(cause.status, cause.code, wording.summary_of(cause, self.language), strong=True)
        verdict = wording.verdict_of(self.report, cause)
        table = self._details()
        self._row(table, "breaks", wording.capability_list(cause.capabilities, self.language))
        self._row(table, "where", self._where(cause))
        if verdict is not None:
            self._row(table, "found", wording.actual_of(verdict, self.language))
            self._row(table, "expected", wording.expected_of(verdict, self.language))
            self._row(table, "read", "\n".join(wording.quoted(one) for one in verdict.evidence[:3]))
            self._row(table, "do", wording.hint_of(verdict, self.language))
        yield Padding(table, self._indent)
        yield from self._typed(cause)
        table = self._details()
        if verdict is not None:
            self._row(table, "fix", wording.fix_of(verdict, self.language))
        self._row(table, "leads-to", wording.consequences_of(self.report, cause, self.language))
        self._row(table, "more", f"kedoctor explain {cause.code}", style="dim")
        yield Padding(table, self._indent)
        yield Styled("")

    def _typed(self, cause: Cause) -> Iterator[RenderableType]:
        # Never broken into lines: the terminal folds them, and what is copied from it is one command.
        begins = " " * (4 if self.width < _NARROW else _INDENT[3] + self.label_width + 2)
        for place, commands in wording.commands_by_place(self.report, cause, self.language):
            yield Padding(Styled(f"{place}{self._colon.rstrip()}"), (0, 0, 0, len(begins)))
            for one in commands:
                yield Line(f"{begins}$ {one}", style="cyan")

    @property
    def _indent(self) -> tuple[int, int, int, int]:
        return (0, 0, 0, 2) if self.width < _NARROW else _INDENT

    @property
    def _colon(self) -> str:
        return "：" if self.language == "zh" else ": "

    def _where(self, cause: Cause) -> str:
        hop = wording.hop_title(self.report, cause.hop, self.language)
        shown = in_short(cause.nodes or cause.subjects, self.language)
        return f"{shown} · {hop}" if hop else shown

    # ------------------------------------------------------------------------------------------- rest

    def _advice(self) -> Iterator[RenderableType]:
        advice = [one for one in self.report.verdicts if one.status is Status.WARN and not one.hop]
        yield from self._list("warnings", advice, hints=True)

    def _accepted(self) -> Iterator[RenderableType]:
        accepted = [one for one in self.report.verdicts if one.status is Status.ACCEPTED]
        named = [one for one in accepted if one.accepted and not one.accepted.by]
        following = sorted({one.code for one in accepted} - {one.code for one in named})
        if accepted:
            yield Styled(wording.word("accepted", self.language), style="bold")
        for one in named:
            yield self._line(one.status, one.code, wording.summary_of(one, self.language))
            yield Padding(Styled(wording.acceptance(one, self.language), style="dim"), _INDENT)
        if following:
            yield Padding(
                Styled(f"{wording.word('leads-to', self.language)} {' '.join(following)}", style="dim"),
                _INDENT,
            )
        stale = wording.stale_entries(self.report, self.language, every=self.verbose)
        if stale and self.report.baseline:
            heading = wording.word("baseline", self.language).format(file=self.report.baseline.file)
            yield Styled(heading, style="bold")
            yield from (Styled(f"! {sentence}", style="yellow") for sentence in stale)
        if accepted or stale:
            yield Styled("")

    def _settling(self) -> Iterator[RenderableType]:
        groups = wording.settling_groups(self.report, self.language)
        if groups:
            yield Styled(wording.word("settling", self.language), style="bold")
        for sentence, verdicts in groups.items():
            yield self._line(Status.SETTLING, "", sentence)
            codes = sorted({one.code for one in verdicts})
            yield Padding(Styled(" ".join(codes), style="dim"), _INDENT)
        if groups:
            yield Styled("")

    def _unknown(self) -> Iterator[RenderableType]:
        if not self.verbose:
            yield from self._unknown_in_short()
            return
        hidden = [one for one in self.report.verdicts if one.status in (Status.UNKNOWN, Status.CRASHED)]
        same: dict[str, list[Verdict]] = {}
        for one in hidden:
            same.setdefault(one.actual, []).append(one)
        # One reason that hides many things is said once.
        shared = {why: group for why, group in same.items() if why and len(group) > 2}
        single = [one for one in hidden if one.actual not in shared]
        if hidden:
            yield Styled(wording.word("unknowns", self.language), style="bold")
        for group in shared.values():
            codes = sorted({one.code for one in group})
            yield self._line(
                Status.UNKNOWN,
                f"{len(codes)}",
                wording.reasoned(
                    _first_words(group[0], self.language), wording.because(group[0], self.language)
                ),
            )
            yield Padding(Styled(" ".join(codes), style="dim"), _INDENT)
        yield from self._lines(single)
        if hidden:
            yield Styled("")

    def _unknown_in_short(self) -> Iterator[RenderableType]:
        crashed = [one for one in self.report.verdicts if one.status is Status.CRASHED]
        checks = wording.unknown_checks(self.report, self.language)
        if checks:
            told = wording.word("not-checked", self.language).format(checks=checks)
            yield Styled(f"? {told}", style="magenta")
        yield from self._lines(crashed)
        if checks or crashed:
            yield Styled("")

    def _everything(self) -> Iterator[RenderableType]:
        yield from self._list("all", list(self.report.verdicts))

    def _list(
        self, heading: str, verdicts: list[Verdict], *, hints: bool = False
    ) -> Iterator[RenderableType]:
        if not verdicts:
            return
        yield Styled(wording.word(heading, self.language), style="bold")
        yield from self._lines(verdicts)
        if hints:
            yield Padding(Styled("kedoctor explain CODE", style="dim"), _INDENT)
        yield Styled("")

    def _lines(self, verdicts: list[Verdict]) -> Iterator[RenderableType]:
        said: dict[tuple[Status, str, str], list[str]] = {}
        for one in verdicts:
            why = wording.because(one, self.language)
            said.setdefault((one.status, wording.summary_of(one, self.language), why), []).append(one.code)
        for (status, summary, why), codes in said.items():
            yield self._line(status, codes[0], wording.reasoned(summary, why))
            others = sorted(set(codes[1:]) - {codes[0]})
            if others:
                yield Padding(Styled(" ".join(["=", *others]), style="dim"), _INDENT)

    def _foot(self) -> Iterator[RenderableType]:
        seconds = self.report.run.duration_ms / 1000
        yield Styled(f"{wording.counts(self.report, self.language)} · {seconds:.1f} s", style="dim")

    # ------------------------------------------------------------------------------------------ lines

    def _line(self, status: Status, code: str, sentence: str, *, strong: bool = False) -> RenderableType:
        mark, style = _MARKS[status]
        table = Table.grid(padding=(0, 1, 0, 0))
        table.add_column(width=1)
        table.add_column(width=6, no_wrap=True)
        table.add_column()
        table.add_row(
            Styled(mark, style=style),
            Styled(code, style=style),
            Styled(sentence, style="bold" if strong else ""),
        )
        return table

    def _details(self) -> Table:
        table = Table.grid(padding=(0, 2, 0, 0))
        if self.width < _NARROW:
            table.add_column()
            return table
        table.add_column(style="dim", no_wrap=True, min_width=self.label_width)
        table.add_column()
        return table

    def _row(self, table: Table, key: str, value: str, *, style: str = "") -> None:
        label = wording.word(key, self.language)
        if value and self.width < _NARROW:
            table.add_row(Styled(label, style="dim"))
            table.add_row(Padding(Styled(value, style=style), (0, 0, 0, 2)))
        elif value:
            table.add_row(label, Styled(value, style=style))


def _first_words(verdict: Verdict, language: str) -> str:
    """The reason of an unknown verdict without what it was about: the end of its sentence."""
    summary = wording.summary_of(verdict, language)
    return summary.rpartition("：" if language == "zh" else ": ")[2].rstrip("。.")
