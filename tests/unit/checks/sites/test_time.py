"""Sites 0 to 90 seconds after something was restarted: nothing is called broken that only comes up, nothing "works" by old news.

What such a site shows at each age is in :mod:`timed`.
"""

from __future__ import annotations

import pytest
from faults import named
from faulty_site import FaultySite
from timed import EVENTS, PLACES, cloudcore_started, edgecore_started

from kedoctor.model.findings import Status
from kedoctor.model.report import Report

AGES = (0, 4, 9, 16, 30, 45, 60, 75, 90)
BROKEN = (Status.FAIL, Status.CRASHED)


def look(event: str, age: float, place: tuple[str, ...]) -> Report:
    site = FaultySite()
    EVENTS[event](site, age)
    return site.report(*place)


@pytest.mark.parametrize("place", PLACES, ids="+".join)
@pytest.mark.parametrize("event", EVENTS)
def test_nothing_fails_while_something_comes_up(event: str, place: tuple[str, ...]) -> None:
    for age in AGES:
        report = look(event, age, place)
        told = [(one.code, one.summary) for one in report.verdicts if one.status in BROKEN]
        assert told == [], f"{event} {age} s ago"
        assert report.run.exit_code in (0, 3), f"{event} {age} s ago"


@pytest.mark.parametrize("place", [place for place in PLACES if place != ("edge1",)], ids="+".join)
def test_nothing_works_that_has_not_come_back(place: tuple[str, ...]) -> None:
    for age in (0, 4, 9, 16, 30):
        report = look("cloudcore restarted", age, place)
        states = {(row.edge, cell.name): cell.state for row in report.matrix for cell in row.capabilities}
        assert "works" not in states.values(), f"{age} s: {states}"
        assert report.run.exit_code == 3


def test_what_is_awaited_is_told_with_its_time() -> None:
    report = look("cloudcore restarted", 16, ("laptop",))
    settling = [one for one in report.verdicts if one.status is Status.SETTLING]
    assert {one.code for one in settling} >= {"KE513", "KE606"}
    for one in settling:
        assert one.settling is not None
        assert one.settling.since < one.settling.until
        assert one.settling.event == "cloudcore was started 16 s ago"


def test_when_the_time_is_over_it_is_a_failure() -> None:
    site = FaultySite()
    cloudcore_started(site, 400)
    site.tunnel_down.add("never came back")
    report = site.report("laptop")
    assert "KE513" in {one.code for one in report.verdicts if one.status is Status.FAIL}
    assert report.run.exit_code == 1


def test_a_fault_that_no_start_explains_is_told_at_once() -> None:
    site = FaultySite()
    edgecore_started(site, 9)
    named("edgestream-off").inject(site)
    report = site.report("cloud", "edge1")
    assert [cause.code for cause in report.causes] == ["KE202"]
    follows = [one for one in report.verdicts if one.code == "KE503"]
    assert [one.status for one in follows] == [Status.FAIL]
    assert follows[0].explained_by == ("KE202",)
