"""What is said of the difference between two reports, and that nothing is said where there is none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from report_samples import hostile, many_edges, recorded, report, verdict

from kedoctor.api import Status
from kedoctor.cli.watch_lines import Lines
from kedoctor.model.report import Report, Settling, Verdict
from kedoctor.watch.changes import ChangeKind, changes, situation

NOW = datetime(2026, 11, 23, 3, 20, tzinfo=UTC)
SETTLING = Settling(
    event="edgecore started",
    awaited="a tunnel",
    since=NOW,
    until=NOW + timedelta(minutes=2),
    status=Status.FAIL,
)


def _between(before: Report, after: Report) -> list[tuple[ChangeKind, str, tuple[str, ...]]]:
    return [(one.kind, one.code, one.names) for one in changes(situation(before), after)]


def _one(status: Status, **fields: object) -> Verdict:
    return verdict(status, **fields)


@pytest.mark.parametrize("case", ["healthy", "b-edgestream-disabled", "healthy-two-edges"])
def test_the_same_report_again_says_nothing(case: str) -> None:
    assert _between(recorded(case), recorded(case)) == []


def test_what_broke_is_said_with_its_step_and_what_it_breaks() -> None:
    (found,) = changes(situation(report(_one(Status.PASS))), report(_one(Status.FAIL)))
    assert (found.kind, found.names, found.capabilities) == (ChangeKind.BROKEN, ("edge1",), ("logs",))
    assert (found.hop.en, found.hop.zh) == ("the second hop", "第二环节")


@pytest.mark.parametrize(
    ("after", "kind"),
    [
        (_one(Status.PASS), ChangeKind.WORKS),
        (_one(Status.SKIP), ChangeKind.WORKS),
        (_one(Status.ACCEPTED), ChangeKind.ACCEPTED),
        (_one(Status.UNKNOWN), ChangeKind.UNKNOWN),
        (_one(Status.UNKNOWN, capabilities=()), ChangeKind.UNKNOWN),
        (_one(Status.WARN), ChangeKind.AT_RISK),
        (_one(Status.SETTLING, settling=SETTLING), ChangeKind.SETTLING),
    ],
)
def test_what_became_of_a_failure(after: Verdict, kind: ChangeKind) -> None:
    assert _between(report(_one(Status.FAIL)), report(after)) == [(kind, "TOY101", ("edge1",))]


def test_a_failure_that_follows_from_another_now_is_no_recovery() -> None:
    after = report(_one(Status.FAIL, code="TOY2"), _one(Status.FAIL, explained_by=("TOY2",)))
    assert _between(report(_one(Status.FAIL)), after) == [(ChangeKind.BROKEN, "TOY2", ("edge1",))]


def test_an_edge_that_is_no_longer_in_view_does_not_work_again() -> None:
    assert _between(report(_one(Status.FAIL)), report()) == [(ChangeKind.UNKNOWN, "TOY101", ("edge1",))]


def test_one_more_edge_is_said_alone() -> None:
    second = _one(Status.FAIL, subject="edge2", node="edge2")
    both = report(_one(Status.FAIL), second)
    assert _between(report(_one(Status.FAIL)), both) == [(ChangeKind.BROKEN, "TOY101", ("edge2",))]
    assert _between(both, report(second, _one(Status.PASS))) == [(ChangeKind.WORKS, "TOY101", ("edge1",))]


def test_many_edges_are_one_line_each_way() -> None:
    ((kind, _, names),) = [one for one in _between(report(), many_edges(200)) if one[0] is ChangeKind.BROKEN]
    assert kind is ChangeKind.BROKEN
    assert len(names) > 50


def test_the_lines_of_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    broken, begun = report(_one(Status.FAIL)), report(_one(Status.SETTLING, settling=SETTLING))
    for language in ("en", "zh"):
        lines = Lines(language)
        lines.begins(broken, changes({}, broken))
        lines.changed(begun, changes(situation(broken), begun))
        lines.changed(report(_one(Status.PASS)), changes(situation(begun), report(_one(Status.PASS))))
    said = [line[21:] for line in capsys.readouterr().out.splitlines()]
    until = f"{SETTLING.until.astimezone():%H:%M:%S}"
    assert said[:4] == [
        "broken   TOY101 edge1: It is fail. (breaks logs; step: the second hop)",
        "         That is how it is now; printing what changes.",
        f"settling TOY101 edge1: It is settling. (step: the second hop; until {until})",
        "works    TOY101 edge1: It is pass.",
    ]
    assert said[4].startswith("故障　 TOY101 edge1: ")


def test_what_could_not_be_judged_from_the_start_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    unseen = report(*(_one(Status.UNKNOWN, code=f"TOY{number}") for number in range(20)))
    Lines("en").begins(unseen, changes({}, unseen))
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_names_that_attack_stay_on_their_line(capsys: pytest.CaptureFixture[str]) -> None:
    Lines("en").changed(hostile(), changes({}, hostile()))
    lines = capsys.readouterr().out.splitlines()
    assert all(line.isprintable() for line in lines)
    assert len(lines) == len(changes({}, hostile()))
