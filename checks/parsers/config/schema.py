"""The keys that edgecore and cloudcore read, and how a file deviates from them.

Both programs overlay the file on code defaults without strictness: keys they do not know they ignore without a
word, key names match without regard to case, a value of the wrong type ends the program, and an empty section
makes it panic (``facts.md §1.1``, ``§2.1``). The keys themselves are data, beside this module.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import resources
from typing import Any

from kedoctor.api import Text, decode_yaml
from kedoctor.api.yaml import YamlDocument
from kedoctor.checks.parsers.config import schema_violations
from kedoctor.checks.parsers.config.go_types import NO_DEFAULT, FieldType, has_form
from kedoctor.checks.parsers.config.schema_violations import Violation

__all__ = ["CLOUDCORE", "EDGECORE", "EDGECORE_SECRETS", "Schema", "Violation", "effective"]


@dataclass(frozen=True, slots=True)
class _Key:
    """A leaf of the schema."""

    name: str
    type: FieldType
    default: Any


@dataclass(frozen=True, slots=True)
class _Section:
    """A mapping of the schema; ``children`` by lower-case name."""

    name: str
    children: Mapping[str, _Key | _Section]


class Schema:
    """The keys that one program reads, with their types and code defaults."""

    def __init__(self, name: str) -> None:
        self.name = name

    @cached_property
    def _data(self) -> dict[str, Any]:
        source = resources.files("kedoctor.checks.parsers.config") / "schemas" / f"{self.name}.yaml"
        data: dict[str, Any] = decode_yaml(source.read_bytes())
        return data

    @cached_property
    def _root(self) -> _Section:
        return _section("", self._data["keys"])

    @cached_property
    def _places(self) -> dict[str, list[str]]:
        """Every key name in lower case, and the paths where it is known."""
        places: dict[str, list[str]] = {}
        for path in _paths(self._root):
            places.setdefault(path[-1].lower(), []).append(".".join(path))
        return places

    @cached_property
    def _advice(self) -> dict[str, Text | str]:
        """Paths in lower case of keys that are known to be wrong: where they are now, or why they are gone."""
        advice: dict[str, Text | str] = {old.lower(): new for old, new in self._data["moved"].items()}
        for group in self._data["gone"].values():
            advice |= {key.lower(): Text(group["en"], zh=group["zh"]) for key in group["keys"]}
        return advice

    @property
    def program(self) -> str:
        """``edgecore`` or ``cloudcore``."""
        return str(self._data["program"])

    @property
    def paths(self) -> tuple[str, ...]:
        """Every key that is or once was one, by its path in lower case; below the last part there may be anything."""
        keys = {".".join(path).lower() for path in _paths(self._root)}
        return tuple(sorted({*keys, *self._advice}))

    def knows(self, path: Sequence[str] | str) -> bool:
        """Whether the program reads a key at this path, whatever its case."""
        return self._find(_parts(path)) is not None

    def inspect(self, tree: Mapping[str, Any], document: YamlDocument | None = None) -> tuple[Violation, ...]:
        """How a written tree deviates from the schema, in the order of the file; ``document`` gives the places."""
        found = list(self._walk(self._root, tree, ()))
        wrong = {deviation.path for deviation in found}
        found += [each for each in self._broken_rules(tree, self.values(tree)) if each.path not in wrong]
        if document is None:
            return tuple(found)
        placed = [replace(each, position=document.position(each.path)) for each in found]
        return tuple(sorted(placed, key=lambda each: (each.line or 0, each.path_text)))

    def effective(self, tree: Mapping[str, Any], path: Sequence[str] | str) -> Any:
        """The value the program works with: the written one, or the code default; None if neither is known."""
        return _at(self.values(tree), self._canonical(_parts(path)))

    def values(self, tree: Mapping[str, Any]) -> dict[str, Any]:
        """The whole tree the program works with, under the names of the schema; keys without any value are absent."""
        return _overlaid(self._root, [tree])

    def _find(self, path: Sequence[str]) -> _Key | _Section | None:
        node: _Key | _Section | None = self._root
        for part in path:
            node = node.children.get(part.lower()) if isinstance(node, _Section) else None
        return node

    def _walk(self, section: _Section, tree: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[Violation]:
        seen: dict[str, str] = {}
        for name, value in tree.items():
            here = (*path, name)
            known = section.children.get(name.lower())
            if known is None:
                yield self._unknown(section, here)
                continue
            if known.name in seen:
                yield schema_violations.twice(here, seen[known.name])
            seen[known.name] = name
            if isinstance(known, _Section):
                yield from self._walk_section(known, value, here)
            else:
                for below, item, wanted in known.type.faults(value):
                    yield schema_violations.wrong_type(self.program, (*here, *below), item, wanted)

    def _walk_section(self, section: _Section, value: Any, path: tuple[str, ...]) -> Iterator[Violation]:
        if isinstance(value, dict):
            yield from self._walk(section, value, path)
        elif value is not None:
            yield schema_violations.wrong_type(self.program, path, value, "section")
        else:
            place = ".".join(self._canonical(path))
            if place not in self._data["null_keeps"]:
                yield schema_violations.null_section(
                    self.program, path, panics=place in self._data["null_panics"]
                )

    def _canonical(self, path: Sequence[str]) -> tuple[str, ...]:
        """The path as the schema spells it; parts that it does not know stay as they are."""
        found = [(part, self._find(path[: end + 1])) for end, part in enumerate(path)]
        return tuple(node.name if node else part for part, node in found)

    def _unknown(self, section: _Section, path: tuple[str, ...]) -> Violation:
        advice = self._advice.get(".".join(path).lower())
        if isinstance(advice, Text):
            return schema_violations.gone(path, advice)
        if advice is not None:
            return schema_violations.misplaced(path, (advice,))
        near = difflib.get_close_matches(path[-1].lower(), section.children, 1, 0.8)
        if near:
            return schema_violations.misspelt(path, section.children[near[0]].name)
        places = self._places.get(path[-1].lower(), [])
        return (
            schema_violations.misplaced(path, places)
            if 0 < len(places) <= 2
            else schema_violations.unknown_key(path)
        )

    def _broken_rules(self, tree: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[Violation]:
        for rule in self._data["rules"]:
            if "when" in rule and _at(values, _parts(rule["when"])) is not True:
                continue
            spelt, value = _written(tree, _parts(rule["path"]))
            if spelt and not _obeys(rule, value):
                yield schema_violations.bad_value(self.program, spelt, value, _demand(rule))
        for pair in self._data["exactly_one"]:
            on = [_at(values, _parts(pair[side])) is True for side in ("first", "second")]
            if _at(values, _parts(pair["when"])) is True and on[0] == on[1]:
                yield schema_violations.not_exactly_one(
                    self.program, pair["first"], pair["second"], both=on[0]
                )


EDGECORE = Schema("edgecore-v1alpha2")
CLOUDCORE = Schema("cloudcore-v1alpha1")

EDGECORE_SECRETS = ("modules.edgeHub.token", "modules.eventBus.mqttPassword")
"""Keys of edgecore.yaml under which secrets stand (facts.md §10.3)."""


def effective(schema: Schema, document: YamlDocument) -> tuple[dict[str, Any], tuple[Violation, ...]]:
    """The tree a program works with, and how its file deviates from what it reads."""
    return schema.values(document.data), schema.inspect(document.data, document)


def _section(name: str, keys: Mapping[str, Any]) -> _Section:
    children: dict[str, _Key | _Section] = {}
    for key, value in keys.items():
        if isinstance(value, dict):
            children[key.lower()] = _section(key, value)
        else:
            children[key.lower()] = _Key(key, *FieldType.parse(value))
    return _Section(name, children)


def _paths(section: _Section) -> Iterator[tuple[str, ...]]:
    for child in section.children.values():
        yield (child.name,)
        if isinstance(child, _Section):
            yield from ((child.name, *path) for path in _paths(child))


def _parts(path: Sequence[str] | str) -> tuple[str, ...]:
    return tuple(path.split(".")) if isinstance(path, str) else tuple(path)


def _at(values: Any, path: Sequence[str]) -> Any:
    for part in path:
        values = values.get(part) if isinstance(values, dict) else None
    return values


def _variants(trees: Sequence[Mapping[str, Any]], name: str) -> Iterator[tuple[str, Any]]:
    """Every spelling of a key in the order in which Go decodes them, so that the last one wins."""
    for tree in trees:
        yield from ((key, tree[key]) for key in sorted(tree) if key.lower() == name.lower())


def _overlaid(section: _Section, trees: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for child in section.children.values():
        written = [value for _, value in _variants(trees, child.name)]
        if isinstance(child, _Section):
            values[child.name] = _overlaid(child, [value for value in written if isinstance(value, dict)])
            continue
        value = child.default
        for each in written:
            if each is not None:
                value = child.type.decoded(each) if child.type.accepts(each) else each
            elif child.type.optional:
                value = None
        if value is not NO_DEFAULT:
            values[child.name] = list(value) if isinstance(value, list) else value
    return values


def _written(tree: Mapping[str, Any], path: Sequence[str]) -> tuple[tuple[str, ...], Any]:
    """The path of a key as it is spelt in the file, with its value; an empty path if it is not written."""
    spelt: list[str] = []
    found: Any = tree
    for part in path:
        hits = list(_variants([found], part)) if isinstance(found, dict) else []
        if not hits:
            return (), None
        name, found = hits[-1]
        spelt.append(name)
    return tuple(spelt), found


def _obeys(rule: Mapping[str, Any], value: Any) -> bool:
    if value is None:  # null leaves a scalar at its default and empties a list
        return bool(rule.get("form") != "not-empty")
    if "one_of" in rule:
        return value in rule["one_of"]
    if "between" in rule:
        low, high = rule["between"]
        return isinstance(value, int | float) and low <= value <= high
    return has_form(value, rule["form"])


def _demand(rule: Mapping[str, Any]) -> Text:
    if "one_of" in rule:
        words = rule["one_of"]
        return Text(" or ".join(words), zh=" 或 ".join(words))
    if "between" in rule:
        low, high = rule["between"]
        if high == 2**31 - 1:
            return Text(f"a number not below {low}", zh=f"不小于 {low} 的数")
        return Text(f"a number from {low} to {high}", zh=f"{low} 到 {high} 之间的数")
    return _FORMS[rule["form"]]


_FORMS = {
    "ip": Text("an IP address", zh="IP 地址"),
    "ip-port": Text(
        "an IP address and a port, such as 127.0.0.1:9091", zh="IP 地址和端口，如 127.0.0.1:9091"
    ),
    "node-name": Text(
        "a node name of lower-case letters, digits, '-' and '.'",
        zh="由小写字母、数字、'-' 和 '.' 组成的节点名",
    ),
    "unix-url": Text("an address that begins with unix://", zh="以 unix:// 开头的地址"),
    "absolute-path": Text("an absolute path, or nothing", zh="绝对路径或留空"),
    "not-empty": Text("at least one address", zh="至少一个地址"),
}
