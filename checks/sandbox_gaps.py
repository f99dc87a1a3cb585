"""What no bundle of the demo holds and a sandbox needs to judge everything: added as a healthy site has it.

It fills gaps only: a file, an object or a size that was recorded is never replaced. The objects are those of
metrics-server's own manifest; its Deployment is the one that the recorded pod belongs to.
"""

from __future__ import annotations

from typing import Any

from kedoctor.api import (
    ApiWrite,
    HostScene,
    Resources,
    Scene,
    Stage,
    Text,
    Unavailable,
)
from kedoctor.checks.kinds import Deployment, Pod
from kedoctor.x509 import make_ca, sign_server

__all__ = ["ADDED", "furnish"]

ADDED = Text(
    "The recording lacks containerd's configuration, kube-apiserver's certificate, metrics-server's own objects and the "
    "machines' sizes; the sandbox adds them as a healthy site has them.",
    zh="录制内容缺少 containerd 配置、kube-apiserver 证书、metrics-server 自身的对象以及机器规格；沙箱按正常站点补齐。",
)

_NAME, _NAMESPACE = "metrics-server", "kube-system"
_LABELS = {"k8s-app": _NAME}
_APISERVER = "kube-apiserver"
_RBAC = "rbac.authorization.k8s.io"
_CONTAINERD = b"""version = 2

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
    SystemdCgroup = false
"""
_GB = 1_000_000_000
_SIZE = Resources(4, 24 * _GB, 20 * _GB, 270 * _GB, 240 * _GB)


def furnish(stage: Stage) -> Scene:
    """What is added to the hosts and to the API when the sandbox is opened."""
    hosts = {name: HostScene(resources=_SIZE, files=_files(stage, name)) for name in stage.hosts}
    cluster = stage.cluster
    pods = cluster.list(Pod, namespace=_NAMESPACE, label_selector=f"k8s-app={_NAME}")
    recorded = cluster.list(Deployment, namespace=_NAMESPACE)
    if isinstance(pods, Unavailable) or not pods or not isinstance(recorded, Unavailable):
        return Scene(hosts)
    kinds = {"Service", "Deployment", "ServiceAccount", "RoleBinding"}
    whole = {(kind, _NAMESPACE) for kind in kinds} | {("ClusterRole", ""), ("ClusterRoleBinding", "")}
    return Scene(hosts, writes=(_deployment(pods[0]), *_others()), whole=frozenset(whole))


def _files(stage: Stage, name: str) -> dict[str, bytes]:
    if name == stage.host:
        return {"/etc/containerd/config.toml": _CONTAINERD}
    processes = stage.hosts[name].processes()
    if isinstance(processes, Unavailable) or not any(one.name == _APISERVER for one in processes.items):
        return {}
    authority = make_ca("kubernetes", stage.now)
    pair = sign_server(authority, _APISERVER, [name], stage.now, algorithm="ECDSA-P-256")
    return {"/etc/kubernetes/pki/apiserver.crt": pair.certificate}


def _deployment(pod: Pod) -> ApiWrite:
    containers = [_container(pod)]
    spec = {
        "replicas": 1,
        "selector": {"matchLabels": _LABELS},
        "template": {
            "metadata": {"labels": _LABELS},
            "spec": {
                "hostNetwork": pod.spec.host_network,
                "serviceAccountName": pod.spec.service_account_name,
                "nodeSelector": pod.spec.node_selector,
                "containers": containers,
            },
        },
    }
    status = {"replicas": 1, "readyReplicas": 1, "updatedReplicas": 1}
    return ApiWrite("Deployment", _NAME, {"spec": spec, "status": status}, _NAMESPACE)


def _container(pod: Pod) -> dict[str, Any]:
    container = pod.spec.containers[0]
    ports = [{"name": port.name, "containerPort": port.container_port} for port in container.ports or ()]
    return {
        "name": container.name,
        "image": container.image,
        "imagePullPolicy": "IfNotPresent",
        "args": list(container.args or ()),
        "ports": ports,
    }


def _others() -> tuple[ApiWrite, ...]:
    account = [{"kind": "ServiceAccount", "name": _NAME, "namespace": _NAMESPACE}]
    reader = [
        {"apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods", "nodes"], "verbs": ["get", "list", "watch"]},
    ]
    resources = ["tokenreviews", "subjectaccessreviews"]
    groups = ["authentication.k8s.io", "authorization.k8s.io"]
    delegator = [
        {"apiGroups": [group], "resources": [resource], "verbs": ["create"]}
        for group, resource in zip(groups, resources, strict=True)
    ]
    shared = {f"{_RBAC}/aggregate-to-{role}": "true" for role in ("view", "edit", "admin")}
    seen = [
        {"apiGroups": ["metrics.k8s.io"], "resources": ["pods", "nodes"], "verbs": ["get", "list", "watch"]}
    ]
    port = {"name": "https", "port": 443, "protocol": "TCP", "targetPort": "https"}
    return (
        ApiWrite("ServiceAccount", _NAME, {}, _NAMESPACE),
        ApiWrite("Service", _NAME, {"spec": {"selector": _LABELS, "ports": [port]}}, _NAMESPACE),
        ApiWrite("ClusterRole", "system:metrics-server", {"rules": reader}),
        ApiWrite(
            "ClusterRole", "system:aggregated-metrics-reader", {"metadata": {"labels": shared}, "rules": seen}
        ),
        ApiWrite("ClusterRole", "system:auth-delegator", {"rules": delegator}),
        _bound(
            "ClusterRoleBinding", "system:metrics-server", "ClusterRole", "system:metrics-server", account
        ),
        _bound(
            "ClusterRoleBinding",
            "metrics-server:system:auth-delegator",
            "ClusterRole",
            "system:auth-delegator",
            account,
        ),
        _bound(
            "RoleBinding",
            "metrics-server-auth-reader",
            "Role",
            "extension-apiserver-authentication-reader",
            account,
        ),
    )


def _bound(kind: str, name: str, role_kind: str, role: str, subjects: list[dict[str, str]]) -> ApiWrite:
    content = {"roleRef": {"apiGroup": _RBAC, "kind": role_kind, "name": role}, "subjects": subjects}
    return ApiWrite(kind, name, content, "kube-system" if kind == "RoleBinding" else "")
