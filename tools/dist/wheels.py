"""Wheel, source archive, and the wheelhouses from which pip installs without a network."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from archives import gzipped, tar_of
from settings import ROOT, Architecture, epoch

__all__ = ["PYTHON", "built_wheel", "source_archive", "wheelhouse"]

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
"""The wheelhouses are for the Python that builds them."""

_PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


def tracked(target: Path) -> Path:
    """The files that git knows, as a clean checkout has them: nothing that lies about gets into an archive."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, listing.decode().split("\0")):
        source, copy = ROOT / name, target / name
        if not source.exists() and not source.is_symlink():
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink():
            copy.symlink_to(os.readlink(source))
        else:
            copy.write_bytes(source.read_bytes())
            copy.chmod(0o755 if os.access(source, os.X_OK) else 0o644)
    return target


def built_wheel(out: Path) -> Path:
    """kedoctor's own wheel."""
    with tempfile.TemporaryDirectory() as scratch:
        tree = tracked(Path(scratch, "kedoctor"))
        _pip("wheel", "--no-deps", "--wheel-dir", str(out), str(tree))
    (wheel,) = out.glob("kedoctor-*.whl")
    return wheel


def source_archive(out: Path, wheel: Path, version: str) -> Path:
    """The source archive (PEP 625): what git knows, and the metadata of the wheel as PKG-INFO."""
    target = out / f"kedoctor-{version}.tar.gz"
    with zipfile.ZipFile(wheel) as opened:
        metadata = opened.read(f"kedoctor-{version}.dist-info/METADATA")
    with tempfile.TemporaryDirectory() as scratch:
        tree = tracked(Path(scratch, "kedoctor"))
        (tree / "PKG-INFO").write_bytes(metadata)
        target.write_bytes(gzipped(tar_of(tree, f"kedoctor-{version}", epoch())))
    return target


def wheelhouse(wheel: Path, target: Path, architecture: Architecture) -> Path:
    """A folder with kedoctor's wheel and those of what it needs, for one architecture and :data:`PYTHON`."""
    platforms = [word for one in architecture.platforms for word in ("--platform", one)]
    _pip(
        "download",
        *("--dest", str(target), "--only-binary", ":all:", "--python-version", PYTHON, "--implementation", "cp"),
        *platforms,
        *("--constraint", str(ROOT / "constraints.txt"), str(wheel)),
    )
    return target


def install(wheels: Path, target: Path, architecture: Architecture) -> None:
    """Installs kedoctor from a wheelhouse into a folder of packages; asks no registry."""
    platforms = [word for one in architecture.platforms for word in ("--platform", one)]
    _pip(
        "install",
        *("--no-index", "--find-links", str(wheels), "--target", str(target), "--no-compile"),
        *("--only-binary", ":all:", "--python-version", PYTHON, "--implementation", "cp"),
        *platforms,
        "kedoctor",
    )


def _pip(*words: str) -> None:
    subprocess.run([*_PIP, *words], check=True, env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch())})
