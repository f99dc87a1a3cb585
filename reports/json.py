"""The report document itself, as one JSON object."""

from __future__ import annotations

from kedoctor.api import Presentation
from kedoctor.base.records import encode_pretty
from kedoctor.model.report import Report

__all__ = ["render"]


def render(report: Report, presentation: Presentation) -> bytes:
    """The document, indented; its texts are in both languages, so the presentation changes nothing."""
    del presentation
    return encode_pretty(report)
