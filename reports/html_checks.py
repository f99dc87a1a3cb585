"""The verdicts of a report as rows: what is said alike of many edges is one row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kedoctor.api import Status
from kedoctor.api.report import Report, Verdict

__all__ = ["ORDER", "Row", "edge_numbers", "rows_by_status", "worth_showing"]

ORDER = (
    Status.FAIL,
    Status.WARN,
    Status.CRASHED,
    Status.SETTLING,
    Status.UNKNOWN,
    Status.BLOCKED,
    Status.ACCEPTED,
    Status.PASS,
    Status.SKIP,
)
_ALONE = 3
"""So many of a kind are rows of their own."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: verdicts of one check and status that differ in their subject only; ``edges`` are numbers of matrix rows."""

    verdicts: tuple[Verdict, ...]
    nodes: tuple[str, ...]
    edges: str

    @property
    def first(self) -> Verdict:
        """The verdict whose sentence is shown."""
        return self.verdicts[0]

    @property
    def took_ms(self) -> int:
        """How long the check took; its verdicts of one host were made at once."""
        return max(one.took_ms for one in self.verdicts)


def rows_by_status(report: Report) -> list[tuple[Status, list[Row]]]:
    """The rows of each status that there is, the worst first."""
    numbers = {row.edge: place for place, row in enumerate(report.matrix)}
    groups: dict[Status, dict[tuple[object, ...], list[Verdict]]] = {}
    for one in report.verdicts:
        kind = (one.code, one.hop, one.capabilities, one.explained_by, one.accepted)
        groups.setdefault(one.status, {}).setdefault(kind, []).append(one)
    found = []
    for status in ORDER:
        rows = [row for group in groups.get(status, {}).values() for row in _rows(group, numbers)]
        if rows:
            found.append((status, rows))
    return found


def _rows(group: list[Verdict], numbers: dict[str, int]) -> Iterable[Row]:
    if len(group) <= _ALONE:
        return [_row((one,), numbers) for one in group]
    return [_row(group, numbers)]


def _row(verdicts: Sequence[Verdict], numbers: dict[str, int]) -> Row:
    nodes = sorted({node for one in verdicts for node in one.nodes or ((one.node,) if one.node else ())})
    return Row(tuple(verdicts), tuple(nodes), edge_numbers(nodes, numbers))


def edge_numbers(nodes: Iterable[str], numbers: dict[str, int]) -> str:
    """The matrix rows of these nodes in little room: ``0-39,45``; empty for none."""
    runs: list[list[int]] = []
    for number in sorted(numbers[node] for node in nodes if node in numbers):
        if runs and runs[-1][1] + 1 == number:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def worth_showing(verdicts: Iterable[Verdict]) -> tuple[list[list[Verdict]], int]:
    """The verdicts of a hop that say something, those of one check and status together, and the number of the others."""
    groups: dict[tuple[object, ...], list[Verdict]] = {}
    quiet = 0
    for one in verdicts:
        if one.status in (Status.PASS, Status.SKIP):
            quiet += 1
        else:
            groups.setdefault((one.code, one.status, one.explained_by), []).append(one)
    return list(groups.values()), quiet
