"""Options that several commands share, and what they mean."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from kedoctor.errors import OutputError, UsageError
from kedoctor.formats import Presentation
from kedoctor.model import Report
from kedoctor.plugins import Plugins
from kedoctor.sites import LiveOptions, OpenSite, bundled_site, live_site

__all__ = [
    "duration",
    "emit",
    "language",
    "language_option",
    "live_options",
    "open_site",
    "output_options",
    "present",
    "render",
    "site_options",
]

F = TypeVar("F", bound=Callable[..., Any])


def language_option(function: F) -> F:
    """``--lang``."""
    choice = click.Choice(["en", "zh"])
    return click.option("--lang", type=choice, help="Language of texts; else the locale decides.")(function)


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


def site_options(function: F) -> F:
    """What to look at: ``--bundle``, ``--side``, ``--kubeconfig``, ``--context``."""
    bundles = click.Path(exists=True, dir_okay=False, path_type=Path)
    return click.option(
        "--bundle", "bundles", type=bundles, multiple=True, help="Look at a bundle instead; may be repeated."
    )(live_options(function))


def live_options(function: F) -> F:
    """How to look at this machine and its cluster: ``--side``, ``--kubeconfig``, ``--context``."""
    function = click.option("--context", default="", help="Context of the kubeconfig.")(function)
    function = click.option(
        "--kubeconfig",
        default="",
        metavar="FILE",
        help="Else KUBECONFIG, ~/.kube/config, in-cluster, K3s' own.",
    )(function)
    function = click.option(
        "--side",
        type=click.Choice(["auto", "cloud", "edge"]),
        default="auto",
        show_default=True,
        help="Which side this host is.",
    )(function)
    return click.option("--root", default="/", hidden=True, help="Look at a host whose files lie under DIR.")(
        function
    )


def open_site(
    plugins: Plugins, *, bundles: tuple[Path, ...], kubeconfig: str, context: str, side: str, root: str
) -> OpenSite:
    """The bundles as a site, or this machine."""
    if bundles and (kubeconfig or context):
        raise UsageError(
            "--bundle and --kubeconfig exclude each other: a bundle holds what the API server said"
        )
    if bundles:
        return bundled_site(bundles, side=side)
    return live_site(plugins, LiveOptions(kubeconfig, context, root, side))


def language(chosen: str | None) -> str:
    """``en`` or ``zh``: as asked for, else as the locale's messages are."""
    if chosen:
        return chosen
    named = next((os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), "")
    return "zh" if named.lower().startswith("zh") else "en"


def present(chosen_language: str | None, *, to_file: bool, verbose: bool) -> Presentation:
    """How this terminal (or file) wants it; NO_COLOR, dumb terminals and pipes get plain text."""
    colour = (
        not to_file
        and sys.stdout.isatty()
        and "NO_COLOR" not in os.environ
        and os.environ.get("TERM", "dumb") not in ("dumb", "")
    )
    width = shutil.get_terminal_size((100, 40)).columns if sys.stdout.isatty() and not to_file else 100
    return Presentation(language(chosen_language), max(40, width), colour, verbose)


def render(plugins: Plugins, report: Report, format_name: str, presentation: Presentation) -> bytes:
    """The report in a format.

    Raises:
        UsageError: there is no such format.
    """
    formats = plugins.formats()
    if format_name not in formats:
        known = ", ".join(sorted(formats))
        raise UsageError(f"there is no format {format_name!r}", hint=f"the formats are: {known}")
    return formats[format_name].render(report, presentation)


def emit(data: bytes, output: Path | None) -> None:
    """Writes the rendered report to a file (whole or not at all) or to standard output.

    Raises:
        OutputError: it could not be written.
    """
    if output is None:
        sys.stdout.flush()
        try:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(f"the report could not be written: {error.strerror}") from error
        return
    try:
        if output.exists() and not output.is_file():
            # A device or a pipe is written to; putting a file in its place would destroy it.
            with output.open("wb", buffering=0) as device:
                device.write(data)
        else:
            _replace(output, data)
    except OSError as error:
        raise OutputError(f"{output} could not be written: {error.strerror}") from error


def _replace(output: Path, data: bytes) -> None:
    target = output.resolve()
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        beside.write_bytes(data)
        beside.replace(target)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def duration(text: str) -> float:
    """Seconds in ``90``, ``90s``, ``5m`` or ``1h``.

    Raises:
        UsageError: it is none of these.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h)?", text.strip())
    if not found:
        raise UsageError(f"{text!r} is no duration", hint="write it as 90s, 5m or 1h")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600, None: 1}[found[2]]
