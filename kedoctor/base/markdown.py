"""Markdown as a few kinds of blocks, for those who show a page. The only module that imports markdown_it.

HTML within it stays text, so nothing of a page is obeyed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from markdown_it import MarkdownIt

__all__ = ["Block", "Code", "Heading", "Items", "Paragraph", "Span", "Table", "blocks"]


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a line: ``style`` is empty, ``code``, ``strong`` or ``em``; ``link`` is where it leads."""

    text: str
    style: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of level 1 to 6."""

    level: int
    spans: tuple[Span, ...]
    kind: str = "heading"


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text; line ends within it are spaces."""

    spans: tuple[Span, ...]
    kind: str = "paragraph"


@dataclass(frozen=True, slots=True)
class Code:
    """A block that is shown as it stands."""

    text: str
    kind: str = "code"


@dataclass(frozen=True, slots=True)
class Items:
    """A list; each item is a sequence of blocks."""

    ordered: bool
    items: tuple[tuple[Block, ...], ...]
    kind: str = "items"


@dataclass(frozen=True, slots=True)
class Table:
    """A table: the cells of its head, and of each row."""

    head: tuple[tuple[Span, ...], ...]
    rows: tuple[tuple[tuple[Span, ...], ...], ...]
    kind: str = "table"


Block = Heading | Paragraph | Code | Items | Table
_STYLES = {"strong_open": "strong", "em_open": "em"}


def blocks(text: str) -> tuple[Block, ...]:
    """The blocks of a Markdown text (CommonMark with tables), in their order."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    return tuple(_blocks(iter(parser.parse(text))))


def _blocks(tokens: Iterator[Any], until: str = "") -> Iterator[Block]:
    for token in tokens:
        kind = token.type
        if kind == until:
            return
        if kind == "heading_open":
            yield Heading(int(token.tag[1:]), _inline(tokens, "heading_close"))
        elif kind == "paragraph_open":
            yield Paragraph(_inline(tokens, "paragraph_close"))
        elif kind in ("code_block", "fence"):
            yield Code(token.content.rstrip("\n"))
        elif kind in ("bullet_list_open", "ordered_list_open"):
            end = kind.replace("open", "close")
            yield Items(kind.startswith("ordered"), tuple(_items(tokens, end)))
        elif kind == "table_open":
            yield _table(tokens)
        elif kind == "blockquote_open":
            yield from _blocks(tokens, "blockquote_close")


def _items(tokens: Iterator[Any], until: str) -> Iterator[tuple[Block, ...]]:
    for token in tokens:
        if token.type == until:
            return
        if token.type == "list_item_open":
            yield tuple(_blocks(tokens, "list_item_close"))


def _inline(tokens: Iterator[Any], until: str) -> tuple[Span, ...]:
    found: tuple[Span, ...] = ()
    for token in tokens:
        if token.type == until:
            break
        if token.type == "inline":
            found = tuple(_spans(token.children or ()))
    return found


def _spans(children: Sequence[Any]) -> Iterator[Span]:
    styles: list[str] = []
    link = ""
    before = ""
    for at, child in enumerate(children):
        if child.type in ("softbreak", "hardbreak"):
            after = next((one.content for one in children[at + 1 :] if one.content), "")
            # Chinese has no spaces between words, so none at the end of a line.
            if not (_wide(before[-1:]) or _wide(after[:1])):
                yield Span(" ")
            continue
        before = child.content or before
        if child.type in _STYLES:
            styles.append(_STYLES[child.type])
        elif child.type in ("strong_close", "em_close"):
            styles.pop()
        elif child.type == "link_open":
            link = str(child.attrs.get("href", ""))
        elif child.type == "link_close":
            link = ""
        elif child.type == "code_inline":
            yield Span(child.content, "code", link)
        elif child.content:
            yield Span(child.content, styles[-1] if styles else "", link)


def _wide(sign: str) -> bool:
    return sign >= "\u2e80"


def _table(tokens: Iterator[Any]) -> Table:
    rows: list[tuple[tuple[Span, ...], ...]] = []
    cells: list[tuple[Span, ...]] = []
    for token in tokens:
        if token.type == "table_close":
            break
        if token.type == "tr_open":
            cells = []
        elif token.type in ("th_open", "td_open"):
            cells.append(_inline(tokens, token.type.replace("open", "close")))
        elif token.type == "tr_close":
            rows.append(tuple(cells))
    return Table(rows[0] if rows else (), tuple(rows[1:]))
