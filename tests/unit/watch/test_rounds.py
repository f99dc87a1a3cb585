"""Runs come one after the other, whatever becomes of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pytest
from prometheus_client.parser import text_string_to_metric_families
from report_samples import report, verdict

from kedoctor.api import Status
from kedoctor.base.records import replace
from kedoctor.model.report import Report
from kedoctor.watch.board import Board, Ending
from kedoctor.watch.changes import Change
from kedoctor.watch.child import Look, NoReportError
from kedoctor.watch.loop import Rounds

GOOD, BAD = report(verdict(Status.PASS)), report(verdict(Status.FAIL))


class _Over(Exception):  # noqa: N818  the end of a test
    pass


class _Heard:
    def __init__(self) -> None:
        self.said: list[str] = []

    def begins(self, report: Report, found: Sequence[Change]) -> None:
        self.said.append(f"begins {len(found)}")

    def changed(self, report: Report, found: Sequence[Change]) -> None:
        self.said += [f"{one.kind.value} {one.code}" for one in found]

    def unfinished(self) -> None:
        self.said.append("unfinished")

    def failed(self, why: str) -> None:
        self.said.append(f"failed: {why}")

    def recovered(self) -> None:
        self.said.append("recovered")

    def unpublished(self, why: str) -> None:
        self.said.append(f"unpublished: {why}")


class _World:
    """A clock, and runs that each take some seconds and end in something."""

    def __init__(self, *endings: Report | Exception, took: float = 2.0) -> None:
        self.time, self.took, self.endings = 1000.0, took, [*endings]
        self.begun: list[float] = []
        self.heard = _Heard()
        self.board = Board(60.0, 630.0, now=self.clock)

    def clock(self) -> float:
        return self.time

    def look(self) -> Look:
        self.begun.append(self.time)
        self.time += self.took
        ending = self.endings.pop(0)
        if isinstance(ending, Exception):
            raise ending
        return Look(ending, {"prometheus": f"{len(self.begun)}\n".encode()})

    def sleep(self, seconds: float) -> None:
        assert 0 < seconds <= 60
        if not self.endings:
            raise _Over
        self.time += seconds

    def go(self, publish: Callable[[Mapping[str, bytes]], None] = lambda _: None) -> list[str]:
        rounds = Rounds(
            self.look,
            self.heard,
            self.board,
            interval=60.0,
            publish=publish,
            clock=self.clock,
            sleep=self.sleep,
        )
        with pytest.raises(_Over):
            rounds.go_on()
        return self.heard.said

    def metrics(self) -> dict[str, float]:
        text = self.board.metrics().decode()
        return {
            f"{one.name}{''.join(one.labels.values())}": one.value
            for family in text_string_to_metric_families(text)
            for one in family.samples
        }


def test_only_changes_are_said() -> None:
    said = _World(GOOD, GOOD, BAD, BAD, GOOD).go()
    assert said == ["begins 0", "broken TOY101", "works TOY101"]


def test_the_beat_is_kept_and_a_run_that_takes_longer_skips_a_beat() -> None:
    world = _World(GOOD, GOOD, GOOD)
    world.go()
    assert world.begun == [1000.0, 1060.0, 1120.0]
    slow = _World(GOOD, GOOD, GOOD, took=90.0)
    slow.go()
    assert slow.begun == [1000.0, 1120.0, 1240.0]


def test_a_run_that_fails_or_hangs_is_said_once_and_the_next_one_comes() -> None:
    hung = NoReportError("it did not end", late=True)
    world = _World(
        BAD, NoReportError("exit code 70"), NoReportError("exit code 70"), hung, OSError(12, "memory"), GOOD
    )
    said = world.go()
    assert said == [
        "begins 1",
        "failed: exit code 70",
        "failed: it did not end",
        "failed: memory",
        "recovered",
        "works TOY101",
    ]
    counted = world.metrics()
    assert counted["kedoctor_watch_runs_totaldone"] == 2
    assert counted["kedoctor_watch_runs_totalfailed"] == 3
    assert counted["kedoctor_watch_runs_totaltimed-out"] == 1


def test_what_an_unfinished_run_says_is_not_compared() -> None:
    half = replace(BAD, run=replace(BAD.run, complete=False))
    assert _World(GOOD, half, half, GOOD).go() == ["begins 0", "unfinished", "recovered"]


def test_a_file_that_cannot_be_written_is_said_once() -> None:
    def full(pages: Mapping[str, bytes]) -> None:
        raise OSError(28, "No space left on device")

    assert _World(GOOD, GOOD).go(full) == ["unpublished: No space left on device", "begins 0"]


def test_health_is_that_reports_come() -> None:
    world = _World()
    board = world.board
    assert board.health()[0]
    world.time += 631
    assert not board.health()[0], "no report for longer than a run may take"
    board.begins()
    board.ends(Ending.DONE, {"prometheus": b"1\n"})
    assert board.health()[0]
    board.begins()
    board.ends(Ending.FAILED)
    assert board.page("prometheus") == b"1\n", "the latest pages stay"
    world.time += 751
    assert not board.health()[0]


def test_what_the_metrics_say_while_a_run_is_under_way() -> None:
    world = _World()
    world.board.begins()
    assert world.metrics()["kedoctor_watch_running"] == 1
    assert world.metrics()["kedoctor_watch_run_begun_timestamp_seconds"] == 1000
    world.time += 3
    world.board.ends(Ending.DONE, {})
    counted = world.metrics()
    assert counted["kedoctor_watch_running"] == 0
    assert counted["kedoctor_watch_last_run_seconds"] == 3
    assert counted["kedoctor_watch_last_end_timestamp_seconds"] == 1003
