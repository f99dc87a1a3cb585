"""A log of any length in bounded memory: lines that differ only in numbers are one, their newest kept.

A line is reduced to its shape (all digits and the letters of hexadecimal numbers taken out); shapes that cannot
matter are remembered by their hash only, so that a line costs no more than one look-up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from kedoctor.api import patterns

__all__ = ["Digest", "Sample"]

MAX_LINE = 16 * 1024
MAX_SHAPES = 4096
MAX_DULL = 100_000
MAX_VARIANTS = 12
HEAD = 200  # lines kept from the beginning: of a paste, all
TAIL = 16

_NOT_SHAPE = str.maketrans("", "", "0123456789abcdefABCDEF")
# What tells two lines of one shape apart for a reader: a port, the name of an edge.
_VARIANT = patterns.compiled(
    r":(\d{4,5})\b|\[([^\]\s]{1,64})\]|(?:hostname|edge node|node:|for) '?([\w.-]{1,64})"
)


@dataclass(frozen=True, slots=True)
class Sample:
    """The newest line of a kind: its text, how many there were, and its number (from 1)."""

    text: str
    count: int
    last: int
    first: int


@dataclass(slots=True)
class _Group:
    """Lines of one shape; ``variants`` maps what tells them apart to count, first, last and the newest text."""

    variants: dict[tuple[str, ...], tuple[int, int, int, str]] = field(default_factory=dict)
    newest: int = 0

    def saw(self, number: int, line: str) -> None:
        key = tuple(part for match in _VARIANT.findall(line)[:4] for part in match if part)
        count, first, _, _ = self.variants.pop(key, (0, number, 0, ""))
        if not count and len(self.variants) >= MAX_VARIANTS:
            # The oldest gives way; its count goes to its successor, so that no line is lost.
            oldest = next(iter(self.variants))
            gone, first, _, _ = self.variants.pop(oldest)
            count = gone
        self.variants[key] = (count + 1, first, number, line)
        self.newest = number

    def samples(self) -> list[Sample]:
        return [Sample(text, count, last, first) for count, first, last, text in self.variants.values()]


class Digest:
    """Reads lines once and keeps those that ``may_matter`` says can matter, and all of the first ``HEAD``."""

    def __init__(self, may_matter: Callable[[str], bool]) -> None:
        self._may_matter = may_matter
        self._groups: dict[int, _Group] = {}
        self._dull: set[int] = set()
        self.lines = 0
        self.head: list[str] = []
        self.tail: deque[str] = deque(maxlen=TAIL)

    def read(self, lines: Iterable[str]) -> Digest:
        """Takes in all lines; gives itself."""
        number = self.lines
        groups, dull, tail = self._groups, self._dull, self.tail
        for number, line in enumerate(lines, start=number + 1):  # noqa: B020  the last number is needed behind the loop
            tail.append(line)
            if number <= HEAD:
                self.head.append(line[:MAX_LINE])
            shape = hash(line.translate(_NOT_SHAPE))
            if shape in dull:
                continue
            group = groups.get(shape)
            if group is None:
                group = self._new_group(shape, line)
                if group is None:
                    continue
            group.saw(number, line[:MAX_LINE])
        self.lines = number
        return self

    def _new_group(self, shape: int, line: str) -> _Group | None:
        if len(self.head) == HEAD and not self._may_matter(line[:MAX_LINE]):
            if len(self._dull) >= MAX_DULL:
                self._dull.clear()
            self._dull.add(shape)
            return None
        if len(self._groups) >= MAX_SHAPES:
            self._forget()
        self._groups[shape] = _Group()
        return self._groups[shape]

    def _forget(self) -> None:
        """Drops the quarter of the shapes that has not been seen for the longest time: the newest matter."""
        by_age = sorted(self._groups, key=lambda shape: self._groups[shape].newest)
        for shape in by_age[: MAX_SHAPES // 4]:
            del self._groups[shape]

    def samples(self) -> list[Sample]:
        """What was kept, in the order of the file."""
        return sorted(
            (one for group in self._groups.values() for one in group.samples()), key=lambda one: one.last
        )
