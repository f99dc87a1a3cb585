"""``kedoctor schema``."""

from __future__ import annotations

import click

from kedoctor.model import report_schema
from kedoctor.records import encode_pretty

__all__ = ["command"]


@click.command()
def command() -> None:
    """Print the JSON Schema of the report document."""
    click.echo(encode_pretty(report_schema()), nl=False)
