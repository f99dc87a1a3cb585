"""Builds everything by which kedoctor gets onto a host (``make dist``; docs/getting-kedoctor.md).

    python tools/dist/make.py [--out DIR] [--arch NAME]... [--python ARCHIVE]... [--address URL]

Of an architecture other than this machine's the directory, deb and rpm need a Python: ``--python`` names an archive of
one (python-build-standalone, *install_only*). SOURCE_DATE_EPOCH fixes every time in the files.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import archives
import lists
import oci
import packages
import tree
import wheels
from elf import glibc_needed
from settings import ARCHITECTURES, Architecture, epoch, here, version

__all__ = ["build", "main"]


def main(words: Sequence[str]) -> int:
    """Builds what the words ask for, and prints the name of each file."""
    parser = argparse.ArgumentParser(description="Builds everything by which kedoctor gets onto a host.")
    parser.add_argument("--out", type=Path, default=Path("dist"), help="a directory; it is emptied first")
    parser.add_argument("--arch", action="append", choices=sorted(ARCHITECTURES), help="default: both")
    parser.add_argument("--python", action="append", type=Path, default=[], help="the archive of a Python")
    parser.add_argument("--address", default=lists.ADDRESS, help="where the files will be published")
    told = parser.parse_args(words)
    build(
        told.out.absolute(),
        [ARCHITECTURES[one] for one in told.arch or sorted(ARCHITECTURES, reverse=True)],
        {_architecture(path): path for path in told.python},
        told.address,
    )
    for path in sorted(told.out.rglob("*")):
        if path.is_file() and path.suffix != ".whl":
            sys.stdout.write(f"{path.stat().st_size / 1e6:8.1f} MB  {path}\n")
    return 0


def build(
    out: Path, wanted: Sequence[Architecture], pythons: dict[Architecture, Path], address: str
) -> dict[Architecture, Path]:
    """Everything, in a directory; the archives by architecture, where one could be made."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    number, made = version(), {}
    wheel = wheels.built_wheel(out)
    wheels.source_archive(out, wheel, number)
    for one in wanted:
        house = wheels.wheelhouse(wheel, out / f"wheels-{one.name}-py{wheels.PYTHON}", one)
        archives.packed(house, house.with_suffix(house.suffix + ".tar.gz"), house.name, epoch())
        if one == here() or one in pythons:
            made[one] = _directory(out, house, one, pythons.get(one), number)
        else:
            sys.stderr.write(f"no directory, deb and rpm for {one.name}: name a Python for it with --python\n")
        shutil.rmtree(house)
    if made:
        (out / "kedoctor.krew.yaml").write_text(lists.krew_manifest(made, number, address), encoding="utf-8")
    (out / "SHA256SUMS").write_text(lists.checksums(out), encoding="utf-8")
    return made


def _directory(out: Path, house: Path, one: Architecture, python: Path | None, number: str) -> Path:
    with tempfile.TemporaryDirectory() as scratch:
        folder = tree.made(Path(scratch, f"kedoctor-{number}"), house, one, python)
        glibc = glibc_needed(folder)
        name = f"kedoctor-{number}-linux-{one.name}"
        packed = archives.packed(folder, out / f"{name}-glibc{glibc}.tar.gz", folder.name, epoch())
        for kind in packages.FORMATS:
            arch = one.debian if kind == "deb" else one.name
            target = out / f"kedoctor-{number}-{arch}-glibc{glibc}.{kind}"
            packages.made(folder, target, kind, one, version=number, glibc=glibc)
        if one == here():
            oci.made(folder, out / f"{name}.oci.tar", one, number)
        bill = lists.materials(folder, number, wheels.PYTHON)
        (out / f"{name}.cdx.json").write_text(bill, encoding="utf-8")
    return packed


def _architecture(python: Path) -> Architecture:
    for one in ARCHITECTURES.values():
        if one.name in python.name:
            return one
    raise SystemExit(f"{python}: its name does not say for which machine it is ({', '.join(ARCHITECTURES)})")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
