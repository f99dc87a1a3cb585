"""Sites of other shapes: healthy they have no finding but true ones, and of each fault the one cause is named.

The sites stand in :mod:`shaped_site`, the faults in :mod:`faults_shapes`.
"""

from __future__ import annotations

import pytest
from faults_shapes import FAULTS, ShapeFault
from shaped_site import TwoClouds

from kedoctor.model.findings import Status
from kedoctor.model.report import Report

VIEWS = [("cloud", "edge1"), ("cloud", "cloud2", "edge1"), ("laptop",)]
TRUE = {"KE507", "KE804"}
"""Warnings beside the path that are true of the recorded site."""


def wrong(report: Report) -> list[tuple[str, str]]:
    bad = (Status.FAIL, Status.CRASHED, Status.WARN)
    return [(one.code, one.summary) for one in report.verdicts if one.status in bad and one.code not in TRUE]


def said(report: Report, code: str, node: str = "") -> list[str]:
    return [one.summary for one in report.verdicts if one.code == code and node in ("", one.node)]


@pytest.mark.parametrize("view", [*VIEWS, ("cloud2",), ("edge1",)], ids="+".join)
def test_two_healthy_cloudcores_have_no_finding_but_true_ones(view: tuple[str, ...]) -> None:
    assert wrong(TwoClouds().report(*view)) == []


@pytest.mark.parametrize(
    ("view", "fault"),
    # A host that is off cannot be looked at.
    [
        (view, one)
        for view in VIEWS
        for one in FAULTS
        if one.name != "second-host-down" or "cloud2" not in view
    ],
    ids=lambda one: one.name if isinstance(one, ShapeFault) else "+".join(one),
)
def test_the_fault_is_the_only_cause(fault: ShapeFault, view: tuple[str, ...]) -> None:
    site = TwoClouds()
    fault.inject(site)
    report = site.report(*view)
    code = fault.laptop if view == ("laptop",) else fault.code
    expected = [(code, fault.nodes)] if code and (fault.first or "cloud2" in view) else []
    assert [(one.code, one.nodes) for one in report.causes] == expected, wrong(report)
    assert {one.status for one in report.causes} <= {Status.WARN if fault.warns else Status.FAIL}
    healthy = {
        cell.name: cell.state for row in report.matrix if row.edge == "edge1" for cell in row.capabilities
    }
    assert fault.nodes == () or "broken" not in healthy.values()


def test_each_edge_is_told_with_its_own_cloudcore() -> None:
    report = TwoClouds().report("cloud", "edge1")
    assert said(report, "KE508", "edge1") == ["cloudcore 10.99.0.1 gets stats of edge1 through the tunnel."]
    assert said(report, "KE508", "edge2") == ["cloudcore 10.99.0.4 gets stats of edge2 through the tunnel."]
    assert "10.99.0.4:10003" in said(report, "KE304", "edge2")[0]


def test_an_api_server_host_that_is_not_in_view_is_named() -> None:
    told = "takes the rules of that host, which are not seen from here"
    one, both = TwoClouds().report("cloud"), TwoClouds().report("cloud", "cloud2")
    assert [text for text in said(one, "KE303") if told in text and "cloud2" in text]
    assert not [text for text in said(both, "KE303") if told in text]
    assert "one of 2 API servers" in said(TwoClouds().report("laptop"), "KE513")[0]


def test_rules_of_a_host_without_a_manager_are_not_known_from_another_one() -> None:
    site = TwoClouds()
    next(one for one in FAULTS if one.name == "manager-missing-on-the-second").inject(site)
    unseen = [one for one in site.report("cloud").verdicts if one.subject == "nat OUTPUT of cloud2"]
    assert [one.status for one in unseen] == [Status.UNKNOWN]


def test_the_lacking_entry_can_be_put_back() -> None:
    site = TwoClouds()
    next(one for one in FAULTS if one.name == "record-lacks-the-second").inject(site)
    fix = next(
        one.fix for one in site.report("cloud").verdicts if one.code == "KE302" and one.status is Status.FAIL
    )
    assert fix.available
