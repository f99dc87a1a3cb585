"""Directories held open while something is done in them, so that nobody can put another in their place meanwhile.

Every path is walked one name at a time with descriptors. Links on the way are followed only if they belong to root or
to this user: a link that somebody else has planted leads nowhere. With ``alone``, each directory on the way must be one
that no other user can change; then nobody can turn what is done in it either.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

__all__ = ["Place", "PlaceError", "changeable_by_others", "held", "held_directory", "is_kernel_link"]

_MOST_LINKS = 40  # as the kernel has it
_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_HOLD = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OTHERS = stat.S_IWGRP | stat.S_IWOTH


class PlaceError(OSError):
    """A place that cannot be used safely; ``strerror`` is the sentence, ``path`` what it is about."""

    def __init__(self, sentence: str) -> None:
        super().__init__(errno.ECANCELED, sentence)


@dataclass(frozen=True, slots=True)
class Place:
    """A name in a directory that is held open. ``path`` is for messages; ``made`` counts directories made for it."""

    directory: int
    name: str
    path: Path
    made: int = 0

    def look(self) -> os.stat_result | None:
        """What lies there now (a link itself, not what it leads to); ``None`` if nothing does."""
        with suppress(FileNotFoundError):
            return os.stat(self.name, dir_fd=self.directory, follow_symlinks=False)
        return None

    def sync(self) -> None:
        """Makes the names in the directory durable, where this user may open it for that."""
        _sync(self.directory)

    def remove(self) -> None:
        """Takes the name away, durably.

        Raises:
            OSError: it is not there, or the system refuses.
        """
        os.unlink(self.name, dir_fd=self.directory)
        self.sync()


def changeable_by_others(facts: os.stat_result, *, inner: bool = False) -> str:
    """How somebody else than root and this user could put another thing into a directory; empty if nobody can.

    On the way to it (``inner`` is false) a sticky directory such as ``/tmp`` is fine: names there belong to their owners.
    """
    me = os.geteuid()
    if facts.st_uid not in (0, me):
        return f"is not owned by root (but by the user with id {facts.st_uid})"
    writable = facts.st_mode & _OTHERS
    if writable == stat.S_IWGRP and (facts.st_gid == 0 or me != 0):
        return ""
    if writable and (inner or not facts.st_mode & stat.S_ISVTX):
        return "can be written by others than its owner"
    return ""


@contextmanager
def held(
    path: Path | str, *, root: str = "/", alone: bool = False, make: bool = False, follow: bool = True
) -> Iterator[Place]:
    """The directory of ``path`` held open, and its last name; links are taken below ``root``.

    With ``make`` the directories that are missing are made, with ``follow`` a link at the end is followed.

    Raises:
        PlaceError: a link on the way belongs to somebody else, or (``alone``) somebody else could change a directory.
        OSError: a directory is missing or may not be entered.
    """
    walk = _Walk(root, str(path), alone=alone, make=make, follow=follow)
    try:
        yield walk.go()
    finally:
        walk.close()


@contextmanager
def held_directory(path: Path | str, *, alone: bool = False) -> Iterator[int]:
    """A descriptor of the directory itself; as :func:`held` in all else."""
    with held(f"{path}/.", alone=alone) as place:
        yield place.directory


@dataclass(slots=True)
class _Walk:
    root: str
    path: str
    alone: bool
    make: bool
    follow: bool
    _stack: list[int] = field(default_factory=list)
    _rest: list[str] = field(default_factory=list)
    _links: int = 0
    _made: int = 0

    def go(self) -> Place:
        if "\0" in self.path:
            raise PlaceError("a path holds no NUL")
        path = self.path if self.path.startswith("/") or self.root != "/" else f"{Path.cwd()}/{self.path}"
        self._stack.append(os.open(self.root or "/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
        self._rest = path.split("/")[::-1]
        name = self._descend()
        inner = self._reopened()
        return Place(inner, name, Path(self.path), self._made)

    def close(self) -> None:
        while self._stack:
            os.close(self._stack.pop())

    def _descend(self) -> str:
        while self._rest:
            part = self._rest.pop()
            last = not any(one not in ("", ".") for one in self._rest)
            if part == "..":
                if len(self._stack) > 1:
                    os.close(self._stack.pop())
            elif part in ("", "."):
                if not self._rest and part == ".":
                    return "."
            elif last and not (self._rest and self._rest[0] == "."):
                if not self._leads_on(part):
                    return part
            else:
                self._enter(part)
        return "."

    def _leads_on(self, name: str) -> bool:
        """Whether the last name is a link that is followed."""
        if not self.follow:
            return False
        try:
            handle = os.open(name, _LOOK, dir_fd=self._stack[-1])
        except FileNotFoundError:
            return False
        try:
            facts = os.fstat(handle)
            if not stat.S_ISLNK(facts.st_mode) or is_kernel_link(facts):
                return False
            self._follow(name, handle, facts)
            return True
        finally:
            os.close(handle)

    def _enter(self, name: str) -> None:
        handle = self._opened(name)
        facts = os.fstat(handle)
        if stat.S_ISDIR(facts.st_mode):
            self._check(facts, inner=False)
            self._stack.append(handle)
            return
        try:
            if not stat.S_ISLNK(facts.st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), self.path)
            self._follow(name, handle, facts)
        finally:
            os.close(handle)

    def _opened(self, name: str) -> int:
        try:
            return os.open(name, _LOOK, dir_fd=self._stack[-1])
        except FileNotFoundError:
            if not self.make:
                raise
        self._check(os.fstat(self._stack[-1]), inner=True)
        with suppress(FileExistsError):
            os.mkdir(name, 0o755, dir_fd=self._stack[-1])
            self._made += 1
            _sync(self._stack[-1])
        return os.open(name, _LOOK, dir_fd=self._stack[-1])

    def _follow(self, name: str, handle: int, facts: os.stat_result) -> None:
        if facts.st_uid not in (0, os.geteuid()) or facts.st_nlink > 1:
            raise PlaceError(
                f"the link {name} on its way belongs to the user with id {facts.st_uid} and is not followed"
            )
        self._links += 1
        if self._links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), self.path)
        if is_kernel_link(facts):
            self._stack.append(
                os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._stack[-1])
            )
            return
        target = os.readlink("", dir_fd=handle)
        if target.startswith("/"):
            while len(self._stack) > 1:
                os.close(self._stack.pop())
        self._rest.extend(target.split("/")[::-1])

    def _check(self, facts: os.stat_result, *, inner: bool) -> None:
        # Only root's changes reach further than their own user's files.
        if not self.alone or (os.geteuid() != 0 and not inner):
            return
        why = changeable_by_others(facts, inner=inner)
        if why:
            raise PlaceError(f"a directory on its way {why}; what is written there could be turned elsewhere")

    def _reopened(self) -> int:
        """The innermost directory, open for more than looking where this user may read it."""
        self._check(os.fstat(self._stack[-1]), inner=True)
        with suppress(PermissionError):
            handle = os.open(".", _HOLD, dir_fd=self._stack[-1])
            os.close(self._stack[-1])
            self._stack[-1] = handle
        return self._stack[-1]


def is_kernel_link(facts: os.stat_result) -> bool:
    """Whether a link is one of /proc, such as ``/proc/self/fd/1``: what it leads to need not have a name."""
    return stat.S_ISLNK(facts.st_mode) and facts.st_dev == _device_of_proc()


@cache
def _device_of_proc() -> int:
    with suppress(OSError):
        return Path("/proc/self").stat().st_dev
    return -1


def _sync(directory: int) -> None:
    """Syncs a directory that is only open for looking."""
    with suppress(PermissionError):
        handle = os.open(".", _HOLD, dir_fd=directory)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
