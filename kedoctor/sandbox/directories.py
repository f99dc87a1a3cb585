"""The directory of a sandbox: locked while its process lives, so that the next one can remove what a killed one left."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

__all__ = ["make_sandbox_directory", "sweep"]

_PREFIX = "kedoctor-demo-"
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def make_sandbox_directory() -> tuple[Path, int]:
    """A new directory for this user only, and the descriptor that holds its lock; close it when the directory is removed."""
    sweep()
    made = Path(tempfile.mkdtemp(prefix=_PREFIX))
    handle = os.open(made, _OPEN)
    fcntl.flock(handle, fcntl.LOCK_EX)
    return made, handle


def sweep() -> None:
    """Removes the directories of this user's sandboxes whose processes were killed."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):
            _remove_if_left(left)


def _remove_if_left(place: Path) -> None:
    handle = os.open(place, _OPEN)
    try:
        facts = os.fstat(handle)
        if facts.st_uid != os.geteuid() or stat.S_IMODE(facts.st_mode) != 0o700:
            return
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(place, ignore_errors=True)
    finally:
        os.close(handle)
