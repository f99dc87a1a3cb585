"""What is known of a watched site at this moment, for everybody who asks: pages, metrics of the watching itself, health."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum

__all__ = ["Board", "Ending"]


class Ending(StrEnum):
    """How a run ended."""

    DONE = "done"
    FAILED = "failed"
    LATE = "timed-out"


class Board:
    """The latest pages, and how the runs go; safe from any thread.

    ``interval`` and ``longest`` (the most that one run may take) say when the latest run is too old. ``now`` gives the
    seconds since 1970.
    """

    def __init__(self, interval: float, longest: float, *, now: Callable[[], float] = time.time) -> None:
        self._lock = threading.Lock()
        self._interval, self._longest, self._now = interval, longest, now
        self._pages: Mapping[str, bytes] = {}
        self._runs: Counter[Ending] = Counter()
        self._since = now()
        self._begun = 0.0
        self._ended = 0.0
        self._good = 0.0
        self._took = 0.0

    def begins(self) -> None:
        """A run begins."""
        with self._lock:
            self._begun = self._now()

    def ends(self, ending: Ending, pages: Mapping[str, bytes] | None = None) -> None:
        """The run has ended; with pages, these are the latest."""
        with self._lock:
            self._ended = self._now()
            self._took, self._begun = self._ended - self._begun, 0.0
            self._runs[ending] += 1
            if pages is not None:
                self._pages, self._good = pages, self._ended

    def page(self, name: str) -> bytes | None:
        """The latest page in that format; ``None`` before the first run has ended."""
        with self._lock:
            return self._pages.get(name)

    def health(self) -> tuple[bool, str]:
        """Whether runs give reports, and a sentence of it in English (it is for probes)."""
        with self._lock:
            if not self._good:
                waited = self._now() - self._since
                return waited <= self._longest, f"no run has given a report yet ({waited:.0f} s)"
            age = self._now() - self._good
            return age <= self._longest + 2 * self._interval, f"the latest report is {age:.0f} s old"

    def metrics(self) -> bytes:
        """The metrics of the watching itself, in Prometheus' text format."""
        with self._lock:
            return "".join(f"{line}\n" for line in self._lines()).encode()

    def _lines(self) -> Iterator[str]:
        gauges = {
            "interval_seconds": ("Seconds from one run to the next.", self._interval),
            "running": ("1 while a run is under way.", int(self._begun > 0)),
            "run_begun_timestamp_seconds": (
                "When the run that is under way began; 0 if none is.",
                self._begun,
            ),
            "last_end_timestamp_seconds": ("When the last run ended, with a report or without.", self._ended),
            "last_report_timestamp_seconds": ("When the last run that gave a report ended.", self._good),
            "last_run_seconds": ("How long the last run took, its start included.", self._took),
        }
        for name, (meaning, value) in gauges.items():
            yield f"# HELP kedoctor_watch_{name} {meaning}"
            yield f"# TYPE kedoctor_watch_{name} gauge"
            yield f"kedoctor_watch_{name} {value!r}"
        yield "# HELP kedoctor_watch_runs_total Runs by how they ended."
        yield "# TYPE kedoctor_watch_runs_total counter"
        yield from (f'kedoctor_watch_runs_total{{result="{one.value}"}} {self._runs[one]}' for one in Ending)
