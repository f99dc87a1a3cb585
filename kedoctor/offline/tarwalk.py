"""Walking through a tar archive once, from front to back, without trusting it and without keeping it.

Archives of images are gigabytes: what is kept of them is names, sizes, digests and the small JSON documents.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import posixpath
import tarfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any, cast

from kedoctor.base.records import Record
from kedoctor.base.tar_headers import BoundedTarInfo

__all__ = ["CHUNK", "TAR_ERRORS", "Member", "WalkError", "compression", "members", "unpacked", "walk"]

TAR_ERRORS = (
    tarfile.TarError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    gzip.BadGzipFile,
    OverflowError,
    RecursionError,
    MemoryError,
)
CHUNK = 1 << 20
_SMALL = 4 << 20
_MOST_MEMBERS = 50_000
_MOST_JSON = 64 << 20
_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}
_OPENERS: dict[str, Callable[[IO[bytes]], Any]] = {
    "gzip": lambda stream: gzip.GzipFile(fileobj=stream, mode="rb"),
    "bzip2": bz2.BZ2File,
    "xz": lzma.LZMAFile,
}


class WalkError(ValueError):
    """The archive cannot be walked through; ``unsafe`` when it would write outside of where it is unpacked."""

    def __init__(self, message: str, *, unsafe: bool = False) -> None:
        super().__init__(message)
        self.unsafe = unsafe


class Member(Record, frozen=True):
    """A member of an archive. ``target`` is where a link leads, within the archive; ``body`` a small JSON document."""

    size: int
    target: str = ""
    sha256: str = ""
    body: bytes = b""


def compression(head: bytes) -> str:
    """How a file that begins like that is compressed: ``gzip``, ``bzip2``, ``xz``, ``zstd``, or not at all (empty)."""
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "")


def unpacked(stream: IO[bytes], how: str) -> IO[bytes]:
    """The stream behind a compression.

    Raises:
        WalkError: Python has no reader for it.
    """
    if not how:
        return stream
    if how not in _OPENERS:
        raise WalkError(f"it is compressed with {how}, which kedoctor does not read; unpack it first")
    return cast("IO[bytes]", _OPENERS[how](stream))


def members(stream: IO[bytes], *, seekable: bool) -> Iterator[tuple[str, tarfile.TarInfo, tarfile.TarFile]]:
    """The members with their names in normal form, in the order of the archive.

    Raises:
        WalkError: a member points outside, is a device or fifo, or there are too many.
        OSError, and what ``TAR_ERRORS`` lists: the archive cannot be read on.
    """
    mode: Any = "r:" if seekable else "r|"
    with tarfile.open(fileobj=stream, mode=mode, bufsize=CHUNK, tarinfo=BoundedTarInfo) as tar:
        for count, member in enumerate(tar, start=1):
            if count > _MOST_MEMBERS:
                raise WalkError(f"it holds more than {_MOST_MEMBERS} files")
            cast("Any", tar).members = []  # else tarfile keeps every header it has seen
            yield _safe(member), member, tar


def walk(stream: IO[bytes], *, seekable: bool, sums: bool) -> dict[str, Member]:
    """What an archive of images is made of, by name; with the sha256 of each member if ``sums``.

    Raises: as :func:`members`.
    """
    found: dict[str, Member] = {}
    kept = 0
    for name, member, tar in members(stream, seekable=seekable):
        if member.issym() or member.islnk():
            found[name] = Member(0, target=_target(name, member))
        elif member.isreg():
            body, digest = _content(tar, member, sums=sums)
            kept += len(body)
            if kept > _MOST_JSON:
                raise WalkError("it holds more JSON than any archive of images does")
            found[name] = Member(member.size, sha256=digest, body=body)
    return found


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo, *, sums: bool) -> tuple[bytes, str]:
    """The body of a small JSON document (else empty) and the digest."""
    small = member.size <= _SMALL
    if not (sums or small):
        return b"", ""
    file = tar.extractfile(member)
    if file is None:
        return b"", ""
    digest = hashlib.sha256()
    head = file.read(min(CHUNK, member.size))
    is_json = small and head.lstrip()[:1] in (b"{", b"[")
    body = head
    left = member.size - len(head)
    if sums:
        digest.update(head)
    while left > 0 and (sums or is_json):
        piece = file.read(min(CHUNK, left))
        if not piece:
            raise tarfile.ReadError("unexpected end of data")
        left -= len(piece)
        digest.update(piece)
        if is_json:
            body += piece
    return body if is_json else b"", digest.hexdigest() if sums else ""


def _safe(member: tarfile.TarInfo) -> str:
    name = posixpath.normpath(member.name)
    if member.name.startswith("/") or name.startswith("../") or name == "..":
        raise WalkError(f"it is unsafe: {member.name[:80]!a} points outside of it", unsafe=True)
    if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
        raise WalkError(f"it is unsafe: {member.name[:80]!a} is a device or fifo", unsafe=True)
    if member.issym() or member.islnk():
        _target(name, member)
    return name


def _target(name: str, member: tarfile.TarInfo) -> str:
    """Where a link leads: a symbolic one from its own directory, a hard one from the top of the archive."""
    base = posixpath.dirname(name) if member.issym() else ""
    target = posixpath.normpath(posixpath.join(base, member.linkname))
    if target.startswith(("/", "../")) or target == "..":
        raise WalkError(f"it is unsafe: the link {member.name[:80]!a} points outside of it", unsafe=True)
    return target
