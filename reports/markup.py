"""Text from a site inside Markdown (CommonMark and GitHub's additions), so that it stays text."""

from __future__ import annotations

from kedoctor.api import patterns, plain

__all__ = ["code", "escaped", "fenced", "ticked"]

# What begins markup anywhere in a line (or ends a cell of a table), and what does at its beginning.
_SPECIAL = patterns.compiled(r"([\\`*_\[\]|~$])")
_BEGINNING = patterns.compiled(r"^(\d*)([#>+=.)-])")
_LINE_ENDS = patterns.compiled(r"(?<!\s)[^\S\n\u2028\u2029]*+[\n\u2028\u2029]\s*+")
# What a site of issues makes notifications or links of: @name, #12 and bare addresses of the web.
_MENTION = patterns.compiled(r"((?<!\w)@(?=\w)|#(?=\d))")
_LINK = patterns.compiled(r"://|\bwww\.", patterns.IGNORECASE)
_NOTHING = "<!-- -->"


def escaped(text: str) -> str:
    """The text as one line of Markdown that shows just this text, mentions nobody and links nowhere."""
    line = _LINE_ENDS.sub(" ", plain(text)).strip().replace("&", "&amp;").replace("<", "&lt;")
    line = _SPECIAL.sub(r"\\\1", line)
    line = _BEGINNING.sub(r"\1\\\2", line)
    line = _MENTION.sub(rf"\1{_NOTHING}", line)
    return _LINK.sub(lambda found: found[0].replace(":", r"\:").replace(".", r"\."), line)


def code(text: str) -> str:
    """The text as a code span, on one line; not for a table, where a bar would end the cell."""
    line = _LINE_ENDS.sub(" ", plain(text))
    fence = "`" * (_longest_run(line) + 1)
    pad = " " if line.startswith("`") or line.endswith("`") or not line.strip() else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def ticked(text: str) -> str:
    """A sentence of ours in which backticks stand around what is typed: prose escaped, the rest as code spans."""
    pieces = text.split("`")
    if len(pieces) % 2 == 0:
        return escaped(text)
    return "".join(code(piece) if at % 2 else _beside(piece, at) for at, piece in enumerate(pieces) if piece)


def _beside(piece: str, at: int) -> str:
    """Prose before or behind a code span: it keeps the spaces there, and behind one it begins no line."""
    told = escaped(f"x{piece}x")[1:-1] if at else escaped(f"{piece}x")[:-1]
    return told.lstrip() if not at else told


def fenced(text: str, language: str = "text") -> str:
    """The text as a code block; ``language`` is for colours."""
    lines = plain(text)
    fence = "`" * max(3, _longest_run(lines) + 1)
    return f"{fence}{language}\n{lines}\n{fence}"


def _longest_run(text: str) -> int:
    return max((len(run) for run in patterns.compiled(r"`+").findall(text)), default=0)
