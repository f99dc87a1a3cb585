"""``kedoctor schema``."""

from __future__ import annotations

import click

from kedoctor.base.records import encode_pretty
from kedoctor.model.report import report_schema

__all__ = ["command"]


@click.command()
def command() -> None:
    """Print the JSON Schema of the report document."""
    click.echo(encode_pretty(report_schema()), nl=False)
