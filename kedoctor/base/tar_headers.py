"""Headers of tar members, read to a limit: Python's reader takes as many and as long ones as an archive has."""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from typing import Any, Self

from kedoctor import patterns

__all__ = ["BoundedTarInfo"]

_LONGEST = 64 << 10
_MOST_IN_A_ROW = 16
_MOST_IN_ALL = 16 << 20
_NUMBER = patterns.compiled(rb"\d{200}")
"""Python's reader looks for a word behind digits, again from each of them."""

_PAX = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
_EXTENSIONS = (*_PAX, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)


class BoundedTarInfo(tarfile.TarInfo):
    """For ``tarfile.open(tarinfo=...)``: an archive with endless, huge or sparse headers ends with ``ReadError``."""

    def _proc_member(self, archive: Any) -> Self:
        if self.type == tarfile.GNUTYPE_SPARSE:
            raise tarfile.ReadError("it holds a sparse file")
        if self.type not in _EXTENSIONS:
            archive.headers_in_a_row = 0
        else:
            self._count(archive)
        if self.type in _PAX:
            self._look_ahead(archive)
        found: Self = super()._proc_member(archive)  # type: ignore[misc]
        return found

    def _count(self, archive: Any) -> None:
        archive.headers_in_a_row = getattr(archive, "headers_in_a_row", 0) + 1
        archive.header_bytes = getattr(archive, "header_bytes", 0) + max(self.size, 0)
        long = not 0 <= self.size <= _LONGEST or archive.header_bytes > _MOST_IN_ALL
        if long or archive.headers_in_a_row > _MOST_IN_A_ROW:
            raise tarfile.ReadError("its headers have no end")

    def _look_ahead(self, archive: Any) -> None:
        head = archive.fileobj.read(
            (self.size + tarfile.BLOCKSIZE - 1) // tarfile.BLOCKSIZE * tarfile.BLOCKSIZE
        )
        if _NUMBER.search(head):
            raise tarfile.ReadError("its headers have no end")
        archive.fileobj = _Ahead(head, archive, archive.fileobj)

    def _refuse_sparse(self, *_: object) -> None:
        raise tarfile.ReadError("it holds a sparse file")

    _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _refuse_sparse


@dataclass(frozen=True, slots=True)
class _Ahead:
    """Gives what was read already once more, and then the file itself back."""

    head: bytes
    archive: Any
    file: Any

    def read(self, size: int) -> bytes:
        del size  # the reader asks for just this header
        self.archive.fileobj = self.file
        return self.head
