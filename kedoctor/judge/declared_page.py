"""The page of a check of a plugin: a file beside its code, or what its declaration says."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

from kedoctor.base.code_places import place_of
from kedoctor.model.declarations import Check

__all__ = ["page_beside", "page_of"]

_HEADINGS = {
    "en": ("What it means", "Remedy", "References"),
    "zh": ("含义", "处理", "参考"),
}


def page_beside(check: Check, language: str) -> str | None:
    """``pages/<language>/<code>.md`` in the directory of the check's file; without one in that language, the English."""
    directory = Path(place_of(check.judge).rpartition(":")[0]).parent / "pages"
    for wanted in dict.fromkeys((language, "en")):
        try:
            return (directory / wanted / f"{check.code}.md").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
    return None


def page_of(check: Check, language: str) -> str:
    """Title, what its author wrote above the function, and the declared remedy and references."""
    return "\n".join(_parts(check, language)) + "\n"


def _parts(check: Check, language: str) -> Iterator[str]:
    meaning, remedy, references = _HEADINGS["zh" if language == "zh" else "en"]
    yield f"# {check.code} {check.title.in_language(language)}"
    told = inspect.getdoc(check.judge)
    if told:
        yield from ("", f"## {meaning}", "", told)
    if check.remedy is not None:
        yield from ("", f"## {remedy}", "", check.remedy.in_language(language))
    if check.references:
        yield from ("", f"## {references}", "", "; ".join(check.references) + ".")
