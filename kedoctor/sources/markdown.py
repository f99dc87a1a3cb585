"""The parts of a Markdown document that a citation can name: sections, rows of tables, items of lists."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from kedoctor import patterns

__all__ = ["Document", "Heading", "cells", "plain"]

_HEADING = patterns.compiled(r"(#{1,6}) (.*)")
_NUMBERED = patterns.compiled(r"(\d+(?:\.\d+)*)\.?\s+(.*)")
_LISTED = patterns.compiled(r"(\d+)\. ")
_CELL = patterns.compiled(r"(?<!\\)\|")
_LINK = patterns.compiled(r"\[([^\[\]]{0,400})\]\([^()]{0,400}\)")
_CODE = patterns.compiled(r"`[^`]*`")
_PUT_BY = patterns.compiled("\0(\\d+)\0")
_STARS = patterns.compiled(r"\*\*(.+?)\*\*|(?<!\*)\*(?!\s)([^*]+?)(?<!\s)\*(?!\*)")
_SHORTEST_NAME = 4


class Heading:
    """A heading and the lines under it, from 0; ``number`` is empty where it has none.

    ``end`` is the line after its section, ``own_end`` the line after what stands before its first subsection.
    """

    def __init__(self, level: int, text: str, line: int) -> None:
        self.level, self.line, self.end, self.own_end = level, line, 0, 0
        numbered = _NUMBERED.fullmatch(text)
        self.number = numbered[1] if numbered else ""
        self.title = plain(numbered[2] if numbered else text)

    @property
    def name(self) -> str:
        """The word that names a section without a number: the first of its title, in the singular."""
        word = patterns.compiled(r"[A-Za-z]+").match(self.title)
        name = word[0].lower().removesuffix("s") if word and not self.number and self.level > 1 else ""
        return name if len(name) >= _SHORTEST_NAME else ""


class Document:
    """A Markdown file, read when it is first asked for something."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def lines(self) -> list[str]:
        """Its lines, without their ends.

        Raises:
            OSError: the file cannot be read.
        """
        return self.path.read_text(encoding="utf-8").splitlines()

    @cached_property
    def headings(self) -> list[Heading]:
        """Its headings in order; a ``#`` in a block of code is none."""
        found: list[Heading] = []
        fenced = False
        for number, line in enumerate(self.lines):
            fenced ^= line.startswith("```")
            if not fenced and (match := _HEADING.fullmatch(line)):
                found.append(Heading(len(match[1]), match[2], number))
        for place, heading in enumerate(found):
            later = (other.line for other in found[place + 1 :] if other.level <= heading.level)
            heading.end = next(later, len(self.lines))
            heading.own_end = found[place + 1].line if place + 1 < len(found) else len(self.lines)
        return found

    def rows(self, first: int, end: int) -> Iterator[tuple[str, int, int]]:
        """What can be named between two lines: its name, its line, and the line of its table's head (-1: a list)."""
        head = -1
        for place in range(first, end):
            line = self.lines[place]
            if line.startswith("|"):
                head = place if head < 0 else head
                if place > head + 1:
                    words = plain(cells(line)[0]).split()
                    yield words[0].strip("`:,") if words else "", place, head
                continue
            head = -1
            if listed := _LISTED.match(line):
                yield listed[1], place, -1


def cells(row: str) -> list[str]:
    """The cells of a table's row, trimmed; a bar after a backslash is part of its cell."""
    inner = row.strip().removeprefix("|").removesuffix("|")
    return [cell.strip().replace("\\|", "|") for cell in _CELL.split(inner)]


def plain(text: str) -> str:
    """A line without bold, italics and link targets; what stands in backticks is left as it is."""
    code: list[str] = []

    def put_by(found: patterns.Match[str]) -> str:
        code.append(found[0])
        return f"\0{len(code) - 1}\0"

    marked = _LINK.sub(r"\1", _CODE.sub(put_by, text))
    bare = _STARS.sub(lambda found: found[1] or found[2], marked)
    return _PUT_BY.sub(lambda found: code[int(found[1])], bare)
