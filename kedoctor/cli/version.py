"""``kedoctor version``."""

from __future__ import annotations

import platform

import click

from kedoctor import __version__
from kedoctor.cli import telling

__all__ = ["command"]


@click.command()
def command() -> None:
    """Print the version of kedoctor and of its Python."""
    telling.show(f"kedoctor {__version__} (Python {platform.python_version()}, {platform.machine()})")
