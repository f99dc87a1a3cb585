"""Bounded memory for what may be endless, and text that every document can hold."""

from __future__ import annotations

import os

__all__ = ["Kept", "printable"]


class Kept:
    """The first (or, with ``keep_end``, the last) ``limit`` bytes of a stream; ``cut`` when there were more."""

    __slots__ = ("cut", "data", "keep_end", "limit")

    def __init__(self, limit: int, *, keep_end: bool = False) -> None:
        self.limit = limit
        self.keep_end = keep_end
        self.data = bytearray()
        self.cut = False

    def add(self, piece: bytes) -> None:
        """Takes the next bytes of the stream."""
        self.data += piece
        surplus = len(self.data) - self.limit
        if surplus > 0:
            self.cut = True
            del self.data[slice(surplus) if self.keep_end else slice(self.limit, None)]

    def text(self) -> str:
        """What was kept, as UTF-8; what is not UTF-8 becomes U+FFFD."""
        return self.data.decode("utf-8", errors="replace")


def printable(name: str) -> str:
    r"""A name from the operating system as valid Unicode; bytes that are not UTF-8 are written ``\xff``.

    Names that Python cannot decode hold lone surrogates, which no JSON document may contain.
    """
    return name if name.isascii() else os.fsencode(name).decode("utf-8", errors="backslashreplace")
