"""What programs and libraries of a tree ask of the machine that they run on."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["glibc_needed", "is_elf", "machine_of"]

_GLIBC = re.compile(rb"\0GLIBC_2\.(\d{1,3})(?:\.\d+)?(?=\0)")


def is_elf(path: Path) -> bool:
    """Whether a plain file is a program or a shared library."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def machine_of(path: Path) -> int:
    """``e_machine`` of an ELF file."""
    with path.open("rb") as file:
        return int.from_bytes(file.read(20)[18:20], "little")


def glibc_needed(folder: Path) -> str:
    """The least version of glibc that all of them can be loaded with, such as ``2.34``."""
    minors = [int(found) for path in folder.rglob("*") if is_elf(path) for found in _GLIBC.findall(path.read_bytes())]
    return f"2.{max(minors, default=17)}"
