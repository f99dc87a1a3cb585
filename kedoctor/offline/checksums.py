"""Lists of checksums in an offline bundle, and what they say of its files."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping

from kedoctor import patterns
from kedoctor.base.records import Record, RecordError, decode
from kedoctor.model.offline_bundle import BundledFile, OfflineProblem, OfflineProblemKind

__all__ = ["CONTENTS", "Contents", "Listed", "compare", "is_list_of_sums", "listed"]

CONTENTS = "offline-bundle.json"
"""The list of everything in it that ``kedoctor bundle make`` writes at the top of an offline bundle."""

_NAMES = patterns.compiled(
    r"(sha256sums?|checksums?)(\.txt)?|.+\.sha256(sums?)?(\.txt)?", patterns.IGNORECASE
)
_LINE = patterns.compiled(r"^\\?([0-9a-fA-F]{64})[ \t][ *]?(.+)$")


class Listed(Record, frozen=True):
    """What a list says of one file; ``path`` is relative to the offline bundle."""

    path: str
    sha256: str


class Contents(Record, frozen=True):
    """As much of ``offline-bundle.json`` as is compared with what is there."""

    files: tuple[Listed, ...] = ()


def is_list_of_sums(name: str) -> bool:
    """Whether a file of that name lists checksums: ``SHA256SUMS``, ``….sha256sum.txt``."""
    return _NAMES.fullmatch(name) is not None


def listed(path: str, body: bytes) -> tuple[Listed, ...]:
    """What the list at ``path`` says, its names taken from the directory it lies in.

    A list beside an archive (``x.tar.gz.sha256sum.txt``) names just that one, wherever it was made.
    """
    directory, _, name = path.rpartition("/")
    if name == CONTENTS:
        try:
            return decode(body, Contents).files
        except RecordError:
            return ()
    return tuple(
        Listed(posixpath.normpath(posixpath.join(directory, said)), digest.lower())
        for digest, said in _lines(body.decode("utf-8", "replace"))
    )


def compare(
    files: Mapping[str, BundledFile], lists: Mapping[str, tuple[Listed, ...]]
) -> tuple[int, list[OfflineProblem]]:
    """How many files were compared, and what does not agree; no file is complained of twice."""
    compared: set[str] = set()
    problems: dict[str, OfflineProblem] = {}
    for source, entries in lists.items():
        if not entries:
            why = "no line in it is a sha256 and a name"
            problems.setdefault(source, OfflineProblem(OfflineProblemKind.UNREADABLE, source, why))
        for entry in entries:
            file = files.get(entry.path)
            if file is None:
                if not _is_beside(source, entry.path):
                    problems.setdefault(
                        entry.path, OfflineProblem(OfflineProblemKind.ABSENT, entry.path, source)
                    )
            elif file.sha256:
                compared.add(entry.path)
                if file.sha256 != entry.sha256:
                    problems.setdefault(
                        entry.path, OfflineProblem(OfflineProblemKind.CHECKSUM, entry.path, source)
                    )
    return len(compared), list(problems.values())


def _lines(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        found = _LINE.match(line.strip())
        if found:
            yield found[1], found[2].strip()


def _is_beside(source: str, path: str) -> bool:
    """Whether the list is that of one archive, which is often removed once it was unpacked."""
    named = posixpath.basename(path)
    return posixpath.basename(source).startswith(
        (named, patterns.compiled(r"\.(tar(\.\w+)?|tgz)$").sub("", named) + ".")
    )
