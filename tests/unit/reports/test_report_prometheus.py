"""Prometheus' text format: read by Prometheus' own parser, each series once, of bounded size."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from report_samples import (
    CHINESE,
    ENGLISH,
    NASTY,
    every_status,
    hostile,
    many_edges,
    recorded,
    report,
    verdict,
)

from kedoctor.api import Expiry, Status
from kedoctor.base.plain import plain
from kedoctor.model.report import Report
from kedoctor.reports import prometheus

Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def _read(document: Report) -> Series:
    text = prometheus.render(document, ENGLISH).decode()
    samples = [one for family in text_string_to_metric_families(text) for one in family.samples]
    found = Counter((one.name, tuple(sorted(one.labels.items()))) for one in samples)
    assert [key for key, number in found.items() if number > 1] == []
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for one in samples}


def _value(series: Series, name: str, **labels: str) -> float:
    wanted = set(labels.items())
    return sum(value for (found, tags), value in series.items() if found == name and wanted <= set(tags))


@pytest.mark.parametrize("case", ["healthy", "b-edgestream-disabled", "healthy-two-edges"])
def test_recorded_sites_are_read_by_the_parser_of_prometheus(case: str) -> None:
    document = recorded(case)
    series = _read(document)
    for status in Status:
        number = sum(one.status is status for one in document.verdicts)
        assert _value(series, "kedoctor_check_status", status=status.value) == number
    assert _value(series, "kedoctor_causes", status="fail") == sum(
        cause.status is Status.FAIL for cause in document.causes
    )


def test_what_an_alert_asks_for() -> None:
    series = _read(every_status())
    assert _value(series, "kedoctor_check_status", code="TOY103", status="fail", node="edge1") == 1
    assert _value(series, "kedoctor_capability_state", edge="edge1", capability="logs", state="broken") == 1
    assert _value(series, "kedoctor_capability_edges", capability="top", state="works") == 1
    assert _value(series, "kedoctor_run_timestamp_seconds") == 1795403993.12
    assert _value(series, "kedoctor_run_duration_seconds") == 2.5
    assert _value(series, "kedoctor_run_exit_code") == 1
    assert _value(series, "kedoctor_run_complete") == 1


def test_the_seconds_that_a_certificate_has_left() -> None:
    begun = datetime(2026, 11, 23, 3, 19, 53, 120000, tzinfo=UTC)
    soon, late = begun + timedelta(days=2), begun + timedelta(days=90)
    folded = {"subject": "edge1 and 60 more", "node": "", "nodes": ("edge1", "edge2")}
    series = _read(
        report(
            verdict(Status.WARN, expiries=(Expiry(item="x", ends=soon),)),
            verdict(Status.PASS, code="TOY2", expiries=(Expiry(item="x", ends=late),), **folded),
            verdict(
                Status.FAIL,
                code="TOY2",
                expiries=(Expiry(item="x", ends=begun - timedelta(hours=1)),),
                **folded,
            ),
        )
    )
    assert _value(series, "kedoctor_expires_in_seconds", code="TOY101", node="edge1") == 2 * 86400
    assert _value(series, "kedoctor_expires_in_seconds", code="TOY2", subject="") == -3600
    assert _value(series, "kedoctor_expiry_timestamp_seconds", code="TOY101") == soon.timestamp()


def test_each_step_of_the_path_has_its_worst_state() -> None:
    passes = verdict(Status.PASS, code="TOY2")
    states = {
        Status.FAIL: "broken",
        Status.SETTLING: "settling",
        Status.UNKNOWN: "unknown",
        Status.CRASHED: "unknown",
        Status.BLOCKED: "unknown",
        Status.ACCEPTED: "accepted",
        Status.WARN: "clear",
        Status.SKIP: "clear",
    }
    for status, state in states.items():
        series = _read(report(passes, verdict(status)))
        assert _value(series, "kedoctor_hop_state", edge="edge1", hop="two", state=state) == 1
        assert _value(series, "kedoctor_hop_state") == 1


def test_what_concerns_every_edge_is_wrong_on_each() -> None:
    series = _read(report(verdict(Status.PASS), verdict(Status.FAIL, code="TOY2", node="", side="site")))
    assert _value(series, "kedoctor_hop_state", edge="", hop="two", state="broken") == 1
    assert _value(series, "kedoctor_hop_state", edge="edge1", hop="two", state="broken") == 1


def test_no_cause_is_zero_and_not_absence() -> None:
    series = _read(report(verdict(Status.PASS)))
    assert series["kedoctor_causes", (("status", "fail"),)] == 0


def test_many_edges_are_counted_and_not_all_listed() -> None:
    series = _read(many_edges(5000))
    assert _value(series, "kedoctor_check_status", code="TOY101", status="fail") == 1667
    assert _value(series, "kedoctor_capability_edges", capability="logs", state="broken") == 1667
    assert _value(series, "kedoctor_capability_state", capability="logs") == 500
    assert _value(series, "kedoctor_capability_state", capability="logs", state="broken") == 500


def test_a_series_keeps_its_name_while_the_number_of_edges_changes() -> None:
    names = [
        {name for name in _read(many_edges(number)) if "check_status" in name[0]} for number in (200, 230)
    ]
    assert names[0] == names[1]


def test_names_that_attack_stay_labels() -> None:
    series = _read(hostile())
    labels = [dict(tags) for name, tags in series if name == "kedoctor_capability_state"]
    assert labels[0]["edge"] == plain(NASTY)


def test_the_language_changes_nothing() -> None:
    document = every_status()
    assert prometheus.render(document, ENGLISH) == prometheus.render(document, CHINESE)


@settings(max_examples=60)
@given(st.text(alphabet=st.characters(), max_size=40))
def test_any_text_is_a_label(text: str) -> None:
    series = _read(report(verdict(Status.FAIL, subject=text, host=text)))
    assert _value(series, "kedoctor_check_status", subject=plain(text), host=plain(text)) == 1


def test_a_recorded_site_says_how_long_its_certificates_and_its_token_last() -> None:
    codes = {
        dict(tags)["code"]
        for name, tags in _read(recorded("healthy"))
        if name == "kedoctor_expires_in_seconds"
    }
    assert {"KE402", "KE406", "KE409"} <= codes
