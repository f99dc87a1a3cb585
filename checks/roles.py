"""Which side of a site a host is: told by what runs on it or is installed on it, through the Host port only.

A host can be both (a single machine that plays cloud and edge in a laboratory).
"""

from __future__ import annotations

from collections.abc import Iterable

from kedoctor.api import FileMetadata, Host, Process, Processes, Side, Unit, hookimpl
from kedoctor.checks.facts.cloud.cloud_host import is_k3s_server, is_kubelite_server, is_program

__all__ = ["CLOUD_MARKS", "EDGE_MARKS", "kedoctor_sides"]

EDGE_MARKS = ("/etc/kubeedge/config/edgecore.yaml",)
CLOUD_MARKS = (
    "/var/lib/rancher/k3s/server/tls",
    "/var/lib/rancher/rke2/server/tls",
    "/etc/kubernetes/manifests/kube-apiserver.yaml",
    "/etc/kubeedge/config/cloudcore.yaml",
)
"""Files and directories that only a K3s or RKE2 server, a kubeadm control plane or a cloudcore binary leaves."""

_EDGE_UNITS = ("edgecore.service",)
_CLOUD_UNITS = ("k3s.service", "rke2-server.service", "kube-apiserver.service", "cloudcore.service")


@hookimpl
def kedoctor_sides(host: Host) -> Iterable[str]:
    """``edge`` where edgecore is, ``cloud`` where kube-apiserver, ``k3s server``, MicroK8s' kubelite or cloudcore is; maybe both."""
    table = host.processes()
    processes = table.items if isinstance(table, Processes) else ()
    sides = []
    if any(map(_of_cloud, processes)) or _marked(host, CLOUD_MARKS, _CLOUD_UNITS):
        sides.append(Side.CLOUD.value)
    if any(is_program(one, "edgecore") for one in processes) or _marked(host, EDGE_MARKS, _EDGE_UNITS):
        sides.append(Side.EDGE.value)
    return sides


def _of_cloud(process: Process) -> bool:
    own = is_k3s_server(process) or is_kubelite_server(process)
    return own or is_program(process, "kube-apiserver") or is_program(process, "cloudcore")


def _marked(host: Host, paths: Iterable[str], units: Iterable[str]) -> bool:
    return any(isinstance(host.stat(path), FileMetadata) for path in paths) or any(
        isinstance(unit, Unit) and unit.load_state == "loaded" for unit in map(host.unit, units)
    )
