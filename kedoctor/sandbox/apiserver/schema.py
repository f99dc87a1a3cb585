"""What the server must know about the shape of objects: merge keys, atomic parts, known fields.

Only the kinds of the data path to edges are known in detail; the rest is treated as free-form, as custom resources are.
"""

from __future__ import annotations

from typing import Any

from .resources import Resource


def words(text: str) -> set[str]:
    """The words of a text; for long lists of field names."""
    return set(text.split())


# Lists that are merged by a key; a key may depend on where the list stands (``parent.field``).
MERGE_KEYS: dict[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "imagePullSecrets": ("name",),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "resourceClaims": ("name",),
    "conditions": ("type",),
    "addresses": ("type",),
    "podIPs": ("ip",),
    "ownerReferences": ("uid",),
    "secrets": ("name",),
}
PORT_KEYS = {"containers": ("containerPort", "protocol"), "spec": ("port", "protocol")}
# The strategic merge of a list of ports looks at the first key only.
SETS = {"finalizers", "podCIDRs"}
ATOMIC_LISTS = {"containerStatuses", "initContainerStatuses", "tolerations", "taints", "subsets", "rules"}
ATOMIC_MAPS = {"selector", "nodeSelector", "labelSelector", "requiredDuringSchedulingIgnoredDuringExecution"}
ATOMIC_MAPS |= {
    "secretRef",
    "configMapKeyRef",
    "secretKeyRef",
    "fieldRef",
    "resourceFieldRef",
    "claimRef",
    "roleRef",
}

# Fields that are plain structs in Go: they are there even when empty, so nobody owns the field itself.
STRUCTS = {
    "metadata",
    "spec",
    "status",
    "template",
    "updateStrategy",
    "strategy",
    "containers",
    "names",
    "daemonEndpoints",
}
STRUCTS |= {"kubeletEndpoint", "nodeInfo", "involvedObject", "loadBalancer"}

_METADATA = words(
    "name generateName namespace selfLink uid resourceVersion generation creationTimestamp deletionTimestamp"
    " deletionGracePeriodSeconds labels annotations ownerReferences finalizers managedFields"
)
_POD_SPEC = words(
    "activeDeadlineSeconds affinity automountServiceAccountToken containers dnsConfig dnsPolicy enableServiceLinks"
    " ephemeralContainers hostAliases hostIPC hostNetwork hostPID hostUsers hostname imagePullSecrets initContainers"
    " nodeName nodeSelector os overhead preemptionPolicy priority priorityClassName readinessGates resourceClaims"
    " restartPolicy runtimeClassName schedulerName schedulingGates securityContext serviceAccount serviceAccountName"
    " setHostnameAsFQDN shareProcessNamespace subdomain terminationGracePeriodSeconds tolerations"
    " topologySpreadConstraints volumes"
)
_CONTAINER = words(
    "args command env envFrom image imagePullPolicy lifecycle livenessProbe name ports readinessProbe resizePolicy"
    " resources restartPolicy securityContext startupProbe stdin stdinOnce terminationMessagePath"
    " terminationMessagePolicy tty volumeDevices volumeMounts workingDir"
)
_SERVICE_SPEC = words(
    "allocateLoadBalancerNodePorts clusterIP clusterIPs externalIPs externalName externalTrafficPolicy"
    " healthCheckNodePort internalTrafficPolicy ipFamilies ipFamilyPolicy loadBalancerClass loadBalancerIP"
    " loadBalancerSourceRanges ports publishNotReadyAddresses selector sessionAffinity sessionAffinityConfig"
    " trafficDistribution type"
)
_WORKLOAD = {"selector", "template", "minReadySeconds", "revisionHistoryLimit"}
_CORE = {"apiVersion", "kind", "metadata"}
_TOP: dict[str, set[str]] = {
    "ConfigMap": {"data", "binaryData", "immutable"},
    "Secret": {"data", "stringData", "type", "immutable"},
    "ServiceAccount": {"secrets", "imagePullSecrets", "automountServiceAccountToken"},
    "Endpoints": {"subsets"},
    "EndpointSlice": {"addressType", "endpoints", "ports"},
    "ClusterRole": {"rules", "aggregationRule"},
    "Role": {"rules"},
    "ClusterRoleBinding": {"subjects", "roleRef"},
    "RoleBinding": {"subjects", "roleRef"},
    "Lease": {"spec"},
}
_WITH_SPEC = {
    "Pod",
    "Node",
    "Namespace",
    "Service",
    "Deployment",
    "DaemonSet",
    "ReplicaSet",
    "StatefulSet",
    "APIService",
}
_SPEC: dict[str, set[str]] = {
    "Pod": _POD_SPEC,
    "Service": _SERVICE_SPEC,
    "Node": {"configSource", "externalID", "podCIDR", "podCIDRs", "providerID", "taints", "unschedulable"},
    "DaemonSet": _WORKLOAD | {"updateStrategy"},
    "Deployment": _WORKLOAD | {"replicas", "strategy", "paused", "progressDeadlineSeconds"},
    "ReplicaSet": {"replicas", "selector", "template", "minReadySeconds"},
}


def merge_keys(field: str, parent: str) -> tuple[str, ...] | None:
    """The keys by which the list ``field`` of ``parent`` is merged, or ``None`` where it is replaced whole."""
    if field == "ports":
        return PORT_KEYS.get(parent)
    return MERGE_KEYS.get(field)


def known_fields(resource: Resource) -> set[str] | None:
    """The fields an object of a built-in kind may have at its top, or ``None`` where that is unknown."""
    own = _TOP.get(resource.kind)
    if own is None and resource.kind in _WITH_SPEC:
        own = {"spec", "status"}
    return None if own is None or resource.has("custom") else _CORE | own


def drop_unknown(resource: Resource, obj: dict[str, Any]) -> list[str]:
    """Remove fields that the kind does not have, as decoding into Go types does; gives their paths in order."""
    found: list[str] = []
    top = known_fields(resource)
    if top is None:
        return found
    _drop(obj, top, "", found)
    _drop(obj.get("metadata"), _METADATA, "metadata.", found)
    spec = obj.get("spec")
    _drop(spec, _SPEC.get(resource.kind), "spec.", found)
    if resource.kind == "Pod":
        _drop_containers(spec, "spec.", found)
    elif isinstance(spec, dict) and isinstance(spec.get("template"), dict):
        pod = spec["template"].get("spec")
        _drop(pod, _POD_SPEC, "spec.template.spec.", found)
        _drop_containers(pod, "spec.template.spec.", found)
    return found


def _drop_containers(pod: object, path: str, found: list[str]) -> None:
    if not isinstance(pod, dict):
        return
    for field in ("containers", "initContainers"):
        for index, container in enumerate(pod.get(field) or ()):
            _drop(container, _CONTAINER, f"{path}{field}[{index}].", found)


def _drop(part: object, known: set[str] | None, path: str, found: list[str]) -> None:
    if not isinstance(part, dict) or known is None:
        return
    for field in [field for field in part if field not in known]:
        # Strategic-merge directives are not fields.
        if not field.startswith("$"):
            found.append(path + field)
            del part[field]
