"""Looking again, from scratch, until everything that was asked about is right or the time is over."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from kedoctor.base.errors import ExitCode
from kedoctor.base.records import replace
from kedoctor.model.findings import Status
from kedoctor.model.report import Report, SafeReport
from kedoctor.redaction.documents import DocumentRedactor
from kedoctor.run.diagnose import counting

__all__ = ["Watcher", "wait_until_right"]

PAUSE = 2.0
LONGEST = 15.0
"""Seconds between two looks: as many as a look takes, within these bounds, so that a slow site is not kept busy."""


class Watcher(Protocol):
    """Is told what is waited for."""

    def waits(self, names: tuple[str, ...], seconds_left: float) -> None:
        """These are not right yet (``KE503 edge1``); said again each second."""


def wait_until_right(
    report: SafeReport,
    look: Callable[[], SafeReport],
    *,
    seconds: float,
    fail_on: str,
    watcher: Watcher,
    pause: float = PAUSE,
) -> SafeReport:
    """The first report that is right (exit code 0), or the last one that could be made in time.

    ``report`` is what the first look gave; ``seconds`` count from now. A last look is made when the time is over, so
    that what came right at the end is seen. An interrupt ends the waiting at once: the report is then the last one,
    with the exit code of an interrupted run.
    """
    ends = time.monotonic() + seconds
    took = 0.0
    try:
        while report.run.exit_code not in (ExitCode.OK, ExitCode.INTERRUPTED) and time.monotonic() < ends:
            _rest(min(max(pause, took), LONGEST), ends, names=_awaited(report, fail_on), watcher=watcher)
            begun = time.monotonic()
            report = look()
            took = time.monotonic() - begun
    except KeyboardInterrupt:
        run = replace(report.run, exit_code=int(ExitCode.INTERRUPTED))
        report = DocumentRedactor().with_fields(report, run=run)
    return report


def _rest(seconds: float, ends: float, *, names: tuple[str, ...], watcher: Watcher) -> None:
    until = min(time.monotonic() + seconds, ends)
    while (now := time.monotonic()) < until:
        watcher.waits(names, ends - now)
        time.sleep(min(1.0, until - now))


def _awaited(report: Report, fail_on: str) -> tuple[str, ...]:
    """What keeps the report from being right: its causes; where it has none, the verdicts that count."""
    broken = [one for one in report.causes if one.status is Status.FAIL]
    if broken:
        return tuple(f"{one.code} {', '.join(one.nodes or one.subjects)}" for one in broken)
    return tuple(dict.fromkeys(f"{one.code} {one.subject}" for one in counting(report, fail_on)))
