"""What is looked up at each TAB: codes by their pages, kept runs by their files, edge nodes of the last run."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from kedoctor.base.state_places import plugin_directories, state_directory

__all__ = ["codes", "nodes", "repairs", "runs"]

_LARGEST = 16 << 20
"""Bytes: a larger report takes longer to read than anybody waits for TAB."""


def codes() -> Iterator[tuple[str, str]]:
    """Each code that has a page, with the page's heading."""
    package = Path(__file__).parents[1]
    for folder in [*(one for one in package.iterdir() if one.is_dir()), *plugin_directories()]:
        for page in sorted(folder.glob("**/pages/en/*.md")):
            yield page.stem, _heading(page).removeprefix(f"# {page.stem}").strip()


def runs() -> Iterator[tuple[str, str]]:
    """The runs that are kept, newest first."""
    yield from ((path.stem, "") for path in _reports())


def repairs() -> Iterator[tuple[str, str]]:
    """The entries of the journal, newest first."""
    with contextlib.suppress(OSError):
        for entry in sorted((state_directory() / "journal").iterdir(), reverse=True):
            name, _, phase = entry.name.partition(".")
            if entry.is_dir() and phase:
                yield name, phase


def nodes() -> Iterator[tuple[str, str]]:
    """The edge nodes of the last run."""
    newest = next(_reports(), None)
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        if newest is not None and newest.stat().st_size <= _LARGEST:
            document = json.loads(newest.read_bytes())
            yield from ((row["edge"], "") for row in document["matrix"])
            # Of a large site, edges of which the same holds stand together.
            yield from ((edge, "") for rows in document.get("equal_rows", ()) for edge in rows["edges"])


def _reports() -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from sorted((state_directory() / "runs").glob("*.json"), reverse=True)


def _heading(page: Path) -> str:
    with contextlib.suppress(OSError, UnicodeDecodeError), page.open(encoding="utf-8") as text:
        return text.readline(200).strip()
    return ""
