"""What facts ask the cluster: found out by letting them ask a recorded site, and by taking its answers away.

A fact is a function, so what it asks cannot be read off its declaration. But it can be made: once on a recorded site,
and once more for each answer of it that is empty or absent instead, which is how second questions come up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kedoctor.judge.fact_evaluation import HostView, SiteView, contexts
from kedoctor.judge.provenance import closure, make_anywhere
from kedoctor.judge.registry import Registry
from kedoctor.model.observations.apiserver import GetPath, ListObjects, ReviewAccess
from kedoctor.model.observations.containers import AttachToPod, ExecInPod, FollowPodLog
from kedoctor.model.observations.logs import ReadPodLog
from kedoctor.model.observations.request import Reason, Request, Source, Unavailable

__all__ = ["Pretence", "questions_of", "what_facts_ask"]

Pretence = Callable[[Request], Any]
"""An answer that a recorded site does not give, or ``None`` to leave the request to the site."""

_STREAMS = (FollowPodLog, ExecInPod, AttachToPod)
_OF_CLUSTER = (GetPath, ListObjects, ReadPodLog, ReviewAccess, *_STREAMS)


@dataclass(slots=True)
class _Listening:
    """Passes questions on, and notes those to the cluster; some answers are replaced by others."""

    source: Source
    pretended: Pretence
    instead: Mapping[Request, Any]
    heard: list[Request] = field(default_factory=list)

    def observe(self, request: Request) -> Any:
        """The answer, or what stands for it; a list that was not recorded is empty."""
        if isinstance(request, _OF_CLUSTER):
            self.heard.append(request)
        if request in self.instead:
            return self.instead[request]
        pretended = self.pretended(request)
        if pretended is not None:
            return pretended
        answer = self.source.observe(request)
        unknown = isinstance(answer, Unavailable) and answer.reason is Reason.NOT_RECORDED
        return () if unknown and isinstance(request, ListObjects) else answer


def what_facts_ask(
    registry: Registry,
    site: SiteView,
    *,
    facts: Iterable[type] | None = None,
    pretended: Pretence = lambda _: None,
) -> dict[type, set[Request]]:
    """For each fact the questions that it asks the cluster; those of the facts it is made from may be among them.

    Of ``facts`` and all that they are made from, or of every fact there is.
    """
    asked: dict[type, set[Request]] = {}
    listed = closure(registry, registry.facts if facts is None else facts)

    def listen(some: Iterable[type], instead: Mapping[Request, Any]) -> None:
        _listen(registry, site, some, lambda source: _Listening(source, pretended, instead), asked)

    listen(listed, {})
    made_from = {wanted: set(closure(registry, [wanted])) for wanted in listed}
    first = {
        request: {fact for fact in asked if request in asked[fact]}
        for fact in asked
        for request in asked[fact]
    }
    for request, by in first.items():
        changed = [wanted for wanted in listed if not by.isdisjoint(made_from[wanted])]
        for answer in _other_answers(request):
            listen(changed, {request: answer})
    return asked


def questions_of(
    registry: Registry, facts: Iterable[type], asked: Mapping[type, Iterable[Request]]
) -> set[Request]:
    """What is asked so that these facts, and all that they are made from, can be made."""
    return {request for wanted in closure(registry, facts) for request in asked.get(wanted, ())}


def _other_answers(request: Request) -> tuple[Any, ...]:
    absent = Unavailable(Reason.ABSENT, "nothing")
    if isinstance(request, _STREAMS):
        return absent, Unavailable(Reason.TIMEOUT, "nothing in time")
    return ((), absent) if isinstance(request, ListObjects) else (absent,)


def _listen(
    registry: Registry,
    site: SiteView,
    facts: Iterable[type],
    ear: Callable[[Source], _Listening],
    asked: dict[type, set[Request]],
) -> None:
    ears = {id(one): ear(one) for one in [site.cluster, *(host.source for host in site.hosts)]}
    hosts = tuple(
        HostView(host.name, host.sides, ears[id(host.source)], host.origin, host.observed)
        for host in site.hosts
    )
    whole, each = contexts(registry, SiteView(hosts, ears[id(site.cluster)]))
    # A fact comes after those it is made from: what is heard now is its own, or theirs.
    for wanted in facts:
        for one in ears.values():
            one.heard.clear()
        for context in [whole, *each.values()]:
            make_anywhere(context, registry.facts[wanted])
        asked.setdefault(wanted, set()).update(request for one in ears.values() for request in one.heard)
