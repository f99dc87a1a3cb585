"""The terminal: text in columns and colours, and a line of progress. The only module that imports rich."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from io import StringIO

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from rich.text import Text

from kedoctor.base.plain import plain

__all__ = [
    "Group",
    "Line",
    "Padding",
    "Progress",
    "RenderableType",
    "Runs",
    "Styled",
    "Table",
    "columns",
    "paint",
    "progress",
]


class Styled(Text):
    """Text in a style; nothing in it is markup, and nothing in it moves the cursor."""

    def __init__(self, text: str, style: str = "") -> None:
        # Else rich cuts the last word of a line of wide characters, and every word longer than a column.
        super().__init__(plain(text), style, overflow="fold")


class Runs(Styled):
    """Text in several styles, one after the other."""

    def __init__(self, runs: Iterable[tuple[str, str]]) -> None:
        super().__init__("")
        for text, style in runs:
            self.append(plain(text), style or None)


class Line(Styled):
    """One line, however long it is."""

    def __init__(self, text: str, style: str = "") -> None:
        super().__init__(text, style)
        self.no_wrap, self.overflow = True, "ignore"


def columns(text: str) -> int:
    """How many columns of a terminal the text takes."""
    return cell_len(text)


def paint(content: RenderableType, *, width: int, colour: bool) -> bytes:
    """What a terminal of that width and colour would show; no trailing spaces."""
    buffer = StringIO()
    console = Console(
        file=buffer,
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        highlight=False,
        emoji=False,
        legacy_windows=False,
    )
    console.print(content, crop=False)
    lines = (line.rstrip() for line in buffer.getvalue().splitlines())
    return ("\n".join(lines) + "\n").encode()


_ROOM_FOR_A_BAR = 80


def progress(*, colour: bool) -> Progress:
    """A bar with a count, the seconds and a description on one line of standard error, wiped when it is left."""
    console = Console(file=sys.stderr, no_color=not colour)
    bar = [BarColumn(bar_width=24)] if console.width >= _ROOM_FOR_A_BAR else []
    # A line that is folded cannot be wiped whole.
    rest = Column(no_wrap=True, overflow="ellipsis", ratio=1)
    return Progress(
        *bar,
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TimeElapsedColumn(table_column=Column(no_wrap=True)),
        TextColumn("{task.description}", markup=False, table_column=rest),
        console=console,
        transient=True,
        expand=True,
    )
