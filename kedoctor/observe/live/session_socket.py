"""The socket of a pod stream, which never just breaks off.

kubectl ends a session with a close frame and reads what still comes; so does this, whatever a session ends for: what
was wanted has come, its time is over, an error, Ctrl-C, the end of the process. A node's end may not survive a
connection that is only cut off: edgecore panics then and takes every pod stream of that edge with it
(kubeedge/kubeedge#6488).
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from kedoctor.observe.live.deadline import DeadlineSocket

__all__ = ["SessionSocket", "session_socket"]

_GOODBYE = 2.0
"""Seconds that the other side has to close once we have said that we leave."""

_GLANCE = 0.25
_PIECE = 1 << 16


class SessionSocket:
    """What the WebSocket library takes for a socket; it ends at the deadline and after ``most`` bytes.

    Set ``begun`` once the session stands: from then on the end of the process ends it, too.
    """

    def __init__(self, wrapped: DeadlineSocket, most: int, ending: threading.Event) -> None:
        self._wrapped = wrapped
        self._left = most
        self._ending = ending
        self.begun = False

    def recv(self, size: int) -> bytes:
        """What is there; waits for it, and ends as said above."""
        if self._left <= 0:
            return b""  # as if the other side had ended it
        data = self._waited(min(size, self._left))
        self._left -= len(data)
        return data

    def _waited(self, size: int) -> bytes:
        """Looks up from time to time, since only the thread that reads a TLS connection may also write to it."""
        ends = self._wrapped.deadline
        try:
            while True:
                now = time.monotonic()
                if now >= ends or (self.begun and self._ending.is_set()):
                    raise TimeoutError
                self._wrapped.deadline = min(ends, now + _GLANCE)
                with suppress(TimeoutError):
                    return self._wrapped.recv(size)
        finally:
            self._wrapped.deadline = ends

    def send(self, data: bytes) -> int:
        """Sends what fits now."""
        return self._wrapped.send(data)

    def leave(self, goodbye: Callable[[], object] | None) -> None:
        """Says goodbye, if the other side has not, and reads on until it has closed, for a moment at most."""
        self._wrapped.deadline = time.monotonic() + _GOODBYE
        with suppress(
            Exception
        ):  # whatever is wrong with the connection by now: it has been used for what it was for
            if goodbye is not None:
                goodbye()
            while self._wrapped.recv(_PIECE):
                pass

    def gettimeout(self) -> float | None:
        """None: the deadline is the wrapped socket's own."""
        return None

    def settimeout(self, _seconds: float | None) -> None:
        """Nothing, as above."""

    def shutdown(self, _how: int) -> None:
        """Nothing: closing says enough."""

    def close(self) -> None:
        """Nothing: the library would close it before the other side has; whoever opened it closes it."""


class _Open:
    """The sessions of this process that stand now."""

    def __init__(self) -> None:
        self.ending = threading.Event()
        self._count = 0
        self._changed = threading.Condition()

    @contextmanager
    def one_more(self) -> Iterator[None]:
        with self._changed:
            self._count += 1
        try:
            yield
        finally:
            with self._changed:
                self._count -= 1
                self._changed.notify_all()

    def end(self) -> None:
        """Ends them all; threads that nobody waits for may still read some when the process ends."""
        self.ending.set()
        with self._changed:
            self._changed.wait_for(lambda: not self._count, timeout=_GLANCE + _GOODBYE)


_open = _Open()
atexit.register(_open.end)


@contextmanager
def session_socket(wrapped: DeadlineSocket, most: int) -> Iterator[SessionSocket]:
    """A socket for one session; closed at the end."""
    with _open.one_more():
        try:
            yield SessionSocket(wrapped, most, _open.ending)
        finally:
            wrapped.close()
