"""What checks rest on and what can be opened of it: documents of a plugin, and files of the programs that are judged."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from kedoctor.base.records import Record

__all__ = ["Reference", "Section", "Shelf"]


class Shelf(Record, frozen=True, kw_only=True):
    """What one plugin's checks rest on.

    ``documents`` are Markdown files, cited by their names. ``upstream`` are the repositories of the programs that are
    judged: the name that stands before a path (``Name: path/of/file.go``) and the address, with its tag, that the path
    is added to. A path without a name in a document belongs to the first of them.
    """

    documents: tuple[Path, ...] = ()
    upstream: Mapping[str, str] = {}


class Reference(Record, frozen=True, kw_only=True):
    """Something that a text refers to.

    Of a section: its title, the file here and the line in it (from 1). Of anything else only ``url``. With neither,
    it was not found.
    """

    citation: str
    title: str = ""
    file: str = ""
    line: int = 0
    url: str = ""


class Section(Record, frozen=True, kw_only=True):
    """What a citation names: ``text`` is its Markdown, of a table's rows with the table's head.

    ``sections`` are the citations and titles of the document's sections where a whole document is cited.
    ``paths`` is where the paths without a name in it are files of, or empty.
    """

    reference: Reference
    text: str
    sections: tuple[tuple[str, str], ...] = ()
    paths: str = ""
