"""What a report format is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kedoctor.model import Report
from kedoctor.text import Text

__all__ = ["ReportFormat"]


@dataclass(frozen=True, slots=True)
class ReportFormat:
    """A face of the report document.

    ``render`` gets the document and a language and gives the whole output, UTF-8 encoded. ``name`` is what
    ``--format`` takes, ``suffix`` the usual file name ending.
    """

    name: str
    suffix: str
    title: Text
    render: Callable[[Report, str], bytes]
