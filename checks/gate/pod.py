"""The test pod of ``kedoctor gate``: a shell that writes a nonce every second, with no rights at all.

It fits the Pod Security Standard *restricted*, mounts no token and writes no file. It is bound to its node by name:
a scheduler would keep it from exactly those edges that need looking at (cordoned, tainted, full).
"""

from __future__ import annotations

from typing import Any

from kedoctor.api import GateRecipe, PodOrder

__all__ = ["CONTAINER", "IMAGE", "RECIPE", "pod_spec"]

IMAGE = "docker.io/library/busybox:1.36"
"""The small test image of the offline bundle."""

CONTAINER = "probe"

# The nonce is the name of the shell ($0), so nothing has to be quoted into the script.
_SCRIPT = 'trap "exit 0" TERM INT; i=0; while :; do i=$((i+1)); echo "$0 $i"; sleep 1; done'
_NOBODY = 65534


def pod_spec(order: PodOrder) -> dict[str, Any]:
    """The ``spec`` of the pod for one edge; it ends by itself when its time is over, even if nobody removes it."""
    return {
        "nodeName": order.node,
        "activeDeadlineSeconds": order.lifetime,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 1,
        # An edge that is cordoned, not ready or unreachable gets its pod all the same: that is what is asked about.
        "tolerations": [{"operator": "Exists"}],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _NOBODY,
            "runAsGroup": _NOBODY,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(order)],
    }


def _container(order: PodOrder) -> dict[str, Any]:
    return {
        "name": CONTAINER,
        "image": order.image,
        "imagePullPolicy": order.pull_policy,
        "command": ["sh", "-c", _SCRIPT, order.nonce],
        "resources": {
            "requests": {"cpu": "5m", "memory": "8Mi"},
            "limits": {"cpu": "100m", "memory": "32Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "privileged": False,
            "readOnlyRootFilesystem": True,
        },
    }


RECIPE = GateRecipe(codes=("KE901", "KE902", "KE903", "KE904", "KE905"), image=IMAGE, spec=pod_spec)
