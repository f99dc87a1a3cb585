"""Every pattern of the product, found by importing and reading all of it, and how each is used."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import pkgutil
import re
from collections import defaultdict
from functools import cached_property
from pathlib import Path
from typing import Any

import kedoctor
from kedoctor import patterns
from kedoctor.checks.evidence_rules import EVIDENCE
from kedoctor.checks.parsers.logs.message_table import knowledge
from kedoctor.evidence import recording

ROOT = Path(kedoctor.__file__).parents[1]
_ROOMS = ("kedoctor", "checks", "reports")
EVERYWHERE = frozenset({"finditer", "fullmatch"})
"""Every match at any place, the beginning among them, and the whole text."""
_AT_THE_BEGINNING = {"match", "fullmatch"}


def modules() -> list[Path]:
    """The sources of the product."""
    return sorted(path for room in _ROOMS for path in (ROOT / room).rglob("*.py"))


def all_patterns() -> dict[re.Pattern[Any], frozenset[str]]:
    """Every pattern with the methods to try: those by which it is used, all where that is not plain to see."""
    for module in pkgutil.walk_packages(kedoctor.__path__, "kedoctor."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found: dict[re.Pattern[Any], frozenset[str]] = {}
    methods = _methods()
    for pattern in [*patterns.known(), *_of_the_table(), *_of_the_rules(), *_inside_functions()]:
        found[pattern] = methods.get((pattern.pattern, pattern.flags), EVERYWHERE)
    return found


def _of_the_table() -> list[re.Pattern[Any]]:
    """What the table of messages makes when it is first needed."""
    table, seen = knowledge(), []
    waiting: list[Any] = [table, *table.messages]
    for thing in waiting:
        for name in dir(type(thing)):
            if isinstance(getattr(type(thing), name), cached_property):
                seen.extend(_patterns_in(getattr(thing, name)))
    assert len(seen) > 250
    return seen


def _patterns_in(value: Any) -> list[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        return [value]
    if isinstance(value, dict):
        return [found for one in value.values() for found in _patterns_in(one)]
    if isinstance(value, list | tuple | set | frozenset):
        return [found for one in value for found in _patterns_in(one)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return [found for name in names for found in _patterns_in(getattr(value, name))]
    return []


def _of_the_rules() -> list[re.Pattern[Any]]:
    allowed = recording.AllowList([EVIDENCE])
    return [found for value in vars(allowed).values() for found in _patterns_in(value)]


def _inside_functions() -> list[re.Pattern[Any]]:
    """Patterns that are written out where they are used."""
    found = []
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if _is_compiled(node) and isinstance(node.args[0], ast.Constant):  # type: ignore[attr-defined]
                found.append(re.compile(node.args[0].value, _flags(node)))  # type: ignore[attr-defined]  # noqa: PERF401
    return found


def _is_compiled(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "compiled"
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "patterns"
    )


def _flags(node: Any) -> int:
    flags = 0
    for part in ast.walk(ast.Tuple(elts=node.args[1:], ctx=ast.Load())):
        if isinstance(part, ast.Attribute):
            flags |= getattr(re, part.attr)
    return flags


def _methods() -> dict[tuple[Any, int], frozenset[str]]:
    """For patterns with a name of their own, by which methods they are used."""
    told: dict[tuple[Any, int], set[str]] = defaultdict(set)
    for path in modules():
        room = path.relative_to(ROOT).with_suffix("").parts
        prefix = () if room[0] == "kedoctor" else ("kedoctor",)
        module = (
            importlib.import_module(".".join((*prefix, *room)).removesuffix(".__init__"))
            if room[-1] != "__main__"
            else None
        )
        if module is None:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        used: dict[str, set[str]] = defaultdict(set)
        calls = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
        named: set[int] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and id(node) in calls:
                used[node.value.id].add(node.attr)
                named.add(id(node.value))
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and id(node) not in named:
                used[node.id].add("passed on")
        for node in ast.walk(tree):  # what is used where it is written out
            if isinstance(node, ast.Attribute) and _is_compiled(node.value) and id(node) in calls:
                written = node.value.args[0]  # type: ignore[attr-defined]
                if isinstance(written, ast.Constant):
                    flags = re.compile(written.value, _flags(node.value)).flags  # type: ignore[arg-type]
                    told[written.value, flags].add(node.attr)
        for name, value in vars(module).items():
            if isinstance(value, re.Pattern) and used[name]:
                told[value.pattern, value.flags] |= used[name]
    return {
        key: frozenset(uses & _AT_THE_BEGINNING) if uses <= _AT_THE_BEGINNING else EVERYWHERE
        for key, uses in told.items()
    }
