"""Prometheus' text format, for the textfile collector of node_exporter.

The size depends on the site: verdicts that say the same of many edges are one series (its value says of how many),
and single edges are listed up to :data:`EDGES`, the broken ones first; ``kedoctor_capability_edges`` counts them all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from kedoctor.api import Presentation, Status, plain
from kedoctor.api.report import Cell, Report, Verdict

__all__ = ["render"]

EDGES = 500

# How a hop is, by the worst verdict about it; a warning breaks nothing, and what does not apply says nothing.
_HOP_STATES = {
    Status.FAIL: "broken",
    Status.SETTLING: "settling",
    Status.UNKNOWN: "unknown",
    Status.CRASHED: "unknown",
    Status.BLOCKED: "unknown",
    Status.ACCEPTED: "accepted",
    Status.WARN: "clear",
    Status.PASS: "clear",
}
_WORST_FIRST = ("broken", "settling", "unknown", "accepted", "clear")

Sample = tuple[Mapping[str, str], float]


def render(report: Report, presentation: Presentation) -> bytes:
    """The metrics, UTF-8 encoded; labels are codes and names, in no language, so the presentation changes nothing."""
    del presentation
    return "".join(f"{line}\n" for line in _lines(report)).encode()


def _lines(report: Report) -> Iterator[str]:
    run = report.run
    yield from _metric("info", "The kedoctor that wrote this.", [({"version": report.tool.version}, 1)])
    yield from _metric("run_timestamp_seconds", "When the run began.", [({}, run.started.timestamp())])
    yield from _metric("run_duration_seconds", "How long the run took.", [({}, run.duration_ms / 1000)])
    yield from _metric("run_exit_code", "The exit code of the run; 0 is well.", [({}, run.exit_code)])
    yield from _metric("run_complete", "1 if every check had its turn.", [({}, int(run.complete))])
    yield from _metric("run_demo", "1 if a recorded demo site was looked at.", [({}, int(run.demo))])
    yield from _metric("causes", "Root causes, by status.", _causes(report))
    yield from _metric(
        "cause_subjects", "What has this root cause: the number of its subjects.", _cause_subjects(report)
    )
    yield from _metric(
        "check_status",
        "Verdicts by status; the value is the number of edges (or other subjects) one speaks of.",
        _verdicts(report.verdicts),
    )
    yield from _metric("capability_edges", "Edges by capability and state.", _capability_edges(report.matrix))
    yield from _metric(
        "capability_state",
        "What works on an edge, with the first broken hop and its cause; always 1.",
        _capability_states(report.matrix),
    )
    yield from _metric(
        "hop_state",
        "How a step of the path is for an edge, by the worst check there; edge is empty for what concerns all; always 1.",
        _hop_states(report),
    )
    yield from _metric(
        "expiry_timestamp_seconds",
        "When a certificate or token stops being valid.",
        _expiries(report),
    )
    yield from _metric(
        "expires_in_seconds",
        "Seconds that a certificate or token was still valid when the run began; negative: expired.",
        ((labels, when - report.run.started.timestamp()) for labels, when in _expiries(report)),
    )


def _causes(report: Report) -> Iterator[Sample]:
    found = Counter(cause.status.value for cause in report.causes)
    # Both are always there, so that an alert has something to compare.
    yield from (({"status": status}, found[status]) for status in ("fail", "warn"))


def _cause_subjects(report: Report) -> Iterator[Sample]:
    for cause in report.causes:
        labels = {"code": cause.code, "slug": cause.slug, "hop": cause.hop, "status": cause.status.value}
        yield labels, cause.count


def _verdicts(verdicts: Iterable[Verdict]) -> Iterator[Sample]:
    for one in verdicts:
        labels = {
            "code": one.code,
            "slug": one.slug,
            "status": one.status.value,
            # A folded verdict is named after its first edge and their number, both of which change.
            "subject": "" if one.nodes else one.subject,
            "node": one.node,
            "host": one.host,
            "side": one.side,
        }
        yield labels, len(one.nodes) or 1


def _capability_edges(matrix: Iterable[Cell]) -> Iterator[Sample]:
    found = Counter((cell.name, cell.state) for row in matrix for cell in row.capabilities)
    yield from (({"capability": name, "state": state}, count) for (name, state), count in found.items())


def _broken_first(matrix: Iterable[Cell]) -> list[Cell]:
    return sorted(matrix, key=lambda row: -sum(cell.state == "broken" for cell in row.capabilities))


def _capability_states(matrix: Iterable[Cell]) -> Iterator[Sample]:
    for row in _broken_first(matrix)[:EDGES]:
        for cell in row.capabilities:
            labels = {"edge": row.edge, "capability": cell.name, "state": cell.state}
            yield {**labels, "hop": cell.hop, "cause": cell.cause}, 1


def _hop_states(report: Report) -> Iterator[Sample]:
    hops = [hop.name for hop in report.hops]
    edges = ["", *(row.edge for row in _broken_first(report.matrix)[:EDGES])]
    found: dict[tuple[str, str], set[str]] = {(edge, hop): set() for edge in edges for hop in hops}
    for one in report.verdicts:
        for edge in one.nodes or (one.node,):
            if one.status in _HOP_STATES and (edge, one.hop) in found:
                found[edge, one.hop].add(_HOP_STATES[one.status])
    for (edge, hop), own in found.items():
        states = own | found["", hop]
        if states:
            yield {"edge": edge, "hop": hop, "state": min(states, key=_WORST_FIRST.index)}, 1


def _expiries(report: Report) -> list[Sample]:
    """The first end of each thing; verdicts about many edges are one."""
    first: dict[tuple[tuple[str, str], ...], float] = {}
    for one in report.verdicts:
        if one.expires is not None:
            subject = "" if one.nodes else one.subject
            labels = {
                "code": one.code,
                "slug": one.slug,
                "subject": subject,
                "node": one.node,
                "host": one.host,
            }
            key, when = tuple(labels.items()), one.expires.timestamp()
            first[key] = min(first.get(key, when), when)
    return [(dict(key), when) for key, when in first.items()]


def _metric(name: str, meaning: str, samples: Iterable[Sample]) -> Iterator[str]:
    """A family of gauges; samples whose labels are the same are added up, for a series may be there but once."""
    yield f"# HELP kedoctor_{name} {meaning}"
    yield f"# TYPE kedoctor_{name} gauge"
    series: dict[str, float] = {}
    for labels, value in samples:
        inside = ",".join(f'{key}="{_label(text)}"' for key, text in labels.items())
        key = f"kedoctor_{name}{{{inside}}}" if inside else f"kedoctor_{name}"
        series[key] = series.get(key, 0) + value
    yield from (f"{key} {value!r}" for key, value in series.items())


def _label(text: str) -> str:
    return plain(text).replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
