"""``kedoctor history``."""

from __future__ import annotations

import click

from kedoctor import state
from kedoctor.model import Report
from kedoctor.reports import wording

__all__ = ["command"]


@click.command()
def command() -> None:
    """List earlier runs, newest first: when, exit code, and the causes that were found."""
    reports = state.runs()
    if not reports:
        click.echo("No run is saved yet.")
    for report in reports:
        click.echo(
            f"{report.run.id}  {report.run.started:%Y-%m-%d %H:%M} UTC  exit {report.run.exit_code}  {_found(report)}"
        )


def _found(report: Report) -> str:
    causes = ", ".join(dict.fromkeys(cause.code for cause in report.causes))
    if causes:
        return causes
    return (
        "nothing wrong"
        if wording.state(report) == "pass"
        else "nothing broken was found, but not all was seen"
    )
