"""The report as its JSON document, written and read.

In the document of a large site, edges of which the same holds stand together (``equal_rows``) instead of one row each
(``matrix``): of 100,000 edges that is 2 MB instead of 60. Whoever reads a report here meets one row an edge either way.
"""

from __future__ import annotations

from kedoctor.base.records import decode, encode_pretty, replace
from kedoctor.model.report import Capability, Cell, EqualRows, Report

__all__ = ["LARGE", "read_report", "write_report"]

LARGE = 1_000
"""From this number of edges on, equal rows stand together."""


def write_report(report: Report) -> bytes:
    """The document: JSON, indented, with a final newline."""
    if len(report.matrix) < LARGE:
        return encode_pretty(report)
    edges: dict[tuple[Capability, ...], list[str]] = {}
    for row in report.matrix:
        edges.setdefault(row.capabilities, []).append(row.edge)
    equal = tuple(EqualRows(tuple(names), capabilities) for capabilities, names in edges.items())
    return encode_pretty(replace(report, matrix=(), equal_rows=equal))


def read_report(document: bytes) -> Report:
    """The report that a document holds, with one row an edge, by the names of the edges.

    Raises:
        RecordError: the bytes are no JSON, or not such a document.
    """
    report = decode(document, Report)
    if not report.equal_rows:
        return report
    rows = [
        *report.matrix,
        *(Cell(edge, one.capabilities) for one in report.equal_rows for edge in one.edges),
    ]
    return replace(report, matrix=tuple(sorted(rows, key=lambda row: row.edge)), equal_rows=())
