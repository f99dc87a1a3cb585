"""What the operating system refuses, told as an operator needs it."""

from __future__ import annotations

import errno

from kedoctor.base.directories import PlaceError
from kedoctor.model.actors import RefusedError

__all__ = ["not_done"]

_HINTS = {
    errno.EACCES: "run kedoctor as root",
    errno.EPERM: "run kedoctor as root",
    errno.EROFS: "the file system is mounted read-only",
    errno.ENOSPC: "the disk is full",
    errno.ETXTBSY: "the program runs; stop it first",
}
_UNSAFE = "give the directory and what it lies in to root: chown root:root DIR; chmod go-w DIR"


def not_done(path: str, error: OSError) -> RefusedError:
    """The refusal of an action that left ``path`` as it was."""
    hint = _UNSAFE if isinstance(error, PlaceError) else _HINTS.get(error.errno or 0, "")
    return RefusedError(f"{path}: {error.strerror or error}; it is as it was", hint=hint)
