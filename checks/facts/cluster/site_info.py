"""What kind of site this is: versions, distribution, and the time as its API server has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from kedoctor.api import (
    Clock,
    Cluster,
    Reason,
    Record,
    RecordError,
    Unavailable,
    decode,
    fact,
    patterns,
    require,
)
from kedoctor.checks.facts.cluster.nodes import SiteNodes
from kedoctor.checks.parsers.kubernetes import Deployment, Node

__all__ = ["AboutSite", "ServerVersion", "SiteTime", "kubeedge_version"]

_KUBEEDGE = patterns.compiled(r"kubeedge-(v[0-9][^\s]*)")


@dataclass(frozen=True, slots=True)
class ServerVersion:
    """The version of kube-apiserver (``v1.31.14``) and the Date header of its answer, if it had one."""

    git_version: str
    date: datetime | None = None


@dataclass(frozen=True, slots=True)
class SiteTime:
    """The time as the API server has it, or as the looking host has it when no answer carried a date.

    Timestamps that the control plane wrote are compared with it; ``source`` says whose clock it is.
    """

    now: datetime
    source: str


@dataclass(frozen=True, slots=True)
class AboutSite:
    """Versions and distribution; what could not be read is empty.

    ``component_versions`` maps ``KubeEdge`` (cloudcore's image and all edges) and ``edge runtime`` to all versions
    seen. ``distribution`` is ``kubeadm``, ``k3s``, ``rke2``, ``microk8s`` or ``unknown``.
    """

    cluster_version: str
    component_versions: Mapping[str, tuple[str, ...]]
    distribution: str


class _Version(Record, frozen=True, rename="camel"):
    git_version: str = ""


@fact
def server_version(cluster: Cluster) -> ServerVersion | Unavailable:
    """What ``/version`` says."""
    answer = require(cluster.get("/version"))
    if answer.status != 200:
        return Unavailable(Reason.ERROR, "the version of the API server", f"HTTP {answer.status}")
    try:
        return ServerVersion(decode(answer.body, _Version).git_version, answer.date)
    except RecordError as error:
        return Unavailable(Reason.INVALID, "the version of the API server", str(error))


@fact
def site_time(version: ServerVersion | Unavailable, clock: Clock) -> SiteTime:
    """The API server's own time where it can be had."""
    if not isinstance(version, Unavailable) and version.date is not None:
        return SiteTime(version.date, "the API server's clock")
    return SiteTime(require(clock.now()).time, "this host's clock")


@fact
def about_site(
    cluster: Cluster, version: ServerVersion | Unavailable, nodes: SiteNodes | Unavailable
) -> AboutSite:
    """The heading of every report."""
    git_version = "" if isinstance(version, Unavailable) else version.git_version
    items = () if isinstance(nodes, Unavailable) else nodes.items
    deployments = cluster.list(Deployment, namespace="kubeedge", field_selector="metadata.name=cloudcore")
    images = [
        container.image
        for deployment in (() if isinstance(deployments, Unavailable) else deployments)
        for container in deployment.spec.template.spec.containers
    ]
    cloud = [image.rpartition(":")[2] for image in images if "cloudcore:" in image]
    seen = {
        "KubeEdge": _distinct(
            [*cloud, *(kubeedge_version(n.status.node_info.kubelet_version) for n in items)]
        ),
        "edge runtime": _distinct(
            node.status.node_info.container_runtime_version
            for node in items
            if kubeedge_version(node.status.node_info.kubelet_version)
        ),
    }
    return AboutSite(
        git_version, {name: found for name, found in seen.items() if found}, _distribution(git_version, items)
    )


@lru_cache(maxsize=1024)
def kubeedge_version(kubelet_version: str) -> str:
    """``v1.22.0`` out of ``v1.31.12-kubeedge-v1.22.0`` (facts.md §7); empty for any other kubelet."""
    found = _KUBEEDGE.search(kubelet_version)
    return found[1] if found else ""


def _distinct(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({value for value in values if value}))


def _distribution(git_version: str, nodes: tuple[Node, ...]) -> str:
    versions = " ".join([git_version, *(node.status.node_info.kubelet_version for node in nodes)])
    for name in ("k3s", "rke2"):
        if f"+{name}" in versions:
            return name
    if any(node.metadata.annotations.kubeadm_cri_socket is not None for node in nodes):
        return "kubeadm"
    if any(node.metadata.labels.microk8s is not None for node in nodes):
        return "microk8s"
    return "unknown"
