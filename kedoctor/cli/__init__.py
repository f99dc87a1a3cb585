"""The command line: one module a command, imported only when that command runs."""

from __future__ import annotations

import importlib
from typing import Any, cast

import click

from kedoctor import __version__
from kedoctor.base.suggestions import nearest

__all__ = ["command"]

# The help texts stand here so that `kedoctor --help` need not import a single command.
_COMMANDS = {
    "run": "Look at the site and say what is wrong.",
    "report": "Show the latest run (or a fresh one) in another form: HTML, JSON, JUnit, SARIF and more.",
    "trace": "Walk the path of kubectl logs, exec, attach or top to an edge, hop by hop.",
    "explain": "Explain a check, or an error text or log: what failed and what can be behind it.",
    "list": "List the checks, symptoms, formats and plugins.",
    "gate": "Prove that logs, exec, attach and top reach every edge; one exit code for CI.",
    "collect": "Write what kedoctor would look at into one redacted archive.",
    "bundle": "List, check and fill the offline bundle that a site is installed from.",
    "baseline": "Write a file that accepts what is wrong now.",
    "rbac": "Print the smallest roles that the checks, or their repairs, need.",
    "backup": "Keep the settings of this site, without secrets.",
    "diff": "Say what differs between two runs, bundles or backups, or between one and now.",
    "history": "List earlier runs.",
    "rollback": "Take back what a repair changed.",
    "install": "Install a side of the site from an offline bundle, each step checked.",
    "demo": "Diagnose a recorded broken site, or repair it in a sandbox; needs no cluster.",
    "new-check": "Write the skeleton of a check of your own: fact, check, pages, repair and test.",
    "schema": "Print the JSON Schema of the report document.",
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
        return found

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
def command() -> None:
    """Find out why kubectl logs, exec, attach or top does not reach a KubeEdge edge, and put it right.

    Exit codes: 0 nothing wrong, 1 something fails, 2 only warnings (with --fail-on warn), 3 something that matters
    could not be determined, 4 a fix or an undo failed, 64 usage, 70 internal error, 74 output could not be written,
    78 bad configuration or bundle, 130 interrupted.
    """
