"""JSON merge patches (RFC 7396): applied, and computed from two versions of an object."""

from __future__ import annotations

from typing import Any

__all__ = ["canonical", "merge_diff", "merged", "pick", "pointed"]

_VOLATILE = (
    "managedFields",
    "resourceVersion",
    "generation",
    "uid",
    "creationTimestamp",
    "selfLink",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)
_COUNTERS = ("deployment.kubernetes.io/revision", "deprecated.daemonset.template.generation")


def canonical(found: dict[str, Any]) -> dict[str, Any]:
    """An object without what the API server and controllers write into it by themselves."""
    kept = {key: value for key, value in found.items() if key != "status"}
    metadata = {key: value for key, value in found.get("metadata", {}).items() if key not in _VOLATILE}
    annotations = {
        key: value for key, value in (metadata.get("annotations") or {}).items() if key not in _COUNTERS
    }
    metadata.pop("annotations", None)
    if annotations:
        metadata["annotations"] = annotations
    return {**kept, "metadata": metadata}


def merged(target: Any, patch: Any) -> Any:
    """What a merge patch makes of a value."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def merge_diff(old: Any, new: Any) -> dict[str, Any]:
    """The merge patch that makes ``new`` of ``old``; lists are replaced as a whole."""
    patch: dict[str, Any] = {}
    for key in old.keys() | new.keys():
        if key not in new:
            patch[key] = None
        elif key not in old:
            patch[key] = new[key]
        elif isinstance(old[key], dict) and isinstance(new[key], dict):
            inner = merge_diff(old[key], new[key])
            if inner:
                patch[key] = inner
        elif old[key] != new[key]:
            patch[key] = new[key]
    return patch


def pick(found: Any, patch: Any) -> Any:
    """The part of a value that a merge patch speaks of; what is not there reads ``None``."""
    if not isinstance(patch, dict):
        return found
    if not isinstance(found, dict):
        return None
    return {key: pick(found.get(key), value) for key, value in patch.items()}


def pointed(found: Any, operations: list[dict[str, Any]]) -> dict[str, Any]:
    """The part of a value that a JSON patch speaks of, as a patch for :func:`pick`; lists are taken as a whole."""
    shape: dict[str, Any] = {}
    for operation in operations:
        if operation.get("op") == "test":
            continue
        for pointer in (operation.get("path"), operation.get("from")):
            if pointer:
                _mark(shape, found, [_unescaped(token) for token in pointer.split("/")[1:]])
    return shape


def _mark(shape: dict[str, Any], found: Any, tokens: list[str]) -> None:
    key, *rest = tokens
    inner = found.get(key) if isinstance(found, dict) else None
    if not rest or not isinstance(inner, dict) or (key in shape and shape[key] is None):
        shape[key] = None
    else:
        _mark(shape.setdefault(key, {}), inner, rest)


def _unescaped(token: str) -> str:
    return token.replace("~1", "/").replace("~0", "~")
