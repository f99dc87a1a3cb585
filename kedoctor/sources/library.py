"""The documents of all plugins, and what a citation in a text leads to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property

from kedoctor import patterns
from kedoctor.model.references import Reference, Section, Shelf
from kedoctor.sources.citations import Citation, citations_in, unwrapped
from kedoctor.sources.markdown import Document, Heading, cells, plain

__all__ = ["CitationError", "Library"]

_URL = patterns.compiled(r"https?://[^\s,;)]+")
_FILE = patterns.compiled(r"(?<![\w./-])`?([\w./-]*[\w/-])(?::(\d{1,9})(?:-(\d{1,9}))?)?`?")
_LONGEST_TITLE = 90


class CitationError(ValueError):
    """A citation that leads nowhere; the message says what is missing."""


class Library:
    """The shelves of all plugins; a document is read when it is cited. Of two with one name the first counts."""

    def __init__(self, shelves: Iterable[Shelf]) -> None:
        self._shelves: dict[str, Shelf] = {}
        self.documents: dict[str, Document] = {}
        self.upstream: dict[str, str] = {}
        for shelf in shelves:
            for path in shelf.documents:
                self.documents.setdefault(path.name, Document(path))
                self._shelves.setdefault(path.name, shelf)
            self.upstream = {**shelf.upstream, **self.upstream}

    @cached_property
    def _upstream_files(self) -> patterns.Pattern[str]:
        names = "|".join(map(patterns.escape, self.upstream)) or r"(?!)"
        return patterns.compiled(rf"\b({names}): ({_FILE.pattern}(?:, {_FILE.pattern})*)")

    def citations(self, text: str) -> list[Citation]:
        """All citations in a text, which may be of many lines."""
        return [citation for citation, _, _ in self._cited(unwrapped(text))]

    def section(self, citation: Citation) -> Section:
        """What a citation names.

        Raises:
            CitationError: there is no such document, section or row, or the document cannot be read.
        """
        document = self.documents.get(citation.document)
        if document is None:
            raise CitationError(f"there is no document {citation.document!r}")
        try:
            return self._section(document, citation)
        except OSError as error:
            raise CitationError(f"{document.path} cannot be read: {error.strerror}") from error

    def references(self, text: str) -> list[Reference]:
        """What a text refers to, in its order, each once: sections, upstream files and addresses.

        Raises:
            CitationError: one of the sections does not exist.
        """
        return self._references(text, self.section)

    def resolved(self, texts: Iterable[str]) -> list[Reference]:
        """What several texts refer to, such as the ``references`` of a check; what is not found has no file and no url."""
        return list(dict.fromkeys(one for text in texts for one in self._references(text, self._if_there)))

    def _if_there(self, citation: Citation) -> Section:
        try:
            return self.section(citation)
        except CitationError:
            return Section(reference=Reference(citation=str(citation)), text="")

    def _references(self, text: str, section: Callable[[Citation], Section]) -> list[Reference]:
        line = unwrapped(text)
        found: list[tuple[int, Reference]] = [
            (start, section(citation).reference) for citation, start, _ in self._cited(line)
        ]
        for named in self._upstream_files.finditer(line):
            base = self.upstream[named[1]]
            files = _FILE.finditer(named[2])
            found.extend((named.start(2) + file.start(), _upstream(named[1], base, file)) for file in files)
        for url in _URL.finditer(line):
            address = url[0].rstrip(".")
            found.append((url.start(), Reference(citation=address, url=address)))
        return list(dict.fromkeys(one for _, one in sorted(found, key=lambda pair: pair[0])))

    def unread(self, text: str) -> str:
        """What of a text is not a reference, without the punctuation between references."""
        line = unwrapped(text)
        for start, end in sorted(((start, end) for _, start, end in self._cited(line)), reverse=True):
            line = line[:start] + line[end:]
        line = _URL.sub("", self._upstream_files.sub("", line))
        return line.strip(" .,;、，；。")

    def _cited(self, line: str) -> list[tuple[Citation, int, int]]:
        cited = {name: document for name, document in self.documents.items() if name in line}
        return list(citations_in(line, {name: _names(document) for name, document in cited.items()}))

    def _section(self, document: Document, citation: Citation) -> Section:
        heading = _heading(document, citation)
        first, end = (heading.line, heading.end) if heading else (0, len(document.lines))
        title = heading.title if heading else document.headings[0].title
        lines = document.lines[first:end]
        if citation.items:
            span = (first, heading.own_end if heading else end)
            first, title, lines = _items(document, citation, span, title)
        reference = Reference(
            citation=str(citation), title=title, file=str(document.path), line=first + 1, url=""
        )
        shelf = self._shelves[citation.document]
        whole = heading is None and not citation.items
        return Section(
            reference=reference,
            text="\n".join(lines).strip() + "\n",
            sections=_contents(document) if whole else (),
            paths=next(iter(shelf.upstream.values()), ""),
        )


def _names(document: Document) -> list[str]:
    return [heading.name for heading in document.headings if heading.name]


def _contents(document: Document) -> tuple[tuple[str, str], ...]:
    name = document.path.name
    return tuple(
        (str(Citation(name, number=one.number, name=one.name)), one.title)
        for one in document.headings
        if one.number or one.name
    )


def _heading(document: Document, citation: Citation) -> Heading | None:
    if not citation.number and not citation.name:
        return None
    for heading in document.headings:
        if (heading.number, heading.name) == (citation.number, citation.name):
            return heading
    raise CitationError(f"{citation.document} has no section {citation.number or citation.name}")


def _items(
    document: Document, citation: Citation, span: tuple[int, int], title: str
) -> tuple[int, str, list[str]]:
    """The line of the first item, the title, and the Markdown of all of them."""
    rows = list(document.rows(*span))
    lines: list[str] = []
    heads: list[int] = []
    places: list[int] = []
    for item in citation.items:
        found = [row for row in rows if row[0] == item] or [
            row for row in rows if patterns.compiled(rf"{patterns.escape(item)}\d").fullmatch(row[0])
        ]
        if not found:
            raise CitationError(f"{citation.document} has no item {item} ({citation})")
        if citation.items and not citation.number and not citation.name:
            found = found[:1]
        for _, place, head in found:
            if head >= 0 and head not in heads:
                heads.append(head)
                lines += ["", *document.lines[head : head + 2]] if lines else document.lines[head : head + 2]
            lines.append(document.lines[place])
            places.append(place)
    if len(places) == 1:
        title = _item_title(document.lines[places[0]]) or title
    return places[0], title, lines


def _item_title(line: str) -> str:
    """What a row is about: its first cell without its name, a bold second one, or its longest; of a list's item its text."""
    if line.startswith("|"):
        first, *others = cells(line)
        bold = others[0] if others and others[0].startswith("**") else ""
        text = plain(first.partition(" ")[2] or bold or max(others, key=len, default=""))
    else:
        text = plain(line.partition(". ")[2])
    return text if len(text) <= _LONGEST_TITLE else text[: _LONGEST_TITLE - 3].rstrip() + "..."


def _upstream(name: str, base: str, place: patterns.Match[str]) -> Reference:
    lines = f"#L{place[2]}" + (f"-L{place[3]}" if place[3] else "") if place[2] else ""
    return Reference(citation=f"{name}: {place[1]}", url=f"{base}{place[1]}{lines}")
