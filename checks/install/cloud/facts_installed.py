"""Which Kubernetes is on this host already, and what of K3s and keadm lies on it (kubeprepare.md §1.3, §1.6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from kedoctor.api import (
    BundledFile,
    Cluster,
    File,
    FileMetadata,
    Host,
    Reason,
    Unavailable,
    Unit,
    canonical,
    fact,
    require,
)
from kedoctor.api.yaml import YamlError, load
from kedoctor.checks.facts.cloud.apiserver_flags import K3S_CONFIG, K3S_UNIT
from kedoctor.checks.facts.cloud.cloud_host import CloudProcesses, HostAddresses
from kedoctor.checks.facts.cluster.nodes import SiteNodes
from kedoctor.checks.install.cloud.facts_request import CloudBundle
from kedoctor.checks.install.steps import InstalledProgram, installed_program
from kedoctor.checks.parsers.image_lists import stored_images
from kedoctor.checks.parsers.kubernetes import Node

__all__ = [
    "K3S_DATA",
    "K3S_FRAGMENT",
    "K3S_IMAGES",
    "K3S_KUBECONFIG",
    "K3S_MARK",
    "K3S_PROGRAM",
    "ApiReadiness",
    "Distribution",
    "K3sArchives",
    "K3sHere",
    "KubectlHere",
    "KubernetesHere",
    "StoredHere",
    "own_node",
]

K3S_PROGRAM = "/usr/local/bin/k3s"
K3S_KUBECONFIG = "/etc/rancher/k3s/k3s.yaml"
K3S_DATA = "/var/lib/rancher/k3s"
K3S_IMAGES = f"{K3S_DATA}/agent/images"
K3S_FRAGMENT = f"{K3S_CONFIG}.d/80-kedoctor-install.yaml"
K3S_MARK = "# Written by kedoctor install cloud."
"""The first line of what an install writes, by which the next one knows its own K3s."""


class Distribution(StrEnum):
    """Which Kubernetes a host has."""

    NONE = "none"
    K3S = "k3s"  # a K3s server, running or not
    OTHER = "other"  # another kube-apiserver, which is left as it is
    MEMBER = "member"  # a node of a cluster whose servers are elsewhere


@dataclass(frozen=True, slots=True)
class KubernetesHere:
    """The Kubernetes of this host and what shows it, in words."""

    distribution: Distribution
    shown_by: str = ""

    @property
    def is_foreign(self) -> bool:
        """Whether it is none of K3s', so that K3s is not installed beside it."""
        return self.distribution is Distribution.OTHER


@fact
def kubernetes_here(host: Host, processes: CloudProcesses) -> KubernetesHere:
    """By processes, units and the files that only an installed control plane leaves."""
    if processes.k3s is not None:
        return KubernetesHere(Distribution.K3S, f"k3s server runs (pid {processes.k3s.pid})")
    if processes.apiserver is not None:
        return KubernetesHere(Distribution.OTHER, f"kube-apiserver runs (pid {processes.apiserver.pid})")
    if isinstance(host.stat("/etc/kubernetes/manifests/kube-apiserver.yaml"), FileMetadata):
        return KubernetesHere(Distribution.OTHER, "/etc/kubernetes/manifests/kube-apiserver.yaml")
    for name, distribution in _UNITS:
        unit = host.unit(name)
        if isinstance(unit, Unit) and unit.load_state == "loaded" and _counts(name, unit):
            return KubernetesHere(distribution, f"unit {name}")
    return KubernetesHere(Distribution.NONE)


_UNITS = (
    (K3S_UNIT, Distribution.K3S),
    ("k3s-agent.service", Distribution.MEMBER),
    ("rke2-server.service", Distribution.OTHER),
    ("rke2-agent.service", Distribution.MEMBER),
    ("snap.microk8s.daemon-kubelite.service", Distribution.OTHER),
    ("k0scontroller.service", Distribution.OTHER),
    ("kubelet.service", Distribution.MEMBER),
)


def _counts(name: str, unit: Unit) -> bool:
    """A kubelet of the distribution's package that nobody has started joins no cluster."""
    return name != "kubelet.service" or unit.active_state in ("active", "activating")


@dataclass(frozen=True, slots=True)
class K3sHere:
    """K3s as it lies on this host; ``ours`` when an install of kedoctor wrote its unit.

    ``settings`` is what our fragment says; empty without one, and with one that cannot be read (then ``broken``).
    ``begun`` says that it has made its certificates, so it was started before. ``kubeconfig_mode`` are the permission
    bits of its kubeconfig; 0 while there is none.
    """

    program: InstalledProgram
    unit: Unit | None = None
    ours: bool = False
    settings: dict[str, object] | None = None
    broken: str = ""
    begun: bool = False
    kubeconfig_mode: int = 0

    @property
    def enabled(self) -> bool:
        """Whether it starts with the machine."""
        return self.unit is not None and self.unit.unit_file_state.startswith("enabled")

    @property
    def active(self) -> bool:
        """Whether systemd has started it."""
        return self.unit is not None and self.unit.active_state in ("active", "activating", "reloading")


@fact
def k3s_here(host: Host) -> K3sHere:
    """Its program, its unit, our fragment of its configuration, and whether it was ever started."""
    unit = host.unit(K3S_UNIT)
    loaded = unit if isinstance(unit, Unit) and unit.load_state == "loaded" else None
    text = host.read(loaded.fragment_path) if loaded is not None and loaded.fragment_path else None
    settings, broken = _fragment(host)
    kubeconfig = host.stat(K3S_KUBECONFIG)
    return K3sHere(
        program=installed_program(host, K3S_PROGRAM, "--version"),
        unit=loaded,
        ours=isinstance(text, File) and text.text().startswith(K3S_MARK),
        settings=settings,
        broken=broken,
        begun=isinstance(host.stat(f"{K3S_DATA}/server/tls"), FileMetadata),
        kubeconfig_mode=kubeconfig.mode if isinstance(kubeconfig, FileMetadata) else 0,
    )


@dataclass(frozen=True, slots=True)
class KubectlHere:
    """Whether people find a ``kubectl`` on this host."""

    present: bool


@fact
def kubectl_here(host: Host) -> KubectlHere:
    """In the two directories where it is put."""
    places = ("/usr/local/bin/kubectl", "/usr/bin/kubectl")
    return KubectlHere(any(isinstance(host.stat(place), FileMetadata) for place in places))


def _fragment(host: Host) -> tuple[dict[str, object] | None, str]:
    file = host.read(K3S_FRAGMENT)
    if isinstance(file, Unavailable):
        if file.reason is not Reason.ABSENT:
            require(file)
        return None, ""
    try:
        data = load(file.data).data
    except YamlError as error:
        return None, str(error)
    return (dict(data), "") if isinstance(data, dict) else (None, "it is not a mapping")


# ------------------------------------------------------------------------------------------------ images


@dataclass(frozen=True, slots=True)
class StoredHere:
    """The images in the store that this host's runtime reads, by reference in full, and which runtime that is."""

    runtime: str  # k3s, containerd or docker, as ImportImage names them
    references: frozenset[str]

    def has(self, reference: str) -> bool:
        """Whether the image is there under that name."""
        return canonical(reference) in self.references


_LISTS = {
    "k3s": ("k3s", ("ctr", "-n", "k8s.io", "images", "ls", "-q")),
    "containerd": ("ctr", ("-n", "k8s.io", "images", "ls", "-q")),
    "docker": ("docker", ("image", "ls", "--format", "{{.Repository}}:{{.Tag}}")),
}


@fact
def stored_here(
    host: Host, kubernetes: KubernetesHere, nodes: SiteNodes | Unavailable, addresses: HostAddresses
) -> StoredHere | Unavailable:
    """Asked of the runtime itself: what docker holds beside containerd reaches no pod (facts.md §8.5)."""
    runtime = "k3s" if kubernetes.distribution is Distribution.K3S else _runtime(nodes, addresses)
    if runtime not in _LISTS:
        return Unavailable(Reason.INVALID, "the images of this host's runtime", runtime)
    tool, words = _LISTS[runtime]
    said = require(host.run(tool, *words))
    return StoredHere(runtime, require(stored_images(said, f"the images of {runtime}")))


def _runtime(nodes: SiteNodes | Unavailable, addresses: HostAddresses) -> str:
    """The runtime that the Node of this host names, or why none is known."""
    if isinstance(nodes, Unavailable):
        return f"which runtime the cluster uses here is unknown: {nodes}"
    node = own_node(nodes, addresses)
    if node is None:
        return "no node of the cluster has an address of this host"
    version = node.status.node_info.container_runtime_version
    return next((name for name in ("docker", "containerd") if version.startswith(f"{name}://")), version)


def own_node(nodes: SiteNodes, addresses: HostAddresses) -> Node | None:
    """The Node that this host is, by its addresses."""
    return next(
        (
            node
            for node in nodes.items
            if any(
                one.type == "InternalIP" and addresses.has(one.address) for one in node.status.addresses or ()
            )
        ),
        None,
    )


@dataclass(frozen=True, slots=True)
class K3sArchives:
    """What lies where K3s imports images from: sizes in bytes by file name."""

    sizes: Mapping[str, int]

    def lacking(self, bundle: CloudBundle) -> tuple[BundledFile, ...]:
        """The archives of the bundle that are not there in full."""
        return tuple(
            one for one in bundle.archives if self.sizes.get(one.path.rpartition("/")[2]) != one.size
        )


@fact
def k3s_image_archives(host: Host) -> K3sArchives:
    """By names and sizes: they are put there whole or not at all."""
    found = require(host.find(f"{K3S_IMAGES}/*"))
    return K3sArchives({one.path.rpartition("/")[2]: one.size for one in found.entries if one.kind == "file"})


@dataclass(frozen=True, slots=True)
class ApiReadiness:
    """What ``/readyz`` says."""

    ok: bool
    said: str


@fact
def api_readiness(cluster: Cluster) -> ApiReadiness:
    """``/readyz``, which is ok once all of the API server's own parts are."""
    answer = require(cluster.get("/readyz"))
    return ApiReadiness(
        answer.status == 200, f"HTTP {answer.status} {answer.body[:200].decode(errors='replace')}"
    )
