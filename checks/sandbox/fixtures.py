"""What no bundle of the demo holds and a sandbox needs to judge everything: added as a healthy site has it.

It fills gaps only: what was recorded of a file, an object or a machine is never replaced. The objects are those of
metrics-server's own manifest; its Deployment is the one that the recorded pod belongs to.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from kedoctor.api import (
    AccessReview,
    ApiAnswer,
    ApiWrite,
    File,
    FileMetadata,
    Files,
    FindFiles,
    GetPath,
    HostChange,
    LogText,
    ReadFile,
    ReadPodLog,
    ReadResources,
    Reason,
    Request,
    Resources,
    ReviewAccess,
    SandboxState,
    StateChange,
    StatFile,
    Text,
    Unavailable,
)
from kedoctor.api.certificates import make_ca, sign_server
from kedoctor.checks.parsers.kubernetes import Deployment, Pod

__all__ = ["ADDED", "fill_missing"]

ADDED = Text(
    "What the recording lacks (containerd's socket, settings and network, kube-apiserver's certificate, metrics-server's own "
    "objects, cloudcore's rights, the machines' sizes) the sandbox adds as a healthy site has it.",
    zh="录制内容所缺部分（containerd 的套接字、配置与网络，kube-apiserver 证书，metrics-server 自身的对象，cloudcore 的权限，"
    "机器规格），沙箱按正常站点补齐。",
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
_NETWORK = b"""{
  "cniVersion": "0.4.0",
  "name": "bridge",
  "plugins": [
    {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "ipam": {"type": "host-local"}},
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
"""
_CGROUPS = b"#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t2\t60\t1\nmemory\t4\t60\t1\n"
_LOCK = "/etc/kubeedge/idempotency_record"
_SERVED = {
    "reliablesyncs.kubeedge.io/v1alpha1": ("objectsyncs", "clusterobjectsyncs"),
    "devices.kubeedge.io/v1beta1": ("devices", "devicemodels"),
    "rules.kubeedge.io/v1": ("rules", "ruleendpoints"),
}
_GB = 1_000_000_000
_SIZE = Resources(4, 24 * _GB, 20 * _GB, 270 * _GB, 240 * _GB)
_CNI = "/etc/cni/net.d/10-bridge.conflist"
_PROGRAMS = tuple(f"/opt/cni/bin/{name}" for name in ("bridge", "host-local", "loopback", "portmap"))


def fill_missing(stage: SandboxState) -> StateChange:
    """What is added to the hosts and to the API when the sandbox is opened."""
    hosts = {name: _cloud(stage, name) for name in stage.hosts} | {stage.host: _edge(stage)}
    cluster = stage.cluster
    pods = cluster.list(Pod, namespace=_NAMESPACE, label_selector=f"k8s-app={_NAME}")
    recorded = cluster.list(Deployment, namespace=_NAMESPACE)
    if isinstance(pods, Unavailable) or not pods or not isinstance(recorded, Unavailable):
        return StateChange(hosts)
    kinds = {"Service", "Deployment", "ServiceAccount", "RoleBinding"}
    whole = {(kind, _NAMESPACE) for kind in kinds} | {("ClusterRole", ""), ("ClusterRoleBinding", "")}
    return StateChange(hosts, writes=(_deployment(pods[0]), *_others()), whole=frozenset(whole))


def _cloud(stage: SandboxState, name: str) -> HostChange:
    processes = stage.hosts[name].processes()
    files = {}
    if not isinstance(processes, Unavailable) and any(one.name == _APISERVER for one in processes.items):
        authority = make_ca("kubernetes", stage.now)
        pair = sign_server(authority, _APISERVER, [name], stage.now, algorithm="ECDSA-P-256")
        files = {"/etc/kubernetes/pki/apiserver.crt": pair.certificate}
    return HostChange(files=files, gap=_gap(stage, edge=False))


def _edge(stage: SandboxState) -> HostChange:
    files = {"/etc/containerd/config.toml": _CONTAINERD, _CNI: _NETWORK}
    return HostChange(files=files, gap=_gap(stage, edge=True))


def _gap(stage: SandboxState, *, edge: bool) -> Callable[[Request], Any]:
    """What a healthy machine answers to what was not recorded of this one; ``None`` stays not recorded."""

    def seen(path: str, kind: str = "file", mode: int = 0o755, size: int = 0) -> FileMetadata:
        return FileMetadata(path, kind, mode, 0, 0, size, stage.now)

    def of_edge(request: Request) -> Any:
        match request:
            case StatFile(path="/run/containerd/containerd.sock" as path):
                return seen(path, "socket", 0o660)
            case StatFile(path="/var/lib/kubeedge" as path):
                return seen(path, "directory")
            case ReadFile(path="/proc/cgroups" as path):
                return File(seen(path, mode=0o444, size=len(_CGROUPS)), _CGROUPS)
            case FindFiles(pattern="/etc/cni/net.d/*"):
                return Files((seen(_CNI, mode=0o644),))
            case FindFiles(pattern="/opt/cni/bin/*"):
                return Files(tuple(seen(path) for path in _PROGRAMS))
        return None

    def answer(request: Request) -> Any:
        match request:
            case ReadResources():
                return _SIZE
            case StatFile(path=path) if path == _LOCK or _may_hold_keys(path):
                return Unavailable(Reason.ABSENT, f"path {path}", "it does not exist")
            case FindFiles(pattern=pattern) if _may_hold_keys(pattern):
                return Files(())
        return of_edge(request) if edge else _of_cluster(request)

    return answer


def _may_hold_keys(path: str) -> bool:
    return path.endswith((".key", "/*.conf", "bootstrap-edgecore.conf", "/token", "node-token", "k3s.yaml"))


def _of_cluster(request: Request) -> Any:
    match request:
        case ReviewAccess(user=user) if user:
            return AccessReview(allowed=True)
        case ReadPodLog(namespace=namespace) if namespace == _NAMESPACE:
            return LogText("")
        case GetPath(path=path) if path.startswith("/apis/"):
            names = _SERVED.get(path.removeprefix("/apis/"))
            listed = {"kind": "APIResourceList", "resources": [{"name": name} for name in names or ()]}
            return ApiAnswer(200, json.dumps(listed).encode()) if names else None
    return None


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
        "resources": {
            "requests": container.resources.requests or {},
            "limits": container.resources.limits or {},
        },
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
