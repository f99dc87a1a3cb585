"""Where code stands: the file and line of a function, and of what broke in a plugin."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

__all__ = ["at", "broken_at", "place_of"]

_OURS = str(Path(__file__).parents[1])
_STANDARD = str(Path(traceback.__file__).parent)


def place_of(function: Any) -> str:
    """``/etc/kedoctor/plugins/ntp.py:12``: where a function is written; empty if it has no code."""
    code = getattr(function, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else ""


def broken_at(error: BaseException) -> str:
    """``file:line`` where an exception was raised: the last place outside the engine, if it came by one."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno or 1}"
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return ""
    foreign = [one for one in frames if not _engine(one.filename)]
    last = foreign[-1] if foreign else frames[-1]
    return f"{last.filename}:{last.lineno}"


def at(error: BaseException) -> str:
    """`` at file:line`` for the end of a sentence about an exception."""
    place = broken_at(error)
    return f" at {place}" if place else ""


def _engine(filename: str) -> bool:
    """Of the engine or of the standard library: neither helps the author of a plugin."""
    if filename.startswith(_OURS):
        return not filename.startswith((f"{_OURS}/checks", f"{_OURS}/reports"))
    standard = filename.startswith(_STANDARD) and "site-packages" not in filename
    return standard or filename.startswith("<")
