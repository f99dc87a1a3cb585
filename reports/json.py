"""The report document itself, as one JSON object."""

from __future__ import annotations

from kedoctor.api import Presentation, replace
from kedoctor.api.report import Report, write_report

__all__ = ["render"]


def render(report: Report, presentation: Presentation) -> bytes:
    """The document, indented, its texts in both languages; with ``-v`` it also says where each check is written."""
    if presentation.verbose:
        return write_report(report)
    # A path of this machine, and in every verdict: for who asks.
    verdicts = tuple(replace(one, source="") for one in report.verdicts)
    return write_report(replace(report, verdicts=verdicts))
