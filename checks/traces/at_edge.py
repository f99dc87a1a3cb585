"""The far end, where this host is the edge: edged on 127.0.0.1:10350, and the container runtime (facts.md §3.6)."""

from __future__ import annotations

from kedoctor.api import StepResult, TraceTarget, Unavailable, step
from kedoctor.checks.container_runtime import runtime_cri
from kedoctor.checks.edged import edged_listener
from kedoctor.checks.facts.container_runtime import ContainerdSettings, CriSocket
from kedoctor.checks.facts.edge_link import EdgedHealth, EdgeSockets
from kedoctor.checks.facts.edgecore import EdgecoreConfig, EdgeName
from kedoctor.checks.facts.edgecore_log import EdgecoreLog
from kedoctor.checks.path import HOPS
from kedoctor.checks.traces.words import judged, missing, off_edge

__all__ = ["container_runtime", "edged_here"]


@step(name="edged", title=HOPS["edged"], hop="edged", unless=off_edge)
def edged_here(
    sockets: EdgeSockets,
    health: EdgedHealth,
    name: EdgeName,
    target: TraceTarget,
) -> StepResult:
    """KE502: edgecore listens where the cloud asks, and says that it is well."""
    return judged(target.trace, (edged_listener, edged_listener(sockets, health, name)))


@step(name="runtime", title=HOPS["runtime"], hop="runtime", unless=off_edge)
def container_runtime(
    config: EdgecoreConfig | Unavailable,
    socket: CriSocket | Unavailable,
    settings: ContainerdSettings | Unavailable,
    log: EdgecoreLog | Unavailable,
    *,
    target: TraceTarget,
) -> StepResult:
    """KE706: the container runtime answers edgecore."""
    if isinstance(config, Unavailable):
        return missing(config)
    if isinstance(socket, Unavailable):
        return missing(socket)
    return judged(target.trace, (runtime_cri, runtime_cri(config, socket, settings, log)))
