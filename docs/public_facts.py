"""Writes ``docs/public-facts.md``, the list of facts that a plugin can ask for, from the registry.

``python docs/public_facts.py`` writes it; tests/unit/docs/test_plugins_page.py fails when it is not up to date.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kedoctor.judge.registry import FactNode, Scope
from kedoctor.plugins import load_plugins

__all__ = ["page"]

PAGE = Path(__file__).with_name("public-facts.md")
_MADE = {Scope.SITE: "once a site", Scope.HOST: "once a host", Scope.ANY: "wherever it is asked for"}


def page() -> str:
    """The document."""
    facts = load_plugins(directory=Path("/nonexistent")).registry.facts
    ordered = sorted(facts.values(), key=lambda node: (node.provides.__module__, node.provides.__name__))
    lines = [
        "# Facts that a check can ask for",
        "",
        "Written by `docs/public_facts.py` from the code. A parameter of this type in the signature of a fact, check or remedy is all that",
        "it takes; see [plugins.md](plugins.md). Attributes with brackets are methods or properties.",
        "",
    ]
    module = ""
    for node in ordered:
        if node.provides.__module__ != module:
            module = node.provides.__module__
            lines += [f"## `{module}`", ""]
        lines += [*_entry(node), ""]
    return "\n".join(lines).rstrip() + "\n"


def _entry(node: FactNode) -> Iterator[str]:
    told = (inspect.getdoc(node.make) or inspect.getdoc(node.provides) or "").partition("\n\n")[0]
    yield f"**`{node.provides.__name__}`**, {_MADE[node.scope]}. {' '.join(told.split())}"
    for name, what in _attributes(node.provides):
        yield f"- `{name}`{what}"


def _attributes(kind: type) -> Iterator[tuple[str, str]]:
    for name, type_name in _fields(kind):
        yield name, f": `{type_name}`"
    for name, member in vars(kind).items():
        if name.startswith("_") or not (callable(member) or isinstance(member, property)):
            continue
        told = inspect.getdoc(member.fget if isinstance(member, property) else member) or ""
        first = " ".join(told.partition("\n\n")[0].split())
        yield f"{name}()" if callable(member) else f"({name})", f": {first}" if first else ""


def _fields(kind: type) -> list[tuple[str, str]]:
    names = list(getattr(kind, "__struct_fields__", ()))
    if dataclasses.is_dataclass(kind):
        names = [one.name for one in dataclasses.fields(kind)]
    annotations: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        annotations |= vars(base).get("__annotations__", {})
    return [(name, str(annotations.get(name, ""))) for name in names if not name.startswith("_")]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
