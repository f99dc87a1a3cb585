"""The recent lines of cloudcore's log, as they are told apart by the checks that know them (facts.md §5)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from kedoctor.api import Cluster, LogText, Unavailable, fact
from kedoctor.checks.facts.cloud.cloudcore import NAMESPACE, CloudcoreWorkload
from kedoctor.checks.facts.cloud.cloudcore_log import LINES, zoned
from kedoctor.checks.facts.cluster.site_info import SiteTime
from kedoctor.checks.parsers.logs.klog import LogLine, parse_lines

__all__ = ["WINDOW", "CloudcoreLines"]

WINDOW = timedelta(minutes=10)
"""What is older is history: a fault that lasts is written again within this time."""

_START = "Version: v"


@dataclass(frozen=True, slots=True)
class CloudcoreLines:
    """The lines of all running cloudcores since their last start and within :data:`WINDOW` before ``now``."""

    lines: tuple[LogLine, ...]
    now: datetime


@fact
def cloudcore_lines(
    cluster: Cluster, workload: CloudcoreWorkload, time: SiteTime
) -> CloudcoreLines | Unavailable:
    """The same tails that :class:`CloudcoreLog` reads, so they cost no further request."""
    kept: list[LogLine] = []
    missing: Unavailable | None = None
    for pod in workload.live:
        answer = cluster.pod_log(NAMESPACE, pod.metadata.name, lines=LINES)
        if isinstance(answer, LogText):
            kept += recent(zoned(list(parse_lines(answer.text, time.now)), pod, time.now), time.now)
        else:
            missing = answer
    return missing if missing is not None and not kept else CloudcoreLines(tuple(kept), time.now)


def recent(lines: list[LogLine], now: datetime) -> list[LogLine]:
    """The lines after the last start that are not older than :data:`WINDOW`."""
    starts = [place for place, line in enumerate(lines) if line.message.startswith(_START)]
    since = lines[starts[-1] :] if starts else lines
    return [line for line in since if line.time is not None and now - line.time <= WINDOW]
