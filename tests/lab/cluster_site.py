"""What the tests of the live cluster share: an authority, a server with nodes, and clusters that look at a URL."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from apiserver import ADMIN, ApiServer, Rule, Seen, User, add_edge_nodes

from kedoctor.checks.parsers.kubernetes import Node
from kedoctor.model.observations.apiserver import ListObjects
from kedoctor.model.observations.request import Unavailable
from kedoctor.observe.live.cluster import LiveCluster, Patience

ADMIN_TOKEN = "admin-token-7Fq0"
WEAK_TOKEN = "weak-token-9Xz1"
NODES = ListObjects("Node")
QUICK = Patience(connect=1.0, first_answer=1.5, page=1.0, whole_list=3.0, log=1.0, review=1.0, plugin=1.0)

Connect = Callable[..., LiveCluster]

_POD = {
    "kind": "Pod",
    "apiVersion": "v1",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"nodeName": "edge-00001", "containers": [{"name": "web"}]},
}


def server_side(certificate: Any) -> ssl.SSLContext:
    """A server's context with a certificate that trustme issued."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def site(tls: ssl.SSLContext, nodes: int = 1203) -> Iterator[ApiServer]:
    """A running server with edge nodes and one pod, for the body of a fixture."""
    weak = User("system:serviceaccount:rec:weak", ("system:serviceaccounts", "system:authenticated"))

    def rules(user: User) -> list[Rule]:
        return [] if user is weak else [Rule(verbs="*", groups="*", resources="*"), Rule(verbs="*", urls="*")]

    with ApiServer([_POD], tls=tls, tokens={ADMIN_TOKEN: ADMIN, WEAK_TOKEN: weak}, rbac=rules) as server:
        add_edge_nodes(server.store, nodes)
        yield server
        assert server.crashes == []


def connector(authority: Any, directory: Path) -> Connect:
    """Makes a LiveCluster for a URL; ``cluster`` and keywords are the entries of its kubeconfig."""

    def connect(
        url: str,
        token: str = ADMIN_TOKEN,
        *,
        cluster: dict[str, Any] | None = None,
        patience: Patience = QUICK,
        **user: Any,
    ) -> LiveCluster:
        authority.cert_pem.write_to_path(str(directory / "ca.crt"))
        entry = {"server": url} | ({"certificate-authority": "ca.crt"} if cluster is None else cluster)
        document = {
            "current-context": "lab",
            "clusters": [{"name": "lab", "cluster": entry}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "ann"}}],
            "users": [{"name": "ann", "user": ({"token": token} if token else {}) | user}],
        }
        path = directory / "kubeconfig"
        path.write_text(json.dumps(document), encoding="utf-8")
        return LiveCluster(environment={"KUBECONFIG": str(path), "HOME": str(directory)}, patience=patience)

    return connect


def nodes(cluster: LiveCluster) -> tuple[Node, ...]:
    """The nodes, which must be there to be read."""
    answered = cluster.observe(NODES)
    assert not isinstance(answered, Unavailable), answered
    return tuple(answered)


def why_not(cluster: LiveCluster, request: Any = NODES) -> Unavailable:
    """Why a request has no answer; no credential is ever part of that."""
    answered = cluster.observe(request)
    assert isinstance(answered, Unavailable), answered
    assert ADMIN_TOKEN not in repr(answered)
    return answered


def asked(api: ApiServer, path: str, count: int = 1) -> list[Seen]:
    """What the server noted of a path; it does so after it has answered."""
    deadline = time.monotonic() + 2
    while True:
        seen = [one for one in list(api.requests) if one.path == path]
        if len(seen) >= count or time.monotonic() > deadline:
            return seen
        time.sleep(0.01)
