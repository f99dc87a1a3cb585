"""What a report format is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kedoctor.base.text import Text
from kedoctor.model.report import Report

__all__ = ["Presentation", "ReportFormat"]


def _no_page(code: str) -> str:
    del code
    return ""


@dataclass(frozen=True, slots=True)
class Presentation:
    """How a person wants it: language (``en``, ``zh``), columns, colour, whether all verdicts are spelt out, or only the headline (``brief``).

    ``height`` is how many lines the terminal shows at once; 0 where there is none.
    ``page`` gives the explanation of a code in that language as Markdown, without its references; empty if there is none.
    """

    language: str = "en"
    width: int = 100
    colour: bool = False
    verbose: bool = False
    brief: bool = False
    height: int = 0
    page: Callable[[str], str] = _no_page


@dataclass(frozen=True, slots=True)
class ReportFormat:
    """One form of the report document.

    ``render`` gets the document and gives the whole output, UTF-8 encoded; it judges nothing. ``name`` is what
    ``--format`` takes and ``kedoctor report --NAME`` is short for, ``suffix`` the usual ending of a file name. With
    ``beside``, ``kedoctor run --NAME FILE`` writes it beside what the screen shows.
    """

    name: str
    suffix: str
    title: Text
    render: Callable[[Report, Presentation], bytes]
    beside: bool = False
