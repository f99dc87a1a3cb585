"""What an offline bundle holds, as data: files by kind, images by reference, and what is wrong with them.

Nothing here reads anything: :func:`kedoctor.offline.reading.read_offline_bundle` makes an :class:`OfflineBundle` of a
directory or tar, and :meth:`kedoctor.model.ports.Host.offline_bundle` asks for one on a host.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from kedoctor.base.records import Record, field
from kedoctor.base.text import Text
from kedoctor.model.image_references import canonical
from kedoctor.model.observations.request import Answer

__all__ = [
    "BundledFile",
    "BundledImage",
    "BundledKind",
    "OfflineBundle",
    "OfflineProblem",
    "OfflineProblemKind",
]


class BundledKind(StrEnum):
    """What a file in an offline bundle is, told by its content and the directory it lies in."""

    BINARY = "binary"  # an ELF program
    CNI_PLUGIN = "cni-plugin"  # an ELF program in a directory cni-bin, cni or cni/bin
    IMAGES = "images"  # an archive of container images
    MANIFEST = "manifest"  # YAML
    WHEEL = "wheel"
    SUMS = "sums"  # lines of sha256 and name
    CONTENTS = "contents"  # the list that `kedoctor bundle make` writes
    OTHER = "other"


class OfflineProblemKind(StrEnum):
    """What can be wrong with a file of an offline bundle."""

    DAMAGED = "damaged"  # an archive of images that is truncated or does not hold what it says
    UNSAFE = "unsafe"  # an archive that would write outside of the place it is unpacked to
    COMPRESSED = "compressed"  # an archive of images that not every runtime reads as it is
    UNNAMED = "unnamed"  # an archive with an image that has no name
    LINK = "link"  # a link that leads in a circle, nowhere, or out of the bundle
    SPECIAL = "special"  # a socket, fifo or device
    UNREADABLE = "unreadable"  # permission, disk error
    CHECKSUM = "checksum"  # another sha256 than a list of checksums says
    ABSENT = "absent"  # a list of checksums names it, and it is not there
    AMBIGUOUS = "ambiguous"  # the same program twice, with different content


_TEXTS = {
    OfflineProblemKind.DAMAGED: Text("{path} cannot be imported: {detail}", zh="{path} 无法导入：{detail}"),
    OfflineProblemKind.UNSAFE: Text("{path} must not be used: {detail}", zh="不得使用 {path}：{detail}"),
    OfflineProblemKind.COMPRESSED: Text(
        "{path} is compressed, and not every version of ctr reads that: gunzip it",
        zh="{path} 是压缩文件，部分版本的 ctr 无法读取：请先用 gunzip 解压",
    ),
    OfflineProblemKind.UNNAMED: Text(
        "{path} holds an image without a name, which nothing can ask for: save it by its name and tag",
        zh="{path} 含有没有名称的镜像，无法被引用：请按名称和标签重新保存",
    ),
    OfflineProblemKind.LINK: Text(
        "{path} is a link that cannot be used: {detail}", zh="{path} 是无效链接：{detail}"
    ),
    OfflineProblemKind.SPECIAL: Text(
        "{path} is not a plain file: {detail}", zh="{path} 不是普通文件：{detail}"
    ),
    OfflineProblemKind.UNREADABLE: Text("{path} cannot be read: {detail}", zh="{path} 无法读取：{detail}"),
    OfflineProblemKind.CHECKSUM: Text(
        "{path} has another sha256 than {detail} says: it was changed or damaged; copy it again",
        zh="{path} 的 sha256 与 {detail} 不符：文件被改动或已损坏，请重新复制",
    ),
    OfflineProblemKind.ABSENT: Text(
        "{path} is not there, but {detail} names it", zh="缺少 {detail} 中列出的 {path}"
    ),
    OfflineProblemKind.AMBIGUOUS: Text(
        "{path} and {detail} have the same name and different content: remove the wrong one",
        zh="{path} 与 {detail} 同名但内容不同：请删除错误的那个",
    ),
}


class OfflineProblem(Record, frozen=True):
    """What is wrong with one file; ``detail`` is a part of the sentence (or another path)."""

    kind: OfflineProblemKind
    path: str
    detail: str = ""

    @property
    def text(self) -> Text:
        """One clause without a final stop."""
        words = {"path": self.path, "detail": self.detail}
        template = _TEXTS[self.kind]
        return Text(template.en.format(**words), zh=template.zh.format(**words))


class BundledImage(Record, frozen=True):
    """An image of an archive: its reference in full, for which machine, and the digest of its configuration."""

    reference: str
    architecture: str = ""  # as Go names it: amd64, arm64; empty when the archive does not say
    system: str = ""
    identity: str = ""  # sha256:…


class BundledFile(Record, frozen=True):
    """A file of an offline bundle; ``path`` is relative to it, ``sha256`` empty when it was not computed.

    ``architecture`` (``amd64``, ``arm64``, else the number in the ELF header) is that of a program, ``version`` what its
    Go build information says (often nothing). ``images`` are those of an archive of images.
    """

    path: str
    size: int
    kind: BundledKind = BundledKind.OTHER
    sha256: str = ""
    architecture: str = ""
    version: str = ""
    images: tuple[BundledImage, ...] = ()
    compressed: bool = False

    @property
    def name(self) -> str:
        """The file's name, without the architecture that some bundles append (``runc-amd64`` is ``runc``)."""
        name = self.path.rpartition("/")[2]
        return name.removesuffix(f"-{self.architecture}") if self.architecture else name

    @property
    def directory(self) -> str:
        """The directory within the bundle; empty at its top."""
        return self.path.rpartition("/")[0]


class OfflineBundle(Answer, frozen=True):
    """An offline bundle that was read.

    ``place`` is the absolute path of the directory, or of the archive (then ``packed``, and nothing in it can be used
    before it is unpacked). ``stated`` is what its ``meta/version.txt`` says, key by key. ``compared`` counts the files
    whose sha256 was compared with a list of checksums. ``sha256`` is that of a packed bundle itself.
    """

    place: str
    files: tuple[BundledFile, ...] = ()
    problems: tuple[OfflineProblem, ...] = ()
    packed: bool = False
    stated: dict[str, str] = field(default_factory=dict)
    compared: int = 0
    sha256: str = ""

    def of_kind(self, *kinds: BundledKind) -> tuple[BundledFile, ...]:
        """The files of these kinds, by path."""
        return tuple(one for one in self.files if one.kind in kinds)

    def path(self, file: BundledFile) -> str:
        """Where the file lies on the host."""
        return f"{self.place.rstrip('/')}/{file.path}"

    def binaries(self, name: str) -> tuple[BundledFile, ...]:
        """Every program of that name, for whatever machine; the one nearest to the top first."""
        found = [one for one in self.of_kind(BundledKind.BINARY) if one.name == name]
        return tuple(sorted(found, key=lambda one: (one.path.count("/"), one.path)))

    def binary(self, name: str, architecture: str) -> BundledFile | None:
        """The program of that name for that machine (``amd64``, ``arm64``).

        ``None`` when there is none, and when there are two with different content (a problem says so): which one was
        meant nobody knows.
        """
        found = [one for one in self.binaries(name) if one.architecture == architecture]
        alike = len({(one.size, one.sha256) for one in found}) == 1
        return found[0] if alike else None

    def cni_plugins(self, architecture: str) -> tuple[BundledFile, ...]:
        """The CNI plugins for that machine, by name."""
        found = [one for one in self.of_kind(BundledKind.CNI_PLUGIN) if one.architecture == architecture]
        return tuple(sorted(found, key=lambda one: one.name))

    def images(self) -> Iterator[tuple[BundledFile, BundledImage]]:
        """Every image with the archive that holds it."""
        for archive in self.of_kind(BundledKind.IMAGES):
            for image in archive.images:
                yield archive, image

    def archive_of(self, reference: str, architecture: str = "") -> BundledFile | None:
        """A usable archive that holds the image, for that machine if one is named; an uncompressed one first."""
        wanted = canonical(reference)
        found = [
            archive
            for archive, image in self.images()
            if image.reference == wanted and architecture in ("", image.architecture)
        ]
        return min(found, key=lambda one: (one.compressed, one.path), default=None)

    def manifests(self, directory: str = "") -> tuple[BundledFile, ...]:
        """The YAML files, or those in one directory (its name anywhere in the path: ``crds``)."""
        found = self.of_kind(BundledKind.MANIFEST)
        return tuple(one for one in found if not directory or directory in one.directory.split("/"))
