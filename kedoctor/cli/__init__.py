"""The command line: one module a command, imported only when that command runs."""

from __future__ import annotations

import importlib
from typing import Any, cast

import click

from kedoctor import __version__
from kedoctor.base.suggestions import nearest
from kedoctor.cli import speech

__all__ = ["command"]

# The help texts stand here so that `kedoctor --help` need not import a single command.
_COMMANDS = {
    "run": "Diagnose the site.",
    "report": "Show the latest run in another format: HTML, JSON, JUnit, SARIF and more.",
    "trace": "Test the path of kubectl logs, exec, attach or top to an edge, hop by hop.",
    "explain": "Explain a check, or an error text or log: what failed and the likely causes.",
    "list": "List the checks, symptoms, formats and plugins.",
    "gate": "Prove that logs, exec, attach and top reach every edge; one exit code for CI.",
    "collect": "Collect evidence: what kedoctor would read, redacted, in one archive.",
    "bundle": "List, check and make the offline bundle that a site is installed from.",
    "baseline": "Write a file that accepts the present findings.",
    "rbac": "Print the smallest roles that the checks, or their repairs, need.",
    "backup": "Save the settings of this site, without secrets.",
    "diff": "Show the differences between two runs, evidence archives or backups, or between one and now.",
    "watch": "Check again and again; print what changes, and serve metrics.",
    "serve": "Show the latest report as a page on this host, refreshed.",
    "history": "List earlier runs.",
    "rollback": "Roll back a repair.",
    "install": "Install the cloud or an edge from an offline bundle, each step checked.",
    "demo": "Diagnose a recorded broken site, or repair it in a sandbox; needs no cluster.",
    "new-check": "Write the skeleton of a check of your own: fact, check, pages, repair and test.",
    "completion": "Print the completion script of bash, zsh or fish.",
    "schema": "Print the JSON Schema of the report document.",
    "version": "Print the version.",
}


class _Commands(click.Group):
    """A group that knows its commands by name and loads them when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return [*_COMMANDS]  # `list` is a module of this package

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"kedoctor.cli.{cmd_name.replace('-', '_')}")
        found = cast("click.Command", module.command)
        if not any(one.name == "config" for one in found.params):
            found.params.append(importlib.import_module("kedoctor.cli.configuration").option())
        return speech.speaking(found)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([*_COMMANDS.items()])

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = nearest(args[0], _COMMANDS)
            if not near or "Did you mean" in error.message:
                raise
            raise click.UsageError(f"{error.message.rstrip('.')}. Did you mean {near!r}?", ctx) from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.option(
    "--lang", type=click.Choice(["en", "zh"]), expose_value=False, help="Output language [default: locale]."
)
def command() -> None:
    """Find out why kubectl logs, exec, attach or top does not reach a KubeEdge edge, and repair it.

    Exit codes: 0 no failure, 1 a check failed, 2 only warnings (with --fail-on warn), 3 a check of the request path is
    undetermined, 4 a repair or a rollback failed, 64 usage, 70 internal error, 74 output could not be written,
    78 bad configuration, evidence or offline bundle, 130 interrupted.
    """


command.context_class = speech.SpeakingContext
