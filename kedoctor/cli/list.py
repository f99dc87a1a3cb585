"""``kedoctor list``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from kedoctor.base.errors import UsageError
from kedoctor.cli import options, telling
from kedoctor.judge.registry import RegisteredCheck
from kedoctor.judge.selection import Selection
from kedoctor.model.declarations import Check, RunMode
from kedoctor.plugins import Plugins, load_plugins

__all__ = ["command"]


@click.command()
@click.argument("codes", nargs=-1, metavar="[CODE]...")
@click.option("--why", is_flag=True, help="Of each CODE: file and line, the facts and what they read.")
@click.option("--formats", "what", flag_value="formats", help="List the report formats.")
@click.option("--symptoms", "what", flag_value="symptoms", help="List the symptoms for run --symptom.")
@click.option("--plugins", "what", flag_value="plugins", help="List the plugins, and what was refused.")
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to print it.",
)
@options.language_option
def command(
    *, codes: tuple[str, ...], why: bool, what: str | None, format_name: str, lang: str | None
) -> None:
    """List the checks with their codes, or symptoms, formats or plugins.

    With --why: where a check is written, the facts that it is judged on, and what these read (as seen on the recorded
    demo sites), what it builds on and what can explain it.
    """
    if what and (codes or why):
        raise UsageError(f"--{what} takes no check")
    if why and not codes:
        raise UsageError("--why needs a check", hint="kedoctor list KE202 --why")
    options.tell_configuration()
    plugins, language = load_plugins(), options.language(lang)
    if format_name == "json":
        data = {"symptoms": _symptom_data, "formats": _format_data, "plugins": _plugin_data}.get(
            what or "", _check_data
        )(plugins, language)
        telling.document(list(data))
        return
    lines = {"symptoms": _symptoms, "formats": _formats, "plugins": _plugins}.get(what or "")
    if lines is not None:
        told = lines(plugins, language)
    elif codes:
        chosen = Selection(codes).checks(plugins.registry, plugins.symptoms())
        tell = _why if why else _check
        told = (line for node in chosen for line in tell(plugins, node, language))
    else:
        told = (
            line
            for _, node in sorted(plugins.registry.checks.items())
            for line in _check(plugins, node, language)
        )
    for line in told:
        telling.say(line)


def _check_data(plugins: Plugins, language: str) -> Iterator[dict[str, Any]]:
    for code, node in sorted(plugins.registry.checks.items()):
        check = node.check
        yield {
            "code": code,
            "name": check.slug,
            "title": check.title.in_language(language),
            "side": check.side.value,
            "breaks": list(check.breaks),
            "hop": check.hop,
            "occasions": [one.value for one in check.occasions],
            "plugin": node.plugin,
        }


def _symptom_data(plugins: Plugins, language: str) -> Iterator[dict[str, Any]]:
    symptoms = plugins.symptoms()
    for name, one in symptoms.items():
        checks = Selection(symptoms=(name,)).checks(plugins.registry, symptoms)
        codes = sorted(node.check.code for node in checks)
        yield {"name": name, "title": one.title.in_language(language), "checks": codes}


def _format_data(plugins: Plugins, language: str) -> Iterator[dict[str, Any]]:
    for name, one in sorted(plugins.formats().items()):
        yield {"name": name, "title": one.title.in_language(language), "suffix": one.suffix}


def _plugin_data(plugins: Plugins, language: str) -> Iterator[dict[str, Any]]:
    del language
    for name in plugins.names:
        checks = sum(1 for node in plugins.registry.checks.values() if node.plugin == name)
        refused = [f"{one.what}: {one.reason}" for one in plugins.registry.refusals if one.plugin == name]
        yield {"name": name, "checks": checks, "refused": refused}


def _check(plugins: Plugins, node: RegisteredCheck, language: str) -> Iterator[str]:
    del plugins
    check = node.check
    title = check.title.in_language(language)
    yield f"{check.code:8}{check.side.value:7}{check.slug:26}{title}{_occasion(check, language)}"


def _occasion(check: Check, language: str) -> str:
    """A note behind what is only judged while something is installed."""
    if RunMode.RUN in check.occasions:
        return ""
    return "（仅在 kedoctor install 中）" if language == "zh" else " (kedoctor install only)"


def _why(plugins: Plugins, node: RegisteredCheck, language: str) -> Iterator[str]:
    from kedoctor.cli.why import reasons  # noqa: PLC0415  a plain list is quick

    yield from reasons(plugins, node, language)


def _symptoms(plugins: Plugins, language: str) -> Iterator[str]:
    symptoms = plugins.symptoms()
    for name, one in symptoms.items():
        checks = len(Selection(symptoms=(name,)).checks(plugins.registry, symptoms))
        yield f"{name:10}{checks:4}  {one.title.in_language(language)}"


def _formats(plugins: Plugins, language: str) -> Iterator[str]:
    for name, one in sorted(plugins.formats().items()):
        yield f"{name:12}{one.title.in_language(language)}"


def _plugins(plugins: Plugins, language: str) -> Iterator[str]:
    for name in plugins.names:
        checks = sum(1 for node in plugins.registry.checks.values() if node.plugin == name)
        noun = "项检查" if language == "zh" else "check" if checks == 1 else "checks"
        yield f"{name}: {checks} {noun}"
    for refusal in plugins.registry.refusals:
        word = "已拒绝" if language == "zh" else "refused"
        yield f"{word}: {refusal.plugin}: {refusal.what}: {refusal.reason}"
