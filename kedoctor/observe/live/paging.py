"""Lists of any length, page by page, each decoded at once into the fields that somebody judges."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Generic, TypeVar, cast
from urllib.parse import urlencode

from kedoctor.base.records import Record, RecordError, decode, field, force_setattr
from kedoctor.model.objects import Object
from kedoctor.model.observations import ListObjects, Reason
from kedoctor.observe.live.api_errors import ApiFailure, refusal
from kedoctor.observe.live.apiserver import Answer, ApiServer, Call

__all__ = ["list_objects"]

K = TypeVar("K", bound=Object)

PAGE = 500  # objects, as kubectl asks for
PAGE_LIMIT = 64 << 20  # bytes; aggregated APIs send everything as one page


class _PageMetadata(Record, frozen=True):
    more: str | None = field(name="continue", default=None)


class _Page(Record, Generic[K], frozen=True):
    """A page of a list; ``items`` has no default, so that JSON of something else is not an empty list."""

    items: list[K] | None
    metadata: _PageMetadata | None = None


class _Expired(Record, frozen=True):
    """The Status of a 410: its token goes on where the list ended, with objects as they are by now."""

    metadata: _PageMetadata | None = None


def list_objects(server: ApiServer, kind: type[K], request: ListObjects) -> tuple[K, ...]:
    """All objects of ``kind`` that ``request`` asks for, within the patience of ``server``.

    A list that expires while it is read is begun again once. When that one expires too it is completed with the
    token that the server offers: complete, but not of one moment.

    Raises:
        ApiFailure: it could not be read to its end.
    """
    return _Listing(server, kind, request).read()


def share_equal_values(objects: Iterable[object]) -> None:
    """Makes equal strings and times within ``objects`` one and the same, which halves what many nodes take."""
    known: dict[object, object] = {}
    for one in objects:
        _share(one, known)


def _share(value: Any, known: dict[object, object]) -> Any:
    if isinstance(value, str | datetime):
        return known.setdefault(value, value)
    if isinstance(value, Record):
        for name in value.__struct_fields__:
            inner = getattr(value, name)
            shared = _share(inner, known)
            if shared is not inner:
                force_setattr(value, name, shared)
    elif isinstance(value, tuple):
        return tuple(_share(inner, known) for inner in value)
    return value


class _Listing(Generic[K]):
    def __init__(self, server: ApiServer, kind: type[K], request: ListObjects) -> None:
        self._server = server
        self._kind = kind
        self._request = request
        self._deadline = time.monotonic() + server.patience.whole_list
        self._objects: list[K] = []
        self._token = ""
        self._offered: set[str] = set()
        self._begun_again = False

    def read(self) -> tuple[K, ...]:
        while True:
            answer = self._ask()
            if answer.status == 410:
                self._go_on_after(answer)
                continue
            if answer.status != 200:
                raise refusal(answer.status, answer.body)
            self._token = self._take(answer.body)
            if not self._token:
                return tuple(self._objects)

    def _ask(self) -> Answer:
        query = {
            "limit": str(PAGE),
            "continue": self._token,
            "labelSelector": self._request.label_selector,
            "fieldSelector": self._request.field_selector,
        }
        path = self._kind.path(self._request.namespace)
        until = min(self._deadline, time.monotonic() + self._server.patience.page)
        return self._server.send(
            Call(
                f"{path}?{urlencode({key: value for key, value in query.items() if value})}",
                until,
                limit=PAGE_LIMIT,
            )
        )

    def _take(self, body: bytes) -> str:
        """Keeps the objects of a page; gives the token of the next one, empty after the last."""
        try:
            page = cast("_Page[K]", decode(body, _Page[self._kind]))  # type: ignore[name-defined]
        except RecordError as error:
            raise ApiFailure(Reason.INVALID, f"the answer is not a list of them: {error}") from None
        objects = page.items or []
        share_equal_values(objects)
        self._objects += objects
        return self._new(page.metadata)

    def _new(self, metadata: _PageMetadata | None) -> str:
        token = (metadata and metadata.more) or ""
        if token and token in self._offered:
            raise ApiFailure(Reason.INVALID, "the API server gives the same continue token again")
        self._offered.add(token)
        return token

    def _go_on_after(self, answer: Answer) -> None:
        if not self._begun_again:
            self._begun_again = True
            self._objects.clear()
            self._offered.clear()
            self._token = ""
            return
        try:
            token = self._new(decode(answer.body, _Expired).metadata)
        except RecordError:
            token = ""
        if not token:
            raise refusal(answer.status, answer.body)
        self._token = token
