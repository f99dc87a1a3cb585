"""Reading an offline bundle, a directory or a tar: every file once, from front to back, in bounded memory."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, cast

from kedoctor import patterns
from kedoctor.base.errors import BundleError
from kedoctor.base.input_files import read_plain
from kedoctor.model.offline_bundle import (
    BundledFile,
    BundledImage,
    BundledKind,
    OfflineBundle,
    OfflineProblem,
    OfflineProblemKind,
)
from kedoctor.offline.checksums import CONTENTS, Listed, compare, is_list_of_sums, listed
from kedoctor.offline.image_archive import ArchiveError, ImageArchive, read_stream
from kedoctor.offline.places import Item, directory_items, tar_items
from kedoctor.offline.programs import BuildInfoFinder, elf_architecture, is_elf
from kedoctor.offline.tarwalk import CHUNK, TAR_ERRORS, compression

__all__ = ["read_offline_bundle"]

_ARCHIVE = patterns.compiled(r"\.tar(\.\w+)?$|\.tgz$")
_PLAIN_ARCHIVE = patterns.compiled(r"\.tar(\.\w+)?$")
_CNI = patterns.compiled(r"(^|/)(cni-bin|cni|cni/bin)$")
_SMALL = 1 << 20
_AGAIN = "copy it again and compare its sha256"
_HEAD = 512


def read_offline_bundle(
    place: Path,
    *,
    sums: bool = True,
    timeout: float | None = None,
    shown: str = "",
    tell: Callable[[str], None] | None = None,
) -> OfflineBundle:
    """What lies in ``place``, a directory or a tar (possibly compressed).

    With ``sums`` every byte is read: checksums are computed and compared, and the parts of images with the digests
    that their archives give them. Without it only names, headers and manifests are read, which takes a second.
    ``shown`` is the path to show (else ``place``), ``tell`` gets the path of each file before it is read.

    Raises:
        BundleError: there is no such place, it is not a directory and no tar, it cannot be read to its end, or it is a
            tar with a member that points outside of it.
        TimeoutError: it took longer than ``timeout`` seconds.
    """
    reader = _Reader(sums=sums, until=None if timeout is None else time.monotonic() + timeout, tell=tell)
    name = shown or str(place.absolute())
    if place.is_dir():
        for item in directory_items(place, reader.problems):
            reader.look(item)
        return reader.bundle(name, packed=False)
    if not place.exists():
        raise BundleError(
            f"there is no offline bundle {name}",
            hint="name the directory that holds images and programs, or a tar of it",
        )
    if not place.is_file():
        raise BundleError(f"the offline bundle {name} is neither a directory nor a file")
    try:
        with place.open("rb") as raw:
            stream = _Stream(raw, until=reader.until, sums=sums)
            for item in tar_items(cast("IO[bytes]", stream), compression(stream.peek(8)), reader.problems):
                reader.look(item)
            stream.drain()
    except BundleError as error:
        raise BundleError(f"the offline bundle {name} cannot be used: {error}", hint=error.hint) from error
    except TimeoutError:
        raise
    except OSError as error:
        raise BundleError(f"the offline bundle {name} cannot be read: {error.strerror or error}") from error
    reader.beside(place, stream.sha256)
    return reader.bundle(name, packed=True, sha256=stream.sha256)


class _Stream:
    """The bytes of one file, each read once: counted, summed up, and never past the deadline."""

    def __init__(self, raw: IO[bytes], *, until: float | None, sums: bool) -> None:
        self._raw = raw
        self._until = until
        self._sum = hashlib.sha256() if sums else None
        self._ahead = b""

    @property
    def sha256(self) -> str:
        """The digest of what was read; empty without ``sums``."""
        return self._sum.hexdigest() if self._sum else ""

    def peek(self, size: int) -> bytes:
        """The next bytes, which stay to be read."""
        while len(self._ahead) < size and (piece := self._next(size - len(self._ahead))):
            self._ahead += piece
        return self._ahead[:size]

    def read(self, size: int = -1) -> bytes:
        """The next bytes, as any binary file gives them."""
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(CHUNK), b""))
        if self._ahead:
            piece, self._ahead = self._ahead[:size], self._ahead[size:]
            return piece
        return self._next(size)

    def readable(self) -> bool:
        """As any binary file that can be read."""
        return True

    def drain(self, watch: Callable[[bytes], None] | None = None) -> None:
        """Reads to the end and shows each piece to ``watch``."""
        while piece := self.read(CHUNK):
            if watch is not None:
                watch(piece)

    def _next(self, size: int) -> bytes:
        if self._until is not None and time.monotonic() > self._until:
            raise TimeoutError
        try:
            piece = self._raw.read(size)
        except TAR_ERRORS as error:  # the tar that it is a member of
            raise BundleError(f"it is truncated or damaged ({error})", hint=_AGAIN) from error
        if self._sum is not None:
            self._sum.update(piece)
        return piece


class _Reader:
    """Collects what the items of a bundle are."""

    def __init__(self, *, sums: bool, until: float | None, tell: Callable[[str], None] | None) -> None:
        self.problems: list[OfflineProblem] = []
        self.until = until
        self._sums = sums
        self._tell = tell
        self._files: dict[str, BundledFile] = {}
        self._lists: dict[str, tuple[Listed, ...]] = {}
        self._stated: dict[str, str] = {}

    def look(self, item: Item) -> None:
        """Reads one file; what is wrong with it becomes a problem."""
        if self._tell is not None:
            self._tell(item.path)
        try:
            with item.open() as raw:
                self._files[item.path] = self._file(item, raw)
        except TimeoutError:
            raise
        except OSError as error:
            if not item.alone:
                raise
            self._problem(OfflineProblemKind.UNREADABLE, item.path, error.strerror or str(error))

    def beside(self, place: Path, sha256: str) -> None:
        """Compares a packed bundle with the list of checksums that lies beside it."""
        for name in (
            f"{place.name}.sha256sum.txt",
            f"{place.name}.sha256",
            f"{_stem(place.name)}.sha256sum.txt",
        ):
            with contextlib.suppress(OSError):
                body = read_plain(place.with_name(name), _SMALL)
                said = {entry.sha256 for entry in listed(name, body)}
                if said and sha256 and sha256 not in said:
                    self._problem(OfflineProblemKind.CHECKSUM, place.name, name)

    def bundle(self, name: str, *, packed: bool, sha256: str = "") -> OfflineBundle:
        """Everything that was found."""
        compared, problems = compare(self._files, self._lists)
        return OfflineBundle(
            place=name,
            files=tuple(self._files[path] for path in sorted(self._files)),
            problems=(*self.problems, *problems, *self._ambiguous()),
            packed=packed,
            stated=self._stated,
            compared=compared,
            sha256=sha256,
        )

    # ------------------------------------------------------------------------------------------ inside

    def _problem(self, kind: OfflineProblemKind, path: str, detail: str = "") -> None:
        self.problems.append(OfflineProblem(kind, path, detail))

    def _file(self, item: Item, raw: IO[bytes]) -> BundledFile:
        stream = _Stream(raw, until=self.until, sums=self._sums)
        head = stream.peek(_HEAD)
        name = item.path.rpartition("/")[2]
        if is_elf(head):
            return self._program(item, stream, head)
        if _may_hold_images(item.path):
            return self._images(item, stream, raw, compression(head))
        kind = _kind(name)
        if kind in (BundledKind.SUMS, BundledKind.CONTENTS) or name == "version.txt":
            self._small(item.path, name, stream.peek(_SMALL))
        return self._plain(item, stream, kind)

    def _plain(self, item: Item, stream: _Stream, kind: BundledKind = BundledKind.OTHER) -> BundledFile:
        if self._sums:
            stream.drain()
        return BundledFile(item.path, item.size, kind, stream.sha256)

    def _small(self, path: str, name: str, body: bytes) -> None:
        if name == "version.txt":
            lines = body.decode("utf-8", "replace").splitlines()
            pairs = (line.partition("=") for line in lines if "=" in line)
            self._stated |= {key.strip(): value.strip() for key, _, value in pairs}
        else:
            self._lists[path] = listed(path, body)

    def _program(self, item: Item, stream: _Stream, head: bytes) -> BundledFile:
        finder = BuildInfoFinder()
        if self._sums:
            stream.drain(finder.feed)
        kind = BundledKind.CNI_PLUGIN if _CNI.search(item.path.rpartition("/")[0]) else BundledKind.BINARY
        return BundledFile(
            item.path,
            item.size,
            kind,
            stream.sha256,
            architecture=elf_architecture(head),
            version=finder.version,
        )

    def _images(self, item: Item, stream: _Stream, raw: IO[bytes], how: str) -> BundledFile:
        expected = "images" in item.path.split("/")[:-1]
        try:
            archive = self._archive(stream, raw, how, seekable=item.alone)
        except ArchiveError as error:
            if not expected and (error.foreign or how):
                return self._plain(item, stream)
            kind = OfflineProblemKind.UNSAFE if error.unsafe else OfflineProblemKind.DAMAGED
            self._problem(kind, item.path, str(error))
            file = self._plain(item, stream, BundledKind.IMAGES)
            return BundledFile(file.path, file.size, file.kind, file.sha256, compressed=bool(how))
        if self._sums:
            stream.drain()
        if how:
            self._problem(OfflineProblemKind.COMPRESSED, item.path)
        if any(not image.references for image in archive.held):
            self._problem(OfflineProblemKind.UNNAMED, item.path)
        images = tuple(
            BundledImage(name, image.architecture, image.system, image.identity)
            for image in archive.held
            for name in image.references
        )
        return BundledFile(
            item.path, item.size, BundledKind.IMAGES, stream.sha256, images=images, compressed=bool(how)
        )

    def _archive(self, stream: _Stream, raw: IO[bytes], how: str, *, seekable: bool) -> ImageArchive:
        if self._sums or how or not seekable:
            return read_stream(cast("IO[bytes]", stream), how, seekable=False, sums=self._sums)
        raw.seek(0)
        return read_stream(raw, seekable=True, sums=False)

    def _ambiguous(self) -> Iterator[OfflineProblem]:
        first: dict[tuple[str, str], BundledFile] = {}
        for path in sorted(self._files, key=lambda path: (path.count("/"), path)):
            file = self._files[path]
            if file.kind is not BundledKind.BINARY:
                continue
            other = first.setdefault((file.name, file.architecture), file)
            if (other.size, other.sha256) != (file.size, file.sha256):
                yield OfflineProblem(OfflineProblemKind.AMBIGUOUS, file.path, other.path)


def _may_hold_images(path: str) -> bool:
    directory, _, name = path.rpartition("/")
    pattern = _ARCHIVE if "images" in directory.split("/") else _PLAIN_ARCHIVE
    return pattern.search(name) is not None


def _kind(name: str) -> BundledKind:
    if name == CONTENTS:
        return BundledKind.CONTENTS
    if is_list_of_sums(name):
        return BundledKind.SUMS
    if name.endswith((".yaml", ".yml")):
        return BundledKind.MANIFEST
    return BundledKind.WHEEL if name.endswith(".whl") else BundledKind.OTHER


def _stem(name: str) -> str:
    return patterns.compiled(r"\.(tar(\.\w+)?|tgz)$").sub("", name)
