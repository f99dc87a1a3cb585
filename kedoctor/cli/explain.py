"""``kedoctor explain``."""

from __future__ import annotations

import click

from kedoctor.cli import options
from kedoctor.errors import UsageError
from kedoctor.plugins import Plugins, load_plugins

__all__ = ["command"]


@click.command()
@click.argument("code")
@options.language_option
def command(*, code: str, lang: str | None) -> None:
    """Explain a check by its code or name: symptom, meaning, how to see it yourself, remedy, references."""
    plugins = load_plugins()
    language = options.language(lang)
    page = _page(plugins, code.upper(), language)
    if page is None:
        # Names are known to the checks only, and these are imported only now: a code is explained at once.
        by_slug = {node.check.slug: name for name, node in plugins.registry.checks.items()}
        page = _page(plugins, by_slug.get(code.lower(), ""), language)
    if page is None:
        raise UsageError(f"there is no check {code!r}", hint="kedoctor list shows every code and name")
    click.echo(page.rstrip())


def _page(plugins: Plugins, code: str, language: str) -> str | None:
    return plugins.page(code=code, language=language) or plugins.page(code=code, language="en")
