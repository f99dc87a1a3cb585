"""How fast the time of a pattern grows with the length of the text, on the worst of the texts made from it."""

from __future__ import annotations

import math
import re
import signal
from dataclasses import dataclass
from typing import Any

from attacks import attacks, grown, seconds

SHORT, MIDDLE, LONG = 10_000, 20_000, 100_000
MOST = 1.2
"""The time may grow with the length to this power."""

Row = tuple[str, str, str]

_BEGINNINGS = (20, 28, 40)  # enough to see an exponential search
_FIRST, _SECOND = 1000, 4000  # where the worst of the attacks are chosen
_TOO_SLOW = {
    _FIRST: 0.3,
    _SECOND: 1.5,
    SHORT: 3.0,
}  # what takes longer would not come back from the next length
_HANGS = 0.5
_CHOSEN = 6
_MEASURED = 2
_TRIES = 20
_SURE = 3  # so often, and there is no need to look at the greater length
_PLAIN = 1.6  # beyond doubt
_FLOOR = 0.01  # seconds at the greater length, of a search that goes over it once or not at all


class HangsError(Exception):
    """The time for one search is over."""


@dataclass(frozen=True, slots=True)
class Growth:
    """``seconds`` of CPU time at the greater length; ``exponent`` 0 where it takes next to none."""

    exponent: float
    seconds: float
    text: Row

    @property
    def linear(self) -> bool:
        """Whether it grows slowly enough."""
        return self.exponent <= MOST


def _guarded(pattern: re.Pattern[Any], methods: frozenset[str], row: Row, size: int) -> float:
    """Seconds for one search, or without end: nothing but a signal ends an exponential one."""

    def stop(*_: object) -> None:
        raise HangsError

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, 2 * _HANGS)
    try:
        return seconds(pattern, methods, grown(row, size))
    except HangsError:
        return math.inf
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _too_slow(pattern: re.Pattern[Any], methods: frozenset[str], row: Row, size: int, limit: float) -> bool:
    """Whether it is so every time: a busy machine may hold up a single search for long."""
    return all(_guarded(pattern, methods, row, size) > limit for _ in range(_SURE))


def growth(pattern: re.Pattern[Any], methods: frozenset[str]) -> Growth:
    """The greatest growth of all that was measured between 10 kB and 100 kB; infinite where it does not get so far."""
    rows = attacks(pattern)
    for row in rows:
        if any(_too_slow(pattern, methods, row, size, _HANGS) for size in _BEGINNINGS):
            return Growth(math.inf, math.inf, row)
    for size, kept in ((_FIRST, _CHOSEN), (_SECOND, _MEASURED)):
        took: dict[Row, float] = {}
        for row in rows:
            took[row] = _guarded(pattern, methods, row, size)
            if took[row] > _TOO_SLOW[size] and _too_slow(pattern, methods, row, size, _TOO_SLOW[size]):
                return Growth(math.inf, math.inf, row)
        rows = sorted(rows, key=lambda row: -took[row])[:kept]
    found = [_measured(pattern, methods, row) for row in rows]
    return max(found, key=lambda one: (not one.linear, one.seconds), default=Growth(0, 0, ("", "", "")))


def _measured(pattern: re.Pattern[Any], methods: frozenset[str], row: Row) -> Growth:
    """Again and again until it is small enough: other work on the machine only ever adds to a time."""
    short = middle = long = math.inf
    for number in range(_TRIES):
        short = min(short, seconds(pattern, methods, grown(row, SHORT)))
        if short > _TOO_SLOW[SHORT]:
            return Growth(math.inf, math.inf, row)
        middle = min(middle, seconds(pattern, methods, grown(row, MIDDLE)))
        if middle > short * (MIDDLE / SHORT) ** _PLAIN and middle > 2 * _FLOOR:
            if number + 1 < _SURE:
                continue
            return Growth(_exponent(middle / short, MIDDLE / SHORT), middle, row)
        long = min(long, seconds(pattern, methods, grown(row, LONG)))
        if long < _FLOOR:
            return Growth(0.0, long, row)
        if long <= short * (LONG / SHORT) ** MOST:
            break
    return Growth(_exponent(long / short, LONG / SHORT), long, row)


def _exponent(times: float, longer: float) -> float:
    return math.log(times) / math.log(longer)
