"""Asking each question once per run, however many threads want to know, and keeping what was seen."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, runtime_checkable

from kedoctor.model.observations.request import Request, Source

__all__ = ["LIVE", "MemoSource", "Observation", "TimedSource", "take"]

LIVE = "live"


@dataclass(frozen=True, slots=True)
class Observation:
    """One read: what was asked, the answer, when (aware UTC), how long it took, and where it came from.

    ``origin`` is ``live`` or the file name of the bundle that held it.
    """

    request: Request
    answer: Any
    at: datetime
    took_ms: int
    origin: str = LIVE


@runtime_checkable
class TimedSource(Protocol):
    """A source that knows when its answers were read, because it did not read them now."""

    def observation(self, request: Request) -> Observation:
        """The answer together with when and how it was once read."""


def take(source: Source, request: Request, now: Callable[[], datetime] | None = None) -> Observation:
    """Asks ``source`` once; a bundle's own times are passed through, a live read is timed here."""
    if isinstance(source, TimedSource):
        return source.observation(request)
    at = now() if now is not None else datetime.now(UTC)
    started = time.monotonic()
    answer = source.observe(request)
    return Observation(request, answer, at, round((time.monotonic() - started) * 1000))


class MemoSource:
    """Answers every equal request with the first answer; threads that ask meanwhile wait for it.

    When the wrapped source raises (which it should not), everybody who waits gets the exception and the next one
    to ask tries again.
    """

    def __init__(self, source: Source, *, now: Callable[[], datetime] | None = None) -> None:
        self._source = source
        self._now = now
        self._lock = threading.Lock()
        self._known: dict[Request, Future[Observation]] = {}

    def observe(self, request: Request) -> Any:
        """The answer, read at most once."""
        return self.observation(request).answer

    def observation(self, request: Request) -> Observation:
        """The answer with its times, read at most once."""
        with self._lock:
            future = self._known.get(request)
            mine = future is None
            if future is None:
                future = self._known[request] = Future()
        if mine:
            self._fill(request, future)
        return future.result()

    def observations(self) -> list[Observation]:
        """Everything that has been answered so far, in the order in which it was asked."""
        with self._lock:
            futures = list(self._known.values())
        return [future.result() for future in futures if future.done() and future.exception() is None]

    def _fill(self, request: Request, future: Future[Observation]) -> None:
        try:
            observation = take(self._source, request, self._now)
        except BaseException as error:
            with self._lock:
                self._known.pop(request, None)
            future.set_exception(error)
            raise
        future.set_result(observation)
