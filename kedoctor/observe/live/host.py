"""The machine itself: who it is, what it has, how it is addressed, and its clock."""

from __future__ import annotations

import os
import socket
import sys
from datetime import UTC, datetime

from kedoctor.model.observations.files import File, ReadFile
from kedoctor.model.observations.machine import Identity, Now, ReadResources, Resources
from kedoctor.model.observations.network import Addresses
from kedoctor.model.observations.request import Reason, Unavailable
from kedoctor.observe.live.files import FileTree, refusal
from kedoctor.observe.live.processes import interface_addresses

__all__ = ["current_boot_id", "list_addresses", "read_clock", "read_identity", "read_resources"]

_UP_AND_REJECT = 0x0001 | 0x0200  # RTF_UP, RTF_REJECT
_UP = 0x0001

_machine = FileTree()


def read_clock() -> Now:
    """What time this machine believes it is."""
    return Now(datetime.now(UTC))


def read_identity() -> Identity:
    """Which machine this is; the boot id and time are empty where /proc does not tell."""
    name = os.uname()
    return Identity(
        hostname=name.nodename,
        machine=name.machine,
        kernel=name.release,
        boot_id=current_boot_id(),
        uid=os.geteuid(),
        booted=_booted(),
    )


def current_boot_id() -> str:
    """The kernel's name for the time since it started; empty where /proc does not tell."""
    return _lines("/proc/sys/kernel/random/boot_id")[0]


def _booted() -> datetime | None:
    for line in _lines("/proc/stat"):
        key, _, value = line.partition(" ")
        if key == "btime" and value.isdigit():
            return datetime.fromtimestamp(int(value), UTC)
    return None


def read_resources(request: ReadResources, files: FileTree) -> Resources | Unavailable:
    """CPUs, memory and the disk that holds ``path``, or would hold it if it existed."""
    memory = _memory()
    if not memory:
        return Unavailable(Reason.ERROR, "the machine's memory", "/proc/meminfo does not tell")
    try:
        disk = _disk(request.path, files)
    except OSError as error:
        return refusal(error, f"disk of {request.path}")
    available = memory.get("MemAvailable", memory.get("MemFree", 0) + memory.get("Cached", 0))
    return Resources(
        cpus=os.cpu_count() or 1,
        memory_total=memory.get("MemTotal", 0),
        memory_available=available,
        disk_total=disk.f_blocks * disk.f_frsize,
        disk_available=disk.f_bavail * disk.f_frsize,
    )


def _memory() -> dict[str, int]:
    """The sizes in /proc/meminfo, in bytes."""
    sizes = {}
    for line in _lines("/proc/meminfo"):
        name, _, rest = line.partition(":")
        words = rest.split()
        if len(words) == 2 and words[0].isdigit() and words[1] == "kB":
            sizes[name] = int(words[0]) << 10
    return sizes


def _disk(path: str, files: FileTree) -> os.statvfs_result:
    while True:
        try:
            return os.statvfs(files.place(path))
        except (FileNotFoundError, NotADirectoryError):
            if path in {"", "/"}:
                raise
            path = path.rstrip("/").rpartition("/")[0] or "/"


def list_addresses() -> Addresses | Unavailable:
    """The interface addresses and the IPv4 default route of the main table with the lowest metric."""
    items = interface_addresses()
    if isinstance(items, Unavailable):
        return items
    interface, gateway = _default_route(_lines("/proc/net/route")[1:])
    return Addresses(items, default_interface=interface, default_gateway=gateway)


def _default_route(lines: list[str]) -> tuple[str, str]:
    """Interface and gateway (empty on a point-to-point link) of the best default route in /proc/net/route."""
    best: tuple[int, str, str] | None = None
    for line in lines:
        words = line.split()
        if len(words) < 8 or int(words[1], 16) or int(words[7], 16):
            continue
        if int(words[3], 16) & _UP_AND_REJECT != _UP:
            continue
        gateway = int(words[2], 16).to_bytes(4, sys.byteorder)
        shown = socket.inet_ntoa(gateway) if any(gateway) else ""
        if best is None or int(words[6]) < best[0]:
            best = int(words[6]), words[0], shown
    return best[1:] if best else ("", "")


def _lines(path: str) -> list[str]:
    """The lines of one of the kernel's files, at least one (empty where it cannot be read)."""
    answer = _machine.read(ReadFile(path))
    return answer.text().splitlines() or [""] if isinstance(answer, File) else [""]
