"""Objects with versions and a history: what etcd and the watch cache are to the real server."""

from __future__ import annotations

import json
import threading
import time
import uuid
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from .resources import Resource, Resources

Object = dict[str, Any]
HISTORY = 20_000


def now() -> str:
    """The time as Kubernetes writes it, whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def dump(value: object) -> bytes:
    """JSON as Go's encoder writes it: compact, with ``<``, ``>`` and ``&`` escaped."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e").encode()


def copy(obj: Object) -> Object:
    """An independent copy of a JSON object."""
    result: Object = json.loads(json.dumps(obj))
    return result


def key_of(resource: Resource, namespace: str, name: str) -> str:
    """The key under which an object is kept, in etcd's order."""
    return f"{namespace}/{name}" if resource.namespaced else name


class Entry:
    """One version of an object. Nobody changes it; a write makes a new one.

    ``raw`` is its JSON with ``kind`` and ``apiVersion`` first. An entry made by a function keeps neither form, so
    a hundred thousand of them cost no memory.
    """

    __slots__ = ("_make", "_obj", "_raw", "version")

    def __init__(
        self, version: int, obj: Object | None = None, make: Callable[[], bytes] | None = None
    ) -> None:
        self.version = version
        self._obj = obj
        self._make = make
        self._raw: bytes | None = None

    @property
    def raw(self) -> bytes:
        """The object as JSON."""
        if self._make is not None:
            return self._make()
        if self._raw is None:
            self._raw = dump(self._obj)
        return self._raw

    @property
    def obj(self) -> Object:
        """The object, to be read only."""
        if self._obj is not None:
            return self._obj
        result: Object = json.loads(self.raw)
        return result


class Event:
    """One change: ``kind`` is ADDED, MODIFIED or DELETED."""

    __slots__ = ("entry", "key", "kind", "previous", "table", "version")

    def __init__(
        self, kind: str, table: tuple[str, str], key: str, entry: Entry, previous: Entry | None
    ) -> None:
        self.kind = kind
        self.table = table
        self.key = key
        self.entry = entry
        self.previous = previous
        self.version = entry.version


class Snapshot:
    """The objects of one resource at one version."""

    __slots__ = ("entries", "keys", "version")

    def __init__(self, version: int, keys: Sequence[str], entries: dict[str, Entry]) -> None:
        self.version = version
        self.keys = keys
        self.entries = entries


class Compacted(Exception):  # noqa: N818 - the word etcd uses
    """The version asked for is no longer kept."""


class Store:
    """All objects of one server.

    ``lock`` is held over read-modify-write; ``compacted`` is the newest version that lists can no longer go back to;
    ``watch_from`` the oldest that a watch can start after. ``on_change`` functions see every event at once, in the writer's thread; they may
    write too, which is how a test plays a controller.
    """

    def __init__(self, resources: Resources) -> None:
        self.resources = resources
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.version = 1
        self.compacted = 0
        self.watch_from = 0
        self.on_change: list[Callable[[Event], None]] = []
        self._tables: dict[tuple[str, str], dict[str, Entry]] = {}
        self._keys: dict[tuple[str, str], list[str]] = {}
        self._namespaces: set[str] = set()
        self._history: deque[Event] = deque(maxlen=HISTORY)

    def load(self, objects: Iterable[Object]) -> None:
        """Take objects as they are (lists are opened), adding only the metadata they lack.

        Afterwards neither lists nor watches can go back to before this moment.

        Raises:
            LookupError: for a kind that no resource serves.
        """
        with self.lock:
            flat = list(_flatten(objects))
            versions = [int(o.get("metadata", {}).get("resourceVersion") or 0) for o in flat]
            self.version = max([self.version, *versions])
            for obj in flat:
                if obj.get("kind") == "CustomResourceDefinition":
                    self.resources.add_custom(obj)
            for obj in flat:
                self._take(self.resources.for_object(obj), obj)
            self._ensure_namespaces()
            self.watch_from = self.version

    def _take(self, resource: Resource, obj: Object) -> None:
        meta: Object = dict(obj.get("metadata", {}))
        stamps: Object = {}
        if resource.namespaced:
            self._namespaces.add(meta.setdefault("namespace", "default"))
        if not resource.has("virtual"):
            if not meta.get("resourceVersion"):
                self.version += 1
                meta["resourceVersion"] = str(self.version)
            stamps = {"uid": str(uuid.uuid4()), "creationTimestamp": now()}
            if resource.has("generation"):
                stamps["generation"] = 1
        made = {
            "kind": resource.kind,
            "apiVersion": resource.api_version,
            "metadata": ordered_metadata(stamps | meta),
        }
        rest = {field: value for field, value in obj.items() if field not in made}
        key = key_of(resource, meta.get("namespace", ""), meta["name"])
        self._set(resource.table, key, Entry(int(meta.get("resourceVersion") or 0), copy(made | rest)))

    def _ensure_namespaces(self) -> None:
        namespaces = self.resources.find("", "v1", "namespaces")
        if namespaces is None:
            return
        wanted = self._namespaces | {"default", "kube-system", "kube-public", "kube-node-lease"}
        for name in sorted(wanted - set(self._tables.get(namespaces.table, ()))):
            meta = {"name": name, "labels": {"kubernetes.io/metadata.name": name}}
            spec = {"finalizers": ["kubernetes"]}
            self._take(namespaces, {"metadata": meta, "spec": spec, "status": {"phase": "Active"}})

    def add_lazy(self, resource: Resource, keys: Iterable[str], make: Callable[[str, int], bytes]) -> None:
        """Add objects that are made when they are read: ``make(key, version)`` gives the whole object's JSON.

        The JSON must begin with ``kind`` and ``apiVersion``, written as :func:`dump` writes them.
        """
        with self.lock:
            for key in keys:
                self.version += 1
                self._set(resource.table, key, Entry(self.version, make=_bound(make, key, self.version)))
            self.watch_from = self.version

    def _set(self, table: tuple[str, str], key: str, entry: Entry) -> None:
        entries = self._tables.setdefault(table, {})
        if key not in entries:
            self._keys.pop(table, None)
        entries[key] = entry

    def get(self, resource: Resource, namespace: str, name: str) -> Entry | None:
        """The current version of an object, or ``None``."""
        with self.lock:
            return self._tables.get(resource.table, {}).get(key_of(resource, namespace, name))

    def objects(self, group: str, plural: str) -> list[Object]:
        """All current objects of a resource, to be read only."""
        with self.lock:
            entries = list(self._tables.get((group, plural), {}).values())
        return [entry.obj for entry in entries]

    def everything_in(self, namespace: str) -> list[tuple[Resource, Object]]:
        """All objects of a namespace, with their resources."""
        found: dict[tuple[tuple[str, str], str], tuple[Resource, Object]] = {}
        with self.lock:
            for resource in self.resources.namespaced():
                for key, entry in self._tables.get(resource.table, {}).items():
                    if key.startswith(f"{namespace}/"):
                        found.setdefault((resource.table, key), (resource, entry.obj))
        return list(found.values())

    def put(self, resource: Resource, obj: Object) -> Object:
        """Store a new version of an object under the next version number; gives it with that number in it."""
        meta = obj["metadata"]
        key = key_of(resource, meta.get("namespace", ""), meta["name"])
        with self.lock:
            previous = self._tables.get(resource.table, {}).get(key)
            self.version += 1
            meta["resourceVersion"] = str(self.version)
            obj["metadata"] = ordered_metadata(meta)
            entry = Entry(self.version, obj)
            self._set(resource.table, key, entry)
            if obj.get("kind") == "CustomResourceDefinition":
                self.resources.add_custom(obj)
            self._record(Event("MODIFIED" if previous else "ADDED", resource.table, key, entry, previous))
        return obj

    def add(self, obj: Object) -> Object:
        """Store an object (new or changed) as somebody else's write, with what metadata it lacks; watches see it.

        Raises:
            LookupError: for a kind that no resource serves.
        """
        resource = self.resources.for_object(obj)
        meta = {"uid": str(uuid.uuid4()), "creationTimestamp": now()} | obj["metadata"]
        if resource.namespaced:
            meta.setdefault("namespace", "default")
        head = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": meta}
        return self.put(
            resource, copy(head | {field: part for field, part in obj.items() if field not in head})
        )

    def delete(self, resource: Resource, obj: Object) -> None:
        """Remove an object; its last version carries the number of the deletion."""
        meta = obj["metadata"]
        key = key_of(resource, meta.get("namespace", ""), meta["name"])
        with self.lock:
            previous = self._tables[resource.table].pop(key)
            self._keys.pop(resource.table, None)
            self.version += 1
            last = copy(obj)
            last["metadata"]["resourceVersion"] = str(self.version)
            self._record(Event("DELETED", resource.table, key, Entry(self.version, last), previous))

    def _record(self, event: Event) -> None:
        self._history.append(event)
        if len(self._history) == HISTORY:
            oldest = self._history[0].version
            self.compacted = max(self.compacted, oldest)
            self.watch_from = max(self.watch_from, oldest)
        self.changed.notify_all()
        for function in self.on_change:
            function(event)

    def compact(self, version: int = 0) -> None:
        """Forget the past of lists up to ``version`` (0: all of it); watches go on, as with the real watch cache."""
        with self.lock:
            self.version += 0 if version else 1
            self.compacted = version or self.version

    def forget_events(self) -> None:
        """Let no watch start before now, as a restarted server does."""
        with self.lock:
            self.watch_from = self.version

    def snapshot(self, resource: Resource, version: int = 0) -> Snapshot:
        """All objects of a resource, now or at an older ``version``.

        Raises:
            Compacted: when that version has been compacted away.
        """
        with self.lock:
            entries = dict(self._tables.get(resource.table, {}))
            if not version or version >= self.version:
                return Snapshot(self.version, self._sorted(resource.table), entries)
            if version <= self.compacted:
                raise Compacted
            for event in reversed(self._history):
                if event.version <= version:
                    break
                if event.table == resource.table:
                    _undo(entries, event)
        return Snapshot(version, sorted(entries), entries)

    def _sorted(self, table: tuple[str, str]) -> list[str]:
        keys = self._keys.get(table)
        if keys is None:
            keys = self._keys[table] = sorted(self._tables.get(table, ()))
        return keys

    def events_after(self, table: tuple[str, str], version: int, timeout: float) -> tuple[list[Event], int]:
        """Changes of a resource after ``version`` (waiting up to ``timeout`` seconds for one), and the version now."""
        deadline = time.monotonic() + timeout
        with self.changed:
            while True:
                found: list[Event] = []
                for event in reversed(self._history):
                    if event.version <= version:
                        break
                    if event.table == table:
                        found.append(event)
                left = deadline - time.monotonic()
                if found or left <= 0:
                    return found[::-1], self.version
                self.changed.wait(left)


_METADATA_TEXT = (
    "name generateName namespace selfLink uid resourceVersion generation creationTimestamp deletionTimestamp"
    " deletionGracePeriodSeconds labels annotations ownerReferences finalizers managedFields"
)
_METADATA = tuple(_METADATA_TEXT.split())


def ordered_metadata(meta: Object) -> Object:
    """The same metadata in the order in which Go writes the fields; empty ones are left out."""
    known = {field: meta[field] for field in _METADATA if meta.get(field) not in (None, "", [], {})}
    return known | {field: value for field, value in meta.items() if field not in _METADATA}


def first_key_from(keys: Sequence[str], start: str) -> int:
    """The index of the first key at or after ``start``."""
    return bisect_left(keys, start)


def _bound(make: Callable[[str, int], bytes], key: str, version: int) -> Callable[[], bytes]:
    return lambda: make(key, version)


def _undo(entries: dict[str, Entry], event: Event) -> None:
    if event.previous is None:
        entries.pop(event.key, None)
    else:
        entries[event.key] = event.previous


def _flatten(objects: Iterable[Object]) -> Iterable[Object]:
    for obj in objects:
        kind = str(obj.get("kind", ""))
        if "items" not in obj or not kind.endswith("List"):
            yield obj
            continue
        own = (
            {}
            if kind == "List"
            else {"kind": kind.removesuffix("List"), "apiVersion": obj.get("apiVersion", "v1")}
        )
        for item in obj["items"]:
            yield own | item
