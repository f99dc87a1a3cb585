"""Equal values of many objects, kept once.

Of 100,000 nodes most say the same in most of their fields. The strings, times and parts that JSON makes anew for each of
them become one and the same here, which takes three quarters of the memory away.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from kedoctor.base.records import Record, force_setattr

__all__ = ["share_equal_values"]


def share_equal_values(objects: Iterable[Record]) -> None:
    """Makes equal strings, times and parts within ``objects`` one and the same; what they say stays as it is."""
    known: dict[Any, Any] = {}
    for one in objects:
        _share_fields(one, known)


def _share_fields(record: Record, known: dict[Any, Any]) -> None:
    for name in record.__struct_fields__:
        value = getattr(record, name)
        shared = _shared(value, known)
        if shared is not value:
            force_setattr(record, name, shared)


def _shared(value: Any, known: dict[Any, Any]) -> Any:
    kind = value.__class__
    if kind is str or kind is datetime:
        return known.setdefault(value, value)
    if kind is tuple:
        return tuple([_shared(one, known) for one in value])
    if not isinstance(value, Record):
        return value
    try:
        same = known.get(value)
        if same is None:
            _share_fields(value, known)
            known[value] = same = value
    except TypeError:  # a mapping in it
        _share_fields(value, known)
        return value
    return same
