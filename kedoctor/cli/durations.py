"""Lengths of time as options and the configuration write them."""

from __future__ import annotations

from kedoctor import patterns
from kedoctor.base.errors import UsageError

__all__ = ["duration"]


def duration(text: str) -> float:
    """Seconds in ``90``, ``90s``, ``5m`` or ``1h``.

    Raises:
        UsageError: it is none of these.
    """
    found = patterns.compiled(r"(\d+(?:\.\d+)?)(s|m|h)?").fullmatch(text.strip())
    if not found:
        raise UsageError(f"{text!r} is not a valid duration", hint="write it as 90s, 5m or 1h")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600, None: 1}[found[2]]
