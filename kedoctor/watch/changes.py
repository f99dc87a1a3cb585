"""What is different from one report to the next: what broke, works again, settles, or can no longer be judged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import StrEnum

from kedoctor.base.records import Record
from kedoctor.base.text import Text
from kedoctor.model.findings import Status
from kedoctor.model.report import Report, Verdict, hidden

__all__ = ["Change", "ChangeKind", "Situation", "changes", "situation"]


class ChangeKind(StrEnum):
    """What became of something."""

    BROKEN = "broken"
    AT_RISK = "at-risk"
    SETTLING = "settling"
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    WORKS = "works"


_WORST_FIRST = list(ChangeKind)
_WRONG = {Status.FAIL: ChangeKind.BROKEN, Status.WARN: ChangeKind.AT_RISK}


class Change(Record, frozen=True, kw_only=True):
    """One line: what became of what one check says, and about which subjects (or edges).

    ``capabilities`` and ``hop`` (its title) are what it breaks and where; ``until`` is there while it settles.
    """

    kind: ChangeKind
    code: str
    names: tuple[str, ...]
    summary: Text
    capabilities: tuple[str, ...] = ()
    hop: Text = Text("", zh="")
    until: datetime | None = None


Situation = dict[str, dict[str, ChangeKind]]
"""By code and name how what is not right is. What is right is not in it, so its size is that of the trouble."""


def situation(report: Report) -> Situation:
    """How the site is: root causes, what settles, and what of the path could not be judged."""
    found: Situation = {}
    for kind, verdict in _judged(report):
        for name in _names(verdict):
            found.setdefault(verdict.code, {}).setdefault(name, kind)
    return found


def changes(before: Situation, report: Report) -> list[Change]:
    """What is different now, the worst first; against an empty situation, all that is not right."""
    now = situation(report)
    found = list(_appeared(before, now, report))
    found += _gone(before, now, report)
    order = {hop.name: place for place, hop in enumerate(report.hops)}
    hops = {one.code: one.hop for one in report.verdicts}
    return sorted(
        found,
        key=lambda one: (
            _WORST_FIRST.index(one.kind),
            order.get(hops.get(one.code, ""), len(order)),
            one.code,
        ),
    )


def _judged(report: Report) -> Iterator[tuple[ChangeKind, Verdict]]:
    unseen = {id(one) for one in hidden(report)}
    for one in report.verdicts:
        if one.status in _WRONG and not one.explained_by:
            yield _WRONG[one.status], one
        elif one.status is Status.SETTLING:
            yield ChangeKind.SETTLING, one
        elif id(one) in unseen:
            yield ChangeKind.UNKNOWN, one


def _names(verdict: Verdict) -> tuple[str, ...]:
    return verdict.nodes or (verdict.subject,)


def _appeared(before: Situation, now: Situation, report: Report) -> Iterator[Change]:
    groups: dict[tuple[str, ChangeKind], tuple[Verdict, list[str]]] = {}
    for kind, verdict in _judged(report):
        old = before.get(verdict.code, {})
        for name in _names(verdict):
            if now[verdict.code][name] is kind and old.get(name) is not kind:
                groups.setdefault((verdict.code, kind), (verdict, []))[1].append(name)
    for (code, kind), (verdict, names) in groups.items():
        yield _change(kind, code, dict.fromkeys(names), verdict, report)


def _gone(before: Situation, now: Situation, report: Report) -> Iterator[Change]:
    verdicts: dict[str, dict[str, Verdict]] = {}
    for one in report.verdicts:
        if one.code in before:
            for name in _names(one):
                verdicts.setdefault(one.code, {})[name] = one
    for code, old in before.items():
        groups: dict[ChangeKind, tuple[Verdict | None, list[str]]] = {}
        for name in old.keys() - now.get(code, {}).keys():
            verdict = verdicts.get(code, {}).get(name)
            kind = _became(verdict)
            if kind is not None:
                groups.setdefault(kind, (verdict, []))[1].append(name)
        for kind, (verdict, names) in groups.items():
            yield _change(kind, code, sorted(names), verdict, report)


def _became(verdict: Verdict | None) -> ChangeKind | None:
    """``None``: it is wrong still, and something else explains it now, which has a line of its own."""
    if verdict is None:
        return ChangeKind.UNKNOWN
    if verdict.status in (Status.FAIL, Status.WARN, Status.BLOCKED):
        return None
    if verdict.status is Status.ACCEPTED:
        return ChangeKind.ACCEPTED
    return ChangeKind.WORKS if verdict.status in (Status.PASS, Status.SKIP) else ChangeKind.UNKNOWN


_NOT_LISTED = Text("no longer in view", zh="已不可见")


def _change(
    kind: ChangeKind, code: str, names: Iterable[str], verdict: Verdict | None, report: Report
) -> Change:
    if verdict is None:
        return Change(kind=kind, code=code, names=tuple(names), summary=_NOT_LISTED)
    titles = {hop.name: Text(hop.title, zh=hop.zh) for hop in report.hops}
    broken, gone = kind is ChangeKind.BROKEN, kind is ChangeKind.WORKS
    return Change(
        kind=kind,
        code=code,
        names=tuple(names),
        summary=Text(verdict.summary, zh=verdict.zh.summary),
        capabilities=verdict.capabilities if broken else (),
        hop=Text("", zh="") if gone else titles.get(verdict.hop, Text("", zh="")),
        until=verdict.settling.until if verdict.settling else None,
    )
