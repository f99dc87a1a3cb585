"""Sockets on which every wait ends at one deadline, however slowly bytes trickle in."""

from __future__ import annotations

import errno
import io
import socket
import sys
import threading
import time
from typing import Any

__all__ = ["DeadlineSocket", "dial"]


class DeadlineSocket:
    """What ``http.client`` takes for a socket; set ``deadline`` (monotonic seconds) before each exchange.

    ``left`` is how many bytes may still be received; a server that sends more breaks the connection.
    """

    def __init__(self, wrapped: socket.socket) -> None:
        self._wrapped = wrapped
        self._readers = 0
        self._closing = False
        self.deadline = 0.0
        self.left = sys.maxsize

    def sendall(self, data: Any) -> None:
        """Send it all, or raise TimeoutError at the deadline."""
        self._arm()
        self._wrapped.sendall(data)

    def recv_into(self, buffer: Any) -> int:
        """Read what is there; waits until the deadline for the first byte."""
        self._arm()
        return self._received(self._wrapped.recv_into(buffer))

    def send(self, data: Any) -> int:
        """Send what fits now, or raise TimeoutError at the deadline."""
        self._arm()
        return self._wrapped.send(data)

    def recv(self, size: int) -> bytes:
        """Read what is there, at most ``size`` bytes; waits until the deadline for the first."""
        self._arm()
        return self._wrapped.recv(size)

    def makefile(self, *_: object, **__: object) -> io.BufferedReader:
        """A reader; the socket stays open until the reader is closed too, as with real sockets."""
        self._readers += 1
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        """Close once no reader is left."""
        self._closing = True
        if self._readers == 0:
            self._wrapped.close()

    def release(self) -> None:
        """A reader is done."""
        self._readers -= 1
        if self._closing:
            self.close()

    def _received(self, number: int) -> int:
        self.left -= number
        if self.left < 0:
            raise ConnectionAbortedError(errno.ECONNABORTED, "the server sends without end")
        return number

    def _arm(self) -> None:
        remaining = self.deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        self._wrapped.settimeout(remaining)


class _Reader(io.RawIOBase):
    def __init__(self, source: DeadlineSocket) -> None:
        super().__init__()
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._source.recv_into(buffer)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._source.release()


def dial(host: str, port: int, timeout: float) -> socket.socket:
    """A TCP connection made within ``timeout`` seconds, name resolution and all addresses of the name included.

    Raises:
        OSError: as the last address that was tried said; TimeoutError when the time is over.
    """
    deadline = time.monotonic() + timeout
    addresses = _resolve(host, port, timeout)
    last: OSError = TimeoutError()
    for left, (family, address) in zip(range(len(addresses), 0, -1), addresses, strict=True):
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(max((deadline - time.monotonic()) / left, 0.001))
            connection.connect(address)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            connection.close()
            last = error
        else:
            return connection
    raise last


def _resolve(host: str, port: int, timeout: float) -> list[tuple[int, Any]]:
    """The addresses of a name. The system's resolver takes no deadline, so it is left behind when it has none."""
    found: list[tuple[int, Any]] = []
    failed: list[OSError] = []

    def look_up() -> None:
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.extend((family, address) for family, _, _, _, address in answers)
        except (OSError, UnicodeError) as error:
            failed.append(error if isinstance(error, OSError) else socket.gaierror(str(error)))

    thread = threading.Thread(target=look_up, daemon=True, name="resolver")
    thread.start()
    thread.join(timeout)
    if failed:
        raise failed[0]
    if thread.is_alive():
        raise socket.gaierror(socket.EAI_AGAIN, "the name server does not answer")
    return list(found)
