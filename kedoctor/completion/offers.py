"""Which words go on from what was typed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from kedoctor.completion import lookups

__all__ = ["FILES", "Offer", "offers"]

FILES = "\0files"
"""The word that stands for names of files."""


class Offer(NamedTuple):
    """A word, and what it means in English."""

    word: str
    meaning: str = ""


_SOURCES: Mapping[str, Callable[[], Iterable[tuple[str, str]]]] = {
    "codes": lookups.codes,
    "runs": lookups.runs,
    "sides": lambda: [("latest", "the latest run"), ("now", "this site as it is now"), *lookups.runs()],
    "repairs": lookups.repairs,
    "nodes": lookups.nodes,
    "files": lambda: [(FILES, "")],
}


def offers(words: Sequence[str]) -> list[Offer]:
    """What may stand for the last of these words (which may be empty); the first follows ``kedoctor``."""
    *before, last = _joined(words) or [""]
    place = _walk(before)
    option, equals, value = last.partition("=")
    if place.awaits:
        found = _values(place.awaits)
    elif equals and option.startswith("--"):
        named = place.options.get(option)
        found = (
            Offer(f"{option}={word}", meaning) for word, meaning in _values(named or {}) if word != FILES
        )
        value = last
    elif last.startswith("-"):
        found = (Offer(name, one["help"]) for name, one in place.options.items())
    else:
        found = place.words()
    start = value if equals and option.startswith("--") and not place.awaits else last
    return [one for one in found if one.word == FILES or one.word.startswith(start)]


class _Place:
    """Where the words lead: a command, and how many of its arguments are there."""

    def __init__(self, command: Mapping[str, Any]) -> None:
        self.command = command
        self.given = 0
        self.awaits: Mapping[str, Any] = {}

    @property
    def options(self) -> dict[str, Mapping[str, Any]]:
        return {name: one for one in self.command["options"] for name in one["names"]}

    def words(self) -> Iterator[Offer]:
        yield from (Offer(name, one["help"]) for name, one in self.command["commands"].items())
        arguments = self.command["arguments"]
        if arguments:
            yield from _values(arguments[min(self.given, len(arguments) - 1)])


def _walk(words: Iterable[str]) -> _Place:
    place = _Place(_index())
    for word in words:
        if place.awaits:
            place.awaits = {}
        elif word.startswith("-"):
            named = place.options.get(word, {})
            place.awaits = named if named.get("takes") else {}
        elif word in place.command["commands"]:
            place = _Place(place.command["commands"][word])
        else:
            place.given += 1
    return place


def _values(named: Mapping[str, Any]) -> Iterator[Offer]:
    yield from (Offer(word) for word in named.get("values", ()))
    yield from (Offer(*one) for one in _SOURCES.get(named.get("source", ""), list)())


def _joined(words: Sequence[str]) -> list[str]:
    """Bash parts ``--name=value`` at the sign."""
    joined: list[str] = []
    for word in words:
        glued = joined and joined[-1].startswith("--") and (word == "=" or joined[-1].endswith("="))
        if glued:
            joined[-1] += word
        else:
            joined.append(word)
    return joined


@cache
def _index() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(__file__).parent / "index.json").read_bytes())
    return found
