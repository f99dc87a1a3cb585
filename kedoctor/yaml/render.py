"""Values written as YAML text that Go and every other YAML 1.1 reader take for the same value."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kedoctor import patterns
from kedoctor.yaml import scalars

_PLAIN = patterns.compiled(r"[\w./~$+*@%=<>^()|;-][\w./~$+*@%=<>^()|;: -]*", patterns.ASCII)
_INDICATORS = ("-", "?", ":", "*", "%", "@", "|", ">", "=", "<<", "~")
_SEXAGESIMAL = patterns.compiled(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_UNPRINTABLE = patterns.compiled("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file is written: spaces per level, spaces before the dash of a list under its key, end of line."""

    unit: int = 2
    dash: int = 0
    eol: str = "\n"


def scalar(value: Any, style: str = "", *, flow: bool = False) -> str:
    """One scalar; a string keeps the quotes (``style``) that the old value had, and gets some if it needs them.

    Raises:
        TypeError: the value is none of str, int, float, bool and None.
    """
    if value is None:
        return "null"
    if isinstance(value, bool | int):
        return scalars.text_of(value)
    if isinstance(value, float):
        return repr(value)
    if not isinstance(value, str):
        raise TypeError(f"a {type(value).__name__} cannot be written as YAML")
    printable = value.isprintable() and not _UNPRINTABLE.search(value)
    if style == '"' or not printable:
        return _double_quoted(value)
    if style != "'" and _is_plain(value, flow=flow):
        return value
    return "'" + value.replace("'", "''") + "'"


def _double_quoted(value: str) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _is_plain(value: str, *, flow: bool) -> bool:
    """Whether the text without quotes is this string to YAML 1.1 readers, also to those that know 10:20 as 620."""
    if (
        not _PLAIN.fullmatch(value)
        or value.startswith(_INDICATORS)
        or value.endswith((":", " "))
        or ": " in value
    ):
        return False
    if scalars.resolve(value) != value or scalars.is_timestamp(value) or _SEXAGESIMAL.fullmatch(value):
        return False
    return not (flow and set(value) & set("?:"))


def inline(value: Any, style: str = "", *, flow: bool = False) -> str:
    """A value on one line; lists and dicts in flow style."""
    if isinstance(value, dict):
        pairs = (f"{scalar(k, flow=True)}: {inline(v, flow=True)}" for k, v in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(inline(item, flow=True) for item in value) + "]"
    return scalar(value, style, flow=flow)


def is_block(value: Any) -> bool:
    """Whether a value is written over several lines in block style."""
    return isinstance(value, dict | list) and bool(value)


def pair(key: str, value: Any, column: int, layout: Layout) -> str:
    """``key: value`` as whole lines that begin at ``column``."""
    head = " " * column + scalar(key) + ":"
    if not is_block(value):
        return f"{head} {inline(value)}{layout.eol}"
    return head + layout.eol + block(value, column, layout)


def block(value: dict[str, Any] | list[Any], parent_column: int, layout: Layout) -> str:
    """A dict or list that is not empty, as whole lines under a key that stands at ``parent_column``."""
    if isinstance(value, list):
        return "".join(_items(value, parent_column + layout.dash, layout))
    return "".join(pair(key, item, parent_column + layout.unit, layout) for key, item in value.items())


def _items(values: list[Any], column: int, layout: Layout) -> Iterator[str]:
    for value in values:
        if isinstance(value, dict) and value:
            lines = "".join(pair(key, item, column + 2, layout) for key, item in value.items())
            yield " " * column + "- " + lines[column + 2 :]
        else:
            yield " " * column + "- " + inline(value) + layout.eol
