"""When edgecore was started, asked through the API server before the request that is traced.

Its own metrics say so (``process_start_time_seconds``, as every Prometheus client in Go); they come through the node
proxy (facts.md §10.1). They are only asked where stats came the same way before, so that a broken path costs no further
wait.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from kedoctor.api import ApiAnswer, Cluster, Reason, TraceTarget, Unavailable, fact, patterns
from kedoctor.checks.trace.probes import RelayedAnswer
from kedoctor.checks.trace.target import Traced

__all__ = ["EdgecoreBefore", "asked_start", "edgecore_before"]

_START = patterns.compiled(rb"^process_start_time_seconds (\S{1,40})\s*$", patterns.MULTILINE)
_PATIENCE = 5.0
_WHAT = "when edgecore started"


@dataclass(frozen=True, slots=True)
class EdgecoreBefore:
    """When edgecore had started (aware), asked before the request."""

    started: datetime


def asked_start(cluster: Cluster, node: str, target: TraceTarget, query: str = "") -> datetime | Unavailable:
    """The start of that edge's edgecore (aware). An answer is kept by its path, so a second one needs another ``query``."""
    path = f"/api/v1/nodes/{quote(node, safe='')}/proxy/metrics{query}"
    answer = cluster.get(path, accept="*/*", timeout=min(_PATIENCE, target.patience))
    if not isinstance(answer, ApiAnswer):
        return answer
    found = _START.search(answer.body)
    try:
        return datetime.fromtimestamp(float(found[1]), UTC) if found else _silent(answer)
    except (ValueError, OverflowError, OSError):
        return _silent(answer)


def _silent(answer: ApiAnswer) -> Unavailable:
    return Unavailable(Reason.ABSENT, _WHAT, f"its metrics do not say it (HTTP {answer.status})")


@fact
def edgecore_before(
    cluster: Cluster, relayed: RelayedAnswer, traced: Traced, target: TraceTarget
) -> EdgecoreBefore | Unavailable:
    """Not asked where the edge does not answer anyway."""
    if relayed.node_name != traced.node:
        return Unavailable(Reason.ABSENT, _WHAT, "the edge did not answer before the request")
    started = asked_start(cluster, traced.node, target)
    return started if isinstance(started, Unavailable) else EdgecoreBefore(started)
