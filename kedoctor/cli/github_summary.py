"""The step summary of GitHub Actions: Markdown that is shown on the page of a workflow's run."""

from __future__ import annotations

import os
from pathlib import Path

from kedoctor.base.atomic_files import append as append_durably
from kedoctor.cli import options, telling
from kedoctor.model.report import SafeReport
from kedoctor.model.report_format import Presentation
from kedoctor.plugins import Plugins

__all__ = ["append"]

ENVIRONMENT = "GITHUB_STEP_SUMMARY"
# GitHub refuses a whole summary above this size, also what other commands of the same step wrote.
MAX_BYTES = 1 << 20


def append(plugins: Plugins, report: SafeReport, presentation: Presentation) -> bool:
    """Appends the report as Markdown to the file that ``GITHUB_STEP_SUMMARY`` names; whether it did.

    Nothing happens where the variable is not set. A summary that cannot be written is told on standard error and
    changes nothing else: the exit code of a gate is about the site.
    """
    named = os.environ.get(ENVIRONMENT)
    if not named:
        return False
    path = Path(named)
    data = options.render(plugins, report, "markdown", presentation)
    try:
        before = path.stat().st_size if path.exists() else 0
        if before + len(data) + 1 > MAX_BYTES:
            telling.say(
                f"The step summary is left out: with it, {path} would be larger than 1 MiB.", err=True
            )
            return False
        # What another command wrote may not end its last line; a heading must begin one.
        append_durably(path, b"\n" + data if before else data, alone=False)
    except OSError as error:
        telling.say(f"The step summary could not be written: {path}: {error.strerror or error}", err=True)
        return False
    return True
