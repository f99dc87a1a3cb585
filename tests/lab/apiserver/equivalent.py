"""The cluster that the recordings were taken from, as far as they show it: its objects and what its nodes answered."""

from __future__ import annotations

import json
from typing import Any

from . import ApiServer, Container, Object, State
from .fixtures import recording

_NODE_COLUMNS = ("kubeletVersion", "osImage", "kernelVersion", "containerRuntimeVersion")
# The Python client decodes nodes only when these are there too.
_NODE_REQUIRED = ("architecture", "bootID", "kubeProxyVersion", "machineID", "operatingSystem", "systemUUID")
FIRST_VERSION = 1172


def objects() -> list[Object]:
    """Everything that was in the recorded cluster when the first list was made."""
    return [
        *_nodes(),
        *_pods(),
        *_metrics(),
        recording(48).json,
        recording(45).json,
        _daemon_set(),
        _deployment(),
    ]


def _nodes() -> list[Object]:
    found = []
    for row in recording(6).json["rows"]:
        _, _, _, _, kubelet, address, _, *rest = row["cells"]
        info = dict.fromkeys(_NODE_REQUIRED, "not recorded") | dict(
            zip(_NODE_COLUMNS, [kubelet, *rest], strict=True)
        )
        addresses = [{"type": "InternalIP", "address": address}]
        conditions = [{"type": "Ready", "status": "True"}]
        port = {"kubeletEndpoint": {"Port": 10250 if "kubeedge" not in kubelet else 10351}}
        status = {"conditions": conditions, "addresses": addresses, "nodeInfo": info, "daemonEndpoints": port}
        found.append(_typed("v1", "Node", row["object"] | {"status": status}))
    return found


def _pods() -> list[Object]:
    shown = [_typed("v1", "Pod", pod) for number in (3, 4) for pod in recording(number).json["items"]]
    # The last page was not recorded; a table shows one of its pods.
    name, _, phase, restarts, _, ip, node, *_ = recording(7).json["rows"][1]["cells"]
    container = {"name": "edge-eclipse-mosquitto", "image": "eclipse-mosquitto:1.6.15"}
    state = {"name": container["name"], "ready": True, "restartCount": int(restarts)}
    status = {"phase": phase, "podIP": ip, "podIPs": [{"ip": ip}], "containerStatuses": [state]}
    others = {
        name: (node, status),
        "cloudcore-86b8fcd9b7-8rsjn": ("cloud", {}),
        "edge-eclipse-mosquitto-zz": ("edge2", {}),
    }
    for other, (where, said) in others.items():
        meta = {"name": other, "namespace": "kubeedge", "resourceVersion": "1000"}
        spec = {"nodeName": where, "containers": [container]}
        shown.append({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": said})
    return shown


def _metrics() -> list[Object]:
    version = "metrics.k8s.io/v1beta1"
    nodes = [_typed(version, "NodeMetrics", item) for item in recording(43).json["items"]]
    return nodes + [_typed(version, "PodMetrics", item) for item in recording(44).json["items"]]


def _daemon_set() -> Object:
    """What the recorded dry run changed, taken back."""
    obj: Object = recording(47).json
    obj["metadata"]["generation"] = 1
    obj["metadata"]["annotations"]["deprecated.daemonset.template.generation"] = "1"
    obj["metadata"]["managedFields"].pop()
    del obj["spec"]["template"]["spec"]["tolerations"]
    return obj


def _deployment() -> Object:
    scale = recording(46).json
    labels = {"k8s-app": "metrics-server"}
    template: dict[str, Any] = {"metadata": {"labels": labels}}
    template["spec"] = {"containers": [{"name": "metrics-server", "image": "metrics-server:v0.7.2"}]}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    body = {"metadata": scale["metadata"], "spec": spec, "status": {"replicas": 1}}
    return _typed("apps/v1", "Deployment", body)


def _typed(version: str, kind: str, obj: Object) -> Object:
    return obj | {"apiVersion": version, "kind": kind}


def prepare(server: ApiServer) -> None:
    """Bring a server with :func:`objects` to the state of the recorded one, before the first exchange."""
    cloudcore = json.loads(recording(49).body.splitlines()[0])["object"]
    server.store.load([cloudcore])
    server.store.version = FIRST_VERSION
    server.store.watch_from = 887
    server.edge.containers["default", "web", "web"] = Container(log=recording(38).body.strip("\n") + "\n")
    server.edge.pages["edge1", "stats/summary"] = ("text/plain; charset=utf-8", _indented(58))
    metrics = recording(59).body.rstrip("\n") + "\n"
    server.edge.pages["edge1", "metrics/resource"] = ("text/plain; charset=utf-8", metrics.encode())


def _indented(number: int) -> bytes:
    return json.dumps(recording(number).json, indent=1).encode() + b"\n"


def before(server: ApiServer, number: int) -> None:
    """What happened between the recorded exchanges."""
    if number == 15:
        server.store.version = 1176  # controllers wrote three objects into the new namespace
    elif number == 55:
        server.edge.states["edge1"] = State.DEAD
    elif number == 58:
        del server.edge.states["edge1"]
    elif number == 72:
        server.store.version = 1228
    elif number == 77:
        server.store.compact()
