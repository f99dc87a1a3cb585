"""A Python that runs wherever it is put: of an archive that somebody named, or the one that runs this, made relocatable.

An archive is laid out like those of python-build-standalone (``python/bin/python3``, ``python/lib/python3.11``), of the
kind *install_only*, and may be for another architecture. Of the running Python the program, its standard library and the
libraries beside glibc are copied, and told to look for each other where they lie.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

from elf import is_elf

__all__ = ["from_archive", "from_this"]

# What a command-line tool without windows, databases and a compiler does without.
_LEFT_OUT = {
    "__pycache__", "config-*", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "site-packages", "test", "tests",
    "tkinter", "turtledemo", "turtle.py", "sqlite3", "curses", "dbm", "venv", "distutils", "_sysconfigdata*",
    "_ctypes_test*", "_curses*", "_dbm*", "_gdbm*", "_sqlite3*", "_test*", "_tkinter*", "_xx*", "xx*", "nis*",
    "ossaudiodev*", "readline*", "_crypt*", "crypt*", "spwd*", "audioop*", "*.exe", "*.a",
}  # fmt: skip

# Parts of glibc: the host has its own, and must not get another.
_GLIBC = re.compile(r"(?:ld-linux|lib(?:c|m|dl|rt|util|pthread|resolv|nsl|crypt|anl|nss_\w+))[.-].*")
_LIBRARY = re.compile(r"^\s*(\S+) => (/\S+)", re.MULTILINE)


def from_archive(archive: Path, target: Path) -> None:
    """Unpacks the Python of an archive, without what is never used."""
    with tarfile.open(archive) as tar:
        members = [one for one in tar if one.name.startswith("python/") and not _left_out(Path(one.name))]
        tar.extractall(target.parent, members=members, filter="tar")
    (target.parent / "python").rename(target)
    program = target / "bin" / "python3"
    if program.is_symlink():  # the archive is told by its program, which has to be a file
        real = program.resolve()
        program.unlink()
        real.rename(program)


def from_this(target: Path) -> None:
    """Makes the Python that runs this relocatable."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    library = target / "lib" / version
    shutil.copytree(
        sysconfig.get_path("stdlib"), library, ignore=shutil.ignore_patterns(*_LEFT_OUT), symlinks=False
    )
    modules = Path(sysconfig.get_config_var("DESTSHARED"))
    if not (library / "lib-dynload").is_dir() and modules.is_dir():
        shutil.copytree(modules, library / "lib-dynload", ignore=shutil.ignore_patterns(*_LEFT_OUT))
    program = target / "bin" / "python3"
    program.parent.mkdir(parents=True)
    shutil.copy2(Path(sys.base_prefix, "bin", version), program)
    _bring_libraries(target, program, [*(library / "lib-dynload").glob("*.so")])


def _left_out(path: Path) -> bool:
    return any(one.match(pattern) for one in [path, *path.parents] for pattern in _LEFT_OUT)


def _bring_libraries(target: Path, program: Path, modules: list[Path]) -> None:
    """The libraries that they need, and for each file where it finds them."""
    for path in [program, *modules]:
        for name, place in _needed(path).items():
            copy = target / "lib" / name
            if not copy.exists():
                shutil.copy2(Path(place).resolve(), copy)
                copy.chmod(0o755)
    for path in target.rglob("*"):
        if is_elf(path):
            depth = len(path.relative_to(target).parts) - 1
            up = "/".join([".."] * depth)
            subprocess.run(["strip", "--strip-unneeded", path], check=False, capture_output=True)
            subprocess.run([_tool("patchelf"), "--set-rpath", f"$ORIGIN/{up}/lib", path], check=True)


def _needed(path: Path) -> dict[str, str]:
    told = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
    return {name: place for name, place in _LIBRARY.findall(told) if not _GLIBC.match(name)}


def _tool(name: str) -> str:
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if not found:
        raise FileNotFoundError(f"{name} is not installed: pip install 'kedoctor[dist]'")
    return found
