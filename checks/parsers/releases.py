"""What KubeEdge releases do, read from one table (versions.md): support, vulnerabilities, behaviour, configuration keys.

A release that the table does not know (a development build, a line newer than it) is never guessed: the answer is
``None``, and whoever asks says *not known*.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from importlib import resources
from typing import Any

from kedoctor.api import decode_yaml, patterns

__all__ = [
    "Line",
    "Release",
    "Trait",
    "fixed_releases",
    "has",
    "key_lines",
    "line_of",
    "newest_line",
    "parse",
    "reads",
]

_RELEASE = patterns.compiled(r"v?(\d{1,4})\.(\d{1,4})\.(\d{1,4})", patterns.ASCII)


class Trait(StrEnum):
    """What some releases do and others do not; the table says what each means and which have it."""

    EXTERNAL_MANAGER = "external-manager"
    MOVING_TUNNEL_PORT = "moving-tunnel-port"
    MANAGER_FRAMEWORK = "manager-framework"
    MANAGER_READS_PODS = "manager-reads-pods"
    DEFAULT_ROUTE_FIRST = "default-route-first"
    COMMON_NAME_CHECKED = "common-name-checked"
    CGROUP_DRIVER_FROM_CRI = "cgroup-driver-from-cri"
    TOKEN_NOT_SAVED = "token-not-saved"  # noqa: S105  no password
    CONFIG_UPDATE_JOBS = "config-update-jobs"
    DEVICE_STATUSES = "device-statuses"
    DEVICE_STATUSES_FORBIDDEN = "device-statuses-forbidden"
    KUBE_PROXY_TOLERATED = "kube-proxy-tolerated"
    OWN_ADDRESS_ALWAYS_NEEDED = "own-address-always-needed"


@dataclass(frozen=True, slots=True, order=True)
class Release:
    """A release by its three numbers; ``str()`` is the tag (``v1.22.0``)."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"v{self.major}.{self.minor}.{self.patch}"

    @property
    def line(self) -> str:
        """The release line: ``1.22``."""
        return f"{self.major}.{self.minor}"


@dataclass(frozen=True, slots=True)
class Line:
    """A release line: the Kubernetes minor versions (of 1) it was ``tested`` with and ``works`` with, oldest and newest.

    ``fixed`` is its first release without the vulnerabilities of 2026 (versions.md §1.1); ``None``: there is none.
    """

    name: str
    newest: Release
    tested: tuple[int, int]
    works: tuple[int, int]
    fixed: Release | None


@lru_cache(maxsize=1024)
def parse(text: str) -> Release | None:
    """``v1.22.0`` or ``1.22.0`` as a release; ``None`` for anything else, such as a development build."""
    found = _RELEASE.fullmatch(text.strip())
    return Release(int(found[1]), int(found[2]), int(found[3])) if found else None


def line_of(release: Release) -> Line | None:
    """The line of a release; ``None`` where the table has none."""
    return _lines().get(release.line)


def newest_line() -> Line:
    """The newest line that the table knows."""
    return max(_lines().values(), key=lambda line: line.newest)


def fixed_releases() -> tuple[Release, ...]:
    """The first release of each line without the known vulnerabilities, oldest first."""
    return tuple(sorted(line.fixed for line in _lines().values() if line.fixed is not None))


def has(release: Release | None, trait: Trait) -> bool | None:
    """Whether a release has the trait; ``None`` if the release is not known to the table."""
    if release is None or line_of(release) is None:
        return None
    entry = _table()["traits"][trait.value]
    if "only" in entry:
        return str(release) in entry["only"]
    since = [found for text in entry["since"] if (found := parse(text)) is not None]
    same = [one for one in since if one.line == release.line]
    return release >= same[0] if same else release > max(since)


def reads(program: str, path: Sequence[str] | str, release: Release | None) -> bool | None:
    """Whether ``program`` of that release reads the key; ``None`` if the table says nothing of key or release.

    A key is read if it, or a section above it, is listed for that line; names match without regard to case.
    """
    bounds = _bounds(program, path)
    if bounds is None or release is None or line_of(release) is None:
        return None
    since, until = (_line_number(bounds[name]) if name in bounds else None for name in ("since", "until"))
    here = (release.major, release.minor)
    return (since is None or here >= since) and (until is None or here <= until)


def key_lines(program: str, path: Sequence[str] | str) -> Mapping[str, str] | None:
    """``{"since": "1.23"}`` or ``{"until": "1.17"}`` of a key; ``None`` for keys that all lines read or none."""
    return _bounds(program, path)


def _bounds(program: str, path: Sequence[str] | str) -> Mapping[str, str] | None:
    parts = path.lower().split(".") if isinstance(path, str) else [part.lower() for part in path]
    keys = _keys(program)
    return next(
        (keys[found] for end in range(len(parts), 0, -1) if (found := ".".join(parts[:end])) in keys), None
    )


def _line_number(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    return int(major), int(minor)


@cache
def _table() -> Mapping[str, Any]:
    found: dict[str, Any] = decode_yaml(
        (resources.files("kedoctor.checks.parsers") / "releases.yaml").read_bytes()
    )
    return found


@cache
def _keys(program: str) -> Mapping[str, Mapping[str, str]]:
    return {path.lower(): bounds for path, bounds in _table()["keys"][program].items()}


@cache
def _lines() -> Mapping[str, Line]:
    return {one["line"]: _line(one) for one in _table()["lines"]}


def _line(data: Mapping[str, Any]) -> Line:
    newest = parse(data["newest"])
    if newest is None:
        raise ValueError(f"releases.yaml: {data['newest']!r} is no release")
    tested, works = ((int(bounds[0]), int(bounds[1])) for bounds in (data["tested"], data["works"]))
    return Line(data["line"], newest, tested, works, parse(data.get("fixed", "")))
