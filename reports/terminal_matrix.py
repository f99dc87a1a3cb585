"""What works on which edge, for a terminal of any width: a table, or a list where no table fits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kedoctor.api.report import Capability, Report
from kedoctor.api.screen import RenderableType, Styled, Table, columns
from kedoctor.reports import wording
from kedoctor.reports.edge_names import alike, in_short

__all__ = ["matrix"]

_MARKS = {
    "works": ("✓", "green"),
    "clear": ("–", "green"),
    "broken": ("✗", "bold red"),
    "accepted": ("=", "cyan"),
    "settling": ("~", "cyan"),
    "unknown": ("?", "magenta"),
}
_ROWS = 40
_GAP = 2
_LONGEST_NAMES = 48


def matrix(report: Report, language: str, width: int) -> Iterator[RenderableType]:
    """The matrix, edges that are alike in one row, the broken ones first: on a large site nobody scrolls through what is well."""
    if not report.matrix:
        return
    rows = [
        (_names(edges, language, width), [_cell(report, cell, language) for cell in cells], cells)
        for edges, cells in alike(report.matrix)
    ]
    yield from (
        _table(rows[:_ROWS], language) if _fits(rows[:_ROWS], language, width) else _listed(rows[:_ROWS])
    )
    if len(rows) > _ROWS:
        more = sum(len(edges) for edges, _ in alike(report.matrix)[_ROWS:])
        yield Styled(wording.word("and-more", language).format(n=more), style="dim")
    yield Styled("")


_Row = tuple[str, list[tuple[str, str]], tuple[Capability, ...]]


def _names(edges: Sequence[str], language: str, width: int) -> str:
    room = min(_LONGEST_NAMES, width // 2)
    for most in (5, 3, 2, 1):
        told = in_short(edges, language, most)
        if columns(told) <= room:
            break
    return told


def _cell(report: Report, cell: Capability, language: str) -> tuple[str, str]:
    mark, style = _MARKS[cell.state]
    text = wording.CAPABILITY_STATES[cell.state].in_language(language)
    if cell.state == "broken":
        hop = wording.hop_name(report, cell.hop, language)
        text = f"{hop or text} ({cell.cause})"
    elif cell.state == "accepted":
        text = f"{text} ({cell.cause})"
    return f"{mark} {text}", style


def _fits(rows: Sequence[_Row], language: str, width: int) -> bool:
    """Whether the table needs no more columns than there are, each cell on one line but for its code."""
    first = max(columns(wording.word("edge", language)), *(columns(name) for name, _, _ in rows))
    whole = first
    for at, capability in enumerate(rows[0][2]):
        cells = [cells[at][0] for _, cells, _ in rows]
        # Between a hop and its code there may be a break, within either of them none.
        parts = [part for cell in cells for part in cell.replace(" (", "\n(").split("\n")]
        whole += _GAP + max(columns(capability.name), *(columns(part) for part in parts))
    return whole <= width


def _table(rows: Sequence[_Row], language: str) -> Iterator[RenderableType]:
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="dim")
    table.add_column(wording.word("edge", language), no_wrap=True)
    for capability in rows[0][2]:
        table.add_column(Styled(capability.name))
    for name, cells, _ in rows:
        table.add_row(Styled(name), *(Styled(text, style=style) for text, style in cells))
    yield table


def _listed(rows: Sequence[_Row]) -> Iterator[RenderableType]:
    wide = max(columns(capability.name) for capability in rows[0][2])
    for name, cells, capabilities in rows:
        yield Styled(name, style="bold")
        for (text, style), capability in zip(cells, capabilities, strict=True):
            table = Table.grid(padding=(0, 1, 0, 0))
            table.add_column(width=1)
            table.add_column(width=wide)
            table.add_column()
            table.add_row("", Styled(capability.name), Styled(text, style=style))
            yield table
