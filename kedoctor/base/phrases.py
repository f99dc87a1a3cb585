"""Sentences with gaps, found again in a text by their words and said in another language."""

from __future__ import annotations

from collections.abc import Collection, Mapping

__all__ = ["Phrasebook", "gaps"]

_DEEPEST = 4
"""Sentences within sentences; what holds more was not written by kedoctor."""


def gaps(words: tuple[str, ...], text: str) -> list[str] | None:
    """What fills the gaps between ``words`` in a text, each at least one character; ``None`` if it does not fit.

    It takes time in proportion to the length of the text: each piece is looked for once, behind the one before it.
    """
    first, last = words[0], words[-1]
    if len(words) == 1:
        return [] if text == first else None
    place, end = len(first), len(text) - len(last)
    if end - place < len(words) - 1 or not text.startswith(first) or not text.endswith(last):
        return None
    found: list[str] = []
    for piece in words[1:-1]:
        at = text.find(piece, place + 1, end)
        if at < 0:
            return None
        found.append(text[place:at])
        place = at + len(piece)
    return [*found, text[place:end]] if place < end else None


class Phrasebook:
    """Sentences by their words in English; ``{}`` stands for what they name, which may be such a sentence itself.

    ``joints`` are phrases of punctuation alone: they hold only where a sentence in them is known.
    """

    def __init__(self, phrases: Mapping[str, str], joints: Collection[str] = ()) -> None:
        self._exact = phrases
        self._joints = joints
        most_words_first = sorted(phrases, key=lambda one: -len(one.replace("{}", "")))
        self._open = [(tuple(one.split("{}")), phrases[one]) for one in most_words_first if "{}" in one]

    def said(self, text: str, *, depth: int = _DEEPEST) -> str:
        """The text in the other language; what is not known stays as it is."""
        exact = self._exact.get(text)
        if exact is not None or depth == 0:
            return exact or text
        for words, other in self._open:
            found = gaps(words, text)
            if found is not None:
                parts = [self.said(one, depth=depth - 1) for one in found]
                if other not in self._joints or parts != found:
                    return other.format(*parts)
        return text
