"""The Chinese of help texts and usage errors, found by the English one; imported only where Chinese is spoken."""

from __future__ import annotations

from functools import cache

from kedoctor.base.phrases import Phrasebook
from kedoctor.cli.chinese_errors import ERRORS
from kedoctor.cli.chinese_help import HELP

__all__ = ["error", "help_text"]


def help_text(text: str) -> str:
    """A help text; one that is unknown stays English."""
    flat = "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))
    return HELP.get(flat, text)


def error(text: str) -> str:
    """An error or a hint: what it names stays as it is, its words are Chinese where they are known."""
    return _errors().said(text)


@cache
def _errors() -> Phrasebook:
    return Phrasebook(ERRORS)
