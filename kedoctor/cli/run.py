"""``kedoctor run``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from kedoctor.base.errors import ExitCode, UsageError
from kedoctor.cli import format_options, options, telling
from kedoctor.cli.configuration import given
from kedoctor.cli.durations import duration
from kedoctor.cli.run_options import asked
from kedoctor.cli.watching import observer
from kedoctor.judge.selection import Selection
from kedoctor.model.declarations import ALLOWED, Risk
from kedoctor.model.plans import risk_rank
from kedoctor.model.report import SafeReport
from kedoctor.plugins import Plugins
from kedoctor.redaction.documents import DocumentRedactor
from kedoctor.report import run_store
from kedoctor.run.diagnose import RunRequest, diagnose_site

__all__ = ["command"]


@click.command(cls=format_options.BesideCommand)
@options.selection_options
@options.counting_options
@click.option(
    "--timeout", default="10m", show_default=True, metavar="TIME", help="Stop the run after this time."
)
@click.option(
    "--wait",
    metavar="TIME",
    help="Re-run until everything passes, at most this long (90s, 5m); with --fix: after the repairs.",
)
@click.option("--fix", "repair", is_flag=True, help="Repair what can be repaired; ask before each plan.")
@click.option("--dry-run", is_flag=True, help="With --fix: show the plan and change nothing.")
@click.option("--yes", is_flag=True, help="With --fix: do not ask.")
@click.option("--again", is_flag=True, help="With --fix: ignore the cool-down.")
@click.option(
    "--allow",
    type=click.Choice([risk.value for risk in Risk]),
    default=(ALLOWED.value,),
    show_default=True,
    multiple=True,
    help="With --fix: maximum impact allowed; if given several times, the highest counts.",
)
@click.option("-v", "--verbose", is_flag=True, help="List every check, also those that passed.")
@click.option("-q", "--quiet", is_flag=True, help="Print only the headline; no progress.")
@click.option("--no-history", is_flag=True, help="Do not keep this run in the history.")
@options.output_options
@options.site_options
def command(
    *,
    only: tuple[str, ...],
    skip: tuple[str, ...],
    symptoms: tuple[str, ...],
    nodes: tuple[str, ...],
    baseline: Path | None,
    fail_on: str,
    timeout: str,
    wait: str | None,
    repair: bool,
    dry_run: bool,
    yes: bool,
    again: bool,
    allow: tuple[str, ...],
    verbose: bool,
    quiet: bool,
    no_history: bool,
    format_name: str | None,
    output: Path | None,
    lang: str | None,
    **where: Any,
) -> int:
    """Diagnose the site.

    Checks this host and the cluster that its kubeconfig names, or evidence. Changes nothing without --fix.
    """
    _refuse_nonsense(
        repair=repair, only_with_fix=dry_run or yes or again, bundles=where["bundles"], wait=given("wait")
    )
    patience = duration(wait) if wait and not where["bundles"] else 0.0
    plugins = format_options.loaded()
    also = format_options.beside(plugins, where)
    selection, deadline = Selection(only, skip, symptoms), duration(timeout)
    question = asked(plugins, selection, nodes=nodes, baseline=baseline, fail_on=fail_on, deadline=deadline)
    format_name = format_name or "terminal"
    presentation = options.present(lang, to_file=output is not None, verbose=verbose, brief=quiet)
    site = options.open_site(plugins, **where)
    with observer(presentation, quiet=quiet or not sys.stderr.isatty()) as watching:
        report = diagnose_site(plugins, site, question, observer=watching)
    code = report.run.exit_code
    if repair:
        # What changes things is imported only where something may be changed.
        from kedoctor.cli import fix  # noqa: PLC0415  as above

        wish = fix.FixOptions(max((Risk(one) for one in allow), key=risk_rank), yes, dry_run, again)
        report, code = fix.fix(
            plugins, where, question, report=report, site=site, wish=wish, language=presentation.language
        )
    if patience and code != ExitCode.CHANGE_FAILED and not dry_run:
        report = _wait(
            plugins, where, question, report=report, seconds=patience, language=presentation.language
        )
        code = report.run.exit_code
    saved = None if no_history else run_store.save(report)
    if verbose:
        options.tell_configuration()
    options.deliver(plugins, report, presentation, format_name=format_name, output=output, also=also)
    if isinstance(saved, str):
        telling.say(saved, err=True)
    return code


def _wait(
    plugins: Plugins,
    where: dict[str, Any],
    question: RunRequest,
    *,
    report: SafeReport,
    seconds: float,
    language: str,
) -> SafeReport:
    from kedoctor.cli.progress_line import waiting_line  # noqa: PLC0415  most runs do not wait
    from kedoctor.run.wait import wait_until_right  # noqa: PLC0415  as above

    def look() -> SafeReport:
        seen = diagnose_site(plugins, options.open_site(plugins, **where), question)
        return DocumentRedactor().with_changes(seen, report.changes)

    with waiting_line(language) as watcher:
        return wait_until_right(report, look, seconds=seconds, fail_on=question.fail_on, watcher=watcher)


def _refuse_nonsense(*, repair: bool, only_with_fix: bool, bundles: tuple[Path, ...], wait: bool) -> None:
    if wait and bundles:
        raise UsageError("--wait re-runs the checks; evidence never changes")
    if repair and bundles:
        raise UsageError("--fix repairs the host it runs on; evidence describes another host")
    if only_with_fix and not repair:
        raise UsageError("--dry-run, --yes and --again need --fix")
