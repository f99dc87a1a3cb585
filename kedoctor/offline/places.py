"""Where the files of an offline bundle come from: a directory, or a tar that is read as it streams by."""

from __future__ import annotations

import errno
import os
import stat
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, cast

from kedoctor.base.errors import BundleError
from kedoctor.model.image_references import shown
from kedoctor.model.offline_bundle import OfflineProblem, OfflineProblemKind
from kedoctor.offline.tarwalk import TAR_ERRORS, WalkError, members, unpacked

__all__ = ["Item", "directory_items", "tar_items"]

_MOST_FILES = 20_000
_DEEPEST = 16
_OPEN = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Item:
    """A plain file of a bundle; ``alone`` when it can be sought in, and when one that fails leaves the others."""

    path: str
    size: int
    open: Callable[[], IO[bytes]]
    alone: bool


def directory_items(root: Path, problems: list[OfflineProblem]) -> Iterator[Item]:
    """The plain files below ``root`` by path; links that stay inside stand for what they lead to.

    Raises:
        BundleError: the directory cannot be listed, or holds more files than an offline bundle has.
    """
    real = os.path.realpath(root)
    found: list[Item] = []
    for path in _paths(root, "", problems):
        item = _item(root, real, path, problems)
        if item is not None:
            found.append(item)
        if len(found) > _MOST_FILES:
            raise BundleError(
                f"{root} holds more than {_MOST_FILES} files: it is not an offline bundle",
                hint="name the directory of the offline bundle itself",
            )
    yield from found


def _paths(root: Path, directory: str, problems: list[OfflineProblem]) -> Iterator[str]:
    try:
        with os.scandir(root / directory) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        if not directory:
            raise BundleError(f"{root} cannot be listed: {error.strerror}") from error
        problems.append(
            OfflineProblem(OfflineProblemKind.UNREADABLE, directory, error.strerror or str(error))
        )
        return
    for entry in listed:
        path = f"{directory}/{entry.name}" if directory else entry.name
        if not _is_plain(path, problems):
            continue
        if not entry.is_dir(follow_symlinks=False):
            yield path
        elif path.count("/") < _DEEPEST:
            yield from _paths(root, path, problems)
        else:
            problems.append(OfflineProblem(OfflineProblemKind.UNREADABLE, path, "it lies too deep"))


def _is_plain(path: str, problems: list[OfflineProblem]) -> bool:
    """Whether the name can be written into a list; of one that cannot be the problem is told."""
    if shown(path) == path:
        return True
    why = "its name is not plain text; rename it"
    problems.append(OfflineProblem(OfflineProblemKind.UNREADABLE, shown(path), why))
    return False


def _item(root: Path, real: str, path: str, problems: list[OfflineProblem]) -> Item | None:
    place = root / path
    try:
        if place.is_symlink():
            why = _bad_link(place, real)
            if why:
                problems.append(OfflineProblem(OfflineProblemKind.LINK, path, why))
                return None
            if place.is_dir():
                return None  # what it leads to is visited where it lies
        found = place.stat()
    except OSError as error:
        problems.append(OfflineProblem(OfflineProblemKind.UNREADABLE, path, error.strerror or str(error)))
        return None
    if not stat.S_ISREG(found.st_mode):
        problems.append(
            OfflineProblem(OfflineProblemKind.SPECIAL, path, "a socket, fifo or device has no place there")
        )
        return None
    return Item(path, found.st_size, lambda: os.fdopen(os.open(place, _OPEN), "rb", buffering=0), alone=True)


def _bad_link(place: Path, real: str) -> str:
    """Why a link cannot be used; empty when it leads to something within the bundle."""
    target = shown(os.readlink(place))  # noqa: PTH115  Path would change the name
    try:
        led = os.path.realpath(place, strict=True)
    except OSError as error:
        if error.errno == errno.ELOOP:
            return "its links lead in a circle"
        return f"it leads to {target}, which does not exist"
    if led != real and not led.startswith(f"{real}/"):
        return f"it leads to {target}, outside of the offline bundle"
    if place.is_dir() and f"{os.path.realpath(place.parent)}/".startswith(f"{led}/"):
        return f"it leads to {target}, a directory that it lies in itself"
    return ""


def tar_items(stream: IO[bytes], how: str, problems: list[OfflineProblem]) -> Iterator[Item]:
    """The plain files of a tar; each must be read before the next one is asked for.

    Raises:
        BundleError: it is not a tar, truncated, or has a member that points outside of it.
    """
    found = False
    try:
        for path, member, tar in members(unpacked(stream, how), seekable=False):
            if not _is_plain(path, problems):
                continue
            if member.isreg():
                found = True
                yield Item(path, member.size, partial(_extracted, tar, member), alone=False)
            elif not member.isdir():
                why = "links in a tar are not followed; unpack it and name the directory"
                problems.append(OfflineProblem(OfflineProblemKind.LINK, path, why))
    except WalkError as error:
        raise BundleError(str(error)) from error
    except TAR_ERRORS as error:
        raise BundleError(
            f"it is truncated or no tar archive ({error})", hint="copy it again and compare its sha256"
        ) from error
    if not found:
        raise BundleError("it holds no file")


def _extracted(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    return cast("IO[bytes]", tar.extractfile(member))
