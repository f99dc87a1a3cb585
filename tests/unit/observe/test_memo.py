"""Asking once: threads share one read, times are kept, and a bundle's own times are passed through."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest

from kedoctor.model.observations.files import ReadFile
from kedoctor.model.observations.machine import ReadClock
from kedoctor.model.observations.request import Request
from kedoctor.observe.memo import MemoSource, Observation

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Slow:
    """Counts its reads; holds them until it is let go."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.go = threading.Event()

    def observe(self, request: Request) -> str:
        self.asked.append(request)
        self.go.wait(5)
        return f"answer {len(self.asked)}"


class Breaks:
    """Raises the first time only."""

    def __init__(self) -> None:
        self.asked = 0

    def observe(self, request: Request) -> str:
        self.asked += 1
        if self.asked == 1:
            raise RuntimeError("a bug in a source")
        return "fine"


class FromBundle:
    """Knows when it was read."""

    def observe(self, request: Request) -> str:
        return "recorded"

    def observation(self, request: Request) -> Observation:
        return Observation(request, "recorded", NOON, 42, "edge1.tgz")


def test_equal_requests_of_many_threads_are_one_read() -> None:
    source = Slow()
    memo = MemoSource(source)
    answers: list[str] = []
    threads = [
        threading.Thread(target=lambda: answers.append(memo.observe(ReadFile("/x")))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    source.go.set()
    for thread in threads:
        thread.join()
    assert answers == ["answer 1"] * 8
    assert source.asked == [ReadFile("/x")]


def test_different_requests_are_read_separately_and_kept_in_order() -> None:
    source = Slow()
    source.go.set()
    memo = MemoSource(source, now=lambda: NOON)
    assert memo.observe(ReadFile("/b")) == "answer 1"
    assert memo.observe(ReadFile("/a", limit=10)) == "answer 2"
    assert memo.observe(ReadFile("/a")) == "answer 3"
    seen = memo.observations()
    assert [one.request for one in seen] == [ReadFile("/b"), ReadFile("/a", limit=10), ReadFile("/a")]
    assert {one.at for one in seen} == {NOON}
    assert {one.origin for one in seen} == {"live"}


def test_a_live_read_is_timed_in_utc() -> None:
    source = Slow()
    source.go.set()
    seen = MemoSource(source).observation(ReadClock())
    assert seen.at.tzinfo is UTC
    assert 0 <= seen.took_ms < 5000


def test_the_times_of_a_bundle_are_passed_through() -> None:
    assert MemoSource(FromBundle()).observation(ReadClock()) == Observation(
        ReadClock(), "recorded", NOON, 42, "edge1.tgz"
    )


def test_an_exception_reaches_who_asked_and_is_not_remembered() -> None:
    memo = MemoSource(Breaks())
    with pytest.raises(RuntimeError, match="a bug"):
        memo.observe(ReadClock())
    assert memo.observations() == []
    assert memo.observe(ReadClock()) == "fine"
