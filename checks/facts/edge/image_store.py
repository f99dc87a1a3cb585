"""The images in the store that a host's runtime reads, and those in stores beside it that nobody reads (facts.md §9 (12))."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kedoctor.api import (
    Cluster,
    FileMetadata,
    Host,
    Processes,
    Reason,
    ToolOutput,
    Unavailable,
    canonical,
    fact,
    require,
)
from kedoctor.checks.facts.cloud.cloud_host import is_program
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig
from kedoctor.checks.parsers.image_lists import stored_images
from kedoctor.checks.parsers.kubernetes import Pod
from kedoctor.checks.parsers.kubernetes.pod_health import trouble

__all__ = ["ImageStore", "WaitingImages"]

_ENDPOINT = "modules.edged.tailoredKubeletConfig.containerRuntimeEndpoint"
_CONTAINERD = "/run/containerd/containerd.sock"
_K3S_CONTAINERD = "/run/k3s/containerd/containerd.sock"
_MICROK8S_CONTAINERD = "/var/snap/microk8s/common/run/containerd.sock"
_DOCKER_SOCKETS = ("/run/docker.sock", "/var/run/docker.sock")
_KUBERNETES = "k8s.io"
_MOST_NAMESPACES = 6
_SECONDS = 6.0
_NOT_THERE = frozenset({"ErrImageNeverPull", "ImagePullBackOff", "ErrImagePull"})


@dataclass(frozen=True, slots=True)
class ImageStore:
    """The images, by their references in full, that the kubelet or edgecore of this host can start containers from.

    ``runtime`` is ``k3s``, ``containerd`` or ``docker``; ``listed_by`` the command that told. ``beside`` has the images of
    other stores on the same host, by the name of the store.
    """

    runtime: str
    listed_by: str
    names: frozenset[str]
    beside: Mapping[str, frozenset[str]]

    def holds(self, reference: str) -> bool:
        """Whether the image is there under that name."""
        return canonical(reference) in self.names

    def stray(self, reference: str) -> tuple[str, ...]:
        """The other stores that hold it."""
        return tuple(store for store, names in self.beside.items() if canonical(reference) in names)


@fact
def image_store(host: Host, config: EdgecoreConfig | Unavailable) -> ImageStore | Unavailable:
    """Asks the runtime's own client; nothing is started, and no namespace but ``k8s.io`` counts."""
    runtime, address = _runtime(host, config)
    if not runtime:
        return Unavailable(
            Reason.ABSENT, "the images of this host", "no container runtime that is known here runs"
        )
    command = _client(runtime, address)
    if runtime == "docker":
        said = _docker(host)
        listed_by = "docker image ls"
    else:
        said = host.run(*command, "-n", _KUBERNETES, "images", "ls", "-q", timeout=_SECONDS)
        listed_by = " ".join((*command, "-n", _KUBERNETES, "images", "ls", "-q"))
        if isinstance(said, Unavailable) and said.reason is Reason.TOOL_MISSING and runtime == "containerd":
            return _by_crictl(host, address)
    names = stored_images(require(said), listed_by)
    if isinstance(names, Unavailable):
        return names
    return ImageStore(runtime, listed_by, names, dict(_beside(host, runtime, command)))


def _runtime(host: Host, config: EdgecoreConfig | Unavailable) -> tuple[str, str]:
    """What this host's kubelet or edgecore uses, and its socket; both empty when that is unknown."""
    endpoint = "" if isinstance(config, Unavailable) else config.text(_ENDPOINT)
    if "docker" in endpoint:
        return "docker", ""
    if endpoint:
        usual = "containerd" in endpoint and "k3s" not in endpoint
        return (
            ("containerd", endpoint.removeprefix("unix://"))
            if usual
            else ("k3s" if "k3s" in endpoint else "", "")
        )
    table = host.processes()
    running = () if not isinstance(table, Processes) else table.items
    if any(is_program(one, "kubelite") for one in running):
        return "containerd", _MICROK8S_CONTAINERD
    if any(is_program(one, "k3s") for one in running) or isinstance(host.stat(_K3S_CONTAINERD), FileMetadata):
        # RKE2's containerd has the same socket, and no k3s to ask.
        rke2 = any(is_program(one, "rke2") for one in running)
        return ("containerd", _K3S_CONTAINERD) if rke2 else ("k3s", "")
    return ("containerd", _CONTAINERD) if isinstance(host.stat(_CONTAINERD), FileMetadata) else ("", "")


def _client(runtime: str, address: str) -> tuple[str, ...]:
    return ("k3s", "ctr") if runtime == "k3s" else ("ctr", "--address", address or _CONTAINERD)


def _docker(host: Host) -> ToolOutput | Unavailable:
    return host.run("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", timeout=_SECONDS)


def _by_crictl(host: Host, address: str) -> ImageStore | Unavailable:
    endpoint = f"unix://{address or _CONTAINERD}"
    said = require(
        host.run("crictl", "--runtime-endpoint", endpoint, "images", "-o", "json", timeout=_SECONDS)
    )
    listed_by = f"crictl --runtime-endpoint {endpoint} images"
    try:
        images = json.loads("" if said.exit_code else said.stdout)["images"]
        tags = [str(tag) for image in images for tag in image.get("repoTags") or ()]
    except (ValueError, TypeError, KeyError, AttributeError):
        return Unavailable(
            Reason.TOOL_FAILED, listed_by, said.stderr.strip()[-200:] or "it printed no list of images"
        )
    return ImageStore(
        "containerd", listed_by, frozenset(map(canonical, tags)), dict(_beside(host, "crictl", ()))
    )


def _beside(host: Host, runtime: str, command: tuple[str, ...]) -> Iterator[tuple[str, frozenset[str]]]:
    """Other namespaces of containerd, and docker's store where docker is not the runtime."""
    if command and runtime != "docker":
        spaces = host.run(*command, "namespaces", "ls", "-q", timeout=_SECONDS)
        names = [] if isinstance(spaces, Unavailable) or spaces.exit_code else spaces.stdout.split()
        for space in [one for one in names if one != _KUBERNETES][:_MOST_NAMESPACES]:
            said = host.run(*command, "-n", space, "images", "ls", "-q", timeout=_SECONDS)
            found = frozenset[str]() if isinstance(said, Unavailable) else stored_images(said, space)
            if found and not isinstance(found, Unavailable):
                yield f"containerd's namespace {space}", found
    if runtime != "docker" and any(isinstance(host.stat(path), FileMetadata) for path in _DOCKER_SOCKETS):
        said = _docker(host)
        found = frozenset[str]() if isinstance(said, Unavailable) else stored_images(said, "docker")
        if found and not isinstance(found, Unavailable):
            yield "docker's store", found


@dataclass(frozen=True, slots=True)
class WaitingImages:
    """The pods of this host's node: how many there are, and for each image the ``namespace/name`` of one that waits."""

    node: str
    pods: int
    waiting: Mapping[str, str]


@fact
def waiting_images(
    host: Host, cluster: Cluster, config: EdgecoreConfig | Unavailable
) -> WaitingImages | Unavailable:
    """One list, of the pods of one node: edgecore's, or without it the one called like the host."""
    node = require(host.identity()).hostname.lower() if isinstance(config, Unavailable) else config.node_name
    pods = require(_pods_of(cluster, node))
    waiting = {
        image: f"{pod.metadata.namespace}/{pod.metadata.name}" for pod in pods for image in _waits_for(pod)
    }
    return WaitingImages(node, len(pods), waiting)


def _pods_of(cluster: Cluster, node: str) -> tuple[Pod, ...] | Unavailable:
    """From the cloud host's bundle too, which does not hold the list of another host's node but that of all pods."""
    pods = cluster.list(Pod, field_selector=f"spec.nodeName={node}")
    if not isinstance(pods, Unavailable) or pods.reason is not Reason.NOT_RECORDED:
        return pods
    every = cluster.list(Pod)
    return (
        pods if isinstance(every, Unavailable) else tuple(pod for pod in every if pod.spec.node_name == node)
    )


def _waits_for(pod: Pod) -> Iterator[str]:
    """The images that containers of the pod could not be started from."""
    known = trouble(pod)
    if known is None or known.reason not in _NOT_THERE:
        return
    waiting = {
        status.name
        for status in pod.status.container_statuses or ()
        if status.state.waiting is not None and status.state.waiting.reason in _NOT_THERE
    }
    yield from (one.image for one in pod.spec.containers if one.image and one.name in waiting)
