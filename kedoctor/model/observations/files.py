"""Files of a host."""

from __future__ import annotations

from datetime import datetime

from kedoctor.model.observations.request import Answer, Request

__all__ = ["File", "FileMetadata", "Files", "FindFiles", "ReadFile", "StatFile"]


class ReadFile(Request, frozen=True):
    """Asks for a :class:`File`: at most ``limit`` bytes, from the end if ``from_end``."""

    path: str
    limit: int = 1 << 20
    from_end: bool = False


class StatFile(Request, frozen=True):
    """Asks for the :class:`FileMetadata` of ``path`` itself (links are not followed)."""

    path: str


class FindFiles(Request, frozen=True):
    """Asks for :class:`Files`: everything that matches an absolute glob ``pattern``, at most ``limit``."""

    pattern: str
    limit: int = 500


class FileMetadata(Answer, frozen=True):
    """What the file system says of a path; ``mode`` holds permission bits only, times are aware UTC."""

    path: str
    kind: str  # file, directory, link, socket, fifo, device
    mode: int
    uid: int
    gid: int
    size: int
    modified: datetime
    link_target: str = ""


class File(Answer, frozen=True):
    """A file's bytes (all of them unless ``truncated``) and metadata of what the path leads to."""

    metadata: FileMetadata
    data: bytes
    truncated: bool = False

    def text(self) -> str:
        """The bytes as UTF-8; what is not UTF-8 becomes U+FFFD."""
        return self.data.decode("utf-8", errors="replace")


class Files(Answer, frozen=True):
    """Matches of a glob, sorted by path."""

    entries: tuple[FileMetadata, ...]
    truncated: bool = False
