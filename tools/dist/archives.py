"""Archives that come out the same, byte for byte, of the same files."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

__all__ = ["gzipped", "packed", "sha256", "tar_of"]


def tar_of(folder: Path, prefix: str, mtime: int, keep: Callable[[str], bool] = lambda _: True) -> bytes:
    """A tar of what lies in a folder, sorted, owned by root, under ``prefix`` (empty: none)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        if prefix:
            tar.addfile(_owned(tar.gettarinfo(folder, prefix), mtime))
        for path in sorted(folder.rglob("*"), key=lambda one: one.relative_to(folder).as_posix()):
            name = path.relative_to(folder).as_posix()
            if not keep(name):
                continue
            info = _owned(tar.gettarinfo(path, f"{prefix}/{name}" if prefix else name), mtime)
            if info.isreg():
                with path.open("rb") as file:
                    tar.addfile(info, file)
            else:
                tar.addfile(info)
    return out.getvalue()


def _owned(info: tarfile.TarInfo, mtime: int) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = "root"
    info.mtime = mtime
    info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
    if info.islnk():  # a second name of the same file is a file of its own on another machine
        raise ValueError(f"{info.name} is a hard link")
    return info


def gzipped(data: bytes) -> bytes:
    """The data, compressed without a time or a name."""
    return gzip.compress(data, compresslevel=6, mtime=0)


def packed(folder: Path, target: Path, prefix: str, mtime: int) -> Path:
    """A ``.tar.gz`` of a folder."""
    target.write_bytes(gzipped(tar_of(folder, prefix, mtime)))
    return target


def sha256(path: Path) -> str:
    """The checksum of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
