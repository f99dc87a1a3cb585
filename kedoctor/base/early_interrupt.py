"""Ctrl-C before the command has begun: while Python still imports, a sentence instead of a traceback."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType

__all__ = ["ends_quietly"]

_SAID = b"\nInterrupted.\n"
_CODE = 130


def ends_quietly() -> Callable[[], None]:
    """Has SIGINT end the process with 130 until what this gives is called; nothing is changed where it is ignored."""
    try:
        if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            return lambda: None
        before = signal.signal(signal.SIGINT, _end)
    except ValueError:  # not the main thread, which alone gets signals
        return lambda: None

    def over() -> None:
        signal.signal(signal.SIGINT, before)

    return over


def _end(number: int, frame: FrameType | None) -> None:
    del number, frame
    os.write(2, _SAID)
    os._exit(_CODE)
