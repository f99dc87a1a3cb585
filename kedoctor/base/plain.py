"""Text from a site without what a reader would obey instead of show."""

from __future__ import annotations

from kedoctor import patterns

__all__ = ["plain"]

# Control characters but tab and line feed, halves of characters, what is not a character, and what turns the direction
# of writing: a terminal would move its cursor, XML forbids some of them, and an editor would show another order.
_OBEYED = patterns.compiled(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)


def plain(text: str) -> str:
    """The text with one sort of line end, everything else of that kind replaced by U+FFFD."""
    return _OBEYED.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n").replace("\r", "\n"))
