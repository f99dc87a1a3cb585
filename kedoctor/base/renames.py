"""Renames that never destroy what they did not expect: two names exchanged, or a name taken only if it is free."""

from __future__ import annotations

import errno
import os
from functools import cache
from typing import Any

__all__ = ["exchange", "take_free_name"]

_NOREPLACE, _EXCHANGE = 1, 2
_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP)


def exchange(first: str, second: str, directory: int) -> bool:
    """Two names of a directory change places in one step; false where the kernel or the file system cannot do that.

    Raises:
        OSError: one of them is not there, or the system refuses.
    """
    return _renameat2(first, second, directory, directory, _EXCHANGE)


def take_free_name(name: str, free: str, directory: int, target: int | None = None) -> None:
    """Renames to a name that nothing has, in the directory ``target`` (else in the same one).

    Raises:
        FileExistsError: something has it by now.
        OSError: the system refuses.
    """
    target = directory if target is None else target
    if _renameat2(name, free, directory, target, _NOREPLACE):
        return
    try:
        os.link(name, free, src_dir_fd=directory, dst_dir_fd=target, follow_symlinks=False)
    except PermissionError:  # directories, and file systems without hard links
        if _is_there(free, target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), free) from None
        os.rename(name, free, src_dir_fd=directory, dst_dir_fd=target)
    else:
        os.unlink(name, dir_fd=directory)


def _is_there(name: str, directory: int) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _renameat2(old: str, new: str, source: int, target: int, flags: int) -> bool:
    call, last_error = _library()
    if call is None:
        return False
    if call(source, os.fsencode(old), target, os.fsencode(new), flags) == 0:
        return True
    number = last_error()
    if number in _UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number), new)


@cache
def _library() -> tuple[Any, Any]:
    import ctypes  # noqa: PLC0415  only what changes something needs it

    try:
        return ctypes.CDLL(None, use_errno=True).renameat2, ctypes.get_errno
    except (OSError, AttributeError):  # a C library without it
        return None, ctypes.get_errno
