"""The report formats that come with kedoctor: terminal, short, HTML, JSON, JUnit, SARIF, Markdown and Prometheus.

A plugin like any other (entry point ``reports`` of the group ``kedoctor``): one module a format, with a function
``render``, imported when its format is asked for.
"""

from __future__ import annotations

import importlib

from kedoctor.api import Presentation, ReportFormat, Text, hookimpl
from kedoctor.api.report import Report

__all__ = ["kedoctor_reports"]


def _format(name: str, suffix: str, title: Text, *, beside: bool = False) -> ReportFormat:
    def render(report: Report, presentation: Presentation) -> bytes:
        page: bytes = importlib.import_module(f"{__name__}.{name}").render(report, presentation)
        return page

    return ReportFormat(name, suffix, title, render, beside=beside)


@hookimpl
def kedoctor_reports() -> list[ReportFormat]:
    """The formats that come with kedoctor."""
    return [
        _format("terminal", ".txt", Text("text for a terminal or a pipe", zh="终端或管道文本")),
        _format(
            "short", ".txt", Text("at most 2 KB, for a message or a call", zh="不超过 2 KB，用于消息或通话")
        ),
        _format("html", ".html", Text("one self-contained page", zh="单个自包含网页"), beside=True),
        _format("json", ".json", Text("the report document itself", zh="报告文档本身")),
        _format(
            "junit",
            ".xml",
            Text("JUnit XML, a test case per check and subject", zh="JUnit XML，每项检查和对象一个用例"),
            beside=True,
        ),
        _format(
            "sarif",
            ".sarif",
            Text("SARIF 2.1.0 for code scanning", zh="SARIF 2.1.0，用于代码扫描"),
            beside=True,
        ),
        _format(
            "markdown",
            ".md",
            Text("Markdown for a step summary or a ticket", zh="Markdown，用于步骤摘要或工单"),
            beside=True,
        ),
        _format(
            "prometheus",
            ".prom",
            Text(
                "metrics for node_exporter's textfile collector",
                zh="指标，供 node_exporter 的 textfile 收集器使用",
            ),
            beside=True,
        ),
    ]
