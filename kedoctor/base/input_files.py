"""Files that somebody names on the command line: read to a limit, and never waited for without end."""

from __future__ import annotations

import errno
import os
import select
from pathlib import Path

__all__ = ["read_given"]

_CHUNK = 1 << 20


def read_given(path: Path, limit: int, *, patience: float = 10.0) -> bytes:
    """The first ``limit`` bytes of a file, a device or a pipe that brings something every ``patience`` seconds.

    Raises:
        OSError: it cannot be read; a pipe that nobody writes into ends with ``TimeoutError``.
    """
    # A pipe without a writer would block open() itself, before any deadline could be set.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return _read(descriptor, limit, patience)
    finally:
        os.close(descriptor)


def _read(descriptor: int, limit: int, patience: float) -> bytes:
    ready = select.poll()
    ready.register(descriptor, select.POLLIN)
    data = bytearray()
    while len(data) < limit:
        if not ready.poll(patience * 1000):
            raise TimeoutError(errno.ETIMEDOUT, f"nothing came out of it for {patience:.0f} seconds")
        part = os.read(descriptor, min(_CHUNK, limit - len(data)))
        if not part:
            break
        data += part
    return bytes(data)
