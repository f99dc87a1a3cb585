"""The engine with toy checks: order, deadlines, crashes, sharing."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from toysite import FakeSource, Motd, friendly, motd, one_edge, text

from kedoctor.api import (
    Cluster,
    EveryHost,
    File,
    FileMetadata,
    Finding,
    Side,
    Unavailable,
    check,
    fact,
    failed,
    passed,
    require,
    unknown,
)
from kedoctor.checks.parsers.kubernetes import Node
from kedoctor.judge.fact_evaluation import SiteView
from kedoctor.judge.registry import Registry
from kedoctor.judge.scheduler import run_checks
from kedoctor.model.findings import Status
from kedoctor.model.observations.files import ReadFile
from kedoctor.model.report import Verdict

METADATA = FileMetadata("/etc/motd", "file", 0o644, 0, 0, 5, datetime(2026, 1, 1, tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class _Never:
    pass


def _greets(words: bytes) -> FakeSource:
    return FakeSource({ReadFile("/etc/motd"): File(METADATA, words)})


def _run(checks: list[Any], source: FakeSource | None = None, **options: Any) -> dict[str, Verdict]:
    registry = Registry()
    registry.add("toys", [motd], checks)
    selected = [registry.checks[code] for code in sorted(registry.checks)]
    outcome = run_checks(registry, one_edge(source), selected, **options)
    return {verdict.code: verdict for verdict in outcome.verdicts}


def _toy(code: str, **more: Any) -> Any:
    return check(code=code, slug=code.lower(), title=text(code), side=Side.EDGE, breaks=("logs",), **more)


def test_passes_and_fails_by_what_was_read() -> None:
    assert _run([friendly], _greets(b"hello"))["TOY101"].status is Status.PASS
    rude = _run([friendly], _greets(b"go away"))["TOY101"]
    assert (rude.status, rude.actual, rude.zh.summary) == (Status.FAIL, "go away", "中It is rude.")


def test_is_unknown_with_the_reason_when_it_could_not_look() -> None:
    verdict = _run([friendly])["TOY101"]
    assert verdict.status is Status.UNKNOWN
    assert "does not exist" in verdict.summary


def test_a_raising_a_hanging_and_a_babbling_check_are_one_result_each() -> None:
    release = threading.Event()

    @_toy("TOY201")
    def raises(greeting: Motd) -> Finding:
        raise ZeroDivisionError("surprise")

    @_toy("TOY202", deadline=0.2)
    def hangs(greeting: Motd) -> Finding:
        release.wait(30)
        return passed(text("late"))

    @_toy("TOY203")
    def babbles(greeting: Motd) -> Any:
        return "all is well"

    @_toy("TOY204")
    def silent(greeting: Motd) -> Iterable[Finding]:
        return []

    try:
        verdicts = _run([friendly, raises, hangs, babbles, silent], _greets(b"hello"))
    finally:
        release.set()
    assert verdicts["TOY101"].status is Status.PASS
    assert "surprise" in verdicts["TOY201"].summary
    assert {verdicts[code].status for code in ("TOY201", "TOY202", "TOY203")} == {Status.CRASHED}
    assert verdicts["TOY204"].status is Status.SKIP


def test_many_hanging_checks_do_not_stop_the_others() -> None:
    release = threading.Event()

    def hanging(number: int) -> Any:
        @_toy(f"TOY3{number:02}", deadline=0.2)
        def hangs(greeting: Motd) -> Finding:
            release.wait(30)
            return passed(text("late"))

        return hangs

    try:
        verdicts = _run([*(hanging(number) for number in range(20)), friendly], _greets(b"hello"))
    finally:
        release.set()
    assert verdicts["TOY101"].status is Status.PASS
    assert sum(one.status is Status.CRASHED for one in verdicts.values()) == 20


def test_the_run_ends_at_its_deadline_and_says_what_was_not_looked_at() -> None:
    release = threading.Event()

    @_toy("TOY401", deadline=60.0)
    def hangs(greeting: Motd) -> Finding:
        release.wait(30)
        return passed(text("late"))

    started = time.monotonic()
    try:
        verdicts = _run([hangs], _greets(b"hello"), deadline=0.3)
    finally:
        release.set()
    assert time.monotonic() - started < 10
    assert verdicts["TOY401"].status is Status.UNKNOWN


class _SlowSource(FakeSource):
    """Answers only when it is let go on."""

    def __init__(self, words: bytes) -> None:
        super().__init__(_greets(words).answers)
        self.go_on = threading.Event()

    def observe(self, request: Any) -> Any:
        self.go_on.wait(30)
        return super().observe(request)


def test_a_check_that_waits_for_an_answer_is_not_late() -> None:
    source = _SlowSource(b"go away")

    @_toy("TOY402", deadline=0.2)
    def judges(greeting: Motd) -> Finding:
        return unknown(text(greeting.words))

    threading.Timer(1.5, source.go_on.set).start()
    verdict = _run([judges], source)["TOY402"]
    assert (verdict.status, verdict.summary) == (Status.UNKNOWN, "go away")


def test_a_fact_that_is_slow_to_read_holds_up_only_what_needs_it() -> None:
    source = _SlowSource(b"hello")

    def waiting(number: int) -> Any:
        @_toy(f"TOY6{number:02}")
        def waits(greeting: Motd) -> Finding:
            return passed(text(greeting.words))

        return waits

    @_toy("TOY699")  # the last in line
    def lets_go() -> Finding:
        source.go_on.set()
        return passed(text("fine"))

    verdicts = _run([*(waiting(number) for number in range(20)), lets_go], source)
    assert {one.status for one in verdicts.values()} == {Status.PASS}


def test_a_run_that_ends_before_its_facts_are_there_says_which() -> None:
    source = _SlowSource(b"hello")
    try:
        verdict = _run([friendly], source, deadline=0.5)["TOY101"]
    finally:
        source.go_on.set()
    assert verdict.status is Status.UNKNOWN
    assert "Motd had not been read to the end" in verdict.summary


def test_a_fact_that_hangs_by_itself_is_given_up_like_a_check() -> None:
    release = threading.Event()

    @fact
    def hanging() -> _Never:
        release.wait(30)
        return _Never()

    @_toy("TOY403", deadline=0.2)
    def waits(never: _Never) -> Finding:
        return passed(text("late"))

    registry = Registry()
    registry.add("toys", [motd, hanging], [waits, friendly])
    try:
        outcome = run_checks(registry, one_edge(_greets(b"hello")), [*registry.checks.values()])
    finally:
        release.set()
    assert {one.code: one.status for one in outcome.verdicts} == {
        "TOY101": Status.PASS,
        "TOY403": Status.CRASHED,
    }


def test_a_check_is_blocked_by_what_it_builds_on() -> None:
    @_toy("TOY501", builds_on=("TOY101",))
    def later(greeting: Motd) -> Finding:
        return passed(text("fine"))

    @_toy("TOY502", builds_on=("TOY501",))
    def latest(greeting: Motd) -> Finding:
        return passed(text("fine"))

    rude = _run([friendly, later, latest], _greets(b"go away"))
    assert (rude["TOY501"].status, rude["TOY502"].status) == (Status.BLOCKED, Status.BLOCKED)
    kind = _run([friendly, later, latest], _greets(b"hello"))
    assert kind["TOY502"].status is Status.PASS


def test_a_crashing_fact_is_the_crash_of_its_checks_only() -> None:
    class Breaks(FakeSource):
        def observe(self, request: Any) -> Any:
            raise RuntimeError("port broke")

    verdict = _run([friendly], Breaks())["TOY101"]
    assert verdict.status is Status.CRASHED
    assert "motd" in verdict.summary


def test_a_fact_is_read_once_however_many_ask() -> None:
    source = _greets(b"hello")

    def another(number: int) -> Any:
        @_toy(f"TOY6{number:02}")
        def ask(greeting: Motd | Unavailable) -> Finding:
            return passed(text("fine"))

        return ask

    _run([another(number) for number in range(30)], source)
    assert source.asked == [ReadFile("/etc/motd")]


def test_a_duplicate_code_is_one_visible_result() -> None:
    @_toy("TOY101")
    def twin(greeting: Motd) -> Finding:
        return passed(text("fine"))

    verdicts = _run([friendly, twin], _greets(b"hello"))
    assert verdicts["TOY101"].status is Status.PASS
    assert verdicts["PLUGIN"].status is Status.CRASHED


def test_no_host_of_a_side_is_said_not_hidden() -> None:
    @check(code="TOY701", slug="cloudy", title=text("Cloud"), side=Side.CLOUD)
    def cloudy(greeting: Motd) -> Finding:
        return passed(text("fine"))

    verdict = _run([cloudy], _greets(b"hello"))["TOY701"]
    assert verdict.status is Status.SKIP
    assert "cloud" in verdict.summary


def test_what_is_said_of_very_many_edges_is_folded() -> None:
    @_toy("TOY801")
    def crowd(greeting: Motd) -> Iterable[Finding]:
        yield failed(text("bad"), expected=text("x"), actual="y", hint=text("z"), node="odd")
        for number in range(1000):
            yield passed(text(f"edge-{number} is fine"), node=f"edge-{number}", subject=f"edge-{number}")

    registry = Registry()
    registry.add("toys", [motd], [crowd])
    verdicts = run_checks(registry, one_edge(_greets(b"")), [registry.checks["TOY801"]]).verdicts
    assert len(verdicts) == 2
    assert sorted(len(one.nodes) for one in verdicts) == [0, 1000]


def test_where_no_cluster_can_be_asked_a_check_of_the_site_tells_what_hosts_alone_show() -> None:
    @fact
    def listed(cluster: Cluster) -> Listed:
        return require(cluster.list(Node))  # type: ignore[return-value]

    @_site("TOY301")
    def both(greetings: EveryHost[Motd], names: Listed | Unavailable) -> Iterable[Finding]:
        yield unknown(text("The list is unknown."), subject="list")
        yield unknown(text("Not known of edge1."), subject="edge1", node="edge1")
        yield from (passed(text("It greets."), subject=name) for name in greetings.known())

    @_site("TOY302")
    def only_listed(names: Listed) -> Finding:
        return passed(text("x"))

    @_site("TOY303")
    def listed_or_not(names: Listed | Unavailable) -> Finding:
        return unknown(text("Not known."))

    registry = Registry()
    registry.add("toys", [motd, listed], [both, only_listed, listed_or_not])
    seen = one_edge(_greets(b"hello"))
    checks = [registry.checks[code] for code in sorted(registry.checks)]

    def states(view: SiteView) -> list[tuple[str, str, str]]:
        told = run_checks(registry, view, checks).verdicts
        return [(one.code, one.subject, one.status.value) for one in told]

    assert states(SiteView(seen.hosts, seen.cluster, cluster_expected=False)) == [
        ("TOY301", "edge1", "unknown"),
        ("TOY301", "edge1", "pass"),
        ("TOY301", "list", "skip"),
        ("TOY302", "site", "skip"),
        ("TOY303", "site", "skip"),
    ]
    assert {status for code, _, status in states(seen) if code != "TOY301"} == {"unknown"}


@dataclass(frozen=True)
class Listed:
    names: tuple[str, ...] = ()


def _site(code: str) -> Any:
    return check(code=code, slug=code.lower(), title=text(code), side=Side.SITE)
