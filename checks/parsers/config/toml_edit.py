"""One key of a TOML document, set without touching any other byte; the result is read again and compared as a whole."""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Sequence
from typing import Any

from kedoctor.api import patterns

__all__ = ["put"]

_HEADER = patterns.compiled(r"\s*\[[^\[].*\]\s*(#.*)?$")
_MOST_LINES = 200


def put(text: str, path: Sequence[str], value: bool | str | list[str]) -> str | None:
    """The document with ``path`` (tables and key) set to ``value``; ``None`` where that cannot be done for certain."""
    try:
        wanted = copy.deepcopy(tomllib.loads(text))
    except tomllib.TOMLDecodeError:
        return None
    table: Any = wanted
    for part in path[:-1]:
        table = table.setdefault(part, {}) if isinstance(table, dict) else None
    if not isinstance(table, dict):
        return None
    table[path[-1]] = value
    changed = _changed(text, tuple(path), _written(value))
    try:
        return changed if tomllib.loads(changed) == wanted else None
    except tomllib.TOMLDecodeError:
        return None


def _changed(text: str, path: tuple[str, ...], written: str) -> str:
    lines = text.splitlines(keepends=True)
    here: tuple[str, ...] = ()
    header = None
    key = patterns.compiled(rf"(\s*)[\"']?{patterns.escape(path[-1])}[\"']?\s*=")
    for number, line in enumerate(lines):
        if _HEADER.match(line):
            here = _table_of(line)
            header = number if here == path[:-1] else header
        elif here == path[:-1] and (found := key.match(line)):
            ends = _end_of_value(lines, number)
            return "".join([*lines[:number], f"{found[1]}{path[-1]} = {written}\n", *lines[ends:]])
    if header is not None:
        indent = patterns.compiled(r"\s*").match(lines[header])
        added = f"{indent[0] if indent else ''}  {path[-1]} = {written}\n"
        return "".join([*lines[: header + 1], added, *lines[header + 1 :]])
    if len(path) == 1:
        return f"{path[0]} = {written}\n{text}"
    joined = ".".join(part if part.isidentifier() else json.dumps(part) for part in path[:-1])
    gap = "" if not text or text.endswith("\n") else "\n"
    return f"{text}{gap}\n[{joined}]\n  {path[-1]} = {written}\n"


def _table_of(line: str) -> tuple[str, ...]:
    """The path of a table header."""
    try:
        found: Any = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return ("\0",)  # no table that anybody looks for
    path = []
    while isinstance(found, dict) and found:
        ((name, found),) = found.items()
        path.append(name)
    return tuple(path)


def _end_of_value(lines: Sequence[str], start: int) -> int:
    """The line behind a value that may go over several lines."""
    for end in range(start + 1, min(len(lines), start + _MOST_LINES) + 1):
        try:
            tomllib.loads("".join(lines[start:end]))
        except tomllib.TOMLDecodeError:
            continue
        return end
    return start + 1


def _written(value: bool | str | list[str]) -> str:
    return json.dumps(value)
