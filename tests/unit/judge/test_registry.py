"""What is refused at registration, and that it leaves the rest alone."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from toysite import FakeSource, Motd, friendly, motd, text

from kedoctor.api import Cluster, EveryHost, Finding, Host, Side, Unavailable, check, fact, passed
from kedoctor.judge.registry import Registry, Scope


@dataclass(frozen=True)
class A:
    n: int = 0


@dataclass(frozen=True)
class B:
    n: int = 0


def _toy(**changes: object) -> dict[str, object]:
    return {"code": "TOY900", "slug": "toy", "title": text("Toy"), "side": Side.EDGE, **changes}


def _registry(facts: list[object], checks: list[object]) -> Registry:
    registry = Registry()
    registry.add("toys", facts, checks)
    return registry


def test_accepts_facts_in_any_order_and_derives_their_scope() -> None:
    @fact
    def b(a: A) -> B:
        return B(a.n)

    @fact
    def a(host: Host) -> A:
        del host
        return A()

    registry = _registry([b, a], [])
    assert registry.refusals == []
    assert registry.facts[B].scope is Scope.HOST


def test_refuses_a_cycle_and_says_so() -> None:
    @fact
    def a(b: B) -> A:
        return A(b.n)

    @fact
    def b(a: A) -> B:
        return B(a.n)

    registry = _registry([a, b, motd], [friendly])
    assert len(registry.refusals) == 2
    assert all("cycle" in refusal.reason for refusal in registry.refusals)
    assert "TOY101" in registry.checks


def test_refuses_a_fact_that_nobody_can_make() -> None:
    @fact
    def b(a: A) -> B:
        return B(a.n)

    assert "no fact provides A" in _registry([b], []).refusals[0].reason


def test_refuses_a_second_provider_of_a_type() -> None:
    @fact
    def again(host: Host) -> Motd:
        del host
        return Motd("")

    assert "already provided" in _registry([motd, again], []).refusals[0].reason


def test_refuses_a_fact_without_annotations() -> None:
    @fact
    def bare(host):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
        return host

    assert "names no type" in _registry([bare], []).refusals[0].reason


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({"code": "toy-1"}, "letters followed by digits"),
        ({"slug": "Not A Slug"}, "malformed"),
        ({"code": "TOY101"}, "belongs to motd-friendly already"),
        ({"slug": "motd-friendly"}, "taken"),
        ({"builds_on": ("TOY777",)}, "TOY777"),
    ],
)
def test_refuses_bad_metadata_of_one_check_only(metadata: dict[str, object], reason: str) -> None:
    @check(**_toy(**metadata))
    def bad(greeting: Motd) -> Finding:
        del greeting
        return passed(text("fine"))

    registry = _registry([motd], [friendly, bad])
    assert [refusal.reason for refusal in registry.refusals if reason in refusal.reason]
    assert "TOY101" in registry.checks


def test_refuses_a_check_that_wants_a_port_or_an_unknown_fact_or_another_scope() -> None:
    @check(**_toy())
    def port(cluster: Cluster) -> Finding:
        del cluster
        return passed(text("fine"))

    @check(**_toy())
    def stranger(a: A) -> Finding:
        del a
        return passed(text("fine"))

    @check(**_toy(side=Side.SITE))
    def narrow(greeting: Motd) -> Finding:
        del greeting
        return passed(text("fine"))

    reasons = [refusal.reason for refusal in _registry([motd], [port, stranger, narrow]).refusals]
    assert "do no I/O" in reasons[0]
    assert "no fact provides A" in reasons[1]
    assert "of one host" in reasons[2]


def test_accepts_optional_and_every_host_parameters() -> None:
    @check(**_toy(side=Side.SITE))
    def wide(greetings: EveryHost[Motd]) -> Finding:
        del greetings
        return passed(text("fine"))

    @check(**_toy(code="TOY901", slug="maybe"))
    def maybe(greeting: Motd | Unavailable) -> Finding:
        del greeting
        return passed(text("fine"))

    registry = _registry([motd], [wide, maybe])
    assert registry.refusals == []
    assert registry.checks["TOY901"].parameters[0].optional


def test_the_fake_source_says_absent() -> None:
    assert isinstance(Host(FakeSource()).read("/x"), Unavailable)
