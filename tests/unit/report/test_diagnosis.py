"""Causes, consequences and the matrix, on verdicts made by hand."""

from __future__ import annotations

from typing import Any

from toysite import PATH, text

from kedoctor.model.declarations import Check, Side
from kedoctor.model.findings import Certainty, Status
from kedoctor.model.report import Fix, Translation, Verdict
from kedoctor.report.diagnosis import diagnose


def _check(code: str, **more: Any) -> Check:
    return Check(code=code, slug=code.lower(), title=text(code), side=Side.SITE, judge=lambda: (), **more)


CHECKS = {
    one.code: one
    for one in (
        _check("ROOT1", hop="one"),
        _check("ROOT3", hop="three"),
        _check("SIGN2", hop="two", explained_by=("ROOT1", "ROOT3")),
        _check("SIGN3", hop="three", explained_by=("SIGN2",)),
        _check("TRIP", hop="three", proves=("logs",)),
        _check("PING", hop="two", explained_by=("PONG",)),
        _check("PONG", hop="two", explained_by=("PING",)),
    )
}


def _verdict(code: str, node: str = "", status: Status = Status.FAIL, **more: Any) -> Verdict:
    values: dict[str, Any] = {
        "code": code, "slug": code.lower(), "title": code, "status": status, "subject": node or "site", "node": node,
        "host": "", "side": "site", "hop": CHECKS[code].hop, "capabilities": ("logs", "top"),
        "certainty": Certainty.PROVED, "summary": f"{code} {node}", "fix": Fix(available=False), "zh": Translation(),
    }  # fmt: skip
    return Verdict(**{**values, **more})


def _causes(*verdicts: Verdict) -> list[str]:
    return [cause.code for cause in diagnose(verdicts, CHECKS, PATH, ["edge1", "edge2"]).causes]


def test_a_consequence_is_not_a_cause() -> None:
    found = diagnose([_verdict("SIGN3"), _verdict("SIGN2"), _verdict("ROOT1")], CHECKS, PATH, [])
    assert [cause.code for cause in found.causes] == ["ROOT1"]
    assert found.causes[0].consequences == ("SIGN2", "SIGN3")
    assert found.verdicts[0].explained_by == ("ROOT1", "SIGN2")


def test_what_nothing_explains_is_a_cause() -> None:
    assert _causes(_verdict("SIGN3", "edge1")) == ["SIGN3"]


def test_a_cause_on_one_edge_explains_nothing_on_another() -> None:
    assert _causes(_verdict("ROOT1", "edge1"), _verdict("SIGN2", "edge2")) == ["ROOT1", "SIGN2"]
    assert _causes(_verdict("ROOT1", "edge1"), _verdict("SIGN2", "edge1")) == ["ROOT1"]


def test_two_faults_are_both_named_the_nearer_first() -> None:
    assert _causes(_verdict("ROOT3"), _verdict("ROOT1"), _verdict("SIGN2")) == ["ROOT1", "ROOT3"]


def test_equal_causes_of_many_edges_are_one() -> None:
    found = diagnose([_verdict("ROOT1", f"edge{n}") for n in range(1, 4)], CHECKS, PATH, [])
    assert [(cause.count, cause.nodes) for cause in found.causes] == [(3, ("edge1", "edge2", "edge3"))]


def test_two_that_explain_each_other_do_not_vanish() -> None:
    assert _causes(_verdict("PING"), _verdict("PONG")) == ["PING", "PONG"]


def test_a_warning_does_not_explain_a_failure_but_is_named_after_it() -> None:
    assert _causes(_verdict("ROOT1", status=Status.WARN, capabilities=()), _verdict("SIGN2")) == [
        "SIGN2",
        "ROOT1",
    ]


def test_advice_beside_the_path_is_no_cause() -> None:
    assert _causes(_verdict("ROOT1", status=Status.WARN, hop="")) == []


def test_the_matrix_names_the_first_broken_hop_and_the_cause() -> None:
    verdicts = [
        _verdict("ROOT1", "edge1"),
        _verdict("SIGN3", "edge1"),
        _verdict("TRIP", "edge2", Status.PASS),
    ]
    rows = diagnose(verdicts, CHECKS, PATH, ["edge1", "edge2"]).matrix
    first = rows[0].capabilities[0]
    assert (first.state, first.hop, first.cause) == ("broken", "one", "ROOT1")
    assert [cell.state for cell in rows[1].capabilities] == ["works", "clear"]


def test_the_matrix_says_unknown_where_nobody_could_look() -> None:
    rows = diagnose([_verdict("ROOT1", status=Status.UNKNOWN)], CHECKS, PATH, ["edge1"]).matrix
    assert {cell.state for cell in rows[0].capabilities} == {"unknown"}


def test_a_proof_for_many_edges_at_once_is_one_for_each() -> None:
    proof = _verdict("TRIP", status=Status.PASS, nodes=("edge1", "edge3"))
    rows = diagnose([proof], CHECKS, PATH, ["edge1", "edge2"]).matrix
    assert [row.capabilities[0].state for row in rows] == ["works", "clear"]
