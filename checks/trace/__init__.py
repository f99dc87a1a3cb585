"""The traces of ``kubectl logs``, ``exec``, ``attach`` and ``top``: which hops, in which order (facts.md §3, §10.1).

Every step is a pure function from facts; the facts are those of the site, with what is known of every edge narrowed
down to the one that is traced (:mod:`kedoctor.checks.trace.target`). Where a check judges the hop already, its step
asks that check.
"""

from __future__ import annotations

from collections.abc import Callable

from kedoctor.api import Side, StepResult, Text, Trace
from kedoctor.checks.trace.address import api_server, dialled_address
from kedoctor.checks.trace.diversion import nat_path
from kedoctor.checks.trace.edge_host import container_runtime, edged_here, tunnel_here
from kedoctor.checks.trace.edge_kept import edgecore_after, edgecore_kept
from kedoctor.checks.trace.edgecore_start import edgecore_before
from kedoctor.checks.trace.metrics import FACTS as FIGURES
from kedoctor.checks.trace.metrics import metrics_backend, metrics_registered, metrics_request
from kedoctor.checks.trace.node_proxy import relayed
from kedoctor.checks.trace.probes import FACTS as PROBES
from kedoctor.checks.trace.requests import FACTS as ANSWERS
from kedoctor.checks.trace.requests import attach_request, exec_request, log_request
from kedoctor.checks.trace.session import session
from kedoctor.checks.trace.target import FACTS as NARROWED
from kedoctor.checks.trace.target import OBJECTS, Traced
from kedoctor.checks.trace.tls_peer import who_answers

__all__ = ["TRACES"]

_WAY: tuple[Callable[..., StepResult], ...] = (
    api_server,
    dialled_address,
    who_answers,
    nat_path,
    session,
    relayed,
    tunnel_here,
    edged_here,
    container_runtime,
)

_ON_EDGE = ("address", "session", "tunnel", "link", "certificates", "edgecore", "edged", "runtime")
_ON_CLOUD = ("api", "diversion", "stream", "apiservice", "metrics-server")
_REPAIRED_ON = {
    **dict.fromkeys(_ON_EDGE, Side.EDGE),
    **dict.fromkeys(_ON_CLOUD, Side.CLOUD),
}

_REQUESTS: dict[str, Callable[..., StepResult]] = {
    "logs": log_request,
    "exec": exec_request,
    "attach": attach_request,
}

TRACES = (
    *(
        Trace(
            name=name,
            title=Text(f"kubectl {name}", zh=f"kubectl {name}"),
            subject=Traced,
            steps=(*_WAY, request, edgecore_kept),
            facts=(*NARROWED, *PROBES, edgecore_before, ANSWERS[name], edgecore_after),
            repaired_on=_REPAIRED_ON,
            example=OBJECTS,
        )
        for name, request in _REQUESTS.items()
    ),
    Trace(
        name="top",
        title=Text("kubectl top", zh="kubectl top"),
        subject=Traced,
        steps=(*_WAY, metrics_registered, metrics_backend, metrics_request),
        facts=(*NARROWED, *PROBES, *FIGURES),
        repaired_on=_REPAIRED_ON,
        example=OBJECTS,
    ),
)
"""What this package can trace."""
