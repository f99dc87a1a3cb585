"""Certificates and tokens on a time line: when each ends, seen from the time of its host."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from kedoctor.api import Expiry, Status, Text
from kedoctor.api.report import Report, Verdict

__all__ = ["TimeLine", "TimeRow", "time_line"]

_NOW = 14.0
"""Where now is, in percent of the width: what is past lies left of it."""
_PAST_DAYS = 3650.0
_LEAST_DAYS = 400.0
_DAY = 86_400.0
_TICKS = (
    (1.0, Text("1 day", zh="1 天")),
    (7.0, Text("1 week", zh="1 周")),
    (30.0, Text("30 days", zh="30 天")),
    (365.0, Text("1 year", zh="1 年")),
    (3650.0, Text("10 years", zh="10 年")),
    (36500.0, Text("100 years", zh="100 年")),
)
_UNITS = (
    (730.0, 365.0, Text("{n} years", zh="{n} 年")),
    (2.0, 1.0, Text("{n} days", zh="{n} 天")),
    (2 / 24, 1 / 24, Text("{n} hours", zh="{n} 小时")),
    (0.0, 1 / 1440, Text("{n} minutes", zh="{n} 分钟")),
)
_IN = Text("in {span}", zh="{span}后")
_AGO = Text("{span} ago", zh="{span}前")


@dataclass(frozen=True, slots=True)
class TimeRow:
    """One certificate or token: where it ends in percent of the width, and how long that is, in words."""

    expiry: Expiry
    verdict: Verdict
    place: str
    seen: datetime
    at: float
    left: str
    days: float


@dataclass(frozen=True, slots=True)
class TimeLine:
    """The rows, the one that ends first on top, and the marks of the scale with their places in percent."""

    rows: tuple[TimeRow, ...]
    ticks: tuple[tuple[float, str], ...]
    now: float
    seen: datetime

    @property
    def next(self) -> TimeRow:
        """The row that matters most: the first that is not in order, else the certificate that ends first.

        Tokens are renewed all day long.
        """
        wrong = [row for row in self.rows if row.verdict.status is not Status.PASS]
        certificates = [row for row in self.rows if row.expiry.kind == "certificate"]
        return [*wrong, *certificates, *self.rows][0]


def time_line(report: Report, language: str) -> TimeLine | None:
    """The time line of a report; nothing if it holds no dates."""
    found = list(_found(report))
    if not found:
        return None
    most = max(_LEAST_DAYS, *(_days(expiry, seen) for expiry, _, seen in found))
    rows = [
        TimeRow(
            expiry,
            verdict,
            verdict.host,
            seen,
            _place(_days(expiry, seen), most),
            _in_words(_days(expiry, seen), language),
            _days(expiry, seen),
        )
        for expiry, verdict, seen in found
    ]
    ticks = tuple(
        (_place(days, most), text.in_language(language)) for days, text in _TICKS if days <= most * 1.02
    )
    rows.sort(key=lambda row: row.expiry.ends)
    return TimeLine(tuple(rows), ticks, _NOW, max(seen for _, _, seen in found))


def _found(report: Report) -> Iterator[tuple[Expiry, Verdict, datetime]]:
    times = {
        host.name: host.observed for host in report.site.hosts if host.origin != "live" and host.observed
    }
    latest = max(times.values(), default=report.run.started)
    seen: set[tuple[Expiry, str]] = set()
    for one in report.verdicts:
        for expiry in one.expiries:
            if (expiry, one.host) not in seen:
                seen.add((expiry, one.host))
                yield expiry, one, times.get(one.host, latest)


def _days(expiry: Expiry, seen: datetime) -> float:
    return (expiry.ends - seen).total_seconds() / _DAY


def _place(days: float, most: float) -> float:
    if days < 0:
        return round(_NOW * (1 - min(1.0, math.log1p(-days) / math.log1p(_PAST_DAYS))), 2)
    return round(_NOW + (98 - _NOW) * math.log1p(days) / math.log1p(most), 2)


def _in_words(days: float, language: str) -> str:
    size = abs(days)
    unit, text = next((unit, text) for least, unit, text in _UNITS if size >= least)
    span = text.in_language(language).format(n=int(size / unit))
    return (_AGO if days < 0 else _IN).in_language(language).format(span=span)
