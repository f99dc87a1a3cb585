"""Faults to order: what a bad network, an overloaded server or a colleague's edit does to a request."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from kedoctor import patterns

from . import errors
from .request import Request
from .response import Response, json_response

Match = str | Callable[[Request], bool] | None

_WORDS = {
    500: ("InternalError", "Internal error occurred: injected"),
    502: ("", "bad gateway"),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
    504: (
        "Timeout",
        "Timeout: request did not complete within requested timeout - context deadline exceeded",
    ),
}


@dataclass(slots=True, eq=False)
class Fault:
    """One fault; ``hits`` counts how often it struck, ``times`` how often it still may (``None``: always)."""

    match: Match
    times: int | None = None
    status: int = 0
    message: str = ""
    retry_after: int | None = None
    delay: float = 0.0
    drop: bool = False
    hang: bool = False
    truncate: int | None = None
    before: Callable[[], None] | None = None
    headers: tuple[tuple[str, str], ...] = ()
    hits: int = 0

    def fits(self, request: Request) -> bool:
        """Whether the fault is about a request: a function, or a pattern found in ``METHOD /path?query``."""
        if self.times == 0:
            return False
        if self.match is None:
            return True
        if callable(self.match):
            return self.match(request)
        query = "&".join(f"{key}={value}" for key, value in request.pairs)
        return (
            patterns.compiled(self.match).search(
                f"{request.method} {request.path}" + (f"?{query}" if query else "")
            )
            is not None
        )


@dataclass(slots=True)
class Faults:
    """The faults of one server, in order; the first that fits strikes.

    ``hang_connections`` leaves new connections without an answer to their TLS handshake.
    """

    hang_connections: bool = False
    _faults: list[Fault] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(
        self,
        match: Match = None,
        *,
        status: int = 0,
        message: str = "",
        retry_after: int | None = None,
        delay: float = 0.0,
        drop: bool = False,
        hang_after_accept: bool = False,
        conflict_once: bool = False,
        truncate: int | None = None,
        before: Callable[[], None] | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        times: int | None = None,
    ) -> Fault:
        """Order a fault.

        ``status`` answers with that code (429 as plain text, as priority and fairness does; others as a Status),
        ``delay`` waits before anything else, ``drop`` closes the connection without an answer, ``hang_after_accept``
        never answers, ``truncate`` sends that many bytes of the body and closes, ``conflict_once`` answers one write
        with 409 Conflict, ``before`` is called first (to change an object behind the client's back). ``retry_after``
        adds that header in seconds.
        """
        fault = Fault(match, times, status, message, retry_after, delay, drop, hang_after_accept, truncate)
        fault.before, fault.headers = before, headers
        if conflict_once:
            fault.status, fault.times = 409, 1
        with self._lock:
            self._faults.append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        """Take a fault back."""
        with self._lock:
            self._faults = [other for other in self._faults if other is not fault]

    def clear(self) -> None:
        """Take all faults back."""
        with self._lock:
            self._faults.clear()
        self.hang_connections = False

    def strike(self, request: Request) -> Fault | None:
        """The fault for a request, counted; ``None`` where nothing is wrong."""
        with self._lock:
            fault = next((f for f in self._faults if f.fits(request) and _is_write(f, request)), None)
            if fault:
                fault.hits += 1
                fault.times = None if fault.times is None else fault.times - 1
            return fault


def _is_write(fault: Fault, request: Request) -> bool:
    return fault.status != 409 or request.method in ("POST", "PUT", "PATCH", "DELETE")


def fault_response(fault: Fault, request: Request) -> Response:
    """The answer of a fault with a status."""
    headers = list(fault.headers)
    if fault.retry_after is not None:
        headers.append(("Retry-After", str(fault.retry_after)))
    if fault.status == 429:
        text = (fault.message or "Too many requests, please try again later.") + "\n"
        headers.append(("X-Content-Type-Options", "nosniff"))
        return Response(429, text.encode(), "text/plain; charset=utf-8", headers)
    if fault.status == 409 and request.resource:
        error = errors.conflict(request.resource, request.name)
    else:
        reason, words = _WORDS.get(fault.status, ("", "injected"))
        details = {"retryAfterSeconds": fault.retry_after} if fault.retry_after is not None else {}
        error = errors.ApiError(fault.status, reason, fault.message or words, details)
    response = json_response(error.code, error.status())
    response.headers += headers
    return response
