"""An install: checks that start red, done one after the other, resumed, and taken back where one fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import toyinstall
from toyinstall import TOKEN, Watcher, prepare_home, run, state

from kedoctor.base.errors import ExitCode, UsageError
from kedoctor.changes.executor import IrreversibleError, blocking_step, roll_back
from kedoctor.changes.journal import Journal, Phase
from kedoctor.evidence.recording import AllowList
from kedoctor.judge.selection import Selection
from kedoctor.model.declarations import RunMode
from kedoctor.model.observations.inputs import ReadSetting, Setting
from kedoctor.model.observations.request import Reason, Unavailable
from kedoctor.observe.live.source import LiveSource
from kedoctor.plugins import Plugins


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return prepare_home(tmp_path / "home")


def test_every_step_is_done_in_order_and_a_second_run_changes_nothing(home: Path) -> None:
    watcher = Watcher()
    result = run(home, watcher)
    assert (result.code, result.complete, len(result.changes)) == (ExitCode.OK, True, 4)
    assert [line[:12] for line in watcher.lines] == [f"[{n}/5] TOY90{n - 1}" for n in range(1, 6)]
    assert watcher.lines[0].endswith("ok")
    assert all("done in" in line for line in watcher.lines[1:])
    after, again = state(home), Watcher()
    second = run(home, again)
    assert (second.complete, second.changes) == (True, [])
    assert [line.split(" ", 2)[2] for line in again.lines] == ["ok", *["already done"] * 4]
    assert again.said == ["Nothing to change: every step is done."]
    assert state(home) == after


def test_what_is_so_already_is_left_alone(home: Path) -> None:
    (home / "first").write_bytes(b"mine")
    watcher = Watcher()
    assert run(home, watcher).complete
    assert watcher.lines[1] == "[2/5] TOY901 already done"
    assert (home / "first").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("name", "code", "outcome"),
    [("forbidden", ExitCode.FAILED, "failed"), ("dark", ExitCode.UNDETERMINED, "undetermined")],
)
def test_what_must_hold_beforehand_stops_it_before_anything_is_changed(
    home: Path, name: str, code: ExitCode, outcome: str
) -> None:
    (home / name).touch()
    before, watcher = state(home), Watcher()
    result = run(home, watcher)
    assert (result.code, result.complete, result.changes) == (code, False, [])
    assert watcher.lines == [f"[1/5] TOY900 {outcome}"]
    assert watcher.said == ["Nothing was changed: TOY900 must pass first. Then run the same command again."]
    assert state(home) == before


def test_a_dry_run_and_a_no_change_nothing(home: Path) -> None:
    before, dry, no = state(home), Watcher(), Watcher(consents=False)
    assert run(home, dry, dry_run=True).complete
    assert [line.split(" ", 2)[2] for line in dry.lines] == ["ok", *["would be done"] * 4]
    shown = {one.step.node.check.code: one.prepared for one in dry.previewed}
    assert "+ " in shown["TOY902"].foresight[0].diff
    assert run(home, no).code is ExitCode.FAILED
    assert state(home) == before
    assert not (home / "journal").exists()


def test_a_step_that_is_not_right_afterwards_is_taken_back(home: Path) -> None:
    (home / "broken").touch()
    watcher = Watcher()
    result = run(home, watcher)
    assert result.code is ExitCode.CHANGE_FAILED
    assert watcher.lines[-1] == "[5/5] TOY904 still failing after it was applied"
    assert watcher.said[-1] == "This step was rolled back."
    assert not (home / "last").exists()
    assert (home / "joined").exists()


def test_a_program_that_fails_is_told_with_its_last_words_and_no_secret(home: Path) -> None:
    watcher = Watcher()
    (home / "lent").mkdir()  # so that the secret cannot be put there
    result = run(home, watcher)
    assert (result.code, watcher.lines[-1]) == (ExitCode.CHANGE_FAILED, "[4/5] TOY903 not done")
    ended, stays = watcher.said[-2:]
    assert ended.startswith("Stopped: tool ended with exit code 1: cat: ")
    assert stays.startswith("What tool has done stays (")
    assert stays.endswith("only that program can undo it: run the tool backwards.")
    assert TOKEN not in "".join([*watcher.lines, *watcher.said, *watcher.told])


def test_no_secret_is_in_the_journal(home: Path) -> None:
    assert run(home).complete
    kept = b"".join(path.read_bytes() for path in (home / "journal").rglob("*") if path.is_file())
    assert TOKEN.encode() not in kept
    assert b"[token]" in kept.replace(b"\\u005b", b"[") or b"W3Rva2Vu" in kept  # what it printed, without it
    assert not (home / "lent").exists()


def test_going_back_stops_where_a_program_took_over(home: Path) -> None:
    assert run(home).complete
    journal, hands = Journal(home / "journal"), toyinstall.hands(toyinstall.settings(home))
    first, tool, joined, last = journal.entries()
    found = blocking_step(first, journal.entries(), hands)
    assert found is not None
    assert found[0].id == joined.id
    roll_back(last, hands, tell=lambda _: None)
    assert not (home / "last").exists()
    with pytest.raises(IrreversibleError, match="has taken over") as caught:
        roll_back(joined, hands, tell=lambda _: None)
    assert caught.value.hint == "run the tool backwards"
    assert joined.phase is Phase.DONE
    assert not (home / "after").exists()  # what came after it was rolled back
    for name in ("registered", "joined"):  # a person undoes it by hand
        (home / name).unlink()
    roll_back(journal.entry(joined.id), hands, tell=lambda _: None)
    for entry in (tool, first):
        assert blocking_step(entry, journal.entries(), hands) is None
        roll_back(entry, hands, tell=lambda _: None)
    assert set(state(home)) == {"bundle/tool"}


@pytest.mark.timeout(400)
def test_killed_at_every_place_it_goes_on(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", str(Path(toyinstall.__file__))],
        capture_output=True,
        text=True,
        check=False,
        timeout=390,
        env={"PYTHONPATH": str(Path(__file__).parents[1]), "TMPDIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert int(ran.stdout) > 30


# ------------------------------------------------------------------------------------------- settings


def test_settings_are_answered_once_and_never_collected_or_shown() -> None:
    source = LiveSource(settings={"token": Setting(TOKEN, secret=True)})
    assert source.observe(ReadSetting("token")).value == TOKEN
    missing = source.observe(ReadSetting("node"))
    assert isinstance(missing, Unavailable)
    assert missing.reason is Reason.NOT_GIVEN
    assert TOKEN not in repr(Setting(TOKEN, secret=True))
    assert not AllowList([]).admits(ReadSetting("token"))


def test_a_plain_run_leaves_out_what_is_only_a_step_of_an_install() -> None:
    plugins = Plugins()
    plugins.register("toys", toyinstall.Toys())
    codes = lambda selection: [one.check.code for one in selection.checks(plugins.registry, {})]  # noqa: E731
    assert codes(Selection()) == []
    assert codes(Selection(only=("TOY901", "may"))) == ["TOY900", "TOY901"]
    assert len(codes(Selection(occasion=RunMode.INSTALL))) == 5
    with pytest.raises(UsageError):
        codes(Selection(only=("TOY9xx",)))
