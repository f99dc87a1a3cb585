"""Words of which every match of a regular expression contains one, so that most lines need not be searched at all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from kedoctor.api import patterns

__all__ = ["common_parts", "fixed_words"]

_PART = 6
_SHORTEST = 4  # shorter words occur everywhere and save nothing
_PLAIN = patterns.compiled(r"[A-Za-z0-9 ,:;/_@=%<>'\"-]")


def fixed_words(pattern: str) -> tuple[str, ...]:
    """For each alternative of ``pattern`` its longest fixed text, in lower case; empty if one has none.

    Only what stands outside groups counts.
    """
    words: list[str] = []
    runs = [""]
    at, depth = 0, 0
    while at < len(pattern):
        sign = pattern[at]
        if sign == "|" and depth == 0:
            words.append(max(runs, key=len))
            runs = [""]
        elif sign == "[":
            at = _class_end(pattern, at)
            runs.append("")
        elif sign == "\\":
            at += 1
            runs = _with_escape(runs, pattern[at], outside=depth == 0)
        elif sign in "()":
            depth += 1 if sign == "(" else -1
            runs.append("")
        elif sign in "?*{":
            runs[-1:] = [runs[-1][:-1], ""]  # what it repeats may be absent
            at = pattern.index("}", at) if sign == "{" else at
        elif depth == 0 and _PLAIN.match(sign):
            runs[-1] += sign
        else:
            runs.append("")
        at += 1
    words.append(max(runs, key=len))
    return tuple(word.lower() for word in words) if min(map(len, words)) >= _SHORTEST else ()


def common_parts(words: Iterable[str]) -> tuple[str, ...]:
    """Few short texts of which every word contains at least one: quicker to look for than all the words."""
    left = set(words)
    parts: list[str] = []
    while left:
        holders: dict[str, list[str]] = defaultdict(list)
        for word in left:
            for part in {word[at : at + _PART] for at in range(max(1, len(word) - _PART + 1))}:
                holders[part].append(word)
        best = max(holders, key=lambda part: (len(holders[part]), part))
        parts.append(best)
        left.difference_update(holders[best])
    return tuple(parts)


def _with_escape(runs: list[str], escaped: str, *, outside: bool) -> list[str]:
    plain = outside and not escaped.isalnum()
    return [*runs[:-1], runs[-1] + escaped] if plain else [*runs, ""]


def _class_end(pattern: str, at: int) -> int:
    """Where a character class that begins at ``at`` ends."""
    end = at + 2 if pattern[at + 1] == "^" else at + 1
    if pattern[end] == "]":
        end += 1
    while pattern[end] != "]":
        end += 2 if pattern[end] == "\\" else 1
    return end
