"""The container runtime of a host that is to become an edge, seen without edgecore.yaml (facts.md §2.2, §5.5)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kedoctor.api import (
    File,
    FileMetadata,
    Files,
    Host,
    Reason,
    ToolOutput,
    Unavailable,
    Unit,
    canonical,
    fact,
    require,
)
from kedoctor.checks.facts.edge.container_runtime import CniNetwork, cni_networks
from kedoctor.checks.facts.edge.edgecore import EdgecoreUnit
from kedoctor.checks.facts.edge.host import containerd_driver
from kedoctor.checks.parsers.image_lists import stored_images

__all__ = [
    "CONFIG_PATH",
    "PLACES",
    "PROGRAMS",
    "SOCKET_PATH",
    "UNIT_NAME",
    "HostPrograms",
    "HostRuntime",
    "PodNetworks",
    "RuntimeFile",
    "RuntimeStore",
]

UNIT_NAME = "containerd.service"
CONFIG_PATH = "/etc/containerd/config.toml"
SOCKET_PATH = "/run/containerd/containerd.sock"
PROGRAMS = ("containerd", "containerd-shim-runc-v2", "ctr", "runc")
PLACES = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
"""Where systemd and keadm look for programs."""
_CRI_NAMES = frozenset(
    {"cri", "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime", "io.containerd.cri.v1.images"}
)
_MOST = 20


@dataclass(frozen=True, slots=True)
class HostPrograms:
    """Where the programs of a runtime lie on this host; those that are not there are not in it."""

    paths: Mapping[str, str]

    @property
    def missing(self) -> tuple[str, ...]:
        """The programs that no directory of programs has."""
        return tuple(name for name in PROGRAMS if name not in self.paths)


@fact
def host_programs(host: Host) -> HostPrograms:
    """Looked for in the usual places."""
    found: dict[str, str] = {}
    for name in PROGRAMS:
        for place in PLACES:
            seen = host.stat(f"{place}/{name}")
            if not isinstance(seen, Unavailable):
                found[name] = f"{place}/{name}"
                break
            if seen.reason is not Reason.ABSENT:
                require(seen)
    return HostPrograms(found)


@dataclass(frozen=True, slots=True)
class RuntimeFile:
    """containerd's configuration: its text and what it says; ``exists`` is false where there is none yet.

    ``sandbox`` is the sandbox image in full (empty: not written), ``driver`` the cgroup driver.
    """

    path: str
    exists: bool
    text: str = ""
    tree: Mapping[str, Any] | None = None
    cri_disabled: bool = False
    sandbox: str = ""
    driver: str = "cgroupfs"
    network_directory: str = "/etc/cni/net.d"
    plugin_directory: str = "/opt/cni/bin"
    address: str = SOCKET_PATH

    @property
    def endpoint(self) -> str:
        """What edgecore is given to dial."""
        return f"unix://{self.address}"


@fact
def runtime_file(host: Host, unit: EdgecoreUnit) -> RuntimeFile:
    """Of any version; one that imports others cannot be judged as a whole."""
    path = _config_of(unit)
    file = host.read(path)
    if not isinstance(file, File):
        if file.reason is not Reason.ABSENT:
            require(file)
        return RuntimeFile(path, exists=False)
    try:
        tree = tomllib.loads(file.data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        tree = {}
        require(Unavailable(Reason.INVALID, path, str(error)))
    if tree.get("imports"):
        require(Unavailable(Reason.INVALID, path, "it imports other files, which were not followed"))
    setting = containerd_driver(path, file.data)
    disabled = tree.get("disabled_plugins")
    network = {**_table(_cri(tree), "cni"), **_table(_plugin(tree, "io.containerd.cri.v1.runtime"), "cni")}
    bins = network.get("bin_dirs")
    return RuntimeFile(
        path,
        exists=True,
        text=file.text(),
        tree=tree,
        cri_disabled=isinstance(disabled, list) and bool(_CRI_NAMES & set(map(str, disabled))),
        sandbox=_sandbox(tree),
        driver=require(setting).driver,
        network_directory=str(network.get("conf_dir") or "/etc/cni/net.d"),
        plugin_directory=str(
            (bins if isinstance(bins, list) and bins else [network.get("bin_dir")])[0] or "/opt/cni/bin"
        ),
        address=str(_table(tree, "grpc").get("address") or SOCKET_PATH),
    )


def _config_of(unit: EdgecoreUnit) -> str:
    for process in () if isinstance(unit.table, Unavailable) else unit.table.items:
        if process.name != "containerd":
            continue
        for place, argument in enumerate(process.argv[1:], start=1):
            name, equals, value = argument.partition("=")
            if name in ("--config", "-config", "-c"):
                return value if equals else next(iter(process.argv[place + 1 : place + 2]), CONFIG_PATH)
    return CONFIG_PATH


def _sandbox(tree: Mapping[str, Any]) -> str:
    pinned = _table(_plugin(tree, "io.containerd.cri.v1.images"), "pinned_images").get("sandbox")
    written = pinned or _cri(tree).get("sandbox_image")
    return canonical(written) if isinstance(written, str) and written else ""


def _cri(tree: Mapping[str, Any]) -> Mapping[str, Any]:
    return _plugin(tree, "io.containerd.grpc.v1.cri") or _plugin(tree, "cri")


def _plugin(tree: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return _table(_table(tree, "plugins"), name)


def _table(tree: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = tree.get(key)
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class HostRuntime:
    """Whether containerd runs here and what its plugins say of themselves."""

    unit: Unit | Unavailable
    socket: FileMetadata | Unavailable
    plugins: ToolOutput | Unavailable

    @property
    def cri(self) -> str:
        """``ok``, another state that the CRI plugin is in, or empty when there is none or nobody could say."""
        if isinstance(self.plugins, Unavailable) or self.plugins.exit_code:
            return ""
        rows = [line.split() for line in self.plugins.stdout.splitlines()]
        states = [
            row[-1]
            for row in rows
            if len(row) >= 3 and (row[1] == "cri" or row[0].startswith("io.containerd.cri."))
        ]
        return next((state for state in states if state != "ok"), "ok" if states else "")


@fact
def host_runtime(host: Host, file: RuntimeFile) -> HostRuntime:
    """The unit, the socket, and ``ctr plugins ls``, which a minimal host has where it has no crictl."""
    socket = host.stat(file.address)
    plugins: ToolOutput | Unavailable = Unavailable(Reason.ABSENT, file.address)
    if not isinstance(socket, Unavailable):
        plugins = host.run("ctr", "--address", file.address, "--connect-timeout", "5s", "plugins", "ls")
    return HostRuntime(host.unit(UNIT_NAME), socket, plugins)


@dataclass(frozen=True, slots=True)
class RuntimeStore:
    """The images in containerd's namespace ``k8s.io``, in full; docker's are elsewhere and do not count."""

    names: frozenset[str]


@fact
def runtime_store(host: Host, file: RuntimeFile) -> RuntimeStore:
    """Asked of containerd itself."""
    if isinstance(host.stat(file.address), Unavailable):
        require(
            Unavailable(Reason.ABSENT, "the images of containerd", f"there is no socket {file.address} yet")
        )
    said = require(
        host.run("ctr", "--address", file.address, "-n", "k8s.io", "images", "ls", "-q", timeout=15.0)
    )
    return RuntimeStore(require(stored_images(said, "ctr -n k8s.io images ls")))


@dataclass(frozen=True, slots=True)
class PodNetworks:
    """The CNI configurations in the order in which the runtime takes them, and the plugins that are installed."""

    directory: str
    plugin_directory: str
    networks: tuple[CniNetwork, ...]
    installed: frozenset[str]

    @property
    def missing(self) -> tuple[str, ...]:
        """Plugins of the network that is used for which there is no program."""
        used = self.networks[0].plugins if self.networks else ()
        return tuple(one for one in used if one not in self.installed)


@fact
def pod_networks(host: Host, file: RuntimeFile) -> PodNetworks:
    """Reads the directory of configurations and lists that of plugins."""
    found = [host.find(f"{place}/*") for place in (file.network_directory, file.plugin_directory)]
    for answer in found:
        if isinstance(answer, Unavailable) and answer.reason is not Reason.ABSENT:
            require(answer)
    configured, programs = (one.entries if isinstance(one, Files) else () for one in found)
    paths = sorted(one.path for one in configured if one.path.endswith((".conf", ".conflist", ".json")))
    return PodNetworks(
        file.network_directory,
        file.plugin_directory,
        tuple(cni_networks(host, paths[:_MOST])),
        frozenset(one.path.rpartition("/")[2] for one in programs),
    )
