"""The metrics API by the real metrics-server: installed by a repair, its objects and arguments broken one by one."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
import real_cluster
import real_node
import real_parts
from real_control_plane import Cluster, Object

pytestmark = real_cluster.marks(real_cluster.obstacle() or real_parts.missing("metrics-server"), seconds=600)

RUN = ("run", "--lang", "en", "--format", "json", "--only", "KE6xx")
DEPLOYMENT = "/apis/apps/v1/namespaces/kube-system/deployments/metrics-server"
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
OBJECTS = (
    "/api/v1/namespaces/kube-system/serviceaccounts/metrics-server",
    f"{_RBAC}/clusterroles/system:metrics-server",
    f"{_RBAC}/clusterrolebindings/system:metrics-server",
    f"{_RBAC}/clusterrolebindings/metrics-server:system:auth-delegator",
    f"{_RBAC}/clusterroles/system:aggregated-metrics-reader",
    "/api/v1/namespaces/kube-system/services/metrics-server",
    "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io",
    DEPLOYMENT,
)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster whose metrics-server a repair has installed."""
    with real_cluster.cluster(tmp_path_factory.mktemp("metrics"), nodes=("cloud", "edge1")) as made:
        program = {"metrics-server": real_parts.binary("metrics-server")}
        for name in ("registry.k8s.io/metrics-server/metrics-server:v0.8.0", real_node.METRICS_SERVER):
            real_node.give_image(made.cloud, name, program, ["/metrics-server"])
        yield made


def verdicts(cluster: Cluster, *words: str) -> dict[str, set[str]]:
    """The verdicts by code."""
    ran = cluster.kedoctor(*RUN, *words, timeout=300)
    found: dict[str, set[str]] = {}
    for one in json.loads(ran.stdout)["verdicts"]:
        found.setdefault(one["code"], set()).add(one["status"])
    return found


def top(cluster: Cluster) -> set[str]:
    """The nodes of which there are figures."""
    ran = cluster.kubectl("top", "nodes", "--no-headers", check=False)
    lines = (line.split() for line in ran.stdout.splitlines())
    return {words[0] for words in lines if words and "<unknown>" not in words}


def works(cluster: Cluster) -> None:
    cluster.eventually(lambda: top(cluster) == {"cloud", "edge1"}, 120)


def again(cluster: Cluster, path: str, body: Object) -> None:
    """Makes an object anew, as it was."""
    fresh = copy.deepcopy(body)
    for key in ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"):
        fresh["metadata"].pop(key, None)
    fresh.pop("status", None)
    cluster.eventually(lambda: cluster.ask("GET", path).status == 404)
    cluster.create(path.rpartition("/")[0], fresh)


@pytest.fixture(scope="module")
def installed(cluster: Cluster) -> dict[str, Any]:
    """What the repair said that installed metrics-server, where there was none."""
    assert "fail" in verdicts(cluster)["KE601"]
    ran = cluster.kedoctor(*RUN, "--fix", "--yes", timeout=400)
    report: dict[str, Any] = json.loads(ran.stdout)
    assert ("KE601", "fixed") in [(one["code"], one["result"]) for one in report["changes"]], ran.stderr
    return report


def test_a_repair_installs_it_and_there_are_figures(cluster: Cluster, installed: dict[str, Any]) -> None:
    works(cluster)
    found = verdicts(cluster)
    assert found["KE601"] == found["KE602"] == {"pass"}
    managers = [one["manager"] for one in cluster.get(DEPLOYMENT)["metadata"]["managedFields"]]
    assert "kedoctor" in managers


# Without it metrics-server reads how to authenticate by its own role, which may read all ConfigMaps.
READER = f"{_RBAC}/namespaces/kube-system/rolebindings/metrics-server-auth-reader"


def pods_are_ending(cluster: Cluster) -> bool:
    """Whether nothing is left of it but pods that are being deleted."""
    pods = cluster.get("/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dmetrics-server")["items"]
    return all("deletionTimestamp" in one["metadata"] for one in pods)


@pytest.mark.parametrize("path", OBJECTS, ids=lambda path: path.rpartition("/")[2])
def test_an_object_that_is_gone_is_named(cluster: Cluster, installed: dict[str, Any], path: str) -> None:
    body = cluster.get(path)
    cluster.ask("DELETE", path)
    if path == DEPLOYMENT:
        cluster.eventually(lambda: pods_are_ending(cluster), 60)
    try:
        ran = cluster.kedoctor(*RUN)
    finally:
        again(cluster, path, body)
    wrong = [
        one
        for one in json.loads(ran.stdout)["verdicts"]
        if one["status"] in ("fail", "warn") and one["code"] == "KE601"
    ]
    assert wrong, ran.stdout
    assert path.rpartition("/")[2] in json.dumps(wrong)


def test_a_binding_that_is_not_needed_is_not_missed(cluster: Cluster, installed: dict[str, Any]) -> None:
    works(cluster)
    body = cluster.get(READER)
    cluster.ask("DELETE", READER)
    try:
        assert verdicts(cluster)["KE601"] == {"pass"}
        cluster.ask("DELETE", "/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dmetrics-server")
        cluster.eventually(lambda: top(cluster) == set(), 60)
        works(cluster)
    finally:
        again(cluster, READER, body)


def test_an_emptied_role_is_filled_again(cluster: Cluster, installed: dict[str, Any]) -> None:
    works(cluster)
    path = f"{_RBAC}/clusterroles/system:metrics-server"
    rules = cluster.get(path)["rules"]
    cluster.ask("PATCH", path, json.dumps({"rules": []}), content_type="application/merge-patch+json")
    ran = cluster.kedoctor(*RUN, "--fix", "--yes", timeout=400)
    changes = [(one["code"], one["result"]) for one in json.loads(ran.stdout)["changes"]]
    assert ("KE601", "fixed") in changes, ran.stderr
    assert cluster.get(path)["rules"] == rules
    works(cluster)


def arguments(cluster: Cluster, wanted: list[str]) -> None:
    patch = [{"op": "replace", "path": "/spec/template/spec/containers/0/args", "value": wanted}]
    answer = cluster.ask("PATCH", DEPLOYMENT, json.dumps(patch), content_type="application/json-patch+json")
    assert answer.status == 200, answer.body


def test_an_argument_that_edges_need_is_named_and_put_back(
    cluster: Cluster, installed: dict[str, Any]
) -> None:
    works(cluster)
    before = cluster.get(DEPLOYMENT)["spec"]["template"]["spec"]["containers"][0]["args"]
    for word in ("--kubelet-use-node-status-port", "--kubelet-insecure-tls"):
        arguments(cluster, [one for one in before if one != word])
        ran = cluster.kedoctor(*RUN)
        failed = [one for one in json.loads(ran.stdout)["verdicts"] if one["code"] == "KE603"]
        assert word in json.dumps(failed), ran.stdout
        assert {one["status"] for one in failed} & {"fail", "warn"}, failed
    arguments(cluster, before)
    works(cluster)


# ----------------------------------------------------------------- repairs of the Deployment, and their way back

REPAIRED = ("KE601", "KE602", "KE603", "KE604", "KE609")
"""The codes whose repairs change objects of metrics-server; each is tried in this file."""


def content(cluster: Cluster) -> Object:
    """The Deployment as somebody wrote it."""
    found: Object = cluster.get(DEPLOYMENT)["spec"]
    return found


def repaired(cluster: Cluster) -> dict[str, str]:
    """What a repair says it did, by code."""
    ran = cluster.kedoctor(*RUN, "--fix", "--yes", timeout=400)
    return {one["code"]: one["result"] for one in json.loads(ran.stdout)["changes"]}


def test_arguments_place_and_resources_are_repaired_together_and_taken_back(
    cluster: Cluster, installed: dict[str, Any]
) -> None:
    works(cluster)
    right = content(cluster)
    broken = copy.deepcopy(right)
    spec = broken["template"]["spec"]
    spec["containers"][0]["args"].remove("--kubelet-use-node-status-port")
    spec["containers"][0]["resources"] = {}
    edge = {"key": "kubernetes.io/hostname", "operator": "In", "values": ["edge1"]}
    required = {"nodeSelectorTerms": [{"matchExpressions": [edge]}]}
    spec["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    whole = {**cluster.get(DEPLOYMENT), "spec": broken}
    whole["metadata"].pop("resourceVersion")
    assert cluster.ask("PUT", f"{DEPLOYMENT}?fieldManager=somebody", whole).status == 200
    cluster.eventually(lambda: place(cluster) == {"edge1"}, 120)
    before = content(cluster)
    found = repaired(cluster)
    assert {code: found.get(code) for code in ("KE603", "KE604", "KE609")} == dict.fromkeys(
        ("KE603", "KE604", "KE609"), "fixed"
    )
    assert place(cluster) == {"cloud"}
    assert cluster.kedoctor("rollback", timeout=300).returncode == 0
    assert content(cluster) == before
    whole = {**cluster.get(DEPLOYMENT), "spec": right}
    whole["metadata"].pop("resourceVersion")
    assert cluster.ask("PUT", f"{DEPLOYMENT}?fieldManager=somebody", whole).status == 200
    works(cluster)


def place(cluster: Cluster) -> set[str]:
    """The nodes of its pods that are not being deleted."""
    pods = cluster.get("/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dmetrics-server")["items"]
    return {one["spec"].get("nodeName", "") for one in pods if "deletionTimestamp" not in one["metadata"]}


def test_one_that_was_scaled_down_is_scaled_up_and_back(cluster: Cluster, installed: dict[str, Any]) -> None:
    works(cluster)
    down = json.dumps({"spec": {"replicas": 0}})
    cluster.ask("PATCH", DEPLOYMENT, down, content_type="application/merge-patch+json")
    assert repaired(cluster) == {"KE602": "fixed"}
    works(cluster)
    assert cluster.kedoctor("rollback", timeout=300).returncode == 0
    assert content(cluster)["replicas"] == 0
    assert repaired(cluster) == {"KE602": "fixed"}
