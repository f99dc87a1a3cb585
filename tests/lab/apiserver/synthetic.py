"""Edge nodes in any number: alike but for name, address, uid and pod network, of the size real ones have."""

from __future__ import annotations

import uuid
from typing import Any

from kedoctor.sandbox.apiserver.resources import Resource
from kedoctor.sandbox.apiserver.store import Store, dump

_SINCE = "2026-11-23T04:09:30Z"
_SEEN = "2026-11-23T04:23:20Z"
_LABELS = {
    "beta.kubernetes.io/arch": "amd64",
    "beta.kubernetes.io/os": "linux",
    "kubernetes.io/arch": "amd64",
    "kubernetes.io/hostname": "@NAME@",
    "kubernetes.io/os": "linux",
    "node-role.kubernetes.io/agent": "",
    "node-role.kubernetes.io/edge": "",
}
_CONDITIONS = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "EdgeReady", "edge is posting ready status"),
)


def _owned(manager: str, fields: dict[str, Any], subresource: str = "") -> dict[str, Any]:
    entry = {
        "manager": manager,
        "operation": "Update",
        "apiVersion": "v1",
        "time": _SEEN,
        "fieldsType": "FieldsV1",
    }
    return entry | {"fieldsV1": fields} | ({"subresource": subresource} if subresource else {})


def _managed() -> list[dict[str, Any]]:
    labels: dict[str, Any] = {".": {}} | {f"f:{label}": {} for label in _LABELS}
    annotations: dict[str, Any] = {
        ".": {},
        "f:cloudcore": {},
        "f:volumes.kubernetes.io/controller-managed-attach-detach": {},
    }
    heartbeats: dict[str, Any] = {
        f'k:{{"type":"{kind}"}}': {"f:lastHeartbeatTime": {}} for kind, *_ in _CONDITIONS
    }
    port: dict[str, Any] = {"f:kubeletEndpoint": {"f:Port": {}}}
    return [
        _owned("cloudcore", {"f:metadata": {"f:annotations": annotations, "f:labels": labels}}),
        _owned("kube-controller-manager", {"f:spec": {"f:podCIDR": {}, "f:podCIDRs": {".": {}}}}),
        _owned("cloudcore", {"f:status": {"f:conditions": heartbeats, "f:daemonEndpoints": port}}, "status"),
    ]


def _template(port: int) -> dict[str, Any]:
    conditions = [
        {"type": kind, "status": status, "lastHeartbeatTime": _SEEN, "lastTransitionTime": _SINCE}
        | {"reason": reason, "message": message}
        for kind, status, reason, message in _CONDITIONS
    ]
    resources = {"cpu": "2", "ephemeral-storage": "264212084Ki", "hugepages-1Gi": "0", "hugepages-2Mi": "0"}
    annotations = {"cloudcore": "10.99.0.1", "node.alpha.kubernetes.io/ttl": "0"}
    annotations["volumes.kubernetes.io/controller-managed-attach-detach"] = "true"
    machine = {"machineID": "@HEX@", "systemUUID": "@HEX@", "bootID": "@UID@", "kernelVersion": "6.18.44"}
    machine |= {"osImage": "Debian GNU/Linux 12 (bookworm)", "containerRuntimeVersion": "containerd://1.6.20"}
    machine |= {
        "kubeletVersion": "v1.31.12-kubeedge-v1.22.0",
        "kubeProxyVersion": "v0.0.0",
        "architecture": "amd64",
    }
    return {
        "kind": "Node",
        "apiVersion": "v1",
        "metadata": {
            "name": "@NAME@",
            "uid": "@UID@",
            "resourceVersion": "@VERSION@",
            "creationTimestamp": _SINCE,
            "labels": _LABELS,
            "annotations": annotations,
            "managedFields": _managed(),
        },
        "spec": {"podCIDR": "@CIDR@", "podCIDRs": ["@CIDR@"]},
        "status": {
            "capacity": resources | {"memory": "24684092Ki", "pods": "110"},
            "allocatable": resources | {"memory": "24581692Ki", "pods": "110"},
            "conditions": conditions,
            "addresses": [
                {"type": "InternalIP", "address": "@IP@"},
                {"type": "Hostname", "address": "@NAME@"},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
            "nodeInfo": machine | {"operatingSystem": "linux"},
        },
    }


def add_edge_nodes(store: Store, count: int, *, prefix: str = "edge", port: int = 10351) -> list[str]:
    """Add ``count`` healthy edge nodes ``edge-00001`` …; gives their names.

    They are written from a template when they are read, so that many cost little time and next to no memory.
    """
    resource: Resource | None = store.resources.find("", "v1", "nodes")
    if resource is None:
        raise LookupError("nodes are not served")
    template = dump(_template(port)).decode()
    names = [f"{prefix}-{number:05}" for number in range(1, count + 1)]
    numbers = {name: number for number, name in enumerate(names, 1)}

    def make(name: str, version: int) -> bytes:
        number = numbers[name]
        uid = uuid.UUID(int=0xED6E << 64 | number)
        low, middle = number % 256, number // 256
        text = template.replace("@NAME@", name).replace("@UID@", str(uid)).replace("@HEX@", uid.hex)
        text = text.replace("@VERSION@", str(version)).replace(
            "@IP@", f"10.{100 + middle // 256}.{middle % 256}.{low}"
        )
        return text.replace("@CIDR@", f"10.{200 + middle // 256}.{middle % 256}.0/24").encode()

    store.add_lazy(resource, names, make)
    return names
