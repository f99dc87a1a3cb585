"""The two servers that the conformance suite runs against."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import trustme
from conformance import ADMIN, WEAK
from real_control_plane import Answer, Cluster
from ruamel.yaml import YAML

from kedoctor.sandbox import apiserver

__all__ = ["OurServer", "RealServer", "our_server"]

Object = dict[str, Any]
_FLOW = "/apis/flowcontrol.apiserver.k8s.io/v1"


class RealServer:
    """kube-apiserver with its kubelets."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def ask(self, method: str, path: str, body: Any = None, **how: Any) -> Answer:
        """One request."""
        return self.cluster.ask(method, path, body, **how)

    def open(self) -> ssl.SSLSocket:
        """A TLS connection."""
        return self.cluster.open()

    def forget_history(self) -> None:
        """etcd forgets all versions but the newest, and the API server's caches are new."""
        self.cluster.forget_history()

    @contextlib.contextmanager
    def overloaded(self) -> Iterator[None]:
        """A priority level without a single seat for the weak user."""
        limited = {"nominalConcurrencyShares": 0, "lendablePercent": 0, "limitResponse": {"type": "Reject"}}
        level = {
            "metadata": {"name": "none"},
            "spec": {"type": "Limited", "limited": limited | {"borrowingLimitPercent": 0}},
        }
        made = self.ask("POST", f"{_FLOW}/prioritylevelconfigurations", level)
        assert made.status == 201, made.body
        user = {"kind": "User", "user": {"name": "weak"}}
        everything = {
            "verbs": ["*"],
            "apiGroups": ["*"],
            "resources": ["*"],
            "namespaces": ["*"],
            "clusterScope": True,
        }
        urls = {"verbs": ["*"], "nonResourceURLs": ["*"]}
        rule = {"subjects": [user], "resourceRules": [everything], "nonResourceRules": [urls]}
        spec = {"priorityLevelConfiguration": {"name": "none"}, "matchingPrecedence": 2, "rules": [rule]}
        made = self.ask("POST", f"{_FLOW}/flowschemas", {"metadata": {"name": "none"}, "spec": spec})
        assert made.status == 201, made.body
        stop = threading.Event()
        slow = threading.Thread(target=self._wait_for_what_never_comes, args=(stop,))
        slow.start()
        try:
            yield
        finally:
            stop.set()
            slow.join()
            self.ask("DELETE", f"{_FLOW}/flowschemas/none")
            self.ask("DELETE", f"{_FLOW}/prioritylevelconfigurations/none")

    def _wait_for_what_never_comes(self, stop: threading.Event) -> None:
        """One request of the weak user is always under way: a version that is not there is waited for some seconds.

        A level without seats still serves one request at a time.
        """
        group = "rbac.authorization.k8s.io"
        ref = {"apiGroup": group, "kind": "ClusterRole", "name": "view"}
        subject = {"kind": "User", "name": "weak", "apiGroup": group}
        body = {"metadata": {"name": "weak-views"}, "roleRef": ref, "subjects": [subject]}
        bindings = f"/apis/{group}/v1/clusterrolebindings"
        self.ask("POST", bindings, body)
        while not stop.is_set():
            self.ask("GET", "/api/v1/namespaces/default/configmaps?resourceVersion=999999999", token=WEAK)
        self.ask("DELETE", f"{bindings}/weak-views")

    def ready_for_pods(self, namespace: str) -> None:
        """A controller makes the service account."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
        self.cluster.eventually(lambda: self.ask("GET", path).status == 200)

    def run_pod(self, namespace: str, pod: str, lines: list[str]) -> None:
        """The kubelet does it."""

    def say_more(self, namespace: str, pod: str, line: str) -> None:
        """The pod's own script writes from now on."""
        self.cluster.kubectl("exec", "--namespace", namespace, pod, "--", "sh", "-c", "echo > /tmp/more")


class OurServer:
    """The sandbox's API server."""

    def __init__(self, server: apiserver.ApiServer, trust: ssl.SSLContext) -> None:
        self.server = server
        self._trust = trust

    def open(self) -> ssl.SSLSocket:
        """A TLS connection."""
        raw = socket.create_connection(("127.0.0.1", self.server.port), timeout=20)
        return self._trust.wrap_socket(raw, server_hostname="127.0.0.1")

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = ADMIN,
        content_type: str = "application/json",
        **headers: str,
    ) -> Answer:
        """One request over a connection of its own."""
        sent = {"Accept": "application/json"} | {
            key.replace("_", "-"): value for key, value in headers.items()
        }
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        if body is not None:
            sent["Content-Type"] = content_type
        connection = http.client.HTTPSConnection("127.0.0.1", self.server.port)
        connection.sock = self.open()
        try:
            connection.request(method, path, json.dumps(body) if isinstance(body, dict) else body, sent)
            answer = connection.getresponse()
            return Answer(answer.status, tuple(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def forget_history(self) -> None:
        """The store forgets all versions but the newest."""
        self.server.store.compact()
        self.server.store.forget_events()

    @contextlib.contextmanager
    def overloaded(self) -> Iterator[None]:
        """Refuses the weak user as a busy server does."""
        bearer = f"Bearer {WEAK}"
        self.server.faults.add(
            lambda request: request.headers.get("Authorization", "") == bearer, status=429, retry_after=1
        )
        yield
        self.server.faults.clear()

    def ready_for_pods(self, namespace: str) -> None:
        """It always is: the account `default` counts as made."""

    def run_pod(self, namespace: str, pod: str, lines: list[str]) -> None:
        """Plays the kubelet: the pod runs and has written these lines."""
        store = self.server.store
        resource = store.resources.find("", "v1", "pods")
        assert resource is not None
        entry = store.get(resource, namespace, pod)
        assert entry is not None
        obj = json.loads(json.dumps(entry.obj))
        state = {"name": "main", "ready": True, "restartCount": 0, "state": {"running": {}}}
        obj["status"] = {"phase": "Running", "containerStatuses": [state]}
        store.put(resource, obj)
        for line in lines:
            self.server.edge.say(namespace, pod, "main", line)

    def say_more(self, namespace: str, pod: str, line: str) -> None:
        """Writes a line as the pod would."""
        self.server.edge.say(namespace, pod, "main", line)


def _yaml(text: bytes) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def node(name: str) -> Object:
    """A node that is there."""
    status = {
        "addresses": [{"type": "InternalIP", "address": "10.99.0.2"}],
        "nodeInfo": {"kubeletVersion": "v1.34.2"},
    }
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "status": status}


@contextlib.contextmanager
def our_server(version: str) -> Iterator[OurServer]:
    """The sandbox's server, saying that it is of this version."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trust = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
    tokens = {ADMIN: apiserver.ADMIN, WEAK: apiserver.User("weak")}
    with apiserver.ApiServer(
        [node("edge1")], tls=context, tokens=tokens, load_yaml=_yaml, version=version
    ) as server:
        yield OurServer(server, trust)
        assert not server.crashes, "\n".join(server.crashes)
