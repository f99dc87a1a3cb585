"""Sets of fields, as ``managedFields`` records who owns what.

A set holds paths; a path is a tuple of steps: ``f:name`` (a field), ``k:{...}`` (a list item by its key) or ``v:...``
(a member of a set). A path in the set means that the field itself is owned, not only something below it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from .resources import Resource
from .schema import ATOMIC_LISTS, ATOMIC_MAPS, SETS, STRUCTS, merge_keys, words

Path = tuple[str, ...]
Fields = set[Path]

_METADATA = words(
    "name namespace creationTimestamp selfLink uid clusterName generation managedFields resourceVersion"
    " deletionTimestamp deletionGracePeriodSeconds"
)
_NEVER_OWNED = {("f:apiVersion",), ("f:kind",), ("f:metadata",)} | {
    ("f:metadata", f"f:{m}") for m in _METADATA
}


class Shape:
    """How the parts of one kind of object merge."""

    __slots__ = ("_custom",)

    def __init__(self, resource: Resource) -> None:
        self._custom = resource.has("custom")

    def keys(self, path: Path) -> tuple[str, ...] | None:
        """The merge keys of the list at a path, or ``None`` where it is atomic."""
        field, parent = _names(path)
        if self._free(path) or field in ATOMIC_LISTS:
            return None
        return merge_keys(field, parent)

    def is_set(self, path: Path) -> bool:
        """Whether the list at a path is a set of values."""
        return _names(path)[0] in SETS

    def is_atomic(self, path: Path) -> bool:
        """Whether the map at a path has one owner only."""
        return _names(path)[0] in ATOMIC_MAPS and not self._free(path)

    def is_struct(self, path: Path) -> bool:
        """Whether the field at a path is there even when it is empty."""
        return _names(path)[0] in STRUCTS and not self._free(path)

    def _free(self, path: Path) -> bool:
        """Within labels, data and custom objects nothing is known of the shape."""
        return "f:data" in path or (self._custom and path[0] != "f:metadata")


def _names(path: Path) -> tuple[str, str]:
    """The name of the last field of a path and of the field above it; none for a list item."""
    if not path[-1].startswith("f:"):
        return "", ""
    fields = [step[2:] for step in path if step.startswith("f:")]
    return fields[-1], fields[-2] if len(fields) > 1 else ""


def item_step(item: dict[str, Any], keys: tuple[str, ...]) -> str:
    """The step to a list item: its keys as JSON; an absent protocol counts as TCP, its default."""
    found = {key: item.get(key, "TCP" if key == "protocol" else None) for key in sorted(keys)}
    return "k:" + json.dumps({k: v for k, v in found.items() if v is not None}, separators=(",", ":"))


def children(shape: Shape, path: Path, value: Any) -> Iterator[tuple[Path, Any]] | None:
    """The parts of a value with their paths, or ``None`` where the value is a leaf."""
    if isinstance(value, dict) and (not path or not shape.is_atomic(path)):
        return iter([((*path, f"f:{field}"), part) for field, part in value.items() if part is not None])
    if isinstance(value, list) and path:
        keys = shape.keys(path)
        if keys and all(isinstance(item, dict) for item in value):
            return iter([((*path, item_step(item, keys)), item) for item in value])
        if shape.is_set(path):
            return iter([((*path, f"v:{json.dumps(item)}"), item) for item in value])
    return None


def applied_fields(shape: Shape, obj: dict[str, Any]) -> Fields:
    """The fields that somebody who applies ``obj`` claims: its leaves and its list items."""
    found: Fields = set()
    _claim(shape, (), obj, found)
    return found - _NEVER_OWNED


def _claim(shape: Shape, path: Path, value: Any, found: Fields) -> None:
    parts = children(shape, path, value)
    if parts is None or not value:
        found.add(path)
        return
    if path and path[-1].startswith("k:"):
        found.add(path)
    for below, part in parts:
        _claim(shape, below, part, found)


def compare(shape: Shape, old: dict[str, Any], new: dict[str, Any]) -> tuple[Fields, Fields]:
    """The paths that ``new`` adds or changes, and the paths that it lacks."""
    changed: Fields = set()
    gone: Fields = set()
    _compare(shape, (), old, new, (changed, gone))
    return changed - _NEVER_OWNED, gone - _NEVER_OWNED


_ABSENT: Any = object()


def _compare(shape: Shape, path: Path, old: Any, new: Any, found: tuple[Fields, Fields]) -> None:
    if old is None:
        old = _ABSENT
    if old is _ABSENT and path and shape.is_struct(path):
        old = [] if isinstance(new, list) else {}
    before = children(shape, path, old) if old is not _ABSENT else None
    after = children(shape, path, new) if new is not _ABSENT else None
    if before is None and after is None:
        if old != new:
            found[1 if new is _ABSENT else 0].add(path)
        return
    if path and old is _ABSENT:
        found[0].add(path)
    if path and new is _ABSENT:
        found[1].add(path)
    old_parts, new_parts = dict(before or ()), dict(after or ())
    for below in {**old_parts, **new_parts}:
        _compare(shape, below, old_parts.get(below, _ABSENT), new_parts.get(below, _ABSENT), found)


def encode(fields: Fields) -> dict[str, Any]:
    """The set in its FieldsV1 form, sorted."""
    root: dict[str, Any] = {}
    for path in sorted(fields):
        node = root
        for step in path:
            node = node.setdefault(step, {})
        node["."] = {}
    return _tidy(root)


def _tidy(node: dict[str, Any]) -> dict[str, Any]:
    if set(node) == {"."}:
        return {}
    return {step: {} if step == "." else _tidy(node[step]) for step in sorted(node)}


def decode(form: dict[str, Any], path: Path = ()) -> Fields:
    """The set of a FieldsV1 form."""
    found: Fields = set()
    for step, below in form.items():
        if step == ".":
            found.add(path)
        elif not below:
            found.add((*path, step))
        else:
            found |= decode(below, (*path, step))
    return found


def readable(path: Path) -> str:
    """A path as messages show it: ``.spec.containers[name="web"].image``."""
    words = ""
    for step in path:
        kind, _, name = step.partition(":")
        if kind == "f":
            words += f".{name}"
        elif kind == "k":
            words += "[" + ",".join(f"{k}={json.dumps(v)}" for k, v in json.loads(name).items()) + "]"
        else:
            words += f"[={name}]"
    return words
