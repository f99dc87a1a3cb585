"""``kedoctor demo``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from kedoctor.base.errors import UsageError
from kedoctor.cli import options, telling
from kedoctor.cli.watching import observer
from kedoctor.model.report_format import Presentation
from kedoctor.plugins import Plugins, load_plugins
from kedoctor.run.diagnose import RunRequest, diagnose_site
from kedoctor.run.site import bundled_site

__all__ = ["command"]


@click.command()
@click.argument("name", required=False)
@click.option("--list", "list_them", is_flag=True, help="List the recorded sites.")
@click.option("--fix", "repair", is_flag=True, help="Also repair it and roll back, in a throw-away sandbox.")
@click.option(
    "--yes", is_flag=True, hidden=True, expose_value=False, help="As run --fix takes it; a demo asks nothing."
)
@click.option("-v", "--verbose", is_flag=True, help="List every check, also those that passed.")
@options.output_options
def command(
    *,
    name: str | None,
    list_them: bool,
    repair: bool,
    verbose: bool,
    format_name: str | None,
    output: Path | None,
    lang: str | None,
) -> int:
    """Diagnose a recorded broken site; needs no cluster and touches nothing.

    The exit code is 0 when the diagnosis was made, although the recorded site is broken.

    With --fix the site is unpacked into a temporary directory, repaired there, looked at again and rolled back. The
    exit code is 0 if all of that succeeded, and 4 otherwise. With --format or -o the story goes to standard error, and
    the report of the repaired site is written as requested.
    """
    plugins = load_plugins()
    demos = plugins.demos()
    if list_them:
        telling.say("\n".join(demos))
        return 0
    chosen = name or next(iter(demos), "")
    if chosen not in demos:
        raise UsageError(f"there is no recorded site {chosen!r}", hint=f"there are: {', '.join(demos)}")
    presentation = options.present(lang, to_file=output is not None, verbose=verbose)
    if repair:
        return _tell_repair(plugins, demos[chosen], presentation, format_name, output)
    question = RunRequest(command=f"kedoctor demo {chosen}", demo=True)
    with observer(presentation, quiet=not sys.stderr.isatty()) as watching:
        report = diagnose_site(plugins, bundled_site(demos[chosen]), question, observer=watching)
    options.emit(options.render(plugins, report, format_name or "terminal", presentation), output)
    return 0


def _tell_repair(
    plugins: Plugins,
    bundles: Sequence[Path],
    presentation: Presentation,
    format_name: str | None,
    output: Path | None,
) -> int:
    from kedoctor.cli.demo_fix import tell_repair  # noqa: PLC0415  a plain demo changes nothing

    aloud = format_name is None and output is None
    report, code = tell_repair(plugins, bundles, presentation, aloud=aloud)
    if not aloud:
        options.emit(options.render(plugins, report, format_name or "terminal", presentation), output)
    return code
