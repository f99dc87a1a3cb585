"""Signals that end a gate: the first ends what it is doing, all others are only noted while it clears away."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Interruption"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """Turns the first signal within :meth:`heard` into one ``KeyboardInterrupt``; ``came`` says whether there was one.

    After that block, and for every further signal, nothing is raised until :meth:`installed` ends: whatever has to
    be put in order then cannot be disturbed. A signal that was ignored when the process started stays ignored.
    """

    def __init__(self) -> None:
        self.came = False
        self._listening = False

    @contextmanager
    def installed(self) -> Iterator[Interruption]:
        """Takes the signals over (in the main thread; elsewhere none arrive)."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {number: signal.getsignal(number) for number in _SIGNALS}
        mine = [number for number in _SIGNALS if before[number] is not signal.SIG_IGN]
        for number in mine:
            signal.signal(number, self._note)
        try:
            yield self
        finally:
            for number in mine:
                signal.signal(number, before[number])

    @contextmanager
    def heard(self) -> Iterator[None]:
        """While this block runs a signal is raised.

        Raises:
            KeyboardInterrupt: one came, in this block or before it.
        """
        self._listening = True
        try:
            if self.came:
                raise KeyboardInterrupt
            yield
        finally:
            self._listening = False

    def _note(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.came = True
        if self._listening:
            self._listening = False
            raise KeyboardInterrupt
