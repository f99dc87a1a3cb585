"""What stands behind a check: the facts it is judged on, what these are made from, and what they ask the world."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from kedoctor.judge.fact_evaluation import Context, FactCrashError, HostView, SiteView, contexts
from kedoctor.judge.registry import FactNode, Registry, facts_in
from kedoctor.model.observations.request import Request, Source

__all__ = ["closure", "make_anywhere", "observations_behind"]


@dataclass(slots=True)
class _Listening:
    """Passes questions on and notes them."""

    source: Source
    heard: list[Request] = field(default_factory=list)

    def observe(self, request: Request) -> Any:
        """The answer of the source."""
        self.heard.append(request)
        return self.source.observe(request)


def closure(registry: Registry, facts: Iterable[type]) -> list[type]:
    """These facts and all that they are made from, each after those it is made from."""
    found: dict[type, None] = {}

    def add(wanted: type) -> None:
        if wanted not in found:
            for part in facts_in(registry.facts[wanted].parameters):
                add(part)
            found[wanted] = None

    for wanted in facts:
        add(wanted)
    return list(found)


def observations_behind(
    registry: Registry, site: SiteView, facts: Iterable[type]
) -> dict[type, list[Request]]:
    """For each of these facts and of those behind them: what it asks itself, in order, on a (recorded) site.

    A fact that asks on only after a certain answer asks less on a site that answers otherwise.
    """
    ears = {id(one): _Listening(one) for one in [site.cluster, *(host.source for host in site.hosts)]}
    hosts = tuple(HostView(host.name, host.sides, ears[id(host.source)]) for host in site.hosts)
    whole, each = contexts(registry, SiteView(hosts, ears[id(site.cluster)]))
    asked: dict[type, list[Request]] = {}
    # A fact comes after those it is made from, which are made once: what is heard now is its own.
    for wanted in closure(registry, facts):
        for one in ears.values():
            one.heard.clear()
        for context in [whole, *each.values()]:
            make_anywhere(context, registry.facts[wanted])
        heard = dict.fromkeys(request for one in ears.values() for request in one.heard)
        asked[wanted] = list(heard)
    return asked


def make_anywhere(context: Context, node: FactNode) -> None:
    """Makes a fact in a context where it may have no place, or meet answers that it does not expect."""
    try:
        context.fact(node.provides)
    except (FactCrashError, KeyError, AttributeError):
        return
