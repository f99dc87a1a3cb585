"""How a text cites a document: its file name, then sections, rows, or both.

======================================  ======================================================================
``facts.md``                            the document
``facts.md §3.5, §4``                   sections, by the number in their headings
``facts.md §10 (31, 35-38)``            rows of a table, or items of a list, in a section
``notes.md case f1``, ``cases a and b``  items of a section without a number, by the first word of its heading
``notes.md ports``                      such a section as a whole
``notes.md B43``, ``R091-R097``         rows whose first cell is this, wherever they are
======================================  ======================================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kedoctor import patterns
from kedoctor.base.records import Record

__all__ = ["Citation", "citations_in", "unwrapped"]

_DOCUMENT = patterns.compiled(r"(?<![\w/.-])([a-z][a-z0-9_-]*\.md)\b")
_FIRST = patterns.compiled(r",? ")
_NEXT = patterns.compiled(r", (?:and )?| and ")
_NUMBER = patterns.compiled(r"§(\d+(?:\.\d+)*)(?: \((\w+(?:(?:, |-)\w+)*)\))?")
_ROW = patterns.compiled(r"[A-Z]{1,3}\d+(?:-[A-Z]{0,3}\d+)?\b")
_ITEM = patterns.compiled(r"(?:\d+(?:-\d+)?|[a-z]\d?|[a-z]+-[a-z]+)(?![\w-])(?!\.\d)")
_WRAP = patterns.compiled(r"(?<![ \t])[ \t]*+\n[ \t]*+(?:#:?[ \t]++)?")
_RANGE = patterns.compiled(r"([A-Za-z]*)(\d+)-[A-Za-z]*(\d+)")


class Citation(Record, frozen=True):
    """One place in one document; ``str()`` is how it is written.

    ``number`` is a section's number, ``name`` the word that names a section without one; both empty: the whole
    document. ``items`` are rows or list items there, ranges spelt out.
    """

    document: str
    number: str = ""
    name: str = ""
    items: tuple[str, ...] = ()

    def __str__(self) -> str:
        listed = ", ".join(self.items)
        if self.number:
            return f"{self.document} §{self.number}" + (f" ({listed})" if listed else "")
        name = f"{self.name}s" if self.name and len(self.items) != 1 else self.name
        return " ".join(part for part in (self.document, name, listed) if part)


def unwrapped(text: str) -> str:
    """``text`` in one line, without the marks of a comment, so that a citation is whole where a line ended in it."""
    return _WRAP.sub(" ", text)


def citations_in(text: str, documents: Mapping[str, Iterable[str]]) -> Iterable[tuple[Citation, int, int]]:
    """The citations in a line, each with where it starts and ends.

    ``documents`` are the names of the documents that count, each with the words that name its sections.
    """
    for found in _DOCUMENT.finditer(text):
        if found[1] in documents:
            yield from _places(text, found, tuple(documents[found[1]]))


def _places(
    text: str, found: patterns.Match[str], names: tuple[str, ...]
) -> Iterable[tuple[Citation, int, int]]:
    place, separator, seen = found.end(), _FIRST, False
    while between := separator.match(text, place):
        read = _place(text, between.end(), found[1], names)
        if read is None:
            break
        citation, end = read
        yield citation, place if seen else found.start(), end
        place, separator, seen = end, _NEXT, True
    if not seen:
        yield Citation(found[1]), found.start(), found.end()


def _place(text: str, start: int, document: str, names: tuple[str, ...]) -> tuple[Citation, int] | None:
    if section := _NUMBER.match(text, start):
        return Citation(document, number=section[1], items=_spelt(section[2] or "")), section.end()
    if row := _ROW.match(text, start):
        return Citation(document, items=_spelt(row[0])), row.end()
    for name in names:
        if word := patterns.compiled(rf"{patterns.escape(name)}s?\b", patterns.IGNORECASE).match(text, start):
            items, end = _items(text, word.end())
            return Citation(document, name=name, items=items), end
    return None


def _items(text: str, place: int) -> tuple[tuple[str, ...], int]:
    found: list[str] = []
    separator = patterns.compiled(" ")
    while between := separator.match(text, place):
        item = _ITEM.match(text, between.end())
        if item is None:
            break
        found.extend(_spelt(item[0]))
        place, separator = item.end(), _NEXT
    return tuple(found), place


def _spelt(listed: str) -> tuple[str, ...]:
    """``1, 13-16`` as ``1 13 14 15 16``; ``R091-R093`` likewise."""
    found: list[str] = []
    for one in filter(None, listed.split(", ")):
        if spread := _RANGE.fullmatch(one):
            low, high = int(spread[2]), int(spread[3])
            found.extend(f"{spread[1]}{number:0{len(spread[2])}}" for number in range(low, high + 1))
        else:
            found.append(one)
    return tuple(found)
