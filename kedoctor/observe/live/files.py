"""Files, read below a root directory without ever blocking on what is not a plain file."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from kedoctor import patterns
from kedoctor.model.observations.files import File, FileMetadata, Files, FindFiles, ReadFile, StatFile
from kedoctor.model.observations.request import Reason, Unavailable
from kedoctor.observe.live.bounded_text import Kept, printable

__all__ = ["FileTree", "refusal"]

_MOST_LINKS = 40  # as the kernel has it
_MOST_NAMES = 100_000  # paths that one pattern may lead through
_MOST_BYTES = 64 << 20  # read in search of the end of a file whose size is unknown
_PIECE = 1 << 18
_MAGIC = patterns.compiled(r"[*?\[]")
_OPEN = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

# A path that a listing showed and that is no more; processes go in a way of their own.
_GONE = (FileNotFoundError, NotADirectoryError, ProcessLookupError)

_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "link",
    stat.S_IFSOCK: "socket",
    stat.S_IFIFO: "fifo",
}

_REASONS = {
    errno.ENOENT: (Reason.ABSENT, "it does not exist"),
    errno.ENOTDIR: (Reason.ABSENT, "it does not exist: a part of the path is not a directory"),
    errno.ELOOP: (Reason.INVALID, "its links lead in a circle"),
    errno.ENAMETOOLONG: (Reason.INVALID, "the path is too long"),
    errno.E2BIG: (Reason.TOO_LARGE, f"the pattern leads through more than {_MOST_NAMES} names"),
    errno.EIO: (Reason.ERROR, "input/output error: the disk or driver failed to read it"),
}


def refusal(error: OSError, what: str) -> Unavailable:
    """An error of the operating system as a reason and a sentence."""
    if error.errno in {errno.EACCES, errno.EPERM}:
        return Unavailable(Reason.PERMISSION, what, f"permission denied to uid {os.geteuid()}")
    if error.errno in _REASONS:
        reason, detail = _REASONS[error.errno]
        return Unavailable(reason, what, detail)
    return Unavailable(Reason.ERROR, what, error.strerror or str(error))


class FileTree:
    """The files of a site whose ``/`` is ``root``: paths, and the links on the way, are taken below it."""

    def __init__(self, root: str = "/") -> None:
        self._root = root.rstrip("/")

    def read(self, request: ReadFile) -> File | Unavailable:
        """The bytes of a plain file; anything else (fifo, device, directory) is ``invalid`` and not opened."""
        what = f"file {request.path}"
        if (unusable := _unusable(request.path, what)) is not None:
            return unusable
        try:
            place = self.place(request.path)
            found = os.stat(place)  # noqa: PTH116  opening a device can already change something: look first
            if not stat.S_ISREG(found.st_mode):
                return Unavailable(Reason.INVALID, what, f"it is a {_kind(found)}, not a file")
            kept, found = _content(place, request.limit, from_end=request.from_end)
        except FileNotFoundError as error:
            return self._dangling(request.path, what) or refusal(error, what)
        except OSError as error:
            return refusal(error, what)
        return File(_metadata(request.path, found), bytes(kept.data), truncated=kept.cut)

    def stat(self, request: StatFile) -> FileMetadata | Unavailable:
        """What the file system says of the path itself; a link is described, not followed."""
        what = f"path {request.path}"
        if (unusable := _unusable(request.path, what)) is not None:
            return unusable
        try:
            return self._describe(request.path)
        except OSError as error:
            return refusal(error, what)

    def find(self, request: FindFiles) -> Files | Unavailable:
        """What matches a glob (no ``**``), sorted; a directory on the way that may not be read is ``permission``."""
        what = f"files {request.pattern}"
        if (unusable := _unusable(request.pattern, what)) is not None:
            return unusable
        entries: list[FileMetadata] = []
        try:
            for path in sorted(self._matches(request.pattern)):
                with contextlib.suppress(*_GONE):
                    entries.append(self._describe(path))
                if len(entries) > request.limit:
                    break
        except OSError as error:
            return refusal(error, what)
        return Files(tuple(entries[: request.limit]), truncated=len(entries) > request.limit)

    def place(self, path: str, *, follow: bool = True) -> str:
        """Where ``path`` of the site is on this machine, its links resolved below the root.

        Raises:
            OSError: the links lead in a circle.
        """
        if not self._root:
            return path
        done: list[str] = []
        rest = path.split("/")[::-1]
        links = 0
        while rest:
            part = rest.pop()
            if part == "..":
                del done[-1:]
            elif part not in {"", "."}:
                here = "/".join([self._root, *done, part])
                if not ((rest or follow) and os.path.islink(here)):  # noqa: PTH114  names may not be UTF-8
                    done.append(part)
                    continue
                links += 1
                if links > _MOST_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                target = os.readlink(here)  # noqa: PTH115
                if target.startswith("/"):
                    done.clear()
                rest.extend(target.split("/")[::-1])
        return "/".join([self._root, *done])

    def _describe(self, path: str) -> FileMetadata:
        place = self.place(path, follow=False)
        found = os.lstat(place)
        target = os.readlink(place) if stat.S_ISLNK(found.st_mode) else ""  # noqa: PTH115
        return _metadata(path, found, target)

    def _dangling(self, path: str, what: str) -> Unavailable | None:
        try:
            target = self._describe(path).link_target
        except OSError:
            return None
        detail = f"it is a link to {target}, which does not exist"
        return Unavailable(Reason.ABSENT, what, detail) if target else None

    def _matches(self, pattern: str) -> list[str]:
        found = [""]
        for part in pattern.strip("/").split("/"):
            if not _MAGIC.search(part):
                found = [f"{base}/{part}" for base in found]
                continue
            found = [f"{base}/{name}" for base in found for name in self._names(base or "/", part)]
            if len(found) > _MOST_NAMES:
                raise OSError(errno.E2BIG, os.strerror(errno.E2BIG))
        return found

    def _names(self, directory: str, part: str) -> list[str]:
        try:
            names = os.listdir(self.place(directory))  # noqa: PTH208
        except _GONE:
            return []
        hidden = part.startswith(".")
        return [name for name in names if fnmatchcase(name, part) and (hidden or not name.startswith("."))]


def _unusable(path: str, what: str) -> Unavailable | None:
    if path.startswith("/") and "\0" not in path:
        return None
    return Unavailable(Reason.INVALID, what, "a path starts with / and holds no NUL")


def _kind(found: os.stat_result) -> str:
    return _KINDS.get(stat.S_IFMT(found.st_mode), "device")


def _metadata(path: str, found: os.stat_result, target: str = "") -> FileMetadata:
    return FileMetadata(
        path=printable(path),
        kind=_kind(found),
        mode=stat.S_IMODE(found.st_mode),
        uid=found.st_uid,
        gid=found.st_gid,
        size=found.st_size,
        modified=_moment(found.st_mtime),
        link_target=printable(target),
    )


def _moment(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.max.replace(tzinfo=UTC)  # further away than a date can say


def _content(place: str, limit: int, *, from_end: bool) -> tuple[Kept, os.stat_result]:
    """At most ``limit`` bytes of a plain file, and its metadata as of the moment it was opened."""
    handle = os.open(place, _OPEN)
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it was replaced by something else while it was looked at")
        kept = Kept(limit, keep_end=from_end)
        if from_end and found.st_size > limit:
            os.lseek(handle, found.st_size - limit, os.SEEK_SET)
            kept.cut = True
        _read_into(kept, handle)
    finally:
        os.close(handle)
    return kept, found


def _read_into(kept: Kept, handle: int) -> None:
    """Reads on until the end, until ``kept`` is full, or (some files of /proc) until there is nothing for now."""
    passed = 0
    while not kept.cut or (kept.keep_end and passed < _MOST_BYTES):
        try:
            piece = os.read(handle, min(_PIECE, kept.limit + 1))
        except BlockingIOError:
            return
        if not piece:
            return
        kept.add(piece)
        passed += len(piece)
