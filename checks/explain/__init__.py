"""Explains a pasted text or a log: lines in, an :class:`~kedoctor.api.Explanation` out, without any I/O.

What pasting did to a text is undone (``typography.py``, ``wrapping.py``); a log is reduced to its kinds of lines
(``log_digest.py``), each kind is looked up (``message_table.py``) and taken apart (``parse.py``), and what all of them
point at is weighed (``ranking.py``, ``cross_line.py``, ``sentences.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from kedoctor.api import Explanation, patterns
from kedoctor.checks.explain.cross_line import EMPTY, Hint, correlated
from kedoctor.checks.explain.parse import ErrorText, take_apart
from kedoctor.checks.explain.ranking import Match, pointers_of, points, ranked, settled
from kedoctor.checks.explain.render import explanation
from kedoctor.checks.explain.sentences import leads
from kedoctor.checks.explain.typography import plain
from kedoctor.checks.explain.wrapping import completed, is_cut, joined
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
    digest = _digested(plain(lines), table)
    text = _Text.of(digest, table)
    whole = joined(digest.head, table.is_word) if text.paste else None
    if whole and (mended := _Text.of(_digested(whole, table), table)).told:
        text = mended
    told = settled(text.told, _end(text.digest, text.told), digest.lines)
    hints = [] if any(one.tells == "works" for one in told) else _hints(text.whole, digest.lines, told)
    suspects = ranked(points(told, digest.lines) + pointers_of(hints), table)
    cut = text.paste and any(map(is_cut, digest.head)) and (not suspects or any(one.guessed for one in told))
    return explanation(suspects, told, table, lines=digest.lines, unrecognised=text.unrecognised, cut=cut)


def _digested(lines: Iterable[str], table: Knowledge) -> Digest:
    return Digest(lambda line: table.may_matter(line) or _is_severe(line)).read(lines)


@dataclass(frozen=True)
class _Text:
    """A text that was read: what it tells, and how many error lines nothing is known about."""

    digest: Digest
    paste: bool
    whole: str
    told: list[Match]
    unrecognised: int

    @classmethod
    def of(cls, digest: Digest, table: Knowledge) -> _Text:
        """Reads a digest."""
        paste = digest.lines <= PASTE
        whole = "\n".join(digest.head) if paste else ""
        reader = _Reader(table, paste=paste, whole=whole, backwards=_newest_first(digest), lines=digest.lines)
        told: list[Match] = []
        unrecognised = 0
        for sample in digest.samples():
            found = list(reader.told(sample))
            told += found
            unrecognised += sample.count if not found and _is_severe(sample.text) else 0
        return cls(digest, paste, whole, told, unrecognised)


@dataclass(frozen=True, slots=True)
class _Place:
    """A line on its way through: parsed, with its sample and its number from the older end.

    ``guessed`` is a line whose end was cut off and completed.
    """

    line: LogLine
    sample: Sample
    place: int
    guessed: bool = False

    def match(
        self, message: Message | None, parts: ErrorText, found: patterns.Match[str] | None, text: str
    ) -> Match:
        """What the line tells by a message of the table (or by its error alone)."""
        return Match(
            message,
            parts,
            self.sample,
            self.place,
            _node(message, found, text) if message and found else "",
            _named(found) if found else {},
            guessed=self.guessed,
        )


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
        found = list(self._read(sample, sample.text, guessed=False))
        if self.paste and not any(one.decides for one in found):
            whole = completed(sample.text)
            if whole != sample.text:
                found = list(self._read(sample, whole, guessed=True)) or found
        yield from found

    def _read(self, sample: Sample, text: str, *, guessed: bool) -> Iterator[Match]:
        line = _parsed(text)
        place = self.lines + 1 - sample.first if self.backwards else sample.last
        at = _Place(line, sample, place, guessed)
        message = " ".join([line.message, *(f"{key}={value}" for key, value in line.fields.items())])
        if line.kind == "text" and self.paste:
            for clause in filter(None, _CLAUSES.split(message)):
                yield from self._of_clause(clause, at, about=f"{message}\n{self.whole}")
        else:
            yield from self._of_clause(message, at, about="")

    def _of_clause(self, text: str, at: _Place, about: str) -> Iterator[Match]:
        people = at.line.kind == "text" and self.paste
        found = list(self.table.messages_in(text, people=people))
        noise = [(message, match) for message, match in found if message.tells == "benign"]
        for message, match in noise:
            yield at.match(message, take_apart(match[0], at.line, self.table), match, text)
        for message, _ in noise:  # noise says nothing about the rest of its line
            text = message.pattern.sub(" ", text)
        if noise:
            found = list(self.table.messages_in(text, people=people))
        yield from self._of_rest(text, [one for one in found if one[0].tells != "benign"], at, about)

    def _of_rest(self, text: str, found: Found, at: _Place, about: str) -> Iterator[Match]:
        aside = [one for one in found if one[0].tells == "aside"]
        for message, match in aside or found:
            leg = message.leg if message.leg in self.table.legs else ""
            parts = take_apart(text, at.line, self.table, leg=leg, about=about)
            if message.leg and not leg and not (parts.error or parts.port):
                # It stands beside the path, and only words of the text look like a part of it ("exec" of a program).
                parts = replace(parts, leg=None)
            yield at.match(message, parts, match, text)
        if not aside and not any(message.codes or message.leg for message, _ in found):
            parts = take_apart(text, at.line, self.table, about=about)
            if parts.error and parts.leg and parts.error.kind in parts.leg.codes:
                yield at.match(None, parts, None, text)


def _is_severe(line: str) -> bool:
    """Whether a program calls the line an error, or ends with it."""
    return (
        _SEVERE.search(line) is not None
        or line.startswith(("panic: ", "fatal error: "))
        or "level=error" in line
        or "level=fatal" in line
    )


def _hints(whole: str, lines: int, told: Sequence[Match]) -> list[Hint]:
    """What several lines tell together, and what a person's sentence leads to where no program's text says more."""
    if not whole.strip():
        return [EMPTY] if lines == 1 else []
    if any(one.message is None or not one.message.of_people for one in told):
        return correlated(whole)
    hints = correlated(whole)
    named = bool(hints) or any(one.tells in ("cause", "sign") for one in told)
    return hints + leads(whole, named=named)


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
