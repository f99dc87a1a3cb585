"""Lists of any length, page by page, each decoded at once into the fields that somebody judges."""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import Generic, TypeVar, cast
from urllib.parse import urlencode

from kedoctor.base.records import Record, RecordError, decode, field
from kedoctor.model.objects import Object
from kedoctor.model.observations.apiserver import ListObjects
from kedoctor.model.observations.request import Reason
from kedoctor.observe.live.api_errors import ApiFailure, refusal
from kedoctor.observe.live.apiserver import Answer, ApiServer, Call
from kedoctor.observe.live.sharing import share_equal_values

__all__ = ["list_objects"]

K = TypeVar("K", bound=Object)

PAGE = 500  # objects, as kubectl asks for
PAGE_LIMIT = 64 << 20  # bytes; aggregated APIs send everything as one page

MOST_PAGES = 2_000  # a million objects
MOST_EXPIRIES = 3
MOST_FIELDS = 3_000_000  # in a page; what is decoded takes more than 100 bytes for each
MOST_PARTS = 1_000_000  # objects and parts of objects in a page; metrics of 100,000 nodes come as one page
MOST_MEMORY = 300 << 20  # bytes that reading one list may add to this process


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


def _resident() -> int:
    """Bytes of memory that this process has now."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return 0


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
        self._pages = 0
        self._expired = 0
        self._memory = _resident()

    def read(self) -> tuple[K, ...]:
        while True:
            answer = self._ask()
            self._pages += 1
            if self._pages > MOST_PAGES:
                raise ApiFailure(Reason.TOO_LARGE, f"the list has not ended after {MOST_PAGES} pages")
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
        if body.count(b":") > MOST_FIELDS or body.count(b"{") > MOST_PARTS:
            raise ApiFailure(Reason.TOO_LARGE, "a page of the list has more fields than any real one")
        try:
            page = cast("_Page[K]", decode(body, _Page[self._kind]))  # type: ignore[name-defined]
        except RecordError as error:
            raise ApiFailure(Reason.INVALID, f"the answer is not a list of them: {error}") from None
        objects = [one.reduced() for one in page.items or []]
        if _resident() - self._memory > MOST_MEMORY:
            raise ApiFailure(Reason.TOO_LARGE, f"the list takes more than {MOST_MEMORY >> 20} MiB of memory")
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
        self._expired += 1
        if self._expired > MOST_EXPIRIES:
            raise ApiFailure(Reason.INVALID, "the list expires again and again while it is read")
        try:
            token = self._new(decode(answer.body, _Expired).metadata)
        except RecordError:
            token = ""
        if not token:
            raise refusal(answer.status, answer.body)
        self._token = token
