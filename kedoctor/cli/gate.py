"""``kedoctor gate``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from kedoctor import state
from kedoctor.baseline import read_baseline
from kedoctor.cli import options
from kedoctor.cli.waiting_line import WaitingLine, waiting_line
from kedoctor.consultation import Question, consult
from kedoctor.errors import KedoctorError, UndeterminedError, UsageError
from kedoctor.formats import Presentation
from kedoctor.gating.gate import Gate, GateOrder, Passage
from kedoctor.gating.recipe import GateRecipe
from kedoctor.live.cluster import LiveCluster
from kedoctor.live.host import read_identity
from kedoctor.model import Report
from kedoctor.observations import Unavailable
from kedoctor.plugins import Plugins, load_plugins
from kedoctor.reports.screen import observer
from kedoctor.selection import Selection
from kedoctor.sites import OpenSite
from kedoctor.text import Text

__all__ = ["command"]

SUMMARY = "GITHUB_STEP_SUMMARY"
"""GitHub Actions names here the file whose Markdown it shows on the page of a run."""

PATIENCE = "KEDOCTOR_GATE_PATIENCE"
"""The environment variable that shortens (0.1) what pods have to start and to go away: tests' parts do so at once."""


@click.command()
@click.option(
    "--wait",
    default="5m",
    show_default=True,
    metavar="TIME",
    help="Look again until everything is right, for so long at most; 0 looks once.",
)
@click.option(
    "--node", "nodes", multiple=True, metavar="NAME", help="Only what concerns this edge; repeatable."
)
@click.option(
    "--image", default="", metavar="REF", help="What the test pods run; it needs sh, echo and sleep."
)
@click.option(
    "--pull",
    type=click.Choice(["missing", "never"]),
    default="missing",
    show_default=True,
    help="Whether an edge may fetch the image if it does not have it.",
)
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Also write JUnit XML.")
@click.option("--sarif", type=click.Path(path_type=Path), metavar="FILE", help="Also write SARIF 2.1.0.")
@click.option(
    "--only", multiple=True, metavar="CODE", help="Run only this check (code, name, or KE9xx); repeatable."
)
@click.option("--skip", multiple=True, metavar="CODE", help="Leave this check out; repeatable.")
@click.option(
    "--baseline",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Do not count the findings that this file accepts; kedoctor baseline writes one.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["warn", "fail", "unknown"]),
    default="fail",
    show_default=True,
    help="What else makes the exit code non-zero.",
)
@click.option("-v", "--verbose", is_flag=True, help="Spell out every verdict, also what is right.")
@options.output_options
@options.live_options
def command(
    *,
    wait: str,
    nodes: tuple[str, ...],
    image: str,
    pull: str,
    junit: Path | None,
    sarif: Path | None,
    only: tuple[str, ...],
    skip: tuple[str, ...],
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
    pods until everything is right or the time is over, and removes the namespace, whatever happens.
    """
    plugins = load_plugins()
    presentation = options.present(lang, to_file=output is not None, verbose=verbose)
    papers = _Papers(plugins, presentation, {"junit": junit, "sarif": sarif})
    papers.check(format_name or "terminal", output)
    order = GateOrder(
        question=Question(
            selection=Selection(only, skip),
            nodes=nodes,
            baseline=read_baseline(baseline, plugins.registry) if baseline else None,
            fail_on=fail_on,
            command=" ".join(["kedoctor", *sys.argv[1:]]),
        ),
        wait=options.duration(wait),
        image=image,
        pull_policy={"missing": "IfNotPresent", "never": "Never"}[pull],
        **_patience(),
    )
    order.question.selection.checks(
        plugins.registry, plugins.symptoms()
    )  # a mistyped code is told before anything is made
    passage = _pass(plugins, _recipe(plugins), order, presentation=presentation, where=where)
    report = passage.report
    if report is None:
        raise KeyboardInterrupt
    papers.write(report, format_name or "terminal", output)
    return passage.exit_code


def _recipe(plugins: Plugins) -> GateRecipe:
    recipe = plugins.gate()
    if recipe is None:
        raise UsageError("no plugin says what a gate is to prove", hint="kedoctor list --plugins shows them")
    return recipe


def _pass(
    plugins: Plugins,
    recipe: GateRecipe,
    order: GateOrder,
    *,
    presentation: Presentation,
    where: dict[str, Any],
) -> Passage:
    def cluster() -> LiveCluster:
        return LiveCluster(where["kubeconfig"] or None, where["context"] or None, root=where["root"])

    server = cluster().server()
    if isinstance(server, Unavailable):
        raise UndeterminedError(
            f"a gate makes pods, and there is no API server to ask for them: {server}",
            hint="run it on the cloud host, or name a kubeconfig with --kubeconfig",
        )
    looked = False

    def judge(site: OpenSite, question: Question) -> Report:
        """The first look shows its progress; while it waits, what it waits for is worth more."""
        nonlocal looked
        quiet, looked = looked or not sys.stderr.isatty(), True
        with observer(presentation, quiet=quiet) as watching:
            return consult(plugins, site, question, observer=watching)

    with waiting_line(presentation.language) as line:
        gate = Gate(
            plugins,
            recipe,
            order,
            look=lambda: options.open_site(plugins, bundles=(), **where),
            judge=judge,
            cluster=cluster,
            boot_id=read_identity().boot_id,
            desk=_Desk(presentation.language, line),
        )
        return gate.run()


def _patience() -> dict[str, float]:
    """How much shorter than planned pods may take to start and to go, where somebody says so."""
    try:
        factor = float(os.environ[PATIENCE])
    except (KeyError, ValueError):
        return {}
    usual = GateOrder(Question(), 0)
    return {name: getattr(usual, name) * factor for name in ("start", "removal", "pause")}


class _Desk:
    """Tells on standard error; what is waited for stands on one line that is overwritten."""

    def __init__(self, language: str, line: WaitingLine) -> None:
        self._language = language
        self._line = line
        self._doing = ""

    def say(self, sentence: Text) -> None:
        """Says it."""
        self._line.wipe()
        self._echo(sentence.in_language(self._language))

    def doing(self, sentence: Text) -> None:
        """Says what is being done."""
        words = sentence.in_language(self._language)
        if words != self._doing:
            self._doing = words
            self._line.wipe()
            self._echo(f"  … {words}")

    def waits(self, names: tuple[str, ...], seconds_left: float) -> None:
        """Shows what is waited for."""
        self._line.waits(names, seconds_left)

    def _echo(self, words: str) -> None:
        # That nobody listens any more must not keep the pods from being removed.
        with suppress(OSError):
            click.echo(words, err=True)


class _Papers:
    """What is written beside the report: each in its format, one that fails does not keep the others from it."""

    def __init__(self, plugins: Plugins, presentation: Presentation, wanted: dict[str, Path | None]) -> None:
        self._plugins = plugins
        self._presentation = presentation
        self._wanted = {name: path for name, path in wanted.items() if path is not None}

    def check(self, format_name: str, output: Path | None) -> None:
        """Sees to it that a gate of ten minutes does not end with a mistyped name.

        Raises:
            UsageError: there is no such format, or no such directory.
        """
        known = self._plugins.formats()
        for name in (format_name, *self._wanted):
            if name not in known:
                raise UsageError(
                    f"there is no format {name!r}", hint=f"the formats are: {', '.join(sorted(known))}"
                )
        for path in (output, *self._wanted.values()):
            if path is not None and not path.parent.is_dir():
                raise UsageError(f"{path} cannot be written: there is no directory {path.parent}")

    def write(self, report: Report, format_name: str, output: Path | None) -> None:
        """Keeps the report, shows it, and writes the papers.

        Raises:
            OutputError: one of them could not be written; all others were.
        """
        saved = state.save(report)
        if isinstance(saved, str):
            click.echo(saved, err=True)
        steps = [self._writing(report, name, path) for name, path in self._wanted.items()]
        summary = os.environ.get(SUMMARY)
        if summary and "markdown" in self._plugins.formats():
            steps.append(lambda: self._append(report, Path(summary)))
        _all([*steps, self._writing(report, format_name, output)])

    def _writing(self, report: Report, name: str, path: Path | None) -> Callable[[], None]:
        return lambda: self._emit(report, name, path)

    def _emit(self, report: Report, name: str, path: Path | None) -> None:
        options.emit(options.render(self._plugins, report, name, self._presentation), path)

    def _append(self, report: Report, path: Path) -> None:
        data = options.render(self._plugins, report, "markdown", self._presentation)
        try:
            with path.open("ab") as file:
                file.write(data)
        except OSError as error:
            # It is decoration of a page; the verdict of the gate is worth more.
            click.echo(f"{path} ({SUMMARY}) could not be written: {error.strerror}", err=True)


def _all(steps: Sequence[Callable[[], None]]) -> None:
    failed: list[KedoctorError] = []
    for step in steps:
        try:
            step()
        except KedoctorError as error:
            failed.append(error)
    for other in failed[1:]:
        click.echo(f"kedoctor: {other}", err=True)
    if failed:
        raise failed[0]
