"""Changes of single keys of a YAML document, in a file or in an object."""

from __future__ import annotations

from typing import Any

from kedoctor.base.records import Record
from kedoctor.model.actions.action import PlanConflictError

__all__ = ["YamlChange", "together"]


class YamlChange(Record, frozen=True):
    """One key of a YAML document: ``set`` it to ``value``, ``remove`` it, or ``move`` it to ``to``.

    Paths are keys joined by dots (``modules.edgeStream.enable``).
    """

    how: str
    path: str
    value: Any = None
    to: str = ""


def together(
    target: str, first: tuple[YamlChange, ...], second: tuple[YamlChange, ...]
) -> tuple[YamlChange, ...]:
    """The changes of both, each once.

    Raises:
        PlanConflictError: they disagree about a key of ``target``.
    """
    changes = list(first)
    for change in second:
        same = [one for one in changes if one.path == change.path]
        if same and same[0] != change:
            raise PlanConflictError(f"two repairs disagree about {change.path} in {target}")
        if not same:
            changes.append(change)
    return tuple(changes)
