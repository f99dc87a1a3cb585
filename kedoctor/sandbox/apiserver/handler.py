"""HTTP on the wire: reading requests, writing answers with the headers of the real server."""

from __future__ import annotations

import email.utils
import gzip
import select
import ssl
import time
import traceback
import uuid
from http.client import responses
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, cast

from . import errors
from .errors import ApiError, PlainError
from .faults import Fault, fault_response
from .rbac import MASTERS
from .request import LONG_RUNNING, Request, parse
from .response import Response, error_response, json_response
from .websocket import WebSocket, accept_key

if TYPE_CHECKING:
    from .server import ApiServer, Seen

_CHUNKED_FROM = 2049
_GZIP_FROM = 128 * 1024
_BODY_LIMIT = 3 * 1024 * 1024


class _Gone(Exception):  # noqa: N818 - not an error
    """The connection is to be closed without another word."""


class Handler(BaseHTTPRequestHandler):
    """One connection of an :class:`apiserver.server.ApiServer`."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    @property
    def api_server(self) -> ApiServer:
        """The server that accepted the connection."""
        return cast("ApiServer", self.server)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing; the server keeps a record instead."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is not HTTP in the words of Go's server, and hang up."""
        text = f"{int(code)} {responses.get(code, message or explain or '')}".encode()
        self._head(code, [("Content-Type", "text/plain; charset=utf-8"), ("Connection", "close")])
        self.wfile.write(text)
        self.close_connection = True

    def handle(self) -> None:
        """Serve the connection until one side closes it."""
        try:
            super().handle()
        except OSError:
            self.close_connection = True

    def _serve(self) -> None:
        request = parse(self.command, self.path, self.headers, self.api_server.store.resources)
        request.body = self._body()
        seen = self._record(request)
        try:
            fault = self._strike(request)
            response = self._answer(request, fault)
            seen.user, seen.code = request.user.name, response.code
            self._write(request, response, fault)
        except _Gone:
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve  # noqa: N815 - the base class's

    def _record(self, request: Request) -> Seen:
        from .server import Seen  # noqa: PLC0415 - the two know each other

        headers = dict(self.headers.items())
        seen = Seen(request.method, request.path, request.query, headers, request.body)
        self.api_server.requests.append(seen)
        return seen

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        data = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return data

    def _strike(self, request: Request) -> Fault | None:
        fault = self.api_server.faults.strike(request)
        if fault is None:
            return None
        if fault.delay and self.api_server.stopping.wait(fault.delay):
            raise _Gone
        if fault.before:
            fault.before()
        if fault.hang:
            self.api_server.stopping.wait()
        if fault.hang or fault.drop:
            raise _Gone
        return fault

    def _answer(self, request: Request, fault: Fault | None) -> Response:
        api = self.api_server.api
        try:
            certificate = (
                self.connection.getpeercert() if isinstance(self.connection, ssl.SSLSocket) else None
            )
            request.user = api.authenticate(self.headers, certificate)
            if fault and fault.status:
                return fault_response(fault, request)
            _check_size(request)
            metrics = api.store.resources.find("metrics.k8s.io", "v1beta1", "nodes")
            api.discovery.hidden = (
                {"metrics.k8s.io"} if metrics and api.availability(metrics) is None else set()
            )
            api.authorize(request)
            return api.answer(request)
        except (ApiError, PlainError) as error:
            response = error_response(error)
            response.flow = response.flow and request.subresource not in LONG_RUNNING
            return response
        except Exception:  # noqa: BLE001 - a fault of this server must be seen, not hidden in a lost connection
            self.api_server.crashes.append(traceback.format_exc())
            return json_response(
                500, errors.internal_error("the lab server crashed; see its crashes").status()
            )

    def _write(self, request: Request, response: Response, fault: Fault | None) -> None:
        headers = self._headers(request, response)
        if response.upgrade:
            self._upgrade(response, headers)
            return
        streamed = response.stream is not None
        body = b"" if streamed else self._compressed(response, headers)
        length = len(body)
        chunked = (
            streamed or (length >= _CHUNKED_FROM and not response.whole)
        ) and self.request_version != "HTTP/1.0"
        headers.append(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(length)))
        self._head(response.code, headers)
        if request.method == "HEAD":
            pass
        elif streamed:
            self._stream(response, fault)
        elif fault and fault.truncate is not None:
            start = f"{length:x}\r\n".encode() if chunked else b""
            self.wfile.write(start + body[: fault.truncate])
            self.wfile.flush()
            raise _Gone
        elif chunked:
            self.wfile.write(f"{length:x}\r\n".encode() + body + b"\r\n0\r\n\r\n")
        else:
            self.wfile.write(body)
        self.wfile.flush()

    def _stream(self, response: Response, fault: Fault | None) -> None:
        left = fault.truncate if fault else None
        for part in response.stream or ():
            self._chunk(part if left is None else part[:left])
            if left is not None:
                left -= len(part)
                if left <= 0:
                    raise _Gone
            if not part and self._client_left():
                raise _Gone
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, part: bytes) -> None:
        if part:
            self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        self.wfile.flush()

    def _client_left(self) -> bool:
        # A client that waits for a stream sends nothing; what can be read then is the end of the connection.
        return bool(select.select([self.connection], [], [], 0)[0])

    def _upgrade(self, response: Response, headers: list[tuple[str, str]]) -> None:
        del headers[:]
        headers += [("Upgrade", "websocket"), ("Connection", "Upgrade")]
        headers.append(("Sec-WebSocket-Accept", accept_key(self.headers.get("Sec-WebSocket-Key", ""))))
        headers.append(("Sec-WebSocket-Protocol", response.protocol))
        self._head(101, headers)
        self.wfile.flush()
        self.close_connection = True
        if response.upgrade:
            response.upgrade(WebSocket(self.rfile, self.wfile))

    def _head(self, code: int, headers: list[tuple[str, str]]) -> None:
        lines = [
            f"HTTP/1.1 {code} {responses.get(code, '')}",
            *(f"{name}: {value}" for name, value in headers),
        ]
        self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def _headers(self, request: Request, response: Response) -> list[tuple[str, str]]:
        headers = [("Audit-Id", str(uuid.uuid4())), ("Cache-Control", "no-cache, private")]
        if response.repeated:
            headers = [header for header in headers for _ in range(2)]
        if response.content_type:
            headers.append(("Content-Type", response.content_type))
        headers += response.headers
        if response.flow:
            level = _flow_level(request)
            headers.append(("X-Kubernetes-Pf-Flowschema-Uid", _stable_uid(f"flowschema {level}")))
            headers.append(("X-Kubernetes-Pf-Prioritylevel-Uid", _stable_uid(f"prioritylevel {level}")))
        moment = time.time() + self.api_server.date_offset
        headers.append(("Date", email.utils.formatdate(moment, usegmt=True)))
        return headers

    def _compressed(self, response: Response, headers: list[tuple[str, str]]) -> bytes:
        if len(response.body) < _GZIP_FROM or "gzip" not in self.headers.get("Accept-Encoding", ""):
            return response.body
        headers += [("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")]
        return gzip.compress(response.body, 1)


def _check_size(request: Request) -> None:
    if len(request.body) > _BODY_LIMIT:
        raise ApiError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {_BODY_LIMIT}", {})


def _flow_level(request: Request) -> str:
    if MASTERS in request.user.groups:
        return "exempt"
    if "system:unauthenticated" in request.user.groups:
        return "catch-all"
    return "service-accounts" if "system:serviceaccounts" in request.user.groups else "global-default"


def _stable_uid(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))
