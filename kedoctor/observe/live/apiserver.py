"""One API server over HTTPS: connections that are kept, deadlines that hold, and a memory of being down."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import ssl
import threading
import time
import weakref
import zlib
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit

from kedoctor import __version__
from kedoctor.model.observations.request import Reason
from kedoctor.observe.live.api_errors import ApiFailure, connection_failure
from kedoctor.observe.live.credentials import Credentials
from kedoctor.observe.live.deadline import DeadlineSocket, dial
from kedoctor.observe.live.http_date import http_date
from kedoctor.observe.live.kubeconfig import Found
from kedoctor.observe.live.proxies import proxy_for, tunnel
from kedoctor.observe.live.tls import tls_context

__all__ = ["Answer", "ApiServer", "Call", "Patience"]

_PIECE = 1 << 16
_MOST_IDLE = 8
_MOST_AROUND = 8 << 20  # bytes of headers, chunk sizes and trailers around a body
_MOST_PASSED = 512 << 20  # bytes that are read for the sake of the last ones
_SHORTEST_WAIT = 0.5  # seconds before a throttled call is made again, whatever Retry-After says


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds each thing may take; ``first_answer`` is everything up to the first answer of all."""

    connect: float = 3.0
    first_answer: float = 6.0
    page: float = 20.0
    whole_list: float = 300.0
    log: float = 15.0
    review: float = 10.0
    plugin: float = 30.0

    def within(self, seconds: float) -> Patience:
        """The same where nothing takes longer than ``seconds``; a plugin may ask a person for a password."""
        limits = {one.name: min(getattr(self, one.name), seconds) for one in fields(self)}
        return replace(self, **limits | {"plugin": self.plugin})


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request: when it must be over (monotonic seconds) and what to keep of a body beyond ``limit`` bytes.

    ``keep`` is ``all`` (a longer body is a failure), ``start`` or ``end``. With ``unfinished`` a body that does not
    come to its end is an answer too: as much of it as came.
    """

    path: str
    deadline: float
    method: str = "GET"
    accept: str = "application/json"
    body: bytes = b""
    content_type: str = "application/json"
    repeatable: bool = True
    limit: int = 8 << 20
    keep: Literal["all", "start", "end"] = "all"
    unfinished: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said; ``cut`` when the body was longer than the call wanted. ``date`` is aware UTC.

    ``broke`` says how a body that did not come to its end broke off: ``deadline`` or ``unexpected end``.
    """

    status: int
    body: bytes
    content_type: str = ""
    date: datetime | None = None
    retry_after: float = 1.0
    cut: bool = False
    broke: str = ""


class ApiServer:
    """The API server of a configuration; safe to use from several threads.

    The first call of all finds out whether the server answers, once for everybody who asks meanwhile. When it does
    not, every later call fails at once with the same reason.
    """

    def __init__(self, found: Found, patience: Patience = Patience()) -> None:
        self.url = found.server
        self.patience = patience
        self.credentials = Credentials(found, plugin_time=patience.plugin)
        self.found = found
        self._parts = urlsplit(found.server)
        self._context: ssl.SSLContext | None = None
        self._idle: list[_Connection] = []
        self._lock = threading.Lock()
        self._first = threading.Lock()
        self._answers = False
        self._down: ApiFailure | None = None
        weakref.finalize(self, _close_all, self._idle)

    def send(self, call: Call) -> Answer:
        """The answer, whatever its status; one of 429 only when waiting longer would pass the deadline.

        Raises:
            ApiFailure: there is no answer.
        """
        self._be_answered()
        while True:
            answer = self._exchange(call)
            wait = max(answer.retry_after, _SHORTEST_WAIT)
            if answer.status != 429 or time.monotonic() + wait >= call.deadline:
                return answer
            time.sleep(wait)

    def prepare(self) -> None:
        """Builds the TLS context, so that unusable certificates show before anything is asked; runs no plugin.

        Raises:
            ApiFailure: they are unusable.
        """
        if self._parts.scheme == "https" and not self.credentials.are_made:
            self._tls()

    def close(self) -> None:
        """Close the idle connections; when the server is forgotten this happens by itself."""
        _close_all(self._idle)

    def _be_answered(self) -> None:
        if not self._answers:
            with self._first:
                self._find_out()

    def _find_out(self) -> None:
        """Whether the server answers at all; only one thread at a time gets here."""
        if self._answers:
            return
        if self._down is None:
            try:
                self._exchange(Call("/version", time.monotonic() + self.patience.first_answer, keep="start"))
            except ApiFailure as failure:
                self._down = failure
        if self._down is not None:
            raise ApiFailure(self._down.reason, self._down.detail)
        self._answers = True

    def _exchange(self, call: Call) -> Answer:
        """One attempt; a kept connection that turns out to be closed is replaced by a new one."""
        connection = self._kept()
        if connection is not None:
            try:
                return self._over(connection, call)
            except _StaleError:
                if not call.repeatable:
                    raise self._lost(ConnectionResetError(), call) from None
        try:
            return self._over(self._connect(call.deadline), call)
        except _StaleError as stale:
            raise self._lost(stale.error, call) from None

    def _over(self, connection: _Connection, call: Call) -> Answer:
        try:
            header = self.credentials.authorization()
            answer = connection.exchange(call, self._parts.path + call.path, header)
        except _StaleError:
            connection.close()
            raise
        except (ValueError, http.client.InvalidURL):
            # The message would hold the header, and with it the credentials.
            connection.close()
            raise ApiFailure(
                Reason.INVALID, "the path or the credentials hold characters that HTTP cannot carry"
            ) from None
        except (OSError, http.client.HTTPException, zlib.error) as error:
            connection.close()
            raise self._lost(error, call) from None
        except BaseException:
            connection.close()
            raise
        self._keep(connection)
        return answer

    def _lost(self, error: Exception, call: Call) -> ApiFailure:
        """A failure after the connection was made: the next call finds out anew whether the server still answers."""
        self._answers = False
        failure = self._failure(error)
        if failure.reason is Reason.TIMEOUT:
            path = call.path.partition("?")[0]
            return ApiFailure(failure.reason, f"{self.url}: no answer to {call.method} {path} in time")
        return failure

    def _failure(self, error: Exception) -> ApiFailure:
        """What an error means, the credentials considered: a TLS 1.3 server may close before its alert is read."""
        if isinstance(error, ValueError) and not isinstance(error, OSError | UnicodeError):
            return ApiFailure(
                Reason.INVALID, f"{self.url}: its address or tls-server-name is not a host name"
            )
        failure = connection_failure(error, self.url)
        closed = isinstance(error, ConnectionError) and not isinstance(error, ConnectionRefusedError)
        if failure.reason is Reason.UNAUTHORIZED or (closed and self.credentials.has_run_out()):
            return ApiFailure(Reason.UNAUTHORIZED, f"{failure.detail}; {self.credentials.refused()}")
        return failure

    def _connect(self, deadline: float) -> _Connection:
        try:
            connection = self._open(min(deadline, time.monotonic() + self.patience.first_answer))
        except (OSError, ValueError) as error:
            failure = self._failure(error)
            if time.monotonic() < deadline:
                self._answers, self._down = False, failure
            raise failure from None
        return connection

    def dialled(self, deadline: float) -> DeadlineSocket:
        """A connection of one's own, TLS included, for a stream; the caller closes it.

        Raises:
            ApiFailure: there is none.
        """
        self._be_answered()
        try:
            made = DeadlineSocket(self._dial(min(deadline, time.monotonic() + self.patience.first_answer)))
        except (OSError, ValueError) as error:
            raise self._failure(error) from None
        made.deadline = deadline
        return made

    def _open(self, deadline: float) -> _Connection:
        return _Connection(*self._address(), self._dial(deadline))

    def _address(self) -> tuple[str, int]:
        port = self._parts.port or (443 if self._parts.scheme == "https" else 80)
        return self._parts.hostname or "", port

    def _dial(self, deadline: float) -> socket.socket:
        host, port = self._address()
        proxy = proxy_for(self._parts, self.found.cluster.get("proxy-url") or "", os.environ)
        near = (proxy.hostname or "", proxy.port or 80) if proxy else (host, port)
        raw = dial(*near, min(self.patience.connect, deadline - time.monotonic()))
        try:
            raw.settimeout(max(deadline - time.monotonic(), 0.001))
            if proxy is not None:
                tunnel(raw, proxy, host, port)
            if self._parts.scheme == "https":
                context = self._tls()  # after the connection: a plugin is not run for a server that is down
                raw.settimeout(max(deadline - time.monotonic(), 0.001))
                name = _host_name(self.found.cluster.get("tls-server-name") or host)
                raw = context.wrap_socket(raw, server_hostname=name)
        except BaseException:
            raw.close()
            raise
        return raw

    def _tls(self) -> ssl.SSLContext:
        with self._lock:
            self._context = self._context or tls_context(self.found, self.credentials)
            return self._context

    def _kept(self) -> _Connection | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _keep(self, connection: _Connection) -> None:
        with self._lock:
            if connection.reusable and len(self._idle) < _MOST_IDLE:
                self._idle.append(connection)
                return
        connection.close()


class _StaleError(Exception):
    """The server had closed the connection before this request; ``error`` is how it showed."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


class _Connection:
    """One connection; one exchange at a time."""

    def __init__(self, host: str, port: int, raw: socket.socket) -> None:
        self._socket = DeadlineSocket(raw)
        self._http = http.client.HTTPConnection(host, port)
        self._http.auto_open = 0  # it would connect again by itself, without TLS
        self._http.sock = self._socket
        self.reusable = False

    def close(self) -> None:
        self.reusable = False
        self._http.close()
        self._socket.close()

    def exchange(self, call: Call, path: str, authorization: str) -> Answer:
        self.reusable = False
        self._socket.deadline = call.deadline
        self._socket.left = call.limit + _MOST_AROUND if call.keep == "all" else _MOST_PASSED
        headers = {"Accept": call.accept, "Accept-Encoding": "gzip", "User-Agent": f"kedoctor/{__version__}"}
        if authorization:
            headers["Authorization"] = authorization
        if call.body:
            headers["Content-Type"] = call.content_type
        try:
            # A server that closes early may have said why before: its TLS alert or its answer can still be read.
            with contextlib.suppress(BrokenPipeError, ssl.SSLEOFError):
                self._http.request(call.method, path, body=call.body or None, headers=headers)
            response = self._http.getresponse()
        except (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError, http.client.NotConnected) as error:
            raise _StaleError(error) from None
        with response:
            body, cut, broke = _body(response, call)
            self.reusable = not cut and not broke and not response.will_close
        return Answer(
            response.status,
            body,
            response.headers.get("Content-Type") or "",
            http_date(response.headers.get("Date")),
            _seconds(response.headers.get("Retry-After")),
            cut,
            broke,
        )


def _host_name(name: str) -> str:
    """The name, if TLS can carry it; the library would leave a connection open that it cannot name.

    Raises:
        ValueError: it cannot.
    """
    if name.startswith(".") or "\0" in name or not name.encode("idna"):
        raise ValueError(name)
    return name


def _close_all(idle: list[_Connection]) -> None:
    while idle:
        idle.pop().close()


def _body(response: http.client.HTTPResponse, call: Call) -> tuple[bytes, bool, str]:
    """The body, unpacked; whether something was left out of it; and how it broke off, if that is an answer."""
    body = bytearray()
    try:
        cut = _fill(body, response, call)
    except (OSError, http.client.IncompleteRead) as error:
        if not call.unfinished:
            raise
        return bytes(body), False, "deadline" if isinstance(error, TimeoutError) else "unexpected end"
    return bytes(body), cut, ""


def _fill(body: bytearray, response: http.client.HTTPResponse, call: Call) -> bool:
    """Puts what is wanted of a body into ``body``; whether something was left out."""
    packed = (response.headers.get("Content-Encoding") or "").lower() == "gzip"
    unpack = zlib.decompressobj(31) if packed else None
    cut = False
    while piece := response.read1(_PIECE):
        while piece:
            part = unpack.decompress(piece, _PIECE) if unpack else piece
            body += part
            piece = unpack.unconsumed_tail if unpack else b""
            if len(body) > call.limit:
                if call.keep == "all":
                    raise ApiFailure(Reason.TOO_LARGE, f"the answer is larger than {call.limit} bytes")
                cut = True
                if call.keep == "start":
                    del body[call.limit :]
                    return cut
                del body[: len(body) - call.limit]
    if response.length or (unpack is not None and not unpack.eof):
        raise http.client.IncompleteRead(b"")
    return cut


def _seconds(value: str | None) -> float:
    return float(value[:9]) if value and value.isascii() and value.isdigit() else 1.0
