"""From recognised texts to suspected causes: what each text points at, how strongly, and what later lines take back.

A text that states a cause outweighs any symptom, a symptom outweighs what only follows from something else; what is
recent and frequent counts more; and a leg of the path that worked afterwards takes back what failed on it before.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from kedoctor.api import Certainty, Text
from kedoctor.checks.explain.cross_line import Hint
from kedoctor.checks.explain.parse import ErrorText
from kedoctor.checks.parsers.logs.log_digest import Sample
from kedoctor.checks.parsers.logs.message_table import Knowledge, Message

__all__ = ["Candidate", "Match", "Pointer", "pointers_of", "points", "ranked", "settled"]

_SILENT = frozenset({"ok", "benign", "works", "aside"})
"""What points at no cause."""

WEIGHTS = {"cause": 100.0, "sign": 30.0, "follows": 4.0, "start": 3.0, "context": 12.0}
_RANKS = (1.0, 0.72, 0.52, 0.38, 0.28, 0.2, 0.15, 0.1)
_STATE = 0.75  # a state counts less than the root cause that is as likely, but more than the next likely one
_MORE = 0.25  # what a further text adds to the strongest one for the same code
_FAINT = 0.12  # what is fainter than this part of the strongest suspicion is not worth a look
_MOST = 8
_SHORT = 60  # up to so many lines it is a paste, of which all lines count the same
_DIAL = timedelta(seconds=45)  # longer than any dial of the tunnel takes (facts.md §2.2)
_DIALLED = "tunnel-dial"
_START = timedelta(seconds=5)  # edged needs about one second, and asks itself every 50 ms (facts.md §5.5)
_LATER = 20  # lines after which it would have been said again
_FEW = 3
_ONCE = 2
_FATAL = 1.5


@dataclass(frozen=True, slots=True)
class Match:
    """A recognised text: its message in the table (if it has one), its parts, and where it stands.

    ``place`` is the line's number counted from the older end; ``node`` the edge it is about; ``guessed`` is a line
    whose end is missing and was completed.
    """

    message: Message | None
    parts: ErrorText
    sample: Sample
    place: int
    node: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    over: bool = False
    guessed: bool = False

    @property
    def decides(self) -> bool:
        """Whether the text states a cause or an error, as a line does whose end is there."""
        if self.message and (self.tells in _SILENT or (self.message.codes and self.tells == "cause")):
            return True
        return self.parts.error is not None

    @property
    def tells(self) -> str:
        """What the text tells; an error on a known leg is a sign."""
        return self.message.tells if self.message else "sign"

    @property
    def leg_name(self) -> str:
        """The leg it is about, without variant."""
        if self.message and self.message.leg:
            return self.message.leg
        return self.parts.leg.name.partition(".")[0] if self.parts.leg else ""


@dataclass(frozen=True, slots=True)
class Pointer:
    """One reason to suspect a check: how strong it is, and the text it comes from (``None``: several together).

    ``stated``: the text leaves no other cause possible.
    """

    code: str
    weight: float
    stated: bool
    told: Match | None = None
    meaning: Text | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A code with all that points at it."""

    code: str
    weight: float
    certainty: Certainty
    strongest: Pointer


def settled(told: Sequence[Match], end: datetime | None, lines: int) -> list[Match]:
    """The same texts, those marked ``over`` after which their leg worked.

    Args:
        told: the texts.
        end: the time of the newest line, if any has one.
        lines: how many lines there are.
    """
    works: dict[str, list[Match]] = defaultdict(list)
    for one in told:
        if one.message and one.message.settles:
            for leg in one.message.settles:
                works[leg].append(one)
    works["tunnel"] += [one for one in works.pop(_DIALLED, []) if _came_through(one, end)]
    return [
        replace(one, over=True) if _worked_later(one, works) or _was_start(one, end, lines) else one
        for one in told
    ]


def _was_start(one: Match, end: datetime | None, lines: int) -> bool:
    """Whether what is normal for a moment after a start did not go on for longer."""
    if one.tells != "start" or lines <= _FEW:
        return False
    time = one.parts.line.time
    silent = time is not None and end is not None and end - time >= _START
    return silent or lines - one.place >= _LATER or one.sample.count <= _ONCE


def _came_through(dial: Match, end: datetime | None) -> bool:
    """Whether a dial of the tunnel has gone well: edgecore says nothing then, and an error within seconds else."""
    time = dial.parts.line.time
    return time is not None and end is not None and end - time >= _DIAL


def _worked_later(one: Match, works: Mapping[str, list[Match]]) -> bool:
    if one.tells in _SILENT or not one.leg_name:
        return False
    names = {one.leg_name, "kubelet"} if one.leg_name == "scrape" else {one.leg_name}
    return any(
        (good.place > one.place or good.tells == "works")
        and (not good.node or not one.node or good.node == one.node)
        for name in names
        for good in works.get(name, ())
    )


def points(told: Iterable[Match], lines: int) -> list[Pointer]:
    """What the texts point at; those that are over, or noise, point at nothing."""
    found: list[Pointer] = []
    for one in told:
        if one.over or one.tells in _SILENT:
            continue
        codes, states = _codes(one)
        weight = WEIGHTS["cause" if states else one.tells] * _freshness(one, lines)
        certain = (
            states and len(codes) == 1 and not one.guessed and not (one.message and one.message.of_people)
        )
        for rank, code in enumerate(codes[: len(_RANKS)]):
            found.append(Pointer(code, weight * _RANKS[rank], certain, one))
    return found


def _codes(one: Match) -> tuple[tuple[str, ...], bool]:
    """The codes that a text points at, and whether it states the first of them as the cause."""
    message, leg, error = one.message, one.parts.leg, one.parts.error
    if message and message.codes:
        return message.codes, message.tells == "cause"
    if leg is None:
        return (), False
    kind = error.kind if error else "unknown"
    return leg.codes.get(kind, ()), kind in leg.stated


def _freshness(one: Match, lines: int) -> float:
    """How much a line of a long log counts: the newest and the frequent more."""
    often = 1 + 0.08 * math.log10(one.sample.count)
    if one.parts.line.severity == "F":
        often *= _FATAL  # a program ended with it
    if lines <= _SHORT:
        return often
    return often * (1 - 0.6 * (lines - one.place) / lines)


def pointers_of(hints: Iterable[Hint]) -> list[Pointer]:
    """What several lines together point at."""
    return [
        Pointer(code, hint.weight * factor, stated=False, meaning=hint.meaning)
        for hint in hints
        for code, factor in zip(hint.codes, _RANKS, strict=False)
    ]


def ranked(pointers: Iterable[Pointer], table: Knowledge) -> list[Candidate]:
    """The suspects, likeliest first; what only makes others likelier is none by itself."""
    # One text counts once for a code, however often (or in however many variants) it occurs.
    by_code: dict[str, dict[object, Pointer]] = defaultdict(dict)
    for pointer in pointers:
        if pointer.code in table.codes:
            known = by_code[pointer.code].setdefault(_text_of(pointer), pointer)
            if pointer.weight > known.weight:
                by_code[pointer.code][_text_of(pointer)] = pointer
    suspects = [
        _suspect(code, list(found.values()), _STATE if code in table.states else 1)
        for code, found in by_code.items()
        if any(map(_is_own, found.values()))
    ]
    suspects.sort(key=lambda one: (-one.weight, one.code))
    return [one for one in suspects if one.weight >= _FAINT * suspects[0].weight][:_MOST]


def _text_of(pointer: Pointer) -> object:
    if pointer.told is None:
        return pointer.meaning
    parts = pointer.told.parts
    return pointer.told.message or (parts.leg and parts.leg.name, parts.error and parts.error.kind)


def _is_own(pointer: Pointer) -> bool:
    return pointer.told is None or pointer.told.tells != "context"


def _suspect(code: str, found: list[Pointer], factor: float) -> Candidate:
    strongest = max(filter(_is_own, found), key=lambda one: one.weight)
    context = sum(one.weight for one in found if not _is_own(one))
    rest = sum(one.weight for one in found if _is_own(one)) - strongest.weight
    certainty = Certainty.PROVED if any(one.stated for one in found) else Certainty.IMPLIED
    return Candidate(code, factor * (strongest.weight + _MORE * rest + context), certainty, strongest)
