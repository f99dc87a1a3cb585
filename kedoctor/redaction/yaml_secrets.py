"""Secret values in YAML and other key-value text, replaced in place so that lines and comments stay where they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kedoctor import patterns
from kedoctor.redaction.known_keys import Known, consumed, step
from kedoctor.redaction.placeholders import Placeholders, private_key_kind
from kedoctor.redaction.secret_names import is_harmless, is_secret_key, kind_of
from kedoctor.yaml.document import YamlDocument, YamlError, load
from kedoctor.yaml.nodes import Node

__all__ = ["UnsafeError", "redact_lines", "redact_yaml"]

KeyPath = tuple[str, ...]

MAX_TEXT = 1 << 18
_LONG_ENOUGH = 4  # shorter values may be part of any word
_LINE = patterns.compiled(
    r"(?P<lead>[ \t]*(?:-[ \t]+)*(?:export[ \t]+|(?:Environment|ENV)[= ]\"?)?[\"']?)(?P<key>[\w.-]+)"
    r"(?P<sep>[\"']?[ \t]*[:=]>?[ \t]*)(?P<value>.*)"
)
_LINES = patterns.compiled(r"[^\n]*\n|[^\n]+")
_BLOCK = patterns.compiled(r"[|>][-+0-9]*[ \t]*(?:#.*)?\Z")
_QUOTED = patterns.compiled(r"(\"(?:\\.|[^\"\\])*\"|'(?:[^']|'')*')[ \t]*(?:#.*)?\Z")
_STARTS_KEY = patterns.compiled(r"[ \t]*(?:-(?:[ \t]|\Z)|[\"']?[\w.-]+[\"']?[ \t]*:(?:[ \t]|\Z)|#|\Z)")


class UnsafeError(ValueError):
    """A text whose secrets cannot be told from the rest; the message says why."""


def redact_yaml(
    text: str, paths: Sequence[KeyPath], marks: Placeholders, *, known: Known | None = None
) -> str:
    """``text`` with the values at ``paths``, and of all keys that sound secret, replaced where they stand.

    ``known`` are the keys that the document may have; the value of any other is replaced too.

    A text that is not YAML is gone through line by line instead.

    Raises:
        UnsafeError: it is broken in such a way that the value of one of ``paths`` cannot be delimited.
    """
    try:
        document = load(text) if len(text) <= MAX_TEXT else None
    except YamlError:
        document = None
    if document is None:
        names = frozenset(_names_in(known)) if known else None
        return redact_lines(text, [path[-1] for path in paths], marks, known=names)
    head, rest = _first_document(document, text)
    clean = _replaced(head, list(_secret_nodes(document.root, paths, known=known)), marks)
    return clean + (redact_yaml(rest, paths, marks, known=known) if rest.strip() else rest)


def _names_in(known: Known) -> Iterator[str]:
    for name, below in known.items():
        yield name
        yield from _names_in(below)


def _first_document(document: YamlDocument, text: str) -> tuple[str, str]:
    if document.ignored_from is None or document.ignored_from.line == 1:
        return text, ""
    lines = text.splitlines(keepends=True)
    at = document.ignored_from.line - 1
    rest = lines[at:]
    # The separator stays with the first document: behind it, the rest is a document of its own.
    head = lines[:at] + ([rest.pop(0)] if rest and rest[0].startswith("---") else [])
    return "".join(head), "".join(rest)


def _secret_nodes(
    node: Node | None,
    paths: Sequence[KeyPath],
    key: str = "",
    *,
    secret: bool = False,
    known: Known | None = None,
) -> Iterator[tuple[str, Node]]:
    """The scalars that hold secrets, with the key each stands under."""
    if node is None:
        return
    if node.kind == "scalar":
        if secret and node.value not in (None, "", True, False):
            yield key, node
        return
    if node.alias:  # the anchor is where the text stands; what an alias leads to is looked for by value
        if secret:
            yield from ((key, _value_only(node, text)) for text in _scalars(node.value))
        return
    for item in node.items:
        yield from _secret_nodes(item, paths, key, secret=secret, known=known)
    pair = {str(k.value): v for k, v in node.pairs}
    named = pair.get("name")
    secret_pair = named is not None and "value" in pair and is_secret_key(str(named.value))
    for key_node, value in node.pairs:
        name = str(key_node.value)
        below = [path[n:] for path in paths for n in consumed(path, name)]
        is_known, known_below = step(known, name)
        told = secret or () in below or (secret_pair and name == "value") or not is_known
        # Numbers, lists and mappings under such a key are as secret as a word.
        guessed = is_secret_key(name) and not (
            value.kind == "scalar" and is_harmless(name, "" if value.value is None else str(value.value))
        )
        told = told or guessed
        yield from _secret_nodes(
            value, [path for path in below if path], name, secret=told, known=known_below
        )


def _scalars(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _scalars(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _scalars(inner)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _value_only(node: Node, value: str) -> Node:
    return Node("scalar", node.start, node.start, node.line, node.column, value=value)


def _replaced(text: str, found: list[tuple[str, Node]], marks: Placeholders) -> str:
    made = [(node, marks.of_value(kind_of(key), str(node.value))) for key, node in found]
    for node, placeholder in sorted(made, key=lambda pair: pair[0].start, reverse=True):
        if node.start == node.end:
            continue
        ending = "\n" if text[node.start : node.end].endswith("\n") else ""
        text = text[: node.start] + f'"{placeholder}"' + ending + text[node.end :]
    for node, placeholder in made:  # the same value in a comment, behind an alias, under another key
        value = str(node.value).strip()
        if len(value) >= _LONG_ENOUGH and value in text and value not in placeholder:
            text = text.replace(value, placeholder)
    return text


# ------------------------------------------------------------------------------------------------- lines


def redact_lines(
    text: str, keys: Sequence[str], marks: Placeholders, *, known: frozenset[str] | None = None
) -> str:
    """``text`` with the rest of every ``key: value`` or ``key = value`` line replaced whose key is secret.

    ``keys`` are secret whatever they sound like, and must be redacted for certain; so is every key whose name (in lower
    case) is not among ``known``.

    Raises:
        UnsafeError: where the value of one of ``keys`` ends cannot be told.
    """
    lines = _LINES.findall(text)  # what else Unicode takes for the end of a line is part of a value
    out: list[str] = []
    at = 0
    while at < len(lines):
        match = _LINE.match(lines[at])
        certain = match is not None and _is_certain(match["key"], keys, known)
        if match is None or not (certain or is_secret_key(match["key"])):
            out.append(lines[at])
            at += 1
            continue
        stop = _value_ends(lines, at, match, certain=certain)
        out.append(_redacted_line(lines[at:stop], match, marks, certain=certain))
        at = stop
    return "".join(out)


def _is_certain(key: str, keys: Sequence[str], known: frozenset[str] | None) -> bool:
    if key in keys:
        return True
    # A quotation may name a key by its path.
    return known is not None and bool(known) and any(part not in known for part in key.lower().split("."))


def _value_ends(lines: list[str], at: int, match: patterns.Match[str], *, certain: bool) -> int:
    """The number of the line behind the value."""
    value = match["value"].strip()
    indent = len(lines[at]) - len(lines[at].lstrip())
    if _BLOCK.match(value):
        return _behind_indented(lines, at + 1, indent)
    if value[:1] in ("'", '"') and not _is_closed(value):
        end = next((n for n in range(at + 1, min(at + 40, len(lines))) if value[0] in lines[n]), None)
        if end is None and certain:
            raise UnsafeError(f"the quote behind {match['key']} in line {at + 1} is never closed")
        return at + 1 if end is None else end + 1
    following = lines[at + 1] if at + 1 < len(lines) else ""
    deeper = len(following) - len(following.lstrip()) > indent and bool(following.strip())
    if deeper and _STARTS_KEY.match(following) is None and (value or certain):
        return _behind_indented(lines, at + 1, indent)
    return at + 1


def _behind_indented(lines: list[str], at: int, indent: int) -> int:
    while at < len(lines):
        line = lines[at]
        if line.strip() and len(line) - len(line.lstrip()) <= indent:
            return at
        at += 1
    return at


def _without_comment(value: str) -> str:
    quoted = _QUOTED.match(value)
    return quoted[1] if quoted else value.partition(" #")[0].rstrip()


def _is_closed(value: str) -> bool:
    quote = value[0]
    inner = patterns.compiled(r"\\.").sub("", value[1:]) if quote == '"' else value[1:].replace("''", "")
    return quote in inner


def _redacted_line(
    lines: list[str], match: patterns.Match[str], marks: Placeholders, *, certain: bool
) -> str:
    key, value = match["key"], _without_comment(match["value"].strip())
    several = len(lines) > 1
    if not several and (not value or (is_harmless(key, value) and not (certain and value.isdigit()))):
        return lines[0]
    if not several and value[:1] in ("{", "[", "&", "*", "!") and not certain:
        return lines[0]  # a nested structure: the pattern net goes through it
    secret = "".join([value, *lines[1:]])
    bare = value.strip("\"'") if not several else secret
    placeholder = (
        marks.of_private_key(secret.encode("utf-8", "surrogateescape"))
        if private_key_kind(secret.encode("utf-8", "surrogateescape"))
        else marks.of_value(kind_of(key), bare)
    )
    ending = lines[-1][len(lines[-1].rstrip("\r\n")) :]
    return f'{match["lead"]}{key}{match["sep"]}"{placeholder}"{ending}'
