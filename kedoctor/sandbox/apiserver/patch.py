"""The three client-side patch forms: JSON merge patch, JSON patch, strategic merge patch."""

from __future__ import annotations

import json
from typing import Any

from .errors import ApiError, bad_request, unprocessable
from .schema import SETS, merge_keys

_OPERATIONS = {"add", "remove", "replace", "move", "copy", "test"}


def merge_patch(target: Any, patch: Any) -> Any:
    """The target after an RFC 7396 merge patch; ``null`` removes."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for field, value in patch.items():
        if value is None:
            result.pop(field, None)
        else:
            result[field] = merge_patch(result.get(field), value)
    return result


def json_patch(target: Any, operations: Any) -> Any:
    """The target after an RFC 6902 patch.

    Raises:
        ApiError: 400 for what is not a patch; 422 when a test fails or a path is missing.
    """
    if not isinstance(operations, list) or any(not isinstance(o, dict) for o in operations):
        raise bad_request(
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"
        )
    document = {"": json.loads(json.dumps(target))}
    for operation in operations:
        if operation.get("op") not in _OPERATIONS:
            raise unprocessable()
        try:
            _apply(document, operation)
        except (KeyError, IndexError, ValueError, TypeError):
            raise unprocessable() from None
    return document[""]


def _steps(pointer: str) -> list[str]:
    if pointer and not pointer.startswith("/"):
        raise ValueError(pointer)
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")]


def _parent(document: Any, steps: list[str]) -> Any:
    for step in steps[:-1]:
        document = document[_index(document, step)] if isinstance(document, list) else document[step]
    if not isinstance(document, dict | list):
        raise TypeError(steps)
    return document


def _index(items: list[Any], step: str, *, append: bool = False) -> int:
    if append and step == "-":
        return len(items)
    index = int(step)
    if not 0 <= index < len(items) + append:
        raise IndexError(step)
    return index


def _read(document: Any, steps: list[str]) -> Any:
    parent = _parent(document, steps)
    return parent[_index(parent, steps[-1])] if isinstance(parent, list) else parent[steps[-1]]


def _add(document: Any, steps: list[str], value: Any) -> None:
    parent = _parent(document, steps)
    if isinstance(parent, list):
        parent.insert(_index(parent, steps[-1], append=True), value)
    else:
        parent[steps[-1]] = value


def _remove(document: Any, steps: list[str]) -> Any:
    parent = _parent(document, steps)
    return parent.pop(_index(parent, steps[-1])) if isinstance(parent, list) else parent.pop(steps[-1])


def _apply(document: Any, operation: dict[str, Any]) -> None:
    steps = _steps(operation["path"])
    match operation["op"]:
        case "test":
            if _read(document, steps) != operation.get("value"):
                raise ValueError(operation)
        case "add":
            _add(document, steps, operation["value"])
        case "remove":
            _remove(document, steps)
        case "replace":
            # The real server's library lets a field be replaced that is not there, but no item of a list.
            if isinstance(_parent(document, steps), list):
                _remove(document, steps)
            _add(document, steps, operation["value"])
        case "move":
            _add(document, steps, _remove(document, _steps(operation["from"])))
        case _:
            _add(document, steps, json.loads(json.dumps(_read(document, _steps(operation["from"])))))


def strategic_merge(target: Any, patch: dict[str, Any], parent: str = "") -> dict[str, Any]:
    """The target after a strategic merge patch with its directives (``$patch``, ``$retainKeys``, …).

    Lists are merged by the key of their field where Kubernetes has one (containers, env, volumes …), else replaced;
    tolerations have none.
    """
    result = dict(target) if isinstance(target, dict) else {}
    directive = patch.get("$patch")
    if directive == "replace":
        return {field: value for field, value in patch.items() if not field.startswith("$")}
    if directive == "delete":
        return {}
    for field, value in patch.items():
        if field.startswith("$deleteFromPrimitiveList/"):
            name = field.partition("/")[2]
            result[name] = [item for item in result.get(name) or () if item not in value]
        elif field.startswith("$"):
            continue
        elif value is None:
            result.pop(field, None)
        elif isinstance(value, dict):
            result[field] = strategic_merge(result.get(field), value, field)
        elif isinstance(value, list):
            result[field] = _merge_list(result.get(field), value, field, parent)
        else:
            result[field] = value
    _reorder(result, patch, parent)
    if "$retainKeys" in patch:
        result = {field: value for field, value in result.items() if field in patch["$retainKeys"]}
    return result


def _merge_list(old: Any, new: list[Any], field: str, parent: str) -> list[Any]:
    if field in SETS:
        kept = list(old or ())
        return kept + [item for item in new if item not in kept]
    keys = merge_keys(field, parent)
    if keys is None:
        return new
    # A strategic merge patch knows one key only.
    return _merge_items(list(old or ()), new, keys[0], field)


def _merge_items(items: list[Any], new: list[Any], key: str, field: str) -> list[Any]:
    if {"$patch": "replace"} in new:
        return [item for item in new if item != {"$patch": "replace"}]
    live, merged = list(items), []
    for item in new:
        if not isinstance(item, dict) or key not in item:
            raise ApiError(500, "", f"map: {_go_map(item)} does not contain declared merge key: {key}")
        same = [index for index, old in enumerate(items) if old.get(key) == item[key]]
        if item.get("$patch") == "delete":
            items = [old for old in items if old.get(key) != item[key]]
            continue
        merged.append(strategic_merge(items.pop(same[0]) if same else {}, item, field))
    return _interleaved(items, merged, [one.get(key) for one in live], key)


def _interleaved(kept: list[Any], merged: list[Any], order: list[Any], key: str) -> list[Any]:
    """Items of the live list and of the patch, each in their order; live order decides where it knows both."""
    result: list[Any] = []
    while kept and merged:
        left, right = kept[0].get(key), merged[0].get(key)
        first = left in order and right in order and order.index(left) < order.index(right)
        result.append((kept if first else merged).pop(0))
    return result + merged + kept


def _go_map(value: Any) -> str:
    """A value as Go's ``%v`` prints it."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{name}:{_go_map(value[name])}' for name in sorted(value))}]"
    return f"[{' '.join(map(_go_map, value))}]" if isinstance(value, list) else str(value)


def _reorder(result: dict[str, Any], patch: dict[str, Any], parent: str) -> None:
    for directive, order in patch.items():
        field = directive.removeprefix("$setElementOrder/")
        if field == directive or field not in result:
            continue
        keys = merge_keys(field, parent)
        wanted = [item[keys[0]] for item in order] if keys else order

        def place(item: Any, wanted: list[Any] = wanted, keys: tuple[str, ...] | None = keys) -> int:
            value = item.get(keys[0]) if keys else item
            return wanted.index(value) if value in wanted else len(wanted)

        result[field] = sorted(result[field], key=place)
