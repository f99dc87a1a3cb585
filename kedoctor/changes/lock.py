"""One change at a time: a lock that says who holds it and is not fooled by a reboot."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kedoctor.base.atomic_files import make_directory
from kedoctor.base.directories import PlaceError, held
from kedoctor.base.errors import ChangeError
from kedoctor.base.records import Record, RecordError, decode, encode

__all__ = ["Holder", "LockedError", "hold"]

_OPEN = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Holder(Record, frozen=True):
    """Who holds the lock: a process of a boot, and what it does."""

    pid: int
    boot_id: str
    command: str


class LockedError(ChangeError):
    """Another kedoctor is changing this host, or the lock cannot be taken; nothing was changed."""


@contextmanager
def hold(path: Path, *, boot_id: str, command: str) -> Iterator[None]:
    """Holds the lock; the kernel lets go of it when the process ends, however it ends.

    Raises:
        LockedError: another process holds it (the message says which), or its file cannot be used.
    """
    handle = _opened(path)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockedError(
                _by_whom(handle, boot_id), hint="wait for it, or look at that process"
            ) from None
        # On a full disk the lock holds as well; it only cannot say who has it.
        with suppress(OSError):
            os.ftruncate(handle, 0)
            os.pwrite(handle, encode(Holder(os.getpid(), boot_id, command)), 0)
        yield
        with suppress(OSError):
            os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def _opened(path: Path) -> int:
    try:
        make_directory(path.parent)
        with held(path, alone=True, follow=False) as place:
            handle = os.open(place.name, _OPEN, 0o600, dir_fd=place.directory)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise PlaceError("it is no plain file")
    except OSError as error:
        raise LockedError(
            f"the lock {path} cannot be taken: {error.strerror or error}; nothing was changed",
            hint="kedoctor changes nothing without its journal, which lies in the same directory",
        ) from error
    return handle


def _by_whom(handle: int, boot_id: str) -> str:
    try:
        holder = decode(os.pread(handle, 4096, 0), Holder)
    except (RecordError, OSError):
        return "another kedoctor is changing this host"
    if holder.boot_id != boot_id:
        return "another kedoctor is changing this host (it has not yet written who it is)"
    return f"another kedoctor is changing this host: process {holder.pid}, {holder.command}"
