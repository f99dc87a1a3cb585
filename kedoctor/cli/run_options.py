"""What ``run`` and ``gate`` are asked, from the options that both have."""

from __future__ import annotations

import sys
from pathlib import Path

from kedoctor.cli import options
from kedoctor.judge.scheduler import RUN_DEADLINE
from kedoctor.judge.selection import Selection
from kedoctor.plugins import Plugins
from kedoctor.report.baseline import read_baseline
from kedoctor.run.diagnose import RunRequest

__all__ = ["asked"]


def asked(
    plugins: Plugins,
    selection: Selection,
    *,
    nodes: tuple[str, ...],
    baseline: Path | None,
    fail_on: str,
    deadline: float = RUN_DEADLINE,
) -> RunRequest:
    """The question, before anything is looked at or made.

    Raises:
        UsageError: a check or symptom is named that does not exist.
        ConfigurationError: the configuration file names it, or the baseline cannot be read.
    """
    options.refuse_mistyped(selection, plugins)
    return RunRequest(
        selection=selection,
        nodes=nodes,
        baseline=read_baseline(baseline, plugins.registry) if baseline else None,
        fail_on=fail_on,
        deadline=deadline,
        command=" ".join(["kedoctor", *sys.argv[1:]]),
    )
