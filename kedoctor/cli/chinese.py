"""The Chinese of help texts and usage errors, found by the English one; imported only where Chinese is spoken."""

from __future__ import annotations

from functools import cache

from kedoctor import patterns
from kedoctor.cli.chinese_errors import ERRORS
from kedoctor.cli.chinese_help import HELP

__all__ = ["error", "help_text"]


def help_text(text: str) -> str:
    """A help text; one that is unknown stays English."""
    flat = "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))
    return HELP.get(flat, text)


def error(text: str) -> str:
    """An error or a hint: what it names stays as it is, its words are Chinese where they are known."""
    for pattern, chinese in _known():
        found = pattern.fullmatch(text)
        if found:
            return chinese.format(*(error(one) for one in found.groups()))
    return text


@cache
def _known() -> list[tuple[patterns.Pattern[str], str]]:
    """Each known error as a pattern; those that say most in words first."""
    made = []
    for english, chinese in sorted(ERRORS.items(), key=lambda one: -len(one[0].replace("{}", ""))):
        parts = "(.+?)".join(patterns.escape(part) for part in english.split("{}"))
        made.append((patterns.compiled(parts, patterns.DOTALL), chinese))
    return made
