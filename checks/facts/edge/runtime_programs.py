"""Which programs containerd starts for a pod, and whether they are there (facts.md §11.4)."""

from __future__ import annotations

from dataclasses import dataclass

from kedoctor.api import Host, Reason, Unavailable, fact
from kedoctor.checks.facts.edge.container_runtime import ContainerdSettings
from kedoctor.checks.facts.edge.edgecore import EdgecoreUnit

__all__ = ["RuntimePrograms"]

_PLACES = (
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
)  # systemd's own PATH


@dataclass(frozen=True, slots=True)
class RuntimePrograms:
    """The programs by their paths, and the names of those that are in none of ``places``; ``source`` says who names them."""

    found: tuple[str, ...]
    missing: tuple[str, ...]
    places: tuple[str, ...]
    source: str


@fact
def runtime_programs(
    host: Host, settings: ContainerdSettings | Unavailable, unit: EdgecoreUnit
) -> RuntimePrograms | Unavailable:
    """The shim of the default runtime and the program that it calls; a path is looked at where it is, a name in PATH.

    A shim that runs proves both.
    """
    table = () if isinstance(unit.table, Unavailable) else unit.table.items
    shims = {one.argv[0] for one in table if one.name.startswith("containerd-shim") and one.argv}
    if shims:
        return RuntimePrograms(tuple(sorted(shims)), (), _PLACES, "the table of processes")
    if isinstance(settings, Unavailable):
        return settings
    found, missing = [], []
    for name in _wanted(settings):
        place = _place(host, name)
        if isinstance(place, Unavailable):
            return place
        if place:
            found.append(place)
        else:
            missing.append(name)
    return RuntimePrograms(tuple(found), tuple(missing), _PLACES, settings.path)


def _wanted(settings: ContainerdSettings) -> tuple[str, ...]:
    """``io.containerd.runc.v2`` is served by ``containerd-shim-runc-v2`` (containerd: core/runtime/v2/README.md)."""
    kind = settings.runtime_type
    if kind.startswith("io.containerd.runtime.v1"):
        return ("containerd-shim", settings.runtime_program or "runc")
    shim = f"containerd-shim-{'-'.join(kind.split('.')[-2:])}" if kind.startswith("io.containerd.") else kind
    calls = settings.runtime_program or ("runc" if "runc" in kind else "")
    return tuple(filter(None, (shim, calls)))


def _place(host: Host, name: str) -> str | Unavailable:
    """Where the program is; empty if it is nowhere."""
    unseen: Unavailable | None = None
    for path in (name,) if name.startswith("/") else tuple(f"{place}/{name}" for place in _PLACES):
        there = host.stat(path)
        if not isinstance(there, Unavailable):
            return path
        if there.reason is not Reason.ABSENT:
            unseen = there
    return unseen or ""
