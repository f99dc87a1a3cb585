"""``kedoctor history``."""

from __future__ import annotations

import click

from kedoctor.base.text import Text, plain
from kedoctor.cli import options, telling
from kedoctor.cli.fix import journal_directory
from kedoctor.model.report import Report, site_state
from kedoctor.plugins import load_plugins
from kedoctor.report import run_store

__all__ = ["command"]

_NONE = Text("No run is saved yet.", zh="尚未保存任何运行记录。")
_FINE = Text("no problem found", zh="未发现问题")
_UNSEEN = Text("diagnosis incomplete", zh="诊断不完整")
_EXIT = Text("exit", zh="退出码")
_DEMO = Text("demo", zh="演示")


@click.command()
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to print it.",
)
@options.language_option
def command(*, format_name: str, lang: str | None) -> None:
    """List earlier runs, newest first: time, hosts, site, exit code and root causes."""
    language, reports = options.language(lang), run_store.runs()
    if format_name == "json":
        telling.document([_entry(report) for report in reports])
        return
    if not reports:
        telling.say(_NONE.in_language(language))
    for note in [*run_store.notes(), *map(str, journal_directory(load_plugins()).broken())]:
        telling.say(plain(note), err=True)
    for report in reports:
        run = report.run
        code = f"{_EXIT.in_language(language)} {run.exit_code}"
        where = " ".join([_hosts(report), _site(report, language)]).strip()
        found = _found(report, language)
        telling.say(f"{plain(run.id)}  {run.started:%Y-%m-%d %H:%M} UTC  {plain(where)}  {code}  {found}")


def _hosts(report: Report) -> str:
    names = [host.name for host in report.site.hosts]
    more = f" +{len(names) - 3}" if len(names) > 3 else ""
    return ",".join(names[:3]) + more


def _site(report: Report, language: str) -> str:
    """What tells sites apart: a demo, or the edges that were seen."""
    if report.run.demo:
        return f"({_DEMO.in_language(language)})"
    edges = [row.edge for row in report.matrix]
    return f"({', '.join(edges[:3])}{' …' if len(edges) > 3 else ''})" if edges else ""


def _causes(report: Report) -> list[str]:
    return list(dict.fromkeys(cause.code for cause in report.causes))


def _entry(report: Report) -> dict[str, object]:
    return {
        "id": report.run.id,
        "started": f"{report.run.started:%Y-%m-%dT%H:%M:%SZ}",
        "command": report.run.command,
        "demo": report.run.demo,
        "hosts": [host.name for host in report.site.hosts],
        "edges": [row.edge for row in report.matrix],
        "exit_code": report.run.exit_code,
        "complete": report.run.complete,
        "causes": _causes(report),
    }


def _found(report: Report, language: str) -> str:
    causes = ", ".join(_causes(report))
    if causes:
        return causes
    return (_FINE if site_state(report) == "pass" else _UNSEEN).in_language(language)
