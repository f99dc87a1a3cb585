"""``kedoctor list``."""

from __future__ import annotations

from collections.abc import Iterator

import click

from kedoctor.cli import options
from kedoctor.judge.selection import Selection
from kedoctor.model.declarations import Check, RunMode
from kedoctor.plugins import Plugins, load_plugins

__all__ = ["command"]


@click.command()
@click.option("--formats", "what", flag_value="formats", help="List the report formats.")
@click.option("--symptoms", "what", flag_value="symptoms", help="List what run --symptom can be asked about.")
@click.option("--plugins", "what", flag_value="plugins", help="List the plugins and what was refused.")
@options.language_option
def command(*, what: str | None, lang: str | None) -> None:
    """List the checks with their codes, or symptoms, formats or plugins."""
    options.tell_configuration()
    lines = {"symptoms": _symptoms, "formats": _formats, "plugins": _plugins}.get(what or "", _checks)
    for line in lines(load_plugins(), options.language(lang)):
        click.echo(line)


def _checks(plugins: Plugins, language: str) -> Iterator[str]:
    for code, node in sorted(plugins.registry.checks.items()):
        title = node.check.title.in_language(language)
        yield f"{code:8}{node.check.side.value:7}{node.check.slug:26}{title}{_occasion(node.check, language)}"


def _occasion(check: Check, language: str) -> str:
    """A note behind what is only judged while something is installed."""
    if RunMode.RUN in check.occasions:
        return ""
    return "（仅在 kedoctor install 中）" if language == "zh" else " (kedoctor install only)"


def _symptoms(plugins: Plugins, language: str) -> Iterator[str]:
    symptoms = plugins.symptoms()
    for name, one in symptoms.items():
        checks = len(Selection(symptoms=(name,)).checks(plugins.registry, symptoms))
        yield f"{name:10}{checks:4}  {one.title.in_language(language)}"


def _formats(plugins: Plugins, language: str) -> Iterator[str]:
    for name, one in sorted(plugins.formats().items()):
        yield f"{name:12}{one.title.in_language(language)}"


def _plugins(plugins: Plugins, language: str) -> Iterator[str]:
    del language
    for name in plugins.names:
        checks = sum(1 for node in plugins.registry.checks.values() if node.plugin == name)
        yield f"{name}: {checks} checks"
    for refusal in plugins.registry.refusals:
        yield f"refused: {refusal.what} of {refusal.plugin}: {refusal.reason}"
