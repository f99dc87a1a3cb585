"""YAML documents as Go programs read them: a plain tree, where every key stands, and edits that touch nothing else.

The meaning is that of ``sigs.k8s.io/yaml`` (YAML 1.1 through go-yaml v2): ``yes`` and ``on`` are booleans,
of two equal keys the last wins, every key becomes a string, and nothing behind a second ``---`` is read.
This is the only module that imports ruamel.yaml.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kedoctor import patterns
from kedoctor.yaml.nodes import Composer, DuplicateKey, Node, Position, YamlError

__all__ = [
    "DuplicateKey",
    "Edit",
    "MoveKey",
    "Path",
    "Position",
    "RemoveKey",
    "SetKey",
    "YamlDocument",
    "YamlEditError",
    "YamlError",
    "load",
]

Path = str | Sequence[str | int]
"""Where a value sits: ``"modules.edgeStream.enable"``, or a sequence of parts when a key contains a dot."""

MAX_BYTES = 1024 * 1024  # what a ConfigMap may hold
MAX_TABS = 200

_LINE_BREAKS = str.maketrans(dict.fromkeys("\x85\u2028\u2029", "\n"))

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class YamlEditError(ValueError):
    """Why an edit was refused: no such key, a key in the way, or a place that cannot be changed safely."""


@dataclass(frozen=True, slots=True)
class SetKey:
    """Give the key at ``path`` this value (scalar, list or dict), creating it and its parents if need be."""

    path: Path
    value: Any


@dataclass(frozen=True, slots=True)
class RemoveKey:
    """Take the key at ``path`` out; a mapping left without keys becomes ``{}``, never null."""

    path: Path


@dataclass(frozen=True, slots=True)
class MoveKey:
    """Take the key at ``source`` to ``target``; ``overwrite`` allows replacing a key that is there already."""

    source: Path
    target: Path
    overwrite: bool = False


Edit = SetKey | RemoveKey | MoveKey


@dataclass(slots=True, eq=False)
class YamlDocument:
    """A document that was read; ``data`` is its plain tree of dicts, lists and scalars."""

    text: str
    root: Node | None
    data: dict[str, Any]
    duplicates: tuple[DuplicateKey, ...] = ()
    ignored_from: Position | None = None
    """Where a second document begins, of which Go reads nothing."""

    def value(self, path: Path, default: Any = None) -> Any:
        """The value at ``path``, or ``default`` when no such key is written."""
        found: Any = self.data
        for part in path_parts(path):
            if not holds(found, part):
                return default
            found = found[part]
        return found

    def position(self, path: Path) -> Position | None:
        """Where the key at ``path`` is written (of a list item, where the item begins), or None."""
        entry = self._entry(path)
        return entry[0].position if entry else None

    def value_position(self, path: Path) -> Position | None:
        """Where the value at ``path`` begins, or None."""
        entry = self._entry(path)
        if entry is None:
            return None
        key, value = entry
        # An empty value is nowhere; ruamel.yaml puts it at the next token, the operator looks behind the colon.
        empty = value.start == value.end and value.line > key.line
        return Position(key.line + 1, key.column + 1 + key.end - key.start) if empty else value.position

    def _entry(self, path: Path) -> tuple[Node, Node] | None:
        if self.root is None:
            return None
        entry: tuple[Node, Node] | None = (self.root, self.root)
        for part in path_parts(path):
            entry = entry[1].child(part) if entry else None
        return entry


def path_parts(path: Path) -> tuple[str | int, ...]:
    """The parts of a path; a string is split at its dots."""
    return tuple(path.split(".")) if isinstance(path, str) else tuple(path)


def holds(tree: Any, part: str | int) -> bool:
    """Whether a plain tree has this key or list item."""
    if isinstance(tree, list):
        return isinstance(part, int) and 0 <= part < len(tree)
    return isinstance(tree, dict) and part in tree


def decode(text: bytes | str) -> tuple[str, str, bytes]:
    """The characters of a document, with the encoding and the byte order mark needed to write it back."""
    if isinstance(text, str):
        marked = text.startswith("\ufeff")
        return text.removeprefix("\ufeff"), "utf-8", codecs.BOM_UTF8 if marked else b""
    if len(text) > MAX_BYTES:
        raise YamlError(1, 1, f"the document is larger than {MAX_BYTES} bytes", "too-large")
    mark, encoding = next(((m, e) for m, e in _BOMS if text.startswith(m)), (b"", "utf-8"))
    try:
        return text[len(mark) :].decode(encoding), encoding, mark
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, len(mark) + error.start) + 1
        raise YamlError(line, 1, f"this is not {encoding} text", "binary") from None


def load(text: bytes | str) -> YamlDocument:
    """Read a document whose top is a mapping; an empty one gives an empty ``data``.

    Raises:
        YamlError: the text is not YAML, or not YAML that a Go program can turn into a struct.
    """
    characters, _, _ = decode(text)
    composer = _compose(characters)
    root = composer.root
    if root is None or (root.kind == "scalar" and root.value is None):
        return YamlDocument(characters, None, {}, (), composer.ignored_from)
    if root.kind != "mapping":
        raise YamlError(root.line + 1, root.column + 1, "the top level is not a mapping", "not-a-mapping")
    return YamlDocument(characters, root, root.value, tuple(composer.duplicates), composer.ignored_from)


def _compose(text: str) -> Composer:
    """Nodes of the text, read as libyaml and Go read it where ruamel.yaml is stricter or looser.

    Go lets tabs separate a key from its value or follow it, and it ends lines at NEL, LS and PS too.
    """
    fed = text.translate(_LINE_BREAKS)
    for _ in range(MAX_TABS):
        composer = Composer(text if "\t" in text and fed != text else None)
        try:
            composer.run(_events(fed))
        except YamlError as error:
            end = _separating_tabs(fed, error.offset)
            if end is None:
                raise
            fed = fed[: error.offset] + " " * (end - error.offset) + fed[end:]
        else:
            return composer
    raise YamlError(1, 1, f"it contains more than {MAX_TABS} tabs", "tab")


def _separating_tabs(text: str, offset: int) -> int | None:
    """Where the tabs that begin at ``offset`` end, if they only separate words; None if they indent."""
    if offset < 0 or text[offset : offset + 1] != "\t":
        return None
    before = text[max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1 : offset]
    if not before.replace("-", " ").replace("?", " ").strip():
        return None
    return offset + len(text[offset:]) - len(text[offset:].lstrip("\t"))


def _events(text: str) -> Iterator[Any]:
    """The parser's events; every way in which it can fail becomes a YamlError."""
    from ruamel.yaml import YAML  # noqa: PLC0415 - start-up must not pay for it
    from ruamel.yaml.error import MarkedYAMLError, YAMLError  # noqa: PLC0415
    from ruamel.yaml.reader import ReaderError  # noqa: PLC0415

    yaml = YAML(typ="safe", pure=True)
    yaml.version = (1, 1)
    try:
        yield from yaml.parse(text)
    except MarkedYAMLError as error:
        raise _marked(text, error) from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        reason = f"it contains the control character {ord(text[error.position]):#04x}"
        raise YamlError(line, 1, reason, "binary") from None
    except (YAMLError, ValueError, LookupError, TypeError, AssertionError, AttributeError) as error:
        # The library lets Python's own errors out of odd directives and escapes such as "\UFFFFFFFF".
        raise YamlError(1, 1, f"it cannot be parsed ({type(error).__name__})") from error


_QUOTED = patterns.compiled(r"""'(?!<)[^']{4,}'|"(?!<)[^"]{4,}\"""")


def _marked(text: str, error: Any) -> YamlError:
    mark = error.problem_mark or error.context_mark
    # Anchors and tags may be secrets that begin with such a sign; words of the library's own are in angle brackets.
    reason = _QUOTED.sub("…", str(error.problem or error.context or "it cannot be parsed"))
    if mark is None:
        return YamlError(1, 1, reason)
    before = text[text.rfind("\n", 0, mark.index) + 1 : mark.index + 1]
    tab = "\t" in before and not before.strip("-? \t")
    if tab:
        reason = "a tab is used for indentation"
    result = YamlError(mark.line + 1, mark.column + 1, reason, "tab" if tab else "syntax")
    result.offset = mark.index
    return result
