"""Label selectors, read as Kubernetes reads them, with its words for what does not parse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kedoctor import patterns

from .errors import bad_request

__all__ = ["label_selector"]

Test = Callable[[dict[str, Any]], bool]
_TOKEN = patterns.compiled(r"(?<!\s)\s*+(!=|==|[=!(),<>]|[^\s=!(),<>]++)")
_SPECIAL = {"!=", "==", "=", "!", "(", ")", ",", "<", ">"}
_OPERATORS = ("in", "notin", "=", "==", "!=", "gt", "lt")
_END = ""


class _Wrong(Exception):  # noqa: N818  it becomes an answer
    """What is wrong with one requirement."""


class _Reader:
    """The tokens of a selector, one after the other."""

    def __init__(self, text: str) -> None:
        self._tokens = [found[1] for found in _TOKEN.finditer(text)]

    @property
    def ahead(self) -> str:
        """The next token; empty at the end."""
        return self._tokens[0] if self._tokens else _END

    def take(self) -> str:
        """The next token, taken away."""
        return self._tokens.pop(0) if self._tokens else _END


def label_selector(text: str) -> list[Test]:
    """Tests over an object's labels; no test for an empty selector.

    Raises:
        ApiError: 400 for one that does not parse.
    """
    reader = _Reader(text)
    tests: list[Test] = []
    while True:
        if reader.ahead == _END:
            return tests
        if reader.ahead in _SPECIAL - {"!"}:
            raise bad_request(f"found '{reader.ahead}', expected: !, identifier, or 'end of string'")
        try:
            tests.append(_requirement(reader))
        except _Wrong as wrong:
            raise bad_request(f"unable to parse requirement: {wrong}") from None
        after = reader.take()
        if after == _END:
            return tests
        if after != ",":
            raise bad_request(f"found '{after}', expected: ',' or 'end of string'")
        if reader.ahead in _SPECIAL - {"!"} or reader.ahead == _END:
            raise bad_request(f"found '{reader.ahead}', expected: identifier after ','")


def _identifier(reader: _Reader) -> str:
    word = reader.take()
    if word in _SPECIAL or word == _END:
        raise _Wrong(f"found '{word}', expected: identifier")
    return word


def _requirement(reader: _Reader) -> Test:
    if reader.ahead == "!":
        reader.take()
        absent = _identifier(reader)
        return lambda labels: absent not in labels
    key = _identifier(reader)
    if reader.ahead in (",", _END):
        return lambda labels: key in labels
    operator = reader.take()
    if operator in ("in", "notin"):
        values, wanted = _values(reader), operator == "in"
        # notin is also true of an object that lacks the label
        return lambda labels: (labels[key] in values) is wanted if key in labels else not wanted
    if operator not in ("=", "==", "!="):
        raise _Wrong(f"found '{operator}', expected: {', '.join(_OPERATORS)}")
    value = "" if reader.ahead in (",", _END) else _identifier(reader)
    equal = operator != "!="
    return lambda labels: (labels.get(key) == value) is equal


def _values(reader: _Reader) -> set[str]:
    opened = reader.take()
    if opened != "(":
        raise _Wrong(f"found '{opened}' expected: '('")
    found: set[str] = set()
    while reader.ahead not in (")", _END):
        word = reader.take()
        if word != ",":
            found.add(word)
    closed = reader.take()
    if closed != ")":
        raise _Wrong(f"found '{closed}', expected: ')'")
    return found
