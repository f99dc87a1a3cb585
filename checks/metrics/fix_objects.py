"""Completing the objects of metrics-server: what is missing is made, what is too small is widened (KE601)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

from kedoctor.api import (
    ApplyObject,
    NoPlan,
    PatchObject,
    Plan,
    RestartPods,
    Risk,
    Text,
    Unavailable,
    Verdict,
    remedy,
)
from kedoctor.api.yaml import load
from kedoctor.checks.facts.cluster.images import StoredImages
from kedoctor.checks.facts.cluster.metrics import API_SERVICE, MetricsAccess, MetricsServer
from kedoctor.checks.facts.cluster.nodes import CloudNodes, SiteNodes
from kedoctor.checks.facts.cluster.site_info import AboutSite
from kedoctor.checks.metrics.objects import allows
from kedoctor.checks.parsers.kubernetes import Deployment, PolicyRule, Service
from kedoctor.checks.parsers.kubernetes.pod_health import selector_of
from kedoctor.checks.plans.cloudcore import tolerations_for
from kedoctor.checks.plans.placement import on_api_hosts
from kedoctor.checks.plans.touches import METRICS_OBJECTS

__all__ = ["complete_set", "metrics_objects"]

_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_USUAL = ("kube-system", "metrics-server")
_SETTLE = 120.0
"""Seconds until metrics-server is ready: its probe waits 20 s, and it needs two scrapes of 15 s (facts.md §10.2)."""

_NEWEST = "registry.k8s.io/metrics-server/metrics-server:v0.8.0"
_OLDER = "registry.k8s.io/metrics-server/metrics-server:v0.7.2"
"""v0.8.0 wants Kubernetes 1.31 or later (facts.md §8.2)."""

Actions = tuple[ApplyObject | PatchObject, ...]


@remedy("KE601", touches=METRICS_OBJECTS)
def metrics_objects(
    verdict: Verdict,
    server: MetricsServer,
    access: MetricsAccess | Unavailable,
    *,
    about: AboutSite | Unavailable,
    cloud: CloudNodes,
    nodes: SiteNodes,
    images: StoredImages | Unavailable,
) -> Plan | NoPlan:
    """Each missing object as upstream has it, for the version that is installed or at hand; the others stay.

    Objects of kube-system/metrics-server only: under other names they belong to a chart that has to make them.
    """
    if (server.namespace, server.service_name) != _USUAL:
        return NoPlan(_other_names(server))
    image = _image(server, about, images)
    if not server.installed and not server.registered:
        *others, _ = complete_set(image)
        return _plan(
            verdict, _whole(image), (*others, _deployment(image, cloud, nodes)), restarts=(), new=image
        )
    actions = _for(verdict.subject, server, access, image, _deployment(image, cloud, nodes))
    if not actions:
        return NoPlan(_UNKNOWN)
    restarts = _restart(server) if "cluster" in verdict.subject or "rolebinding" in verdict.subject else ()
    new = image if verdict.subject.startswith("deployment/") else ""
    return _plan(verdict, _one(verdict.subject), actions, restarts=restarts, new=new)


def _plan(
    verdict: Verdict, title: Text, actions: Actions, *, restarts: tuple[RestartPods, ...], new: str
) -> Plan:
    known = Text(
        "Only kubectl top is concerned; edges notice nothing.", zh="只涉及 kubectl top，边缘节点不受影响。"
    )
    pulled = Text(
        f"{known.en} The image {new} has to be in the store of the node, or a registry within reach; if the pod does not "
        "become ready, all of it is rolled back.",
        zh=f"{known.zh}镜像 {new} 需已在节点镜像库中或可从仓库拉取；若 Pod 未就绪，将全部撤销。",
    )
    return Plan(
        code=verdict.code,
        subject=verdict.subject,
        title=title,
        prediction=pulled if new else known,
        risk=Risk.SAFE,
        actions=actions,
        restarts=restarts,
        settle=_SETTLE,
    )


@cache
def _text() -> bytes:
    return (resources.files("kedoctor.checks.metrics") / "metrics-server.yaml").read_bytes()


def complete_set(image: str) -> list[ApplyObject]:
    """All nine objects with the rights that this image needs, the Deployment last and without a place."""
    found = {kind: _applied(kind) for kind in _objects()}
    found["clusterrole"] = _with(found["clusterrole"], rules=_rules(image))
    body = json.loads(json.dumps(found["deployment"].body))
    body["spec"]["template"]["spec"]["containers"][0]["image"] = image
    found["deployment"] = ApplyObject(found["deployment"].object, body)
    return list(found.values())


def _objects() -> dict[str, Any]:
    """The complete set, by kind."""
    return load(_text()).data


def _applied(kind: str) -> ApplyObject:
    found = _objects()[kind]
    return ApplyObject(found["path"], found["body"])


def _with(action: ApplyObject, **fields: Any) -> ApplyObject:
    return ApplyObject(action.object, {**action.body, **fields})


# ------------------------------------------------------------------------------------------- single objects


def _for(
    subject: str,
    server: MetricsServer,
    access: MetricsAccess | Unavailable,
    image: str,
    deployment: ApplyObject,
) -> Actions:
    kind, _, name = subject.partition("/")
    if subject == f"apiservice/{API_SERVICE}":
        return (_applied("apiservice"),)
    if kind == "service":
        return (_service(server),)
    if kind == "deployment":
        return (_selected(deployment, server),)
    if kind == "serviceaccount":
        account = name.rpartition("/")[2]
        return (_account(account),)
    if isinstance(access, Unavailable):
        return ()
    account = (server.spec.service_account_name if server.spec else "") or "metrics-server"
    if name == "system:aggregated-metrics-reader":
        return (_applied("aggregatedreader"),)
    if name == "system:metrics-server":
        bound = _bound(access, "clusterrolebinding", account)
        return bound if kind == "clusterrolebinding" else (*_role(access, image), *bound)
    return _bound(access, "delegator" if kind == "clusterrolebinding" else "authreader", account)


def _account(name: str) -> ApplyObject:
    path = f"/api/v1/namespaces/kube-system/serviceaccounts/{name}"
    body = _objects()["serviceaccount"]["body"]
    return ApplyObject(path, {**body, "metadata": {**body["metadata"], "name": name}})


def _service(server: MetricsServer) -> ApplyObject:
    """The Service, leading to the pods that there are and to the port they listen on."""
    made = _applied("service")
    labels = {}
    if isinstance(server.deployment, Deployment):
        labels = server.deployment.spec.selector.match_labels or {}
    ports = (server.container.ports or ()) if server.container is not None else ()
    named = any(port.name == "https" for port in ports)
    port = server.arguments.get("secure-port", "")
    target = "https" if named or not port.isdecimal() else int(port)
    spec = made.body["spec"]
    leading = [{**spec["ports"][0], "targetPort": target}]
    return _with(made, spec={**spec, "ports": leading, "selector": labels or spec["selector"]})


def _selected(deployment: ApplyObject, server: MetricsServer) -> ApplyObject:
    """The Deployment with the labels that the Service selects."""
    wanted = (server.service.spec.selector if isinstance(server.service, Service) else None) or {}
    if not wanted:
        return deployment
    body = json.loads(json.dumps(deployment.body))
    body["spec"]["selector"]["matchLabels"] = wanted
    body["spec"]["template"]["metadata"]["labels"] = wanted
    return ApplyObject(deployment.object, body)


def _role(access: MetricsAccess, image: str) -> Actions:
    """Upstream's rules; a role of that name that is there keeps what it has and gets what it lacks of them."""
    made = _applied("clusterrole")
    rules = _rules(image)
    there = next((one for one in access.cluster_roles if one.metadata.name == "system:metrics-server"), None)
    if there is None:
        return (_with(made, rules=rules),)
    rules = [lacked for rule in rules if (lacked := _lacked(rule, there.rules or ()))]
    if not rules:
        return ()
    patch: list[dict[str, Any]] = [{"op": "add", "path": "/rules/-", "value": rule} for rule in rules]
    return (
        PatchObject(
            made.object, "json", patch if there.rules else [{"op": "add", "path": "/rules", "value": rules}]
        ),
    )


def _lacked(rule: dict[str, Any], there: Sequence[PolicyRule]) -> dict[str, Any]:
    """The part of a rule that these do not allow already; empty when they allow all of it."""
    (group,) = rule["apiGroups"]
    resources = [
        one for one in rule["resources"] if not all(allows(there, verb, group, one) for verb in rule["verbs"])
    ]
    return {**rule, "resources": resources} if resources else {}


def _rules(image: str) -> list[dict[str, Any]]:
    """What metrics-server may read: ``nodes/stats`` up to 0.5, ``nodes/metrics`` from 0.6 on (facts.md §8.2)."""
    kubelet = "nodes/stats" if (_version(image) or (0, 8)) < (0, 6) else "nodes/metrics"
    return [
        {"apiGroups": [""], "resources": [kubelet], "verbs": ["get"]},
        {
            "apiGroups": [""],
            "resources": ["pods", "nodes", "namespaces", "configmaps"],
            "verbs": ["get", "list", "watch"],
        },
    ]


def _bound(access: MetricsAccess, kind: str, account: str) -> Actions:
    """The binding with the account in it; one that is there keeps its other subjects."""
    made = _applied(kind)
    name = made.body["metadata"]["name"]
    subject = {"kind": "ServiceAccount", "name": account, "namespace": "kube-system"}
    bindings = access.role_bindings if kind == "authreader" else access.cluster_role_bindings
    there = next((one for one in bindings if one.metadata.name == name), None)
    if there is None:
        return (_with(made, subjects=[subject]),)
    if any((one.kind, one.name, one.namespace) == tuple(subject.values()) for one in there.subjects or ()):
        return ()
    more = {"op": "add", "path": "/subjects/-", "value": subject}
    whole = {"op": "add", "path": "/subjects", "value": [subject]}
    return (PatchObject(made.object, "json", [more if there.subjects else whole]),)


# ------------------------------------------------------------------------------------------- the Deployment


def _deployment(image: str, cloud: CloudNodes, nodes: SiteNodes) -> ApplyObject:
    """Where the diversion is: on the hosts that run kube-apiserver, whatever their taints."""
    made = complete_set(image)[-1]
    body = json.loads(json.dumps(made.body))
    spec = body["spec"]["template"]["spec"]
    spec["affinity"] = on_api_hosts(cloud, nodes, {})
    taints = [taint for host in cloud.hosts for taint in host.taints]
    tolerations = list(tolerations_for(taints, None))
    if tolerations:
        spec["tolerations"] = tolerations
    return ApplyObject(made.object, body)


def _image(server: MetricsServer, about: AboutSite | Unavailable, images: StoredImages | Unavailable) -> str:
    """The image in use, else one in the store of an API-server host, else upstream's for this Kubernetes."""
    if server.container is not None and server.container.image:
        return server.container.image
    stored = () if isinstance(images, Unavailable) else images.containing("metrics-server")
    if stored:
        return stored[0]
    version = _minor("" if isinstance(about, Unavailable) else about.cluster_version)
    return _NEWEST if version >= (1, 31) else _OLDER


def _minor(version: str) -> tuple[int, ...]:
    parts = version.lstrip("v").split(".")[:2]
    return (
        tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) and parts else (1, 31)
    )


def _version(image: str) -> tuple[int, ...] | None:
    parts = image.rpartition(":")[2].lstrip("v").split(".")[:2]
    return (
        tuple(int(part) for part in parts) if len(parts) == 2 and all(p.isdecimal() for p in parts) else None
    )


def _restart(server: MetricsServer) -> tuple[RestartPods, ...]:
    """It reads its rights at start, and one that may not list nodes waits there for ever (facts.md §8.3)."""
    if not isinstance(server.deployment, Deployment) or not server.live_pods:
        return ()
    return (RestartPods(server.namespace, selector_of(server.deployment.spec.selector)),)


def _whole(image: str) -> Text:
    return Text(
        f"install metrics-server ({image}) with all nine objects, set up for edges",
        zh=f"安装 metrics-server（{image}），包含全部九个对象，并按边缘节点的需要设置",
    )


def _one(subject: str) -> Text:
    return Text(
        f"make {subject} as metrics-server's own manifest has it; its other objects stay as they are",
        zh=f"按 metrics-server 自身清单创建 {subject}；其他对象保持不变",
    )


def _other_names(server: MetricsServer) -> Text:
    return Text(
        f"the metrics API is served by {server.namespace}/{server.service_name}, whose chart has to make its objects; "
        f"upgrade or reinstall that release: helm -n {server.namespace} list",
        zh=f"指标 API 由 {server.namespace}/{server.service_name} 提供，其对象应由对应的 chart 创建；"
        f"请升级或重装该发布：helm -n {server.namespace} list",
    )


_UNKNOWN = Text(
    "roles and bindings could not be read, so what is missing of them is unknown",
    zh="未能读取角色与绑定，无法得知缺少什么",
)
