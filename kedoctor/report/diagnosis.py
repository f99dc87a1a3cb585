"""From verdicts to a diagnosis: root causes, their consequences, and what works on which edge.

A verdict that is not right is a *consequence* when a check that can explain it (``explained_by`` in its
declaration, followed back as long as nothing on the way is known to be in order) failed too, for the same edge or
for all of them. What nothing explains is a *cause*, and so is what a check calls wrong by itself (``root``): a unit
that somebody stopped stays stopped, whatever else is repaired. Equal causes of many edges are one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kedoctor.base.records import replace
from kedoctor.base.text import Text
from kedoctor.judge.check_runner import what_it_says
from kedoctor.model.declarations import Check, DataPath
from kedoctor.model.findings import Certainty, Status
from kedoctor.model.report import Acceptance, Capability, CapabilityPath, Cause, Cell, HopTitle, Verdict

__all__ = ["Diagnosis", "capability_paths", "diagnose", "explained_by", "hop_titles"]


@dataclass(slots=True)
class Diagnosis:
    """Verdicts that know what explains them, root causes in order of rank, and the matrix."""

    verdicts: list[Verdict]
    causes: list[Cause]
    matrix: list[Cell]


@dataclass(slots=True)
class _Group:
    """Verdicts that are one cause."""

    verdicts: list[Verdict] = field(default_factory=list)
    consequences: set[str] = field(default_factory=set)


def diagnose(
    verdicts: Sequence[Verdict], checks: Mapping[str, Check], path: DataPath | None, edges: Sequence[str]
) -> Diagnosis:
    """The diagnosis of one run. ``edges`` are the rows of the matrix, in the order they are shown."""
    rank = {hop: place for place, hop in enumerate(path.hops)} if path else {}
    wrong = [verdict for verdict in verdicts if _counts(verdict)]
    known = _by_code(verdicts)
    explained = {id(verdict): _explainers(verdict, known, checks) for verdict in wrong}
    told = [_told(verdict, explained.get(id(verdict), ()), explained) for verdict in verdicts]
    causes = _causes([one for one in wrong if not _accepted(one, explained)], explained, checks, rank)
    return Diagnosis(told, causes, _matrix(told, causes, path, edges, proves=_proofs(checks)))


def explained_by(
    firm: Sequence[Verdict], others: Sequence[Verdict], checks: Mapping[str, Check]
) -> frozenset[int]:
    """The ids of those among ``others`` that are settling and follow from a failure among ``firm``."""
    known = _by_code(firm)
    found = set()
    for verdict in others:
        if verdict.settling is None or verdict.settling.status is Status.UNKNOWN:
            continue
        was = replace(verdict, status=verdict.settling.status)
        if any(_judged(one) is Status.FAIL for one in _explainers(was, known, checks)):
            found.add(id(verdict))
    return frozenset(found)


def hop_titles(path: DataPath | None) -> tuple[HopTitle, ...]:
    """The hops in travelling order with their titles, for the report document."""
    return tuple(_hop_title(path, name, title) for name, title in path.hops.items()) if path else ()


def _hop_title(path: DataPath, name: str, title: Text) -> HopTitle:
    short = path.names.get(name, Text(name, zh=name))
    side = path.sides.get(name)
    return HopTitle(name, title.en, title.zh, short.en, short.zh, side.value if side else "")


def capability_paths(path: DataPath | None) -> tuple[CapabilityPath, ...]:
    """The hops of each capability, for the report document."""
    return tuple(CapabilityPath(name, hops) for name, hops in path.capabilities.items()) if path else ()


def _judged(verdict: Verdict) -> Status:
    """What it would be without a baseline."""
    return verdict.accepted.status if verdict.accepted else verdict.status


def _counts(verdict: Verdict) -> bool:
    # A warning beside the path (versions, resources, exposure) is advice; one on a hop is a fault that waits.
    status = _judged(verdict)
    return status is Status.FAIL or (status is Status.WARN and bool(verdict.hop))


def _accepted(verdict: Verdict, explained: Mapping[int, Sequence[Verdict]]) -> Acceptance | None:
    """Why a verdict is accepted: by an entry of its own, or because all that it follows from is."""
    if verdict.accepted or not explained[id(verdict)]:
        return verdict.accepted
    roots = [one for one in explained[id(verdict)] if not explained[id(one)]]
    first = roots[0] if roots else verdict
    if first.accepted is None or not all(one.accepted for one in roots):
        return None
    return replace(first.accepted, status=verdict.status, by=first.code)


def _told(
    verdict: Verdict, explainers: Sequence[Verdict], explained: Mapping[int, Sequence[Verdict]]
) -> Verdict:
    """The verdict, with what explains it, and accepted if that is."""
    known = replace(verdict, explained_by=tuple(sorted({other.code for other in explainers})))
    accepted = _accepted(verdict, explained) if explainers else verdict.accepted
    return replace(known, status=Status.ACCEPTED, accepted=accepted) if accepted else known


@dataclass(slots=True)
class _Known:
    """The verdicts of one code that are wrong, and those that are right."""

    wrong: list[Verdict] = field(default_factory=list)
    right: list[Verdict] = field(default_factory=list)


def _by_code(verdicts: Iterable[Verdict]) -> dict[str, _Known]:
    found: dict[str, _Known] = {}
    for verdict in verdicts:
        known = found.setdefault(verdict.code, _Known())
        if _counts(verdict):
            known.wrong.append(verdict)
        elif verdict.status is Status.PASS:
            known.right.append(verdict)
    return found


def _explainers(verdict: Verdict, known: Mapping[str, _Known], checks: Mapping[str, Check]) -> list[Verdict]:
    """What failed on the way back from a verdict.

    The way leads through checks that failed and through those nobody could look at. It ends at one that passed (what is in
    order cannot have passed a fault on), and at one that sees the same from elsewhere and saw nothing: what keeps that one
    from looking has not made this.
    """
    found: list[Verdict] = []
    if verdict.root:
        return found
    seen = {verdict.code}
    waiting = list(checks[verdict.code].explained_by) if verdict.code in checks else []
    while waiting:
        code = waiting.pop()
        if code in seen:
            continue
        seen.add(code)
        here = known.get(code, _Known())
        same = verdict.code in checks and code in checks[verdict.code].seen_by
        guilty = [
            one for one in here.wrong if (same or _same_place(verdict, one)) and _strong_enough(verdict, one)
        ]
        found.extend(guilty)
        passes_on = [one for one in guilty if not one.root]
        unseen = not guilty and not same and not any(_same_place(verdict, one) for one in here.right)
        if code in checks and (passes_on or unseen):
            waiting.extend(checks[code].explained_by)
    return found


def _places(verdict: Verdict) -> tuple[str, ...]:
    """The edges a verdict concerns; none means every one."""
    return verdict.nodes or ((verdict.node,) if verdict.node else ())


def _same_place(verdict: Verdict, other: Verdict) -> bool:
    """Whether one may be why the other is wrong, by the edges that they concern.

    What fails for every edge does not fail because of one of them. A warning that names no edge (a line of a log) may
    be about any.
    """
    mine, theirs = _places(verdict), _places(other)
    if not theirs:
        return True
    return all(_is_among(node, theirs) for node in mine) if mine else _judged(verdict) is Status.WARN


def _is_among(node: str, nodes: tuple[str, ...]) -> bool:
    """Whether ``nodes``, which are in order, have that one; they are too many to make a set of them for each look."""
    place = bisect_left(nodes, node)
    return place < len(nodes) and nodes[place] == node


def _strong_enough(verdict: Verdict, other: Verdict) -> bool:
    # What breaks nothing cannot be why something else is broken; it can be why something else merely warns.
    return _judged(other) is Status.FAIL or _judged(verdict) is Status.WARN


def _causes(
    wrong: Sequence[Verdict],
    explained: Mapping[int, Sequence[Verdict]],
    checks: Mapping[str, Check],
    rank: Mapping[str, int],
) -> list[Cause]:
    groups: dict[tuple[str, ...], _Group] = {}
    roots = [verdict for verdict in wrong if not explained[id(verdict)]]
    # Two that explain each other, with nothing else behind them, must not make each other vanish.
    roots += [
        verdict
        for verdict in wrong
        if explained[id(verdict)]
        and all(any(back is verdict for back in explained[id(other)]) for other in explained[id(verdict)])
    ]
    for root in roots:
        group = groups.setdefault(_kind(root), _Group())
        group.verdicts.append(root)
        group.consequences |= {
            verdict.code for verdict in wrong if any(other is root for other in explained[id(verdict)])
        }
    causes = [_cause(group, checks) for group in groups.values()]
    return sorted(causes, key=lambda cause: _order(cause, rank))


def _kind(verdict: Verdict) -> tuple[str, ...]:
    """What makes two verdicts the same cause: of several edges, that what was found at them says the same."""
    each = what_it_says(verdict) if _places(verdict) else verdict.subject
    return (verdict.code, verdict.status.value, verdict.hop, each, ",".join(verdict.capabilities))


def _order(cause: Cause, rank: Mapping[str, int]) -> tuple[object, ...]:
    return (
        cause.status is not Status.FAIL,
        not cause.capabilities,
        rank.get(cause.hop, len(rank)),
        cause.certainty is not Certainty.PROVED,
        -len(cause.consequences),
        cause.code,
    )


def _cause(group: _Group, checks: Mapping[str, Check]) -> Cause:
    first = group.verdicts[0]
    check = checks.get(first.code)
    nodes = sorted({node for verdict in group.verdicts for node in _places(verdict)})
    return Cause(
        code=first.code,
        slug=first.slug,
        status=first.status,
        title=first.title,
        summary=first.summary,
        subjects=tuple(sorted({verdict.subject for verdict in group.verdicts})),
        nodes=tuple(nodes),
        count=sum(len(_places(verdict)) or 1 for verdict in group.verdicts),
        capabilities=first.capabilities,
        hop=first.hop,
        certainty=first.certainty,
        remedy=check.remedy.en if check and check.remedy else first.hint.text,
        commands=first.hint.commands,
        consequences=tuple(sorted(group.consequences - {first.code})),
        zh=replace(first.zh, remedy=check.remedy.zh if check and check.remedy else first.zh.hint),
    )


def _matrix(
    verdicts: Sequence[Verdict],
    causes: Sequence[Cause],
    path: DataPath | None,
    edges: Sequence[str],
    *,
    proves: Mapping[str, frozenset[str]],
) -> list[Cell]:
    if path is None:
        return []
    everywhere = [verdict for verdict in verdicts if not _places(verdict)]
    of_edge = _by_edge(verdicts)
    # Most edges of a large site look alike: rows that rest on the same verdicts are computed once and shared.
    shared: dict[int, tuple[Capability, ...]] = {}
    rows = []
    for edge in edges:
        own = of_edge.get(edge, ())
        if id(own) not in shared:
            concerning = [*everywhere, *own]
            cells = [_capability(name, concerning, proves, hops) for name, hops in path.capabilities.items()]
            shared[id(own)] = tuple(_named(cell, verdict, causes, edge) for cell, verdict in cells)
        rows.append(Cell(edge, shared[id(own)]))
    return rows


def _by_edge(verdicts: Sequence[Verdict]) -> dict[str, tuple[Verdict, ...]]:
    """The verdicts that name an edge; edges that the same verdicts name have one and the same tuple."""
    found: dict[str, tuple[Verdict, ...]] = {}
    for verdict in verdicts:
        longer: dict[int, tuple[Verdict, ...]] = {}
        for node in _places(verdict):
            so_far = found.get(node, ())
            found[node] = longer.get(id(so_far)) or longer.setdefault(id(so_far), (*so_far, verdict))
    return found


def _proofs(checks: Mapping[str, Check]) -> dict[str, frozenset[str]]:
    return {code: frozenset(check.proves) for code, check in checks.items()}


def _capability(
    name: str, verdicts: Sequence[Verdict], proves: Mapping[str, frozenset[str]], hops: Sequence[str]
) -> tuple[Capability, Verdict | None]:
    about = [verdict for verdict in verdicts if name in verdict.capabilities]
    broken = [verdict for verdict in about if verdict.status is Status.FAIL]
    if broken:
        first = min(broken, key=lambda verdict: (bool(verdict.explained_by), _distance(verdict.hop, hops)))
        return Capability(name, "broken", first.hop), first
    accepted = [one for one in about if one.accepted and one.accepted.status is Status.FAIL]
    if accepted:
        first = min(accepted, key=lambda one: (bool(one.explained_by), _distance(one.hop, hops)))
        return Capability(name, "accepted", first.hop), first
    if any(found.status is Status.PASS and _proves(found, name, proves) for found in verdicts):
        return Capability(name, "works"), None
    if any(found.status is Status.SETTLING for found in about):
        return Capability(name, "settling"), None
    if any(found.status in (Status.UNKNOWN, Status.CRASHED, Status.BLOCKED) for found in about):
        return Capability(name, "unknown"), None
    return Capability(name, "clear"), None


def _proves(verdict: Verdict, name: str, declared: Mapping[str, frozenset[str]]) -> bool:
    """Whether a right verdict shows that a capability works on its edges."""
    mine = declared.get(verdict.code, frozenset()) if verdict.proves is None else verdict.proves
    return name in mine and bool(_places(verdict))


def _distance(hop: str, hops: Sequence[str]) -> int:
    return hops.index(hop) if hop in hops else len(hops)


def _named(cell: Capability, verdict: Verdict | None, causes: Sequence[Cause], edge: str) -> Capability:
    return cell if verdict is None else replace(cell, cause=_cause_code(verdict, causes, edge))


def _cause_code(verdict: Verdict, causes: Sequence[Cause], edge: str) -> str:
    for cause in causes:
        mine = not cause.nodes or edge in cause.nodes
        if mine and (cause.code == verdict.code or cause.code in verdict.explained_by):
            return cause.code
    return verdict.code
