"""An answer, before it is written to the wire."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from .errors import ApiError, PlainError
from .store import Object, dump
from .websocket import WebSocket

JSON = "application/json"


@dataclass(slots=True)
class Response:
    """Status, body and headers.

    ``stream`` is written chunk by chunk instead of ``body``; ``upgrade`` takes the connection over after a 101 with
    ``protocol``. ``flow`` adds the headers of priority and fairness, which long-running requests lack. ``whole`` sends
    the length of a large body, as answers of aggregated servers and nodes come; the server's own are chunked.
    """

    code: int
    body: bytes = b""
    content_type: str = JSON
    headers: list[tuple[str, str]] = field(default_factory=list)
    stream: Iterator[bytes] | None = None
    upgrade: Callable[[WebSocket], None] | None = None
    protocol: str = ""
    flow: bool = True
    whole: bool = False
    repeated: bool = False


def json_response(code: int, obj: Object) -> Response:
    """An object, ended by a newline as Go's encoder does."""
    return Response(code, dump(obj) + b"\n")


def error_response(error: ApiError | PlainError) -> Response:
    """A refusal."""
    if isinstance(error, PlainError):
        headers = [("X-Content-Type-Options", "nosniff"), *error.headers]
        return Response(error.code, error.text.encode(), "text/plain; charset=utf-8", headers)
    response = json_response(error.code, error.status())
    response.headers += error.headers
    response.flow = error.code != 401
    return response
