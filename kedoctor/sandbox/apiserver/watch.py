"""Watches: what is there, then every change, with bookmarks, until the client's time is up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from . import errors
from .paging import integer
from .request import Request
from .resources import Resource
from .selectors import Selection
from .store import Entry, Event, Object, Store, dump

BOOKMARK_EVERY = 60.0
_DEFAULT_SECONDS = 1800
_TICK = 0.05

Shown = Callable[[Entry], bytes]


def check_watch(request: Request) -> None:
    """Refuse options that v1.31 does not take by default.

    Raises:
        ApiError: 422.
    """
    if "sendInitialEvents" in request.query:
        why = "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"
        causes = [errors.forbidden_field("sendInitialEvents", why)]
        raise errors.invalid("ListOptions", "meta.k8s.io", "", causes)


def watch(
    store: Store, resource: Resource, request: Request, shown: Shown, stopped: Callable[[], bool]
) -> Iterator[bytes]:
    """Lines of the watch; an empty one now and then, so that the writer notices a client that left.

    ``shown`` gives the JSON of an object in the form asked for. A version that is too old ends the watch with an ERROR
    event, status 200 as the real one.
    """
    start = integer(request.query, "resourceVersion")
    selection = Selection(
        resource, request.query.get("labelSelector", ""), request.query.get("fieldSelector", "")
    )
    prefix = f"{request.namespace}/" if request.namespace and resource.namespaced else ""
    if 0 < start < store.watch_from:
        yield _error(errors.expired(f"too old resource version: {start} ({store.watch_from})"))
        return
    deadline = time.monotonic() + (integer(request.query, "timeoutSeconds") or _DEFAULT_SECONDS)
    if start == 0:
        snapshot = store.snapshot(resource)
        start = snapshot.version
        for key in snapshot.keys:
            entry = snapshot.entries[key]
            if key.startswith(prefix) and selection.matches(entry.obj):
                yield _line("ADDED", shown(entry))
    bookmarks = _Bookmarks(resource, deadline) if request.flag("allowWatchBookmarks") else None
    while time.monotonic() < deadline and not stopped():
        events, start = store.events_after(
            resource.table, start, min(_TICK, max(deadline - time.monotonic(), 0))
        )
        for event in events:
            if event.key.startswith(prefix):
                yield from _lines(event, selection, shown)
        if bookmarks and bookmarks.due():
            yield bookmarks.line(start)
        yield b""


class _Bookmarks:
    """When bookmarks are due: every minute, and two seconds before the end."""

    def __init__(self, resource: Resource, deadline: float) -> None:
        self._resource = resource
        self._last_call = deadline - 2
        self._plan()

    def _plan(self) -> None:
        moment = time.monotonic()
        self._next = moment + BOOKMARK_EVERY
        if moment < self._last_call < self._next:
            self._next = self._last_call

    def due(self) -> bool:
        return time.monotonic() >= self._next

    def line(self, version: int) -> bytes:
        self._plan()
        meta = {"resourceVersion": str(version), "creationTimestamp": None}
        obj: Object = {
            "kind": self._resource.kind,
            "apiVersion": self._resource.api_version,
            "metadata": meta,
        }
        return _line("BOOKMARK", dump(obj))


def _lines(event: Event, selection: Selection, shown: Shown) -> Iterator[bytes]:
    """An object that starts or stops matching the selectors is added or deleted as far as this watch can see."""
    matched = event.previous is not None and selection.matches(event.previous.obj)
    matches = event.kind != "DELETED" and selection.matches(event.entry.obj)
    if matches:
        yield _line("MODIFIED" if matched else "ADDED", shown(event.entry))
    elif matched:
        yield _line("DELETED", shown(event.entry))


def _line(kind: str, raw: bytes) -> bytes:
    return b'{"type":"' + kind.encode() + b'","object":' + raw + b"}\n"


def _error(error: errors.ApiError) -> bytes:
    return _line("ERROR", dump(error.status()))
