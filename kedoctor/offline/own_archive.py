"""kedoctor's own archive (a directory with its Python, ``make dist``) as a part of an offline bundle."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from pathlib import Path

from kedoctor.base.errors import UsageError
from kedoctor.offline.programs import elf_architecture

__all__ = ["FOLDER", "archive_files", "is_own_archive"]

FOLDER = "kedoctor"
_HEAD = 64
_HINT = "make dist writes it: kedoctor-VERSION-linux-ARCH-glibcVERSION.tar.gz"


def archive_files(archive: Path, architecture: str) -> dict[str, Path]:
    """The archive by its path in the bundle.

    Raises:
        UsageError: it is no such archive, or for another machine than ``architecture`` (as Go names it; empty: any).
    """
    own = _architecture(archive)
    if not own:
        raise UsageError(f"{archive} is not an archive of kedoctor", hint=_HINT)
    if architecture and own != architecture:
        raise UsageError(
            f"{archive} is for {own}, the offline bundle for {architecture}",
            hint="name the archive of that architecture",
        )
    return {f"{FOLDER}/{archive.name}": archive}


def is_own_archive(path: str) -> bool:
    """Whether a file of a bundle lies where :func:`archive_files` puts the archive."""
    folder, _, name = path.rpartition("/")
    return folder == FOLDER and name.startswith("kedoctor-") and name.endswith(".tar.gz")


def _architecture(archive: Path) -> str:
    """For which machine its Python is; empty if there is none in it."""
    try:
        with tarfile.open(archive, "r|gz") as tar:
            for member in tar:
                if member.isreg() and member.name.endswith("/python/bin/python3"):
                    file = tar.extractfile(member)
                    head = file.read(_HEAD) if file else b""
                    return elf_architecture(head) if head.startswith(b"\x7fELF") else ""
    except (OSError, EOFError, zlib.error, tarfile.TarError, gzip.BadGzipFile):
        return ""
    return ""
