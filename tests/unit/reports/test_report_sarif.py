"""SARIF: what OASIS' schema and code scanning ask for, and results that are recognised in the next run."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import jsonschema
import pytest
from report_samples import (
    CHINESE,
    ENGLISH,
    EVERYTHING,
    FIXTURES,
    accepted,
    every_status,
    hostile,
    many_edges,
    recorded,
    report,
    verdict,
)

from kedoctor.api import Evidence, Presentation, Status
from kedoctor.model.report import Report
from kedoctor.reports import sarif


@cache
def _validator() -> jsonschema.Draft4Validator:
    schema = json.loads((FIXTURES / "schemas" / "sarif-2.1.0-rtm.5.json").read_text(encoding="utf-8"))
    return jsonschema.Draft4Validator(schema, format_checker=jsonschema.Draft4Validator.FORMAT_CHECKER)


def _valid(document: Report, presentation: Presentation = ENGLISH) -> dict[str, Any]:
    """The one run of the log file."""
    written = json.loads(sarif.render(document, presentation))
    _validator().validate(written)
    run: dict[str, Any] = written["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["kind"] == "fail" or result["level"] == "none"  # 2.1.0 §3.27.10
        for place in result["locations"]:  # or GitHub refuses the whole file
            assert place["physicalLocation"]["artifactLocation"]["uri"]
            assert place["physicalLocation"]["region"]["startLine"] >= 1
        assert result["locations"]
    return run


def _kinds(run: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {one["ruleId"]: (one["kind"], one["level"]) for one in run["results"]}


@pytest.mark.parametrize("presentation", [ENGLISH, CHINESE, EVERYTHING])
@pytest.mark.parametrize("case", ["healthy", "b-edgestream-disabled", "f1-edge-cert-expired"])
def test_recorded_sites_fit_the_schema_of_oasis(case: str, presentation: Presentation) -> None:
    document = recorded(case)
    run = _valid(document, presentation)
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == sorted(
        {one.code for one in document.verdicts}
    )
    if presentation.verbose:
        assert len(run["results"]) == len(document.verdicts)


def test_every_verdict_has_its_kind_when_all_are_asked_for() -> None:
    assert _kinds(_valid(every_status(), EVERYTHING)) == {
        "TOY101": ("pass", "none"),
        "TOY102": ("fail", "warning"),
        "TOY103": ("fail", "error"),
        "TOY104": ("open", "none"),
        "TOY105": ("open", "none"),
        "TOY106": ("notApplicable", "none"),
        "TOY107": ("fail", "warning"),
        "TOY108": ("open", "none"),
        "TOY109": ("open", "none"),
    }


def test_code_scanning_gets_what_somebody_has_to_look_at() -> None:
    assert set(_kinds(_valid(every_status()))) == {"TOY102", "TOY103", "TOY104", "TOY108", "TOY109"}
    assert _valid(report(verdict(Status.UNKNOWN, capabilities=())))["results"] == []


def test_what_was_accepted_is_suppressed() -> None:
    (result,) = _valid(report(accepted()), EVERYTHING)["results"]
    assert result["suppressions"] == [
        {
            "kind": "external",
            "status": "accepted",
            "justification": "until 2027-01-31 by Ann: moves in May",
        }
    ]
    assert (result["kind"], result["level"]) == ("fail", "error")


def test_a_file_that_was_read_is_the_place() -> None:
    (result,) = _valid(report(verdict(Status.FAIL)))["results"]
    (place,) = result["locations"]
    assert place["physicalLocation"] == {
        "artifactLocation": {"uri": "edge1/etc/toys.yaml", "uriBaseId": "SITE"},
        "region": {"startLine": 7, "snippet": {"text": "tidy: false"}},
    }
    assert place["logicalLocations"][0]["fullyQualifiedName"] == "edge1/edge1"


def test_a_command_is_no_file() -> None:
    told = verdict(
        Status.FAIL, host="", subject="configmap/a/b", evidence=(Evidence("GET /apis/x"), Evidence("/x y"))
    )
    (result,) = _valid(report(told))["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "cluster/configmap/a/b"


def test_a_result_is_recognised_while_its_sentence_changes() -> None:
    def prints(**fields: Any) -> str:
        (result,) = _valid(report(verdict(Status.FAIL, **fields)))["results"]
        value: str = result["partialFingerprints"]["kedoctor/v1"]
        return value

    same = prints()
    assert prints(summary="For 3 days.", actual="3", took_ms=9) == same
    assert prints(subject="edge2") != same
    assert prints(host="edge2") != same
    folded = prints(node="", nodes=("a", "b"), subject="a and 1 more")
    assert prints(node="", nodes=("b", "c", "d"), subject="b and 2 more") == folded


def test_a_crash_and_an_early_end_are_told_of_the_run() -> None:
    (invocation,) = _valid(report(verdict(Status.CRASHED), complete=False))["invocations"]
    assert invocation["executionSuccessful"] is False
    assert [one["level"] for one in invocation["toolExecutionNotifications"]] == ["error", "error"]
    (invocation,) = _valid(report(verdict(Status.FAIL)))["invocations"]
    assert invocation["executionSuccessful"] is True
    assert invocation["startTimeUtc"] == "2026-11-23T03:19:53.120Z"
    assert invocation["endTimeUtc"] == "2026-11-23T03:19:55.620Z"
    assert invocation["exitCode"] == 1


def test_texts_are_in_the_language() -> None:
    run = _valid(report(verdict(Status.FAIL)), CHINESE)
    assert run["language"] == "zh-CN"
    assert run["results"][0]["message"]["text"] == "状态为 fail。\n请整理。\n$ tidy --all"
    assert run["tool"]["driver"]["rules"][0]["shortDescription"]["text"] == "玩具整齐"


def test_names_that_attack_stay_text() -> None:
    run = _valid(hostile(), EVERYTHING)
    text, marked = (run["results"][0]["message"][kind] for kind in ("text", "markdown"))
    assert "](" not in text.replace("] (", "")
    assert "{0}" not in text.replace("{{0}}", "")
    assert "<script" not in marked.partition("```")[0]
    assert run["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] == 1


def test_many_edges_are_one_result() -> None:
    (result,) = _valid(many_edges())["results"]
    assert result["occurrenceCount"] == 67
