"""One change at a time: a lock that says who holds it and is not fooled by a reboot."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kedoctor.base.errors import ChangeError
from kedoctor.base.records import Record, RecordError, decode, encode

__all__ = ["Holder", "LockedError", "hold"]


class Holder(Record, frozen=True):
    """Who holds the lock: a process of a boot, and what it does."""

    pid: int
    boot_id: str
    command: str


class LockedError(ChangeError):
    """Another kedoctor is changing this host."""


@contextmanager
def hold(path: Path, *, boot_id: str, command: str) -> Iterator[None]:
    """Holds the lock; the kernel lets go of it when the process ends, however it ends.

    Raises:
        LockedError: another process holds it; the message says which.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockedError(
                _by_whom(handle, boot_id), hint="wait for it, or look at that process"
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, encode(Holder(os.getpid(), boot_id, command)), 0)
        yield
        os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def _by_whom(handle: int, boot_id: str) -> str:
    try:
        holder = decode(os.pread(handle, 4096, 0), Holder)
    except RecordError:
        return "another kedoctor is changing this host"
    if holder.boot_id != boot_id:
        return "another kedoctor is changing this host (it has not yet written who it is)"
    return f"another kedoctor is changing this host: process {holder.pid}, {holder.command}"
