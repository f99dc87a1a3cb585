"""Explains a pasted text or a log: lines in, an :class:`~kedoctor.api.Explanation` out, without any I/O.

A log is reduced to its kinds of lines (``log_digest.py``), each kind is looked up (``log_knowledge.py``) and taken
apart (``error_text.py``), and what all of them point at is weighed (``suspicion.py``, ``correlation.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from kedoctor import patterns
from kedoctor.api import Explanation
from kedoctor.checks.explain.cross_line import EMPTY, Hint, correlated
from kedoctor.checks.explain.parse import take_apart
from kedoctor.checks.explain.ranking import Match, pointers_of, points, ranked, settled
from kedoctor.checks.explain.render import explanation
from kedoctor.checks.parsers.logs.klog import LogLine, parse_lines
from kedoctor.checks.parsers.logs.log_digest import HEAD, Digest, Sample
from kedoctor.checks.parsers.logs.message_table import Knowledge, Message, knowledge

__all__ = ["explain"]

PASTE = HEAD
"""Up to so many lines a text is a paste: people's own words count, and its lines are read together."""

_REFERENCE = datetime(2000, 12, 31, 23, 59, 59, tzinfo=UTC)  # klog has no year; only differences are used
_SEVERE = patterns.compiled(r"[EF]\d{4} \d\d:\d\d:\d\d\.")
_CLAUSES = patterns.compiled(
    r"(?<=[\"”'])(?:[;,]\s+|\s+and\s+)(?=[\"“A-Za-z])|;\s+|(?<=[a-z)\]])\.\s+(?=[A-Z])|(?<=[。；])"
)

Found = Sequence[tuple[Message, patterns.Match[str]]]


def explain(lines: Iterable[str]) -> Explanation:
    """What the lines mean; an empty paste is explained as the empty answer of a request."""
    table = knowledge()
    digest = Digest(lambda line: table.may_matter(line) or _is_severe(line)).read(lines)
    paste = digest.lines <= PASTE
    whole = "\n".join(digest.head) if paste else ""
    reader = _Reader(table, paste=paste, whole=whole, backwards=_newest_first(digest), lines=digest.lines)
    told: list[Match] = []
    unrecognised = 0
    for sample in digest.samples():
        found = list(reader.told(sample))
        told += found
        unrecognised += sample.count if not found and _is_severe(sample.text) else 0
    told = settled(told, _end(digest, told), digest.lines)
    pointers = points(told, digest.lines) + pointers_of(_hints(whole, digest.lines))
    return explanation(ranked(pointers, table), told, table, lines=digest.lines, unrecognised=unrecognised)


@dataclass(frozen=True, slots=True)
class _Place:
    """A line on its way through: parsed, with its sample and its number from the older end."""

    line: LogLine
    sample: Sample
    place: int


@dataclass(frozen=True)
class _Reader:
    """Reads the lines of one text."""

    table: Knowledge
    paste: bool
    whole: str
    backwards: bool
    lines: int

    def told(self, sample: Sample) -> Iterator[Match]:
        """What a line tells; of a line of prose, what each of its clauses tells."""
        line = _parsed(sample.text)
        at = _Place(line, sample, self.lines + 1 - sample.first if self.backwards else sample.last)
        message = " ".join([line.message, *(f"{key}={value}" for key, value in line.fields.items())])
        if line.kind == "text" and self.paste:
            for clause in filter(None, _CLAUSES.split(message)):
                yield from self._of_clause(clause, at, about=f"{message}\n{self.whole}")
        else:
            yield from self._of_clause(message, at, about="")

    def _of_clause(self, text: str, at: _Place, about: str) -> Iterator[Match]:
        prose = at.line.kind == "text"
        found = list(self.table.messages_in(text, people=prose and self.paste))
        noise = [(message, match) for message, match in found if message.tells == "benign"]
        for message, match in noise:
            parts = take_apart(match[0], at.line, self.table)
            yield Match(message, parts, at.sample, at.place, _node(message, match, text), _named(match))
        if noise and not prose:
            return
        for message, _ in noise:  # what is left of prose may tell more
            text = message.pattern.sub(" ", text)
        if noise:
            found = list(self.table.messages_in(text, people=self.paste))
        yield from self._of_rest(text, [one for one in found if one[0].tells != "benign"], at, about)

    def _of_rest(self, text: str, found: Found, at: _Place, about: str) -> Iterator[Match]:
        for message, match in found:
            leg = message.leg if message.leg in self.table.legs else ""
            parts = take_apart(text, at.line, self.table, leg=leg, about=about)
            yield Match(message, parts, at.sample, at.place, _node(message, match, text), _named(match))
        if not any(message.codes or message.leg for message, _ in found):
            parts = take_apart(text, at.line, self.table, about=about)
            if parts.error and parts.leg and parts.error.kind in parts.leg.codes:
                yield Match(None, parts, at.sample, at.place)


def _is_severe(line: str) -> bool:
    """Whether a program calls the line an error, or ends with it."""
    return (
        _SEVERE.search(line) is not None
        or line.startswith(("panic: ", "fatal error: "))
        or "level=error" in line
        or "level=fatal" in line
    )


def _hints(whole: str, lines: int) -> list[Hint]:
    if not whole.strip():
        return [EMPTY] if lines == 1 else []
    return correlated(whole)


def _parsed(text: str) -> LogLine:
    line = next(parse_lines([text.strip()], _REFERENCE), None) or LogLine("", None, None, "", text, text)
    if line.kind == "klog" and line.fields:
        return line
    # What was copied out of JSON or of a quoted field still has its escapes.
    return replace(line, message=line.message.replace('\\"', '"').replace("\\n", " "))


def _named(match: patterns.Match[str]) -> dict[str, str]:
    return {name: value for name, value in match.groupdict().items() if value}


def _node(message: Message, match: patterns.Match[str], text: str) -> str:
    if message.node and (named := message.node.search(text)):
        return named["node"]
    return match.groupdict().get("node") or ""


def _newest_first(digest: Digest) -> bool:
    """Whether the log runs backwards, as ``journalctl -r`` prints it."""
    head = [line.time for line in map(_parsed, digest.head) if line.time]
    tail = [line.time for line in map(_parsed, digest.tail) if line.time]
    return bool(head and tail) and _naive(head[0]) > _naive(tail[-1])


def _end(digest: Digest, told: Sequence[Match]) -> datetime | None:
    """The time of the newest line."""
    lines = [*map(_parsed, digest.tail), *(one.parts.line for one in told)]
    return max((line.time for line in lines if line.time), key=_naive, default=None)


def _naive(time: datetime) -> datetime:
    return time.replace(tzinfo=None)
