"""Writing so that a power cut leaves the old or the new, never a half."""

from __future__ import annotations

import os
from pathlib import Path

from kedoctor.base.failpoints import reach

__all__ = ["append", "leave_directories", "make_directories", "rename", "replace_file", "sync_directory"]


def sync_directory(path: Path) -> None:
    """Makes names in a directory durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_directories(place: Path) -> None:
    """Makes the directories that ``place`` is to lie in."""
    missing = [parent for parent in (place.parent, *place.parent.parents) if not parent.exists()]
    for parent in reversed(missing):
        parent.mkdir(mode=0o755)
        sync_directory(parent.parent)


def leave_directories(place: Path, missing: int) -> None:
    """Removes the innermost ``missing`` of them again, as far as nobody else uses them now."""
    for parent in place.parents[:missing]:
        try:
            parent.rmdir()
        except OSError:
            return
        sync_directory(parent.parent)


def rename(source: Path, target: Path) -> None:
    """Renames within a file system, durably."""
    reach()
    source.rename(target)
    sync_directory(target.parent)
    reach()


def replace_file(path: Path, data: bytes, *, mode: int) -> None:
    """A whole file in one step: written beside, synced, renamed into place.

    Raises:
        OSError: it could not be written; the old file, if any, is untouched and nothing is left beside it.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.kedoctor")
    try:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        try:
            reach()
            _write(handle, data)
            os.fchmod(handle, mode)
            os.fsync(handle)
        finally:
            os.close(handle)
        rename(beside, path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def append(path: Path, data: bytes) -> None:
    """Adds to a file, durably; a crash may leave a torn last piece, never another."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        reach()
        _write(handle, data)
        os.fsync(handle)
        reach()
    finally:
        os.close(handle)


def _write(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
