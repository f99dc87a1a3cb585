"""docs/releases.md has every row of versions.md once, and names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

from kedoctor.checks.parsers.logs.message_table import knowledge

ROOT = Path(__file__).parents[3]
SECTIONS = {"s1": 7, "s1-1": 4, "s3": 8, "s4": 23, "s5": 16, "s6": 7, "s7": 3}


def _cells(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|") and not line.startswith("|---")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def _reference() -> list[str]:
    text = (ROOT / "docs" / "reference" / "versions.md").read_text(encoding="utf-8")
    parts = [text.partition(f'<a id="{section}"></a>')[2].partition("<a id=")[0] for section in SECTIONS]
    tables = [_cells(part)[1:] for part in parts]
    assert [len(table) for table in tables] == list(SECTIONS.values()), (
        "a row came or went: mend docs/releases.md"
    )
    return [row[0] for table in tables for row in table]


def _told() -> list[list[str]]:
    text = (ROOT / "docs" / "releases.md").read_text(encoding="utf-8")
    return [row for row in _cells(text) if row != ["row", "tests"]]


def test_every_row_of_the_reference_is_told_once() -> None:
    assert [row[0] for row in _told()] == _reference()


def test_every_test_that_is_named_exists() -> None:
    for row in _told():
        assert row[1] == "–" or "`" in row[1], row
        for path, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row[1]):
            assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), (path, name)


# Texts of versions.md §5 that have no message of their own: nothing is wrong, or only a part of a line that has one.
WITHOUT_A_MESSAGE = {
    "failed to sign the certificate for edgenode",
    "failed to load the CA certificate file",
    "unable to get the current edge certs",
    "will delete CloudCore pod record",
    "failed to get added and deleted CloudCore ip",
    "... cloudcore ip",
    "the mutually exclusive command",
    "cleanupContainers: removed container",
    "Using cgroup driver setting received from the CRI runtime",
    "already exists, skip",
    "resType is not pod",
}


def test_the_texts_of_every_release_are_known() -> None:
    """Of all rows but the last, which names what no release prints."""
    text = (ROOT / "docs" / "reference" / "versions.md").read_text(encoding="utf-8")
    rows = _cells(text.partition('<a id="s5"></a>')[2].partition("<a id=")[0])[1:-1]
    told = [one for row in rows for one in re.findall(r"`([^`]+)`", row[0])]
    unknown = {
        one for one in told if not any(knowledge().messages_in(one.replace("...", "edge1"), people=False))
    }
    assert unknown == WITHOUT_A_MESSAGE
