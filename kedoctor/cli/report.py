"""``kedoctor report``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from kedoctor.base.errors import ExitCode, UsageError
from kedoctor.base.text import Text
from kedoctor.cli import format_options, options, telling
from kedoctor.cli.browser import open_page
from kedoctor.cli.watching import observer
from kedoctor.model.report import SafeReport
from kedoctor.plugins import Plugins
from kedoctor.report import run_store
from kedoctor.run.diagnose import RunRequest, diagnose_site

__all__ = ["chosen", "command"]

_LATEST = Text(
    "Run {id} of {when:%Y-%m-%d %H:%M} UTC ({hosts}); kedoctor history lists all.",
    zh="{when:%Y-%m-%d %H:%M} UTC 的运行 {id}（{hosts}）；kedoctor history 可列出全部。",
)
_NO_RUN = Text("No earlier run on this host; checking now.", zh="本机没有早先的运行记录，现在开始检查。")


@click.command(cls=format_options.ShortcutCommand)
@click.option("--run", "run_id", metavar="ID", help="An earlier run (kedoctor history).")
@click.option("--open", "opens", is_flag=True, help="Show the page in a browser (with --html).")
@click.option("-v", "--verbose", is_flag=True, help="List every check, also those that passed.")
@options.output_options
@options.site_options
def command(
    *,
    shortcut: str | None,
    run_id: str | None,
    opens: bool,
    verbose: bool,
    format_name: str | None,
    output: Path | None,
    lang: str | None,
    **where: Any,
) -> int:
    """Show the latest run in another format; without an earlier run, check now.

    With --evidence the evidence is checked. The exit code is 0 when the report was written.
    """
    if shortcut and format_name:
        raise UsageError(f"--{shortcut} and --format exclude each other")
    form = shortcut or format_name or "terminal"
    if opens and form != "html":
        raise UsageError("--open needs --html: only that format is a page")
    plugins = format_options.loaded()
    presentation = options.present(lang, to_file=opens or output is not None, verbose=verbose)
    report = chosen(plugins, run_id, presentation.language, where)
    if not run_id and not where["bundles"] and sys.stderr.isatty():
        _say_which(report, presentation.language)
    page = options.render(plugins, report, form, presentation)
    if opens and output is None:
        output = run_store.kept_page(report, page)
    else:
        options.emit(page, output)
    if opens and output is not None:
        open_page(output, presentation.language)
    return 0


def _say_which(report: SafeReport, language: str) -> None:
    """Which run is shown: the latest one of this account may be another person's, or of another site."""
    told = _LATEST.in_language(language)
    hosts = ", ".join(host.name for host in report.site.hosts[:3]) or "-"
    telling.say(told.format(id=report.run.id, when=report.run.started, hosts=hosts), err=True)


def chosen(plugins: Plugins, run_id: str | None, language: str, where: dict[str, Any]) -> SafeReport:
    """The run of that id; else of the bundles, the latest one, or one that is made now.

    Raises:
        UsageError: there is no such run.
    """
    if run_id and where["bundles"]:
        raise UsageError("--run and --evidence exclude each other")
    if run_id:
        return run_store.load(run_id)
    latest = None if where["bundles"] else run_store.latest()
    if latest is not None:
        return latest
    if not where["bundles"]:
        telling.say(_NO_RUN.in_language(language), err=True)
    with observer(
        options.present(language, to_file=False, verbose=False), quiet=not sys.stderr.isatty()
    ) as watching:
        site = options.open_site(plugins, **where)
        report = diagnose_site(
            plugins, site, RunRequest(command=" ".join(["kedoctor", *sys.argv[1:]])), observer=watching
        )
    if report.run.exit_code == ExitCode.INTERRUPTED:
        raise KeyboardInterrupt
    run_store.save(report)
    return report
