"""Who watches a gate: tells on standard error what it does and what it waits for."""

from __future__ import annotations

from contextlib import suppress

from kedoctor.base.text import Text
from kedoctor.cli import telling
from kedoctor.cli.progress_line import WaitingLine

__all__ = ["GateDesk"]


class GateDesk:
    """Tells on standard error; what is waited for stands on one line that is overwritten."""

    def __init__(self, language: str, line: WaitingLine) -> None:
        self._language = language
        self._line = line
        self._doing = ""

    def say(self, sentence: Text) -> None:
        """Says it."""
        self._line.wipe()
        self._echo(sentence.in_language(self._language))

    def doing(self, sentence: Text) -> None:
        """Says what is being done."""
        words = sentence.in_language(self._language)
        if words != self._doing:
            self._doing = words
            self._line.wipe()
            self._echo(f"  … {words}")

    def waits(self, names: tuple[str, ...], seconds_left: float) -> None:
        """Shows what is waited for."""
        self._line.waits(names, seconds_left)

    def _echo(self, words: str) -> None:
        # That nobody listens any more must not keep the pods from being removed.
        with suppress(OSError):
            telling.say(words, err=True)
