"""Processes, sockets and interface addresses of this machine: the only module that imports psutil."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

import psutil

from kedoctor.model.observations.network import InterfaceAddress, Socket, Sockets
from kedoctor.model.observations.processes import Process, Processes
from kedoctor.model.observations.request import Reason, Unavailable
from kedoctor.observe.live.bounded_text import printable

__all__ = ["interface_addresses", "list_processes", "list_sockets"]

T = TypeVar("T")

_MOST_ARGUMENTS = 256
_LONGEST_ARGUMENT = 4096
_MAPPED = "::ffff:"

# What can come out of psutil when the world is in the way; a malformed /proc line is a RuntimeError there.
_TROUBLE = (psutil.Error, OSError, RuntimeError)


def list_processes() -> Processes | Unavailable:
    """The processes of this machine, by pid; those that end while we look are left out.

    One with a network of its own is a pod's or another machine's (a container that was booted here, a node of a nested
    cluster) and is left out too. A process keeps its first 256 arguments, each cut to 4096 characters.
    """
    try:
        pids = psutil.pids()
    except _TROUBLE as error:
        return Unavailable(Reason.ERROR, "the process table", str(error))
    ours = _network("self")
    mine = (pid for pid in pids if _network(str(pid)) in {ours, None})
    return Processes(tuple(process for pid in mine if (process := _process(pid)) is not None))


def _network(pid: str) -> int | None:
    """The identity of the network a process lives in; ``None`` where that cannot be seen.

    ``/proc/PID/ns/net`` is for the owner of a process and root alone. The files in ``/proc/PID/net`` are those of its
    network, one inode for all processes in it, and every user may look at them.
    """
    try:
        return os.stat(f"/proc/{pid}/net/dev").st_ino  # noqa: PTH116  it is looked at for hundreds of processes
    except OSError:
        return None


def _process(pid: int) -> Process | None:
    try:
        seen = psutil.Process(pid)
        with seen.oneshot():
            uids = _unless_denied(seen.uids)
            started = _unless_denied(seen.create_time)
            memory = _unless_denied(seen.memory_info)
            return Process(
                pid=pid,
                ppid=_unless_denied(seen.ppid) or 0,
                name=printable(_unless_denied(seen.name) or ""),
                argv=tuple(
                    printable(argument[:_LONGEST_ARGUMENT])
                    for argument in (_unless_denied(seen.cmdline) or [])[:_MOST_ARGUMENTS]
                ),
                uid=None if uids is None else uids.effective,
                started=None if started is None else datetime.fromtimestamp(started, UTC),
                rss=None if memory is None else memory.rss,
            )
    except psutil.NoSuchProcess:
        return None
    except _TROUBLE:
        return None if not psutil.pid_exists(pid) else Process(pid=pid, ppid=0, name="", argv=())


def _unless_denied(ask: Callable[[], T]) -> T | None:
    """The answer, or ``None`` where this user or the state of the process (a zombie) forbids it."""
    try:
        return ask()
    except (psutil.AccessDenied, psutil.ZombieProcess, PermissionError):
        return None


def list_sockets() -> Sockets | Unavailable:
    """The TCP sockets of our network namespace, with the processes of our pid namespace that hold them."""
    try:
        rows = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return Unavailable(Reason.PERMISSION, "the socket table", f"permission denied to uid {os.geteuid()}")
    except _TROUBLE as error:
        return Unavailable(Reason.ERROR, "the socket table", str(error))
    names: dict[int, str] = {}
    same: dict[str, str] = {}
    items: list[Socket] = []
    # A busy cloud host has 100,000 of them: give each row back as soon as it is read.
    while rows:
        row = rows.pop()
        local, remote = row.laddr or ("", 0), row.raddr or ("", 0)
        if row.pid is not None and row.pid not in names:
            names[row.pid] = _name(row.pid)
        items.append(
            Socket(
                local_address=_address(local[0], same),
                local_port=local[1],
                remote_address=_address(remote[0], same),
                remote_port=remote[1],
                state=row.status,
                pid=row.pid,
                process="" if row.pid is None else names[row.pid],
            )
        )
    items.sort(key=lambda item: (item.local_port, item.local_address, item.remote_address, item.remote_port))
    return Sockets(tuple(items), owners_complete=_owners_complete(items))


def _name(pid: int) -> str:
    try:
        return printable(psutil.Process(pid).name())
    except _TROUBLE:
        return ""


def _address(text: str, same: dict[str, str]) -> str:
    """An address as its users write it; equal ones are one string."""
    if text.startswith(_MAPPED) and "." in text:
        text = text[len(_MAPPED) :]
    return same.setdefault(text, text)


def _owners_complete(items: list[Socket]) -> bool:
    """Whether every owner that there is was seen.

    Root sees all owners of its pid namespace, and a listening socket without one belongs to another. A connection
    without one may just wait to be accepted. Other users know only that a live socket has some owner.
    """
    owned = {"LISTEN"} if os.geteuid() == 0 else {"LISTEN", "ESTABLISHED", "SYN_SENT", "CLOSE_WAIT"}
    return all(item.pid is not None for item in items if item.state in owned)


def interface_addresses() -> tuple[InterfaceAddress, ...] | Unavailable:
    """All IPv4 and IPv6 addresses of all interfaces, without zone identifiers."""
    try:
        interfaces = psutil.net_if_addrs()
    except _TROUBLE as error:
        return Unavailable(Reason.ERROR, "the interface addresses", str(error))
    return tuple(
        InterfaceAddress(
            interface=name,
            address=entry.address.partition("%")[0],
            prefix=_prefix(entry.family, entry.netmask),
        )
        for name, entries in interfaces.items()
        for entry in entries
        if entry.family in {socket.AF_INET, socket.AF_INET6}
    )


def _prefix(family: int, netmask: str | None) -> int:
    """The prefix length of a netmask; no netmask is a point-to-point address."""
    if not netmask:
        return 32 if family == socket.AF_INET else 128
    packed = socket.inet_pton(family, netmask)
    return int.from_bytes(packed).bit_count()
