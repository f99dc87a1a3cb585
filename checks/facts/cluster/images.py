"""Container images that are at hand without a registry: in the stores of the cloud nodes, and in archives on a host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from kedoctor.api import Cluster, Host, Record, RecordError, Unavailable, archive_name, decode, fact, patterns
from kedoctor.checks.facts.cluster.nodes import CloudNodes

__all__ = ["ARCHIVE_PLACES", "ImageArchives", "StoredImages", "is_named_after"]

ARCHIVE_PLACES = (
    "/var/lib/kedoctor/images/*.tar",
    "/var/lib/rancher/k3s/agent/images/*.tar",
)
"""Where archives of images may lie on a host: an offline bundle's, and those K3s imports when it starts."""

_HOSTS_ASKED = 5


@dataclass(frozen=True, slots=True)
class StoredImages:
    """The image references in the store of each API-server host, as its kubelet lists them (the 50 largest)."""

    by_node: Mapping[str, tuple[str, ...]]

    def containing(self, part: str) -> tuple[str, ...]:
        """The references with a tag that have ``part`` in their name, the shortest first."""
        found = {name for names in self.by_node.values() for name in names}
        tagged = {name for name in found if "@" not in name and part in name.rpartition("/")[2]}
        return tuple(sorted(tagged, key=lambda name: (len(name), name)))


class _Image(Record, frozen=True):
    names: tuple[str, ...] | None = None


class _Status(Record, frozen=True):
    images: tuple[_Image, ...] | None = None


class _Node(Record, frozen=True):
    status: _Status = _Status()


@fact
def stored_images(cluster: Cluster, cloud: CloudNodes) -> StoredImages:
    """Read from the Node objects of the API-server hosts alone: on edges nobody needs to know."""
    return StoredImages({node: tuple(_stored(cluster, node)) for node in cloud.names[:_HOSTS_ASKED]})


def _stored(cluster: Cluster, node: str) -> Iterator[str]:
    answer = cluster.get(f"/api/v1/nodes/{node}")
    if isinstance(answer, Unavailable) or answer.status != 200:
        return
    try:
        images = decode(answer.body, _Node).status.images or ()
    except RecordError:
        return
    yield from (name for image in images for name in image.names or ())


@dataclass(frozen=True, slots=True)
class ImageArchives:
    """Paths of image archives on this host."""

    paths: tuple[str, ...] = ()

    def of(self, reference: str) -> str | None:
        """The archive that is named after an image; ``None`` if there is none."""
        return next((path for path in self.paths if is_named_after(path, reference)), None)


@fact
def image_archives(host: Host) -> ImageArchives:
    """Archives by their names only; none of them is opened."""
    found = [host.find(place) for place in ARCHIVE_PLACES]
    return ImageArchives(
        tuple(
            entry.path
            for files in found
            if not isinstance(files, Unavailable)
            for entry in files.entries
            if entry.kind == "file"
        )
    )


def is_named_after(path: str, reference: str) -> bool:
    """Whether an archive has the name of an image, with or without the registry in front, whatever it is packed with."""
    stem = patterns.compiled(r"\.(tar(\.\w+)?|tgz)$").sub("", PurePosixPath(path).name)
    wanted = archive_name(reference)
    prefixes = ("", "docker.io-", "docker.io-library-", "registry.k8s.io-")
    return any(stem == f"{prefix}{wanted}" or wanted == f"{prefix}{stem}" for prefix in prefixes)
