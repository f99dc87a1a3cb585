"""What pasting does to a text: the ways of terminals, web pages, viewers, chats and log drivers, as functions."""

from __future__ import annotations

import html
import json
import re
import textwrap
from collections.abc import Callable

__all__ = ["VARIANTS"]

_KLOG = re.compile(r"^[IWEF]\d{4} ")


def _every(text: str, change: Callable[[str], str]) -> str:
    return "\n".join(change(line) for line in text.split("\n"))


def _wrapped(text: str, width: int) -> str:
    return _every(
        text, lambda line: "\n".join(line[at : at + width] for at in range(0, max(1, len(line)), width))
    )


def _by_words(text: str) -> str:
    return _every(text, lambda line: textwrap.fill(line, 72))


def _escape_breaks(text: str) -> str:
    return text.replace("\n", "\\n")


def _coloured(text: str, start: str, end: str) -> str:
    """The first word that looks like an error in colour, as grep and loggers print it."""
    return re.sub(r"(?i)(error|failed|refused|connection|cannot|tls)", rf"{start}\1{end}", text, count=2)


def _full_width(text: str) -> str:
    return (
        text.replace(", ", "，").replace(": ", "：").replace("(", "（").replace(")", "）").replace(";", "；")
    )


def _prefixed(text: str, prefix: str) -> str:
    return _every(text, lambda line: prefix + line)


def _docker(text: str) -> str:
    return _every(
        text,
        lambda line: json.dumps({"log": line + "\n", "stream": "stderr", "time": "2026-11-30T10:00:00.1Z"}),
    )


VARIANTS: dict[str, Callable[[str], str]] = {
    "no-break spaces": lambda text: text.replace(" ", "\u00a0"),
    "thin spaces": lambda text: text.replace(" ", "\u2009"),
    "zero-width spaces": lambda text: re.sub(r"([:/.])", "\\1\u200b", text),
    "soft hyphens and a byte-order mark": lambda text: "\ufeff" + text.replace("connect", "con\u00adnect"),
    "wrapped at 40": lambda text: _wrapped(text, 40),
    "wrapped at 80": lambda text: _wrapped(text, 80),
    "wrapped at 100": lambda text: _wrapped(text, 100),
    "wrapped by words": _by_words,
    "cut at 120": lambda text: _every(text, lambda line: line[:120]),
    "cut at 160 by a pager": lambda text: _every(
        text, lambda line: line if len(line) <= 160 else line[:159] + ">"
    ),
    "ellipsis at 150": lambda text: _every(text, lambda line: line if len(line) <= 150 else line[:149] + "…"),
    "full-width punctuation": _full_width,
    "coloured": lambda text: _coloured(text, "\x1b[01;31m\x1b[K", "\x1b[m\x1b[K"),
    "colours as text": lambda text: _coloured(text, r"\\x1b[31m", r"\\x1b[0m"),
    "colours as ^[": lambda text: _coloured(text, "^[[0;31m", "^[[0m"),
    "breaks as text": _escape_breaks,
    "HTML entities": html.escape,
    "HTML tags": lambda text: _every(
        text, lambda line: f'<p class="log"><span>{html.escape(line)}</span></p>'
    ),
    "typographic quotes": lambda text: re.sub(r'"([^"\n]*)"', "“\\1”", text).replace("'", "’"),
    "docker JSON": _docker,
    "CRI": lambda text: _prefixed(text, "2026-11-30T10:00:00.123456789Z stderr F "),
    "journald with Chinese months": lambda text: _prefixed(text, "11月 30 10:00:00 edge1 edgecore[100]: "),
    "quoted mail with carriage returns": lambda text: _prefixed(text, "> ").replace("\n", "\r\n") + "\r",
}
