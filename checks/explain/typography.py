"""Text as it was printed, out of text as it was pasted: spaces, colours, quotes, entities and escapes of the way it took.

Web pages, chat programs, terminals and log viewers change a line without changing what it says. Everything here is
linear in the length of the line, and a plain line of a log costs two look-ups.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Iterator

from kedoctor.api import patterns

__all__ = ["plain", "plain_line"]

# Spaces of all kinds, what takes no space at all, and the dashes, quotes and full-width signs of word processors.
_SPACES = dict.fromkeys(
    (0x09, 0x0B, 0x0C, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000, 0x2400, 0x2420), " "
)
_NOTHING = dict.fromkeys(
    (
        *(*range(0x09), *range(0x0E, 0x1B), *range(0x1C, 0x20), 0x7F, 0xAD, 0x61C, 0x180E, 0xFEFF),
        *(*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), *range(0xFE00, 0xFE10)),
    ),
    "",
)
_WIDE = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
_SIGNS = {
    **dict.fromkeys(map(ord, "“”„‟«»″＂"), '"'),
    **dict.fromkeys(map(ord, "‘’‚‛′＇"), "'"),
    **dict.fromkeys(map(ord, "‐‑‒–—―−"), "-"),
    ord("…"): "...",
    ord("【"): "[",
    ord("】"): "]",
    ord("「"): '"',
    ord("」"): '"',
    ord("、"): ", ",
    ord("，"): ", ",
    ord("；"): "; ",
    ord("："): ":",
    ord("␛"): "\x1b",
}
_TABLE = {**_SPACES, **_WIDE, **_SIGNS, **_NOTHING}
_BREAKS = patterns.compiled(r"\r\n?|\n|\x85|\u2028|\u2029")

# Terminals' control sequences; pasted text holds them as bytes, as escapes that a program printed, or without their
# first character.
_ESCAPED = patterns.compiled(r"\\x1[bB]|\\u001[bB]|\\0?33|\\[eE](?=\[)|\^\[(?=\[)|#x1[bB];?(?=\[)|&#27;")
_CONTROL = patterns.compiled(
    r"\x1b\[[0-9;?]{0,24}[ -/]?[@-~]|\x1b\][^\x07\x1b]{0,200}(?:\x07|\x1b\\)|\x1b[()][0-9AB]|\x1b[=>78cDEHM]|\x1b"
)
_TORN = patterns.compiled(r"\[(?:\d{1,2}(?:;\d{1,3}){0,4})m(?!\])|\[0?m(?=\W|$)")
_COLON = patterns.compiled(r"：(?=[^\s\d/:：]|$)")

_MARKS = patterns.compiled(r"&[#\w]|<[/A-Za-z]")
_INLINE = "a|abbr|b|big|code|del|em|font|i|ins|kbd|mark|s|samp|small|span|strong|sub|sup|tt|u|var"
_BLOCK = (
    "blockquote|br|dd|div|dl|dt|h[1-6]|hr|li|ol|p|pre|section|table|tbody|td|th|thead|tr|ul|details|summary"
)
_INLINE_TAG = patterns.compiled(rf"</?(?:{_INLINE})(?:\s[^<>]{{0,300}})?/?>", patterns.IGNORECASE)
_BLOCK_TAG = patterns.compiled(rf"</?(?:{_BLOCK})(?:\s[^<>]{{0,300}})?/?>", patterns.IGNORECASE)

# A line break that a viewer shows as backslash and n. In front of what begins a record it parts two records; elsewhere
# it is part of one.
_RECORD = (
    r"(?:[IWEF]\d{4} \d\d:\d\d:\d\d|panic: |goroutine \d|fatal error: |\{\"|\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:"
    r"|(?:[A-Z][a-z]{2}|\d{1,2}月) +\d{1,2} \d\d:\d\d:\d\d |time=\"|level=|Error(?: from server)?: |error: |Warning: )"
)
_BROKEN = patterns.compiled(rf"(?:\\r)?\\n(?:\\t)?(?=\s{{0,4}}{_RECORD})")
_ANY_BREAK = patterns.compiled(r"(?:\\r)?\\n")
_STRUCTURED = patterns.compiled(r"[IWEF]\d{4} \d\d:\d\d:\d\d|=\"|^\{")
_QUOTED = patterns.compiled(r"^(?:> ?)+(?=\S)|^```\w*$|^~~~\w*$")
_ODD = patterns.compiled(r"[^\x20-\x7e]|\\[xu0\\ner3]|\^\[|&[#\w]|<[/A-Za-z]|^>|^```|\[0?m|\*\*")


def plain(lines: Iterable[str]) -> Iterator[str]:
    """The lines as a program would have printed them; one may become several."""
    for line in lines:
        yield from plain_line(line.rstrip("\r\n"))


def plain_line(line: str) -> list[str]:
    """One pasted line as the lines that it stands for."""
    if line.startswith('{"log":') and (log := _log_of(line)) is not None:
        line = log
    if not _ODD.search(line):
        return [line]
    line = _without_control(line)
    if _MARKS.search(line):
        line = _without_markup(line)
    line = _BREAKS.sub("\n", line)
    if "\\n" in line:
        line = (_BROKEN if _STRUCTURED.search(line) else _ANY_BREAK).sub("\n", line)
    found = [_signs(_QUOTED.sub("", one)) for one in line.split("\n")]
    return [one for one in found if one.strip()] or [""]


def _log_of(line: str) -> str | None:
    """What a line of Docker's json-file driver holds."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    log = entry.get("log") if isinstance(entry, dict) else None
    return log.rstrip("\n") if isinstance(log, str) else None


def _signs(line: str) -> str:
    if line.isascii() and line.isprintable():
        return line.replace("**", "")
    line = _COLON.sub(": ", line).translate(_TABLE).replace("**", "")
    return patterns.compiled(r"(?<=[,;:])  +(?=\S)").sub(" ", line)


def _without_control(line: str) -> str:
    if "\\" in line or "^[" in line or "#" in line:
        line = _ESCAPED.sub("\x1b", line)
    if "\x1b" in line or "\u241b" in line:
        line = _CONTROL.sub("", line.replace("\u241b", "\x1b"))
    return _TORN.sub("", line) if "m" in line and "[" in line else line


def _without_markup(line: str) -> str:
    for _ in range(2):  # a page that was escaped once more on its way
        if "&" not in line:
            break
        line = html.unescape(line)
    return _INLINE_TAG.sub("", _BLOCK_TAG.sub("\n", line))
