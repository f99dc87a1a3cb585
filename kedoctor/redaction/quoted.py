"""Text within quotes, with signs in it that are escaped: looked at as what is meant, and written back so.

A log line quotes a message that quotes a file: each time a line end gets one more backslash, and a name in another script
may become numbers. What is between quotes is therefore read, redacted and quoted again, however deep it lies.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable

from kedoctor import patterns
from kedoctor.base.records import RecordError, decode

__all__ = ["may_be_quoted", "redact_quoted"]

_ESCAPED = patterns.compiled(r"\\(?:[nrtbf\"'\\/]|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2})")
_LITERALS = {
    '"': patterns.compiled(r'"(?:[^"\\\n]++|\\.)*+"'),
    "'": patterns.compiled(r"'(?:[^'\\\n]++|\\.)*+'(?!\w)"),
}
_QUOTE = patterns.compiled(r"\"|(?<!\w)'")  # an apostrophe stands within a word, or behind one


def may_be_quoted(text: str) -> bool:
    """Whether there is anything in it that is escaped between quotes."""
    return "\\" in text and ('"' in text or "'" in text)


def redact_quoted(text: str, redact: Callable[[str], str]) -> str:
    """``text`` with what is quoted and escaped in it redacted; what holds no secret stays as it is written."""
    out: list[str] = []
    position = 0
    open_ended: dict[
        str, int
    ] = {}  # up to where no literal of a kind ends: looked for once, and not from each quote
    while (quote := _QUOTE.search(text, position)) is not None:
        start, sign = quote.start(), quote[0]
        literal = None if start < open_ended.get(sign, 0) else _LITERALS[sign].match(text, start)
        if literal is None:
            if start >= open_ended.get(sign, 0):
                end = text.find("\n", start)
                open_ended[sign] = len(text) if end < 0 else end
            out.append(text[position : quote.end()])
            position = quote.end()
            continue
        out.extend((text[position:start], _redacted(literal[0], redact)))
        position = literal.end()
    return "".join((*out, text[position:]))


def _redacted(literal: str, redact: Callable[[str], str]) -> str:
    if not _ESCAPED.search(literal):
        return literal
    try:
        plain = decode(literal, str) if literal[0] == '"' else ast.literal_eval(literal)
    except (RecordError, SyntaxError, ValueError):
        return literal
    clean = redact(plain)
    if clean == plain:
        return literal
    return json.dumps(clean, ensure_ascii="\\u" in literal) if literal[0] == '"' else repr(clean)
