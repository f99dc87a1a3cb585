"""The nodes of a YAML text: what each means and which characters it takes; built from parser events."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from kedoctor.yaml import scalars

Kind = Literal["scalar", "mapping", "sequence"]
ErrorKind = Literal["syntax", "tab", "binary", "too-deep", "too-large", "aliases", "not-a-mapping", "value"]

MAX_DEPTH = 200
MAX_NODES = 500_000  # with aliases followed: a few lines of them can stand for billions


_CHINESE: dict[ErrorKind, str] = {
    "syntax": "语法错误",
    "tab": "缩进中使用了制表符",
    "binary": "不是文本，或含有不允许的字符",
    "too-deep": "嵌套过深",
    "too-large": "文档过大",
    "aliases": "别名有误或展开后过大",
    "not-a-mapping": "顶层不是映射",
    "value": "值无效",
}
_QUOTED = ("syntax", "aliases", "value")


class YamlError(ValueError):
    """Why a document cannot be read: ``line`` and ``column`` from 1, ``reason`` in words, and its ``kind``."""

    def __init__(self, line: int, column: int, reason: str, kind: ErrorKind = "syntax") -> None:
        super().__init__(f"line {line}, column {column}: {reason}")
        self.line = line
        self.column = column
        self.reason = reason
        self.kind = kind
        self.offset = -1  # of the character, where the parser named one

    @property
    def in_chinese(self) -> str:
        """The reason in Chinese; what only the parser says in its own words is quoted."""
        return _CHINESE[self.kind] + (f"（“{self.reason}”）" if self.kind in _QUOTED else "")


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the text, ``line`` and ``column`` counted from 1."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class DuplicateKey:
    """A key written twice in one mapping: the first place, and the later one that wins."""

    path: tuple[str | int, ...]
    first: Position
    last: Position


@dataclass(slots=True, eq=False)
class Node:
    """One node of the text: its plain ``value`` and the characters from ``start`` to ``end`` that it takes."""

    kind: Kind
    start: int
    end: int
    line: int
    column: int
    style: str = ""
    flow: bool = False
    anchor: str | None = None
    alias: bool = False
    size: int = 1
    value: Any = None
    pairs: list[tuple[Node, Node]] = field(default_factory=list)
    items: list[Node] = field(default_factory=list)

    @property
    def position(self) -> Position:
        """Where the node begins."""
        return Position(self.line + 1, self.column + 1)

    @property
    def is_merge(self) -> bool:
        """Whether this is the merge key ``<<``."""
        return self.kind == "scalar" and self.style == "" and self.value == "<<"

    def child(self, part: str | int) -> tuple[Node, Node] | None:
        """Key and value nodes of one child, the one that wins if written twice; looks through ``<<``."""
        if self.kind == "sequence":
            here = isinstance(part, int) and 0 <= part < len(self.items)
            return (self.items[part], self.items[part]) if here and isinstance(part, int) else None
        for key, value in reversed(self.pairs):
            if key.is_merge:
                sources = [value] if value.kind == "mapping" else value.items
                found = next((hit for source in sources if (hit := source.child(part))), None)
                if found:
                    return found
            elif scalars.key_text(key.value) == part:
                return key, value
        return None


class Composer:
    """Builds the nodes of the first document from its events, without recursion.

    ``text`` is the original where the parser was fed a variant with tabs replaced; it gives them back.
    """

    def __init__(self, text: str | None = None) -> None:
        self._text = text
        self.root: Node | None = None
        self.duplicates: list[DuplicateKey] = []
        self.ignored_from: Position | None = None
        self._open: list[Node] = []
        self._keys: list[Node | None] = []  # per open node, the key that waits for its value
        self._anchors: dict[str, Node | None] = {}

    def run(self, events: Iterator[Any]) -> None:
        """Read up to the end of the first document; of what follows only the place is kept."""
        for event in events:
            name = type(event).__name__
            if name == "DocumentEndEvent":
                break
            self._take(name, event)
        try:
            after = next(events, None)
        except YamlError as error:  # go-yaml stops reading before it could notice
            self.ignored_from = Position(error.line, error.column)
            return
        if after is not None and type(after).__name__ == "DocumentStartEvent":
            self.ignored_from = Position(after.start_mark.line + 1, after.start_mark.column + 1)

    def _take(self, name: str, event: Any) -> None:
        if name == "ScalarEvent":
            self._add(self._scalar(event))
        elif name == "MappingStartEvent":
            self._start(self._node("mapping", event))
        elif name == "SequenceStartEvent":
            self._start(self._node("sequence", event))
        elif name in {"MappingEndEvent", "SequenceEndEvent"}:
            self._finish(event)
        elif name == "AliasEvent":
            self._add(self._alias(event))

    def _node(self, kind: Kind, event: Any) -> Node:
        start = event.start_mark
        node = Node(kind, start.index, event.end_mark.index, start.line, start.column, anchor=event.anchor)
        if kind != "scalar":
            node.flow = bool(event.flow_style)
        if event.anchor is not None:
            self._anchors[event.anchor] = None  # an alias inside would contain itself
        return node

    def _scalar(self, event: Any) -> Node:
        node = self._node("scalar", event)
        node.style = event.style or ""
        text = event.value
        if self._text is not None and event.ctag is None and event.anchor is None and not node.style:
            text = self._text[node.start : node.end] if event.start_mark.line == event.end_mark.line else text
        try:
            quoted = event.ctag is None and not event.implicit[0]
            node.value = text if quoted else scalars.resolve(text, event.tag or "")
        except ValueError as error:
            raise YamlError(node.line + 1, node.column + 1, str(error), "value") from None
        return node

    def _start(self, node: Node) -> None:
        if len(self._open) >= MAX_DEPTH:
            reason = f"nested more than {MAX_DEPTH} levels deep"
            raise YamlError(node.line + 1, node.column + 1, reason, "too-deep")
        self._open.append(node)
        self._keys.append(None)

    def _finish(self, event: Any) -> None:
        node = self._open.pop()
        self._keys.pop()
        if node.flow:
            node.end = event.end_mark.index
        node.value = self._mapping(node) if node.kind == "mapping" else [item.value for item in node.items]
        self._add(node)

    def _alias(self, event: Any) -> Node:
        line, column = event.start_mark.line, event.start_mark.column
        target = self._anchors.get(event.anchor)
        if target is None:
            why = "contains itself" if event.anchor in self._anchors else "is not defined"
            # Without its name: `token: *secret` is a secret that begins with a star.
            raise YamlError(line + 1, column + 1, f"an alias here {why}", "aliases")
        node = Node(target.kind, event.start_mark.index, event.end_mark.index, line, column, target.style)
        node.alias, node.size, node.value = True, target.size, target.value
        node.pairs, node.items = target.pairs, target.items
        return node

    def _add(self, node: Node) -> None:
        if node.anchor is not None:
            self._anchors[node.anchor] = node
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        waits_for_value = parent.kind == "sequence" or self._keys[-1] is not None
        if waits_for_value and isinstance(node.value, float) and not math.isfinite(node.value):
            raise YamlError(node.line + 1, node.column + 1, f"{node.value} has no form in JSON", "value")
        parent.size += node.size
        if parent.size > MAX_NODES:
            kind: ErrorKind = "aliases" if self._anchors else "too-large"
            raise YamlError(node.line + 1, node.column + 1, f"stands for more than {MAX_NODES} values", kind)
        if parent.kind == "sequence":
            parent.items.append(node)
        elif (key := self._keys[-1]) is None:
            self._keys[-1] = node
        else:
            parent.pairs.append((key, node))
            self._keys[-1] = None

    def _mapping(self, node: Node) -> dict[str, Any]:
        data: dict[str, Any] = {}
        seen: dict[str, Node] = {}
        for key, value in node.pairs:
            if key.is_merge:
                _merge(data, value)
                continue
            name = scalars.key_text(key.value)
            if name is None:
                reason = f"a {key.kind if key.kind != 'scalar' else 'null'} cannot be a key"
                raise YamlError(key.line + 1, key.column + 1, reason, "value")
            if name in seen:
                path = (*self._path(), name)
                self.duplicates.append(DuplicateKey(path, seen[name].position, key.position))
            seen[name] = key
            data[name] = value.value
        return data

    def _path(self) -> tuple[str | int, ...]:
        """The path of the node that was just taken off the stack."""
        parts: list[str | int] = []
        for parent, key in zip(self._open, self._keys, strict=True):
            name = scalars.key_text(key.value) if key else None
            parts.append(len(parent.items) if parent.kind == "sequence" else name or "?")
        return tuple(parts)


def _merge(data: dict[str, Any], source: Node) -> None:
    """Copy the keys of a ``<<`` as go-yaml does: also over keys that were written before it."""
    sources = [source] if source.kind == "mapping" else list(reversed(source.items))
    if source.kind == "scalar" or any(each.kind != "mapping" for each in sources):
        reason = "a merge needs a mapping or a list of mappings"
        raise YamlError(source.line + 1, source.column + 1, reason, "value")
    for each in sources:
        data.update(each.value)
