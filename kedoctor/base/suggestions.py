"""Mistyped words: what somebody may have meant."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["did_you_mean", "nearest"]


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that is most like ``word``, whatever its case; empty if none is like it."""
    import difflib  # noqa: PLC0415  only a mistyped word needs it

    folded = {one.lower(): one for one in known}
    found = difflib.get_close_matches(word.lower(), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` for the end of a sentence about an unknown word, or nothing."""
    near = nearest(word, known)
    return f"; did you mean {near!r}?" if near else ""
