"""Which images and programs an offline site of a KubeEdge release is installed from (facts.md §9 (34), kubeprepare.md §1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from string import Template
from typing import Any

from kedoctor.api import Text
from kedoctor.yaml.document import load

__all__ = [
    "ARCHITECTURES",
    "SIDES",
    "NeededImage",
    "NeededProgram",
    "VersionSet",
    "known_releases",
    "newest",
    "version_set",
]

ARCHITECTURES = ("amd64", "arm64")
"""The machines that KubeEdge is released for and an offline bundle is made for, as Go names them."""

SIDES = ("cloud", "edge")

_RELEASE = re.compile(r"v?(\d+\.\d+)(\.\d+)?")


@dataclass(frozen=True, slots=True)
class NeededImage:
    """An image: its reference in full, as it is written with the names of versions in it, and who needs it why."""

    reference: str
    template: str
    sides: tuple[str, ...]
    mandatory: bool
    role: str
    why: Text


@dataclass(frozen=True, slots=True)
class NeededProgram:
    """A program or CNI plugin (``plugin``); ``version`` as releases write it, ``variable`` its name."""

    name: str
    version: str
    variable: str
    sides: tuple[str, ...]
    mandatory: bool
    plugin: bool
    why: Text


@dataclass(frozen=True, slots=True)
class VersionSet:
    """Everything that belongs to one KubeEdge release; ``versions`` by the name of their variable."""

    kubeedge: str
    versions: Mapping[str, str]
    images: tuple[NeededImage, ...]
    programs: tuple[NeededProgram, ...]

    def of(self, side: str | None) -> tuple[tuple[NeededImage, ...], tuple[NeededProgram, ...]]:
        """The images and programs of one side, or of both (``None``)."""
        return (
            tuple(one for one in self.images if side is None or side in one.sides),
            tuple(one for one in self.programs if side is None or side in one.sides),
        )

    def image(self, role: str, side: str) -> NeededImage:
        """The image of that role on that side."""
        return next(one for one in self.images if one.role == role and side in one.sides)


def newest() -> VersionSet:
    """The set of the newest release that is known."""
    return _made(_sets()[-1], "")


def version_set(kubeedge: str) -> VersionSet | None:
    """The set of a release (``v1.22.1``, ``1.22.1`` or ``1.22``); ``None`` when there is none for it."""
    found = _RELEASE.fullmatch(kubeedge)
    if found is None:
        return None
    data = next((one for one in _sets() if one["kubeedge"] == found[1]), None)
    release = f"v{kubeedge.removeprefix('v')}" if found[2] else ""
    return None if data is None else _made(data, release)


@cache
def _sets() -> list[dict[str, Any]]:
    source = resources.files("kedoctor.checks.parsers") / "release_contents.yaml"
    return list(load(source.read_bytes()).data["sets"])


def known_releases() -> str:
    """The releases that there are sets for, to be shown."""
    return ", ".join(f"{one['kubeedge']}.x" for one in _sets())


def _made(data: Mapping[str, Any], release: str) -> VersionSet:
    versions = {name: str(value) for name, value in data["versions"].items()}
    if release:
        versions["KUBEEDGE_VERSION"] = release
    programs = [(one, False) for one in data["binaries"]] + [(one, True) for one in data["cni_plugins"]]
    return VersionSet(
        kubeedge=versions["KUBEEDGE_VERSION"],
        versions=versions,
        images=tuple(_image(one, versions) for one in data["images"]),
        programs=tuple(_program(one, versions, plugin=plugin) for one, plugin in programs),
    )


def _image(data: Mapping[str, Any], versions: Mapping[str, str]) -> NeededImage:
    template = str(data["image"])
    return NeededImage(
        reference=Template(template).substitute(versions),
        template=template,
        sides=tuple(data["sides"]),
        mandatory=bool(data.get("mandatory", True)),
        role=str(data["role"]),
        why=Text(data["en"], zh=data["zh"]),
    )


def _program(data: Mapping[str, Any], versions: Mapping[str, str], *, plugin: bool) -> NeededProgram:
    return NeededProgram(
        name=str(data["name"]),
        version=versions[data["version"]],
        variable=str(data["version"]),
        sides=tuple(data["sides"]),
        mandatory=bool(data.get("mandatory", True)),
        plugin=plugin,
        why=Text(data["en"], zh=data["zh"]),
    )
