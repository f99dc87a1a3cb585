"""Verdicts that come too early: while something starts, what fails because of it is *settling* and no failure.

A grace period belongs to the event and not to a check. Plugins tell events as facts (:class:`Transition`, hook
``kedoctor_transitions``); here each verdict that an event can explain is turned into one that says what is awaited and
until when. What is wrong by itself (``root``) and what was proved to work stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from kedoctor.base.records import replace
from kedoctor.judge.fact_evaluation import Context, FactCrashError
from kedoctor.judge.registry import Registry, Scope
from kedoctor.judge.scheduler import Outcome
from kedoctor.model.declarations import Check
from kedoctor.model.findings import Status
from kedoctor.model.report import Hint, Settling, Verdict
from kedoctor.model.transitions import Transition
from kedoctor.report.diagnosis import explained_by

__all__ = ["settled", "transitions_of"]

_OPEN = (Status.FAIL, Status.WARN, Status.UNKNOWN)


def transitions_of(
    outcome: Outcome, registry: Registry, facts: Sequence[type], *, cluster: bool
) -> tuple[Transition, ...]:
    """Everything that has just begun, as these facts of the site (if it has a ``cluster``) and of its hosts show it.

    Nothing, and nothing is asked for it, where no verdict is open.
    """
    found: list[Transition] = []
    if not any(one.status in _OPEN for one in outcome.verdicts):
        return ()
    for wanted in facts:
        of_hosts = registry.facts[wanted].scope is Scope.HOST
        places = outcome.site.hosts.values() if of_hosts else (outcome.site,) if cluster else ()
        for context in places:
            found += (
                one if one.nodes else replace(one, host=context.name)
                for one in _items(context, wanted, make=outcome.complete)
            )
    return tuple(dict.fromkeys(found))


def _items(context: Context, wanted: type, *, make: bool) -> Iterable[Transition]:
    try:
        fact: Any = context.fact_at_hand(wanted, make=make)
    except FactCrashError:  # then nothing is excused
        return ()
    return tuple(getattr(fact, "items", ()))


def settled(
    verdicts: Sequence[Verdict], transitions: Sequence[Transition], checks: Mapping[str, Check]
) -> list[Verdict]:
    """The verdicts, those that an event explains as settling; of several events the one that ends last counts.

    What follows from a failure that no event explains fails for that reason, however young everything is.
    """
    last_first = sorted(transitions, key=lambda one: one.until, reverse=True)
    if not last_first:
        return list(verdicts)
    told = [tuple(_told(verdict, last_first)) for verdict in verdicts]
    firm = [one for some in told for one in some if one.status is not Status.SETTLING]
    explained = explained_by(firm, [one for some in told for one in some], checks)
    return [
        one
        for verdict, some in zip(verdicts, told, strict=True)
        for one in ((verdict,) if any(id(part) in explained for part in some) else some)
    ]


def _told(verdict: Verdict, transitions: Sequence[Transition]) -> Iterator[Verdict]:
    if verdict.status not in _OPEN or verdict.root:
        yield verdict
        return
    if verdict.status is not Status.FAIL and not _about_something(verdict):
        yield verdict
        return
    rest = verdict
    for event in transitions:
        if verdict.code not in event.codes or (event.host and verdict.host != event.host):
            continue
        if not event.nodes or (rest.node and rest.node in event.nodes):
            yield _settling(rest, event)
            return
        covered = tuple(one for one in rest.nodes if one in event.nodes)
        if covered and len(covered) == len(rest.nodes):
            yield _settling(rest, event)
            return
        if covered:  # a folded verdict, of which some edges are only starting
            yield _settling(replace(rest, nodes=covered), event)
            rest = replace(rest, nodes=tuple(one for one in rest.nodes if one not in event.nodes))
    yield rest


def _about_something(verdict: Verdict) -> bool:
    """Whether a check judged a thing on the path; what was not read at all does not come by waiting."""
    return bool(verdict.hop) and verdict.subject not in ("site", verdict.host)


def _settling(verdict: Verdict, event: Transition) -> Verdict:
    told = Settling(
        event=event.event.en,
        awaited=event.awaited.en,
        since=event.since,
        until=event.until,
        status=verdict.status,
        event_zh=event.event.zh,
        awaited_zh=event.awaited.zh,
    )
    until = f"{event.until:%H:%M:%S} UTC"
    summary = f"Too early to judge ({event.event.en}, settling until {until}): {verdict.summary}"
    zh = f"尚不能判断（{event.event.zh}，最迟到 {until}）：{verdict.zh.summary}"
    return replace(
        verdict,
        status=Status.SETTLING,
        summary=summary,
        hint=Hint(),
        settling=told,
        zh=replace(verdict.zh, summary=zh, hint=""),
    )
