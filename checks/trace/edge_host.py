"""The far end, where this host is the edge: its tunnel, edged on 127.0.0.1:10350, the container runtime (facts.md §3.5)."""

from __future__ import annotations

from kedoctor.api import EveryHost, StepResult, StepState, TraceTarget, Unavailable, step
from kedoctor.checks.data_path import HOPS
from kedoctor.checks.edgecore.edged import edged_listener
from kedoctor.checks.edgecore.edgestream import edgestream_enabled
from kedoctor.checks.facts.cluster.nodes import EdgeNodes
from kedoctor.checks.facts.edge.clock import HostTime
from kedoctor.checks.facts.edge.container_runtime import ContainerdSettings, CriSocket
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig, EdgecoreUnit, EdgeName
from kedoctor.checks.facts.edge.edgecore_log import EdgecoreLog
from kedoctor.checks.facts.edge.sockets_and_probes import EdgedHealth, EdgeSockets
from kedoctor.checks.node.container_runtime import runtime_cri
from kedoctor.checks.trace.step_results import judged, missing, off_edge
from kedoctor.checks.tunnel.established import tunnel_established

__all__ = ["container_runtime", "edged_here", "tunnel_here"]


@step(name="tunnel", title=HOPS["tunnel"], hop="tunnel", unless=off_edge)
def tunnel_here(
    config: EdgecoreConfig | Unavailable,
    sockets: EdgeSockets,
    unit: EdgecoreUnit,
    log: EdgecoreLog | Unavailable,
    time: HostTime | Unavailable,
    *,
    edges: EdgeNodes | Unavailable,
    target: TraceTarget,
) -> StepResult:
    """KE503 says whether edgecore holds its connection to the cloud; if not, KE202 whether it is meant to."""
    if isinstance(config, Unavailable):
        return missing(config)
    # The cloud's end of it is not in view from here; the session is a step of its own.
    own = tunnel_established(
        config, sockets, unit, log, time, hosts=EveryHost({}), probes=EveryHost({}), edges=edges
    )
    held = judged(target.trace, (tunnel_established, own))
    if held.state is not StepState.BROKEN:
        return held
    switched = judged(target.trace, (edgestream_enabled, edgestream_enabled(config, log)))
    return switched if switched.state is StepState.BROKEN else held


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
