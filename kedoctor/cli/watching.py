"""What a person sees while checks run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from kedoctor.base.screen import Progress, progress
from kedoctor.model.report import Verdict
from kedoctor.model.report_format import Presentation

__all__ = ["observer"]


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
    with progress(colour=presentation.colour) as line:
        yield _Watching(line)
