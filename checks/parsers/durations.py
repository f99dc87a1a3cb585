"""Spans of time and dates as a person says them, and how soon an end is near."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from kedoctor.api import Text

__all__ = ["SOON", "ago", "day", "span"]

SOON = timedelta(days=30)
"""A certificate that ends within this time is worth a warning."""

_UNITS = ((86400, "day", "天"), (3600, "hour", "小时"), (60, "minute", "分钟"), (1, "second", "秒"))


def span(length: timedelta) -> Text:
    """``3 minutes``, ``9 days``: the largest unit of which there are at least two (or one second)."""
    seconds = max(0, round(length.total_seconds()))
    for size, en, zh in _UNITS:
        count = seconds // size
        if count >= 2 or size == 1:
            return Text(f"{count} {en}{'' if count == 1 else 's'}", zh=f"{count} {zh}")
    raise AssertionError("seconds are the last unit")


def ago(now: datetime, then: datetime) -> Text:
    """``3 minutes ago``; a time in the future is told as such, because clocks may differ."""
    if then > now:
        ahead = span(then - now)
        return Text(f"{ahead.en} in the future", zh=f"{ahead.zh}之后（时钟不一致）")
    past = span(now - then)
    return Text(f"{past.en} ago", zh=f"{past.zh}前")


def day(moment: datetime) -> str:
    """A moment as certificates are dated: ``2026-11-22 03:40:29 UTC``."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
