"""Label and field selectors: which objects of a list are asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .errors import ApiError, bad_request
from .label_selectors import label_selector
from .resources import Resource

Test = Callable[[dict[str, Any]], bool]
_POD_FIELDS = {
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.nominatedNodeName",
}
_EVENT_FIELDS = {
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
}
_FIELDS: dict[tuple[str, str], set[str]] = {
    ("", "pods"): _POD_FIELDS,
    ("", "nodes"): {"spec.unschedulable"},
    ("", "namespaces"): {"status.phase"},
    ("", "secrets"): {"type"},
    ("", "events"): _EVENT_FIELDS,
    ("", "services"): {"spec.clusterIP", "spec.type"},
    ("apps", "replicasets"): {"status.replicas"},
}


def split_requirements(text: str) -> list[str]:
    """The comma-separated requirements of a selector; commas within parentheses do not count."""
    parts, end, following = [], len(text), ""
    for at in range(len(text) - 1, -1, -1):
        if text[at] in "()":
            following = text[at]
        elif text[at] == "," and following != ")":
            parts.append(text[at + 1 : end])
            end = at
    parts.append(text[:end])
    return [part.strip() for part in reversed(parts) if part.strip()]


def _field(obj: dict[str, Any], path: str) -> str:
    if path == "source":
        path = "source.component"
    value: Any = obj
    for step in path.split("."):
        value = value.get(step, "") if isinstance(value, dict) else ""
    if isinstance(value, bool):
        return str(value).lower()
    if not value and path in ("spec.hostNetwork", "spec.unschedulable"):
        return "false"
    return str(value)


def field_selector(resource: Resource, text: str) -> list[Test]:
    """Tests over whole objects.

    Raises:
        ApiError: 400 for a field that the resource cannot be selected by, worded as the real server does.
    """
    known = {"metadata.name"} | _FIELDS.get(resource.table, set())
    if resource.namespaced:
        known.add("metadata.namespace")
    tests: list[Test] = []
    for part in split_requirements(text):
        operator = next((o for o in ("!=", "==", "=") if o in part), None)
        if operator is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        path, _, value = part.partition(operator)
        if path not in known:
            raise _unsupported(resource, path)
        tests.append(_field_test(path, value, equal=operator != "!="))
    return tests


def _field_test(path: str, value: str, *, equal: bool) -> Test:
    return lambda obj: (_field(obj, path) == value) is equal


def _unsupported(resource: Resource, path: str) -> ApiError:
    if resource.table in _FIELDS or resource.has("custom"):
        return bad_request(f"field label not supported: {path}")
    return bad_request(f'"{path}" is not a known field selector: only "metadata.name", "metadata.namespace"')


class Selection:
    """Both selectors of a request together; ``empty`` when nothing was asked."""

    __slots__ = ("_fields", "_labels", "empty")

    def __init__(self, resource: Resource, labels: str, fields: str) -> None:
        self._labels = label_selector(labels)
        self._fields = field_selector(resource, fields)
        self.empty = not self._labels and not self._fields

    def matches(self, obj: dict[str, Any]) -> bool:
        """Whether an object is among those asked for."""
        labels = obj.get("metadata", {}).get("labels") or {}
        return all(test(labels) for test in self._labels) and all(test(obj) for test in self._fields)
