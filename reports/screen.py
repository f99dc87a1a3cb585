"""The terminal: rich's console and the live progress. The only module that imports rich."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import StringIO

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from kedoctor.api import Presentation
from kedoctor.model.report import Verdict
from kedoctor.reports.plain import plain

__all__ = ["Group", "Line", "Padding", "RenderableType", "Styled", "Table", "columns", "observer", "paint"]


class Styled(Text):
    """Text in a style; nothing in it is markup, and nothing in it moves the cursor."""

    def __init__(self, text: str, style: str = "") -> None:
        # Else rich cuts the last word of a line of wide characters, and every word longer than a column.
        super().__init__(plain(text), style, overflow="fold")


class Line(Styled):
    """One line, however long it is."""

    def __init__(self, text: str, style: str = "") -> None:
        super().__init__(text, style)
        self.no_wrap, self.overflow = True, "ignore"


def columns(text: str) -> int:
    """How many columns of a terminal the text takes."""
    return cell_len(text)


def paint(content: RenderableType, presentation: Presentation) -> bytes:
    """What a terminal of that width and colour would show; no trailing spaces."""
    buffer = StringIO()
    console = Console(
        file=buffer,
        width=presentation.width,
        force_terminal=presentation.colour,
        color_system="standard" if presentation.colour else None,
        highlight=False,
        emoji=False,
        legacy_windows=False,
    )
    console.print(content, crop=False)
    lines = (line.rstrip() for line in buffer.getvalue().splitlines())
    return ("\n".join(lines) + "\n").encode()


class _Watching:
    """Shows what is being looked at; the last line says which checks are still out."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None) if progress else None
        self._open: list[str] = []

    def begins(self, total: int) -> None:
        """So many checks are going to be run."""
        if self._progress and self._task is not None:
            self._progress.update(self._task, total=total)

    def starts(self, code: str, title: str, host: str) -> None:
        """A check starts."""
        del host
        self._open.append(f"{code} {title}")
        self._show(0)

    def ends(self, code: str, host: str, verdicts: Sequence[Verdict]) -> None:
        """A check has come to its verdicts."""
        del host, verdicts
        gone = next((label for label in self._open if label.startswith(f"{code} ")), None)
        if gone:
            self._open.remove(gone)
        self._show(1)

    def _show(self, advance: int) -> None:
        if self._progress and self._task is not None:
            self._progress.update(
                self._task, advance=advance, description=self._open[0] if self._open else ""
            )


@contextmanager
def observer(presentation: Presentation, *, quiet: bool) -> Iterator[_Watching]:
    """An observer that draws a progress line on standard error while checks run, and wipes it afterwards."""
    # A terminal that cannot move its cursor would get an empty line, or the codes themselves.
    if quiet or os.environ.get("TERM", "dumb") in ("dumb", "unknown", ""):
        yield _Watching(None)
        return
    console = Console(file=sys.stderr, no_color=not presentation.colour)
    columns = (
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield _Watching(progress)
