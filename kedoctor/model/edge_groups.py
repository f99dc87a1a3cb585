"""The edges of a report that look alike, and how each hop of the path is for them.

What is folded here is in the document: the worst of the verdicts on a hop that concern an edge. Report formats draw
the path from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kedoctor.model.findings import Status
from kedoctor.model.report import Capability, Report, Verdict

__all__ = ["HOP_STATES", "EdgeGroup", "HopState", "edge_groups"]

HOP_STATES = ("broken", "follow-on", "accepted", "settling", "unknown", "warning", "passed", "unchecked")
"""How a hop can be, the worst first. ``follow-on``: it fails because another one does."""

_STATES = {
    Status.ACCEPTED: "accepted",
    Status.SETTLING: "settling",
    Status.UNKNOWN: "unknown",
    Status.CRASHED: "unknown",
    Status.BLOCKED: "unknown",
    Status.WARN: "warning",
    Status.PASS: "passed",
}


@dataclass(frozen=True, slots=True)
class HopState:
    """A hop for some edges: one of :data:`HOP_STATES`, and the verdicts behind it, the worst first."""

    hop: str
    state: str
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class EdgeGroup:
    """Edges that look alike: the same states in the matrix and on every hop. No edges: nobody knows which there are."""

    edges: tuple[str, ...]
    capabilities: tuple[Capability, ...]
    hops: tuple[HopState, ...]

    @property
    def broken(self) -> int:
        """How many capabilities are broken."""
        return sum(1 for one in self.capabilities if one.state == "broken")


def edge_groups(report: Report) -> tuple[EdgeGroup, ...]:
    """The groups of a report, those with most broken capabilities first, in the order of the matrix otherwise."""
    everywhere: list[Verdict] = []
    own: dict[str, list[Verdict]] = {}
    for one in report.verdicts:
        for node in one.nodes or ((one.node,) if one.node else ()):
            own.setdefault(node, []).append(one)
        if not one.nodes and not one.node:
            everywhere.append(one)
    common = _by_hop(everywhere)
    known: dict[tuple[int, ...], tuple[str, ...]] = {}
    groups: dict[tuple[object, ...], tuple[tuple[Capability, ...], list[str]]] = {}
    for row in report.matrix:
        mine = own.get(row.edge, [])
        key = tuple(id(one) for one in mine)
        if key not in known:
            known[key] = _states(report, common, _by_hop(mine))
        groups.setdefault((row.capabilities, known[key]), (row.capabilities, []))[1].append(row.edge)
    made = [_group(report, common, own, cells, edges) for cells, edges in groups.values()]
    if not made and report.hops and any(common.values()):
        made = [_group(report, common, own, (), [])]
    return tuple(sorted(made, key=lambda group: -group.broken))


def _by_hop(verdicts: Iterable[Verdict]) -> dict[str, list[Verdict]]:
    found: dict[str, list[Verdict]] = {}
    for one in verdicts:
        if one.hop:
            found.setdefault(one.hop, []).append(one)
    return found


def _states(
    report: Report, common: Mapping[str, list[Verdict]], own: Mapping[str, list[Verdict]]
) -> tuple[str, ...]:
    return tuple(_worst([*common.get(one.name, ()), *own.get(one.name, ())]) for one in report.hops)


def _worst(verdicts: Iterable[Verdict]) -> str:
    return HOP_STATES[min((_rank(one) for one in verdicts), default=len(HOP_STATES) - 1)]


def _rank(verdict: Verdict) -> int:
    if verdict.status is Status.FAIL:
        return HOP_STATES.index("follow-on" if verdict.explained_by else "broken")
    return HOP_STATES.index(_STATES.get(verdict.status, "unchecked"))


def _group(
    report: Report,
    common: Mapping[str, list[Verdict]],
    own: Mapping[str, list[Verdict]],
    cells: tuple[Capability, ...],
    edges: list[str],
) -> EdgeGroup:
    # One verdict may name thousands of edges: each is taken once.
    mine = {id(one): one for edge in edges for one in own.get(edge, ())}
    here = _by_hop(mine.values())
    hops = []
    for title in report.hops:
        verdicts = [*common.get(title.name, ()), *here.get(title.name, ())]
        hops.append(HopState(title.name, _worst(verdicts), tuple(sorted(verdicts, key=_rank))))
    return EdgeGroup(tuple(edges), cells, tuple(hops))
