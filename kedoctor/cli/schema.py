"""``kedoctor schema``."""

from __future__ import annotations

import click

from kedoctor.base.records import encode_pretty
from kedoctor.cli import telling
from kedoctor.model.report import report_schema

__all__ = ["command"]


@click.command()
def command() -> None:
    """Print the JSON Schema of the report document."""
    telling.show(encode_pretty(report_schema()), nl=False)
