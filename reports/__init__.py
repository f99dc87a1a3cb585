"""The faces: each renders the report document and nothing else. One format, one file.

This package is a plugin like any other (entry point ``reports`` of the group ``kedoctor``).
"""

from __future__ import annotations

from kedoctor.api import Presentation, ReportFormat, Text, hookimpl
from kedoctor.model.report import Report

__all__ = ["kedoctor_reports"]


# Each face imports its library when it is asked for, so that JSON does not pay for HTML.
def _terminal(report: Report, presentation: Presentation) -> bytes:
    from kedoctor.reports import terminal  # noqa: PLC0415  as above

    return terminal.render(report, presentation)


def _html(report: Report, presentation: Presentation) -> bytes:
    from kedoctor.reports import html  # noqa: PLC0415  as above

    return html.render(report, presentation)


def _json(report: Report, presentation: Presentation) -> bytes:
    from kedoctor.reports import json  # noqa: PLC0415  as above

    return json.render(report, presentation)


def _junit(report: Report, presentation: Presentation) -> bytes:
    from kedoctor.reports import junit  # noqa: PLC0415  as above

    return junit.render(report, presentation)


def _sarif(report: Report, presentation: Presentation) -> bytes:
    from kedoctor.reports import sarif  # noqa: PLC0415  as above

    return sarif.render(report, presentation)


def _markdown(report: Report, presentation: Presentation) -> bytes:
    from kedoctor.reports import markdown  # noqa: PLC0415  as above

    return markdown.render(report, presentation)


def _prometheus(report: Report, presentation: Presentation) -> bytes:
    from kedoctor.reports import prometheus  # noqa: PLC0415  as above

    return prometheus.render(report, presentation)


@hookimpl
def kedoctor_reports() -> list[ReportFormat]:
    """The formats that come with kedoctor."""
    return [
        ReportFormat(
            "terminal", ".txt", Text("text for a terminal or a pipe", zh="终端或管道文本"), _terminal
        ),
        ReportFormat("html", ".html", Text("one self-contained page", zh="单个自包含网页"), _html),
        ReportFormat("json", ".json", Text("the report document itself", zh="报告文档本身"), _json),
        ReportFormat(
            "junit",
            ".xml",
            Text("JUnit XML, a test case per check and subject", zh="JUnit XML，每项检查和对象一个用例"),
            _junit,
        ),
        ReportFormat(
            "sarif", ".sarif", Text("SARIF 2.1.0 for code scanning", zh="SARIF 2.1.0，用于代码扫描"), _sarif
        ),
        ReportFormat(
            "markdown",
            ".md",
            Text("Markdown for a step summary or a ticket", zh="Markdown，用于步骤摘要或工单"),
            _markdown,
        ),
        ReportFormat(
            "prometheus",
            ".prom",
            Text(
                "metrics for node_exporter's textfile collector",
                zh="指标，供 node_exporter 的 textfile 收集器使用",
            ),
            _prometheus,
        ),
    ]
