"""One run after the other, never two at once; whatever becomes of one, the next one comes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from kedoctor.model.report import Report
from kedoctor.watch.board import Board, Ending
from kedoctor.watch.changes import Change, Situation, changes, situation
from kedoctor.watch.child import Look, NoReportError

__all__ = ["Listener", "Rounds"]


class Listener(Protocol):
    """Is told what there is to say, and only when it is new."""

    def begins(self, report: Report, found: Sequence[Change]) -> None:
        """The first report: how the site is."""

    def changed(self, report: Report, found: Sequence[Change]) -> None:
        """A later report, and what is different."""

    def unfinished(self) -> None:
        """A run did not get through all checks; what it says is not compared."""

    def failed(self, why: str) -> None:
        """A run gave no report."""

    def recovered(self) -> None:
        """Runs give whole reports again."""

    def unpublished(self, why: str) -> None:
        """What a run found could not be written where it was wanted."""


class Rounds:
    """Looks every ``interval`` seconds, counted from the first look; a look that takes longer skips those it overran.

    ``publish`` is given the pages of each report, and says with an :class:`OSError` that they could not be written.
    """

    def __init__(
        self,
        look: Callable[[], Look],
        listener: Listener,
        board: Board,
        *,
        interval: float,
        publish: Callable[[Mapping[str, bytes]], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._look, self._listener, self._board, self._publish = look, listener, board, publish
        self._interval, self._clock, self._sleep = interval, clock, sleep
        self._before: Situation | None = None
        self._trouble = ""
        self._unwritten = ""

    def go_on(self) -> None:
        """Never comes back; an exception of ``sleep`` or of a signal ends it."""
        first = self._clock()
        while True:
            self.once()
            passed = self._clock() - first
            self._sleep(self._interval - passed % self._interval)

    def once(self) -> None:
        """One look, and what is said of it."""
        self._board.begins()
        try:
            seen = self._look()
        except NoReportError as none:
            self._board.ends(Ending.LATE if none.late else Ending.FAILED)
            self._fail(str(none))
            return
        except OSError as error:  # no memory or no process was to be had
            self._board.ends(Ending.FAILED)
            self._fail(error.strerror or str(error))
            return
        self._board.ends(Ending.DONE, seen.pages)
        self._write(seen.pages)
        self._tell(seen.report)

    def _tell(self, report: Report) -> None:
        if not report.run.complete:
            if self._trouble != "unfinished":
                self._listener.unfinished()
            self._trouble = "unfinished"
            return
        if self._trouble:
            self._trouble = ""
            self._listener.recovered()
        if self._before is None:
            self._listener.begins(report, changes({}, report))
        elif found := changes(self._before, report):
            self._listener.changed(report, found)
        self._before = situation(report)

    def _fail(self, why: str) -> None:
        if why != self._trouble:
            self._listener.failed(why)
        self._trouble = why

    def _write(self, pages: Mapping[str, bytes]) -> None:
        try:
            self._publish(pages)
        except OSError as error:
            why = error.strerror or str(error)
            if why != self._unwritten:
                self._listener.unpublished(why)
            self._unwritten = why
        else:
            self._unwritten = ""
