"""What an API server does, said in short sentences that can be compared: the mechanism of the conformance suite.

A *behaviour* is a function that sends requests to an API server and gives lines of text. It runs against the real
server and against the sandbox's; what is different each time (uids, versions, times, names of namespaces) is replaced.
"""

from __future__ import annotations

import itertools
import json
import re
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = [
    "ADMIN",
    "BEHAVIOURS",
    "WEAK",
    "Api",
    "Behaviour",
    "Ns",
    "behaviour",
    "observe",
    "said",
    "tokens_of",
]

Object = dict[str, Any]
ADMIN, WEAK = "the-administrator", "may-not-much"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"
_UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
# How v1.31, which ours follows, writes what v1.34 writes otherwise; neither says anything else by it.
_NEWER = (
    ('"creationTimestamp": null, ', ""),
    ("map[string]string{", "{"),
    ("Invalid value: 0x0:", "Invalid value: 0:"),
)
_ID = re.compile(r"\b[0-9a-f]{62,64}\b")


class Answer(Protocol):
    """An HTTP answer."""

    status: int
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""

    def header(self, name: str) -> str | None:
        """The first value of a header."""


class Api(Protocol):
    """An API server under test, and what the suite must be able to do to it beside sending requests."""

    def ask(self, method: str, path: str, body: Any = None, **how: Any) -> Answer:
        """One request: ``token``, ``content_type`` and headers may be given."""

    def open(self) -> Any:
        """A TLS connection."""

    def forget_history(self) -> None:
        """Lets the server's store forget old versions."""

    def overloaded(self) -> AbstractContextManager[None]:
        """While the block runs, the server has too much to do for requests of the weak user."""

    def ready_for_pods(self, namespace: str) -> None:
        """Waits until pods can be made in a namespace."""

    def run_pod(self, namespace: str, pod: str, lines: list[str]) -> None:
        """Sees to it that a pod that was made runs and writes these lines."""

    def say_more(self, namespace: str, pod: str, line: str) -> None:
        """Makes the container write this line at least once more."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One thing that is looked at."""

    area: str
    name: str
    look: Callable[[Ns], Iterable[str]]
    differs: str = ""
    streams: bool = False


BEHAVIOURS: list[Behaviour] = []
_numbers = itertools.count(1)


def behaviour(
    area: str, name: str, *, differs: str = "", streams: bool = False
) -> Callable[[Callable[[Ns], Iterable[str]]], Callable[[Ns], Iterable[str]]]:
    """Adds a function to the suite. ``differs`` says why a difference does not matter; ``streams`` needs a node."""

    def add(look: Callable[[Ns], Iterable[str]]) -> Callable[[Ns], Iterable[str]]:
        BEHAVIOURS.append(Behaviour(area, name, look, differs, streams))
        return look

    return add


class Ns:
    """A namespace of its own on an API server: what a behaviour is given."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.name = f"conf-{next(_numbers):03}"
        made = self.ask("POST", "/api/v1/namespaces", {"metadata": {"name": self.name}})
        assert made.status == 201, made.body

    @property
    def cms(self) -> str:
        """The path of its ConfigMaps."""
        return self.path("configmaps")

    def path(self, plural: str, group: str = "", name: str = "") -> str:
        """The path of a resource in it; ``group`` with its version."""
        start = f"/apis/{group}" if group else "/api/v1"
        return f"{start}/namespaces/{self.name}/{plural}" + (f"/{name}" if name else "")

    def ask(self, method: str, path: str, body: Any = None, **how: Any) -> Answer:
        """One request."""
        return self.api.ask(method, path, body, **how)

    def get(self, path: str, **how: Any) -> Answer:
        """A GET."""
        return self.ask("GET", path, **how)

    def patch(self, path: str, body: Any, form: str = MERGE, **how: Any) -> Answer:
        """A patch, a merge patch unless said otherwise."""
        return self.ask("PATCH", path, json.dumps(body), content_type=form, **how)

    def apply(self, path: str, body: Object, manager: str = "ann", more: str = "") -> Answer:
        """A server-side apply."""
        full = {"apiVersion": "v1", "kind": "ConfigMap"} | body
        return self.patch(f"{path}?fieldManager={manager}{more}", full, APPLY)

    def cm(self, name: str, labels: Object | None = None, **data: str) -> Answer:
        """Makes a ConfigMap."""
        meta = {"name": name} | ({"labels": labels} if labels else {})
        answer = self.ask("POST", self.cms, {"metadata": meta, "data": data})
        assert answer.status == 201, answer.body
        return answer

    def version(self) -> str:
        """The version of the ConfigMaps now."""
        return str(self.get(self.cms).json["metadata"]["resourceVersion"])

    def watched(self, path: str, act: Callable[[], None] = lambda: None) -> list[Object]:
        """The events of a watch that lasts some seconds while ``act`` is done."""
        thread = threading.Timer(0.5, act)
        thread.start()
        answer = self.get(path)
        thread.join()
        assert answer.status == 200, answer.body
        return [json.loads(line) for line in answer.body.splitlines()]

    def eventually(self, happens: Callable[[], bool], seconds: float = 20) -> bool:
        """Whether it happens in time."""
        deadline = time.monotonic() + seconds
        while not (found := happens()):
            if time.monotonic() > deadline:
                return found
            time.sleep(0.1)
        return True


def observe(one: Behaviour, api: Api) -> list[str]:
    """What a server does, without what differs from run to run."""
    ns = Ns(api)
    lines = [steady(line, ns.name) for line in one.look(ns)]
    api.ask("DELETE", f"/api/v1/namespaces/{ns.name}")
    return lines


def steady(line: str, namespace: str = "") -> str:
    """A line without uids, times, container ids and the name of the namespace."""
    line = _ID.sub("ID", _TIME.sub("TIME", _UID.sub("UID", line)))
    for old, new in _NEWER:
        line = line.replace(old, new)
    return line.replace(namespace, "NS") if namespace else line


def said(answer: Answer) -> str:
    """An answer in short: the code, and of a Status its reason, message and causes."""
    try:
        body = answer.json
    except ValueError:
        return f"{answer.status} {answer.body.decode(errors='replace').strip()!r}"
    if not isinstance(body, dict) or body.get("kind") != "Status":
        return str(answer.status)
    details = body.get("details") or {}
    known = {key: details[key] for key in ("name", "group", "kind", "retryAfterSeconds") if key in details}
    words = [
        str(answer.status),
        body.get("reason", ""),
        body.get("message", ""),
        json.dumps(known) if known else "",
    ]
    words += sorted(
        {f"[{one.get('reason', '')} {one.get('field', '')}]" for one in details.get("causes", ())}
    )
    return " ".join(word for word in words if word)


def names(answer: Answer) -> str:
    """The names in a list."""
    return ", ".join(item["metadata"]["name"] for item in answer.json["items"]) or "none"


def tokens_of(answer: Answer) -> str:
    """The continue token of a page."""
    return str(answer.json["metadata"].get("continue", ""))


def managers(answer: Answer) -> str:
    """Who owns what of ``data``."""
    found = []
    for one in answer.json["metadata"].get("managedFields", ()):
        owned = sorted(key.removeprefix("f:") for key in one["fieldsV1"].get("f:data", {}) if key != ".")
        sub = f"/{one['subresource']}" if "subresource" in one else ""
        found.append(f"{one['manager']}{sub} {one['operation']} {'+'.join(owned) or '-'}")
    return "; ".join(sorted(found)) or "nobody"


def data(answer: Answer) -> str:
    """The data of a ConfigMap."""
    return (
        json.dumps(answer.json.get("data", {}), sort_keys=True)
        if answer.status in (200, 201)
        else said(answer)
    )
