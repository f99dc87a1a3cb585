"""``kedoctor gate``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from kedoctor.base.errors import UndeterminedError, UsageError
from kedoctor.cli import format_options, github_summary, options, telling
from kedoctor.cli.durations import duration
from kedoctor.cli.gate_progress import GateDesk
from kedoctor.cli.progress_line import waiting_line
from kedoctor.cli.run_options import asked
from kedoctor.cli.watching import observer
from kedoctor.gate.runner import Gate, GateRequest, GateResult
from kedoctor.judge.selection import Selection
from kedoctor.model.gate import GateRecipe
from kedoctor.model.observations.request import Reason, Unavailable
from kedoctor.model.report import SafeReport
from kedoctor.model.report_format import Presentation
from kedoctor.observe.live.cluster import LiveCluster
from kedoctor.observe.live.host import read_identity
from kedoctor.plugins import Plugins
from kedoctor.report import run_store
from kedoctor.run.diagnose import RunRequest, diagnose_site
from kedoctor.run.site import SiteSession

__all__ = ["command"]

PATIENCE = "KEDOCTOR_GATE_PATIENCE"
"""The environment variable that shortens (0.1) what pods have to start and to go away: tests' parts do so at once."""


@click.command(cls=format_options.BesideCommand)
@options.counting_options
@click.option(
    "--wait",
    default="5m",
    show_default=True,
    metavar="TIME",
    help="Re-run until everything passes, at most this long; 0 runs once.",
)
@click.option(
    "--image", default="", metavar="REF", help="Image of the test pods; it needs sh, echo and sleep."
)
@click.option(
    "--pull",
    type=click.Choice(["missing", "never"]),
    default="missing",
    show_default=True,
    help="Whether an edge may pull the image if it is missing.",
)
@click.option("-v", "--verbose", is_flag=True, help="List every check, also those that passed.")
@options.selection_options
@options.output_options
@options.live_options
def command(
    *,
    wait: str,
    nodes: tuple[str, ...],
    image: str,
    pull: str,
    only: tuple[str, ...],
    skip: tuple[str, ...],
    symptoms: tuple[str, ...],
    baseline: Path | None,
    fail_on: str,
    verbose: bool,
    format_name: str | None,
    output: Path | None,
    lang: str | None,
    **where: Any,
) -> int:
    """Prove that logs, exec, attach and top reach every edge, and end with one exit code.

    Makes a small pod on every edge in a namespace of its own, runs all checks and four round trips through those
    pods until everything passes or the time is over, and removes the namespace in any case.
    """
    plugins = format_options.loaded()
    also = format_options.beside(plugins, where)
    format_name = format_name or "terminal"
    _refuse_unwritable(plugins, format_name, (output, *also.values()))
    order = GateRequest(
        question=asked(
            plugins, Selection(only, skip, symptoms), nodes=nodes, baseline=baseline, fail_on=fail_on
        ),
        wait=duration(wait),
        image=image,
        pull_policy={"missing": "IfNotPresent", "never": "Never"}[pull],
        **_patience(),
    )
    presentation = options.present(lang, to_file=output is not None, verbose=verbose)
    passage = _pass(plugins, _recipe(plugins), order, presentation=presentation, where=where)
    report = passage.report
    if report is None:
        raise KeyboardInterrupt
    saved = run_store.save(report)
    if isinstance(saved, str):
        telling.say(saved, err=True)
    github_summary.append(plugins, report, presentation)
    options.deliver(plugins, report, presentation, format_name=format_name, output=output, also=also)
    return passage.exit_code


def _refuse_unwritable(plugins: Plugins, format_name: str, files: Iterable[Path | None]) -> None:
    """Sees to it that a gate of ten minutes does not end with a mistyped name."""
    options.format_named(plugins, format_name)
    for path in files:
        if path is not None and not path.parent.is_dir():
            raise UsageError(f"{path} cannot be written: there is no directory {path.parent}")


def _recipe(plugins: Plugins) -> GateRecipe:
    recipe = plugins.gate()
    if recipe is None:
        raise UsageError("no plugin says what a gate is to prove", hint="kedoctor list --plugins shows them")
    return recipe


def _pass(
    plugins: Plugins,
    recipe: GateRecipe,
    order: GateRequest,
    *,
    presentation: Presentation,
    where: dict[str, Any],
) -> GateResult:
    def cluster() -> LiveCluster:
        return LiveCluster(where["kubeconfig"] or None, where["context"] or None, root=where["root"])

    server = cluster().server()
    if isinstance(server, Unavailable):
        missing = server.reason is Reason.NOT_CONFIGURED
        why = "no kubeconfig was found" if missing else f"no API server can be used ({server})"
        raise UndeterminedError(
            f"cannot run the gate: {why}",
            hint="run it on the cloud host, or name a kubeconfig with --kubeconfig",
        )
    looked = False

    def judge(site: SiteSession, question: RunRequest) -> SafeReport:
        """The first look shows its progress; while it waits, what it waits for is worth more."""
        nonlocal looked
        quiet, looked = looked or not sys.stderr.isatty(), True
        with observer(presentation, quiet=quiet) as watching:
            return diagnose_site(plugins, site, question, observer=watching)

    with waiting_line(presentation.language) as line:
        gate = Gate(
            plugins,
            recipe,
            order,
            look=lambda: options.open_site(plugins, bundles=(), **where),
            judge=judge,
            cluster=cluster,
            boot_id=read_identity().boot_id,
            desk=GateDesk(presentation.language, line),
        )
        return gate.run()


def _patience() -> dict[str, float]:
    """How much shorter than planned pods may take to start and to go, where somebody says so."""
    try:
        factor = float(os.environ[PATIENCE])
    except (KeyError, ValueError):
        return {}
    usual = GateRequest(RunRequest(), 0)
    return {name: getattr(usual, name) * factor for name in ("start", "removal", "pause")}
