"""The engine of traces with toy steps: order, deadlines, what is not seen, and which of several faults is named."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from toysite import PATH, FakeSource, Motd, friendly, motd, one_edge, text

from kedoctor.api import (
    Certainty,
    Cluster,
    File,
    FileMetadata,
    Finding,
    Host,
    Reason,
    Side,
    StepResult,
    StepState,
    Text,
    Trace,
    TraceTarget,
    Unavailable,
    check,
    fact,
    failed,
    require,
    step,
)
from kedoctor.base.errors import UsageError
from kedoctor.judge.registry import DeclarationError, Registry
from kedoctor.model.observations.files import ReadFile
from kedoctor.model.traces import HopSeen, TraceReport
from kedoctor.trace.runner import run_trace

OK, BROKEN, UNKNOWN, NOT_SEEN = StepState.OK, StepState.BROKEN, StepState.UNKNOWN, StepState.NOT_SEEN
METADATA = FileMetadata("/etc/motd", "file", 0o644, 0, 0, 5, datetime(2026, 1, 1, tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class Subject:
    label: str
    node: str = "edge1"
    here: bool = False
    refusal: Text | None = None


@fact
def subject(target: TraceTarget) -> Subject | Unavailable:
    if target.name == "unreachable":
        return Unavailable(Reason.TIMEOUT, "the thing", "no answer in time")
    refusal = text("there is no such thing") if target.name == "nothing" else None
    return Subject(f"{target.name} of {target.namespace or 'nobody'}", refusal=refusal)


class Watched:
    def __init__(self) -> None:
        self.told: list[str] = []

    def begins(self, label: Text, host: str, sides: Sequence[str]) -> None:
        self.told.append(f"{label.en} from {host} {','.join(sides)}")

    def starts(self, number: int, title: Text) -> None:
        self.told.append(f"{number} {title.en}")

    def ends(self, hop: HopSeen) -> None:
        self.told.append(f"{hop.number} {hop.state}")


def hop(name: str, state: StepState, place: str = "two", **more: Any) -> Callable[..., StepResult]:
    """A step that finds just this."""
    proof = more.pop("proof", False)

    @step(name=name, title=text(name), hop=place, proof=proof)
    def judge() -> StepResult:
        return StepResult(state=state, seen=text(f"{name} is {state}."), **more)

    return judge


def rude(code: str, *explained_by: str) -> Any:
    @check(
        code=code,
        slug=code.lower(),
        title=text(code),
        side=Side.EDGE,
        breaks=("logs",),
        hop="two",
        explained_by=explained_by,
    )
    def judge(greeting: Motd) -> Finding:
        return failed(text("It is rude."), expected=text("hello"), actual="", hint=text("Be kind."))

    return judge


def traced(*steps: Any, name: str = "toy", facts: Sequence[Any] = (), **how: Any) -> TraceReport:
    registry = Registry()
    registry.add("toys", [motd], [friendly, *how.get("checks", ())])
    trace = Trace(
        name="look",
        title=text("looking at"),
        subject=Subject,
        steps=steps,
        facts=(subject, *facts),
        repaired_on={"two": Side.EDGE, "three": Side.CLOUD},
    )
    target = TraceTarget("look", name, how.get("namespace", ""), how.get("patience", 10.0))
    return run_trace(
        registry,
        one_edge(how.get("source")),
        trace,
        target,
        hops=PATH.hops,
        observer=how.get("observer", Watched()),
    )


def states(report: TraceReport) -> list[StepState]:
    return [one.state for one in report.hops]


# ------------------------------------------------------------------------------------- one after the other


def test_each_hop_is_told_as_soon_as_it_is_tested() -> None:
    observer = Watched()
    report = traced(
        hop("a", OK), hop("b", UNKNOWN), hop("c", OK, proof=True), observer=observer, namespace="ns"
    )
    assert observer.told == [
        "looking at toy of ns from edge1 edge",
        "1 a",
        "1 ok",
        "2 b",
        "2 unknown",
        "3 c",
        "3 ok",
    ]
    assert (report.exit_code, report.works, report.broken, report.next) == (0, True, "", ())
    assert report.hops[0].zh.title == "中a"


def test_facts_know_the_target_and_stand_in_for_those_of_the_site() -> None:
    @fact
    def other_motd(target: TraceTarget) -> Motd:
        return Motd(f"hello {target.name}")

    @step(name="greeting", title=text("greeting"), hop="two")
    def greeting(found: Motd) -> StepResult:
        return StepResult(state=OK, seen=text(found.words))

    assert traced(greeting, facts=[other_motd]).hops[0].seen == "hello toy"
    source = FakeSource({ReadFile("/etc/motd"): File(METADATA, b"hello all")})
    assert traced(greeting, source=source).hops[0].seen == "hello all"


def test_what_could_not_be_read_is_unknown_with_its_reason() -> None:
    @step(name="greeting", title=text("greeting"), hop="two")
    def greeting(found: Motd) -> StepResult:
        raise AssertionError("is not asked")

    report = traced(greeting)
    assert states(report) == [UNKNOWN]
    assert "does not exist" in report.hops[0].seen
    assert report.exit_code == 3


def test_what_cannot_be_seen_from_here_is_never_read() -> None:
    def elsewhere(target: TraceTarget) -> StepResult | None:
        return StepResult(state=NOT_SEEN, seen=text("elsewhere"), where=text("over there"))

    @step(name="greeting", title=text("greeting"), hop="two", unless=elsewhere)
    def greeting(found: Motd) -> StepResult:
        raise AssertionError("is not asked")

    source = FakeSource()
    report = traced(greeting, source=source)
    assert (states(report), report.hops[0].where, source.asked) == ([NOT_SEEN], "over there", [])


def test_a_step_that_breaks_and_one_that_hangs_end_nothing() -> None:
    release = threading.Event()

    @step(name="breaks", title=text("breaks"), hop="two")
    def breaks() -> StepResult:
        raise ZeroDivisionError("surprise")

    @step(name="hangs", title=text("hangs"), hop="two")
    def hangs() -> StepResult:
        release.wait(30)
        return StepResult(state=OK, seen=text("late"))

    try:
        report = traced(breaks, hangs, hop("last", OK), patience=-1.6)  # a deadline of 0.2 s
    finally:
        release.set()
    assert states(report) == [UNKNOWN, UNKNOWN, OK]
    assert "surprise" in report.hops[0].seen
    assert "left behind" in report.hops[1].seen


def test_ctrl_c_leaves_what_is_known() -> None:
    @step(name="stopped", title=text("stopped"), hop="two")
    def stopped() -> StepResult:
        raise AssertionError("is not reached")

    class Impatient(Watched):
        def starts(self, number: int, title: Text) -> None:
            if title.en == "stopped":
                raise KeyboardInterrupt

    report = traced(hop("first", OK), stopped, observer=Impatient())
    assert (states(report), report.exit_code, report.complete) == ([OK], 130, False)
    assert "interrupted before there was a result" in report.summary


def test_what_is_not_there_is_an_error_of_usage() -> None:
    with pytest.raises(UsageError, match="no such thing"):
        traced(hop("a", OK), name="nothing")


def test_without_a_subject_only_the_first_hop_is_tested() -> None:
    @step(name="begin", title=text("begin"), hop="one")
    def begin(found: Subject) -> StepResult:
        raise AssertionError("is not asked")

    report = traced(begin, hop("more", OK), name="unreachable")
    assert (states(report), report.exit_code, report.works) == ([UNKNOWN], 3, None)
    assert "no answer in time" in report.hops[0].seen


def test_steps_ask_for_facts_only() -> None:
    @step(name="greedy", title=text("greedy"), hop="two")
    def greedy(host: Host) -> StepResult:
        raise AssertionError("is not asked")

    @step(name="lost", title=text("lost"), hop="two")
    def lost(what: HopSeen) -> StepResult:
        raise AssertionError("is not asked")

    for wrong in (greedy, lost):
        with pytest.raises(DeclarationError):
            traced(wrong)


def test_a_fact_of_a_trace_that_does_not_fit_is_refused() -> None:
    @fact
    def impossible(what: HopSeen) -> Motd:
        raise AssertionError("is not asked")

    with pytest.raises(DeclarationError, match="no fact provides HopSeen"):
        traced(hop("a", OK), facts=[impossible])


def test_the_registry_of_the_site_stays_as_it_was() -> None:
    registry = Registry()
    registry.add("toys", [motd], [friendly])

    @fact
    def other(cluster: Cluster) -> Motd:
        return Motd(str(require(cluster.get("/"))))

    extended = registry.extended([other], values=(TraceTarget("look", "toy"),))
    assert registry.facts[Motd].make is motd
    assert extended.facts[Motd].make is other
    assert TraceTarget not in registry.facts


def test_secrets_in_quoted_answers_are_not_printed() -> None:
    report = traced(hop("a", BROKEN, proof=True))
    assert report.hops[0].seen == "a is broken."

    @step(name="leak", title=text("leak"), hop="two", proof=True)
    def leak() -> StepResult:
        return StepResult(state=BROKEN, seen=text("Authorization: Bearer abcdefghijklmnop0123456789 said no"))

    leaked = traced(leak)
    assert "abcdefghijklmnop0123456789" not in leaked.hops[0].seen + leaked.summary + leaked.zh.summary


# -------------------------------------------------------------------------------- which fault is the fault


def test_the_nearest_broken_hop_is_the_fault() -> None:
    report = traced(
        hop("far", BROKEN, "three"), hop("near", BROKEN, "one"), hop("end", BROKEN, "two", proof=True)
    )
    assert (report.broken, report.broken_hop, report.exit_code, report.works) == ("near", "one", 1, False)
    assert report.summary == "looking at toy of nobody is broken at hop 2, first: near is broken."


def test_what_explains_another_comes_first_wherever_it_is() -> None:
    checks = [rude("TOY201", "TOY202"), rude("TOY202")]
    near = hop("near", BROKEN, "one", code="TOY201")
    report = traced(near, hop("far", BROKEN, "three", code="TOY202"), checks=checks)
    assert (report.broken, report.code) == ("far", "TOY202")
    assert traced(near, checks=checks).broken == "near"


def test_two_that_explain_each_other_do_not_both_vanish() -> None:
    checks = [rude("TOY201", "TOY202"), rude("TOY202", "TOY201")]
    steps = (hop("near", BROKEN, "one", code="TOY201"), hop("far", BROKEN, "three", code="TOY202"))
    assert traced(*steps, checks=checks).broken == "near"


def test_how_a_request_ended_counts_where_no_probe_found_a_fault() -> None:
    pointed = hop("request", BROKEN, "one", inferred=True, proof=True)
    assert traced(hop("probe", BROKEN, "three"), pointed).broken == "probe"
    alone = traced(pointed)
    assert alone.broken == "request"
    assert "its answer points at first" in alone.summary


def test_a_request_that_works_outweighs_what_is_only_written_somewhere() -> None:
    works = hop("request", OK, proof=True)
    implied = hop("written", BROKEN, certainty=Certainty.IMPLIED)
    assert (traced(implied, works).exit_code, traced(implied, works).works) == (0, True)
    probed = traced(hop("probed", BROKEN), works)
    assert (probed.exit_code, probed.works, probed.broken) == (1, True, "probed")
    assert "works at this moment, but hop 1, second, is broken" in probed.summary


def test_nothing_broken_and_nothing_proved_is_not_known() -> None:
    report = traced(hop("a", OK), hop("b", NOT_SEEN), hop("end", UNKNOWN, proof=True))
    assert (report.exit_code, report.works, report.broken) == (3, None, "")
    assert report.summary.endswith("the final request gave no result (hop 3).")


@pytest.mark.parametrize(
    ("place", "code", "next_"),
    [
        ("two", "TOY101", ("kedoctor explain TOY101", "sudo kedoctor run --fix   # on edge1")),
        ("three", "TOY101", ("kedoctor explain TOY101", "sudo kedoctor run --fix   # on the cloud host")),
        ("one", "TOY101", ("kedoctor explain TOY101", "sudo kedoctor run --fix")),
        ("one", "", ("try this", "sudo kedoctor run --fix")),
    ],
)
def test_what_to_type_next_and_where(place: str, code: str, next_: tuple[str, ...]) -> None:
    assert traced(hop("a", BROKEN, place, code=code, commands=("try this", "and this"))).next == next_
