"""Names of many edges in little room, and rows of the matrix that are alike."""

from __future__ import annotations

from collections.abc import Sequence

from kedoctor.api import Text, patterns
from kedoctor.api.report import Capability, Cell

__all__ = ["alike", "in_short", "name_runs"]

_NUMBERED = patterns.compiled(r"(.{0,200}?)(\d{1,9})\Z", patterns.DOTALL)
_SHORTEST_RUN = 3
_RUN = Text("{first} … {last} ({n:,})", zh="{first} … {last}（{n:,} 个）")
_MORE = Text("and {n:,} more", zh="另有 {n:,} 个")
_EDGES = Text("{n:,} edges", zh="{n:,} 个边缘节点")


def alike(matrix: Sequence[Cell]) -> list[tuple[tuple[str, ...], tuple[Capability, ...]]]:
    """The rows of a matrix, those with equal cells as one: its edges and the cells; the most broken first."""
    rows: dict[tuple[Capability, ...], list[str]] = {}
    for row in matrix:
        rows.setdefault(row.capabilities, []).append(row.edge)
    ordered = sorted(rows, key=lambda cells: -sum(cell.state == "broken" for cell in cells))
    return [(tuple(rows[cells]), cells) for cells in ordered]


def name_runs(names: Sequence[str], language: str) -> list[str]:
    """The names; three or more that count on are one: ``edge-00001 … edge-00040 (40)``."""
    found: list[list[tuple[str, str, int]]] = []
    for name in sorted(names):
        match = _NUMBERED.match(name)
        here = (name, f"{match[1]}\0{len(match[2])}" if match else name, int(match[2]) if match else -1)
        last = found[-1][-1] if found else None
        if last and match and last[1] == here[1] and last[2] + 1 == here[2]:
            found[-1].append(here)
        else:
            found.append([here])
    told: list[str] = []
    for run in found:
        if len(run) < _SHORTEST_RUN:
            told.extend(name for name, _, _ in run)
        else:
            words = _RUN.in_language(language)
            told.append(words.format(first=run[0][0], last=run[-1][0], n=len(run)))
    return told


def in_short(names: Sequence[str], language: str, most: int = 5) -> str:
    """At most so many of the names or runs of names, and how many more there are."""
    runs = name_runs(names, language) if len(names) > most else list(names)
    if len(runs) <= most:
        return ", ".join(runs)
    if len(runs) < len(names):
        # Runs hold different numbers of names, so the whole is counted instead of the rest.
        return f"{', '.join(runs[:most])} … ({_EDGES.in_language(language).format(n=len(names))})"
    more = _MORE.in_language(language).format(n=len(runs) - most)
    return f"{', '.join(runs[:most])} {more}"
