"""What a gate asks only once: what has been proved over all its looks."""

from __future__ import annotations

from typing import Any

import pytest

from kedoctor.gate.pod_source import Proofs
from kedoctor.model.observations.apiserver import ApiAnswer, GetPath
from kedoctor.model.observations.logs import LogText, ReadPodLog
from kedoctor.model.observations.request import Reason, Request, Unavailable

STATS = GetPath("/api/v1/nodes/edge1/proxy/stats/summary", accept="*/*")
LINE = ReadPodLog("default", "web", "main", lines=1)


class Asked:
    """A source that counts what it is asked, and always gives the same."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.count = 0

    def observe(self, request: Request) -> Any:
        del request
        self.count += 1
        return self.answer


@pytest.mark.parametrize(
    ("request_", "answer", "times"),
    [
        (STATS, ApiAnswer(200, b"{}"), 1),
        (STATS, ApiAnswer(500, b""), 3),
        (STATS, Unavailable(Reason.TIMEOUT, "it"), 3),
        (
            GetPath("/version"),
            ApiAnswer(200, b"{}"),
            3,
        ),  # no page of a node: it may say something else next time
        (LINE, LogText("one\n"), 1),
        (LINE, LogText(""), 3),  # a dead session gives the same
        (ReadPodLog("kubeedge", "cloudcore-1"), LogText("one\n"), 3),  # a log that is read for what it says
    ],
)
def test_what_is_proved_is_not_asked_again(request_: Any, answer: Any, times: int) -> None:
    proofs, source = Proofs(), Asked(answer)
    assert [proofs.answer(request_, source) for _ in range(3)] == [answer] * 3
    assert source.count == times
