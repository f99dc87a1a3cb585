"""Baselines: what they accept, for how long, what follows from it, and how they are refused."""

from __future__ import annotations

import json
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from commandline import kedoctor
from toysite import PATH, text

from kedoctor.base.errors import ConfigurationError
from kedoctor.judge.check_runner import FOLD_OVER, judge
from kedoctor.judge.registry import RegisteredCheck
from kedoctor.judge.selection import Selection
from kedoctor.model.declarations import Check, Side
from kedoctor.model.findings import Certainty, Finding, Status
from kedoctor.model.report import AcceptedEntry, EntryState, Fix, Report, Translation, Verdict
from kedoctor.plugins import Plugins, load_plugins
from kedoctor.report.baseline import Baseline, accepting, read_baseline, written
from kedoctor.report.diagnosis import diagnose
from kedoctor.run.diagnose import RunRequest, diagnose_site, exit_code
from kedoctor.run.site import bundled_site

FIXTURES = Path(__file__).parents[2] / "fixtures"
TODAY = date(2026, 11, 25)
BROKEN = "b-edgestream-disabled"


@cache
def _plugins() -> Plugins:
    return load_plugins(directory=Path("/nonexistent"))


def _entry(code: str, subject: str = "*", until: date = TODAY) -> AcceptedEntry:
    return AcceptedEntry(code=code, subject=subject, reason="planned", owner="ops", until=until)


def _baseline(*entries: AcceptedEntry) -> Baseline:
    return Baseline("b.yaml", entries, TODAY)


def _report(*entries: AcceptedEntry, site: str = BROKEN, **question: Any) -> Report:
    bundles = sorted((FIXTURES / site).glob("*.tgz"))
    return diagnose_site(
        _plugins(), bundled_site(bundles), RunRequest(baseline=_baseline(*entries), **question)
    )


def _states(report: Report) -> list[tuple[str, int]]:
    assert report.baseline is not None
    return [(one.state.value, one.matched) for one in report.baseline.entries]


# --------------------------------------------------------------------------------------- on recorded sites


def test_an_accepted_cause_does_not_count_and_takes_its_consequences_along() -> None:
    report = _report(_entry("KE202", "edge1"))
    assert report.causes == ()
    assert Status.FAIL not in {one.status for one in report.verdicts}
    told = {one.code: one.accepted for one in report.verdicts if one.status is Status.ACCEPTED}
    assert told["KE202"] is not None
    assert (told["KE202"].by, told["KE202"].status, told["KE202"].owner) == ("", Status.FAIL, "ops")
    assert told["KE503"] is not None
    assert told["KE503"].by == "KE202"
    assert {cell.state for cell in report.matrix[0].capabilities if cell.name != "ready"} == {"accepted"}
    assert {cell.cause for cell in report.matrix[0].capabilities if cell.name == "logs"} == {"KE202"}
    assert _states(report) == [("used", 1)]


def test_accepting_a_consequence_leaves_the_cause_what_it_is() -> None:
    report = _report(_entry("KE503"))
    assert [cause.code for cause in report.causes] == ["KE202"]
    assert report.run.exit_code == 1


def test_the_exit_code_does_not_count_what_is_accepted() -> None:
    selection = Selection(only=("KE202",))
    assert _report(selection=selection).run.exit_code == 1
    assert _report(_entry("KE202"), selection=selection).run.exit_code == 0
    advice = Selection(only=("KE804",))
    assert _report(selection=advice, fail_on="warn").run.exit_code == 2
    assert _report(_entry("KE804"), selection=advice, fail_on="warn").run.exit_code == 0


def test_an_expired_entry_accepts_nothing_and_says_so() -> None:
    report = _report(_entry("KE202", until=TODAY - timedelta(days=1)), _entry("KE202", until=TODAY))
    assert _states(report) == [("expired", 0), ("used", 1)]
    report = _report(_entry("KE202", until=TODAY - timedelta(days=1)))
    assert [cause.code for cause in report.causes] == ["KE202"]


def test_an_entry_that_matched_nothing_is_told_from_one_that_was_not_looked_at() -> None:
    entries = (_entry("KE101"), _entry("KE804", "no-such-thing"), _entry("KE202", "edge7"), _entry("KE711"))
    assert _states(_report(*entries)) == [
        ("unmatched", 0), ("unmatched", 0), ("not-judged", 0), ("unmatched", 0)
    ]  # fmt: skip
    assert _states(_report(*entries, selection=Selection(only=("KE804",))))[0] == ("not-judged", 0)


def test_what_could_not_be_looked_at_is_never_accepted() -> None:
    report = _report(_entry("KE111"), selection=Selection(only=("KE111",)))
    assert [one.status for one in report.verdicts] == [Status.UNKNOWN]
    assert _states(report) == [("not-judged", 0)]


@pytest.mark.parametrize("site", sorted(path.name for path in FIXTURES.iterdir() if any(path.glob("*.tgz"))))
def test_a_baseline_of_a_site_accepts_all_of_that_site(site: str) -> None:
    found = accepting(_report(site=site), reason="r", owner="o", until=TODAY)
    report = _report(*found, site=site)
    assert report.causes == ()
    assert not {Status.FAIL, Status.WARN} & {one.status for one in report.verdicts}
    assert all(state == "used" for state, _ in _states(report))


# ------------------------------------------------------------------------------------------ on toy verdicts


def _check(code: str, **more: Any) -> Check:
    return Check(code=code, slug=code.lower(), title=text(code), side=Side.SITE, judge=lambda: (), **more)


CHECKS = {
    one.code: one
    for one in (
        _check("TOY1", hop="one"),
        _check("TOY2", hop="two", explained_by=("TOY1", "TOY4")),
        _check("TOY4", hop="one"),
    )
}


def _verdict(code: str, node: str = "", status: Status = Status.FAIL) -> Verdict:
    return Verdict(
        code=code, slug=code.lower(), title=code, status=status, subject=node or "site", node=node, host="", side="site",
        hop=CHECKS[code].hop, capabilities=("logs",), certainty=Certainty.PROVED, summary=code, fix=Fix(available=False),
        zh=Translation(),
    )  # fmt: skip


def _told(baseline: Baseline, *verdicts: Verdict) -> list[tuple[str, str, str]]:
    found = diagnose([baseline.accept(one) for one in verdicts], CHECKS, PATH, ["edge1"])
    return [(one.code, one.subject, one.status.value) for one in found.verdicts]


def test_what_has_another_cause_as_well_is_not_accepted() -> None:
    told = _told(_baseline(_entry("TOY1")), _verdict("TOY1"), _verdict("TOY2"), _verdict("TOY4"))
    assert [status for _, _, status in told] == ["accepted", "fail", "fail"]


def test_it_is_accepted_only_where_its_cause_is() -> None:
    baseline = _baseline(_entry("TOY1", "edge[1]"))
    told = _told(
        baseline, *(_verdict(code, node) for code in ("TOY1", "TOY2") for node in ("edge1", "edge2"))
    )
    assert [status for _, _, status in told] == ["accepted", "fail", "accepted", "fail"]


def test_a_pass_and_an_unknown_stay_what_they_are() -> None:
    baseline = _baseline(_entry("TOY1"))
    for status in set(Status) - {Status.FAIL, Status.WARN}:
        assert baseline.accept(_verdict("TOY1", status=status)).status is status


def test_many_edges_are_folded_apart_from_those_that_are_accepted() -> None:
    def look() -> list[Finding]:
        return [
            Finding(status=Status.FAIL, summary=text(f"e{n}"), subject=f"edge{n}", node=f"edge{n}")
            for n in range(FOLD_OVER * 2 + 2)
        ]

    node = RegisteredCheck(
        Check(code="TOY1", slug="toy1", title=text("t"), side=Side.SITE, judge=look), (), "toy"
    )

    class _Nowhere:
        name = ""

        def arguments(self, parameters: object) -> dict[str, Any]:
            return {}

    baseline = _baseline(_entry("TOY1", "edge[0-9]"))
    found = judge(node, _Nowhere(), baseline.accept)  # type: ignore[arg-type]
    accepted = [one for one in found if one.status is Status.ACCEPTED]
    assert {one.subject for one in accepted} == {f"edge{n}" for n in range(10)}
    rest = [one for one in found if one.status is Status.FAIL]
    assert [len(one.nodes) for one in rest] == [FOLD_OVER * 2 - 8]
    assert baseline.seen(found).entries[0].matched == 10


def test_a_folded_verdict_is_written_edge_by_edge() -> None:
    report = _report(site="healthy")
    folded = Verdict(
        code="KE202", slug="x", title="x", status=Status.FAIL, subject="a[1] and 1 more", node="", nodes=("a[1]", "b"),
        host="", side="edge", hop="", capabilities=(), certainty=Certainty.PROVED, summary="", fix=Fix(available=False),
        zh=Translation(),
    )  # fmt: skip
    from kedoctor.base.records import replace  # noqa: PLC0415

    entries = accepting(replace(report, verdicts=(folded,)), reason="r", owner="o", until=TODAY)
    assert [one.subject for one in entries] == ["a[[]1]", "b"]
    assert _baseline(*entries[:1]).accept(replace(folded, nodes=("a[1]",))).status is Status.ACCEPTED


# ------------------------------------------------------------------------------------------ the file


def _file(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "baseline.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


GOOD = """\
accepted:
  - code: edgestream-enabled
    subject: "edge*"
    reason: no logs from here
    owner: ops
    until: 2027-01-31
"""


def test_a_file_is_read_and_names_are_understood(tmp_path: Path) -> None:
    found = read_baseline(_file(tmp_path, GOOD), _plugins().registry, today=TODAY)
    assert [(one.code, one.subject, one.until) for one in found.entries] == [
        ("KE202", "edge*", date(2027, 1, 31))
    ]


def test_what_is_written_can_be_read_again(tmp_path: Path) -> None:
    entries = [
        _entry("KE202", "a[[]b: c"),
        AcceptedEntry(code="KE804", subject="*", reason="it's\n'so': #1", owner="王", until=TODAY),
    ]
    path = _file(tmp_path, written(entries, told="told"))
    assert list(read_baseline(path, _plugins().registry, today=TODAY).entries) == entries
    empty = _file(tmp_path, written([], told="told"))
    assert read_baseline(empty, _plugins().registry).entries == ()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (GOOD.replace("reason", "raeson"), ":4: there is no key 'raeson'; did you mean 'reason'?"),
        (GOOD.replace("accepted", "accept"), ":1: there is no key 'accept'; did you mean 'accepted'?"),
        (GOOD.replace("edgestream-enabled", "edgestream-enable"), ":2: there is no check 'edgestream-enable'; did you"),
        (GOOD.replace("2027-01-31", "31.1.2027"), ":6: '31.1.2027' is not a date"),
        (GOOD.replace("2027-01-31", "2027-02-31"), ":6: '2027-02-31' is not a date"),
        (GOOD.replace("2027-01-31", "2027"), ":6: until must be a text, not 2027"),
        (GOOD.replace("    owner: ops\n", ""), ":2: this entry has no owner"),
        (GOOD.replace("no logs from here", "''"), ":4: reason is empty"),
        (GOOD + "    owner: other\n", ":7: owner is written twice"),
        (GOOD + "---\naccepted: []\n", ":7: a second document"),
        ("accepted: KE202\n", "it has no list `accepted`"),
        ("accepted: [KE202]\n", ":1: an entry has the keys code, subject"),
        ("", "it has no list `accepted`"),
        ("- KE202\n", "the top level is not a mapping"),
        ("accepted:\n\t- x\n", "cannot be read: line 2"),
        (b"\x7fELF\x00\x01\x02", "cannot be read: line 1"),
        (b"a" * (1 << 21), "is larger than"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_wholly_understood_is_refused(
    tmp_path: Path, content: str | bytes, words: str
) -> None:
    with pytest.raises(ConfigurationError) as error:
        read_baseline(_file(tmp_path, content), _plugins().registry)
    assert words in str(error.value)
    assert error.value.exit_code == 78


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(ConfigurationError, match="cannot be read"):
            read_baseline(path, _plugins().registry)


# ------------------------------------------------------------------------------------------ from outside


def _bundles(site: str = BROKEN) -> list[str]:
    return [word for path in sorted((FIXTURES / site).glob("*.tgz")) for word in ("--evidence", str(path))]


def test_the_latest_run_becomes_a_baseline_that_its_faces_show(tmp_path: Path) -> None:
    kedoctor("run", *_bundles())
    file = tmp_path / "accepted.yaml"
    done = kedoctor(
        "baseline", "-o", str(file), "--reason", "planned", "--owner", "ops", "--until", "2999-01-01"
    )
    assert done.returncode == 0, done.stderr
    assert "accepted until 2999-01-01" in done.stderr
    shown = kedoctor("run", *_bundles(), "--baseline", str(file))
    assert shown.returncode == 3  # the recordings hold less than a live site
    assert "= KE202" in shown.stdout
    assert "until 2999-01-01 by ops: planned" in shown.stdout
    assert "✗" not in shown.stdout
    page = kedoctor("run", *_bundles(), "--baseline", str(file), "--format", "html", "--lang", "zh").stdout
    assert "截至 2999-01-01，ops：planned" in page
    again = kedoctor("baseline", "-o", str(file))
    assert again.returncode == 64
    assert "would be lost" in again.stderr


def test_stale_entries_are_shown_on_every_face(tmp_path: Path) -> None:
    file = tmp_path / "b.yaml"
    file.write_bytes(
        written([_entry("KE101", until=date(9999, 1, 1)), _entry("KE202", until=date(2020, 1, 1))], told="x")
    )
    shown = kedoctor("run", *_bundles(), "--baseline", str(file))
    assert shown.returncode == 1
    assert f"Entries of {file} to review" in " ".join(shown.stdout.split())  # it may be folded
    assert "KE101 *: matched nothing" in shown.stdout
    assert "KE202 *: expired on 2020-01-01" in shown.stdout
    page = kedoctor("run", *_bundles(), "--baseline", str(file), "--format", "html").stdout
    assert "KE101 *: matched nothing" in page
    document = json.loads(kedoctor("run", *_bundles(), "--baseline", str(file), "--format", "json").stdout)
    assert [one["state"] for one in document["baseline"]["entries"]] == ["unmatched", "expired"]


def test_bad_options_are_told() -> None:
    assert "is not a date" in kedoctor("baseline", "--until", "soon", *_bundles()).stderr
    past = kedoctor("baseline", "--until", "2020-01-01", *_bundles())
    assert (past.returncode, "is in the past" in past.stderr) == (64, True)
    missing = kedoctor("run", "--baseline", "/no/such", *_bundles())
    assert (missing.returncode, "cannot be read" in missing.stderr) == (78, True)


def test_a_fully_accepted_report_is_right_for_the_shell() -> None:
    report = _report(_entry("KE202"), selection=Selection(only=("KE202",)))
    assert exit_code(report, "unknown") == 0
    assert report.baseline is not None
    assert report.baseline.entries[0].state is EntryState.USED
