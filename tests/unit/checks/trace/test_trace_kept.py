"""Whether edgecore was the same process after a traced request: by what its own metrics say of its start."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from test_trace_steps import BROKEN, LOGS, OK, STATS, TIMEOUT, TRACED, UNKNOWN, said

from kedoctor.api import ApiAnswer, Cluster, Reason, Unavailable
from kedoctor.checks.trace.edge_kept import EdgecoreAfter, edgecore_after, edgecore_kept
from kedoctor.checks.trace.edgecore_start import EdgecoreBefore, edgecore_before
from kedoctor.checks.trace.probes import RelayedAnswer
from kedoctor.checks.trace.requests import RequestAnswer
from kedoctor.model.observations.apiserver import GetPath

ALIVE, DEAD = RelayedAnswer(ApiAnswer(200, STATS)), RelayedAnswer(ApiAnswer(200, b""))
# What edgecore v1.22.2 says of itself, three lines of 1400.
METRICS = (
    b"# HELP process_start_time_seconds Start time of the process since unix epoch in seconds.\n"
    b"# TYPE process_start_time_seconds gauge\n"
    b"process_start_time_seconds 1.79604290997e+09\n"
)
STARTED = datetime(2026, 11, 30, 12, 48, 29, 970000, tzinfo=UTC)
LATER = datetime(2026, 11, 30, 12, 59, 40, tzinfo=UTC)


class Site:
    """A site of whose edge one page at a time is answered."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.paths: list[str] = []

    def observe(self, request: GetPath) -> Any:
        self.paths.append(request.path)
        return self.answer


@pytest.mark.parametrize(
    ("answer", "started"),
    [
        (ApiAnswer(200, METRICS), STARTED),
        (ApiAnswer(200, b"process_start_time_seconds nonsense\n"), None),
        (ApiAnswer(200, b"process_start_time_seconds 1e300\n"), None),
        (ApiAnswer(404, b"404 page not found\n"), None),
        (TIMEOUT, None),
    ],
)
def test_the_start_is_in_the_metrics_of_edgecore(answer: Any, started: datetime | None) -> None:
    found = edgecore_before(Cluster(Site(answer)), ALIVE, TRACED, LOGS)
    if started is None:
        assert isinstance(found, Unavailable)
    else:
        assert found == EdgecoreBefore(started)


def test_an_edge_that_does_not_answer_is_not_asked_again() -> None:
    site = Site(ApiAnswer(200, METRICS))
    assert isinstance(edgecore_before(Cluster(site), DEAD, TRACED, LOGS), Unavailable)
    assert site.paths == []


def test_it_is_asked_anew_after_the_request() -> None:
    site = Site(ApiAnswer(200, METRICS))
    edgecore_before(Cluster(site), ALIVE, TRACED, LOGS)
    found = edgecore_after(
        Cluster(site), EdgecoreBefore(STARTED), TRACED, LOGS, answer=RequestAnswer(TIMEOUT)
    )
    assert found == EdgecoreAfter(STARTED)
    assert len(set(site.paths)) == 2  # an answer is kept by its path


@pytest.mark.parametrize(
    ("before", "later", "expected"),
    [
        (EdgecoreBefore(STARTED), EdgecoreAfter(STARTED), (OK, "", "")),
        (EdgecoreBefore(STARTED), EdgecoreAfter(LATER), (BROKEN, "", "KE905")),
        (EdgecoreBefore(STARTED), EdgecoreAfter(None), (BROKEN, "", "KE905")),
        (Unavailable(Reason.FORBIDDEN, "it"), EdgecoreAfter(None), (UNKNOWN, "", "")),
        (EdgecoreBefore(STARTED), Unavailable(Reason.ABSENT, "a pod"), (UNKNOWN, "", "")),
    ],
)
def test_another_start_is_another_process(before: Any, later: Any, expected: Any) -> None:
    assert said(edgecore_kept(before, later, TRACED)) == expected
