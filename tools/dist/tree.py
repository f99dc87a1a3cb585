"""The directory that is kedoctor with its own Python: runs where it lies, is packed, and is what the packages install."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
from pathlib import Path

import python_tree
import wheels
from elf import is_elf, machine_of
from settings import ROOT, Architecture, here

__all__ = ["made"]

# What kubectl calls decides how kedoctor names itself; -I: nothing of the caller's Python gets in.
_LAUNCHER = """#!/bin/sh
self=$(readlink -f -- "$0")
exec "${{self%/*}}/../python/bin/python3" -I -c 'import sys; sys.argv[0] = sys.argv.pop(1); from {module} import main; main()' {name} "$@"
"""
_PROGRAMS = {
    "kedoctor": "kedoctor.__main__",
    "kubectl-kedoctor": "kedoctor.__main__",
    "kubectl_complete-kedoctor": "kedoctor.completion.answer",
}
_DROPPED = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")


def made(target: Path, wheelhouse: Path, architecture: Architecture, python: Path | None) -> Path:
    """The directory for an architecture.

    Raises:
        ValueError: it is for another one than this machine's and no archive of a Python was named, or that archive is
            for another machine.
    """
    if python is not None:
        python_tree.from_archive(python, target / "python")
    elif architecture == here():
        python_tree.from_this(target / "python")
    else:
        raise ValueError(f"a Python for {architecture.name} is needed: --python ARCHIVE")
    (library,) = (target / "python" / "lib").glob(f"python{wheels.PYTHON}")
    packages = library / "site-packages"
    wheels.install(wheelhouse, packages, architecture)
    _lean(packages)
    _share(target)
    for name, module in _PROGRAMS.items():
        program = target / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(_LAUNCHER.format(module=module, name=name), encoding="utf-8")
        program.chmod(0o755)
    _compiled(target / "python" / "lib")
    wrong = [one for one in target.rglob("*") if is_elf(one) and machine_of(one) != architecture.machine]
    if wrong:
        raise ValueError(f"{wrong[0]} is not for {architecture.name}")
    return target


def _lean(packages: Path) -> None:
    shutil.rmtree(packages / "bin", ignore_errors=True)
    for path in [*packages.glob("*/tests"), *packages.glob("*/_vendor/tests")]:
        shutil.rmtree(path)
    for path in packages.glob("*.dist-info/*"):
        if path.name in _DROPPED:
            path.unlink()


def _share(target: Path) -> None:
    """Manual page, completions, units and documents, where packages put them below /usr."""
    scripts = ROOT / "kedoctor" / "completion" / "scripts"
    manual = (ROOT / "docs" / "man" / "kedoctor.1").read_bytes()
    files = {
        "share/man/man1/kedoctor.1.gz": gzip.compress(manual, mtime=0),
        "share/bash-completion/completions/kedoctor": (scripts / "bash").read_bytes(),
        "share/zsh/vendor-completions/_kedoctor": (scripts / "zsh").read_bytes(),
        "share/fish/vendor_completions.d/kedoctor.fish": (scripts / "fish").read_bytes(),
        **{f"share/doc/kedoctor/{name}": (ROOT / name).read_bytes() for name in ("LICENSE", "README.md", "CHANGELOG.md")},
    }
    for unit in sorted((ROOT / "docs" / "monitoring").glob("kedoctor-*.*")):
        files[f"share/systemd/{unit.name}"] = unit.read_bytes()
    for name, data in files.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _compiled(library: Path) -> None:
    """Byte code that neither depends on a time nor is ever written again."""
    for cache in [*library.rglob("__pycache__")]:
        shutil.rmtree(cache)
    subprocess.run(
        [sys.executable, "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash"]
        + ["-s", str(library), "-p", "/kedoctor", str(library)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
