"""Sites that answer nonsense: whatever is read, no check breaks, and what cannot be read is never a pass by itself."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kedoctor.base.records import replace
from kedoctor.checks.facts.cluster.tunnel_port import parse_record
from kedoctor.evidence.replay import ReplaySource, open_bundle
from kedoctor.judge.fact_evaluation import HostView, SiteView
from kedoctor.model.declarations import Side
from kedoctor.model.findings import Status
from kedoctor.model.observations.files import File
from kedoctor.model.observations.logs import LogText
from kedoctor.model.observations.request import Reason, Request, Unavailable
from kedoctor.model.observations.tools import ToolOutput
from kedoctor.model.report import Report
from kedoctor.observe.memo import MemoSource
from kedoctor.plugins import Plugins, load_plugins
from kedoctor.run.diagnose import RunRequest, diagnose_site
from kedoctor.run.site import SiteSession

FIXTURES = Path(__file__).parents[2] / "fixtures"
CASES = ["healthy", "b-edgestream-disabled", "f1-edge-cert-expired", "i1-dnat-to-clusterip-real-kube-proxy"]


class Distorted:
    """A bundle whose answers go through ``distort`` first."""

    def __init__(self, replay: ReplaySource, distort: Any) -> None:
        self._replay = replay
        self._distort = distort

    def observe(self, request: Request) -> Any:
        return self._distort(request, self._replay.observe(request))


@cache
def _plugins() -> Plugins:
    return load_plugins(directory=Path("/nonexistent"))


@cache
def _bundles(case: str) -> tuple[ReplaySource, ...]:
    return tuple(ReplaySource(open_bundle(path)) for path in sorted((FIXTURES / case).glob("*.tgz")))


def _look(case: str, distort: Any) -> Report:
    memos: dict[str, MemoSource] = {}
    views = []
    for replay in _bundles(case):
        memo = MemoSource(Distorted(replay, distort))
        memos[replay.manifest.host] = memo
        views.append(
            HostView(replay.manifest.host, frozenset(Side(side) for side in replay.manifest.sides), memo)
        )
    return diagnose_site(_plugins(), SiteSession(SiteView(tuple(views), memos["cloud"]), memos), RunRequest())


def _crashes(report: Report) -> list[str]:
    return [f"{one.code}: {one.summary}" for one in report.verdicts if one.status is Status.CRASHED]


def _garbled(data: bytes, chance: random.Random) -> bytes:
    how = chance.randrange(6)
    if how == 0:
        return b""
    if how == 1:
        return chance.randbytes(400)
    if how == 2:
        return data[: chance.randrange(len(data) + 1)]
    if how == 3:
        return b"[]\n" if chance.random() < 0.5 else b"a: &a [*a]\n"
    cut = chance.randrange(len(data) + 1)
    if how == 4:
        return data[:cut] + chance.randbytes(3) + data[cut:]
    lines = data.splitlines(keepends=True)
    chance.shuffle(lines)
    return b"".join(lines)


def _garble(chance: random.Random, rate: float) -> Any:
    def distort(request: Request, answer: Any) -> Any:
        if chance.random() > rate:
            return answer
        if chance.random() < 0.3:
            return Unavailable(chance.choice(list(Reason)), str(request), "for the test")
        if isinstance(answer, File):
            return replace(answer, data=_garbled(answer.data, chance))
        if isinstance(answer, LogText):
            return replace(answer, text=_garbled(answer.text.encode(), chance).decode(errors="replace"))
        if isinstance(answer, ToolOutput):
            return replace(answer, stdout=_garbled(answer.stdout.encode(), chance).decode(errors="replace"))
        if isinstance(answer, tuple):
            return tuple(chance.sample(answer, chance.randrange(len(answer) + 1)))
        return answer

    return distort


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("reason", [Reason.PERMISSION, Reason.FORBIDDEN, Reason.TIMEOUT, Reason.ABSENT])
def test_a_site_that_shows_nothing(case: str, reason: Reason) -> None:
    report = _look(case, lambda request, _: Unavailable(reason, type(request).__name__, "for the test"))
    assert _crashes(report) == []
    if reason is not Reason.ABSENT:
        assert {one.status for one in report.verdicts} & {Status.PASS, Status.FAIL} == set()


@settings(max_examples=120)
@given(case=st.sampled_from(CASES), seed=st.integers(0, 1 << 30), rate=st.sampled_from([0.05, 0.3, 1.0]))
def test_a_site_that_answers_nonsense(case: str, seed: int, rate: float) -> None:
    assert _crashes(_look(case, _garble(random.Random(seed), rate))) == []


@given(st.text())
def test_any_text_as_the_record_of_tunnel_ports(text: str) -> None:
    assert parse_record(text).state is not None
