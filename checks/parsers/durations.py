"""Spans of time as a person says them."""

from __future__ import annotations

from datetime import datetime, timedelta

from kedoctor.api import Text

__all__ = ["ago", "span"]

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
