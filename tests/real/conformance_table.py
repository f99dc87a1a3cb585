"""The table of docs/testing.md: each behaviour, what the real server does, and whether ours does the same."""

from __future__ import annotations

import re
from pathlib import Path

from conformance import BEHAVIOURS, Behaviour

__all__ = ["DOCUMENT", "in_document", "row", "table", "write"]

DOCUMENT = Path(__file__).parents[2] / "docs" / "testing.md"
_BEGIN, _END = "<!-- conformance: begin -->\n", "<!-- conformance: end -->"
_HEAD = (
    "| area | behaviour | real: the first of what is compared | sentences | ours |\n|---|---|---|---|---|\n"
)
_WIDTH = 110


def row(one: Behaviour, real: list[str], ours: list[str]) -> str:
    """One line of the table."""
    shown = real[0] if real else ""
    shown = shown if len(shown) <= _WIDTH else shown[: _WIDTH - 1] + "…"
    differing = sum(left != right for left, right in zip(real, ours, strict=False)) + abs(
        len(real) - len(ours)
    )
    verdict = f"{differing} differ: {one.differs}" if differing else "the same"
    cells = (one.area, one.name, f"`{_cell(shown)}`", str(len(real)), verdict)
    return f"| {' | '.join(cells)} |\n"


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("|", "¦").replace("`", "'"))


def table(rows: dict[str, str]) -> str:
    """The whole table, in the order of the suite."""
    return _HEAD + "".join(rows[one.name] for one in BEHAVIOURS if one.name in rows)


def in_document() -> str:
    """The table as it stands in the document."""
    return DOCUMENT.read_text(encoding="utf-8").partition(_BEGIN)[2].partition(_END)[0]


def write(text: str) -> None:
    """Puts the table into the document."""
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(_BEGIN)
    DOCUMENT.write_text(before + _BEGIN + text + _END + rest.partition(_END)[2], encoding="utf-8")
