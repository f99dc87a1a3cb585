"""Facts of metrics-server for tests of its repairs: as K3s brings it, on a cloud host with a taint."""

from __future__ import annotations

from typing import Any

from siteworld import made

from kedoctor.api import Reason, Unavailable
from kedoctor.checks.facts.cluster.metrics import MetricsServer, WorkingDiversion
from kedoctor.checks.facts.cluster.nodes import ApiServerHost, CloudNodes, SiteNodes
from kedoctor.checks.parsers.kubernetes import Deployment, Node, Pod, Service, Taint

BLIND = Unavailable(Reason.FORBIDDEN, "it")
TAINT = Taint(key="node-role.kubernetes.io/control-plane", effect="NoSchedule")
CLOUD = CloudNodes((ApiServerHost("cloud", "10.99.0.1", (TAINT,)),), "the label")
NODES = SiteNodes(
    (made(Node, metadata={"name": "cloud", "labels": {"node-role.kubernetes.io/control-plane": ""}}),)
)
NOWHERE = WorkingDiversion()
SERVICE = made(Service, metadata={"name": "metrics-server"}, spec={"selector": {"k8s-app": "metrics-server"}})
GOOD = [
    "--secure-port=4443",
    "--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname",
    "--kubelet-use-node-status-port",
    "--kubelet-insecure-tls",
]


def deployment(arguments: list[str] | None = None, *, replicas: int = 1, **changed: Any) -> dict[str, Any]:
    container = {
        "name": "metrics-server",
        "image": "rancher/mirrored-metrics-server:v0.8.0",
        "args": GOOD if arguments is None else arguments,
        "ports": [{"name": "other", "containerPort": 1}, {"name": "https", "containerPort": 4443}],
        **changed.pop("container", {}),
    }
    spec = {"containers": [container], "serviceAccountName": "metrics-server", **changed.pop("spec", {})}
    return {
        "metadata": {"name": "metrics-server", "namespace": "kube-system", **changed},
        "spec": {
            "replicas": replicas,
            "strategy": {"type": "RollingUpdate"},
            "selector": {"matchLabels": {"k8s-app": "metrics-server"}},
            "template": {"metadata": {"labels": {"k8s-app": "metrics-server"}}, "spec": spec},
        },
    }


def server(content: dict[str, Any] | None, *pods: Pod, service: Any = SERVICE) -> MetricsServer:
    found = made(Deployment, **content) if content else None
    return MetricsServer(True, "kube-system", "metrics-server", service, found, pods)


def pod(**status: Any) -> Pod:
    found: Pod = made(
        Pod,
        metadata={"name": "metrics-server-1", "namespace": "kube-system"},
        spec={
            "nodeName": "cloud",
            "containers": [{"name": "metrics-server", "image": "rancher/mirrored-metrics-server:v0.8.0"}],
        },
        status={"phase": "Running", **status},
    )
    return found
