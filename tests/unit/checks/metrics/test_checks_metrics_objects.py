from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from siteworld import before, both_languages, made, only

from kedoctor.api import Finding, Reason, Status, Unavailable
from kedoctor.checks.facts.cluster.metrics import MetricsAccess, MetricsRegistration, MetricsServer
from kedoctor.checks.metrics.objects import metrics_objects
from kedoctor.checks.parsers.kubernetes import (
    APIService,
    ClusterRole,
    ClusterRoleBinding,
    Deployment,
    Pod,
    RoleBinding,
    Service,
    ServiceAccount,
)

BLIND = Unavailable(Reason.FORBIDDEN, "it")
SERVICE = made(Service, metadata={"name": "metrics-server"}, spec={"selector": {"k8s-app": "metrics-server"}})
SPEC = {"serviceAccountName": "metrics-server", "containers": [{"image": "metrics-server:v0.7.2"}]}
DEPLOYMENT = made(
    Deployment, metadata={"name": "metrics-server"}, spec={"replicas": 1, "template": {"spec": SPEC}}
)


def server(service: Any = SERVICE) -> MetricsServer:
    return MetricsServer(True, "kube-system", "metrics-server", service, DEPLOYMENT, ())


def registration() -> MetricsRegistration:
    backend = {"namespace": "kube-system", "name": "metrics-server"}
    return MetricsRegistration(
        made(APIService, metadata={"name": "v1beta1.metrics.k8s.io"}, spec={"service": backend})
    )


ME = {"kind": "ServiceAccount", "name": "metrics-server", "namespace": "kube-system"}
RULES = [
    {"apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]},
    {"apiGroups": [""], "resources": ["pods", "nodes"], "verbs": ["get", "list", "watch"]},
]
READER = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
READS = [{"apiGroups": ["metrics.k8s.io"], "resources": ["pods", "nodes"], "verbs": ["get", "list", "watch"]}]
DELEGATES = [
    {"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]}
]


def role(name: str, rules: list[dict[str, Any]], labels: dict[str, str] | None = None) -> ClusterRole:
    found: ClusterRole = made(ClusterRole, metadata={"name": name, "labels": labels or {}}, rules=rules)
    return found


def binding(name: str, to: str) -> ClusterRoleBinding:
    found: ClusterRoleBinding = made(
        ClusterRoleBinding,
        metadata={"name": name},
        roleRef={"kind": "ClusterRole", "name": to},
        subjects=[ME],
    )
    return found


def access(drop: str = "", rules: list[dict[str, Any]] | None = None) -> MetricsAccess:
    reader = made(
        RoleBinding,
        metadata={"name": "metrics-server-auth-reader"},
        roleRef={"kind": "Role", "name": "extension-apiserver-authentication-reader"},
        subjects=[ME],
    )
    roles = (
        role("system:metrics-server", RULES if rules is None else rules),
        role("system:auth-delegator", DELEGATES),
        role("system:aggregated-metrics-reader", READS, READER),
        made(ClusterRole, metadata={"name": "aggregated-empty"}, rules=None),
    )
    bindings = (
        binding("system:metrics-server", "system:metrics-server"),
        binding("metrics-server:system:auth-delegator", "system:auth-delegator"),
    )
    return MetricsAccess(
        accounts=() if drop == "account" else (made(ServiceAccount, metadata={"name": "metrics-server"}),),
        cluster_roles=tuple(one for one in roles if one.metadata.name != drop),
        cluster_role_bindings=tuple(one for one in bindings if one.metadata.name != drop),
        role_bindings=() if drop == "reader" else (reader,),
    )


def objects(
    found: MetricsServer, rights: MetricsAccess | Unavailable, *, registered: bool = True
) -> list[Finding]:
    return list(metrics_objects(registration() if registered else MetricsRegistration(None), found, rights))


def test_the_complete_set() -> None:
    assert only(objects(server(), access())).status is Status.PASS


@pytest.mark.parametrize(
    ("drop", "subject"),
    [
        ("account", "serviceaccount/kube-system/metrics-server"),
        ("system:metrics-server", "clusterrole/system:metrics-server"),
        ("metrics-server:system:auth-delegator", "clusterrolebinding/metrics-server:system:auth-delegator"),
        ("reader", "rolebinding/kube-system/metrics-server-auth-reader"),
    ],
)
def test_a_missing_right(drop: str, subject: str) -> None:
    found = objects(server(), access(drop))
    assert (found[0].status, found[0].subject) == (Status.FAIL, subject)
    assert all(both_languages(one) for one in found)


def test_the_binding_is_named_where_only_it_is_wrong() -> None:
    whole = access()
    first, *others = whole.cluster_role_bindings
    found = only(objects(server(), replace(whole, cluster_role_bindings=tuple(others))))
    assert (found.status, found.subject) == (Status.FAIL, "clusterrolebinding/system:metrics-server")
    assert "is missing" in found.summary.en
    empty = made(
        ClusterRoleBinding,
        metadata={"name": first.metadata.name},
        roleRef={"kind": "ClusterRole", "name": first.role_ref.name},
        subjects=[],
    )
    found = only(objects(server(), replace(whole, cluster_role_bindings=(empty, *others))))
    assert found.subject == "clusterrolebinding/system:metrics-server"
    assert "does not bind metrics-server's account" in found.summary.en


def test_rules_too_small() -> None:
    # facts.md §9 (14): `nodes/stats` get alone makes it crash-loop.
    small = [{"apiGroups": [""], "resources": ["nodes/stats"], "verbs": ["get"]}]
    found = objects(server(), access(rules=small))
    assert found[0].subject == "clusterrole/system:metrics-server"
    assert found[0].status is Status.FAIL
    assert "has too few rules" in found[0].summary.en
    assert len(found) == 1  # the same object is not told twice


def test_what_concerns_no_edge_is_advice() -> None:
    for rights in (access(rules=RULES[1:]), access("system:aggregated-metrics-reader")):
        found = only(objects(server(), rights))
        assert (found.status, found.hop, found.breaks) == (Status.WARN, "", ())


def test_missing_service_and_registration() -> None:
    found = objects(server(service=None), access(), registered=False)
    assert {one.subject for one in found} == {
        "apiservice/v1beta1.metrics.k8s.io",
        "service/kube-system/metrics-server",
    }


def test_no_trace_of_it_is_one_finding() -> None:
    none = MetricsServer(False, "kube-system", "metrics-server", None, None, ())
    found = only(objects(none, access(), registered=False))
    assert found.status is Status.FAIL
    assert "not installed" in found.summary.en


def test_what_could_not_be_read_is_not_a_pass() -> None:
    assert only(objects(server(), BLIND)).status is Status.UNKNOWN


# ------------------------------------------------------------------------- pods that are being deleted


def leaving(label: str = "pod-template-hash") -> Pod:
    """A pod that still runs and is ready, half a minute before it is gone."""
    found: Pod = made(
        Pod,
        metadata={"name": "ms-1", "labels": {label: "6c7d5b8f9"}, "deletionTimestamp": before(-20)},
        spec={"nodeName": "cloud", **SPEC},
        status={"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    )
    return found


def left(*pods: Pod) -> MetricsServer:
    """What is left when the Deployment was deleted."""
    return MetricsServer(True, "kube-system", "metrics-server", SERVICE, None, pods)


def test_the_last_pod_of_a_deployment_that_is_gone_is_no_workload() -> None:
    found = only(objects(left(leaving()), access()))
    assert (found.status, found.subject) == (Status.FAIL, "deployment/kube-system/metrics-server")
    assert "is missing" in found.summary.en
    none = MetricsServer(False, "kube-system", "metrics-server", None, None, (leaving(),))
    assert "not installed" in only(objects(none, access(), registered=False)).summary.en


def test_a_pod_that_is_made_again_or_stays_is_a_workload() -> None:
    # A DaemonSet or StatefulSet labels its pods with the revision that they are of, and makes them again.
    assert only(objects(left(leaving("controller-revision-hash")), access())).status is Status.PASS
    stays = made(Pod, metadata={"name": "ms-2"}, spec=SPEC, status={"phase": "Running"})
    assert only(objects(left(leaving(), stays), access())).status is Status.PASS
