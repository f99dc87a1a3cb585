"""The nine objects of metrics-server: what is missing is made, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from metrics_samples import CLOUD, NODES, NOWHERE, SERVICE, deployment, pod, server
from remedied import planned, read, verdicts
from siteworld import made

from kedoctor.api import (
    ApplyObject,
    EveryHost,
    Risk,
)
from kedoctor.checks.facts.cloud.apiserver_flags import ApiserverArguments
from kedoctor.checks.facts.cloud.cloud_host import HostAddresses
from kedoctor.checks.facts.cluster.images import ImageArchives, StoredImages
from kedoctor.checks.facts.cluster.metrics import (
    MetricsAccess,
    MetricsRegistration,
    MetricsServer,
)
from kedoctor.checks.facts.cluster.site_info import AboutSite
from kedoctor.checks.metrics.arguments import metrics_args
from kedoctor.checks.metrics.fix_objects import metrics_objects
from kedoctor.checks.metrics.objects import metrics_objects as objects_check
from kedoctor.checks.parsers.kubernetes import (
    APIService,
    ClusterRole,
    ClusterRoleBinding,
    Deployment,
    RoleBinding,
    Service,
    ServiceAccount,
)

NO_HOST: EveryHost[ApiserverArguments] = EveryHost({})
NO_ADDRESSES: EveryHost[HostAddresses] = EveryHost({})
NO_ARCHIVE: EveryHost[ImageArchives] = EveryHost({})


# -------------------------------------------------------------------------------------------- KE601


def _access(*leave_out: str) -> MetricsAccess:
    subject = {"kind": "ServiceAccount", "name": "metrics-server", "namespace": "kube-system"}
    roles = {
        "system:metrics-server": [
            {"apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]},
            {"apiGroups": [""], "resources": ["nodes", "pods"], "verbs": ["get", "list", "watch"]},
        ],
        "system:auth-delegator": [
            {
                "apiGroups": ["authorization.k8s.io"],
                "resources": ["subjectaccessreviews"],
                "verbs": ["create"],
            }
        ],
        "system:aggregated-metrics-reader": [
            {"apiGroups": ["metrics.k8s.io"], "resources": ["nodes"], "verbs": ["list"]}
        ],
    }
    labels = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
    bindings = {
        "system:metrics-server": "system:metrics-server",
        "metrics-server:system:auth-delegator": "system:auth-delegator",
    }
    reader = {"kind": "Role", "name": "extension-apiserver-authentication-reader"}
    return MetricsAccess(
        accounts=()
        if "account" in leave_out
        else (made(ServiceAccount, metadata={"name": "metrics-server"}),),
        cluster_roles=tuple(
            made(
                ClusterRole,
                metadata={"name": name, "labels": labels if "reader" in name else {}},
                rules=rules,
            )
            for name, rules in roles.items()
            if name not in leave_out
        ),
        cluster_role_bindings=tuple(
            made(
                ClusterRoleBinding,
                metadata={"name": name},
                roleRef={"kind": "ClusterRole", "name": role},
                subjects=[] if f"subjects of {name}" in leave_out else [subject],
            )
            for name, role in bindings.items()
            if name not in leave_out
        ),
        role_bindings=()
        if "reader" in leave_out
        else (made(RoleBinding, metadata={"name": "r"}, roleRef=reader, subjects=[subject]),),
    )


REGISTERED = MetricsRegistration(made(APIService, metadata={"name": "v1beta1.metrics.k8s.io"}))


def _completed(found: MetricsServer, access: MetricsAccess, images: StoredImages | None = None) -> Any:
    registration = REGISTERED if found.registered else MetricsRegistration(None)
    for wrong in verdicts(objects_check, objects_check(registration, found, access)):
        answer = metrics_objects(
            wrong,
            found,
            access,
            about=AboutSite("v1.31.14", {}, "kubeadm"),
            cloud=CLOUD,
            nodes=NODES,
            images=images or StoredImages({}),
        )
        yield planned(answer, wrong)


def _bodies(plan: Any) -> dict[str, Any]:
    return {one.object: one.body for one in plan.actions if isinstance(one, ApplyObject)}


def test_a_site_without_metrics_server_gets_all_nine_objects() -> None:
    nothing = MetricsServer(False, "kube-system", "metrics-server", None, None, ())
    stored = StoredImages({"cloud": ("rancher/mirrored-metrics-server:v0.8.0", "busybox:1")})
    (plan,) = _completed(nothing, MetricsAccess((), (), (), ()), stored)
    bodies = _bodies(plan)
    assert len(bodies) == len(plan.actions) == 9
    for path, body in bodies.items():
        assert path.endswith("/" + body["metadata"]["name"])
        assert path.startswith("/api/" if body["apiVersion"] == "v1" else f"/apis/{body['apiVersion']}/")
    kinds = {body["kind"]: body for body in bodies.values()}
    spec = kinds["Deployment"]["spec"]["template"]["spec"]
    assert spec["containers"][0]["image"] == "rancher/mirrored-metrics-server:v0.8.0"
    made_of = read(Deployment, kinds["Deployment"])
    whole = MetricsServer(True, "kube-system", "metrics-server", SERVICE, made_of, ())
    assert not verdicts(metrics_args, metrics_args(whole, NOWHERE)), "its own arguments fit edges"
    access = MetricsAccess(
        tuple(read(ServiceAccount, one) for one in bodies.values() if one["kind"] == "ServiceAccount"),
        (
            *(read(ClusterRole, one) for one in bodies.values() if one["kind"] == "ClusterRole"),
            *_access().cluster_roles[1:2],
        ),
        tuple(
            read(ClusterRoleBinding, one) for one in bodies.values() if one["kind"] == "ClusterRoleBinding"
        ),
        tuple(read(RoleBinding, one) for one in bodies.values() if one["kind"] == "RoleBinding"),
    )
    assert not verdicts(objects_check, objects_check(REGISTERED, whole, access))


def test_without_an_image_at_hand_upstream_s_for_this_kubernetes() -> None:
    nothing = MetricsServer(False, "kube-system", "metrics-server", None, None, ())
    (plan,) = _completed(nothing, MetricsAccess((), (), (), ()))
    assert "registry.k8s.io/metrics-server/metrics-server:v0.8.0" in plan.prediction.en


@pytest.mark.parametrize(
    ("leave_out", "paths"),
    [
        ("account", ["/api/v1/namespaces/kube-system/serviceaccounts/metrics-server"]),
        ("reader", ["metrics-server-auth-reader"]),
        ("system:metrics-server", ["clusterroles/system:metrics-server"]),
        ("metrics-server:system:auth-delegator", ["metrics-server:system:auth-delegator"]),
        ("subjects of system:metrics-server", ["clusterrolebindings/system:metrics-server"]),
        ("system:aggregated-metrics-reader", ["system:aggregated-metrics-reader"]),
    ],
)
def test_what_is_missing_is_made_and_nothing_else(leave_out: str, paths: list[str]) -> None:
    plans = list(_completed(server(deployment(), pod()), _access(leave_out)))
    targets = [action.target for plan in plans for action in plan.actions]
    assert targets
    for path in paths:
        assert any(path in target for target in targets)
    assert not any("deployments" in target for target in targets)
    assert len(targets) == len(set(targets))
    assert ("clusterroles/system:metrics-server" in "".join(targets)) == (
        leave_out == "system:metrics-server"
    )
    assert all(plan.risk is Risk.SAFE for plan in plans)


def test_a_service_leads_to_the_pods_that_there_are() -> None:
    labelled = deployment()
    labelled["spec"]["selector"]["matchLabels"] = {"app": "ms"}
    labelled["spec"]["template"]["spec"]["containers"][0]["ports"] = []
    found = server(labelled, pod(), service=None)
    (plan,) = _completed(found, _access())
    (body,) = _bodies(plan).values()
    assert body["spec"]["selector"] == {"app": "ms"}
    assert body["spec"]["ports"][0]["targetPort"] == 4443


def test_a_deployment_takes_the_labels_that_the_service_selects() -> None:
    service = made(Service, metadata={"name": "metrics-server"}, spec={"selector": {"app": "ms"}})
    plans = list(_completed(server(None, service=service), _access()))
    body = next(one for plan in plans for one in _bodies(plan).values() if one["kind"] == "Deployment")
    assert body["spec"]["selector"]["matchLabels"] == {"app": "ms"}
