"""Documents whose keys are known: what stands under any other key may be anything, so it is not shown.

Rules name the keys by their paths (``modules.edgeHub.heartbeat``), in any case; what is below the last part of a path is
known with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

__all__ = ["Known", "consumed", "known_names", "known_tree", "step"]

Known = dict[str, Any]
"""Key names in lower case; below each the known names, or nothing where all that is below is known."""


def known_tree(paths: Iterable[str]) -> Known:
    """The paths as a tree."""
    return _tree(tuple(paths))


@cache
def _tree(paths: tuple[str, ...]) -> Known:
    root: Known = {}
    for path in paths:
        at = root
        for part in path.lower().split("."):
            at = at.setdefault(part, {})
    return root


def known_names(paths: Iterable[str]) -> frozenset[str]:
    """Every name in the paths, for a few lines of a document of which nobody sees where they stood."""
    return _names(tuple(paths))


@cache
def _names(paths: tuple[str, ...]) -> frozenset[str]:
    return frozenset(part for path in paths for part in path.lower().split("."))


def step(known: Known | None, name: str) -> tuple[bool, Known | None]:
    """Whether a key is known where one stands, and what is known below it (``None``: everything)."""
    if not known:
        return True, None
    below = known.get(name.lower())
    return (False, None) if below is None else (True, below or None)


def consumed(path: tuple[str, ...], key: str) -> list[int]:
    """How many parts of a path one key takes; keys may contain dots, and ``*`` stands for any one key."""
    if path and path[0] == "*":
        return [1]
    return [n for n in range(1, len(path) + 1) if ".".join(path[:n]) == key]
