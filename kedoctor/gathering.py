"""Making every fact there is, so that a recording source sees everything that checks may ever need."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from kedoctor.evaluation import Context, FactCrashError, HostView, SiteView, contexts
from kedoctor.memo import MemoSource
from kedoctor.plugins import Plugins
from kedoctor.ports import Host
from kedoctor.registry import Scope

__all__ = ["make_every_fact"]


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
    with ThreadPoolExecutor(8, thread_name_prefix="kedoctor-fact") as pool:
        list(pool.map(lambda one: _make(*one), work))
    return sorted(side.value for side in sides)


def _make(context: Context, wanted: type) -> None:
    try:
        context.fact(wanted)
    except FactCrashError:
        return  # its checks will say so in a run; what it read before is recorded
