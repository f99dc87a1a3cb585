"""docs/faults.md tells of every repair there is, and of no check that does not exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kedoctor.plugins import Plugins, load_plugins

ROOT = Path(__file__).parents[4]
SECTIONS = ("Edge", "Cloud and cluster")
COLUMNS = ["Fault", "Fires", "What `--fix` does", "After", "Tried"]


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return load_plugins(directory=Path("/nonexistent"))


def rows(section: str) -> list[list[str]]:
    """The cells of the table under a heading, its first line included."""
    text = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    part = text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("|") and not line.startswith("|---")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_every_repair_has_a_row(plugins: Plugins) -> None:
    told = {
        code
        for section in SECTIONS
        for row in rows(section)[1:]
        for code in re.findall(r"KE\d{3}", row[COLUMNS.index("Fires")])
    }
    assert set(plugins.registry.remedies) - told == set()
    assert told - set(plugins.registry.checks) == set()


@pytest.mark.parametrize("section", SECTIONS)
def test_every_row_is_complete(section: str) -> None:
    heading, *others = rows(section)
    assert heading == COLUMNS
    assert others
    for row in others:
        assert len(row) == len(COLUMNS), row
        assert all(row), row
        assert set(re.findall(r"\w+", row[-1])) <= {"lab", "recorded", "unit"}, row


def test_what_is_left_alone_fires_afterwards(plugins: Plugins) -> None:
    for section in SECTIONS:
        for fault, fires, does, after, _ in rows(section)[1:]:
            left = does.startswith("nothing")
            assert bool(re.search(r"KE\d{3}", after)) >= left, fault
            for code in re.findall(r"KE\d{3}", f"{fires} {after}"):
                assert code in plugins.registry.checks, code
