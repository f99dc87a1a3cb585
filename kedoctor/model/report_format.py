"""What a report format is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kedoctor.base.text import Text
from kedoctor.model.report import Report

__all__ = ["Presentation", "ReportFormat"]


@dataclass(frozen=True, slots=True)
class Presentation:
    """How a person wants it: language (``en``, ``zh``), columns, colour, whether all verdicts are spelt out, or only the headline (``brief``)."""

    language: str = "en"
    width: int = 100
    colour: bool = False
    verbose: bool = False
    brief: bool = False


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
