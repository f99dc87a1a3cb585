"""A wrong clock is named as one (KE410) and makes no certificate expire: on a recorded site, from one end and from both.

What a wrong clock does to an edge: edgecore verifies cloudcore on 10000 by it, so a clock before the CA's beginning breaks
``ready``; cloudcore verifies edges by its own, so the tunnel goes on; every time the edge writes is off (facts.md §4.3).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from faults_edge import CERTIFICATE, edge_certificate
from faulty_site import NOW, FaultySite

from kedoctor.model.findings import Status
from kedoctor.model.report import Report

TEN_YEARS = timedelta(days=3652)
EPOCH = datetime(1970, 1, 1, 0, 5, tzinfo=UTC) - NOW
OFF = {
    "10 years back": -TEN_YEARS,
    "1970": EPOCH,
    "5 minutes ahead": timedelta(minutes=5),
    "6 minutes back": timedelta(minutes=-6),
    "10 years ahead": TEN_YEARS,
}
ENDS = {"both ends": (), "edge alone": ("edge1",)}
STAMP = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6})\+0000 (\S+ \S+ [IWEF])(\d{4} \d\d:\d\d:\d\d\.\d{6})"
)
DATED = ("KE401", "KE402", "KE403", "KE404", "KE405", "KE406", "KE408", "KE409", "KE411")
"""Everything that looks at a certificate or token."""


def site(ahead: timedelta, *, restarted: bool = True) -> FaultySite:
    """The healthy site with the edge's clock off by ``ahead``, since before edgecore was started or only now."""
    found = FaultySite()
    found.edge.clock_ahead = ahead
    if restarted:
        found.journal = STAMP.sub(lambda match: _moved(match, ahead), found.journal)
        unit = found.edge.base.observe(_unit())
        found.edge.unit("edgecore.service", started=unit.started + ahead)
    if ahead < timedelta(days=-1):
        found.hub_down.add("cloudcore's certificate is not valid yet by that clock")
        moment = (NOW + ahead).strftime("%Y-%m-%dT%H:%M:%SZ")
        found.edge_says(
            "E",
            "ws.go:84",
            "dial websocket error(tls: failed to verify certificate: x509: certificate has expired or is not yet valid: "
            f"current time {moment} is before 2026-11-23T03:13:24Z), response message: ",
            times=8,
            ago=2,
        )
    return found


def _unit() -> object:
    from kedoctor.model.observations.units import ReadUnit  # noqa: PLC0415  for this one question

    return ReadUnit("edgecore.service")


def _moved(match: re.Match[str], ahead: timedelta) -> str:
    moment = datetime.fromisoformat(match[1]) + ahead
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}+0000 {match[2]}{moment:%m%d %H:%M:%S.%f}"


def wrong(report: Report) -> dict[str, str]:
    """What fails or warns, advice left out."""
    bad = (Status.FAIL, Status.WARN, Status.CRASHED)
    return {one.code: one.summary for one in report.verdicts if one.status in bad and one.hop}


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("restarted", [True, False], ids=["set before the start", "set just now"])
@pytest.mark.parametrize("off", OFF)
def test_a_wrong_clock_of_an_edge_is_named_and_no_certificate_is_called_expired(
    off: str, restarted: bool, ends: str
) -> None:
    report = site(OFF[off], restarted=restarted).report(*ENDS[ends])
    assert [cause.code for cause in report.causes] == ["KE410"], wrong(report)
    assert set(wrong(report)) & set(DATED) == set(), wrong(report)
    assert report.causes[0].nodes == ("edge1",)
    assert ("ahead of" if OFF[off] > timedelta(0) else "behind") in report.causes[0].summary


@pytest.mark.parametrize("off", ["10 years back", "1970"])
def test_a_clock_before_the_ca_breaks_ready_and_the_tunnel_goes_on(off: str) -> None:
    report = site(OFF[off]).report()
    assert report.causes[0].capabilities == ("ready",)
    (row,) = (row for row in report.matrix if row.edge == "edge1")
    states = {cell.name: cell.state for cell in row.capabilities}
    assert states["ready"] == "broken"
    assert "broken" not in {states[name] for name in ("logs", "exec", "attach", "top")}


@pytest.mark.parametrize("off", OFF)
def test_a_certificate_that_has_expired_is_called_so_by_every_clock_that_agrees(off: str) -> None:
    found = site(OFF[off])
    found.edge.files[CERTIFICATE] = edge_certificate(
        found, begins=NOW - timedelta(days=366), ends=NOW - timedelta(days=1)
    )
    found.hub_down.add("its certificate has expired")
    found.tunnel_down.add("its certificate has expired")
    found.edge_says(
        "E",
        "edgestream.go:147",
        "dial wss://10.99.0.1:10004/v1/kubeedge/connect error remote error: tls: expired certificate",
        times=10,
        ago=2,
    )
    causes = {cause.code for cause in found.report().causes}
    assert "KE410" in causes
    assert causes <= {"KE410", "KE402", "KE503"}
    assert "KE402" in causes, "cloudcore says so by its own clock"


@pytest.mark.parametrize("off", OFF)
def test_with_nothing_to_compare_the_clock_with_no_date_is_judged(off: str) -> None:
    found = site(OFF[off])
    found.cloudcore_down.add("it is not there")
    report = found.report("edge1")
    status = {one.code: one.status for one in report.verdicts if one.node == "edge1"}
    assert status["KE410"] is Status.UNKNOWN
    assert status["KE402"] is Status.UNKNOWN
    assert not {"KE402", "KE405", "KE411"} & set(wrong(report))


@pytest.mark.parametrize("off", ["10 years back", "10 years ahead"])
def test_a_wrong_clock_where_the_api_is_read_makes_nothing_expire(off: str) -> None:
    found = FaultySite()
    found.cloud.clock_ahead = OFF[off]
    report = found.report()
    assert [cause.code for cause in report.causes] == ["KE410"], wrong(report)
    assert set(wrong(report)) & set(DATED) == set(), wrong(report)
