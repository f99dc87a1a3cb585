"""The only module that imports ``re``: every pattern of the product is compiled here, so that a test can measure them all.

kedoctor reads what anybody may have written, as root. No pattern may need more than linear time on any text:
``tests/unit/test_patterns.py`` feeds each one texts made from the pattern itself and bounds how the time grows. Python's own
engine goes back and forth where it is let, so patterns here say where they may not: no repeat of a repeat, ends to
what is repeated behind a word that may come again (``.{0,300}``), a look behind where a match may begin, and
possessive repeats (``*+``).
"""

from __future__ import annotations

import re
from re import Match, Pattern, RegexFlag, error, escape
from typing import AnyStr

__all__ = [
    "ASCII",
    "DOTALL",
    "IGNORECASE",
    "MULTILINE",
    "NOFLAG",
    "VERBOSE",
    "Match",
    "Pattern",
    "RegexFlag",
    "compiled",
    "error",
    "escape",
    "known",
]

ASCII = RegexFlag.ASCII
DOTALL = RegexFlag.DOTALL
IGNORECASE = RegexFlag.IGNORECASE
MULTILINE = RegexFlag.MULTILINE
NOFLAG = RegexFlag.NOFLAG
VERBOSE = RegexFlag.VERBOSE

_MOST = 2000  # those of the product are far fewer; patterns that come from arguments must not fill the memory
_KNOWN: dict[tuple[str | bytes, int], Pattern[str] | Pattern[bytes]] = {}


def compiled(pattern: AnyStr, flags: RegexFlag = NOFLAG) -> Pattern[AnyStr]:
    """The pattern, compiled once.

    Raises:
        error: it is no regular expression.
    """
    found = _KNOWN.get((pattern, int(flags)))
    if found is None:
        if len(_KNOWN) >= _MOST:
            _KNOWN.clear()
        found = _KNOWN[pattern, int(flags)] = re.compile(pattern, flags)
    return found  # type: ignore[return-value]


def known() -> list[Pattern[str] | Pattern[bytes]]:
    """Every pattern that was compiled so far."""
    return list(_KNOWN.values())
