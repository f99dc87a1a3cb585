"""What an archive of container images holds, and whether it is whole; nothing is unpacked.

Read are both layouts that ``docker save``, ``ctr images export`` and their relatives write: ``manifest.json`` (Docker)
and ``index.json`` (OCI), either of them possibly compressed.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TypeVar

from kedoctor import patterns
from kedoctor.base.input_files import open_plain
from kedoctor.base.records import Record, RecordError, decode, field
from kedoctor.model.image_references import canonical, is_reference, shown
from kedoctor.offline.tarwalk import TAR_ERRORS, Member, WalkError, compression, unpacked, walk

__all__ = ["ArchiveError", "ArchivedImage", "ImageArchive", "canonical", "read_archive", "read_stream"]

T = TypeVar("T")

_NAME_KEYS = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
_DIGEST = patterns.compiled(r"^(?:blobs/sha256/)?([0-9a-f]{64})(?:\.json)?$")
_MOST_LINKS = 40
_MOST_DESCRIPTORS = 2_000
_DEEPEST = 4


class ArchiveError(ValueError):
    """The archive is truncated, or none of images; the message says what is wrong with it.

    ``unsafe``: it would write outside of the place it is unpacked to. ``foreign``: it is whole, and holds no images.
    """

    def __init__(self, message: str, *, unsafe: bool = False, foreign: bool = False) -> None:
        super().__init__(message)
        self.unsafe = unsafe
        self.foreign = foreign


class ArchivedImage(Record, frozen=True):
    """One image: its references in full, its id (``sha256:…``), and the machine that its configuration names."""

    references: tuple[str, ...]
    identity: str
    architecture: str = ""
    system: str = ""


class ImageArchive(Record, frozen=True):
    """``references`` in full, ``images`` their ids (``sha256:…``) as far as the archive says them; ``held`` one by one."""

    references: tuple[str, ...]
    images: tuple[str, ...]
    compressed: bool
    held: tuple[ArchivedImage, ...] = ()


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


class _Rootfs(Record, frozen=True):
    diff_ids: tuple[str, ...] | None = ()


class _Configuration(Record, frozen=True):
    """What an image's configuration says of it."""

    architecture: str = ""
    system: str = field(name="os", default="")
    rootfs: _Rootfs | None = None


def read_archive(path: Path) -> ImageArchive:
    """What the archive holds; every file that it speaks of is in it, in full length.

    Raises:
        ArchiveError: it is not whole, or not an archive of images.
        OSError: it cannot be read.
    """
    with open_plain(path) as file:
        how = compression(file.read(8))
        file.seek(0)
        return read_stream(file, how, seekable=not how, sums=False)


def read_stream(stream: IO[bytes], how: str = "", *, seekable: bool, sums: bool) -> ImageArchive:
    """What an archive of images holds that is read from front to back; ``how`` it is compressed.

    With ``sums`` every byte is read, and every part compared with the digest that the archive gives it.

    Raises: as :func:`read_archive`.
    """
    try:
        contents = walk(unpacked(stream, how), seekable=seekable, sums=sums)
    except WalkError as error:
        raise ArchiveError(str(error), unsafe=error.unsafe) from error
    except TAR_ERRORS as error:
        raise ArchiveError(f"it is truncated or no tar archive ({error})") from error
    return _Reader(contents).archive(compressed=bool(how))


class _Reader:
    def __init__(self, members: Mapping[str, Member]) -> None:
        self._members = members
        self._descriptors = 0

    def archive(self, *, compressed: bool) -> ImageArchive:
        if "manifest.json" in self._members:
            held = [self._docker(image) for image in self._json("manifest.json", tuple[_Image, ...])]
        elif "index.json" in self._members:
            index = self._json("index.json", _Manifest)
            if not self._members.get("oci-layout", Member(0)).body:
                raise ArchiveError(
                    "it holds no oci-layout, without which containerd does not know the format"
                )
            held = [image for one in index.manifests or () for image in self._oci(one, _name(one))]
        else:
            raise ArchiveError(
                "it holds neither manifest.json nor index.json: no archive of images", foreign=True
            )
        references = {name for image in held for name in image.references}
        ids = tuple(image.identity for image in held)
        return ImageArchive(tuple(sorted(references)), ids, compressed, tuple(held))

    def _docker(self, image: _Image) -> ArchivedImage:
        self._must_hold(image.config, *image.layers)
        told = self._configuration(image.config)
        expected = (told.rootfs.diff_ids if told.rootfs else None) or ()
        if len(expected) == len(image.layers):
            for name, digest in zip(image.layers, expected, strict=True):
                self._must_match(name, digest)
        names = tuple(sorted({canonical(tag) for tag in image.repo_tags or () if is_reference(tag)}))
        return ArchivedImage(names, _id_of(image.config), told.architecture, told.system)

    def _oci(self, descriptor: _Descriptor, name: str, depth: int = 0) -> list[ArchivedImage]:
        """The images below a descriptor, all of whose content is there."""
        self._descriptors += 1
        if depth > _DEEPEST or self._descriptors > _MOST_DESCRIPTORS:
            raise ArchiveError("its index nests deeper than that of any archive of images")
        self._must_hold(_blob(descriptor), size=descriptor.size)
        manifest = self._json(_blob(descriptor), _Manifest)
        if manifest.manifests:
            return self._for_some_machine(manifest.manifests, name, depth + 1)
        parts = [*(manifest.layers or ()), *([manifest.config] if manifest.config else [])]
        for part in parts:
            self._must_hold(_blob(part), size=part.size)
        if manifest.config is None:
            return []
        told = self._configuration(_blob(manifest.config))
        names = (canonical(name),) if is_reference(name) else ()
        return [ArchivedImage(names, manifest.config.digest, told.architecture, told.system)]

    def _for_some_machine(
        self, manifests: Sequence[_Descriptor], name: str, depth: int
    ) -> list[ArchivedImage]:
        """The images of an index: those for other machines are often left out, but not all of them."""
        found: list[ArchivedImage] = []
        missing: ArchiveError | None = None
        for one in manifests:
            try:
                found += self._oci(one, name, depth)
            except ArchiveError as error:
                missing = missing or error
        if missing is not None and not found:
            raise missing
        return found

    def _must_hold(self, *names: str, size: int | None = None) -> None:
        for name in names:
            member = self._member(name)
            if size is not None and member.size != size:
                raise ArchiveError(f"it is damaged: {shown(name)} has {member.size} bytes instead of {size}")
            named = _DIGEST.match(name)
            if named and member.sha256 and member.sha256 != named[1]:
                raise ArchiveError(f"it is damaged: the content of {shown(name)} is not what its name says")

    def _must_match(self, name: str, digest: str) -> None:
        """A layer of docker's older layout is named by no digest; the configuration lists them instead."""
        member = self._member(name)
        if _DIGEST.match(name) or not member.sha256 or not name.endswith(".tar"):
            return
        if f"sha256:{member.sha256}" != digest:
            raise ArchiveError(f"it is damaged: {shown(name)} is not the layer that its configuration names")

    def _member(self, name: str) -> Member:
        """A member, links followed."""
        at = posixpath.normpath(name)
        for _ in range(_MOST_LINKS):
            member = self._members.get(at)
            if member is None:
                raise ArchiveError(f"it is truncated: {shown(name)} is missing")
            if not member.target:
                return member
            at = member.target
        raise ArchiveError(f"it is damaged: the links of {shown(name)} lead in a circle")

    def _configuration(self, name: str) -> _Configuration:
        """An image's configuration; of an attestation, which has none that says anything, an empty one."""
        return self._json(name, _Configuration) if self._member(name).body else _Configuration()

    def _json(self, name: str, into: type[T]) -> T:
        try:
            return decode(self._member(name).body, into)
        except RecordError as error:
            raise ArchiveError(f"its {shown(name)} is damaged ({error})") from error


def _name(descriptor: _Descriptor) -> str:
    known = descriptor.annotations or {}
    return next((known[key] for key in _NAME_KEYS if known.get(key)), "")


def _blob(descriptor: _Descriptor) -> str:
    return f"blobs/{descriptor.digest.replace(':', '/')}"


def _id_of(config: str) -> str:
    return f"sha256:{config.rpartition('/')[2].removesuffix('.json')}"
