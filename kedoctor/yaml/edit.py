"""Edits of YAML text that change only the lines they concern; only repairs need it.

Each edit is a splice at the places of the nodes. Its result is read again and must mean exactly what was
asked for, or the edit is refused: a wrong guess about somebody's layout can never reach a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kedoctor.yaml import render
from kedoctor.yaml.document import (
    Edit,
    MoveKey,
    RemoveKey,
    SetKey,
    YamlDocument,
    YamlEditError,
    YamlError,
    decode,
    holds,
    load,
    path_parts,
)
from kedoctor.yaml.nodes import Node
from kedoctor.yaml.render import Layout

Parts = tuple[str | int, ...]


def edit(text: bytes | str, operations: Sequence[Edit]) -> bytes:
    """The document with these edits made in order and every byte that they do not concern left as it was.

    Raises:
        YamlError: the document cannot be read.
        YamlEditError: an edit does not apply, or the result would not mean what was asked for.
    """
    characters, encoding, mark = decode(text)
    for operation in operations:
        characters = _apply_one(characters, operation)
    return mark + characters.encode(encoding)


def _apply_one(text: str, operation: Edit) -> str:
    before = load(text)
    expected = _expected(before.data, operation)
    if _same(expected, before.data):
        return text
    try:
        result = _spliced(before, operation)
        after = load(result)
    except YamlError as error:
        raise YamlEditError(f"{_what(operation)} would leave a file that cannot be read: {error}") from error
    except TypeError as error:
        raise YamlEditError(f"{_what(operation)}: {error}") from error
    if not _same(after.data, expected):
        raise YamlEditError(f"{_what(operation)} would change more than that key")
    return result


def _what(operation: Edit) -> str:
    target = operation.source if isinstance(operation, MoveKey) else operation.path
    verb = {SetKey: "setting", RemoveKey: "removing", MoveKey: "moving"}[type(operation)]
    return f"{verb} {'.'.join(map(str, path_parts(target)))}"


def _spliced(document: YamlDocument, operation: Edit) -> str:
    if isinstance(operation, SetKey):
        return _Text(document).set(path_parts(operation.path), operation.value)
    if isinstance(operation, RemoveKey):
        return _remove(document.text, path_parts(operation.path))
    return _move(document, path_parts(operation.source), path_parts(operation.target))


def _remove(text: str, path: Parts) -> str:
    """Take out every occurrence: behind the last of two equal keys the first would come back to life."""
    editor = _Text(load(text))
    while editor.find(path) is not None:
        text = editor.remove(path)
        editor = _Text(load(text))
    return text


def _move(document: YamlDocument, source: Parts, target: Parts) -> str:
    editor = _Text(document)
    value = document.value(source)
    lines = None if editor.find(target) else editor.own_lines(source)
    editor = _Text(load(_remove(document.text, source)))
    home = editor.find(target[:-1])
    if lines is not None and home is not None and home.value.pairs and not home.value.flow:
        moved = _reindented(lines, home.value.column, source[-1], target[-1])
        if moved is not None:
            return editor.insert_lines(home.value, moved)
    return editor.set(target, value)


def _reindented(lines: list[str], column: int, old: str | int, new: str | int) -> list[str] | None:
    """The lines of one key moved to another column and name; None if they cannot be moved as they are."""
    here = len(lines[0]) - len(lines[0].lstrip(" "))
    moved = []
    for line in lines:
        indented = len(line) - len(line.lstrip(" ")) >= here
        if line.strip() and not indented:
            return None
        moved.append(" " * column + line[here:] if line.strip() else line)
    if old != new:
        head = moved[0].lstrip(" ")
        if not head.startswith(f"{old}:"):
            return None
        moved[0] = " " * column + render.scalar(new) + head[len(str(old)) :]
    return moved


@dataclass(slots=True)
class _Place:
    """A key that was found: its parent mapping, its own nodes, and the key nodes that lead to it."""

    parent: Node | None
    key: Node | None
    value: Node


class _Text:
    """The characters of one document, and the splices of one edit."""

    def __init__(self, document: YamlDocument) -> None:
        self.document = document
        self.text = document.text
        self.layout = _layout(document)

    def find(self, path: Parts) -> _Place | None:
        """The place of a key that is written there itself, not through an alias or a merge."""
        if self.document.root is None:
            return None
        place = _Place(None, None, self.document.root)
        for part in path:
            child = _written_child(place.value, part)
            if child is None:
                return None
            if child[1].alias:
                raise YamlEditError(f"{part} is reached through an alias; edit what it stands for")
            place = _Place(place.value, child[0], child[1])
        return place

    def set(self, path: Parts, value: Any) -> str:
        """The text with the value at ``path``, its parents created where they are missing."""
        place = self.find(path)
        if place is not None:
            return self._replace(place, value)
        known = len(path) - 1
        while known > 0 and self.find(path[:known]) is None:
            known -= 1
        nested = value
        for part in reversed(path[known + 1 :]):
            nested = {part: nested}
        home = self.find(path[:known])
        if home is None:
            return self._with_eol(self.text) + render.pair(str(path[0]), nested, 0, self.layout)
        if home.value.kind == "scalar" and home.value.value is None:
            return self._replace(home, {path[known]: nested})
        return self._insert(home.value, path[known], nested)

    def remove(self, path: Parts) -> str:
        """The text without the last occurrence of the key at ``path``."""
        place = self.find(path)
        if place is None or place.key is None or place.parent is None:
            raise YamlEditError("there is no such key")
        if place.parent.kind == "sequence":
            raise YamlEditError("items of a list are not removed one by one; set the whole list")
        if len(place.parent.pairs) == 1:
            home = self.find(path[:-1])
            return self._replace(home, {}) if home else self.text
        index = next(i for i, (key, _) in enumerate(place.parent.pairs) if key is place.key)
        if place.parent.flow:
            return self._remove_from_flow(place.parent, index)
        return self._remove_lines(place.parent, index)

    def own_lines(self, path: Parts) -> list[str] | None:
        """The whole lines of a block-style key, or None if it shares them with something else."""
        place = self.find(path)
        if place is None or place.key is None or place.parent is None or place.parent.kind != "mapping":
            return None
        start = self._line_start(place.key.start)
        if place.parent.flow or self.text[start : place.key.start].strip(" "):
            return None
        lines = self.text[start : self._next_line(self._end(place.key, place.value))].splitlines(
            keepends=True
        )
        lines[-1] = self._with_eol(lines[-1])
        return lines

    def insert_lines(self, parent: Node, lines: list[str]) -> str:
        """The text with whole lines behind the last key of a block mapping."""
        at = self._next_line(self._end(*parent.pairs[-1]))
        return self._with_eol(self.text[:at]) + "".join(lines) + self.text[at:]

    def _insert(self, parent: Node, key: str | int, value: Any) -> str:
        if parent.kind != "mapping" or not isinstance(key, str):
            raise YamlEditError(f"{key} cannot be created: what should hold it is not a mapping")
        if parent.flow:
            head = f"{render.scalar(key, flow=True)}: {render.inline(value, flow=True)}"
            at = self._end(*parent.pairs[-1]) if parent.pairs else parent.end - 1
            return self.text[:at] + (", " if parent.pairs else "") + head + self.text[at:]
        return self.insert_lines(parent, [render.pair(key, value, parent.column, self.layout)])

    def _replace(self, place: _Place, value: Any) -> str:
        """The text with another value for one key."""
        text, old, key = self.text, place.value, place.key
        in_flow = place.parent is not None and place.parent.flow
        block = render.is_block(value) and not in_flow and not old.flow
        own_lines = old.kind != "scalar" and not old.flow and self._begins_line(old)
        end = self._end(key, old)
        if key is None or place.parent is None or place.parent.kind == "sequence":
            return text[: old.start] + render.inline(value) + text[end:]
        colon = self._colon(key)
        if own_lines:
            first, last = self._line_start(old.start), self._next_line(end)
            lines = render.block(value, key.column, self.layout) if block else ""
            head = "" if block else " " + render.inline(value, flow=in_flow)
            return text[:colon] + head + text[colon:first] + lines + text[last:]
        empty = old.kind == "scalar" and old.value is None and not text[colon:end].strip()
        start = colon if empty or block else old.start
        if block:
            at = self._next_line(end)
            return (
                self._with_eol(text[:start] + text[end:at])
                + render.block(value, key.column, self.layout)
                + text[at:]
            )
        gap = " " if empty else ""
        return text[:start] + gap + render.inline(value, old.style, flow=in_flow) + text[end:]

    def _remove_from_flow(self, parent: Node, index: int) -> str:
        start = parent.pairs[index][0].start
        end = self._end(*parent.pairs[index])
        if index:
            start = self._end(*parent.pairs[index - 1])
        else:
            end = parent.pairs[1][0].start
        return self.text[:start] + self.text[end:]

    def _remove_lines(self, parent: Node, index: int) -> str:
        key, value = parent.pairs[index]
        start, end = self._line_start(key.start), self._next_line(self._end(key, value))
        if not self.text[start : key.start].strip(" "):
            return self.text[:start] + self.text[end:]
        following = parent.pairs[index + 1][0].start
        if index or self.text[end:following].strip():
            raise YamlEditError(
                "the key shares its line with the start of a list item, and comments follow it"
            )
        return self.text[: key.start] + self.text[following:]

    def _end(self, key: Node | None, value: Node) -> int:
        """Where the value's own text ends, without the comments and blank lines behind it."""
        while value.kind != "scalar" and not value.flow and not value.alias:
            if value.kind == "mapping":
                key, value = value.pairs[-1]
            elif value.items:
                key, value = None, value.items[-1]
        if value.start == value.end and key is not None:
            return self._colon(key)
        if value.style in {"|", ">"}:
            return value.start + len(self.text[value.start : value.end].rstrip(" \r\n"))
        return value.end

    def _colon(self, key: Node) -> int:
        """The index behind the colon of a key."""
        rest = self.text[key.end :].lstrip(" \t")
        if not rest.startswith(":"):
            raise YamlEditError(f"line {key.line + 1}: the key is not written as 'key: value'")
        return len(self.text) - len(rest) + 1

    def _begins_line(self, node: Node) -> bool:
        return not self.text[self._line_start(node.start) : node.start].strip(" ")

    def _line_start(self, index: int) -> int:
        return max(self.text.rfind("\n", 0, index), self.text.rfind("\r", 0, index)) + 1

    def _next_line(self, index: int) -> int:
        ends = [at for at in (self.text.find("\n", index), self.text.find("\r", index)) if at >= 0]
        if not ends:
            return len(self.text)
        return min(ends) + (2 if self.text.startswith("\r\n", min(ends)) else 1)

    def _with_eol(self, text: str) -> str:
        return text if not text or text.endswith(("\n", "\r")) else text + self.layout.eol


def _written_child(node: Node, part: str | int) -> tuple[Node, Node] | None:
    if node.kind == "sequence":
        return node.child(part)
    found = node.child(part)
    written = found is not None and any(key is found[0] for key, _ in node.pairs)
    return found if written else None


def _layout(document: YamlDocument) -> Layout:
    """The file's own habits, read off the first nested mapping and the first list in block style."""
    crlf, unit, dash = "\r\n" in document.text, 0, -1
    waiting = [document.root] if document.root else []
    while waiting and (not unit or dash < 0):
        node = waiting.pop(0)
        for key, value in node.pairs:
            nested = not value.flow and not value.alias and value.line > key.line
            if nested and value.kind == "mapping" and not unit and value.column > key.column:
                unit = value.column - key.column
            if nested and value.kind == "sequence" and dash < 0:
                dash = max(value.column - key.column, 0)
        waiting += [value for _, value in node.pairs if not value.alias] + [
            i for i in node.items if not i.alias
        ]
    return Layout(unit or 2, max(dash, 0), "\r\n" if crlf else "\n")


def _expected(data: dict[str, Any], operation: Edit) -> Any:
    """The tree that the document must have afterwards."""
    if isinstance(operation, SetKey):
        return _with(data, path_parts(operation.path), operation.value)
    if isinstance(operation, RemoveKey):
        return _without(data, path_parts(operation.path))
    source, target = path_parts(operation.source), path_parts(operation.target)
    if source[: len(target)] == target or target[: len(source)] == source:
        raise YamlEditError("a key cannot be moved into itself")
    value = _get(data, source)
    if not operation.overwrite and _has(data, target):
        raise YamlEditError(f"{'.'.join(map(str, target))} is there already")
    return _with(_without(data, source), target, value)


def _get(tree: Any, path: Parts) -> Any:
    for part in path:
        if not _has(tree, (part,)):
            raise YamlEditError(f"there is no key {'.'.join(map(str, path))}")
        tree = tree[part]
    return tree


def _has(tree: Any, path: Parts) -> bool:
    for part in path:
        if not holds(tree, part):
            return False
        tree = tree[part]
    return True


def _with(tree: Any, path: Parts, value: Any) -> Any:
    if not path:
        return value
    if isinstance(tree, list) and holds(tree, path[0]):
        return [_with(item, path[1:], value) if i == path[0] else item for i, item in enumerate(tree)]
    if tree is not None and not isinstance(tree, dict):
        raise YamlEditError(f"{path[0]} cannot be created: what should hold it is not a mapping")
    if not isinstance(path[0], str):
        raise YamlEditError(f"there is no item {path[0]}")
    held = tree or {}
    return {**held, path[0]: _with(held.get(path[0]), path[1:], value)}


def _without(tree: Any, path: Parts) -> Any:
    _get(tree, path)
    if not path or not isinstance(path[-1], str):
        raise YamlEditError("only keys of mappings can be removed")
    home = _get(tree, path[:-1])
    return _with(tree, path[:-1], {key: value for key, value in home.items() if key != path[-1]})


def _same(left: Any, right: Any) -> bool:
    """Equality in which true is not 1 and 1 is not 1.0."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(_same, left, right))
    return bool(left == right)
