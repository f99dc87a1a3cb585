"""What is built, for which machines, under which names, and as of which time."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ARCHITECTURES", "ROOT", "Architecture", "epoch", "here", "version"]

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Architecture:
    """A kind of machine by the names that Linux, Debian, Go and pip have for it."""

    name: str
    debian: str
    go: str
    platforms: tuple[str, ...]
    machine: int
    """``e_machine`` of its ELF files."""


ARCHITECTURES = {
    one.name: one
    for one in (
        Architecture("x86_64", "amd64", "amd64", ("manylinux2014_x86_64", "manylinux_2_17_x86_64"), 62),
        Architecture("aarch64", "arm64", "arm64", ("manylinux2014_aarch64", "manylinux_2_17_aarch64"), 183),
    )
}


def here() -> Architecture:
    """The architecture of this machine."""
    return ARCHITECTURES[platform.machine()]


def version() -> str:
    """The version of kedoctor, as the package itself says it."""
    text = (ROOT / "kedoctor" / "__init__.py").read_text(encoding="utf-8")
    return text.partition('__version__ = "')[2].partition('"')[0]


def epoch() -> int:
    """The time that every file is given: SOURCE_DATE_EPOCH, or that of the last commit."""
    named = os.environ.get("SOURCE_DATE_EPOCH", "")
    if named:
        return int(named)
    told = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=True)
    return int(told.stdout)
