"""The pages that explain checks, and what of them is shown where."""

from __future__ import annotations

from kedoctor import patterns
from kedoctor.plugins import Plugins

__all__ = ["explanation", "page_of", "parted"]

_REFERENCES = patterns.compiled(r"^## (?:References|参考)$", patterns.MULTILINE)


def page_of(plugins: Plugins, code: str, language: str) -> str | None:
    """The page of a code as its plugin wrote it, in English where there is no other; ``None`` if there is none."""
    return plugins.page(code=code, language=language) or plugins.page(code=code, language="en")


def parted(page: str) -> tuple[str, str, str]:
    """A page without its references, their heading, and them; a page without such a section is whole."""
    parts = list(_REFERENCES.finditer(page))
    if not parts:
        return page, "", ""
    return page[: parts[-1].start()], parts[-1][0], page[parts[-1].end() :]


def explanation(plugins: Plugins, code: str, language: str) -> str:
    """The page of a code without its references; empty if there is none."""
    return parted(page_of(plugins, code, language) or "")[0]
