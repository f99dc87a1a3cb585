"""What is being waited for, on standard error: one line that is overwritten, or one line for each change."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from kedoctor.base.text import Text
from kedoctor.cli import telling

__all__ = ["WaitingLine", "waiting_line"]

SHOWN = 4

_WAITS = Text("waiting for {names} ({seconds:.0f} s left)", zh="等待 {names}（剩余 {seconds:.0f} 秒）")
_MORE = Text("and {n} more", zh="另有 {n} 项")


class WaitingLine:
    """Tells a person at a terminal, or a log, what is not right yet."""

    def __init__(self, language: str, *, terminal: bool) -> None:
        self._language = language
        self._terminal = terminal
        self._said: tuple[str, ...] = ()

    def waits(self, names: tuple[str, ...], seconds_left: float) -> None:
        """Overwrites the line; where there is no terminal, says it only when it is something else than before."""
        if self._terminal:
            self._write(f"\r\x1b[K{_cut(self._words(names, seconds_left))}")
        elif names != self._said:
            self._write(f"{self._words(names, seconds_left)}\n")
        self._said = names

    def wipe(self) -> None:
        """Leaves no half line behind."""
        if self._terminal and self._said:
            self._write("\r\x1b[K")

    def _words(self, names: tuple[str, ...], seconds: float) -> str:
        more = len(names) - SHOWN
        shown = [*names[:SHOWN], _MORE.in_language(self._language).format(n=more)] if more > 0 else [*names]
        return _WAITS.in_language(self._language).format(names="; ".join(shown), seconds=seconds)

    def _write(self, text: str) -> None:
        # That nobody listens any more is no reason to stop waiting.
        with suppress(OSError):
            telling.say(text, nl=False, err=True)


def _cut(words: str) -> str:
    """As much as fits on one line of the terminal: a line that wraps cannot be overwritten."""
    width = shutil.get_terminal_size((100, 40)).columns
    wide = sum(1 for letter in words if letter >= "\u2e80")  # Chinese takes two columns
    return words[: max(10, width - 1 - wide)]


@contextmanager
def waiting_line(language: str) -> Iterator[WaitingLine]:
    """The line of this terminal (or pipe), wiped at the end."""
    line = WaitingLine(language, terminal=sys.stderr.isatty())
    try:
        yield line
    finally:
        line.wipe()
