"""Options that every report format brings along, a plugin's as well: ``report --html``, ``run --junit FILE``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from kedoctor import patterns
from kedoctor.base.errors import UsageError
from kedoctor.cli.speech import language_here
from kedoctor.model.report_format import ReportFormat
from kedoctor.plugins import Plugins, load_plugins

__all__ = ["BesideCommand", "ShortcutCommand", "beside", "loaded"]

_META = "kedoctor.plugins"
_PREFIX = "beside_"
_NAME = patterns.compiled(r"[a-z][a-z0-9-]*\Z")
SHOWN = "terminal"
"""What is shown when nothing else is asked for needs no option of its own."""


def loaded(ctx: click.Context | None = None) -> Plugins:
    """The plugins of this command, loaded once for its options and for what it does."""
    context = ctx or click.get_current_context()
    plugins: Plugins = context.meta.get(_META) or load_plugins()
    context.meta[_META] = plugins
    return plugins


class _FormatCommand(click.Command, ABC):
    """A command with options made from the report formats; an option that it has already stays what it is."""

    first = False

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The command's own options, and those made of the formats before or after them."""
        own = super().get_params(ctx)
        taken = {name for one in own for name in one.opts}
        made = [
            option
            for one in loaded(ctx).formats().values()
            if _NAME.match(one.name) and f"--{one.name}" not in taken
            for option in self.made(one)
        ]
        return [*made, *own] if self.first else [*own, *made]

    @abstractmethod
    def made(self, one: ReportFormat) -> Iterator[click.Option]:
        """The options of one format."""


class ShortcutCommand(_FormatCommand):
    """``--NAME`` for ``--format NAME``, in the parameter ``shortcut``."""

    first = True

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuses two formats at once: only the last of them would be written."""
        names = {f"--{name}" for name in loaded(ctx).formats()}
        named = list(dict.fromkeys(one for one in args if one in names))
        if len(named) > 1:
            raise UsageError(
                f"{' and '.join(named)} exclude each other: one report has one format",
                hint="run the command once for each format; kedoctor report shows the same run",
            )
        return super().parse_args(ctx, args)

    def made(self, one: ReportFormat) -> Iterator[click.Option]:
        """A flag for every format that is not shown anyway."""
        if one.name != SHOWN:
            yield click.Option([f"--{one.name}", "shortcut"], flag_value=one.name, help=_sentence(one))


class BesideCommand(_FormatCommand):
    """``--NAME FILE`` for what is written beside what is shown; see :func:`beside`."""

    def made(self, one: ReportFormat) -> Iterator[click.Option]:
        """An option for a format that is made for that."""
        if one.beside:
            yield click.Option(
                [f"--{one.name}", f"{_PREFIX}{one.name.replace('-', '_')}"],
                metavar="FILE",
                type=click.Path(dir_okay=False, path_type=Path),
                help="Also write the report in this format to this file.",
            )


def beside(plugins: Plugins, values: dict[str, Any]) -> dict[str, Path | None]:
    """The files by format, taken out of the values of a :class:`BesideCommand`."""
    names = [name for name, one in plugins.formats().items() if one.beside]
    keys = {name: f"{_PREFIX}{name.replace('-', '_')}" for name in names}
    return {name: values.pop(key) for name, key in keys.items() if key in values}


def _sentence(one: ReportFormat) -> str:
    language = language_here()
    title = one.title.in_language(language)
    return f"{title[:1].upper()}{title[1:]}{'。' if language == 'zh' else '.'}"
