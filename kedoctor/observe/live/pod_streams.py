"""Logs, exec and attach as kubectl asks for them: what comes back over the path to a container, and how it ends.

What the node's end of the path answers is the answer here, whatever it is; a failure is only that the API server
itself cannot be talked to.
"""

from __future__ import annotations

import time
from urllib.parse import quote, urlencode, urlsplit

from kedoctor import __version__
from kedoctor.base.records import Record, RecordError, decode
from kedoctor.model.observations.containers import AttachToPod, ExecInPod, FollowPodLog, StreamedAnswer
from kedoctor.model.observations.request import Reason
from kedoctor.observe.live.api_errors import ApiFailure, connection_failure, refusal, status_message
from kedoctor.observe.live.apiserver import ApiServer, Call
from kedoctor.observe.live.session_socket import session_socket

__all__ = ["answer_stream"]

DEADLINE, UNEXPECTED_END = "deadline", "unexpected end"

_LOG_LIMIT = 1 << 20
_EXEC_LIMIT = 1 << 20
_PROTOCOLS = ["v5.channel.k8s.io", "v4.channel.k8s.io"]
_STDOUT, _STDERR, _STATUS = 1, 2, 3
_SWITCHING = 101
# What frames, the handshake and keep-alives may add to what a container writes.
_OVERHEAD = 1 << 16


def answer_stream(server: ApiServer, request: FollowPodLog | ExecInPod | AttachToPod) -> StreamedAnswer:
    """What came back.

    Raises:
        ApiFailure: the API server gave no answer, or does not accept the credentials.
    """
    started = time.monotonic()
    if isinstance(request, FollowPodLog):
        return _log(server, request, started)
    return _session(server, request, started)


def _log(server: ApiServer, request: FollowPodLog, started: float) -> StreamedAnswer:
    query = {"container": request.container} if request.container else {}
    path = f"{_pod(request)}/log?{urlencode({**query, 'tailLines': str(request.lines)})}"
    call = Call(
        path,
        started + request.timeout,
        accept="*/*",
        repeatable=False,
        limit=_LOG_LIMIT,
        keep="end",
        unfinished=True,
    )
    answer = server.send(call)
    took = time.monotonic() - started
    if answer.status == 401:
        raise refusal(answer.status, answer.body)
    if answer.status != 200:
        return StreamedAnswer(answer.status, b"", reason=status_message(answer.body), took=took)
    return StreamedAnswer(200, answer.body, reason=answer.broke, complete=not answer.broke, took=took)


def _session(server: ApiServer, request: ExecInPod | AttachToPod, started: float) -> StreamedAnswer:
    """An exec or attach session over WebSocket, without input and without a terminal."""
    # Only a session needs it, and it takes longer to import than a session takes to open.
    import websocket  # noqa: PLC0415  as above

    query = [("command", word) for word in request.command] if isinstance(request, ExecInPod) else []
    query += [("container", request.container)] if request.container else []
    query += [("stdout", "true"), ("stderr", "true")]
    verb = "exec" if isinstance(request, ExecInPod) else "attach"
    limit = request.limit if isinstance(request, AttachToPod) else _EXEC_LIMIT
    until = request.until.encode() if isinstance(request, AttachToPod) else None
    heard = _Heard(until, limit)
    with session_socket(server.dialled(started + request.timeout), limit + _OVERHEAD) as raw:
        session = websocket.WebSocket()
        try:
            session.connect(
                f"{server.url.replace('http', 'ws', 1).rstrip('/')}{_pod(request)}/{verb}?{urlencode(query)}",
                socket=raw,
                subprotocols=_PROTOCOLS,
                header=_headers(server),
                suppress_origin=True,
                host=urlsplit(server.url).netloc.rpartition("@")[2],
                redirect_limit=0,
            )
            raw.begun = True
            heard.status = session.getstatus() or 0
            while heard.status == _SWITCHING and not heard.enough():
                opcode, data = session.recv_data()
                if opcode == websocket.ABNF.OPCODE_CLOSE:
                    break
                heard.frame(data)
            heard.close()
        except websocket.WebSocketBadStatusException as refused:
            if refused.status_code == 401:
                raise refusal(401, refused.resp_body or b"") from None
            heard.status, heard.reason = refused.status_code, status_message(refused.resp_body or b"")
        except (OSError, websocket.WebSocketException) as error:
            late = isinstance(error, TimeoutError | websocket.WebSocketTimeoutException)
            if not heard.status:
                raise _no_answer(server, error, late=late) from None
            heard.reason, heard.complete = DEADLINE if late else UNEXPECTED_END, False
        finally:
            took = time.monotonic() - started
            if raw.begun:
                raw.leave(session.send_close if session.connected else None)
    return heard.answer(took)


def _pod(request: FollowPodLog | ExecInPod | AttachToPod) -> str:
    return f"/api/v1/namespaces/{quote(request.namespace)}/pods/{quote(request.pod)}"


def _headers(server: ApiServer) -> list[str]:
    authorization = server.credentials.authorization()
    if not authorization.isprintable():
        # The message of whoever refuses it would hold the credentials.
        raise ApiFailure(Reason.INVALID, "the credentials hold characters that HTTP cannot carry")
    return [f"User-Agent: kedoctor/{__version__}"] + (
        [f"Authorization: {authorization}"] if authorization else []
    )


def _no_answer(server: ApiServer, error: Exception, *, late: bool) -> ApiFailure:
    if late:
        return ApiFailure(Reason.TIMEOUT, f"{server.url}: the stream was not opened in time")
    if isinstance(error, OSError):
        return connection_failure(error, server.url)
    return ApiFailure(Reason.INVALID, f"{server.url}: the stream was not opened: {error}")


class _Cause(Record, frozen=True):
    reason: str = ""
    message: str = ""


class _Details(Record, frozen=True):
    causes: tuple[_Cause, ...] = ()


class _Ending(Record, frozen=True):
    """The Status on channel 3; an edge without a session ends with one that says nothing at all."""

    status: str = ""
    message: str = ""
    reason: str = ""
    details: _Details | None = None


class _Heard:
    """What a session has said so far."""

    def __init__(self, until: bytes | None, limit: int) -> None:
        self.status = 0
        self.reason = ""
        self.complete = True
        self._until = until
        self._limit = limit
        self._out = bytearray()
        self._err = bytearray()
        self._code: int | None = None
        self._ended = False

    def enough(self) -> bool:
        """Whether nothing more is waited for."""
        if self._ended or len(self._out) + len(self._err) >= self._limit:
            return True
        return self._until is not None and bool(self._out) and self._until in self._out

    def frame(self, data: bytes) -> None:
        """One message: its channel and what was written to it."""
        if not data:
            return
        channel, written = data[0], data[1:]
        if channel == _STDOUT:
            self._out += written
        elif channel == _STDERR:
            self._err += written
        elif channel == _STATUS:
            self._end(written)

    def close(self) -> None:
        """The stream was closed: without a Status it broke off, unless enough was heard."""
        if not self.enough():
            self.reason, self.complete = UNEXPECTED_END, False

    def answer(self, took: float) -> StreamedAnswer:
        """All of it."""
        out, err = bytes(self._out[: self._limit]), bytes(self._err[: self._limit])
        return StreamedAnswer(self.status, out, err, self._code, self.reason, self.complete, took)

    def _end(self, written: bytes) -> None:
        self._ended = True
        try:
            ending = decode(written, _Ending)
        except RecordError:
            self.reason = "the stream ended with something that is not a Status"
            return
        if ending.status == "Success":
            self._code = 0
            return
        codes = (
            [one.message for one in ending.details.causes if one.reason == "ExitCode"]
            if ending.details
            else []
        )
        self._code = int(codes[0]) if codes and codes[0].isdecimal() else None
        self.reason = ending.message or ending.reason or "unknown error"
