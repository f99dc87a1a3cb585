"""Which images and programs an offline site of a KubeEdge release is installed from (facts.md §9 (34), kubeprepare.md §1)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from string import Template
from typing import Any

from kedoctor.api import NeededImage, NeededProgram, Text, VersionSet, patterns
from kedoctor.api.yaml import load

__all__ = [
    "ARCHITECTURES",
    "SIDES",
    "known_releases",
    "newest",
    "version_set",
]

ARCHITECTURES = ("amd64", "arm64")
"""The machines that KubeEdge is released for and an offline bundle is made for, as Go names them."""

SIDES = ("cloud", "edge")

_RELEASE = patterns.compiled(r"v?(\d+\.\d+)(\.\d+)?")


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
        release=versions["KUBEEDGE_VERSION"],
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
