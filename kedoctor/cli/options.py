"""Options that several commands share, and what they mean."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click

from kedoctor.base.errors import ConfigurationError, OutputError, UsageError
from kedoctor.base.foreign_code import BrokenCodeError, call_bounded
from kedoctor.base.report_files import write_report
from kedoctor.base.text import language_of
from kedoctor.cli import telling
from kedoctor.cli.check_pages import explanation
from kedoctor.cli.configuration import given, used
from kedoctor.cli.evidence_option import EvidenceFile, OfflineBundlePlace, RenamedOption
from kedoctor.cli.speech import spoken
from kedoctor.judge.selection import Selection
from kedoctor.model.observations.inputs import Setting
from kedoctor.model.report import SafeReport
from kedoctor.model.report_format import Presentation, ReportFormat
from kedoctor.plugins import Plugins
from kedoctor.run.site import LiveOptions, SiteSession, bundled_site, live_site

__all__ = [
    "counting_options",
    "deliver",
    "emit",
    "evidence_option",
    "format_named",
    "language",
    "language_option",
    "live_options",
    "open_site",
    "output_options",
    "present",
    "refuse_mistyped",
    "render",
    "selection_options",
    "site_options",
    "tell_configuration",
]

F = TypeVar("F", bound=Callable[..., Any])


def tell_configuration() -> None:
    """Says on standard error which configuration file gave defaults, if one did."""
    configuration = used()
    if configuration is not None:
        telling.say(f"configuration: {configuration.path} ({', '.join(configuration.keys)})", err=True)


def refuse_mistyped(selection: Selection, plugins: Plugins) -> None:
    """Ends the command if a selection names what does not exist.

    Raises:
        UsageError: the command line does.
        ConfigurationError: the configuration file does.
    """
    try:
        selection.checks(plugins.registry, plugins.symptoms())
    except UsageError as error:
        configuration = used()
        if configuration is None or any(map(given, ("only", "skip", "symptoms"))):
            raise
        raise ConfigurationError(f"{configuration.path}: {error}", hint=error.hint) from None


def language_option(function: F) -> F:
    """``--lang``."""
    choice = click.Choice(["en", "zh"])
    return click.option("--lang", type=choice, help="Output language [default: locale].")(function)


def output_options(function: F) -> F:
    """``--format``, ``-o`` and ``--lang``."""
    function = click.option("-o", "--output", type=click.Path(path_type=Path), help="Write to this file.")(
        function
    )
    function = click.option(
        "--format",
        "format_name",
        metavar="FORMAT",
        help="terminal, json, html …; kedoctor list --formats shows all.",
    )(function)
    return language_option(function)


_RENDER_SECONDS = 120.0


def deliver(
    plugins: Plugins,
    report: SafeReport,
    presentation: Presentation,
    *,
    format_name: str,
    output: Path | None,
    also: Mapping[str, Path | None],
) -> None:
    """Shows the report in its format, and writes it in each format of ``also`` that names a file.

    Raises:
        OutputError: something could not be written; everything else was.
    """
    files = [(name, path) for name, path in also.items() if path is not None]
    failed: OutputError | None = None
    # What is shown comes last: a reader that went away (head) must not keep the files from being written.
    for name, path in [*files, (format_name, output)]:
        try:
            emit(render(plugins, report, name, presentation), path)
        except OutputError as error:
            failed = failed or error
    if failed is not None:
        raise failed


def selection_options(function: F) -> F:
    """Which checks: ``--only``, ``--skip``, ``--symptom``."""
    function = click.option(
        "--symptom",
        "symptoms",
        multiple=True,
        metavar="NAME",
        help="Only checks that can explain this symptom (kedoctor list --symptoms); repeatable.",
    )(function)
    function = click.option("--skip", multiple=True, metavar="CODE", help="Skip this check; repeatable.")(
        function
    )
    return click.option(
        "--only", multiple=True, metavar="CODE", help="Only this check (code, name, or KE3xx); repeatable."
    )(function)


def counting_options(function: F) -> F:
    """What of it counts: ``--node``, ``--baseline``, ``--fail-on``."""
    function = click.option(
        "--fail-on",
        type=click.Choice(["warn", "fail", "unknown"]),
        default="fail",
        show_default=True,
        help="Lowest result that makes the exit code non-zero.",
    )(function)
    function = click.option(
        "--baseline",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Do not count the findings that this file accepts (written by kedoctor baseline).",
    )(function)
    return click.option(
        "--node", "nodes", multiple=True, metavar="NAME", help="Only results for this edge node; repeatable."
    )(function)


def site_options(function: F) -> F:
    """What to look at: ``--evidence``, ``--offline-bundle``, ``--side``, ``--kubeconfig``, ``--context``."""
    function = click.option(
        "--offline-bundle",
        "offline_bundle",
        type=OfflineBundlePlace(),
        metavar="DIR",
        help="Also check this offline bundle, and list what this host lacks of it.",
    )(live_options(function))
    return evidence_option(
        "Look at evidence (written by kedoctor collect) instead of this host; repeatable."
    )(function)


def evidence_option(text: str) -> Callable[[F], F]:
    """``--evidence FILE``, repeatable; its old name ``--bundle`` is taken, and not shown."""
    return click.option(
        "--evidence",
        "bundles",
        cls=RenamedOption,
        old="--bundle",
        type=EvidenceFile(),
        multiple=True,
        metavar="FILE",
        help=text,
    )


def live_options(function: F) -> F:
    """How to look at this machine and its cluster: ``--side``, ``--kubeconfig``, ``--context``."""
    function = click.option("--context", default="", help="Context in the kubeconfig.")(function)
    function = click.option(
        "--kubeconfig",
        default="",
        metavar="FILE",
        help="Kubeconfig to use [default: KUBECONFIG, ~/.kube/config, in-cluster, K3s].",
    )(function)
    function = click.option(
        "--side",
        type=click.Choice(["auto", "cloud", "edge"]),
        default="auto",
        show_default=True,
        help="Role of this host.",
    )(function)
    return click.option("--root", default="/", hidden=True, help="Look at a host whose files lie under DIR.")(
        function
    )


def open_site(
    plugins: Plugins,
    *,
    bundles: tuple[Path, ...],
    kubeconfig: str,
    context: str,
    side: str,
    root: str,
    offline_bundle: Path | None = None,
) -> SiteSession:
    """The evidence as a site, or this machine."""
    if bundles and offline_bundle:
        raise UsageError(
            "--evidence and --offline-bundle exclude each other: an offline bundle is checked on the host that holds it"
        )
    if bundles and any(map(given, ("kubeconfig", "context"))):
        raise UsageError(
            "--evidence and --kubeconfig exclude each other: evidence holds the answers of its API server"
        )
    if bundles:
        return bundled_site(bundles, side=side)
    settings = {"bundle": Setting(str(offline_bundle.absolute()))} if offline_bundle else {}
    return live_site(plugins, LiveOptions(kubeconfig, context, root, side, settings))


def language(chosen: str | None) -> str:
    """``en`` or ``zh``: as asked for behind or before the command, else as the locale's messages are."""
    return chosen or spoken() or language_of(os.environ)


def present(
    chosen_language: str | None, *, to_file: bool, verbose: bool, brief: bool = False
) -> Presentation:
    """How this terminal (or file) wants it; NO_COLOR, dumb terminals and pipes get plain text."""
    colour = (
        not to_file
        and sys.stdout.isatty()
        and "NO_COLOR" not in os.environ
        and os.environ.get("TERM", "dumb") not in ("dumb", "")
    )
    shown = sys.stdout.isatty() and not to_file
    width, height = shutil.get_terminal_size((100, 40)) if shown else (100, 0)
    return Presentation(language(chosen_language), max(40, width), colour, verbose, brief, height)


def render(plugins: Plugins, report: SafeReport, format_name: str, presentation: Presentation) -> bytes:
    """The report in a format.

    Raises:
        UsageError: there is no such format.
        TypeError: the report has not passed the redactor.
    """
    if not isinstance(report, SafeReport):
        raise TypeError("a report that has not passed the redactor is not shown")
    chosen = format_named(plugins, format_name)
    presentation = replace(presentation, page=partial(explanation, plugins, language=presentation.language))
    if str(getattr(chosen.render, "__module__", "")).startswith("kedoctor."):
        return chosen.render(report, presentation)
    try:
        page = call_bounded(lambda: chosen.render(report, presentation), _RENDER_SECONDS)
    except BrokenCodeError as error:
        raise OutputError(f"the format {format_name} of a plugin broke: {error}") from error
    if not isinstance(page, bytes):
        raise OutputError(f"the format {format_name} of a plugin gave {type(page).__name__} instead of bytes")
    return page


def format_named(plugins: Plugins, format_name: str) -> ReportFormat:
    """The format of that name.

    Raises:
        UsageError: there is none.
    """
    formats = plugins.formats()
    if format_name not in formats:
        known = ", ".join(sorted(formats))
        raise UsageError(f"there is no format {format_name!r}", hint=f"the formats are: {known}")
    return formats[format_name]


def emit(data: bytes, output: Path | None) -> None:
    """Writes the rendered report to a file (whole or not at all, mode 0600 if it is new) or to standard output.

    Raises:
        OutputError: it could not be written.
    """
    if output is None:
        sys.stdout.flush()
        try:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        except OSError as error:
            raise OutputError(f"the report could not be written: {error.strerror}") from error
        return
    try:
        write_report(output, data)
    except OSError as error:
        raise OutputError(f"{output} could not be written: {error.strerror}") from error
