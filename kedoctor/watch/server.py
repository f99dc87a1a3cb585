"""A small server of pages that are ready: read-only, a handful of connections at once, each with a deadline.

It answers ``GET`` and ``HEAD`` of the few paths that it was given. A browser that was led here by another page under a
name of that page's (DNS rebinding) is refused: only addresses, ``localhost`` and names that were given are its own.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from typing import Any, NamedTuple, cast

__all__ = ["Page", "PageServer", "is_loopback"]

CONNECTIONS = 16
"""So many are answered at once; more are closed at once."""

DEADLINE = 10.0
"""Seconds from the connection to the last byte of the answer."""

_HEAD_LIMIT = 16 << 10
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Page(NamedTuple):
    """An answer; ``refresh`` is after how many seconds a browser asks again (0: never)."""

    body: bytes
    kind: str = "text/plain; charset=utf-8"
    status: HTTPStatus = HTTPStatus.OK
    refresh: int = 0


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to that address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class PageServer:
    """Serves ``pages`` (by path) at an address from :meth:`start` until :meth:`stop`.

    ``names`` are host names under which it may be reached besides addresses and ``localhost``; on loopback only
    loopback addresses are. Port 0 takes a free one.

    Raises:
        OSError: the address cannot be listened on.
    """

    def __init__(
        self,
        host: str,
        port: int,
        pages: Mapping[str, Callable[[], Page]],
        *,
        names: frozenset[str] = frozenset(),
        deadline: float = DEADLINE,
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._server = _server(family)((host, port), pages, names, deadline)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begins to answer, in a thread of its own."""
        serve = threading.Thread(
            target=self._server.serve_forever, args=(0.2,), name="kedoctor-http", daemon=True
        )
        serve.start()

    def stop(self) -> None:
        """Answers nobody any more; connections that are open are closed."""
        self._server.shutdown()
        self._server.close_all()
        self._server.server_close()


def _server(family: socket.AddressFamily) -> type[_Server]:
    return type("_Server", (_Server,), {"address_family": family})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = CONNECTIONS

    def __init__(
        self,
        address: tuple[str, int],
        pages: Mapping[str, Callable[[], Page]],
        names: frozenset[str],
        deadline: float,
    ) -> None:
        self.pages, self._names, self._deadline = pages, names, deadline
        self._alone = is_loopback(address[0])
        self._open: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # HTTPServer's own asks the resolver for a name, which may take long on a host without a network.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            full = len(self._open) >= CONNECTIONS
            if not full:
                self._open[request] = time.monotonic() + self._deadline
        if full:
            self.shutdown_request(request)
        else:
            super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Called several times a second: ends connections that are over their time, however slowly they go on."""
        now = time.monotonic()
        with self._lock:
            late = [one for one, ends in self._open.items() if ends <= now]
        for one in late:
            _cut(one)

    def close_all(self) -> None:
        """Ends every connection."""
        with self._lock:
            still = [*self._open]
        for one in still:
            _cut(one)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nothing to speak of."""

    def is_own(self, host: str) -> bool:
        """Whether a Host header names this server."""
        name = _without_port(host.strip().lower())
        if name in self._names or name == "localhost":
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or not self._alone


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.count(":") == 1 else host


def _cut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _Bounded:
    """The reading half of a connection, from which no more than the head of a request is taken."""

    def __init__(self, file: BufferedIOBase) -> None:
        self._file, self._left = file, _HEAD_LIMIT

    def readline(self, limit: int = -1) -> bytes:
        line = self._file.readline(min(self._left, limit) if limit >= 0 else self._left)
        self._left -= len(line)
        return line

    def close(self) -> None:
        self._file.close()


class _Handler(BaseHTTPRequestHandler):
    timeout = 5.0  # between two pieces; the whole has the server's deadline

    def version_string(self) -> str:
        return "kedoctor"

    def setup(self) -> None:
        super().setup()
        self.rfile = cast("Any", _Bounded(self.rfile))

    def do_GET(self) -> None:
        self._answer(self._page())

    def do_HEAD(self) -> None:
        self._answer(self._page(), body=False)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        del explain
        status = HTTPStatus(code)
        if status is HTTPStatus.NOT_IMPLEMENTED:
            status, message = HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD are answered"
        self._answer(Page(f"{message or status.phrase}\n".encode(), status=status))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name in http.server
        """Who asks is nobody's business."""

    def _page(self) -> Page:
        server = cast("_Server", self.server)
        if not server.is_own(self.headers.get("Host", "")):
            return Page(
                b"this server does not answer under that name\n", status=HTTPStatus.MISDIRECTED_REQUEST
            )
        made = server.pages.get(self.path.partition("?")[0])
        if made is None:
            return Page(f"there is: {', '.join(server.pages)}\n".encode(), status=HTTPStatus.NOT_FOUND)
        return made()

    def _answer(self, page: Page, *, body: bool = True) -> None:
        self.close_connection = True
        self.send_response(page.status)
        headers = {**_HEADERS, "Content-Type": page.kind, "Content-Length": str(len(page.body))}
        if page.status is HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = "GET, HEAD"
        if page.refresh:
            headers["Refresh"] = str(page.refresh)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if body and self.command != "HEAD":
            self.wfile.write(page.body)
