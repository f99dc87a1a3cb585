"""How a citation is read out of a text, and what of the text is none."""

from __future__ import annotations

import pytest

from kedoctor.sources.citations import citations_in, unwrapped

NAMES = {"facts.md": (), "bed.md": ("case", "surprise", "port"), "bugs.md": ()}


def read(text: str) -> list[str]:
    return [str(citation) for citation, _, _ in citations_in(unwrapped(text), NAMES)]


@pytest.mark.parametrize(
    ("text", "cited"),
    [
        ("as facts.md says", ["facts.md"]),
        ("facts.md §3.5", ["facts.md §3.5"]),
        ("(facts.md §3.1, §5, §8.4; other.md §1)", ["facts.md §3.1", "facts.md §5", "facts.md §8.4"]),
        ("``facts.md §1.1``, §2", ["facts.md §1.1"]),
        ("facts.md §4.3 and §5, and bed.md case f1", ["facts.md §4.3", "facts.md §5", "bed.md case f1"]),
        ("facts.md §10 (31, 35-38).", ["facts.md §10 (31, 35, 36, 37, 38)"]),
        ("facts.md §3.5. KubeEdge: x", ["facts.md §3.5"]),
        ("bed.md cases d, e and i. Next", ["bed.md cases d, e, i"]),
        ("bed.md case fresh-join, surprise 1", ["bed.md case fresh-join", "bed.md surprise 1"]),
        ("bed.md surprises 3, 5: values", ["bed.md surprises 3, 5"]),
        ("bed.md ports, by experiment", ["bed.md ports"]),
        ("bed.md case d and the rest of it", ["bed.md case d"]),
        ("bugs.md B43, §1.3", ["bugs.md B43", "bugs.md §1.3"]),
        ("bugs.md R009-R011", ["bugs.md R009, R010, R011"]),
        ("docs/facts.md §3", []),
        ("my-facts.md §3", []),
        ("facts.md §3.5,\n    # §5.1 in a comment", ["facts.md §3.5", "facts.md §5.1"]),
    ],
)
def test_citations(text: str, cited: list[str]) -> None:
    assert read(text) == cited


@pytest.mark.parametrize(
    "written",
    [
        "facts.md",
        "facts.md §3.5",
        "facts.md §10 (1, 2)",
        "bed.md case a",
        "bed.md cases a, b",
        "bed.md ports",
    ],
)
def test_what_a_citation_prints_is_read_as_the_same(written: str) -> None:
    assert read(written) == [written]
