"""From a citation to the section: titles, lines, rows, upstream files, and what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from kedoctor.cli.reference_text import listed, shown
from kedoctor.model.references import Shelf
from kedoctor.sources.citations import Citation
from kedoctor.sources.library import CitationError, Library

NOTES = """# What is so

<a id="s1"></a>

## 1. The link

Text with **weight** and `*literal*`.

| # | what | why |
|---|---|---|
| 1 | **no route** | `a\\|b` matters |
| 12 | *from 2* no name | |

```
# no heading
```

<a id="s1-1"></a>

### 1.1 Its key

1. first `src/key.c:3`
2. second

## Cases: seen

| case | seen |
|---|---|
| f1 expired | empty |
| f2 odd | full |
"""
CODE = "https://example.org/code/blob/v1/"


@pytest.fixture
def library(tmp_path: Path) -> Library:
    path = tmp_path / "notes.md"
    path.write_text(NOTES, encoding="utf-8")
    return Library([Shelf(documents=(path,), upstream={"Code": CODE})])


def cite(library: Library, text: str) -> Citation:
    (citation,) = library.citations(text)
    return citation


@pytest.mark.parametrize(
    ("text", "title", "line", "last"),
    [
        ("notes.md", "What is so", 1, "| f2 odd | full |"),
        ("notes.md §1", "The link", 5, "2. second"),
        ("notes.md §1.1", "Its key", 20, "2. second"),
        ("notes.md §1 (1)", "no route", 11, "| 1 | **no route** | `a\\|b` matters |"),
        ("notes.md §1.1 (2)", "second", 23, "2. second"),
        ("notes.md case f1", "expired", 29, "| f1 expired | empty |"),
        ("notes.md case f", "Cases: seen", 29, "| f2 odd | full |"),
    ],
)
def test_a_citation_leads_to_its_text(library: Library, text: str, title: str, line: int, last: str) -> None:
    section = library.section(cite(library, text))
    assert (section.reference.title, section.reference.line) == (title, line)
    assert section.text.rstrip().splitlines()[-1] == last
    assert section.reference.citation == text


@pytest.mark.parametrize(
    ("citation", "words"),
    [
        (Citation("notes.md", number="7"), "no section 7"),
        (Citation("notes.md", number="1", items=("3",)), "no item 3"),
        (Citation("other.md"), "no document 'other.md'"),
    ],
)
def test_what_leads_nowhere_is_said(library: Library, citation: Citation, words: str) -> None:
    with pytest.raises(CitationError, match=words):
        library.section(citation)


def test_a_document_that_is_gone_is_said_and_not_a_crash(tmp_path: Path) -> None:
    library = Library([Shelf(documents=(tmp_path / "lost.md",))])
    with pytest.raises(CitationError, match="cannot be read: No such file"):
        library.section(Citation("lost.md", number="1"))


def test_upstream_files_and_addresses_are_references_too(library: Library) -> None:
    text = "notes.md §1.1. Code: `src/a.c:3-5`, `src/b.c`. https://example.org/issues/5."
    found = library.references(text)
    assert [one.url for one in found] == [
        "",
        CODE + "src/a.c#L3-L5",
        CODE + "src/b.c",
        "https://example.org/issues/5",
    ]
    assert library.unread(text) == ""
    assert library.unread(text + " And more.") == "And more"
    assert [one.url for one in library.references("Code: src/a.c")] == [CODE + "src/a.c"]


def test_the_first_shelf_counts_where_two_name_one_document(tmp_path: Path) -> None:
    first, second = tmp_path / "a" / "notes.md", tmp_path / "b" / "notes.md"
    library = Library([Shelf(documents=(first,)), Shelf(documents=(second,))])
    assert library.documents["notes.md"].path == first


def test_a_section_is_shown_with_its_rows_one_by_one(library: Library) -> None:
    lines = list(shown(library.section(cite(library, "notes.md §1")), "en"))
    assert lines[0] == "notes.md §1  The link"
    assert "Text with weight and `*literal*`." in lines
    assert lines[lines.index("12") + 1] == "  what: from 2 no name"
    assert "  why: `a|b` matters" in lines
    assert "# no heading" in lines
    assert not [line for line in lines if "<a id" in line or line.startswith("|")]
    assert lines[-2].endswith("notes.md, line 5")
    assert lines[-1] == f"Paths without a name: {CODE}"


def test_a_whole_document_is_shown_as_its_contents(library: Library) -> None:
    lines = list(shown(library.section(cite(library, "notes.md")), "en"))
    assert [line.split(maxsplit=2) for line in lines[2:5]] == [
        ["notes.md", "§1", "The link"],
        ["notes.md", "§1.1", "Its key"],
        ["notes.md", "cases", "Cases: seen"],
    ]


def test_a_list_of_references_says_how_to_read_one(library: Library) -> None:
    lines = list(listed(library.references("notes.md §1, §1.1. Code: `a.c`."), "en"))
    assert lines[:3] == ["notes.md §1    The link", "notes.md §1.1  Its key", CODE + "a.c"]
    assert 'kedoctor explain --reference "notes.md §1"' in lines[4]
