"""``kedoctor history``."""

from __future__ import annotations

import click

from kedoctor import state

__all__ = ["command"]


@click.command()
def command() -> None:
    """List earlier runs, newest first: when, exit code, and the causes that were found."""
    reports = state.runs()
    if not reports:
        click.echo("No run is saved yet.")
    for report in reports:
        causes = ", ".join(cause.code for cause in report.causes) or "nothing wrong"
        click.echo(
            f"{report.run.id}  {report.run.started:%Y-%m-%d %H:%M} UTC  exit {report.run.exit_code}  {causes}"
        )
