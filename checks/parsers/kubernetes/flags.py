"""Command-line flags of Go programs, as they are written in a container's ``args``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from kedoctor.api import patterns

__all__ = ["duration", "flags", "switched_on"]

_PART = patterns.compiled(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|h|m|s)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})


def flags(arguments: Sequence[str]) -> dict[str, str]:
    """Flags by name without dashes; the last of equal ones wins, one without a value has the value ``true``.

    ``--port 4443`` is read as a value only when the next word is not a flag, as pflag does for every flag that is
    not boolean; what follows ``--`` is not a flag.
    """
    found: dict[str, str] = {}
    words = list(arguments)
    for place, word in enumerate(words):
        if word == "--":
            break
        if not word.startswith("-"):
            continue
        name, equals, value = word.lstrip("-").partition("=")
        following = words[place + 1] if place + 1 < len(words) else "-"
        if not equals:
            value = "true" if following.startswith("-") else following
        if name:
            found[name] = value
    return found


def switched_on(value: str | None) -> bool:
    """Whether a boolean flag is on: absent is off, any value that Go does not take for true is off."""
    return value in _TRUE


def duration(text: str) -> timedelta | None:
    """A Go duration (``15s``, ``1m30s``); ``None`` when it is none."""
    rest, seconds = text, 0.0
    while rest:
        part = _PART.match(rest)
        if part is None:
            return None
        seconds += float(part[1]) * _SECONDS[part[2]]
        rest = rest[part.end() :]
    return timedelta(seconds=seconds) if text else None
