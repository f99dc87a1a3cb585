"""What the operating system refuses, told as an operator needs it."""

from __future__ import annotations

import errno

from kedoctor.changes.actor import RefusedError

__all__ = ["not_done"]

_HINTS = {
    errno.EACCES: "run kedoctor as root",
    errno.EPERM: "run kedoctor as root",
    errno.EROFS: "the file system is mounted read-only",
    errno.ENOSPC: "the disk is full",
    errno.ETXTBSY: "the program runs; stop it first",
}


def not_done(path: str, error: OSError) -> RefusedError:
    """The refusal of an action that left ``path`` as it was."""
    return RefusedError(f"{path}: {error.strerror}; it is as it was", hint=_HINTS.get(error.errno or 0, ""))
