"""A small cluster for tests: objects by kind, logs by pod, answered as the API server would."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from kedoctor.api import (
    AccessReview,
    ApiAnswer,
    Cluster,
    Finding,
    LogText,
    Object,
    Reason,
    Unavailable,
)
from kedoctor.base.records import decode, to_builtins
from kedoctor.checks.facts.cluster.nodes import EdgeNode, EdgeNodes
from kedoctor.checks.parsers.kubernetes import Condition
from kedoctor.model.observations.apiserver import GetPath, ListObjects, ReviewAccess
from kedoctor.model.observations.logs import ReadPodLog

NOW = datetime(2026, 11, 23, 3, 19, 53, tzinfo=UTC)


def before(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def made(kind: type[Any], **fields: Any) -> Any:
    """An object from the JSON the API server would send."""
    return decode(json.dumps(fields, default=lambda time: time.isoformat()), kind)


class FakeCluster:
    """A source that holds objects; kinds it does not know are forbidden to it."""

    def __init__(
        self, *objects: Object, logs: Mapping[str, str] | None = None, kinds: Iterable[type[Object]] = ()
    ) -> None:
        self.objects = objects
        self.logs = dict(logs or {})
        self.known = {type(one).__name__ for one in objects} | {kind.__name__ for kind in kinds}
        self.denied: set[str] = set()
        self.asked: list[Any] = []

    def observe(self, request: Any) -> Any:
        self.asked.append(request)
        match request:
            case ListObjects():
                return self._list(request)
            case GetPath(path="/version"):
                return ApiAnswer(200, b'{"gitVersion":"v1.31.14"}', NOW)
            case ReadPodLog() if request.previous:
                return self._log(f"{request.pod} previous")
            case ReadPodLog():
                return self._log(request.pod)
            case ReviewAccess():
                return AccessReview(request.verb + " " + request.resource not in self.denied)
        return Unavailable(Reason.NOT_RECORDED, str(request))

    def _log(self, name: str) -> Any:
        return LogText(self.logs[name]) if name in self.logs else Unavailable(Reason.ABSENT, name)

    def _list(self, request: ListObjects) -> Any:
        if request.kind not in self.known:
            return Unavailable(Reason.FORBIDDEN, request.kind)
        return tuple(
            one for one in self.objects if type(one).__name__ == request.kind and _fits(one, request)
        )


def _fits(one: Any, request: ListObjects) -> bool:
    where = getattr(one.metadata, "namespace", "")
    labels = to_builtins(one)["metadata"].get("labels") or {}
    wanted = [part.split("=") for part in request.label_selector.split(",") if "=" in part]
    name = request.field_selector.partition("metadata.name=")[2]
    return (
        (not request.namespace or not where or where == request.namespace)
        and (not name or one.metadata.name == name)
        and all(labels.get(key) == value for key, value in wanted)
    )


def cluster(*objects: Object, **options: Any) -> Cluster:
    return Cluster(FakeCluster(*objects, **options))


def edge(
    name: str = "edge1", *, ready: str = "True", reason: str = "EdgeReady", silent: float = 10, **fields: Any
) -> EdgeNode:
    """An edge as it is on the healthy test site, unless told otherwise; last heard of ``silent`` seconds ago."""
    told = Condition(
        type="Ready", status=ready, reason=reason, message="told", last_heartbeat_time=before(silent + 60)
    )
    usual: dict[str, Any] = {
        "internal_ip": "10.99.0.2",
        "hostname": name,
        "port": 10351,
        "ready": told,
        "created": before(600),
        "version": "v1.31.12-kubeedge-v1.22.0",
        "lease": before(silent),
    }
    return EdgeNode(name=name, **(usual | fields))


def edges(*items: EdgeNode) -> EdgeNodes:
    return EdgeNodes(items or (edge(),))


def only(findings: Iterable[Finding]) -> Finding:
    listed = list(findings)
    assert len(listed) == 1, [str(one.summary) for one in listed]
    return listed[0]


def both_languages(finding: Finding) -> bool:
    """Every text a person reads is there in both languages, as a whole sentence."""
    texts = [text for text in (finding.summary, finding.expected, finding.hint) if text is not None]
    return all(text.en and text.zh for text in texts) and finding.summary.en.rstrip().endswith((".", "`"))
