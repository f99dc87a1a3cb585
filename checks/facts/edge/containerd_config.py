"""containerd's configuration file and what it imports, as one tree (containerd: cmd/containerd/server/config/config.go).

Imported files are read after the file that names them and win over it. What happens to a plugin that two files
configure depends on the release: up to 1.7 the whole section is replaced, from 2.0 on the keys are merged. Both trees
are made; a caller that finds them to say different things does not know which of them counts.
"""

from __future__ import annotations

import posixpath
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kedoctor.api import Files, Host, Processes, Reason, Unavailable

__all__ = ["CONTAINERD_CONFIG", "ContainerdFile", "config_path", "read_containerd"]

CONTAINERD_CONFIG = "/etc/containerd/config.toml"
_MOST_FILES = 20


@dataclass(frozen=True, slots=True)
class ContainerdFile:
    """The tree by 1.x and by 2.x (mostly equal), and every file that was read, the main one first; empty without any."""

    path: str
    replaced: Mapping[str, Any]
    merged: Mapping[str, Any]
    files: tuple[str, ...]


def config_path(table: Processes | Unavailable) -> str:
    """What containerd's ``--config`` names, or its default."""
    for process in () if isinstance(table, Unavailable) else table.items:
        if process.name != "containerd":
            continue
        words = process.argv
        for place, word in enumerate(words[1:], start=1):
            name, equals, value = word.partition("=")
            if name in ("--config", "-config", "-c"):
                return value if equals else next(iter(words[place + 1 : place + 2]), CONTAINERD_CONFIG)
    return CONTAINERD_CONFIG


def read_containerd(host: Host, path: str) -> ContainerdFile | Unavailable:
    """The file and its imports; unavailable if one of them cannot be read or understood."""
    pending, seen = [path], list[str]()
    replaced: dict[str, Any] = {}
    merged: dict[str, Any] = {}
    while pending:
        place = pending.pop(0)
        if place in seen:
            continue
        if len(seen) >= _MOST_FILES:
            return Unavailable(Reason.TOO_LARGE, path, f"it imports more than {_MOST_FILES} files")
        file = host.read(place)
        if isinstance(file, Unavailable):
            return file if seen or file.reason is not Reason.ABSENT else ContainerdFile(path, {}, {}, ())
        try:
            tree = tomllib.loads(file.text())
        except tomllib.TOMLDecodeError as error:
            return Unavailable(Reason.INVALID, place, str(error))
        seen.append(place)
        replaced = {**_over(replaced, tree), "plugins": {**_plugins(replaced), **_plugins(tree)}}
        merged = _over(merged, tree)
        imports = _imports(host, place, tree)
        if isinstance(imports, Unavailable):
            return imports
        pending += imports
    return ContainerdFile(path, replaced, merged, tuple(seen))


def _plugins(tree: Mapping[str, Any]) -> Mapping[str, Any]:
    found = tree.get("plugins")
    return found if isinstance(found, dict) else {}


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Maps merged by keys; lists grow by what they lack, other values are replaced."""
    found = dict(below)
    for key, value in above.items():
        old = found.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            found[key] = _over(old, value)
        elif isinstance(old, list) and isinstance(value, list):
            found[key] = [*old, *(one for one in value if one not in old)]
        else:
            found[key] = value
    return found


def _imports(host: Host, parent: str, tree: Mapping[str, Any]) -> list[str] | Unavailable:
    named = tree.get("imports")
    paths: list[str] = []
    for one in named if isinstance(named, list) else []:
        place = posixpath.normpath(posixpath.join(posixpath.dirname(parent), str(one)))
        if "*" not in place:
            paths.append(place)
            continue
        found = host.find(place)
        if isinstance(found, Files):
            paths += [entry.path for entry in found.entries]
        elif found.reason is not Reason.ABSENT:
            return found
    return paths
