"""What an archive of container images holds, and whether it is whole; nothing is unpacked.

Read are both layouts that ``docker save``, ``ctr images export`` and their relatives write: ``manifest.json`` (Docker)
and ``index.json`` (OCI), either of them possibly compressed.
"""

from __future__ import annotations

import lzma
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from kedoctor.records import Record, RecordError, decode

__all__ = ["ArchiveError", "ImageArchive", "canonical", "read_archive"]

T = TypeVar("T")

_NAME_KEYS = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
_SMALL = 4 << 20
"""Manifests are at most so large; layers are never read."""


class ArchiveError(ValueError):
    """The archive is truncated, or none of images; the message says what is wrong with it."""


class ImageArchive(Record, frozen=True):
    """``references`` in full, ``images`` their ids (``sha256:…``) as far as the archive says them."""

    references: tuple[str, ...]
    images: tuple[str, ...]
    compressed: bool


class _Image(Record, frozen=True, rename="pascal"):
    config: str = ""
    repo_tags: tuple[str, ...] | None = ()
    layers: tuple[str, ...] = ()


class _Descriptor(Record, frozen=True):
    digest: str = ""
    size: int = 0
    annotations: dict[str, str] | None = None


class _Manifest(Record, frozen=True):
    """An OCI index or an image manifest: whichever fields there are."""

    manifests: tuple[_Descriptor, ...] | None = ()
    layers: tuple[_Descriptor, ...] | None = ()
    config: _Descriptor | None = None


def canonical(reference: str) -> str:
    """A reference in full: ``busybox`` is ``docker.io/library/busybox:latest``."""
    first, slash, _ = reference.partition("/")
    if not slash:
        reference = f"docker.io/library/{reference}"
    elif not ({".", ":"} & set(first)) and first != "localhost":
        reference = f"docker.io/{reference}"
    tagged = "@" in reference or ":" in reference.rpartition("/")[2]
    return reference if tagged else f"{reference}:latest"


def read_archive(path: Path) -> ImageArchive:
    """What the archive holds; every file that it speaks of is in it, in full length.

    Raises:
        ArchiveError: it is not whole, or not an archive of images.
        OSError: it cannot be read.
    """
    try:
        with tarfile.open(path) as tar:
            members = {member.name.removeprefix("./"): member for member in tar}
            return _Reader(tar, members).archive(compressed=_is_compressed(path))
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise ArchiveError(f"it is truncated or no tar archive ({error})") from error


def _is_compressed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) in (b"\x1f\x8b", b"BZ", b"\xfd7")


class _Reader:
    def __init__(self, tar: tarfile.TarFile, members: dict[str, tarfile.TarInfo]) -> None:
        self._tar = tar
        self._members = members

    def archive(self, *, compressed: bool) -> ImageArchive:
        if "manifest.json" in self._members:
            images = self._json("manifest.json", tuple[_Image, ...])
            references = [tag for image in images for tag in image.repo_tags or ()]
            for image in images:
                self._must_hold(image.config, *image.layers)
            ids = tuple(_id_of(image.config) for image in images)
        elif "index.json" in self._members:
            index = self._json("index.json", _Manifest)
            references = [name for one in index.manifests or () if (name := _name(one))]
            ids = tuple(name for one in index.manifests or () for name in self._ids(one))
        else:
            raise ArchiveError("it holds neither manifest.json nor index.json: no archive of images")
        return ImageArchive(tuple(sorted({canonical(name) for name in references})), ids, compressed)

    def _ids(self, descriptor: _Descriptor) -> list[str]:
        """The ids of the images below a descriptor, all of whose content is there."""
        self._must_hold(_blob(descriptor), size=descriptor.size)
        manifest = self._json(_blob(descriptor), _Manifest)
        if manifest.manifests:
            return self._for_some_machine(manifest.manifests)
        parts = [*(manifest.layers or ()), *([manifest.config] if manifest.config else [])]
        for part in parts:
            self._must_hold(_blob(part), size=part.size)
        return [manifest.config.digest] if manifest.config else []

    def _for_some_machine(self, manifests: Sequence[_Descriptor]) -> list[str]:
        """The images of an index: those for other machines are often left out, but not all of them."""
        found: list[str] = []
        missing: ArchiveError | None = None
        for one in manifests:
            try:
                found += self._ids(one)
            except ArchiveError as error:
                missing = missing or error
        if missing is not None and not found:
            raise missing
        return found

    def _must_hold(self, *names: str, size: int | None = None) -> None:
        for name in names:
            member = self._members.get(name)
            if member is None:
                raise ArchiveError(f"it is truncated: {name} is missing")
            if size is not None and member.isfile() and member.size != size:
                raise ArchiveError(f"it is damaged: {name} has {member.size} bytes instead of {size}")

    def _json(self, name: str, into: type[T]) -> T:
        file = self._tar.extractfile(self._members[name])
        try:
            return decode(b"" if file is None else file.read(_SMALL), into)
        except RecordError as error:
            raise ArchiveError(f"its {name} is damaged ({error})") from error


def _name(descriptor: _Descriptor) -> str:
    known = descriptor.annotations or {}
    return next((known[key] for key in _NAME_KEYS if known.get(key)), "")


def _blob(descriptor: _Descriptor) -> str:
    return f"blobs/{descriptor.digest.replace(':', '/')}"


def _id_of(config: str) -> str:
    return f"sha256:{config.rpartition('/')[2].removesuffix('.json')}"
