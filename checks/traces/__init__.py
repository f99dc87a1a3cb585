"""The traces of ``kubectl logs``, ``exec``, ``attach`` and ``top``: which hops, in which order (facts.md §3, §10.1).

Every step is a pure function from facts; the facts are those of the site, with what is known of every edge narrowed
down to the one that is traced (:mod:`kedoctor.checks.traces.target`). Where a check judges the hop already, its step
asks that check.
"""

from __future__ import annotations

from kedoctor.api import Text, Trace
from kedoctor.checks.traces.address import api_server, dialled_address
from kedoctor.checks.traces.answer import who_answers
from kedoctor.checks.traces.at_edge import container_runtime, edged_here
from kedoctor.checks.traces.diversion import nat_path
from kedoctor.checks.traces.metrics import FACTS as FIGURES
from kedoctor.checks.traces.metrics import metrics_backend, metrics_registered, metrics_request
from kedoctor.checks.traces.probes import FACTS as PROBES
from kedoctor.checks.traces.relayed import relayed
from kedoctor.checks.traces.session import session
from kedoctor.checks.traces.target import FACTS as NARROWED
from kedoctor.checks.traces.target import Traced

__all__ = ["TRACES"]

_WAY = (api_server, dialled_address, who_answers, nat_path, session, relayed, edged_here, container_runtime)

TRACES = (
    Trace(
        name="top",
        title=Text("kubectl top", zh="kubectl top"),
        subject=Traced,
        steps=(*_WAY, metrics_registered, metrics_backend, metrics_request),
        facts=(*NARROWED, *PROBES, *FIGURES),
    ),
)
"""What this package can trace."""
