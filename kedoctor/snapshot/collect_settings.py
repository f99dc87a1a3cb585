"""Making facts without checks: every one there is, so that a recording sees all of them, or those that hold settings."""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from kedoctor.judge.fact_evaluation import Context, FactCrashError, HostView, SiteView, contexts
from kedoctor.judge.registry import Scope
from kedoctor.model.observations.request import Unavailable
from kedoctor.model.ports import Host
from kedoctor.model.settings import SettingsDocument
from kedoctor.observe.memo import MemoSource
from kedoctor.plugins import Plugins
from kedoctor.run.site import SiteSession

__all__ = ["Settings", "make_every_fact", "settings_of"]

_WORKERS = 8
_GLANCE = 0.2


def make_every_fact(plugins: Plugins, source: MemoSource, *, host: str) -> list[str]:
    """Makes all facts of one host and of the cluster it can ask; gives the names of the sides that it is.

    Facts that cannot be made are no error here: what could not be read is in the recording.
    """
    sides = plugins.sides(Host(source))
    site = SiteView((HostView(host, sides, source),), source)
    whole, hosts = contexts(plugins.registry, site)
    work = [
        (whole if node.scope is Scope.SITE else hosts[host], node.provides)
        for node in plugins.registry.facts.values()
    ]
    _make_all(work)
    return sorted(side.value for side in sides)


def _make_all(work: Sequence[tuple[Context, type]]) -> None:
    """Several at a time. Ctrl-C leaves behind what waits for a server; a pool of executors would wait for it."""
    waiting: queue.SimpleQueue[tuple[Context, type]] = queue.SimpleQueue()
    done: queue.SimpleQueue[None] = queue.SimpleQueue()
    for one in work:
        waiting.put(one)

    def labour() -> None:
        with suppress(queue.Empty):
            while True:
                one = waiting.get_nowait()
                try:
                    _make(*one)
                finally:
                    done.put(None)

    for _ in range(_WORKERS):
        threading.Thread(target=labour, name="kedoctor-fact", daemon=True).start()
    left = len(work)
    while left:
        # A signal that comes just before the wait begins does not end the wait, so no wait is long.
        with suppress(queue.Empty):
            done.get(timeout=_GLANCE)
            left -= 1


def _make(context: Context, wanted: type) -> None:
    try:
        context.fact(wanted)
    except FactCrashError:
        return  # its checks will say so in a run; what it read before is recorded


@dataclass(frozen=True, slots=True)
class Settings:
    """The documents of a site by name, and why others could not be had."""

    documents: Mapping[str, SettingsDocument]
    missing: tuple[str, ...] = ()


def settings_of(plugins: Plugins, site: SiteSession) -> Settings:
    """Every document that can be read on a site in view."""
    registry = plugins.registry
    whole, hosts = contexts(registry, site.view)
    documents: dict[str, SettingsDocument] = {}
    missing: list[str] = []
    for wanted in plugins.settings():
        per_host = registry.facts[wanted].scope is Scope.HOST
        for context in hosts.values() if per_host else [whole]:
            found = _settings(context, wanted)
            if isinstance(found, str):
                missing.append(found)
            else:
                documents |= {one.name: one for one in found.documents}
    return Settings(documents, tuple(dict.fromkeys(missing)))


def _settings(context: Context, wanted: type) -> Any:
    try:
        found = context.fact(wanted)
    except FactCrashError as crash:
        return str(crash)
    return str(found) if isinstance(found, Unavailable) else found
