"""A value of a record type with a text in each place that may hold one, and all texts of a value."""

from __future__ import annotations

import enum
import types
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any, Union, get_args, get_origin, get_type_hints

from kedoctor.base.records import Record

__all__ = ["filled", "texts_in"]

_THEN = datetime(2026, 11, 23, 3, tzinfo=UTC)
_PLAIN: dict[Any, Any] = {
    int: 1,
    float: 1.0,
    bool: True,
    datetime: _THEN,
    date: _THEN.date(),
    type(None): None,
}


def filled(kind: Any, text: str) -> Any:
    """A value of that type; optional ones are there, and each collection has one member."""
    if kind is str:
        return text
    if kind in _PLAIN:
        return _PLAIN[kind]
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return filled(next(one for one in inner if one is not type(None)), text)
    if origin is tuple:
        return (filled(inner[0], text),)
    if origin is dict:
        return {filled(inner[0], text): filled(inner[1], text)}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return next(iter(kind))
    if isinstance(kind, type) and issubclass(kind, Record):
        hints = get_type_hints(kind)
        return kind(**{name: filled(hints[name], text) for name in kind.__struct_fields__})
    raise TypeError(f"no value of {kind} is known")


def texts_in(value: Any) -> Iterator[str]:
    """Every text in it, at any depth; names of enumerations are not texts."""
    if isinstance(value, Record):
        for name in value.__struct_fields__:
            yield from texts_in(getattr(value, name))
    elif isinstance(value, dict):
        for pair in value.items():
            for one in pair:
                yield from texts_in(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from texts_in(one)
    elif type(value) is str:
        yield value
