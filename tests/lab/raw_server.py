"""A server on 127.0.0.1 that answers with whatever bytes a test wants, over TLS or not."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from typing import BinaryIO, Self

Script = Callable[[str], Iterable[bytes] | None]
"""Gets ``METHOD PATH``, gives the pieces to send; an empty one closes, ``None`` is silence on an open connection."""


def answer(body: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """An HTTP answer; ``length`` is what Content-Length says when it is not true."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


class RawServer:
    """Serves each connection in a thread; a context manager. ``asked`` holds what was asked, in order.

    ``greeting`` is sent before anybody asks.
    """

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None, *, greeting: bytes = b"") -> None:
        self.script = script
        self.tls = tls
        self.greeting = greeting
        self.asked: list[str] = []
        self.connections = 0
        self.stopping = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._listener.getsockname()[1]}"
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        for connection in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        for thread in self._threads:
            thread.join(5)

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._sockets.append(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
                self._sockets.append(connection)
            with connection, connection.makefile("rb") as reader:
                connection.sendall(self.greeting)
                while self._one(connection, reader):
                    pass

    def _one(self, connection: socket.socket, reader: BinaryIO) -> bool:
        asked = reader.readline().decode().rpartition(" ")[0]
        length = 0
        while line := reader.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        reader.read(length)
        if not asked:
            return False
        self.asked.append(asked)
        pieces = self.script(asked)
        if pieces is None:
            self.stopping.wait(30)
            return False
        for piece in pieces:
            if not piece:
                return False
            connection.sendall(piece)
        return True
