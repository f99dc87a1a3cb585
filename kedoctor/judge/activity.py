"""Whether somebody is reading: what waits for an answer is not late, for every answer has a limit of its own."""

from __future__ import annotations

import threading
import time
from typing import Any

from kedoctor.model.observations.request import Request, Source

__all__ = ["Activity", "WatchedSource"]


class Activity:
    """Counts the reads that are under way, over all sources of a run; safe to call from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reading = 0
        self._ended = 0.0

    def begins(self) -> None:
        """A read begins."""
        with self._lock:
            self._reading += 1

    def ends(self) -> None:
        """A read has its answer."""
        with self._lock:
            self._reading -= 1
            self._ended = time.monotonic()

    def last(self) -> float:
        """When something was last being read (monotonic seconds): now, where it still is; 0 before the first read."""
        with self._lock:
            return time.monotonic() if self._reading else self._ended


class WatchedSource:
    """A source whose reads are counted."""

    def __init__(self, source: Source, activity: Activity) -> None:
        self._source = source
        self._activity = activity

    def observe(self, request: Request) -> Any:
        """What the source answers."""
        self._activity.begins()
        try:
            return self._source.observe(request)
        finally:
            self._activity.ends()
