"""Markdown, for a step summary of GitHub Actions, a merge request or a ticket.

It stays below what such places take (a step summary: 1 MiB), however large the site is: rows, causes, lists and
quotes are cut, and what was left out is counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kedoctor.api import Presentation, Status
from kedoctor.api.report import Capability, Cause, Report, Verdict, site_state
from kedoctor.reports import wording
from kedoctor.reports.markup import code, escaped, fenced, ticked

__all__ = ["render"]

_MARKS = {
    Status.PASS: "✅",
    Status.WARN: "⚠️",
    Status.FAIL: "❌",
    Status.UNKNOWN: "❓",
    Status.BLOCKED: "▫️",
    Status.SKIP: "▫️",
    Status.ACCEPTED: "🟦",
    Status.CRASHED: "❓",
    Status.SETTLING: "⏳",
}
_STATE_MARKS = {
    "works": "✅",
    "clear": "☑️",
    "broken": "❌",
    "accepted": "🟦",
    "settling": "⏳",
    "unknown": "❓",
}
_ROWS, _CAUSES, _LISTED = 100, 50, 100
_QUOTED, _LONG = 10, 600  # lines of an excerpt, characters of a line


def render(report: Report, presentation: Presentation) -> bytes:
    """The document, UTF-8 encoded; everything that came from the site is escaped or quoted as code."""
    page = _Page(report, presentation)
    return ("\n\n".join(page.blocks()) + "\n").encode()


class _Page:
    """The blocks of the document, top to bottom."""

    def __init__(self, report: Report, presentation: Presentation) -> None:
        self.report = report
        self.language = presentation.language
        self.verbose = presentation.verbose

    def blocks(self) -> Iterator[str]:
        mark = _MARKS[Status(site_state(self.report))]
        yield f"## {mark} {escaped(wording.headline(self.report, self.language))}"
        step = wording.next_step(self.report, self.language)
        if step:
            yield f"**{self._word('next')}**: {escaped(step)}"
        yield self._seen()
        if self.report.run.demo:
            yield f"> {self._word('demo')}"
        if not self.report.run.complete:
            yield f"> ⚠️ **{self._word('incomplete')}**"
        yield from self._matrix()
        for cause in self.report.causes[:_CAUSES]:
            yield from self._cause(cause)
        yield from self._more(len(self.report.causes), _CAUSES)
        yield from self._changes()
        yield from self._lists()
        seconds = self.report.run.duration_ms / 1000
        yield f"<sub>{escaped(wording.counts(self.report, self.language))} · {seconds:.1f} s · {escaped(self.report.run.id)}</sub>"

    # ------------------------------------------------------------------------------------------- head

    def _seen(self) -> str:
        when = f"{self.report.run.started:%Y-%m-%d %H:%M:%S} UTC"
        hosts = wording.hosts_seen(self.report, self.language)[:_ROWS]
        versions = wording.versions_seen(self.report, self.language)[:_ROWS]
        return escaped(" · ".join([f"kedoctor {self.report.tool.version}", when, *hosts, *versions]))

    # ----------------------------------------------------------------------------------------- matrix

    def _matrix(self) -> Iterator[str]:
        rows = self.report.matrix
        if not rows:
            return
        names = [self._word("edge"), *(escaped(cell.name) for cell in rows[0].capabilities)]
        lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
        # The broken ones first: on a large site nobody scrolls through what is well.
        ordered = sorted(rows, key=lambda row: -sum(cell.state == "broken" for cell in row.capabilities))
        for row in ordered[:_ROWS]:
            cells = [escaped(row.edge), *(self._cell(cell) for cell in row.capabilities)]
            lines.append(f"| {' | '.join(cells)} |")
        yield "\n".join(lines)
        yield from self._more(len(ordered), _ROWS)

    def _cell(self, cell: Capability) -> str:
        text = wording.CAPABILITY_STATES[cell.state].in_language(self.language)
        if cell.state == "broken":
            hop = wording.hop_title(self.report, cell.hop, self.language)
            text = f"{hop} ({cell.cause})" if hop else cell.cause or text
        elif cell.state == "accepted":
            text = f"{text} ({cell.cause})"
        return f"{_STATE_MARKS[cell.state]} {escaped(text)}"

    # ----------------------------------------------------------------------------------------- causes

    def _cause(self, cause: Cause) -> Iterator[str]:
        summary = escaped(wording.summary_of(cause, self.language))
        yield f"### {_MARKS[cause.status]} {escaped(cause.code)} · {summary}"
        verdict = wording.verdict_of(self.report, cause)
        rows = [("breaks", escaped(wording.capability_list(cause.capabilities, self.language)))]
        rows.append(("where", self._where(cause)))
        if verdict is not None:
            rows.append(("found", escaped(_cut(wording.actual_of(verdict, self.language)))))
            rows.append(("expected", escaped(wording.expected_of(verdict, self.language))))
            rows.append(("do", ticked(wording.hint_of(verdict, self.language))))
        yield "\n".join(f"- **{self._word(key)}**: {text}" for key, text in rows if text)
        if cause.commands:
            yield fenced("\n".join(self._typed(cause)), "sh")
        yield from self._afterwards(cause, verdict)

    def _typed(self, cause: Cause) -> Iterator[str]:
        """The commands, each run of them under a comment that says where it is typed."""
        for place, commands in wording.commands_by_place(self.report, cause, self.language):
            yield f"# {place}"
            yield from commands

    def _afterwards(self, cause: Cause, verdict: Verdict | None) -> Iterator[str]:
        lines = []
        if verdict is not None and verdict.fix.available:
            lines.append(f"- **{self._word('fix')}**: {escaped(wording.fix_of(verdict, self.language))}")
        if cause.consequences:
            lines.append(
                f"- **{self._word('leads-to')}**: {escaped(wording.consequences_of(self.report, cause, self.language))}"
            )
        lines.append(f"- **{self._word('more')}**: {code(f'kedoctor explain {cause.code}')}")
        yield "\n".join(lines)
        if verdict is not None and verdict.evidence:
            quotes = "\n".join(wording.quoted(one) for one in verdict.evidence[:5])
            yield self._folded(self._word("read"), [fenced(_shortened(quotes))])

    def _where(self, cause: Cause) -> str:
        hop = wording.hop_title(self.report, cause.hop, self.language)
        names = cause.nodes or cause.subjects
        shown = ", ".join(names[:20])
        if len(names) > 20:
            shown += " " + self._word("and-more").format(n=len(names) - 20)
        return escaped(f"{shown} · {hop}" if hop else shown)

    # ------------------------------------------------------------------------------------------- rest

    def _changes(self) -> Iterator[str]:
        changes = self.report.changes
        if not changes:
            return
        yield f"### {self._word('changes')}"
        for one in changes[:_CAUSES]:
            back = wording.rollback_of(one)
            ended = escaped(wording.result_of(one, self.language)) + (f" ({code(back)})" if back else "")
            yield f"- **{escaped(one.code)}** {ended}"
            told = "\n".join(part for part in (*wording.steps_of(one, self.language), *one.diffs) if part)
            yield fenced(_shortened(told), "diff")
        yield from self._more(len(changes), _CAUSES)

    def _lists(self) -> Iterator[str]:
        verdicts = self.report.verdicts
        yield from self._list(
            "warnings", [one for one in verdicts if one.status is Status.WARN and not one.hop]
        )
        yield from self._list("accepted", [one for one in verdicts if one.status is Status.ACCEPTED])
        yield from self._stale()
        settling = wording.settling_groups(self.report, self.language)
        if settling:
            yield "\n".join(
                f"- {_MARKS[Status.SETTLING]} {escaped(sentence)} ({' '.join(sorted({one.code for one in mine}))})"
                for sentence, mine in list(settling.items())[:_LISTED]
            )
        hidden = (Status.UNKNOWN, Status.CRASHED)
        yield from self._list("unknowns", [one for one in verdicts if one.status in hidden])
        if self.verbose:
            yield from self._list("all", verdicts)

    def _list(self, heading: str, verdicts: Sequence[Verdict]) -> Iterator[str]:
        if not verdicts:
            return
        lines = [self._line(one) for one in verdicts[:_LISTED]]
        body = ["\n".join(lines), *self._more(len(verdicts), _LISTED)]
        yield self._folded(f"{self._word(heading)} ({len(verdicts)})", body)

    def _stale(self) -> Iterator[str]:
        """Entries of the baseline that somebody has to look at."""
        entries = wording.stale_entries(self.report, self.language, every=self.verbose)
        if entries and self.report.baseline:
            heading = self._word("baseline").format(file=self.report.baseline.file)
            yield f"**{escaped(heading)}**"
            yield "\n".join(f"- ⚠️ {escaped(one)}" for one in entries[:_LISTED])
            yield from self._more(len(entries), _LISTED)

    def _line(self, verdict: Verdict) -> str:
        summary = escaped(_cut(wording.summary_of(verdict, self.language)))
        why = wording.because(verdict, self.language) or wording.acceptance(verdict, self.language)
        also = f" ({escaped(_cut(why))})" if why else ""
        return f"- {_MARKS[verdict.status]} **{escaped(verdict.code)}** {summary}{also}"

    def _folded(self, summary: str, blocks: Sequence[str]) -> str:
        inside = "\n\n".join(blocks)
        return f"<details><summary>{summary}</summary>\n\n{inside}\n\n</details>"

    def _more(self, number: int, shown: int) -> Iterator[str]:
        if number > shown:
            yield self._word("and-more").format(n=number - shown)

    def _word(self, key: str) -> str:
        return wording.word(key, self.language)


def _cut(text: str) -> str:
    return text if len(text) <= _LONG else text[:_LONG] + "…"


def _shortened(text: str) -> str:
    lines = text.splitlines()
    kept = [_cut(line) for line in lines[:_QUOTED]]
    return "\n".join([*kept, "…"] if len(lines) > _QUOTED else kept)
