"""The roles that ``kedoctor rbac`` prints, in the real authorizer: with them nothing is forbidden, and no rule is too much.

The audit log of the API server says of every request who asked and what was answered.
"""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import real_cluster
from real_control_plane import Cluster, Object

pytestmark = real_cluster.marks(real_cluster.obstacle(), seconds=600)

ACCOUNT = "system:serviceaccount:ops:weak"
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
POD = {
    "metadata": {"name": "web", "labels": {"app": "web"}},
    "spec": {
        "nodeName": "edge1",
        "containers": [
            {
                "name": "main",
                "image": "busybox:1.36",
                "imagePullPolicy": "Never",
                "command": ["sh", "-c", "while :; do echo tick; sleep 0.3; done"],
            }
        ],
    },
}


class Weak:
    """A service account with the printed roles and no other."""

    def __init__(self, cluster: Cluster, audit: Path) -> None:
        self.cluster = cluster
        self._audit = audit
        token = cluster.ask("POST", "/api/v1/namespaces/ops/serviceaccounts/weak/token", {"spec": {}}).json
        self.config = cluster.papers.token_config(token["status"]["token"])

    def printed(self, *words: str) -> list[Object]:
        """What ``kedoctor rbac`` prints, without the account itself."""
        argv = [sys.executable, "-m", "kedoctor", "rbac", "--format", "json", "--service-account", "ops/weak"]
        done = subprocess.run([*argv, *words], capture_output=True, text=True, check=True, timeout=120)
        items: list[Object] = json.loads(done.stdout)["items"]
        return [one for one in items if one["kind"] != "ServiceAccount"]

    def bind(self, roles: list[Object]) -> None:
        """These roles and bindings, and none that was bound before."""
        for plural in ("clusterrolebindings", "clusterroles", "rolebindings", "roles"):
            for one in self.cluster.get(f"{_RBAC}/{plural}")["items"]:
                if one["metadata"]["name"].startswith("kedoctor"):
                    place = one["metadata"].get("namespace")
                    start = f"{_RBAC}/namespaces/{place}" if place else _RBAC
                    self.cluster.ask("DELETE", f"{start}/{plural}/{one['metadata']['name']}")
        for one in roles:
            place = one["metadata"].get("namespace")
            start = f"{_RBAC}/namespaces/{place}" if place else _RBAC
            self.cluster.create(f"{start}/{one['kind'].lower()}s", one)

    def forbidden(self, *words: str) -> list[str]:
        """The requests that were forbidden to kedoctor with the bound roles."""
        begin = self._audit.stat().st_size
        self.cluster.kedoctor(*words, config=self.config, timeout=200)
        marker = f"/healthz/{begin}"
        self.cluster.ask("GET", marker)
        self.cluster.eventually(lambda: marker in self._audit.read_text(encoding="utf-8")[begin:])
        found, seen = [], 0
        for line in self._audit.read_text(encoding="utf-8")[begin:].splitlines():
            event: dict[str, Any] = json.loads(line)
            if event["user"]["username"] == ACCOUNT and event["stage"] == "ResponseComplete":
                seen += 1
                if event["responseStatus"]["code"] == 403:
                    found.append(f"{event['verb']} {event['requestURI'].partition('?')[0]}")
        assert seen, "it asked nothing"
        return found


@pytest.fixture(scope="module")
def weak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Weak]:
    home = tmp_path_factory.mktemp("rbac")
    policy, audit = home / "policy.json", home / "audit.log"
    audit.touch()
    rules = {"kind": "Policy", "apiVersion": "audit.k8s.io/v1", "rules": [{"level": "Metadata"}]}
    policy.write_text(json.dumps(rules), encoding="utf-8")
    flags = (f"--audit-policy-file={policy}", f"--audit-log-path={audit}", "--audit-log-mode=blocking")
    with real_cluster.cluster(home, nodes=("edge1",), flags=flags) as cluster:
        for name in ("ops", "kubeedge"):
            cluster.create("/api/v1/namespaces", {"metadata": {"name": name}})
        cluster.create("/api/v1/namespaces/ops/serviceaccounts", {"metadata": {"name": "weak"}})
        cluster.eventually(
            lambda: cluster.ask("GET", "/api/v1/namespaces/default/serviceaccounts/default").status == 200
        )
        cluster.create("/api/v1/namespaces/default/pods", POD)
        web = "/api/v1/namespaces/default/pods/web"
        cluster.eventually(lambda: cluster.get(web)["status"]["phase"] == "Running", 60)
        yield Weak(cluster, audit)


STREAMS = ("--only", "KE901", "--only", "KE902", "--only", "KE903")
RUNS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "everything": ((), ("run",)),
    "everything, with the rights of a person": (("--operator",), ("run",)),
    "a symptom": (("--symptom", "top"), ("run", "--symptom", "top")),
    "a part": (("--only", "KE3xx"), ("run", "--only", "KE3xx")),
    "repairs": (("--fix",), ("run", "--fix", "--yes")),
    "a gate": (("--gate", *STREAMS), ("gate", *STREAMS, "--wait", "30s")),
    "a trace of logs": (("--trace", "--only", "KE202"), ("trace", "logs", "default/web", "--timeout", "5s")),
    "a trace of exec": (("--trace", "--only", "KE202"), ("trace", "exec", "default/web", "--timeout", "5s")),
    "a trace of attach": (
        ("--trace", "--only", "KE202"),
        ("trace", "attach", "default/web", "--timeout", "5s"),
    ),
    "a trace of top": (("--trace", "--only", "KE202"), ("trace", "top", "default/web", "--timeout", "5s")),
}


@pytest.mark.parametrize("name", RUNS)
def test_nothing_is_forbidden(weak: Weak, name: str) -> None:
    printed, words = RUNS[name]
    weak.bind(weak.printed(*printed))
    assert weak.forbidden(*words) == []


def without(roles: list[Object], role: int, rule: int) -> list[Object]:
    less = copy.deepcopy(roles)
    del less[role]["rules"][rule]
    return less


def test_each_rule_that_is_taken_away_is_missed(weak: Weak) -> None:
    # Without --operator: kedoctor never uses what only a person needs for kubectl exec and the like.
    roles = weak.printed()
    unneeded = []
    for index, role in enumerate(roles):
        for number, rule in enumerate(role.get("rules", ())):
            weak.bind(without(roles, index, number))
            if not weak.forbidden("run"):
                unneeded.append(json.dumps(rule))
    # What is asked only where there is something to ask about: pods and settings of KubeEdge, an edge's own pages,
    # rights of cloudcore's account, and Endpoints where there are no EndpointSlices.
    conditional = (
        "pods/exec",
        "pods/log",
        "nodes/proxy",
        "configmaps",
        "secrets",
        "subjectaccessreviews",
        "endpoints",
    )
    assert [rule for rule in unneeded if not any(word in rule for word in conditional)] == []
