"""Report documents without secrets: every text passes here once, when the document is built.

Checks quote what they read: log lines, messages of containers, annotations, keys of a file. What they say is made safe
on its way into the document, so that a saved run and every face of it hold no secret by construction: what is kept or
shown is a :class:`~kedoctor.model.report.SafeReport`, and nothing else makes one. A text that cannot be made safe is
withheld and says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any, TypeVar, cast

from kedoctor import patterns
from kedoctor.base.records import Record, replace
from kedoctor.model.declarations import RedactionRule
from kedoctor.model.findings import Evidence
from kedoctor.model.report import (
    Capability,
    Cell,
    Change,
    Hint,
    Redaction,
    Report,
    SafeReport,
    Translation,
    Verdict,
    sealed,
)
from kedoctor.redaction import yaml_secrets
from kedoctor.redaction.known_keys import known_names
from kedoctor.redaction.patterns import is_suspicious, redact_text
from kedoctor.redaction.placeholders import PLACEHOLDER, Placeholders, placeholder_kind

__all__ = ["LONGEST_TEXT", "WITHHELD_TEXT", "DocumentRedactor"]

R = TypeVar("R", bound=Record)

LONGEST_TEXT = 1 << 16
"""Characters of one text of a document; what is beyond is cut off."""

WITHHELD_TEXT = "(withheld: it could not be redacted safely)"
_REPORT = "report"
_PLACEHOLDER = patterns.compiled(PLACEHOLDER)
_REMEMBERED = 20_000
_REMEMBERED_FINE = 200_000
_MANY = 50


class DocumentRedactor:
    """Redacts the texts of one document; equal secrets get equal tokens. Safe to use from several threads."""

    def __init__(self, rules: Sequence[RedactionRule] = (), *, salt: bytes | None = None) -> None:
        self._rules = tuple(rules)
        self._marks = Placeholders(salt)
        self._known: dict[str, str] = {}
        self._fine: set[str] = set()
        self._quoted: set[Evidence] = set()

    def text(self, text: str) -> str:
        """A sentence or a quotation without secrets; never raises."""
        if text in self._fine:
            return text
        found = self._known.get(text)
        if found is None:
            found = self._redacted(text) if is_suspicious(text) else _cut(text)
            if found != text and len(self._known) < _REMEMBERED:
                self._known[text] = found
            # Also what came out: a document passes here once more when it is whole.
            if len(self._fine) < _REMEMBERED_FINE:
                self._fine.add(found)
        return found

    def _redacted(self, text: str) -> str:
        try:
            found = redact_text(_cut(text), self._marks.for_item())
            if "\n" in found:
                found = yaml_secrets.redact_lines(found, (), self._marks.for_item())
        except Exception:  # noqa: BLE001  whatever it is, the text must not be shown as it was read
            return WITHHELD_TEXT
        return found

    def quote(self, quoted: Evidence) -> Evidence:
        """A quotation, by the rules for what it was taken from; never raises."""
        if quoted in self._quoted:
            return quoted
        excerpt = quoted.excerpt
        applying = [rule for rule in self._rules if fnmatchcase(f"host:{quoted.source}", rule.applies_to)]
        if applying and excerpt:
            keys = [key.rpartition(".")[2] for rule in applying for key in rule.keys]
            names = known_names([one for rule in applying for one in rule.known])
            try:
                excerpt = yaml_secrets.redact_lines(_cut(excerpt), keys, self._marks.for_item(), known=names)
            except Exception:  # noqa: BLE001  as above
                excerpt = WITHHELD_TEXT
        clean = replace(quoted, source=self.text(quoted.source), excerpt=self.text(excerpt))
        if len(self._quoted) < _REMEMBERED:
            self._quoted.add(clean)
        return clean

    def record(self, record: R) -> R:
        """Any record, with every text in it made safe."""
        changed = {
            name: clean
            for name in record.__struct_fields__
            if (clean := self._value(value := getattr(record, name))) is not value
        }
        return replace(record, **changed) if changed else record

    def verdict(self, verdict: Verdict) -> Verdict:
        """A verdict whose texts are safe; one that cannot be made so keeps its code and status alone."""
        try:
            return self.record(verdict)
        except Exception:  # noqa: BLE001  whatever it is, the verdict must not be shown as it was made
            return replace(
                verdict,
                summary=WITHHELD_TEXT,
                expected="",
                actual="",
                evidence=(),
                hint=Hint(),
                zh=Translation(title=verdict.zh.title, summary=WITHHELD_TEXT),
            )

    def report(self, report: Report) -> SafeReport:
        """The whole document.

        Its verdicts were made safe one by one before they were shown; what was added to them since (repairs, what they wait
        for, names of nodes) and what was drawn from them passes here.
        """
        rest = self.record(replace(report, verdicts=(), matrix=(), redactions=()))
        verdicts = tuple(self.verdict(one) for one in report.verdicts)
        taken_out = tuple(_taken_out(verdicts, rest.changes))
        return sealed(
            replace(rest, verdicts=verdicts, matrix=self._matrix(report.matrix), redactions=taken_out)
        )

    def with_fields(self, report: SafeReport, **fields: Any) -> SafeReport:
        """The document with other values of some fields."""
        return self.report(replace(report, **fields))

    def with_changes(self, report: SafeReport, changes: Sequence[Change]) -> SafeReport:
        """The document with what a repair did."""
        return self.with_fields(report, changes=tuple(changes))

    def value(self, value: Any) -> Any:
        """Anything that can be written as JSON, with every text in it made safe."""
        return self._value(value)

    def _matrix(self, matrix: tuple[Cell, ...]) -> tuple[Cell, ...]:
        """The rows; those of edges that are alike share what they hold, and it is looked at once."""
        names = self._value(tuple(row.edge for row in matrix))
        shared: dict[int, tuple[Capability, ...]] = {}
        rows = []
        for row, edge in zip(matrix, names, strict=True):
            known = shared.get(id(row.capabilities))
            if known is None:
                known = shared[id(row.capabilities)] = self._value(row.capabilities)
            same = edge is row.edge and known is row.capabilities
            rows.append(row if same else Cell(edge, known))
        return tuple(rows)

    def _are_fine(self, values: Sequence[object]) -> bool:
        """Whether these are short texts of which none is worth a closer look, such as the names of very many edges.

        They are looked at together: what makes one of them suspicious does so between other lines, too.
        """
        if any(type(one) is not str for one in values):
            return False
        new = set(cast("Sequence[str]", values)).difference(self._fine)
        if any(len(one) > LONGEST_TEXT for one in new) or is_suspicious("\n".join(new)):
            return False
        if len(self._fine) < _REMEMBERED_FINE:
            self._fine |= new
        return True

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            # An enumeration is one of our own words.
            return self.text(value) if type(value) is str else value
        if isinstance(value, Evidence):
            return self.quote(value)
        if isinstance(value, Record):
            return self.record(value)
        if isinstance(value, tuple | list):
            if len(value) >= _MANY and self._are_fine(value):
                return value
            clean = type(value)(self._value(one) for one in value)
            return value if all(a is b for a, b in zip(clean, value, strict=True)) else clean
        if isinstance(value, dict):
            return {self._value(key): self._value(one) for key, one in value.items()}
        return value


def _taken_out(verdicts: Sequence[Verdict], changes: Sequence[Change]) -> Iterator[Redaction]:
    """How many different secrets of each kind stood in these texts, and how many of the texts are withheld whole."""
    found: set[str] = set()
    withheld = 0
    for text in _quoting(verdicts, changes):
        if "[redacted " in text:
            found.update(match[0] for match in _PLACEHOLDER.finditer(text))
        withheld += text == WITHHELD_TEXT
    kinds = Counter(placeholder_kind(one) for one in found)
    yield from (Redaction(_REPORT, kind, number) for kind, number in sorted(kinds.items()))
    if withheld:
        yield Redaction(_REPORT, "withheld", withheld)


def _quoting(verdicts: Sequence[Verdict], changes: Sequence[Change]) -> Iterator[str]:
    for one in verdicts:
        yield from (one.summary, one.expected, one.actual, one.hint.text, *one.hint.commands)
        yield from (quoted.excerpt for quoted in one.evidence)
    for change in changes:
        yield from change.diffs


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + " … (cut off)"
