"""The one writer of files: whole or not at all, never through somebody else's link, and durable.

A file is written under a random name that did not exist (``O_EXCL``, ``O_NOFOLLOW``) in a directory that is held open,
mode 0600, synced, and renamed within that directory. What is renamed over is looked at once more just before and, where
the kernel can exchange two names, just after: somebody's edit in between is put back and told.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from kedoctor.base.directories import Place, PlaceError, held, held_directory
from kedoctor.base.failpoints import reach
from kedoctor.base.renames import exchange, take_free_name

__all__ = [
    "DRAFTS",
    "EXISTING",
    "ChangedMeanwhileError",
    "Draft",
    "Expected",
    "append",
    "clear_drafts",
    "create_file",
    "draft",
    "make_directory",
    "put_in_place",
    "remove_expected",
    "remove_made_directories",
    "rename",
    "replace_file",
    "reserved",
]

_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
EXISTING = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
"""How a file that is there is opened to be written to."""

DRAFTS = ".kedoctor-"
"""Begins the names of files that are being written."""

Expected = Callable[[str], bool]
"""Whether what has this name in the directory is what was looked at before."""


class ChangedMeanwhileError(PlaceError):
    """Somebody else has changed the target since it was looked at; it is as they left it."""

    def __init__(self) -> None:
        super().__init__("it was changed by somebody else meanwhile")


@dataclass(slots=True)
class Draft:
    """A file that is being written beside its place; :meth:`commit` gives it the name, leaving the block without that removes it."""

    place: Place
    name: str
    file: IO[bytes]
    committed: bool = False

    def commit(
        self, *, mode: int = 0o600, expected: Expected | None = None, replaces: bool = True, sync: bool = True
    ) -> None:
        """Syncs the content and gives it its name in one step.

        With ``expected`` only what is so is replaced; with ``replaces`` false nothing is.

        Raises:
            ChangedMeanwhileError: there is something else by now; it is left as it is.
            OSError: the system refuses; the target is as it was.
        """
        self.file.flush()
        os.fchmod(self.file.fileno(), mode)
        if sync:
            os.fsync(self.file.fileno())
        reach()
        if not replaces:
            self._take_free_name()
        elif expected is None:
            os.rename(
                self.name, self.place.name, src_dir_fd=self.place.directory, dst_dir_fd=self.place.directory
            )
        else:
            _replace(self.place, self.name, expected)
        self.committed = True
        if sync:
            self.place.sync()
        self._is_in_place()
        reach()

    def _take_free_name(self) -> None:
        try:
            take_free_name(self.name, self.place.name, self.place.directory)
        except FileExistsError:
            raise ChangedMeanwhileError from None

    def _is_in_place(self) -> None:
        there, written = self.place.look(), os.fstat(self.file.fileno())
        if there is None or (there.st_dev, there.st_ino) != (written.st_dev, written.st_ino):
            raise ChangedMeanwhileError


def put_in_place(place: Place, name: str, expected: Expected) -> None:
    """A file that lies beside a place gets its name, if what has it now is what was looked at.

    Raises:
        ChangedMeanwhileError: it is something else by now, and is left as it is.
        OSError: the system refuses; all is as it was.
    """
    reach()
    _replace(place, name, expected)
    place.sync()
    reach()


def _replace(place: Place, name: str, expected: Expected) -> None:
    _must_be(expected, place.name)
    try:
        swapped = exchange(name, place.name, place.directory)
    except FileNotFoundError:
        raise ChangedMeanwhileError from None
    if not swapped:
        os.rename(name, place.name, src_dir_fd=place.directory, dst_dir_fd=place.directory)
        return
    try:
        _must_be(expected, name)
        reach()
        os.unlink(name, dir_fd=place.directory)
    except BaseException:
        # What was taken away (perhaps somebody's edit of the last moment) goes back to where it was.
        exchange(name, place.name, place.directory)
        raise


def _must_be(expected: Expected, name: str) -> None:
    if not _as_expected(expected, name):
        raise ChangedMeanwhileError


def _as_expected(expected: Expected, name: str) -> bool:
    try:
        return expected(name)
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def draft(place: Place) -> Iterator[Draft]:
    """A new file beside ``place``, mode 0600; nothing of it is left unless it is committed.

    Raises:
        OSError: it cannot be made there.
    """
    name = f"{_prefix(place.name)}{secrets.token_hex(8)}"
    handle = os.open(name, _NEW, 0o600, dir_fd=place.directory)
    with os.fdopen(handle, "w+b") as file:
        made = Draft(place, name, file)
        try:
            reach()
            yield made
        finally:
            if not made.committed:
                _discard(made)


def _discard(made: Draft) -> None:
    with contextlib.suppress(OSError):
        os.unlink(made.name, dir_fd=made.place.directory)
    with contextlib.suppress(OSError):  # a full disk must not keep what is buffered from being forgotten
        made.file.close()


def _prefix(name: str) -> str:
    # Not the name itself: with something added it might be longer than a name can be.
    return f"{DRAFTS}{hashlib.sha256(os.fsencode(name)).hexdigest()[:12]}-"


def reserved(place: Place, size: int) -> Callable[[], None]:
    """Takes ``size`` bytes of the disk of a place, in a file without a name; gives the function that gives them back.

    Raises:
        OSError: there are not that many, or no file can be made there.
    """
    name = f"{_prefix(place.name)}{secrets.token_hex(8)}"
    handle = os.open(name, _NEW, 0o600, dir_fd=place.directory)
    try:
        os.unlink(name, dir_fd=place.directory)
        reach()
        view = memoryview(os.urandom(size))  # what cannot be compressed, so that the space is really there
        while view:
            view = view[os.write(handle, view) :]
        os.fsync(handle)
    except BaseException:
        os.close(handle)
        raise
    return partial(os.close, handle)


def clear_drafts(place: Place) -> None:
    """Removes what a killed process left of drafts beside a place.

    Raises:
        OSError: the system refuses.
    """
    for name in os.listdir(place.directory):  # noqa: PTH208  the one that is held
        if not name.startswith(_prefix(place.name)):
            continue
        with contextlib.suppress(FileNotFoundError):
            facts = os.stat(name, dir_fd=place.directory, follow_symlinks=False)
            if stat.S_ISREG(facts.st_mode) and facts.st_uid in (0, os.geteuid()):
                os.unlink(name, dir_fd=place.directory)


def replace_file(
    path: Path, data: bytes, *, mode: int = 0o600, alone: bool = True, make: bool = False, sync: bool = True
) -> None:
    """A whole file of kedoctor's own in one step.

    Raises:
        OSError: it could not be written; the old file, if any, is untouched and nothing is left beside it.
    """
    with held(path, alone=alone, make=make, follow=False) as place, draft(place) as new:
        new.file.write(data)
        new.commit(mode=mode, sync=sync)


def create_file(path: Path | str, data: bytes, *, root: str = "/") -> None:
    """A file that must not exist yet, mode 0600, in a directory that no other user can change.

    Raises:
        FileExistsError: there is something of that name.
        OSError: it could not be written; nothing is left.
    """
    with held(path, root=root, alone=True, follow=False) as place:
        with os.fdopen(os.open(place.name, _NEW, 0o600, dir_fd=place.directory), "w+b") as file:
            try:
                reach()
                file.write(data)
                file.flush()
                reach()
                os.fsync(file.fileno())
            except OSError:
                with contextlib.suppress(OSError):
                    os.unlink(place.name, dir_fd=place.directory)
                raise
        place.sync()


def append(path: Path, data: bytes, *, alone: bool = True, make: bool = True) -> None:
    """Adds to a plain file, durably; a crash may leave a torn last piece, never another.

    Raises:
        OSError: it is no plain file, or the system refuses.
    """
    flags = EXISTING | os.O_APPEND | (os.O_CREAT if make else 0)
    with held(path, alone=alone, follow=not alone) as place:
        handle = os.open(place.name, flags, 0o600, dir_fd=place.directory)
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise PlaceError("it is not a plain file")
            reach()
            view = memoryview(data)
            while view:
                view = view[os.write(handle, view) :]
            os.fsync(handle)
            reach()
        finally:
            os.close(handle)


def rename(source: Path, target: Path, *, alone: bool = True) -> None:
    """Renames within a file system to a name that is free, durably.

    Raises:
        FileExistsError: there is something of that name.
        OSError: the system refuses.
    """
    with held(source, alone=alone, follow=False) as old, held(target, alone=alone, follow=False) as new:
        reach()
        take_free_name(old.name, new.name, old.directory, new.directory)
        new.sync()
        if old.path.parent != new.path.parent:
            old.sync()
        reach()


def remove_expected(place: Place, expected: Expected) -> None:
    """Removes a file if it is what was looked at; somebody's edit of the last moment is put back.

    Raises:
        ChangedMeanwhileError: it is something else by now.
        OSError: the system refuses.
    """
    reach()
    _must_be(expected, place.name)
    aside = f"{_prefix(place.name)}{secrets.token_hex(8)}"
    take_free_name(place.name, aside, place.directory)
    if not _as_expected(expected, aside):
        take_free_name(aside, place.name, place.directory)
        raise ChangedMeanwhileError
    os.unlink(aside, dir_fd=place.directory)
    place.sync()
    reach()


def make_directory(path: Path, *, alone: bool = True) -> None:
    """A directory of kedoctor's own (mode 0700) and those above it; one that is there already is left as it is.

    Raises:
        PlaceError: somebody else could change it, or a directory on the way.
        OSError: the system refuses.
    """
    with held(path, alone=alone, make=True, follow=False) as place, contextlib.suppress(FileExistsError):
        os.mkdir(place.name, 0o700, dir_fd=place.directory)
        place.sync()
    with held_directory(path, alone=alone):
        pass


def remove_made_directories(path: Path | str, number: int, *, root: str = "/") -> None:
    """Removes the innermost ``number`` directories of a path again, as far as nobody else uses them now."""
    place = Path(path)
    for parent in place.parents[:number]:
        try:
            with held(parent, root=root, follow=False) as outer:
                os.rmdir(outer.name, dir_fd=outer.directory)
                outer.sync()
        except OSError:
            return
