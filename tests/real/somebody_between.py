"""Somebody who writes right between what kedoctor read and what the API server stores of it.

A validating webhook is asked while the server works on a request. So whoever writes then writes in between, each time.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from real_control_plane import CLOUD, Cluster, Object
from real_kubeedge import serving

__all__ = ["Between", "between"]

PORT = 9443
_CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
_CANARY = "/api/v1/namespaces/default/configmaps?dryRun=All"


class Between:
    """Who writes: :meth:`arm` lets ``write`` loose at the next request of kedoctor for one of these resources."""

    def __init__(self) -> None:
        self.asked = 0
        self.wrote = 0
        self._lock = threading.Lock()
        self._write: Callable[[], None] | None = None
        self._resources: frozenset[str] = frozenset()

    def arm(self, write: Callable[[], None], *resources: str) -> None:
        """Once; a dry run does not count."""
        with self._lock:
            self._write, self._resources, self.wrote = write, frozenset(resources), 0

    def disarm(self) -> None:
        """Nobody writes any more."""
        with self._lock:
            self._write = None

    def see(self, request: Object) -> None:
        """A request that the server is about to carry out."""
        self.asked += 1
        theirs = request.get("options") or {}
        ours = theirs.get("fieldManager") == "kedoctor" or request["operation"] == "DELETE"
        with self._lock:
            write = self._write
            if request.get("dryRun") or not ours or request["resource"]["resource"] not in self._resources:
                return
            self._write = None
        if write is not None:
            write()
            self.wrote += 1


@contextmanager
def between(cluster: Cluster) -> Iterator[Between]:
    """Asked about every change of an object of the cluster."""
    somebody = Between()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            somebody.see(review["request"])
            answer = {"uid": review["request"]["uid"], "allowed": True}
            text = json.dumps({**review, "request": None, "response": answer}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with serving(cluster, PORT, Handler):
        cluster.create(_CONFIGURATIONS, _configuration(cluster))
        canary = {"metadata": {"generateName": "canary-"}}

        def is_asked() -> bool:
            cluster.ask("POST", _CANARY, canary)
            return bool(somebody.asked)

        cluster.eventually(is_asked)
        yield somebody


def _configuration(cluster: Cluster) -> Object:
    rule = {
        "operations": ["CREATE", "UPDATE", "DELETE"],
        "apiGroups": ["*"],
        "apiVersions": ["*"],
        "resources": ["*"],
    }
    client: dict[str, Any] = {
        "url": f"https://{CLOUD}:{PORT}/",
        "caBundle": base64.b64encode(cluster.papers.ca.cert_pem.bytes()).decode(),
    }
    hook = {
        "name": "somebody.example.com",
        "rules": [rule],
        "clientConfig": client,
        "sideEffects": "NoneOnDryRun",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 10,
    }
    return {"metadata": {"name": "somebody"}, "webhooks": [hook]}
