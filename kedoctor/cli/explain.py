"""``kedoctor explain``."""

from __future__ import annotations

import click

from kedoctor.cli import options
from kedoctor.errors import UsageError
from kedoctor.plugins import load_plugins

__all__ = ["command"]


@click.command()
@click.argument("code")
@options.language_option
def command(*, code: str, lang: str | None) -> None:
    """Explain a check by its code or name: symptom, meaning, how to see it yourself, remedy, references."""
    plugins = load_plugins()
    by_slug = {node.check.slug: name for name, node in plugins.registry.checks.items()}
    wanted = by_slug.get(code.lower(), code.upper())
    language = options.language(lang)
    page = plugins.page(code=wanted, language=language) or plugins.page(code=wanted, language="en")
    if page is None:
        raise UsageError(f"there is no check {code!r}", hint="kedoctor list shows every code and name")
    click.echo(page.rstrip())
