"""Code that others wrote, run so that nothing it does ends or garbles the command: no exit, no print, no endless loop."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

from kedoctor.base.code_places import at

__all__ = ["BrokenCodeError", "call_bounded", "quiet_stdout"]

T = TypeVar("T")

_lock = threading.Lock()
_quiet = 0


class BrokenCodeError(Exception):
    """Foreign code raised, or did not come to its end; the message is one line."""


def call_bounded(call: Callable[[], T], seconds: float) -> T:
    """What ``call`` returns; it runs in a thread, and what it prints goes to standard error.

    Code that does not end is left behind: nothing can end it, but nobody waits for it any more.

    Raises:
        BrokenCodeError: it raised anything (``SystemExit`` and ``KeyboardInterrupt`` too), or did not end in time.
    """
    made: list[T] = []
    raised: list[BaseException] = []
    parent = os.getpid()

    def work() -> None:
        try:
            made.append(call())
        except BaseException as error:  # noqa: BLE001  whatever it is, it ends here
            raised.append(error)
        if os.getpid() != parent:
            os._exit(0)  # it forked, and its child would go on as if it were kedoctor

    with quiet_stdout():
        thread = threading.Thread(target=work, daemon=True, name="plugin")
        thread.start()
        thread.join(seconds)
    if thread.is_alive():
        raise BrokenCodeError(f"it did not end within {seconds:g} s")
    if raised:
        raise BrokenCodeError(_one_line(raised[0])) from None
    return made[0]


def _one_line(error: BaseException) -> str:
    try:
        said = " ".join(str(error).split())[:300]
    except Exception:  # noqa: BLE001  an error whose text is broken as well
        said = ""
    return f"{type(error).__name__}: {said}{at(error)}"


@contextlib.contextmanager
def quiet_stdout() -> Iterator[None]:
    """While the block runs, what anybody prints to standard output goes to standard error: a document may follow there."""
    global _quiet  # noqa: PLW0603  the descriptor is the process's
    with _lock:
        _quiet += 1
        saved = _turn_aside() if _quiet == 1 else None
        before, sys.stdout = sys.stdout, sys.stderr
    try:
        yield
    finally:
        with _lock:
            _quiet -= 1
            sys.stdout = before
            if saved is not None:
                os.dup2(saved, 1)
                os.close(saved)


def _turn_aside() -> int | None:
    """Descriptor 1 becomes descriptor 2; the old one under another number, or ``None`` where one of them is closed."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    saved = None
    try:
        saved = os.dup(1)
        os.dup2(2, 1)
    except OSError:
        if saved is not None:
            os.close(saved)
        return None
    return saved
