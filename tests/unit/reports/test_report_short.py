"""The short report: everything that matters in 2 KB, whatever the site is like."""

from __future__ import annotations

import pytest
from report_samples import CHINESE, ENGLISH, NASTY, every_status, many_edges, recorded, report, verdict

from kedoctor.api import Status
from kedoctor.reports.short import BYTES, render


def test_the_demo_fits_and_says_what_to_type_and_where() -> None:
    told = render(recorded("a-edgestream-server-127.0.0.1"), ENGLISH).decode()
    assert "x KE" in told
    assert "on edge1: sudo" in told
    assert "logs: broken on 1 of 1 edges" in told


@pytest.mark.parametrize("presentation", [ENGLISH, CHINESE])
def test_it_never_gets_longer_and_counts_what_is_left_out(presentation: object) -> None:
    found = [
        verdict(Status.FAIL, f"TOY{number}", summary="很长 " * 200 + NASTY) for number in range(100, 160)
    ]
    told = render(report(*found), presentation)  # type: ignore[arg-type]
    assert len(told) <= BYTES
    assert "kedoctor report" in told.decode()
    assert "\x07" not in told.decode()


def test_every_status_and_ten_thousand_edges_fit() -> None:
    assert len(render(every_status(), ENGLISH)) <= BYTES
    assert len(render(many_edges(10_000), ENGLISH)) <= BYTES
