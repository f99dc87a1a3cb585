"""Plans are merged; a killed, refused or interrupted change leaves everything before or everything after."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import toyhands

from kedoctor.base import failpoints
from kedoctor.base.records import replace
from kedoctor.base.text import Text
from kedoctor.changes.actor import Actors
from kedoctor.changes.actors.installers import ProgramActor
from kedoctor.changes.executor import IrreversibleError, execute, prepare, recover, roll_back
from kedoctor.changes.journal import Event, Journal, JournalEntry, JournalError, JournalManifest, Phase
from kedoctor.changes.lock import LockedError, hold
from kedoctor.changes.signals import deferred
from kedoctor.model.actions.files import EditYaml, WriteFile
from kedoctor.model.actions.programs import RunProgram
from kedoctor.model.actions.units import RestartUnit
from kedoctor.model.actions.yaml_changes import YamlChange
from kedoctor.model.actors import ConflictError, RefusedError
from kedoctor.model.declarations import Risk
from kedoctor.model.plans import Plan, PlanConflictError, merge

YAML = b"# kept\r\na:\r\n  enable: false # why\r\nold: 1\r\nlast: 'x'\r\n"


def _site(tmp_path: Path) -> Path:
    etc = tmp_path / "root" / "etc"
    etc.mkdir(parents=True)
    (etc / "real.yaml").write_bytes(YAML)
    (etc / "real.yaml").chmod(0o640)
    (etc / "app.yaml").symlink_to("/etc/real.yaml")
    (etc / "over.conf").write_bytes(b"before\n")
    (etc / "gone.conf").write_bytes(b"here\n")
    (etc / "key").write_bytes(b"secret\n")
    (etc / "key").chmod(0o644)
    return tmp_path / "root"


def _shape(root: Path) -> dict[str, tuple[object, ...]]:
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(root.rglob("*")):
        facts = path.lstat()
        content = str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(root))] = (
            stat.S_IMODE(facts.st_mode),
            facts.st_uid,
            facts.st_gid,
            content,
        )
    return found


def _child(verb: str, root: Path, journal: Path, failpoint: str = "") -> subprocess.CompletedProcess[str]:
    """A process of its own that can be killed; forked, because hundreds of them are."""
    errors = journal.with_name(f"{journal.name}.stderr")
    pid = os.fork()
    if pid == 0:
        os.environ["KEDOCTOR_FAILPOINT"] = failpoint
        failpoints._reached = 0
        sys.stderr = errors.open("w", encoding="utf-8")
        code = 70
        try:
            code = toyhands.main(verb, str(root), str(journal))
        finally:
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    said = errors.read_text(encoding="utf-8") if errors.exists() else ""
    return subprocess.CompletedProcess([verb], os.waitstatus_to_exitcode(status), "", said)


def _fixed(tmp_path: Path) -> tuple[Path, JournalEntry]:
    root = _site(tmp_path)
    hands = toyhands.actors(str(root))
    journal = Journal(tmp_path / "journal")
    with deferred() as stop:
        prepared = prepare(hands, toyhands.ACTIONS)
        entry = execute(journal, hands, prepared, codes=["TOY1"], command="t", stop=stop, tell=lambda _: None)
    entry.become(Phase.DONE)
    return root, entry


def test_does_what_the_dry_run_showed_and_rolls_back_to_the_byte(tmp_path: Path) -> None:
    before = _shape(_site(tmp_path))
    (tmp_path / "root").rename(tmp_path / "aside")
    root, entry = _fixed(tmp_path)
    assert (root / "etc/real.yaml").read_bytes() == b"# kept\r\na:\r\n  enable: true # why\r\nlast: 'x'\r\n"
    assert (root / "etc/app.yaml").is_symlink()
    assert (root / "etc/new.conf").stat().st_mode & 0o777 == 0o640
    assert not (root / "etc/gone.conf").exists()
    roll_back(entry, toyhands.actors(str(root)), tell=lambda _: None)
    assert _shape(root) == before
    assert entry.phase is Phase.UNDONE


def test_a_second_time_changes_nothing(tmp_path: Path) -> None:
    root, _ = _fixed(tmp_path)
    assert prepare(toyhands.actors(str(root)), toyhands.ACTIONS).actions == ()


@pytest.mark.timeout(400)
def test_a_kill_at_every_step_leaves_before_or_after(tmp_path: Path) -> None:
    template = _site(tmp_path)
    before = _shape(template)
    reference = tmp_path / "reference"
    subprocess.run(["cp", "-a", str(template), str(reference)], check=True)
    assert _child("fix", reference, tmp_path / "journal-reference").returncode == 0
    after = _shape(reference)
    for number in range(1, 200):
        root, journal = tmp_path / f"root-{number}", tmp_path / f"journal-{number}"
        subprocess.run(["cp", "-a", str(template), str(root)], check=True)
        died = _child("fix", root, journal, str(number))
        if died.returncode == 0:
            assert number > 20
            return
        assert died.returncode == -9
        assert _child("recover", root, journal).returncode == 0
        left = _shape(root)
        assert left in (before, after), f"half done after a kill at step {number}"
        assert _child("recover", root, journal).returncode == 0
        assert _shape(root) == left
    pytest.fail("the plan never came to its end")


@pytest.mark.timeout(400)
def test_a_kill_at_every_step_of_a_rollback_can_be_finished(tmp_path: Path) -> None:
    template = _site(tmp_path)
    before = _shape(template)
    for number in range(1, 200):
        root, journal = tmp_path / f"root-{number}", tmp_path / f"journal-{number}"
        subprocess.run(["cp", "-a", str(template), str(root)], check=True)
        assert _child("fix", root, journal).returncode == 0
        if _child("rollback", root, journal, str(number)).returncode == 0:
            assert number > 10
            return
        entries = Journal(journal).entries()
        if entries[-1].phase is not Phase.UNDONE:
            assert _child("rollback", root, journal).returncode == 0
        assert _shape(root) == before
    pytest.fail("the rollback never came to its end")


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", ["ENOSPC", "EROFS", "EACCES", "EIO"])
def test_a_refused_write_at_every_step_takes_everything_back(tmp_path: Path, name: str) -> None:
    template = _site(tmp_path)
    before = _shape(template)
    for number in range(1, 60, 5):
        root, journal = tmp_path / f"root-{number}", tmp_path / f"journal-{number}"
        subprocess.run(["cp", "-a", str(template), str(root)], check=True)
        refused = _child("fix", root, journal, f"{number}:{name}")
        if refused.returncode == 0:
            return
        assert refused.returncode == 4, refused.stderr
        assert "Traceback" not in refused.stderr
        if any(entry.phase is Phase.OPEN for entry in Journal(journal).entries()):
            assert _child("recover", root, journal).returncode == 0
        assert _shape(root) == before, f"not taken back after {name} at step {number}"


def test_somebody_elses_edit_is_a_conflict_and_both_are_kept(tmp_path: Path) -> None:
    root, entry = _fixed(tmp_path)
    (root / "etc/over.conf").write_bytes(b"mine\n")
    others = {name: what for name, what in _shape(root).items() if name != "etc/over.conf"}
    with pytest.raises(ConflictError) as caught:
        roll_back(entry, toyhands.actors(str(root)), tell=lambda _: None)
    assert (root / "etc/over.conf").read_bytes() == b"mine\n"
    assert {name: what for name, what in _shape(root).items() if name != "etc/over.conf"} == others
    assert entry.phase is Phase.ATTENTION
    kept = Path(caught.value.hint.rpartition(" ")[2])
    assert kept.read_bytes() == b"before\n"


def test_an_edit_while_the_repair_was_shown_stops_it(tmp_path: Path) -> None:
    root = _site(tmp_path)
    hands = toyhands.actors(str(root))
    prepared = prepare(hands, toyhands.ACTIONS)
    (root / "etc/over.conf").write_bytes(b"mine\n")
    before = _shape(root)
    with deferred() as stop, pytest.raises(ConflictError):
        execute(
            Journal(tmp_path / "j"), hands, prepared, codes=[], command="", stop=stop, tell=lambda _: None
        )
    assert _shape(root) == before


def test_a_clock_that_steps_back_does_not_turn_the_order_of_changes_round(tmp_path: Path) -> None:
    journal, moment = Journal(tmp_path / "journal"), datetime(2026, 11, 25, tzinfo=UTC)
    for name, started in (
        ("b", moment),
        ("a", moment - timedelta(seconds=2)),
        ("c", moment.replace(year=1970)),
    ):
        journal.begin(
            JournalManifest(
                id=name, started=started, command="", codes=(), actions=(), previewed=(), before=(), diffs=()
            )
        )
    assert [entry.id for entry in journal.entries()] == ["b", "a", "c"]


def test_what_an_interrupted_program_set_going_is_looked_at_when_it_matters(tmp_path: Path) -> None:
    left = tmp_path / "left"
    program = RunProgram("/bin/true", (), (str(left),), Text("remove it", zh="删除它"))
    actors, journal = Actors({RunProgram: ProgramActor()}), Journal(tmp_path / "journal")
    for shows_later in (False, True):
        prepared = prepare(actors, [program])
        entry = journal.begin(
            JournalManifest(
                id=f"run-{shows_later}",
                started=datetime.now(UTC),
                command="",
                codes=(),
                actions=(program,),
                previewed=("",),
                before=prepared.before,
                diffs=("",),
            )
        )
        entry.note(Event.START, 0, prepared.before[0])  # and here kedoctor is killed
        (recovered,) = recover(journal, actors, tell=lambda _: None)
        assert recovered.phase is Phase.DONE
        if not shows_later:
            roll_back(recovered, actors, tell=lambda _: None)
            assert recovered.phase is Phase.UNDONE
            continue
        left.write_text("it is there now", encoding="utf-8")
        with pytest.raises(IrreversibleError):
            roll_back(recovered, actors, tell=lambda _: None)


def test_a_damaged_journal_is_named_and_does_not_hide_the_others(tmp_path: Path) -> None:
    _, entry = _fixed(tmp_path)
    bad = tmp_path / "journal" / "20200101T000000Z-0000.done"
    bad.mkdir()
    (bad / "plan.json").write_bytes(b"\0\0")
    journal = Journal(tmp_path / "journal")
    assert [one.id for one in journal.entries()] == [entry.id]
    assert "0000.done" in str(journal.broken()[0])
    log = entry.directory / "log"
    log.write_bytes(b"9 00000000 nonsense!\n" + log.read_bytes())
    with pytest.raises(JournalError, match="line 1"):
        entry.progress()


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    _, entry = _fixed(tmp_path)
    whole = entry.progress()
    with (entry.directory / "log").open("ab") as log:
        log.write(b'120 deadbeef {"event":"und')
    assert entry.progress() == whole


def test_what_is_not_yaml_is_refused_before_anything_happens(tmp_path: Path) -> None:
    root = _site(tmp_path)
    (root / "etc/real.yaml").write_bytes(b"a: [\n")
    with pytest.raises(RefusedError):
        prepare(toyhands.actors(str(root)), toyhands.ACTIONS)


def test_recovery_with_nothing_left_is_nothing(tmp_path: Path) -> None:
    assert recover(Journal(tmp_path / "none"), toyhands.actors("/nowhere"), tell=lambda _: None) == []


def test_the_lock_names_its_holder(tmp_path: Path) -> None:
    with (
        hold(tmp_path / "lock", boot_id="b", command="kedoctor run --fix"),
        pytest.raises(LockedError, match=f"process {os.getpid()}, kedoctor run --fix"),
        hold(tmp_path / "lock", boot_id="b", command="second"),
    ):
        pass
    with hold(tmp_path / "lock", boot_id="b", command="third"):
        pass


def _plan(code: str, *changes: YamlChange) -> Plan:
    return Plan(
        code=code,
        subject="edge1",
        title=Text(code, zh=code),
        prediction=Text("", zh=""),
        risk=Risk.RESTARTS_EDGECORE,
        actions=(EditYaml("/etc/app.yaml", changes),),
        restarts=(RestartUnit("edgecore.service"),),
        settle=40.0,
    )


def test_plans_on_one_file_become_one_edit_and_one_restart() -> None:
    on, host = (
        YamlChange("set", "a.enable", value=True),
        YamlChange("set", "a.server", value="10.0.0.1:10004"),
    )
    merged = merge([_plan("KE202", on), _plan("KE203", on, host)])
    assert [action.target for action in merged.actions] == [
        "restart:edgecore.service:undo",
        "file:/etc/app.yaml",
        "restart:edgecore.service:do",
    ]
    assert merged.actions[1] == EditYaml("/etc/app.yaml", (on, host))
    assert merged.settle == 40.0


def test_plans_that_disagree_are_refused() -> None:
    with pytest.raises(PlanConflictError, match=r"a\.enable"):
        merge(
            [
                _plan("KE202", YamlChange("set", "a.enable", value=True)),
                _plan("KE203", YamlChange("set", "a.enable", value=False)),
            ]
        )
    whole_file = replace(_plan("X"), actions=(WriteFile("/etc/app.yaml", b""),))
    with pytest.raises(PlanConflictError):
        merge([_plan("KE202", YamlChange("set", "a.enable", value=True)), whole_file])
