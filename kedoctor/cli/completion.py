"""``kedoctor completion``."""

from __future__ import annotations

from pathlib import Path

import click

import kedoctor.completion
from kedoctor.cli import options, telling
from kedoctor.completion.answer import SHELLS

__all__ = ["command"]


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@options.language_option
def command(*, shell: str, lang: str | None) -> None:
    """Print the script that completes commands, options, codes, runs and edge nodes in a shell.

    The head of the script says where it belongs. The packages (deb, rpm) install it. For kubectl kedoctor,
    kubectl_complete-kedoctor has to be on the PATH, as an installation puts it there.
    """
    del lang
    script = Path(kedoctor.completion.__file__).parent / "scripts" / shell
    telling.show(script.read_text(encoding="utf-8"), nl=False)
