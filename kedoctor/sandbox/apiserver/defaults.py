"""Values that the API server fills in before it stores an object.

Two layers, because ownership is noted between them: defaults of decoding (:func:`fill_in`, owned by the writer) and what
admission and the registry add (:func:`complete`, owned by nobody).
"""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable
from typing import Any

from .resources import Resource

_cluster_ips = (f"10.96.{high}.{low}" for high, low in itertools.product(range(100, 256), range(1, 255)))


def _namespace(obj: dict[str, Any]) -> None:
    obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = obj["metadata"]["name"]


def _complete_namespace(obj: dict[str, Any]) -> None:
    obj.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
    obj.setdefault("status", {}).setdefault("phase", "Active")


def _container(container: dict[str, Any]) -> None:
    image = str(container.get("image", ""))
    tag = image.rpartition("/")[2].rpartition(":")[2] if ":" in image.rpartition("/")[2] else "latest"
    container.setdefault("resources", {})
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    pulled = "@" in image or tag != "latest"
    container.setdefault("imagePullPolicy", "IfNotPresent" if pulled else "Always")
    for port in container.get("ports") or ():
        port.setdefault("protocol", "TCP")


def _pod_spec(spec: dict[str, Any]) -> None:
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        _container(container)
    if spec.get("hostNetwork"):
        for container in spec.get("containers") or ():
            for port in container.get("ports") or ():
                port.setdefault("hostPort", port.get("containerPort"))
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    defaults = {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "securityContext": {},
        "schedulerName": "default-scheduler",
    }
    for field, value in defaults.items():
        spec.setdefault(field, value)


def _pod(obj: dict[str, Any]) -> None:
    spec = obj.setdefault("spec", {})
    _pod_spec(spec)
    spec.setdefault("enableServiceLinks", True)


def _complete_pod(obj: dict[str, Any]) -> None:
    spec = obj["spec"]
    added = {"serviceAccountName": "default", "serviceAccount": "default", "priority": 0}
    for field, value in (added | {"preemptionPolicy": "PreemptLowerPriority"}).items():
        spec.setdefault(field, value)
    tolerations = spec.setdefault("tolerations", [])
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not any(t.get("key") in (None, "", key) for t in tolerations):
            tolerations.append(
                {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
            )
    status = obj.setdefault("status", {})
    status.setdefault("phase", "Pending")
    status.setdefault("qosClass", "BestEffort")


def _template(obj: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = obj.setdefault("spec", {})
    template = spec.setdefault("template", {})
    template.setdefault("metadata", {}).setdefault("creationTimestamp", None)
    _pod_spec(template.setdefault("spec", {}))
    return spec


def _deployment(obj: dict[str, Any]) -> None:
    spec = _template(obj)
    for field, value in {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600}.items():
        spec.setdefault(field, value)
    rolling = {"maxUnavailable": "25%", "maxSurge": "25%"}
    strategy = spec.setdefault("strategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        strategy["rollingUpdate"] = rolling | (strategy.get("rollingUpdate") or {})


def _daemon_set(obj: dict[str, Any]) -> None:
    spec = _template(obj)
    spec.setdefault("revisionHistoryLimit", 10)
    strategy = spec.setdefault("updateStrategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        strategy["rollingUpdate"] = {"maxUnavailable": 1, "maxSurge": 0} | (
            strategy.get("rollingUpdate") or {}
        )


def _complete_daemon_set(obj: dict[str, Any]) -> None:
    zero = {
        "currentNumberScheduled": 0,
        "numberMisscheduled": 0,
        "desiredNumberScheduled": 0,
        "numberReady": 0,
    }
    obj["status"] = zero | obj.get("status", {})
    annotations = obj["metadata"].setdefault("annotations", {})
    annotations["deprecated.daemonset.template.generation"] = str(obj["metadata"].get("generation", 1))


def _service(obj: dict[str, Any]) -> None:
    spec = obj.setdefault("spec", {})
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))
    if spec.setdefault("type", "ClusterIP") != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
    spec.setdefault("sessionAffinity", "None")


def _complete_service(obj: dict[str, Any]) -> None:
    spec = obj["spec"]
    if spec["type"] != "ExternalName":
        address = spec.get("clusterIP") or next(_cluster_ips)
        allocated = {"clusterIP": address, "clusterIPs": [address], "ipFamilies": ["IPv4"]}
        for field, value in (allocated | {"ipFamilyPolicy": "SingleStack"}).items():
            spec.setdefault(field, value)
    obj.setdefault("status", {}).setdefault("loadBalancer", {})


def _secret(obj: dict[str, Any]) -> None:
    for key, value in (obj.pop("stringData", None) or {}).items():
        obj.setdefault("data", {})[key] = base64.b64encode(str(value).encode()).decode()
    obj.setdefault("type", "Opaque")


def _api_service(obj: dict[str, Any]) -> None:
    if obj.get("spec", {}).get("service"):
        obj["spec"]["service"].setdefault("port", 443)


def _replica_set(obj: dict[str, Any]) -> None:
    _template(obj).setdefault("replicas", 1)


_DEFAULTS: dict[str, Callable[[dict[str, Any]], None]] = {
    "APIService": _api_service,
    "DaemonSet": _daemon_set,
    "Deployment": _deployment,
    "Namespace": _namespace,
    "Pod": _pod,
    "ReplicaSet": _replica_set,
    "Secret": _secret,
    "Service": _service,
}
_COMPLETIONS: dict[str, Callable[[dict[str, Any]], None]] = {
    "DaemonSet": _complete_daemon_set,
    "Namespace": _complete_namespace,
    "Pod": _complete_pod,
    "Service": _complete_service,
}


def fill_in(resource: Resource, obj: dict[str, Any]) -> None:
    """Add the defaults of the object's kind, in place."""
    _call(_DEFAULTS, resource, obj)


def complete(resource: Resource, obj: dict[str, Any]) -> None:
    """Add what admission and the registry add to a created object, in place."""
    _call(_COMPLETIONS, resource, obj)
    if resource.has("status") and not resource.has("custom"):
        obj.setdefault("status", {})


def _call(
    table: dict[str, Callable[[dict[str, Any]], None]], resource: Resource, obj: dict[str, Any]
) -> None:
    function = None if resource.has("custom") else table.get(resource.kind)
    if function:
        function(obj)


def is_complete(resource: Resource, obj: dict[str, Any]) -> bool:
    """Whether an object has all its defaults; one that a test loaded bare has not, and should stay so."""
    other: dict[str, Any] = json.loads(json.dumps(obj))
    fill_in(resource, other)
    return other == obj


def count_generation(obj: dict[str, Any], generation: int) -> None:
    """Write the generation of the spec, in place; a DaemonSet repeats it in an annotation."""
    obj["metadata"]["generation"] = generation
    annotation = "deprecated.daemonset.template.generation"
    if annotation in obj["metadata"].get("annotations", {}):
        obj["metadata"]["annotations"][annotation] = str(generation)
