"""Filling an offline bundle: files are put in whole or not at all, and what is there already is left as it is."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from kedoctor import __version__, patterns
from kedoctor.base.atomic_files import DRAFTS, draft, replace_file
from kedoctor.base.directories import held
from kedoctor.base.errors import OutputError, UsageError
from kedoctor.base.input_files import open_plain
from kedoctor.base.records import Record, encode_pretty, replace
from kedoctor.model.offline_bundle import BundledFile, BundledKind, OfflineBundle, OfflineProblem
from kedoctor.offline.checksums import CONTENTS
from kedoctor.offline.reading import read_offline_bundle
from kedoctor.yaml.render import Layout, pair

__all__ = ["SUMS", "Made", "crd_files", "fill", "manifest_text", "missing_wheels", "seal", "wheel_files"]

SUMS = "SHA256SUMS"
_CHUNK = 1 << 20
_CRD = patterns.compiled(r"^kind:\s*[\"']?CustomResourceDefinition\b", patterns.MULTILINE)
_MOST_CRD = 16 << 20
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True, slots=True)
class Made:
    """What was done: paths that were written (relative), the bundle as it is now, and what an older list of it denied."""

    written: tuple[str, ...]
    bundle: OfflineBundle
    changed: tuple[OfflineProblem, ...]


class _Contents(Record, frozen=True):
    """``offline-bundle.json``."""

    kind: str
    made_by: str
    release: str
    sides: tuple[str, ...]
    architecture: str
    files: tuple[BundledFile, ...]


def fill(root: Path, files: Mapping[str, bytes], copies: Mapping[str, Path]) -> list[str]:
    """Puts ``files`` (by relative path) and copies of other files into the directory; gives the paths that it wrote.

    Raises:
        OutputError: the directory or the disk does not take them.
        UsageError: ``root`` is there and no directory.
    """
    if root.exists() and not root.is_dir():
        raise UsageError(f"{root} is not a directory", hint="name the directory of the offline bundle")
    written = []
    try:
        root.mkdir(parents=True, exist_ok=True)
        for half in root.rglob(f"{DRAFTS}*"):  # of a run that was killed
            half.unlink()
        for path, data in files.items():
            if _put(root / path, data):
                written.append(path)
        for path, source in copies.items():
            if _copy(source, root / path):
                written.append(path)
    except OSError as error:
        raise OutputError(f"{root} could not be filled: {error.strerror or error}") from error
    return written


def seal(root: Path, *, release: str, sides: tuple[str, ...], architecture: str) -> Made:
    """Reads everything and writes the two lists of it, ``offline-bundle.json`` and ``SHA256SUMS``.

    Raises: as :func:`fill`, and as :func:`~kedoctor.offline.reading.read_offline_bundle`.
    """
    found = read_offline_bundle(root)
    changed = tuple(one for one in found.problems if one.detail in (CONTENTS, SUMS))
    files = tuple(one for one in found.files if one.path not in (CONTENTS, SUMS))
    contents = encode_pretty(
        _Contents("offline-bundle", f"kedoctor {__version__}", release, sides, architecture, files)
    )
    written = fill(root, {CONTENTS: contents}, {})
    itself = BundledFile(CONTENTS, len(contents), BundledKind.CONTENTS, hashlib.sha256(contents).hexdigest())
    listed = sorted((*files, itself), key=lambda one: one.path)
    lines = "".join(f"{one.sha256}  {one.path}\n" for one in listed)
    written += fill(root, {SUMS: lines.encode()}, {})
    problems = tuple(one for one in found.problems if one not in changed)
    return Made(tuple(written), replace(found, files=tuple(listed), problems=problems), changed)


def manifest_text(head: str, objects: Iterable[Mapping[str, Any]]) -> bytes:
    """Objects as YAML, one document each, below a comment."""
    documents = ["".join(pair(key, value, 0, Layout()) for key, value in one.items()) for one in objects]
    return "---\n".join([head, *documents]).encode()


def crd_files(directory: Path) -> dict[str, Path]:
    """The files of a directory that hold definitions of custom resources, by their path in the bundle.

    Raises:
        UsageError: there is none, or one of its YAML files is something else.
    """
    found = sorted(
        path for path in directory.iterdir() if path.suffix in (".yaml", ".yml") and path.is_file()
    )
    for path in found:
        with path.open("rb") as file:
            text = file.read(_MOST_CRD).decode("utf-8", "replace")
        if not _CRD.search(text):
            raise UsageError(
                f"{path} holds no CustomResourceDefinition", hint="name a directory of CRDs only"
            )
    if not found:
        raise UsageError(f"{directory} holds no YAML file", hint="name a directory of CRDs")
    return {f"crds/{path.name}": path for path in found}


def wheel_files(directory: Path) -> dict[str, Path]:
    """The wheels of a directory, by their path in the bundle.

    Raises:
        UsageError: there is none.
    """
    found = sorted(directory.glob("*.whl"))
    if not found:
        raise UsageError(f"{directory} holds no wheel", hint=f"pip download kedoctor --dest {directory}")
    return {f"wheels/{path.name}": path for path in found}


def missing_wheels(names: Iterable[str], architecture: str) -> list[str]:
    """Which of the distributions that kedoctor needs are not among wheels of these file names, for that machine."""
    held = {_distribution(name) for name in names if _fits(name, architecture)}
    return sorted(needed for needed in _needed() if needed not in held)


# ------------------------------------------------------------------------------------------------- inside


def _needed() -> set[str]:
    """Kedoctor and all that it needs here, by normal name; what is not installed here is not needed."""
    found: set[str] = set()
    waiting = ["kedoctor"]
    while waiting:
        name = _normal(waiting.pop())
        if name in found:
            continue
        try:
            requirements = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        found.add(name)
        waiting += [one for one in map(_name, requirements) if one]
    return found


def _name(requirement: str) -> str:
    """The distribution of a requirement; empty when it is one of an extra."""
    named = patterns.compiled(r"[A-Za-z0-9._-]+").match(requirement)
    return named[0] if named and "extra ==" not in requirement.partition(";")[2] else ""


def _normal(name: str) -> str:
    return patterns.compiled(r"[-_.]+").sub("-", name).lower()


def _distribution(wheel: str) -> str:
    return _normal(wheel.partition("-")[0])


def _fits(wheel: str, architecture: str) -> bool:
    platform = wheel.removesuffix(".whl").rpartition("-")[2]
    return platform == "any" or _MACHINES.get(architecture, architecture) in platform


def _put(place: Path, data: bytes) -> bool:
    """Writes a small file unless it is so already; tells whether it did."""
    if place.is_file() and place.stat().st_size == len(data) and place.read_bytes() == data:
        return False
    replace_file(place, data, mode=0o644, alone=False, make=True)
    return True


def _copy(source: Path, place: Path) -> bool:
    """Copies a file of any size unless it is there already; tells whether it did."""
    if place.is_file() and place.samefile(source):
        return False
    if place.is_file() and _sum(place) == _sum(source):
        return False
    with (
        open_plain(source) as read,
        held(place, make=True, follow=False) as held_place,
        draft(held_place) as new,
    ):
        shutil.copyfileobj(read, new.file, _CHUNK)
        new.commit(mode=0o644)
    return True


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
