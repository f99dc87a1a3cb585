"""JSON as Go reads it: what its decoder says about text that is none, and about values of the wrong type."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from kedoctor import patterns

from .resources import Resource

_LITERALS = {"n": "null", "t": "true", "f": "false"}
_EXPECTED = (
    ("Expecting property name", "looking for beginning of object key string"),
    ("Illegal trailing comma", "looking for beginning of value"),
    ("Expecting ':'", "after object key"),
    ("Extra data", "after top-level value"),
)
_NOT_BASE64 = patterns.compiled(r"[^A-Za-z0-9+/=\r\n]")
_TYPES: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "bool"),
    ((int, float), "number"),
    (str, "string"),
    (list, "array"),
)
_MAPS = {"ConfigMap": {"data": "string"}, "Secret": {"stringData": "string", "data": "[]uint8"}}


def json_error(data: bytes) -> str:
    """What Go's decoder says about the first wrong byte; empty for text that is JSON."""
    text = data.decode(errors="replace")
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        at = error.pos + len(text[error.pos :]) - len(text[error.pos :].lstrip())
        return _wrong(text, at, error.msg) if at < len(text) else "unexpected end of JSON input"
    return ""


def _wrong(text: str, at: int, said: str) -> str:
    for begin, words in _EXPECTED:
        if said.startswith(begin):
            return f"invalid character '{text[at]}' {words}"
    if said.startswith("Expecting ','"):
        where = "after object key:value pair" if _innermost(text[:at]) == "{" else "after array element"
        return f"invalid character '{text[at]}' {where}"
    return _wrong_value(text[at:])


def _wrong_value(text: str) -> str:
    literal = _LITERALS.get(text[0])
    if literal is None:
        return f"invalid character '{text[0]}' looking for beginning of value"
    for got, wanted in zip(text[1:], literal[1:], strict=False):
        if got != wanted:
            return f"invalid character '{got}' in literal {literal} (expecting '{wanted}')"
    return "unexpected end of JSON input"


def _innermost(text: str) -> str:
    """The bracket that is open at the end of a beginning of JSON."""
    opened: list[str] = []
    for found in patterns.compiled(r'"(?:[^"\\]|\\.)*"|[\[{}\]]').finditer(text):
        if found[0] in "[{":
            opened.append(found[0])
        elif found[0] in "]}":
            opened.pop()
    return opened[-1] if opened else ""


def go_type(value: object) -> str:
    """What Go's decoder calls a JSON value in its refusals."""
    return next((name for kind, name in _TYPES if isinstance(value, kind)), "object")


def wrong_type(resource: Resource, obj: dict[str, Any]) -> str:
    """What Go's decoder says about the first value that does not fit; empty if all that is known of the kind fits."""
    for field, wanted in _MAPS.get(resource.kind, {}).items():
        value = obj.get(field)
        at = f"Go struct field {resource.kind}.{field}"
        if value is None:
            continue
        if not isinstance(value, dict):
            return f"json: cannot unmarshal {go_type(value)} into {at} of type map[string]{wanted}"
        for one in value.values():
            if one is not None and not isinstance(one, str):
                return f"json: cannot unmarshal {go_type(one)} into {at} of type {wanted}"
            if wanted == "[]uint8" and (fault := _base64_fault(one or "")):
                return fault
    return ""


def _base64_fault(text: str) -> str:
    if found := _NOT_BASE64.search(text):
        return f"illegal base64 data at input byte {found.start()}"
    try:
        base64.b64decode(text)
    except binascii.Error:
        return f"illegal base64 data at input byte {len(text) // 4 * 4}"
    return ""
