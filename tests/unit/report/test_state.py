"""The history: what is kept, for how long, and that trouble with it never becomes trouble with a run."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kedoctor.base.errors import UsageError
from kedoctor.base.records import replace
from kedoctor.model.report import SCHEMA_VERSION, Report, Run, Site, Tool
from kedoctor.redaction.documents import DocumentRedactor
from kedoctor.report import run_store

START = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)


def report(number: int) -> Report:
    started = START + timedelta(minutes=number)
    run = Run(
        id=f"{started:%Y%m%dT%H%M%SZ}-{number:04x}",
        started=started,
        duration_ms=10,
        command="kedoctor run",
        exit_code=1,
        complete=True,
    )
    site = Site(sides=("cloud",), hosts=())
    return Report(
        schema_version=SCHEMA_VERSION,
        tool=Tool("kedoctor", "0"),
        run=run,
        site=site,
        hops=(),
        causes=(),
        matrix=(),
        verdicts=(),
    )


def save(made: Report) -> Path | str:
    return run_store.save(DocumentRedactor().report(made))


def test_a_saved_report_comes_back_and_belongs_to_its_user_alone() -> None:
    path = save(report(1))
    assert isinstance(path, Path)
    assert run_store.load(report(1).run.id).opened() == report(1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(run_store.directory().stat().st_mode) == 0o700


def test_without_runs_there_is_no_latest() -> None:
    assert run_store.latest() is None
    assert run_store.runs() == []


def test_runs_of_one_second_are_in_the_order_in_which_they_were_kept() -> None:
    one = report(1)
    numbers = (3, 9, 1, 7, 0, 5)
    for number in numbers:
        save(replace(one, run=replace(one.run, id=f"20261123T030000Z-{number:04x}")))
    assert [int(kept.run.id[-4:], 16) for kept in run_store.runs()] == [*reversed(numbers)]


def test_runs_are_newest_first_and_only_the_last_fifty_are_kept() -> None:
    for number in range(run_store.KEPT + 5):
        save(report(number))
    kept = run_store.runs()
    assert len(kept) == run_store.KEPT
    latest = run_store.latest()
    assert latest is not None
    assert kept[0] == report(run_store.KEPT + 4) == latest.opened()
    assert kept[-1] == report(5)


def test_broken_files_are_skipped_with_a_note() -> None:
    save(report(1))
    folder = run_store.directory() / "runs"
    (folder / "20270101T000000Z-zzzz.json").write_text('{"half": ')
    (folder / "20270102T000000Z-zzzz.json").write_bytes(b"\xff\x00")
    latest = run_store.latest()
    assert latest is not None
    assert latest.opened() == report(1)
    assert len(run_store.notes()) == 2
    assert all("20270" in note for note in run_store.notes())


def test_a_directory_that_cannot_be_made_gives_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("KEDOCTOR_STATE_DIR", str(tmp_path / "file" / "below"))
    note = save(report(1))
    assert isinstance(note, str)
    assert "not kept" in note
    assert run_store.runs() == []


def test_a_run_that_cannot_be_written_leaves_nothing_half_done() -> None:
    save(report(1))
    folder = run_store.directory() / "runs"
    target = folder / f"{report(2).run.id}.json"
    target.mkdir()  # as a full disk would, it stops the rename
    (target / "x").touch()
    assert isinstance(save(report(2)), str)
    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == [f"{report(1).run.id}.json"]


@pytest.mark.parametrize("run_id", ["nothing", "../../../etc/passwd", "", "a/b"])
def test_a_run_that_is_not_kept_is_a_usage_error(run_id: str) -> None:
    with pytest.raises(UsageError, match="no run"):
        run_store.load(run_id)


def test_a_run_whose_file_is_broken_says_so() -> None:
    path = save(report(1))
    assert isinstance(path, Path)
    path.write_text("garbage")
    with pytest.raises(UsageError, match="is not a report that this kedoctor can read"):
        run_store.load(report(1).run.id)


def test_runs_of_a_large_site_do_not_fill_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    one = len(Path(save(report(0))).read_bytes())
    monkeypatch.setattr(run_store, "KEPT_BYTES", 3 * one + one // 2)
    for number in range(1, 7):
        save(report(number))
    assert [kept.run.id for kept in run_store.runs()] == [report(number).run.id for number in (6, 5, 4)]


def test_the_newest_run_is_kept_however_large_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_store, "KEPT_BYTES", 10)
    save(report(1))
    save(report(2))
    assert [kept.run.id for kept in run_store.runs()] == [report(2).run.id]
