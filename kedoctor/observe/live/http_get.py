"""One GET, with a deadline for all of it, a limit for the body, and no upgrades."""

from __future__ import annotations

import http.client
import socket
import time
from typing import Any, cast
from urllib.parse import SplitResult, urlsplit

from kedoctor import __version__
from kedoctor.model.observations.request import Reason, Unavailable
from kedoctor.model.observations.wire import GetHttp, HttpAnswer, TlsPeer
from kedoctor.observe.live.bounded_text import Kept
from kedoctor.observe.live.deadline import DeadlineSocket
from kedoctor.observe.live.http_date import http_date
from kedoctor.observe.live.tls_stream import TlsStream
from kedoctor.observe.live.wire import connect, shake_hands, turned_away, unreached

__all__ = ["get_http"]

_PIECE = 1 << 16
_TLS_ALERT = "\x15\x03"


def get_http(request: GetHttp) -> HttpAnswer | Unavailable:
    """The answer, its body as far as it came before the deadline (``complete`` is false if that is not all).

    Redirects are not followed and no proxy is asked. What is not HTTP is ``invalid``.
    """
    what = f"GET {request.url}"
    deadline = time.monotonic() + request.timeout
    url = _parsed(request.url)
    if url is None or url.hostname is None:
        return Unavailable(Reason.INVALID, what, "this is not an http:// or https:// URL")
    port = url.port or (443 if url.scheme == "https" else 80)
    connection = connect(url.hostname, port, request.timeout)
    if isinstance(connection, Unavailable):
        return connection
    stream: socket.socket | TlsStream = connection
    if url.scheme == "https":
        shaken = shake_hands(connection, url.hostname, deadline, what)
        if isinstance(shaken, TlsPeer):
            return turned_away(shaken.alert, what)
        if isinstance(shaken, Unavailable):
            return shaken
        stream = shaken
    try:
        return _exchange(request, url, stream, deadline)
    except http.client.RemoteDisconnected:
        return Unavailable(Reason.UNREACHABLE, what, "the server closed the connection without an answer")
    except (http.client.HTTPException, ValueError) as error:
        return _no_http(error, what)
    except OSError as error:
        return unreached(error, what, request.timeout)
    finally:
        stream.close()


def _parsed(text: str) -> SplitResult | None:
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        return None
    return url if url.scheme in {"http", "https"} and "@" not in url.netloc and port != 0 else None


def _exchange(
    request: GetHttp, url: SplitResult, stream: socket.socket | TlsStream, deadline: float
) -> HttpAnswer:
    timed = DeadlineSocket(cast("socket.socket", stream))
    timed.deadline = deadline
    client = http.client.HTTPConnection(url.hostname or "")
    client.sock = cast("Any", timed)
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    client.putrequest("GET", target, skip_host=True, skip_accept_encoding=True)
    client.putheader("Host", request.host_header or url.netloc)
    client.putheader("Accept", request.accept)
    client.putheader("User-Agent", f"kedoctor/{__version__}")
    client.putheader("Connection", "close")
    client.endheaders()
    with client.getresponse() as response:
        body, complete = _body(response, request.limit)
        return HttpAnswer(
            status=response.status,
            body=body,
            date=http_date(response.getheader("Date")),
            certificate=next(iter(stream.certificates()), b"") if isinstance(stream, TlsStream) else b"",
            complete=complete,
        )


def _body(response: http.client.HTTPResponse, limit: int) -> tuple[bytes, bool]:
    """At most ``limit`` bytes of the body, and whether that is all of it."""
    kept = Kept(limit)
    left = response.length  # unknown for a chunked body and for one that ends with the connection
    try:
        while left != 0 and not kept.cut:
            piece = response.read1(_PIECE if left is None else min(_PIECE, left))
            if not piece:
                break
            kept.add(piece)
            left = None if left is None else left - len(piece)
    except (OSError, http.client.HTTPException, ValueError):
        return bytes(kept.data), False  # late, cut off or garbled: what came so far is still worth seeing
    return bytes(kept.data), not left and not kept.cut


def _no_http(error: Exception, what: str) -> Unavailable:
    if isinstance(error, http.client.BadStatusLine) and str(error.args[0]).startswith(_TLS_ALERT):
        return Unavailable(Reason.INVALID, what, "the server speaks TLS, not plain HTTP")
    return Unavailable(
        Reason.INVALID, what, f"this is not HTTP: {str(error).strip() or type(error).__name__}"
    )
