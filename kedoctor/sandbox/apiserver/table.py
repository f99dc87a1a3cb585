"""Lists in the form that was asked for: whole objects, tables as kubectl shows them, or metadata only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from .columns import COLUMNS, Column
from .resources import Resource
from .store import Entry, Object, dump

_NONE = "<none>"


def list_of_objects(resource: Resource, entries: Sequence[Entry], metadata: Object) -> bytes:
    """A list; items of built-in kinds carry no kind of their own."""
    head = dump({"kind": f"{resource.kind}List", "apiVersion": resource.api_version, "metadata": metadata})
    own = (
        b"{" if resource.has("custom") else dump({"kind": resource.kind, "apiVersion": resource.api_version})
    )
    skip = 0 if resource.has("custom") else len(own)
    items = b",".join(entry.raw if not skip else b"{" + entry.raw[skip:] for entry in entries)
    return head[:-1] + b',"items":[' + items + b"]}"


def partial(entry: Entry) -> Object:
    """The metadata of an object, as PartialObjectMetadata."""
    meta = entry.obj["metadata"]
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": meta}


def list_of_metadata(entries: Sequence[Entry], metadata: Object) -> bytes:
    """A PartialObjectMetadataList."""
    items = [partial(entry) for entry in entries]
    head = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}
    return dump(head | {"items": items})


def table(resource: Resource, entries: Sequence[Entry], metadata: Object, include: str) -> bytes:
    """A Table; ``include`` is None, Metadata (default) or Object, for what each row carries besides its cells."""
    columns = COLUMNS.get(resource.table, COLUMNS["", ""])
    cells = _CELLS.get(resource.table, _plain_cells)
    rows = []
    for entry in entries:
        obj = entry.obj
        shown: Any = None if include == "None" else obj if include == "Object" else partial(entry)
        rows.append({"cells": cells(obj), "object": shown})
    return dump(
        {
            "kind": "Table",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": metadata,
            "columnDefinitions": [_definition(column) for column in columns],
            "rows": rows,
        }
    )


def _definition(column: Column) -> Object:
    return {
        "name": column.name,
        "type": column.type,
        "format": "name" if column.name == "Name" else "",
        "description": column.description,
        "priority": column.priority,
    }


def age(stamp: str | None) -> str:
    """How long ago a timestamp was, as kubectl abbreviates it."""
    if not stamp:
        return "<unknown>"
    then = datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    seconds = int((datetime.now(UTC) - then).total_seconds())
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < -1:
        return "<invalid>"
    if seconds < 120:
        return f"{max(seconds, 0)}s"
    if minutes < 10:
        return f"{minutes}m" + (f"{seconds % 60}s" if seconds % 60 else "")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h" + (f"{minutes % 60}m" if minutes % 60 else "")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return f"{days}d" + (f"{hours % 24}h" if hours % 24 else "")
    return f"{days}d" if days < 730 else f"{days // 365}y"


def _plain_cells(obj: Object) -> list[Any]:
    return [obj["metadata"]["name"], obj["metadata"].get("creationTimestamp")]


def _node_cells(node: Object) -> list[Any]:
    meta, status, info = node["metadata"], node.get("status", {}), node.get("status", {}).get("nodeInfo", {})
    ready = next((c["status"] for c in status.get("conditions") or () if c["type"] == "Ready"), None)
    state = {"True": "Ready", None: "Unknown"}.get(ready, "NotReady")
    if node.get("spec", {}).get("unschedulable"):
        state += ",SchedulingDisabled"
    prefix = "node-role.kubernetes.io/"
    roles = sorted(label.removeprefix(prefix) for label in meta.get("labels", {}) if label.startswith(prefix))
    addresses = {a["type"]: a["address"] for a in reversed(status.get("addresses") or ())}
    return [
        meta["name"],
        state,
        ",".join(role for role in roles if role) or _NONE,
        age(meta.get("creationTimestamp")),
        info.get("kubeletVersion", ""),
        addresses.get("InternalIP", _NONE),
        addresses.get("ExternalIP", _NONE),
        info.get("osImage") or "<unknown>",
        info.get("kernelVersion") or "<unknown>",
        info.get("containerRuntimeVersion") or "<unknown>",
    ]


def _pod_state(pod: Object) -> str:
    status = pod.get("status", {})
    state: str = status.get("reason") or status.get("phase", "")
    for container in status.get("containerStatuses") or ():
        reason = next((s.get("reason") for s in container.get("state", {}).values() if s.get("reason")), None)
        state = reason or state
    if pod["metadata"].get("deletionTimestamp"):
        return "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    return state


def _pod_cells(pod: Object) -> list[Any]:
    meta, spec, status = pod["metadata"], pod.get("spec", {}), pod.get("status", {})
    containers = status.get("containerStatuses") or ()
    ready = sum(bool(c.get("ready")) for c in containers)
    ips = [ip["ip"] for ip in status.get("podIPs") or ()]
    return [
        meta["name"],
        f"{ready}/{len(spec.get('containers') or ())}",
        _pod_state(pod),
        _restarts(containers),
        age(meta.get("creationTimestamp")),
        ips[0] if ips else _NONE,
        spec.get("nodeName") or _NONE,
        status.get("nominatedNodeName") or _NONE,
        _NONE,
    ]


def _restarts(containers: Sequence[Object]) -> str:
    count = sum(int(c.get("restartCount", 0)) for c in containers)
    ends = [c.get("lastState", {}).get("terminated", {}).get("finishedAt") for c in containers]
    last = max((end for end in ends if end), default="")
    return f"{count} ({age(last)} ago)" if count and last else str(count)


def _deployment_cells(obj: Object) -> list[Any]:
    meta, status = obj["metadata"], obj.get("status", {})
    ready = f"{status.get('readyReplicas', 0)}/{obj['spec'].get('replicas', 1)}"
    updated, available = str(status.get("updatedReplicas", 0)), str(status.get("availableReplicas", 0))
    return [
        meta["name"],
        ready,
        updated,
        available,
        age(meta.get("creationTimestamp")),
        *_workload_cells(obj),
    ]


def _workload_cells(obj: Object) -> list[Any]:
    containers = obj["spec"].get("template", {}).get("spec", {}).get("containers") or ()
    names, images = ([one.get(key, "") for one in containers] for key in ("name", "image"))
    return [
        ",".join(names),
        ",".join(images),
        _labels((obj["spec"].get("selector") or {}).get("matchLabels")),
    ]


def _labels(labels: Object | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or _NONE


_COUNTS = (
    "desiredNumberScheduled",
    "currentNumberScheduled",
    "numberReady",
    "updatedNumberScheduled",
    "numberAvailable",
)


def _daemon_set_cells(obj: Object) -> list[Any]:
    meta, status = obj["metadata"], obj.get("status", {})
    counts = [status.get(count, 0) for count in _COUNTS]
    placed = _labels(obj["spec"].get("template", {}).get("spec", {}).get("nodeSelector"))
    return [meta["name"], *counts, placed, age(meta.get("creationTimestamp")), *_workload_cells(obj)]


def _secret_cells(obj: Object) -> list[Any]:
    meta = obj["metadata"]
    return [meta["name"], obj.get("type", ""), len(obj.get("data") or ()), age(meta.get("creationTimestamp"))]


def _service_cells(obj: Object) -> list[Any]:
    meta, spec = obj["metadata"], obj.get("spec", {})
    ports = ",".join(f"{port['port']}/{port.get('protocol', 'TCP')}" for port in spec.get("ports") or ())
    outside = ",".join(spec.get("externalIPs") or ()) or _NONE
    address = spec.get("clusterIP") or _NONE
    aged = age(meta.get("creationTimestamp"))
    return [
        meta["name"],
        spec.get("type"),
        address,
        outside,
        ports or _NONE,
        aged,
        _labels(spec.get("selector")),
    ]


def _config_map_cells(obj: Object) -> list[Any]:
    count = len(obj.get("data") or ()) + len(obj.get("binaryData") or ())
    return [obj["metadata"]["name"], count, age(obj["metadata"].get("creationTimestamp"))]


_CELLS: dict[tuple[str, str], Callable[[Object], list[Any]]] = {
    ("", "nodes"): _node_cells,
    ("", "pods"): _pod_cells,
    ("", "configmaps"): _config_map_cells,
    ("", "secrets"): _secret_cells,
    ("", "services"): _service_cells,
    ("apps", "daemonsets"): _daemon_set_cells,
    ("apps", "deployments"): _deployment_cells,
}
