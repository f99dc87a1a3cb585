"""Which keys of edgecore.yaml the edgecore of a host does not read, by its release (versions.md §3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from kedoctor.api import Text
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig
from kedoctor.checks.parsers.config.schema_violations import KeyPath, Violation, gone
from kedoctor.checks.parsers.releases import Release, key_lines, reads

__all__ = ["UnreadKeys", "unread_keys"]

_PROGRAM = "edgecore"


@dataclass(frozen=True, slots=True)
class UnreadKeys:
    """``certain`` in the order of the file; ``undecided``: keys of some releases, where the release is not known."""

    certain: tuple[Violation, ...]
    undecided: tuple[Violation, ...]


def unread_keys(config: EdgecoreConfig, release: Release | None) -> UnreadKeys:
    """What of the file is not read and ends nothing: keys unknown to all releases, and keys of other releases."""
    certain, undecided = [], []
    for violation in config.violations:
        if violation.fatal:
            continue
        by_release = violation.kind == "unknown-key" and _read(violation.path, release)
        if by_release is None:
            undecided.append(violation)
        elif by_release is False:
            certain.append(violation)
    certain += _of_other_releases(config, release)
    return UnreadKeys(tuple(sorted(certain, key=lambda one: one.line or 0)), tuple(undecided))


def _read(path: KeyPath, release: Release | None) -> bool | None:
    """Whether a key that the schema does not have is read all the same; keys of no release are not."""
    names = [str(part) for part in path]
    return reads(_PROGRAM, names, release) if key_lines(_PROGRAM, names) is not None else False


def _of_other_releases(config: EdgecoreConfig, release: Release | None) -> Iterator[Violation]:
    named = {violation.path for violation in config.violations}
    for path in _written(config.document.data, ()):
        names = [str(part) for part in path]
        bounds = key_lines(_PROGRAM, names)
        if path not in named and bounds is not None and reads(_PROGRAM, names, release) is False:
            violation = gone(path, _why(bounds, release))
            yield replace(violation, position=config.document.position(path))


def _why(bounds: Mapping[str, str], release: Release | None) -> Text:
    if "since" in bounds:
        return Text(
            f"KubeEdge has it from {bounds['since']} on, and this is {release}",
            zh=f"KubeEdge 从 {bounds['since']} 起才有该键，而此处为 {release}",
        )
    return Text(
        f"KubeEdge had it up to {bounds['until']}, and this is {release}",
        zh=f"KubeEdge 到 {bounds['until']} 为止才有该键，而此处为 {release}",
    )


def _written(tree: Mapping[Any, Any], path: KeyPath) -> Iterator[KeyPath]:
    """Every key that is written, topmost first; a key below one that is listed belongs to that one."""
    for name, value in tree.items():
        here = (*path, str(name))
        yield here
        if isinstance(value, dict) and key_lines(_PROGRAM, [str(part) for part in here]) is None:
            yield from _written(value, here)
