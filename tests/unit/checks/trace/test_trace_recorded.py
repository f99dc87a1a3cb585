"""Traces on the recorded sites: seen from the cloud and from the edge, the hop that was broken is named, and no other.

The real request was not recorded, so where nothing is broken a trace says that it could not be told. The recordings are
not part of the project (see ``tests/recorded.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
from recorded import RecordedCase, cases, recordings

from kedoctor.api import Side, Text, TraceTarget
from kedoctor.judge.fact_evaluation import HostView, SiteView
from kedoctor.model.traces import HopSeen, TraceReport
from kedoctor.observe.memo import MemoSource
from kedoctor.plugins import Plugins, load_plugins
from kedoctor.trace.runner import run_trace

pytestmark = pytest.mark.skipif(recordings() is None, reason="the recordings are not here")

# As seen from the cloud host: the place on the path and the check. What broke behind the tunnel is seen as its session.
NO_SESSION, NO_RULE, ELSEWHERE = ("session", "KE508"), ("diversion", "KE303"), ("diversion", "KE304")
FROM_CLOUD = {
    "a-edgestream-server-127.0.0.1": NO_SESSION,
    "a2-edgestream-server-127.0.0.1-after-cloudcore-restart": NO_SESSION,
    "b-edgestream-disabled": NO_SESSION,
    "b2-edgestream-disabled-after-cloudcore-restart": NO_SESSION,
    "c-cloudstream-disabled": ("stream", "KE508"),
    "d-no-dnat-rule": NO_RULE,
    "d2-no-dnat-rule-edge-unreachable": NO_RULE,
    "d3-dnat-rule-for-10350-only": NO_RULE,
    "e-wrong-dnat-target-10.99.0.1_10000": ELSEWHERE,
    "e-wrong-dnat-target-10.99.0.1_10004": ELSEWHERE,
    "e-wrong-dnat-target-10.99.0.1_9999": ELSEWHERE,
    "e-wrong-dnat-target-10.99.0.77_10003": ELSEWHERE,
    "f1-edge-cert-expired": NO_SESSION,
    "fresh-join-edgestream-off": NO_SESSION,
    "h1-10004-dropped-established": ("tunnel", "KE508"),
    "h2-10004-dropped-new": NO_SESSION,
    "i1-dnat-to-clusterip-real-kube-proxy": ELSEWHERE,
    "i3-dnat-to-clusterip-handmade": ELSEWHERE,
    "j-edgecore-stopped": NO_SESSION,
    "l1-edgecore-yaml-syntax-error": NO_SESSION,
}
ONLY_TOP = {"m1-metrics-server-down": ("metrics-server", "KE602")}
FROM_EDGE = {
    "a-edgestream-server-127.0.0.1": ("tunnel", "KE503"),
    "a2-edgestream-server-127.0.0.1-after-cloudcore-restart": ("tunnel", "KE503"),
    "b-edgestream-disabled": ("tunnel", "KE202"),
    "b2-edgestream-disabled-after-cloudcore-restart": ("tunnel", "KE202"),
    "c-cloudstream-disabled": ("tunnel", "KE503"),
    "f1-edge-cert-expired": ("tunnel", "KE503"),
    "fresh-join-edgestream-off": ("tunnel", "KE202"),
    "h2-10004-dropped-new": ("tunnel", "KE503"),
    "j-edgecore-stopped": ("edged", "KE502"),
    # The configuration cannot be read, so what it says of the tunnel is unknown.
    "l1-edgecore-yaml-syntax-error": ("edged", "KE502"),
}


class Silent:
    def begins(self, label: Text, host: str, sides: Sequence[str]) -> None:
        pass

    def starts(self, number: int, title: Text) -> None:
        pass

    def ends(self, hop: HopSeen) -> None:
        pass


@cache
def _plugins() -> Plugins:
    return load_plugins(directory=Path("/nonexistent"))


def traced(case: str, host: str, capability: str) -> TraceReport:
    site = RecordedCase(case)
    source = MemoSource(site.source(host))
    view = HostView(host, frozenset(map(Side, site.hosts()[host])), source)
    return run_trace(
        _plugins().registry,
        SiteView((view,), source),
        _plugins().traces()[capability],
        TraceTarget(capability, "edge1", patience=8.0),
        hops={name: title for path in _plugins().paths() for name, title in path.hops.items()},
        observer=Silent(),
    )


def _with_cluster(host: str) -> list[str]:
    if recordings() is None:
        return []
    there = [RecordedCase(case) for case in cases()]
    return [case.name for case in there if case.has("nodes.json") and host in case.hosts()]


@pytest.mark.parametrize("case", _with_cluster("cloud"))
@pytest.mark.parametrize("capability", ["logs", "top"])
def test_from_the_cloud(case: str, capability: str) -> None:
    report = traced(case, "cloud", capability)
    expected = (FROM_CLOUD | (ONLY_TOP if capability == "top" else {})).get(case, ("", ""))
    assert (report.broken_hop, report.code) == expected, report.summary
    assert report.exit_code == (1 if expected[0] else 3)
    if not expected[0]:
        seen = {hop.name: hop.state for hop in report.hops}
        assert {seen[name] for name in ("api", "address", "answer", "nat", "session", "node-proxy")} == {"ok"}


@pytest.mark.parametrize("case", _with_cluster("edge1"))
def test_from_the_edge(case: str) -> None:
    """edgecore holds its half-open tunnel (h1) still, and what is broken on the cloud is not seen from the edge."""
    report = traced(case, "edge1", "logs")
    assert (report.broken_hop, report.code) == FROM_EDGE.get(case, ("", "")), report.summary
