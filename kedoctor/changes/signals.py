"""Interrupts wait until an action is over: a half-done change is worse than a second's delay."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Deferred", "InterruptedChangeError", "deferred"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class InterruptedChangeError(BaseException):
    """The person (or the system) wants kedoctor to stop; raised between two actions only."""


class Deferred:
    """Remembers that a signal came, and how many; :meth:`check` ends the run between two actions."""

    def __init__(self) -> None:
        self.received: int | None = None
        self.count = 0

    def check(self) -> None:
        """Ends the run if a signal came.

        Raises:
            InterruptedChangeError: one did.
        """
        if self.received is not None:
            raise InterruptedChangeError

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.received = number
        self.count += 1


@contextmanager
def deferred() -> Iterator[Deferred]:
    """Signals that end a process are only noted while the block runs (in the main thread; elsewhere none arrive)."""
    state = Deferred()
    if threading.current_thread() is not threading.main_thread():
        yield state
        return
    before = {number: signal.signal(number, state._note) for number in _SIGNALS}  # noqa: SLF001  its own handler
    try:
        yield state
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
