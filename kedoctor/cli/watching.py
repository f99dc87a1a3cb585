"""What a person sees while checks run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from kedoctor.base.screen import Progress, progress
from kedoctor.base.text import Text
from kedoctor.model.report import Verdict
from kedoctor.model.report_format import Presentation

__all__ = ["observer"]


_WAITS = Text("waiting for {check}", zh="正在等待 {check}")
_MORE = Text("waiting for {n} checks: {check} …", zh="正在等待 {n} 项检查：{check} …")


class _Watching:
    """Shows how many checks are done and which are still out, the one that is out longest by its title."""

    def __init__(self, progress: Progress | None, language: str) -> None:
        self._progress = progress
        self._language = language
        self._task = progress.add_task("", total=None) if progress else None
        self._open: list[tuple[str, str]] = []

    def begins(self, total: int) -> None:
        """So many checks are going to be run."""
        if self._progress and self._task is not None:
            self._progress.update(self._task, total=total)

    def starts(self, code: str, title: Text, host: str) -> None:
        """A check starts."""
        del host
        self._open.append((code, title.in_language(self._language)))
        self._show(0)

    def ends(self, code: str, host: str, verdicts: Sequence[Verdict]) -> None:
        """A check has come to its verdicts."""
        del host, verdicts
        gone = next((one for one in self._open if one[0] == code), None)
        if gone:
            self._open.remove(gone)
        self._show(1)

    def _show(self, advance: int) -> None:
        if self._progress and self._task is not None:
            self._progress.update(self._task, advance=advance, description=self._words())

    def _words(self) -> str:
        if not self._open:
            return ""
        check = " ".join(self._open[0])
        words = _WAITS if len(self._open) == 1 else _MORE
        return words.in_language(self._language).format(check=check, n=len(self._open))


@contextmanager
def observer(presentation: Presentation, *, quiet: bool) -> Iterator[_Watching]:
    """An observer that draws a progress line on standard error while checks run, and wipes it afterwards."""
    # A terminal that cannot move its cursor would get an empty line, or the codes themselves.
    if quiet or os.environ.get("TERM", "dumb") in ("dumb", "unknown", ""):
        yield _Watching(None, presentation.language)
        return
    with progress(colour=presentation.colour) as line:
        yield _Watching(line, presentation.language)
