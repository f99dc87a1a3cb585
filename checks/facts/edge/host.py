"""The machine under edgecore: container runtime, a second kubelet, resources, addresses (facts.md §2.2, §5.5)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from kedoctor.api import (
    Addresses,
    Host,
    Reason,
    Resources,
    ToolOutput,
    Unavailable,
    Unit,
    fact,
    require,
)
from kedoctor.checks.facts.edge.containerd_config import config_path, read_containerd
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig, EdgecoreUnit

__all__ = [
    "CgroupSetting",
    "EdgeAddresses",
    "EdgeResources",
    "KubeletUnit",
    "cgroup_setting",
    "containerd_driver",
    "edge_addresses",
    "edge_resources",
    "kubelet_unit",
]

_K3S_CONTAINERD = "/var/lib/rancher/k3s/agent/etc/containerd/config.toml"
_CRI_PLUGINS = ("io.containerd.cri.v1.runtime", "io.containerd.grpc.v1.cri", "cri")


@dataclass(frozen=True, slots=True)
class CgroupSetting:
    """The cgroup driver of the container runtime that edgecore uses.

    ``runtime`` is ``containerd``, ``docker`` or ``cri-o``; ``driver`` ``systemd`` or ``cgroupfs``; ``source`` the
    file or command that says so, ``line`` the setting as it stands there (or that it is the default).
    """

    runtime: str
    driver: str
    source: str
    line: str


@fact
def cgroup_setting(host: Host, config: EdgecoreConfig, unit: EdgecoreUnit) -> CgroupSetting | Unavailable:
    """What the runtime behind ``containerRuntimeEndpoint`` is set to."""
    endpoint = config.text("modules.edged.tailoredKubeletConfig.containerRuntimeEndpoint")
    if "docker" in endpoint:
        return _docker(host)
    if "containerd" in endpoint:
        path = _K3S_CONTAINERD if "k3s" in endpoint else config_path(unit.table)
        return _containerd(host, path)
    return Unavailable(
        Reason.ERROR, "the cgroup driver of the runtime", f"{endpoint} is a runtime that is unknown here"
    )


def _containerd(host: Host, path: str) -> CgroupSetting | Unavailable:
    found = read_containerd(host, path)
    if isinstance(found, Unavailable):
        return found
    if not found.files:
        line = "no such file, so containerd uses its default, SystemdCgroup = false"
        return CgroupSetting("containerd", "cgroupfs", path, line)
    setting = _driver(path, found.merged)
    if setting.driver != _driver(path, found.replaced).driver:
        what = "it and its imports set one plugin, which releases of containerd read differently"
        return Unavailable(Reason.INVALID, path, what)
    return replace(setting, source=", ".join(found.files))


def containerd_driver(path: str, data: bytes) -> CgroupSetting | Unavailable:
    """The driver that a containerd configuration (version 1, 2 or 3) sets for the runtime it uses by default."""
    try:
        tree = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        return Unavailable(Reason.INVALID, path, str(error))
    if tree.get("imports"):
        return Unavailable(Reason.INVALID, path, "it imports other files, which were not followed")
    return _driver(path, tree)


def _driver(path: str, tree: Mapping[str, Any]) -> CgroupSetting:
    plugins = _table(tree, "plugins")
    for plugin in _CRI_PLUGINS:
        found = _table(plugins, plugin)
        if not found:
            continue
        if found.get("systemd_cgroup") is True:
            return CgroupSetting("containerd", "systemd", path, f'[plugins."{plugin}"] systemd_cgroup = true')
        containerd = _table(found, "containerd")
        name = str(containerd.get("default_runtime_name") or "runc")
        options = _table(_table(_table(containerd, "runtimes"), name), "options")
        if "SystemdCgroup" in options:
            value = options["SystemdCgroup"] is True
            line = f'[plugins."{plugin}".containerd.runtimes.{name}.options] SystemdCgroup = {str(value).lower()}'
            return CgroupSetting("containerd", "systemd" if value else "cgroupfs", path, line)
    return CgroupSetting(
        "containerd", "cgroupfs", path, "SystemdCgroup is not written, so the default false counts"
    )


def _table(tree: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = tree.get(key)
    return found if isinstance(found, dict) else {}


def _docker(host: Host) -> CgroupSetting | Unavailable:
    said: ToolOutput | Unavailable = host.run("docker", "info", "--format", "{{.CgroupDriver}}")
    if isinstance(said, Unavailable):
        return said
    driver = said.stdout.strip()
    if said.exit_code or driver not in ("systemd", "cgroupfs"):
        return Unavailable(Reason.TOOL_FAILED, "docker info", said.stderr.strip()[:200] or driver)
    return CgroupSetting("docker", driver, "docker info", f"CgroupDriver: {driver}")


@dataclass(frozen=True, slots=True)
class KubeletUnit:
    """Whether this host has a unit ``kubelet.service`` that starts at boot."""

    unit: Unit | Unavailable

    @property
    def enabled(self) -> bool:
        """Whether systemd starts a kubelet at the next boot."""
        return not isinstance(self.unit, Unavailable) and self.unit.unit_file_state == "enabled"


@fact
def kubelet_unit(host: Host) -> KubeletUnit:
    """The unit of a second kubelet, which should not be there."""
    return KubeletUnit(host.unit("kubelet.service"))


@dataclass(frozen=True, slots=True)
class EdgeResources:
    """CPUs, memory and the disk that holds KubeEdge's data."""

    resources: Resources


@fact
def edge_resources(host: Host) -> EdgeResources:
    """What the machine has, measured where ``/var/lib/kubeedge`` lies."""
    found = host.resources("/var/lib/kubeedge")
    return EdgeResources(require(found if isinstance(found, Resources) else host.resources("/")))


@dataclass(frozen=True, slots=True)
class EdgeAddresses:
    """The addresses of the edge's interfaces and its default route."""

    addresses: Addresses

    def on(self, interface: str) -> str:
        """The first IPv4 address of an interface, or nothing."""
        return next(
            (a.address for a in self.addresses.items if a.interface == interface and ":" not in a.address), ""
        )

    @property
    def default_route(self) -> str:
        """The first IPv4 address of the default route's interface: what edgecore takes for itself (facts.md §3.5)."""
        interface = self.addresses.default_interface
        return self.on(interface) if interface else ""

    def has(self, address: str) -> bool:
        """Whether an interface carries ``address``."""
        return any(item.address == address for item in self.addresses.items)


@fact
def edge_addresses(host: Host) -> EdgeAddresses:
    """All addresses of this host."""
    return EdgeAddresses(require(host.addresses()))
