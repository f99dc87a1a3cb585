"""The answer to a shell, as its script reads it."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence

from kedoctor.completion.offers import FILES, Offer, offers

__all__ = ["ENVIRONMENT", "SHELLS", "answered", "for_kubectl", "main", "tell_shell"]

ENVIRONMENT = "KEDOCTOR_COMPLETE"
SHELLS = ("bash", "zsh", "fish")

_NO_FILES, _FILES = 4, 0  # cobra's directives, which kubectl reads


def answered(shell: str, words: Sequence[str]) -> str:
    """The words for a shell, one a line, with their meaning behind a tab (bash: without); ``:files`` for files."""
    found = offers(words)
    lines = [_line(one, told=shell != "bash") for one in found]
    return "".join(f"{line}\n" for line in lines)


def for_kubectl(words: Sequence[str]) -> str:
    """As kubectl wants it of a plugin's ``kubectl_complete-NAME``: words, and a number that says whether files do, too."""
    found = offers(words)
    lines = [_line(one, told=True) for one in found if one.word != FILES]
    files = any(one.word == FILES for one in found)
    return "".join(f"{line}\n" for line in [*lines, f":{_FILES if files else _NO_FILES}"])


def tell_shell() -> None:
    """Answers the shell that ``KEDOCTOR_COMPLETE`` names, and ends the process."""
    _end(answered(os.environ[ENVIRONMENT], sys.argv[1:]))


def main() -> None:
    """``kubectl_complete-kedoctor``."""
    _end(for_kubectl(sys.argv[1:]))


def _end(text: str) -> None:
    with contextlib.suppress(OSError):
        os.write(1, text.encode(errors="replace"))
    os._exit(0)


def _line(one: Offer, *, told: bool) -> str:
    if one.word == FILES:
        return ":files"
    word, meaning = (" ".join(text.split()) for text in (one.word, one.meaning))
    return f"{word}\t{meaning}" if told and meaning else word
