"""The container runtime of an edge as it stands on disk and answers: socket, plugins, CNI, sandbox image (facts.md §5.5)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kedoctor.api import File, FileMetadata, Files, Host, Reason, ToolOutput, Unavailable, fact
from kedoctor.checks.facts.edge.containerd_config import config_path, read_containerd
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig, EdgecoreUnit
from kedoctor.checks.parsers.cni_config import gives_default_route_twice

__all__ = [
    "CniNetwork",
    "CniSetup",
    "ContainerdSettings",
    "CriSocket",
    "MemoryCgroup",
    "SandboxImages",
    "cni_networks",
]

_ENDPOINT = "modules.edged.tailoredKubeletConfig.containerRuntimeEndpoint"
_CRI_NAMES = frozenset(
    {"cri", "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime", "io.containerd.cri.v1.images"}
)
_MOST_FILES = 20


@dataclass(frozen=True, slots=True)
class CriSocket:
    """The socket that edgecore asks, and what ``crictl version`` got from it."""

    endpoint: str
    path: str
    metadata: FileMetadata | Unavailable
    version: ToolOutput | Unavailable


@fact
def cri_socket(host: Host, config: EdgecoreConfig) -> CriSocket:
    """Looks at the socket and asks it for its version, within five seconds."""
    endpoint = config.text(_ENDPOINT)
    path = endpoint.removeprefix("unix://")
    said = host.run("crictl", "--runtime-endpoint", endpoint, "--timeout", "4s", "version", timeout=6.0)
    return CriSocket(endpoint, path, _through_link(host, path), said)


def _through_link(host: Host, path: str) -> FileMetadata | Unavailable:
    """The socket itself; /var/run is a link on every distribution of today."""
    return host.stat(path.replace("/var/run/", "/run/", 1) if path.startswith("/var/run/") else path)


@dataclass(frozen=True, slots=True)
class ContainerdSettings:
    """What containerd is set to; ``sandbox_image`` is empty where nothing is written, ``path`` the file that was read.

    ``runtime`` is the one that pods get by default, ``runtime_program`` what its ``BinaryName`` names, empty if nothing.
    """

    path: str
    cri_disabled: bool = False
    sandbox_image: str = ""
    cni_conf: str = "/etc/cni/net.d"
    cni_bins: tuple[str, ...] = ("/opt/cni/bin",)
    runtime: str = "runc"
    runtime_type: str = "io.containerd.runc.v2"
    runtime_program: str = ""
    snapshotter: str = ""


@fact
def containerd_settings(
    host: Host, config: EdgecoreConfig, unit: EdgecoreUnit
) -> ContainerdSettings | Unavailable:
    """``config.toml`` in any of its versions; without the file containerd takes its defaults."""
    if "containerd" not in config.text(_ENDPOINT):
        return Unavailable(Reason.ABSENT, "containerd", f"edgecore uses {config.text(_ENDPOINT)}")
    path = config_path(unit.table)
    found = read_containerd(host, path)
    if isinstance(found, Unavailable):
        return found
    settings = _settings(path, found.merged)
    if settings != _settings(path, found.replaced):
        return Unavailable(
            Reason.INVALID,
            path,
            "it and its imports set one plugin, which releases of containerd read differently",
        )
    return settings


def _settings(path: str, tree: Mapping[str, Any]) -> ContainerdSettings:
    disabled = tree.get("disabled_plugins")
    plugins = _table(tree, "plugins")
    old, runtime, images = (
        _table(plugins, name)
        for name in (
            "io.containerd.grpc.v1.cri",
            "io.containerd.cri.v1.runtime",
            "io.containerd.cri.v1.images",
        )
    )
    old = old or _table(plugins, "cri")
    cni = {**_table(old, "cni"), **_table(runtime, "cni")}
    containerd = {**_table(old, "containerd"), **_table(runtime, "containerd")}
    name = str(containerd.get("default_runtime_name") or "runc")
    chosen = _table(_table(containerd, "runtimes"), name)
    bins = cni.get("bin_dirs") or [cni.get("bin_dir") or "/opt/cni/bin"]
    return ContainerdSettings(
        path,
        cri_disabled=isinstance(disabled, list) and bool(_CRI_NAMES & set(map(str, disabled))),
        sandbox_image=str(_table(images, "pinned_images").get("sandbox") or old.get("sandbox_image") or ""),
        cni_conf=str(cni.get("conf_dir") or "/etc/cni/net.d"),
        cni_bins=tuple(map(str, bins)) if isinstance(bins, list) else ("/opt/cni/bin",),
        runtime=name,
        runtime_type=str(chosen.get("runtime_type") or "io.containerd.runc.v2"),
        runtime_program=str(_table(chosen, "options").get("BinaryName") or ""),
        snapshotter=str(containerd.get("snapshotter") or images.get("snapshotter") or ""),
    )


def _table(tree: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = tree.get(key)
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class CniNetwork:
    """One CNI configuration and the plugins it names; ``error`` says why it cannot be read.

    With ``two_default_routes`` no pod starts that does not use the host's network.
    """

    path: str
    plugins: tuple[str, ...] = ()
    error: str = ""
    two_default_routes: bool = False


@dataclass(frozen=True, slots=True)
class CniSetup:
    """The CNI configurations in the order in which the runtime takes them, and the programs that are installed."""

    directory: str
    networks: tuple[CniNetwork, ...]
    installed: frozenset[str] | None
    bins: tuple[str, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """Plugins of the network that is used for which there is no program."""
        if not self.networks or self.installed is None:
            return ()
        return tuple(one for one in self.networks[0].plugins if one not in self.installed)


@fact
def cni_setup(host: Host, settings: ContainerdSettings | Unavailable) -> CniSetup | Unavailable:
    """Reads the configuration directory and lists the plugin directories."""
    known = ContainerdSettings("") if isinstance(settings, Unavailable) else settings
    found = host.find(f"{known.cni_conf}/*")
    if isinstance(found, Unavailable) and found.reason is not Reason.ABSENT:
        return found
    entries = found.entries if isinstance(found, Files) else ()
    paths = sorted(one.path for one in entries if one.path.endswith((".conf", ".conflist", ".json")))
    installed: set[str] = set()
    unseen = False
    for place in known.cni_bins:
        programs = host.find(f"{place}/*")
        unseen |= isinstance(programs, Unavailable) and programs.reason is not Reason.ABSENT
        installed |= (
            {one.path.rpartition("/")[2] for one in programs.entries}
            if isinstance(programs, Files)
            else set()
        )
    return CniSetup(
        known.cni_conf,
        tuple(cni_networks(host, paths[:_MOST_FILES])),
        None if unseen else frozenset(installed),
        known.cni_bins,
    )


def cni_networks(host: Host, paths: list[str]) -> Iterator[CniNetwork]:
    """Each configuration with its plugins' types."""
    for path in paths:
        file = host.read(path)
        if not isinstance(file, File):
            yield CniNetwork(path, error=str(file))
            continue
        try:
            tree = json.loads(file.text())
        except (ValueError, RecursionError) as error:
            yield CniNetwork(path, error=str(error))
            continue
        listed = tree.get("plugins", [tree]) if isinstance(tree, dict) else []
        plugins = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
        types = [one.get("type") for one in plugins]
        twice = any(map(gives_default_route_twice, plugins))
        yield CniNetwork(path, tuple(one for one in types if isinstance(one, str)), two_default_routes=twice)


@dataclass(frozen=True, slots=True)
class SandboxImages:
    """Which images containerd's namespace ``k8s.io`` has, and whether a pod sandbox runs (``/pause``)."""

    names: frozenset[str] | Unavailable
    sandbox_runs: bool


@fact
def sandbox_images(host: Host, config: EdgecoreConfig, unit: EdgecoreUnit) -> SandboxImages:
    """The names in the store; a running sandbox proves that its image is there."""
    table = () if isinstance(unit.table, Unavailable) else unit.table.items
    runs = any(one.argv[:1] == ("/pause",) or one.name == "pause" for one in table)
    if runs:
        return SandboxImages(Unavailable(Reason.NOT_ALLOWED, "the images", "not needed"), sandbox_runs=True)
    address = config.text(_ENDPOINT).removeprefix("unix://")
    said = host.run("ctr", "--address", address, "-n", "k8s.io", "images", "ls", "-q", timeout=6.0)
    if isinstance(said, Unavailable):
        return SandboxImages(said, sandbox_runs=False)
    if said.exit_code:
        return SandboxImages(
            Unavailable(Reason.TOOL_FAILED, "ctr -n k8s.io images ls", said.stderr.strip()[:200]),
            sandbox_runs=False,
        )
    return SandboxImages(frozenset(said.stdout.split()), sandbox_runs=False)


@dataclass(frozen=True, slots=True)
class MemoryCgroup:
    """Whether the kernel counts memory by cgroup; ``source`` and ``line`` say where that is told."""

    on: bool
    source: str
    line: str


@fact
def memory_cgroup(host: Host) -> MemoryCgroup | Unavailable:
    """The unified hierarchy's controllers where there is one, otherwise the kernel's table (facts.md §10 (48))."""
    unified = host.read("/sys/fs/cgroup/cgroup.controllers")
    if isinstance(unified, File) and unified.text().strip():
        line = unified.text().strip()
        return MemoryCgroup("memory" in line.split(), "/sys/fs/cgroup/cgroup.controllers", line)
    table = host.read("/proc/cgroups")
    if isinstance(table, Unavailable):
        return table
    for line in table.text().splitlines():
        words = line.split()
        if words[:1] == ["memory"]:
            return MemoryCgroup(words[-1] == "1", "/proc/cgroups", line)
    return MemoryCgroup(on=False, source="/proc/cgroups", line="no line for memory")
