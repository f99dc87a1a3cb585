"""HTTP proxies that edgecore and the container runtime are started with (facts.md §11.5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kedoctor.api import File, Host, Unavailable, fact
from kedoctor.checks.parsers.proxies import ProxySettings, proxies_in

__all__ = ["EdgeProxies", "UnitProxy"]

_UNITS = ("edgecore.service", "containerd.service", "docker.service", "crio.service")
_EDGECORE, *_RUNTIMES = _UNITS


@dataclass(frozen=True, slots=True)
class UnitProxy:
    """A unit whose environment names a proxy."""

    unit: str
    settings: ProxySettings


@dataclass(frozen=True, slots=True)
class EdgeProxies:
    """``edgecore`` is its unit's proxy, or ``None``; ``runtimes`` those of containerd, docker and CRI-O.

    ``unread`` is why some environment was not seen.
    """

    edgecore: UnitProxy | None
    runtimes: tuple[UnitProxy, ...]
    unread: Unavailable | None = None


@fact
def edge_proxies(host: Host) -> EdgeProxies:
    """``Environment=`` as systemd has it with all drop-ins, and the files that ``EnvironmentFile=`` names."""
    found: dict[str, UnitProxy] = {}
    unread: Unavailable | None = None
    for name in _UNITS:
        unit = host.unit(name)
        if isinstance(unit, Unavailable):
            unread = unread or (unit if name == _EDGECORE else None)
            continue
        settings = proxies_in((*unit.environment, *_from_files(host, unit.environment_files)))
        if settings.server:
            found[name] = UnitProxy(name, settings)
    runtimes = tuple(found[name] for name in _RUNTIMES if name in found)
    return EdgeProxies(found.get(_EDGECORE), runtimes, unread)


def _from_files(host: Host, paths: tuple[str, ...]) -> Iterator[str]:
    for path in paths:
        file = host.read(path.split()[0].lstrip("-")) if path.split() else None
        if isinstance(file, File):
            yield from (
                line.strip() for line in file.text().splitlines() if not line.lstrip().startswith("#")
            )
