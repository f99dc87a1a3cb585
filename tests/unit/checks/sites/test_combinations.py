"""Faults alone, two and three at once, on a recorded healthy site: each is named, in the order of the path, nothing else.

The faults and what they do to the site are in :mod:`faults`; which cannot be seen beside which others, and why, is said
there (:func:`faults.hidden`). Everything is put into the observations of both ends, and judged as any site is.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from chinese_texts import english_in, texts_of
from fault import Fault
from faults import FAULTS, HIDES, hidden, named, possible
from faulty_site import FaultySite
from hypothesis import given, settings
from hypothesis import strategies as st

from kedoctor.checks.data_path import HOPS
from kedoctor.model.findings import Status
from kedoctor.model.report import Report

RANK = {hop: place for place, hop in enumerate(HOPS)}


def look(faults: Sequence[Fault]) -> Report:
    """The report about a site with these faults."""
    site = FaultySite()
    for one in faults:
        one.inject(site)
    return site.report()


def judge(faults: Sequence[Fault]) -> None:
    """Every fault that can be seen is named, nothing else is, and of equal weight the nearer hop comes first."""
    report = look(faults)
    assert [one.summary for one in report.verdicts if one.status is Status.CRASHED] == []
    causes = [cause.code for cause in report.causes]
    seen = [one for one in faults if not hidden(one, [other for other in faults if other is not one])]
    missed = {one.name: causes for one in seen if not one.codes & set(causes)}
    assert missed == {}, [cause.summary for cause in report.causes]
    wrong = set(causes) - set().union(*(one.codes for one in faults))
    assert wrong == set(), [cause.summary for cause in report.causes if cause.code in wrong]
    weights = {cause.code: (cause.status, bool(cause.capabilities)) for cause in report.causes}
    for near, far in itertools.combinations(sorted(seen, key=lambda one: RANK[one.hop]), 2):
        if near.code in causes and far.code in causes and weights[near.code] == weights[far.code]:
            places = causes.index(near.code), causes.index(far.code)
            assert near.hop == far.hop or places[0] < places[1], causes


def test_there_are_faults_of_every_hop() -> None:
    assert {one.hop for one in FAULTS} == set(HOPS)
    assert len({one.code for one in FAULTS}) >= 45
    assert len({one.name for one in FAULTS}) == len(FAULTS)


def test_the_site_without_a_fault_is_clean() -> None:
    report = look([])
    assert report.causes == ()
    assert {cell.state for row in report.matrix for cell in row.capabilities} <= {"works", "clear", "unknown"}


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_fault_alone_is_the_only_cause(fault: Fault) -> None:
    report = look([fault])
    assert [cause.code for cause in report.causes] == [fault.code]
    assert (report.causes[0].status is Status.WARN or not report.causes[0].capabilities) == fault.waits
    english = [(place, found) for place, text in texts_of(report) if (found := english_in(text))]
    assert english == [], "a Chinese text is Chinese but for identifiers and what is quoted"


def _different(faults: list[Fault]) -> bool:
    return len({one.hop for one in faults}) == len(faults) and possible(faults)


@settings(max_examples=200)
@given(st.lists(st.sampled_from(FAULTS), min_size=2, max_size=3, unique=True).filter(_different))
def test_two_or_three_faults_of_different_hops_are_all_named(faults: list[Fault]) -> None:
    judge(faults)


# What once hid or added a cause; each is a lesson about the physics of the path.
LESSONS = (
    ("manager-missing", "cloudcore-not-ready"),
    ("wrong-dnat-target", "stream-port-moved"),
    ("tunnelport-record-broken", "cloudstream-off"),
    ("cloudstream-off", "stream-port-moved"),
    ("cloudcore-not-ready", "edged-moved"),
    ("tunnel-port-dropped", "cloudcore-not-ready"),
    ("metrics-server-at-zero", "apiservice-missing"),
    ("metrics-server-on-an-edge", "manager-missing"),
    ("edgecore-stopped", "edge-key-of-another"),
    ("hub-server-loopback", "edgestream-off"),
    ("kubelet-port-wrong", "other-ca"),
    ("two-machines-one-name", "edged-moved"),
    ("rotation-off", "tunnel-port-dropped"),
    ("hostname-first", "token-expired", "kubelet-beside"),
)


@pytest.mark.parametrize("names", LESSONS, ids="+".join)
def test_two_faults_that_were_once_told_wrongly(names: tuple[str, ...]) -> None:
    judge([named(name) for name in names])


def test_what_hides_what_names_faults() -> None:
    known = {one.name for one in FAULTS}
    assert set(HIDES) <= known
    for beside, why in HIDES.values():
        assert set(beside) <= known
        assert why
