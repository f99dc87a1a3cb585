"""``kedoctor history``."""

from __future__ import annotations

import click

from kedoctor.base.text import Text, plain
from kedoctor.cli import options
from kedoctor.cli.fix import journal_directory
from kedoctor.model.report import Report, site_state
from kedoctor.plugins import load_plugins
from kedoctor.report import run_store

__all__ = ["command"]

_NONE = Text("No run is saved yet.", zh="尚未保存任何运行记录。")
_FINE = Text("nothing wrong", zh="没有问题")
_UNSEEN = Text("nothing broken was found, but not all was seen", zh="未发现故障，但并未看到全部内容")


@click.command()
def command() -> None:
    """List earlier runs, newest first: when, exit code, and the causes that were found."""
    language = options.language(None)
    reports = run_store.runs()
    if not reports:
        click.echo(_NONE.in_language(language))
    for note in [*run_store.notes(), *map(str, journal_directory(load_plugins()).broken())]:
        click.echo(plain(note), err=True)
    for report in reports:
        run = report.run
        found = _found(report, language)
        click.echo(f"{plain(run.id)}  {run.started:%Y-%m-%d %H:%M} UTC  exit {run.exit_code}  {found}")


def _found(report: Report, language: str) -> str:
    causes = ", ".join(dict.fromkeys(cause.code for cause in report.causes))
    if causes:
        return causes
    return (_FINE if site_state(report) == "pass" else _UNSEEN).in_language(language)
