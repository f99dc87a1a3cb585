"""What kedoctor itself puts into an offline bundle: manifests and a network template (requirements.md R033, R054, R097)."""

from __future__ import annotations

import json
from typing import Any

from kedoctor.api import VersionSet
from kedoctor.api.yaml import load
from kedoctor.checks.distribution.fix_operator_access import minimal_role
from kedoctor.checks.metrics.fix_objects import complete_set
from kedoctor.checks.parsers.cni_config import CNI_FILE, conflist

__all__ = ["POD_CIDR", "manifests", "plain_files"]

POD_CIDR = "__POD_CIDR__"
"""Stands in the network template where the subnet of an edge's pods belongs."""

_METRICS = """\
# metrics-server, all nine objects, for a Kubernetes other than K3s (K3s runs its own: do not apply this there).
# It runs on the hosts of the API server, where the DNAT rule to cloudcore is, and never on an edge.
"""
_OPERATOR = """\
# The rights that kubectl logs, exec, attach and top need, and nothing more. Bind them to a user:
#   kubectl create clusterrolebinding kubeedge-operator --clusterrole=kubeedge-operator --user=<user>
"""
_CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
_EDGE = "node-role.kubernetes.io/edge"


def manifests(versions: VersionSet, sides: tuple[str, ...]) -> dict[str, tuple[str, list[dict[str, Any]]]]:
    """By path: what stands at the top of the file, and the objects below it."""
    if "cloud" not in sides:
        return {}
    image = versions.image("metrics-server-upstream", "cloud").reference
    objects = [json.loads(json.dumps(action.body)) for action in complete_set(image)]
    _place(objects[-1]["spec"]["template"]["spec"])
    return {
        "manifests/metrics-server.yaml": (_METRICS, objects),
        "manifests/kubeedge-operator-rbac.yaml": (_OPERATOR, [load(minimal_role()).data]),
    }


def plain_files(sides: tuple[str, ...]) -> dict[str, bytes]:
    """By path: files that are no manifests."""
    return {f"cni-conf/{CNI_FILE}.template": conflist(POD_CIDR)} if "edge" in sides else {}


def _place(spec: dict[str, Any]) -> None:
    """On hosts of the control plane, whatever their taint, and on no edge."""
    terms = [{"key": _CONTROL_PLANE, "operator": "Exists"}, {"key": _EDGE, "operator": "DoesNotExist"}]
    selector = {"nodeSelectorTerms": [{"matchExpressions": terms}]}
    spec["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": selector}}
    spec["tolerations"] = [{"key": _CONTROL_PLANE, "operator": "Exists", "effect": "NoSchedule"}]
