"""Files that kedoctor is given: of a kind and a size that were looked at, and never waited for without end."""

from __future__ import annotations

import errno
import os
import select
import stat
import time
from pathlib import Path
from typing import IO

from kedoctor.base.directories import PlaceError

__all__ = ["open_plain", "read_given", "read_plain", "read_whole"]

_CHUNK = 1 << 20
_LONGEST = 60.0
"""Seconds within which a pipe must come to its end, however regularly it brings something."""
_OPEN = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def open_plain(path: Path | str, *, follow: bool = True, directory: int | None = None) -> IO[bytes]:
    """A plain file, open for reading and without waiting.

    Raises:
        PlaceError: it is a pipe, a device, a directory or (without ``follow``) a link.
        OSError: it cannot be opened.
    """
    handle = os.open(path, _OPEN | (0 if follow else os.O_NOFOLLOW), dir_fd=directory)
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return os.fdopen(handle, "rb")
    os.close(handle)
    raise PlaceError("it is no plain file")


def read_plain(path: Path | str, limit: int, *, follow: bool = True, directory: int | None = None) -> bytes:
    """The content of a plain file.

    Raises:
        PlaceError: it is no plain file, or larger than ``limit`` bytes.
        OSError: it cannot be read.
    """
    with open_plain(path, follow=follow, directory=directory) as file:
        data = b"" if os.fstat(file.fileno()).st_size > limit else file.read(limit + 1)
        too_large = not data and os.fstat(file.fileno()).st_size > limit
    if too_large or len(data) > limit:
        raise PlaceError(f"it is larger than {limit} bytes")
    return data


def read_whole(path: Path | str, limit: int, *, patience: float = 10.0) -> bytes:
    """All of a file, a device or a pipe.

    Raises:
        OSError: it cannot be read, or is larger than ``limit`` bytes.
    """
    data = read_given(Path(path), limit + 1, patience=patience)
    if len(data) > limit:
        raise PlaceError(f"it is larger than {limit} bytes")
    return data


def read_given(path: Path, limit: int, *, patience: float = 10.0) -> bytes:
    """The first ``limit`` bytes of a file, a device or a pipe that brings something every ``patience`` seconds.

    Raises:
        OSError: it cannot be read; a pipe that nobody writes into ends with ``TimeoutError``.
    """
    # A pipe without a writer would block open() itself, before any deadline could be set.
    descriptor = os.open(path, _OPEN)
    try:
        return _read(descriptor, limit, patience)
    finally:
        os.close(descriptor)


def _read(descriptor: int, limit: int, patience: float) -> bytes:
    ready = select.poll()
    ready.register(descriptor, select.POLLIN)
    data = bytearray()
    ends = time.monotonic() + _LONGEST
    while len(data) < limit:
        if time.monotonic() > ends:
            raise TimeoutError(errno.ETIMEDOUT, f"it did not end within {_LONGEST:.0f} seconds")
        if not ready.poll(patience * 1000):
            raise TimeoutError(errno.ETIMEDOUT, f"nothing came out of it for {patience:.0f} seconds")
        part = os.read(descriptor, min(_CHUNK, limit - len(data)))
        if not part:
            break
        data += part
    return bytes(data)
