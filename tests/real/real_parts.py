"""The real Kubernetes parts of the lab: which there are, where their binaries lie, and how they are built.

Each folder beside this file with a ``go.mod`` is one set: its ``tool`` lines name what is built, its ``require`` lines pin
the version. The binaries go into a cache outside the tree, into a folder named for the set and the checksum of what
they are built from, so that each set is built once. ``make real`` runs this file.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CACHE", "EDGE_KUBELET", "SETS", "Missing", "PartSet", "binary", "missing"]

EDGE_KUBELET = "kubelet-of-an-edge"
HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("KEDOCTOR_LAB_CACHE", "/var/cache/kedoctor-lab")) / "real"
_TOOLS = re.compile(r"^tool\s*\((.*?)^\)|^tool\s+(\S+)$", re.MULTILINE | re.DOTALL)


class Missing(Exception):  # noqa: N818  it is a reason to skip, not a fault
    """A binary that is not in the cache; says how to get it."""


@dataclass(frozen=True, slots=True)
class PartSet:
    """Programs that one Go module builds together; ``flags`` go to the linker, with the three parts of the version.

    ``variants`` are programs more: a name, the import path, and a flag of its own.
    """

    name: str
    module: str
    flags: tuple[str, ...] = ()
    variants: tuple[tuple[str, str, str], ...] = ()

    @property
    def folder(self) -> Path:
        """Where its ``go.mod`` lies."""
        return HERE / self.name

    @property
    def version(self) -> str:
        """The pinned version of its main module."""
        found = re.search(
            rf"^\s*(?:require )?{re.escape(self.module)} (v\S+)", self._text("go.mod"), re.MULTILINE
        )
        if found is None:
            raise ValueError(f"{self.folder}/go.mod does not require {self.module}")
        return found[1]

    @property
    def packages(self) -> list[str]:
        """The import paths of its programs."""
        found = _TOOLS.search(self._text("go.mod"))
        if found is None:
            raise ValueError(f"{self.folder}/go.mod has no tool line")
        return (found[1] or found[2]).split()

    @property
    def linker(self) -> tuple[str, ...]:
        """What the linker is told."""
        return tuple(map(self._filled, self.flags))

    @property
    def programs(self) -> list[tuple[str, str, str]]:
        """What is built: a name, the import path, and a flag of its own."""
        plain = [(_name(package), package, "") for package in self.packages]
        return plain + [(name, package, self._filled(flag)) for name, package, flag in self.variants]

    def _filled(self, flag: str) -> str:
        return flag.format(*self.version.removeprefix("v").split("."))

    @property
    def place(self) -> Path:
        """Where its binaries lie once built."""
        text = (
            self._text("go.mod")
            + self._text("go.sum")
            + " ".join(self.linker)
            + (str(self.variants) if self.variants else "")
        )
        return CACHE / f"{self.name}-{self.version}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    @property
    def stamp(self) -> Path:
        """Written last: how it was built."""
        return self.place / "built.json"

    def _text(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8")


_COMPONENT = "-X k8s.io/component-base/version"
# The servers report their version only if the linker is told it.
SETS = (
    PartSet("etcd", "go.etcd.io/etcd/server/v3"),
    PartSet(
        "kubernetes",
        "k8s.io/kubernetes",
        (
            f"{_COMPONENT}.gitVersion=v{{0}}.{{1}}.{{2}}",
            f"{_COMPONENT}.gitMajor={{0}}",
            f"{_COMPONENT}.gitMinor={{1}}",
            f"{_COMPONENT}.gitTreeState=clean",
        ),
        # What edgecore says of itself in the Node; by that kedoctor knows an edge.
        (
            (
                EDGE_KUBELET,
                "k8s.io/kubernetes/cmd/kubelet",
                f"{_COMPONENT}.gitVersion=v{{0}}.{{1}}.{{2}}-kubeedge-v1.22.2",
            ),
        ),
    ),
    PartSet(
        "metrics-server",
        "sigs.k8s.io/metrics-server",
        ("-X k8s.io/client-go/pkg/version.gitVersion=v{0}.{1}.{2}",),
    ),
)
_NAMES = {"v3": "etcd"}  # Go names a program after the last part of its path


def _name(package: str) -> str:
    last = package.rpartition("/")[2]
    return _NAMES.get(last, last)


def missing(*names: str) -> str:
    """Why the real parts of these sets (all if none is named) cannot be used here; empty if they are there."""
    lacking = [one for one in SETS if (not names or one.name in names) and not one.stamp.is_file()]
    if not lacking:
        return ""
    wanted = ", ".join(f"{one.name} {one.version}" for one in lacking)
    if shutil.which("go") is None:
        return f"{wanted}: not built, and there is no Go here to build it"
    return f"{wanted}: not built yet; `make real` builds it (10 to 30 minutes, once)"


def binary(name: str) -> Path:
    """The path of a program.

    Raises:
        Missing: It is not in the cache.
    """
    for one in SETS:
        if name in {program for program, _, _ in one.programs}:
            if one.stamp.is_file():
                return one.place / name
            raise Missing(missing())
    raise KeyError(name)


def build(one: PartSet) -> float:
    """Builds a set unless it is there; gives the seconds that it took."""
    if one.stamp.is_file():
        return 0.0
    started = time.monotonic()
    making = one.place.with_name(f"{one.place.name}.making-{os.getpid()}")
    making.mkdir(parents=True)
    environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off", "GOTOOLCHAIN": "local"}
    try:
        for name, package, flag in one.programs:
            argv = ["go", "build", "-mod=readonly", "-trimpath", "-buildvcs=false"]
            argv += ["-ldflags", " ".join(("-s", "-w", *one.linker, flag)), "-o", str(making / name), package]
            subprocess.run(argv, cwd=one.folder, env=environment, check=True)
        seconds = time.monotonic() - started
        go = subprocess.run(["go", "version"], capture_output=True, text=True, check=True).stdout.strip()
        told = {"version": one.version, "seconds": round(seconds), "go": go}
        (making / one.stamp.name).write_text(json.dumps(told), encoding="utf-8")
        shutil.rmtree(one.place, ignore_errors=True)  # what an interrupted move left
        making.rename(one.place)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return seconds


def main() -> int:
    """Builds everything that is not in the cache yet, and says how long it took."""
    if shutil.which("go") is None:
        print("no Go here: the tests with real Kubernetes parts will be skipped")
        return 0
    for one in SETS:
        print(f"{one.name} {one.version}: ", end="", flush=True)
        seconds = build(one)
        print(f"built in {seconds:.0f} s: {one.place}" if seconds else f"already in {one.place}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
