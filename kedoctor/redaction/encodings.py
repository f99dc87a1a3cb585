r"""Text that was encoded once more on its way: a name with ``\u0077`` in it, HTML entities, percent signs.

What is hidden so is looked at decoded, and shown decoded where a secret was in it.
"""

from __future__ import annotations

import html
import urllib.parse
from collections.abc import Callable

from kedoctor import patterns
from kedoctor.redaction.placeholders import PLACEHOLDER

__all__ = ["may_be_encoded", "redact_encoded", "with_plain_names"]

_UNICODE = patterns.compiled(r"\\{1,8}u00([2-7][0-9a-fA-F])")
_ENTITY = patterns.compiled(r"&(?:quot|amp|lt|gt|apos|#\d{1,6}|#x[0-9a-fA-F]{1,6});")
_PERCENT = patterns.compiled(
    rf"{PLACEHOLDER}|(?<![^\s\"'<>])(?P<run>[^\s\"'<>%]*+%[0-9A-Fa-f]{{2}}[^\s\"'<>]*+)"
)
_PLAIN = patterns.compiled(r"[A-Za-z0-9_-]")


def may_be_encoded(text: str) -> bool:
    """Whether anything in it is encoded so."""
    return "\\u" in text or "%" in text or "&" in text


def with_plain_names(text: str) -> str:
    """``text`` with letters and digits that were escaped by their numbers as they are read."""
    return _UNICODE.sub(_letter, text) if "\\u00" in text else text


def _letter(match: patterns.Match[str]) -> str:
    sign = chr(int(match[1], 16))
    return sign if _PLAIN.match(sign) else match[0]


def redact_encoded(text: str, redact: Callable[[str], str]) -> str:
    """``text`` with what is percent-encoded or written in entities redacted; what holds no secret stays encoded."""
    if "&" in text and _ENTITY.search(text):
        plain = html.unescape(text)
        clean = redact(plain)
        text = clean if clean != plain else text
    if "%" in text:
        text = _PERCENT.sub(lambda match: _decoded(match[0], redact) if match["run"] else match[0], text)
    return text


def _decoded(run: str, redact: Callable[[str], str]) -> str:
    plain = urllib.parse.unquote_plus(run) if "%20" not in run else urllib.parse.unquote(run)
    clean = redact(plain) if plain != run else run
    return clean if clean != plain else run
