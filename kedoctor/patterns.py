"""The only module that imports ``re``: every pattern of the product is compiled here, so that all of them can be measured.

kedoctor reads what anybody may have written, as root, so no pattern should need more than linear time. Python's own
engine goes back and forth where it is let, so patterns here say where they may not: no repeat of a repeat, ends to
what is repeated behind a word that may come again (``.{0,300}``), a look behind where a match may begin, and
possessive repeats (``*+``). ``tests/unit/patterns`` measures every one of them.

google-re2 is linear by construction, has wheels for amd64 and arm64, and is not used: patterns here look behind and ahead,
are possessive and refer back to groups, which RE2 refuses, and so may those of plugins. Patterns that are measured do
not need a second engine on every edge.
"""

from __future__ import annotations

import re
from re import Match, Pattern, RegexFlag, error, escape
from typing import AnyStr

__all__ = [
    "ASCII",
    "DOTALL",
    "IGNORECASE",
    "LONGEST_GAP",
    "MULTILINE",
    "NOFLAG",
    "VERBOSE",
    "Match",
    "Pattern",
    "RegexFlag",
    "bounded",
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

LONGEST_GAP = 400
"""Characters that may stand between two words of a text in a table."""

_LOOKS_AHEAD = ("(?=.*", "(?!.*")
_LOOK = 5
_LINE_START = "(?m:^)"

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


def bounded(pattern: str, most: int = LONGEST_GAP) -> str:
    """The pattern with an end to every repeat: what is written ``*``, ``+`` or ``{2,}`` takes ``most`` at the most.

    For tables of texts that people write: a gap (``.*``) behind words that come again and again would else be looked
    through to the end of the line from each of them. A repeat that ends a whole alternative stays as it is. An
    alternative that begins with a look at all that follows (``(?=.*edge)``) is tried once a line, at its beginning.
    """
    out: list[str] = []
    at, first, in_class, depth = 0, 0, False, 0
    begins, anchored = True, False
    while at < len(pattern):
        sign = pattern[at]
        if depth == 0 and begins and pattern.startswith(_LOOKS_AHEAD, at):
            out.append(_LINE_START)
            anchored = True
        if anchored and depth == 0 and pattern.startswith(_LOOKS_AHEAD, at):
            out.append(pattern[at : at + _LOOK])
            at, depth, begins = at + _LOOK, 1, False
            continue
        begins = depth == 0 and sign == "|" and not in_class
        anchored = anchored and not begins
        if sign == "\\":
            out.append(pattern[at : at + 2])
            at += 2
            continue
        if in_class:
            in_class = not (sign == "]" and at > first)
        elif sign == "[":
            in_class, first = True, at + 1 + (pattern[at + 1 : at + 2] == "^")
        elif sign in "()":
            depth += 1 if sign == "(" else -1
        elif sign in "*+" and depth == 0 and pattern[at + 1 : at + 2] in ("", "|"):
            pass  # nothing comes after it, so it goes to the end of the line once
        elif sign in "*+" and not (out and out[-1].endswith("}")):
            sign = f"{{{0 if sign == '*' else 1},{most}}}"
        elif sign == "}" and pattern[at - 1] == ",":
            sign = f"{most}}}"
        out.append(sign)
        at += 1
    return "".join(out)


def known() -> list[Pattern[str] | Pattern[bytes]]:
    """Every pattern that was compiled so far."""
    return list(_KNOWN.values())
