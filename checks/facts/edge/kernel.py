"""What of the kernel decides whether edged starts: swap, the version of cgroups, parameters, limits (facts.md §11.2)."""

from __future__ import annotations

from dataclasses import dataclass

from kedoctor.api import File, Host, Reason, Unavailable, fact
from kedoctor.checks.facts.edge.edgecore import EdgecoreUnit

__all__ = ["WANTED_PARAMETERS", "EdgeKernel", "EdgeLimits"]

# vendor/k8s.io/kubernetes/pkg/kubelet/cm/container_manager_linux.go (setupKernelTunables), component-helpers
# node/util/sysctl/sysctl.go: the values that edged wants, and refuses to start without under protectKernelDefaults.
WANTED_PARAMETERS = {
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "kernel/keys/root_maxkeys": 1_000_000,
    "kernel/keys/root_maxbytes": 25_000_000,
}


@dataclass(frozen=True, slots=True)
class EdgeKernel:
    """What is set on this host; each part may be unavailable by itself.

    ``swaps`` names the devices and files that are swapped to; ``unified`` is whether cgroup v2 is used;
    ``parameters`` are those of ``WANTED_PARAMETERS`` that could be read.
    """

    swaps: tuple[str, ...] | Unavailable
    unified: bool | Unavailable
    parameters: dict[str, int]


@fact
def edge_kernel(host: Host) -> EdgeKernel:
    """``/proc/swaps``, ``cgroup.controllers`` and six of ``/proc/sys``."""
    return EdgeKernel(_swaps(host), _unified(host), dict(_parameters(host)))


def _swaps(host: Host) -> tuple[str, ...] | Unavailable:
    """Edged takes a missing file for no swap (pkg/kubelet/util/swap/swap_util.go)."""
    file = host.read("/proc/swaps")
    if isinstance(file, Unavailable):
        return () if file.reason is Reason.ABSENT else file
    return tuple(line.split()[0] for line in file.text().splitlines()[1:] if line.split())


def _unified(host: Host) -> bool | Unavailable:
    file = host.read("/sys/fs/cgroup/cgroup.controllers")
    if isinstance(file, Unavailable):
        return False if file.reason is Reason.ABSENT else file
    return True


def _parameters(host: Host) -> list[tuple[str, int]]:
    found = ((name, host.read(f"/proc/sys/{name}", limit=64)) for name in WANTED_PARAMETERS)
    return [
        (name, int(file.text()))
        for name, file in found
        if isinstance(file, File) and file.text().strip().lstrip("-").isdigit()
    ]


@dataclass(frozen=True, slots=True)
class EdgeLimits:
    """Limits that edgecore may run into; ``None`` where one was not read.

    ``open_files`` is that of the process, ``handles`` those of the whole host in use and at most; the inotify limits
    are for each user.
    """

    open_files: int | None = None
    handles: tuple[int, int] | None = None
    inotify_instances: int | None = None
    inotify_watches: int | None = None


@fact
def edge_limits(host: Host, unit: EdgecoreUnit) -> EdgeLimits:
    """``/proc/<pid>/limits``, ``file-nr`` and the two of inotify."""
    limits = host.read(f"/proc/{unit.process.pid}/limits") if unit.process is not None else None
    numbers = _numbers(host.read("/proc/sys/fs/file-nr", limit=64))
    return EdgeLimits(
        open_files=_open_files(limits.text()) if isinstance(limits, File) else None,
        handles=(numbers[0], numbers[2]) if len(numbers) == 3 else None,
        inotify_instances=next(
            iter(_numbers(host.read("/proc/sys/fs/inotify/max_user_instances", limit=64))), None
        ),
        inotify_watches=next(
            iter(_numbers(host.read("/proc/sys/fs/inotify/max_user_watches", limit=64))), None
        ),
    )


def _numbers(file: File | Unavailable) -> tuple[int, ...]:
    words = file.text().split() if isinstance(file, File) else []
    return tuple(int(word) for word in words) if all(word.isdigit() for word in words) else ()


def _open_files(text: str) -> int | None:
    for line in text.splitlines():
        if line.startswith("Max open files"):
            soft = line.split()[3]
            return int(soft) if soft.isdigit() else None
    return None
