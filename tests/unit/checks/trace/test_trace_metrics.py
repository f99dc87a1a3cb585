"""The hops that only ``kubectl top`` has, judged on facts."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from cloud_samples import MISSING, edge
from siteworld import NOW, made

from kedoctor.api import ApiAnswer, Reason, StepState, Text, TraceTarget, Unavailable
from kedoctor.checks.facts.cluster.metrics import MetricsRegistration, NodeSamples
from kedoctor.checks.facts.cluster.nodes import EdgeNodes
from kedoctor.checks.parsers.kubernetes import APIService, Pod, PodMetrics
from kedoctor.checks.trace.metrics import (
    NodeFigures,
    PodFigures,
    metrics_registered,
    metrics_request,
)
from kedoctor.checks.trace.target import Traced

OK, BROKEN, UNKNOWN = StepState.OK, StepState.BROKEN, StepState.UNKNOWN
TOP = TraceTarget("top", "default/web")
ANSWERED = NodeFigures(ApiAnswer(200, b"{}"))
NO_POD = Unavailable(Reason.ABSENT, "the pod")


def samples(age: float | None) -> NodeSamples:
    ends = {} if age is None else {"edge1": NOW - timedelta(seconds=age)}
    return NodeSamples(ends, NOW, timedelta(seconds=105))


def pod(started: float) -> Pod:
    start = {"running": {"startedAt": (NOW - timedelta(seconds=started)).isoformat()}}
    found: Pod = made(
        Pod,
        metadata={"name": "web", "namespace": "default"},
        status={"containerStatuses": [{"name": "main", "state": start}]},
    )
    return found


def request(figures: NodeFigures = ANSWERED, of_pod: Any = NO_POD, age: float | None = 10, **how: Any) -> Any:
    found = metrics_request(
        figures,
        of_pod,
        how.get("samples", samples(age)),
        MISSING,
        Traced("default/web", "edge1", pod=how.get("pod")),
        edges=EdgeNodes((edge(created=NOW - timedelta(hours=1)),)),
        target=TOP,
    )
    assert found.seen.en.endswith((".", "`"))
    assert re.search("[一-鿿]", found.seen.zh)
    return found.state, found.hop, found.code


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Unavailable(Reason.TIMEOUT, "get"), (BROKEN, "", "KE605")),
        (Unavailable(Reason.SERVER_ERROR, "get", "service unavailable (HTTP 503)"), (BROKEN, "", "KE605")),
        (Unavailable(Reason.SERVER_ERROR, "get", "HTTP 500"), (BROKEN, "", "KE605")),
        (Unavailable(Reason.FORBIDDEN, "get", "no"), (UNKNOWN, "", "KE921")),
        (ApiAnswer(403, b""), (UNKNOWN, "", "KE921")),
    ],
)
def test_a_metrics_api_that_gives_nothing_says_nothing_of_the_tunnel(
    answer: Any, expected: tuple[StepState, str, str]
) -> None:
    assert request(NodeFigures(answer)) == expected


def test_figures_must_be_fresh() -> None:
    assert request() == (OK, "", "")
    assert request(age=400) == (BROKEN, "", "KE606")
    assert request(age=None) == (BROKEN, "", "KE606")
    assert request(samples=MISSING) == (UNKNOWN, "", "")


def test_a_pod_must_have_figures_too() -> None:
    sample: PodMetrics = made(PodMetrics, metadata={"name": "web"}, containers=[{"name": "main"}])
    nothing = PodFigures(ApiAnswer(404, b""))
    assert request(of_pod=PodFigures(ApiAnswer(200, b"{}"), sample)) == (OK, "", "")
    assert request(of_pod=nothing, pod=pod(started=5)) == (UNKNOWN, "", "")
    assert request(of_pod=nothing, pod=pod(started=4000)) == (BROKEN, "runtime", "KE709")


def test_an_api_that_nobody_registered() -> None:
    found = metrics_registered(MetricsRegistration(None), TOP)
    assert (found.state, found.code) == (BROKEN, "KE601")
    available = [{"type": "Available", "status": "True"}]
    service: APIService = made(APIService, metadata={"name": "v1beta1"}, status={"conditions": available})
    assert metrics_registered(MetricsRegistration(service), TOP).state is OK
    assert isinstance(found.seen, Text)
