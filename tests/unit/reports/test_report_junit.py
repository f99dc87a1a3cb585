"""JUnit's XML: what Jenkins accepts, nothing green that is not, and names that hold from build to build."""

from __future__ import annotations

import re
from functools import cache
from xml.etree import ElementTree as ET

import pytest
import xmlschema
from hypothesis import given, settings
from hypothesis import strategies as st
from report_samples import (
    CHINESE,
    ENGLISH,
    FIXTURES,
    accepted,
    every_status,
    hostile,
    many_edges,
    recorded,
    report,
    verdict,
)

from kedoctor.api import Presentation, Status
from kedoctor.base.errors import ExitCode
from kedoctor.model.report import Report
from kedoctor.reports import junit
from kedoctor.run.diagnose import exit_code


@cache
def _schema() -> xmlschema.XMLSchema10:
    return xmlschema.XMLSchema10(str(FIXTURES / "schemas" / "junit-10.xsd"))


def _valid(document: Report, presentation: Presentation = ENGLISH) -> ET.Element:
    written = junit.render(document, presentation)
    _schema().validate(written.decode())
    return ET.fromstring(written)


def _kinds(root: ET.Element) -> dict[str, str]:
    """The element that tells the result, by code."""
    return {case.get("name", "")[:6]: next((one.tag for one in case), "") for case in root.iter("testcase")}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("case", ["healthy", "b-edgestream-disabled", "k-wrong-token-expired"])
def test_recorded_sites_fit_the_schema_of_jenkins(case: str, language: str) -> None:
    document = recorded(case)
    root = _valid(document, Presentation(language=language))
    assert int(root.get("tests", "")) == len(document.verdicts) + 1
    assert int(root.get("failures", "")) == sum(one.status is Status.FAIL for one in document.verdicts)


def test_a_status_is_what_a_build_has_to_make_of_it() -> None:
    assert _kinds(_valid(every_status())) == {
        "run-co": "",
        "TOY101": "",
        "TOY102": "system-out",
        "TOY103": "failure",
        "TOY104": "error",
        "TOY105": "skipped",
        "TOY106": "skipped",
        "TOY107": "skipped",
        "TOY108": "error",
        "TOY109": "error",
    }


def test_what_is_accepted_is_skipped_with_the_reason() -> None:
    skipped = _valid(report(accepted())).find(".//skipped")
    assert skipped is not None
    assert skipped.get("message") == "accepted: It is accepted. (until 2027-01-31 by Ann: moves in May)"


def test_red_is_what_makes_the_exit_code_red() -> None:
    beside = [verdict(Status.UNKNOWN, "TOY101", capabilities=()), verdict(Status.WARN, "TOY102")]
    assert _kinds(_valid(report(*beside)))["TOY101"] == "skipped"
    assert _kinds(_valid(report(*beside, fail_on="unknown")))["TOY101"] == "error"
    assert _kinds(_valid(report(*beside, fail_on="warn")))["TOY102"] == "failure"


@given(
    found=st.lists(st.tuples(st.sampled_from(Status), st.sampled_from([(), ("logs",)])), max_size=4),
    fail_on=st.sampled_from(["fail", "warn", "unknown"]),
    complete=st.booleans(),
)
def test_it_is_red_exactly_where_the_exit_code_is(
    found: list[tuple[Status, tuple[str, ...]]], fail_on: str, complete: bool
) -> None:
    verdicts = [verdict(status, capabilities=breaks) for status, breaks in found]
    document = report(*verdicts, fail_on=fail_on, complete=complete)
    root = ET.fromstring(junit.render(document, ENGLISH))
    red = root.get("failures") != "0" or root.get("errors") != "0"
    assert red == (exit_code(document, fail_on) is not ExitCode.OK)


def test_a_run_that_ended_early_is_not_green() -> None:
    root = _valid(report(verdict(Status.PASS), complete=False))
    assert root.get("errors") == "1"
    assert "ended early" in root.find(".//error").get("message")  # type: ignore[union-attr,operator]


def test_a_failure_tells_what_to_do() -> None:
    failure = _valid(every_status()).find(".//failure")
    assert failure is not None
    assert failure.get("message") == "It is fail."
    for words in (
        "found: untidy",
        "expected: tidy",
        "evidence: /etc/toys.yaml:7: tidy: false",
        "$ tidy --all",
    ):
        assert words in (failure.text or "")


def test_messages_are_in_the_language_and_names_are_not() -> None:
    english, chinese = _valid(every_status()), _valid(every_status(), CHINESE)
    assert [one.attrib for one in english.iter("testcase")] == [
        one.attrib for one in chinese.iter("testcase")
    ]
    assert chinese.find(".//failure").get("message") == "状态为 fail。"  # type: ignore[union-attr]
    assert "应为: 整齐" in (chinese.find(".//failure").text or "")  # type: ignore[union-attr]


def test_names_are_told_apart_and_the_time_of_a_check_counts_once() -> None:
    cases = list(_valid(report(*[verdict(Status.PASS)] * 3)).iter("testcase"))[1:]
    assert [case.get("name") for case in cases] == [
        "TOY101 toy [edge1]",
        "TOY101 toy [edge1] #2",
        "TOY101 toy [edge1] #3",
    ]
    assert [case.get("time") for case in cases] == ["1.234", "0.000", "0.000"]


def test_a_suite_is_a_host() -> None:
    root = _valid(report(verdict(Status.PASS), verdict(Status.PASS, host="")))
    assert [(suite.get("name"), suite.get("hostname")) for suite in root] == [
        ("kedoctor", None),
        ("kedoctor.site", None),
        ("kedoctor.edge1", "edge1"),
    ]


def test_names_that_attack_stay_text() -> None:
    written = junit.render(hostile(), ENGLISH).decode()
    assert "<script" not in written
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f]", written)
    assert "</script><script>alert(1)" in (_valid(hostile()).find(".//failure").get("message") or "")  # type: ignore[union-attr]


@settings(max_examples=60)
@given(st.text(alphabet=st.characters(), max_size=60))
def test_any_text_is_written_as_xml(text: str) -> None:
    _valid(report(verdict(Status.FAIL, subject=text, host=text, summary=text, actual=text)))


def test_many_edges_are_one_case() -> None:
    assert _valid(many_edges()).get("tests") == "2"
