"""The Date that a server sends, whatever it sends there."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

__all__ = ["http_date"]


def http_date(text: str | None) -> datetime | None:
    """The time in aware UTC; ``None`` if it is absent, no date, or one that no calendar of ours reaches."""
    try:
        found = parsedate_to_datetime((text or "")[:100])
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
