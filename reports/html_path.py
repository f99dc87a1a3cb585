"""The path of requests as a picture: where each hop stands, and which lines join them.

It is drawn from the document alone: the way that most capabilities go is the main line, hops that only some of them pass
lie below it, and hops on one side stand in one frame.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from kedoctor.api import patterns
from kedoctor.api.report import EdgeGroup, HopTitle, Report

__all__ = ["Box", "Frame", "Line", "Note", "Picture", "picture"]

_WIDE, _HIGH = 112, 88
_GAP, _PAD = 18, 14
_TOP, _BETWEEN = 46, 58
_LINE_CELLS = 14
_MOST_LINES = 3
# A word, a Chinese sign with the punctuation that may not begin or end a line, or a gap.
_WORD = patterns.compiled(r"（?(?:[^\x00-\u2e7f]|[^\s\u2e80-\uffff]+)[）。，；：、]?|\s+")


@dataclass(frozen=True, slots=True)
class Box:
    """A hop: its left upper corner, the lines of its title, and how it is."""

    hop: str
    x: float
    y: float
    lines: tuple[str, ...]
    state: str
    width: float = _WIDE
    height: float = _HIGH


@dataclass(frozen=True, slots=True)
class Line:
    """A line and the tip of its arrow, as SVG draws them; ``dead``: nothing comes through, for a hop before it is broken."""

    drawn: str
    tip: str
    dead: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """What lies on one side."""

    side: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Note:
    """Which capabilities go along a line."""

    text: str
    x: float
    y: float


@dataclass(slots=True)
class Picture:
    """All of it, in a plane of that width and height."""

    width: float = 0
    height: float = 0
    boxes: list[Box] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


def picture(report: Report, group: EdgeGroup, language: str) -> Picture | None:
    """The path as these edges see it; nothing if the document does not say which way requests go."""
    titles = {one.name: one for one in report.hops}
    ways = [tuple(hop for hop in one.hops if hop in titles) for one in report.paths]
    if not any(ways):
        return None
    return _Drawing(report, group, ways, titles, language).made()


class _Drawing:
    """One picture in the making; a place is a column and a row."""

    def __init__(
        self,
        report: Report,
        group: EdgeGroup,
        ways: Sequence[tuple[str, ...]],
        titles: dict[str, HopTitle],
        language: str,
    ) -> None:
        self._names = [one.capability for one in report.paths]
        self._ways, self._titles, self._language = ways, titles, language
        self._states = {one.hop: one.state for one in group.hops}
        counted = Counter(ways)
        self._main = max(counted, key=lambda way: (counted[way], len(way)))
        self._places: dict[str, tuple[int, int]] = {hop: (at, 0) for at, hop in enumerate(self._main)}
        self._picture = Picture()

    def made(self) -> Picture:
        for way in self._ways:
            for run in _runs(way, self._main):
                self._place(run, way)
        rows = max(row for _, row in self._places.values()) + 1
        columns = max(column for column, _ in self._places.values()) + 1
        self._sides = [self._side_of(column) for column in range(columns)]
        self._left = self._lefts()
        self._picture.width = self._left[-1] + _WIDE + _PAD
        self._picture.height = _TOP + rows * _HIGH + (rows - 1) * _BETWEEN + _PAD + 26 * (rows > 1)
        self._frames()
        self._boxes()
        self._lines()
        return self._picture

    def _place(self, run: Sequence[str], way: Sequence[str]) -> None:
        before, after = way.index(run[0]) - 1, way.index(run[-1]) + 1
        if before >= 0 and way[before] in self._places:
            start = self._places[way[before]][0]
        elif after < len(way) and way[after] in self._places:
            start = self._places[way[after]][0] - len(run) + 1
        else:
            start = 0
        start, row = max(0, start), 1
        wanted = {(start + at, row) for at in range(len(run))}
        while wanted & set(self._places.values()):
            row += 1
            wanted = {(start + at, row) for at in range(len(run))}
        for at, hop in enumerate(run):
            self._places.setdefault(hop, (start + at, row))

    def _side_of(self, column: int) -> str:
        here = [hop for hop, (at, row) in self._places.items() if at == column]
        return self._titles[here[0]].side if here else ""

    def _lefts(self) -> list[float]:
        lefts, x = [], float(_PAD)
        for column, side in enumerate(self._sides):
            if column:
                x += _WIDE + _GAP + (2 * _PAD if side != self._sides[column - 1] else 0) * 0.75
            lefts.append(x)
        return lefts

    def _frames(self) -> None:
        start = 0
        for column in range(1, len(self._sides) + 1):
            if column < len(self._sides) and self._sides[column] == self._sides[start]:
                continue
            if self._sides[start] in ("cloud", "edge"):
                left, right = self._left[start] - _PAD, self._left[column - 1] + _WIDE + _PAD
                self._picture.frames.append(
                    Frame(self._sides[start], left, 0, right - left, self._picture.height)
                )
            start = column

    def _boxes(self) -> None:
        for hop in (one.name for one in self._titles.values() if one.name in self._places):
            title = self._titles[hop]
            words = title.zh if self._language == "zh" else title.title
            x, y = self._corner(hop)
            state = self._states.get(hop, "unchecked")
            self._picture.boxes.append(Box(hop, x, y, _wrapped(words), state))

    def _corner(self, hop: str) -> tuple[float, float]:
        column, row = self._places[hop]
        return self._left[column], _TOP + row * (_HIGH + _BETWEEN)

    def _lines(self) -> None:
        drawn: dict[tuple[str, str], bool] = {}
        for way in self._ways:
            for at in range(1, len(way)):
                dead = any(self._states.get(hop) == "broken" for hop in way[:at])
                pair = way[at - 1], way[at]
                if self._is_drawn(*pair):
                    drawn[pair] = drawn.get(pair, True) and dead
        for (start, end), dead in drawn.items():
            self._picture.lines.append(Line(*self._drawn(start, end), dead))
        mains = [name for name, way in zip(self._names, self._ways, strict=True) if way == self._main]
        x, y = self._corner(self._main[0])
        self._picture.notes.append(Note(" · ".join(mains) + " →", x, y - 10))
        for name, way in zip(self._names, self._ways, strict=True):
            below = next((hop for hop in way if self._places[hop][1]), "")
            if below:
                x, y = self._corner(below)
                self._picture.notes.append(Note(f"{name} →", x, y + _HIGH + 18))

    def _is_drawn(self, start: str, end: str) -> bool:
        """Not a short cut past hops of the main line: it would run through their boxes."""
        (left, above), (right, below) = self._places[start], self._places[end]
        return above != below or abs(right - left) == 1

    def _drawn(self, start: str, end: str) -> tuple[str, str]:
        (x1, y1), (x2, y2) = self._corner(start), self._corner(end)
        if y1 == y2:
            y = y1 + _HIGH / 2
            return f"M{x1 + _WIDE:g} {y:g}H{x2 - 6:g}", f"M{x2 - 1:g} {y:g}l-9 -4.5v9z"
        across, half = x2 + _WIDE / 2, _BETWEEN / 2
        if y2 > y1:
            down = f"M{x1 + _WIDE / 2:g} {y1 + _HIGH:g}v{half:g}H{across:g}V{y2 - 6:g}"
            return down, f"M{across:g} {y2 - 1:g}l-4.5 -9h9z"
        up = f"M{x1 + _WIDE / 2:g} {y1:g}v{-half:g}H{across:g}V{y2 + _HIGH + 6:g}"
        return up, f"M{across:g} {y2 + _HIGH + 1:g}l-4.5 9h9z"


def _runs(way: Sequence[str], main: Sequence[str]) -> list[list[str]]:
    """The hops of a way that are not on the main one, those that follow each other together."""
    runs: list[list[str]] = []
    inside = False
    for hop in way:
        if hop in main:
            inside = False
        elif inside:
            runs[-1].append(hop)
        else:
            runs.append([hop])
            inside = True
    return runs


def _cells(text: str) -> int:
    return sum(2 if sign >= "\u2e80" else 1 for sign in text)


def _wrapped(title: str) -> tuple[str, ...]:
    """A title as at most three lines of a box."""
    lines = [""]
    for word in _WORD.findall(title):
        if _cells(lines[-1] + word.rstrip()) > _LINE_CELLS and lines[-1].strip():
            lines.append("")
        lines[-1] += word if lines[-1] else word.lstrip()
    lines = [line.strip() for line in lines if line.strip()]
    if len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES - 1], lines[_MOST_LINES - 1] + " …"]
    return tuple(lines)
