"""Gzipped tar archives: written whole or not at all, read without trusting a byte of them.

Writing goes to a temporary name in the target's directory, mode 0600; the final name appears by one rename, after
the content was synced and looked through once more. Reading unpacks nothing to disk, follows no link, and stops
at fixed sizes.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import tarfile
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import IO, cast

from kedoctor.base.errors import BundleError, OutputError
from kedoctor.base.report_files import commit_report, report_draft
from kedoctor.base.tar_headers import BoundedTarInfo

__all__ = ["ArchiveWriter", "Limits", "read_archive"]

MEBIBYTE = 1 << 20
CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may hold before it is refused; sizes in bytes, ``total`` is that of the unpacked tar."""

    members: int = 20_000
    member: int = 256 * MEBIBYTE  # a list of 100,000 nodes takes 160
    total: int = 320 * MEBIBYTE
    # Of JSON in one member: what is decoded takes more than 100 bytes for each, however few it has in the archive.
    fields: int = 6_000_000
    objects: int = 3_000_000


class ArchiveWriter:
    """A ``.tgz`` in the making; safe to add to from several threads. End it with :meth:`finish` or :meth:`discard`.

    Raises:
        OutputError: the directory or the disk does not take it.
    """

    def __init__(self, path: Path, *, modified: datetime) -> None:
        self._path = path
        self._modified = int(modified.timestamp())
        self._lock = threading.Lock()
        self._open = contextlib.ExitStack()
        with _as_output_error(path):
            self._draft = self._open.enter_context(report_draft(path))
        self._file = self._draft.file
        # The time in the header and no file name make equal content give equal bytes.
        self._gzip = gzip.GzipFile(filename="", mode="wb", fileobj=self._file, mtime=self._modified)
        self._tar = tarfile.TarFile(fileobj=self._gzip, mode="w", format=tarfile.PAX_FORMAT)

    def add(self, name: str, data: bytes) -> None:
        """Appends a member, mode 0600."""
        info = tarfile.TarInfo(name)
        info.size, info.mtime, info.mode = len(data), self._modified, 0o600
        with self._lock, _as_output_error(self._path):
            self._tar.addfile(info, io.BytesIO(data))

    def finish(self, accept: Callable[[str, bytes], None]) -> Path:
        """Closes, syncs, shows every member once more to ``accept``, and gives the archive its name.

        When ``accept`` raises, the archive is removed and the exception goes on.
        """
        try:
            with _as_output_error(self._path):
                self._close()
                self._look_through(accept)
                commit_report(self._draft)
                self._open.close()
        except BaseException:
            self.discard()
            raise
        return self._path

    def discard(self) -> None:
        """Removes what was written so far."""
        with contextlib.suppress(OSError, ValueError):
            self._open.close()

    def _look_through(self, accept: Callable[[str, bytes], None]) -> None:
        try:
            self._file.seek(0)
            for name, data in _read(self._file, self._path, Limits()):
                accept(name, data)
        except BundleError as error:
            raise OutputError(f"{self._path} was not written: it could not be read back: {error}") from error

    def _close(self) -> None:
        self._tar.close()
        self._gzip.close()
        self._file.flush()


@contextlib.contextmanager
def _as_output_error(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"{path} could not be written: {reason}") from error


# ------------------------------------------------------------------------------------------------ reading

_MEANT = (
    "--evidence FILE takes an archive that kedoctor collect wrote; "
    "an offline bundle is given with --offline-bundle DIR"
)


def read_archive(path: Path, limits: Limits | None = None) -> Iterator[tuple[str, bytes]]:
    """The regular files of a ``.tgz``: name and content, in archive order.

    Raises:
        BundleError: it is absent, truncated, no gzipped tar, larger than ``limits``, or holds a name or a kind of
            member that a bundle never has.
    """
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise BundleError(f"{path} is not evidence: it is not a regular file")
        with path.open("rb") as file:
            yield from _read(file, path, limits or Limits())
    except FileNotFoundError:
        raise BundleError(f"there is no evidence {path}") from None
    except OSError as error:
        raise BundleError(f"the evidence {path} cannot be read: {error.strerror or error}") from error


def _read(file: IO[bytes], path: Path, limits: Limits) -> Iterator[tuple[str, bytes]]:
    try:
        with gzip.GzipFile(fileobj=file, mode="rb") as unpacked:
            capped = cast("IO[bytes]", _Capped(unpacked, limits.total, path))
            with tarfile.open(fileobj=capped, mode="r|", tarinfo=BoundedTarInfo) as tar:
                yield from _members(tar, path, limits)
            capped.read(-1)  # checks gzip's own sum of what follows the last member
    except MemoryError:
        raise BundleError(f"the evidence {path} is too large for the memory of this machine") from None
    except EOFError:
        raise BundleError(f"the evidence {path} is truncated: its end is missing") from None
    except (
        tarfile.TarError,
        zlib.error,
        gzip.BadGzipFile,
        ValueError,
        OverflowError,
        RecursionError,
    ) as error:
        raise BundleError(f"{path} is not evidence: {_first_line(error)}", hint=_MEANT) from error


def _members(tar: tarfile.TarFile, path: Path, limits: Limits) -> Iterator[tuple[str, bytes]]:
    seen: set[str] = set()
    for count, member in enumerate(tar, start=1):
        if count > limits.members:
            raise BundleError(f"the evidence {path} holds more than {limits.members} files")
        if member.isdir():
            continue
        _judge_member(member, path, limits)
        if member.name in seen:
            raise BundleError(f"the evidence {path} holds {_shown(member.name)} twice")
        seen.add(member.name)
        content = tar.extractfile(member)
        data = content.read() if content is not None else b""
        if len(data) != member.size:
            raise BundleError(f"the evidence {path} is truncated inside {_shown(member.name)}")
        if data[:1] in (b"{", b"[") and (
            data.count(b":") > limits.fields or data.count(b"{") > limits.objects
        ):
            raise BundleError(f"the evidence {path} is too large: {_shown(member.name)} has too many fields")
        yield member.name, data


def _judge_member(member: tarfile.TarInfo, path: Path, limits: Limits) -> None:
    if not member.isreg() or member.issparse():
        raise BundleError(f"the evidence {path} is unsafe: {_shown(member.name)} is not a plain file")
    name = PurePosixPath(member.name)
    if (
        name.is_absolute()
        or ".." in name.parts
        or not name.parts
        or "\\" in member.name
        or "\0" in member.name
    ):
        raise BundleError(f"the evidence {path} is unsafe: {_shown(member.name)} points outside of it")
    if member.size > limits.member:
        raise BundleError(f"the evidence {path} is too large: {_shown(member.name)} has {member.size} bytes")


def _shown(name: str) -> str:
    return ascii(name[:80])


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).partition("\n")[0]


class _Capped:
    """A reader that refuses to unpack more than ``limit`` bytes."""

    def __init__(self, stream: gzip.GzipFile, limit: int, path: Path) -> None:
        self._stream = stream
        self._left = limit
        self._path = path

    def read(self, size: int = -1) -> bytes:
        if size >= 0:
            return self._count(self._stream.read(size))
        while self._count(self._stream.read(CHUNK)):
            pass
        return b""

    def _count(self, data: bytes) -> bytes:
        self._left -= len(data)
        if self._left < 0:
            raise BundleError(f"the evidence {self._path} is too large when unpacked")
        return data
