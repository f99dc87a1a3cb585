"""How a citation is read out of a text, and what of the text is none."""

from __future__ import annotations

import pytest

from kedoctor.sources.citations import citations_in, unwrapped

NAMES = {"notes.md": (), "bed.md": ("case", "surprise", "port"), "bugs.md": ()}


def read(text: str) -> list[str]:
    return [str(citation) for citation, _, _ in citations_in(unwrapped(text), NAMES)]


@pytest.mark.parametrize(
    ("text", "cited"),
    [
        ("as notes.md says", ["notes.md"]),
        ("notes.md §3.5", ["notes.md §3.5"]),
        ("(notes.md §3.1, §5, §8.4; other.md §1)", ["notes.md §3.1", "notes.md §5", "notes.md §8.4"]),
        ("``notes.md §1.1``, §2", ["notes.md §1.1"]),
        ("notes.md §4.3 and §5, and bed.md case f1", ["notes.md §4.3", "notes.md §5", "bed.md case f1"]),
        ("notes.md §10 (31, 35-38).", ["notes.md §10 (31, 35, 36, 37, 38)"]),
        ("notes.md §3.5. KubeEdge: x", ["notes.md §3.5"]),
        ("bed.md cases d, e and i. Next", ["bed.md cases d, e, i"]),
        ("bed.md case fresh-join, surprise 1", ["bed.md case fresh-join", "bed.md surprise 1"]),
        ("bed.md surprises 3, 5: values", ["bed.md surprises 3, 5"]),
        ("bed.md ports, by experiment", ["bed.md ports"]),
        ("bed.md case d and the rest of it", ["bed.md case d"]),
        ("bugs.md B43, §1.3", ["bugs.md B43", "bugs.md §1.3"]),
        ("bugs.md R009-R011", ["bugs.md R009, R010, R011"]),
        ("docs/notes.md §3", []),
        ("my-notes.md §3", []),
        ("notes.md §3.5,\n    # §5.1 in a comment", ["notes.md §3.5", "notes.md §5.1"]),
    ],
)
def test_citations(text: str, cited: list[str]) -> None:
    assert read(text) == cited


@pytest.mark.parametrize(
    "written",
    [
        "notes.md",
        "notes.md §3.5",
        "notes.md §10 (1, 2)",
        "bed.md case a",
        "bed.md cases a, b",
        "bed.md ports",
    ],
)
def test_what_a_citation_prints_is_read_as_the_same(written: str) -> None:
    assert read(written) == [written]
