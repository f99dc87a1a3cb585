"""A journal that kedoctor wrote before kinds of action became plugins: recorded by that version, one of each kind."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from kedoctor.changes.actors import built_in
from kedoctor.changes.journal import Journal, Phase
from kedoctor.model.actions.action import Action
from kedoctor.model.actions.files import WriteFile
from kedoctor.model.actions.programs import RunProgram
from kedoctor.model.actions.units import RestartUnit, TemporaryFile

RECORDED = Path(__file__).parent / "recorded"


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """The recorded journal as root keeps it: a checkout may be writable by a group."""
    place = tmp_path / "journal"
    shutil.copytree(RECORDED, place)
    for path in (place, *place.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
    return place


def test_every_kind_of_action_reads_back_from_an_old_journal(journal: Path) -> None:
    (entry,) = Journal(journal).entries()
    assert entry.phase is Phase.DONE
    kinds = {action for kind in built_in() for action in kind.actions}
    assert {type(action) for action in entry.manifest.actions} == kinds
    first, *_ = entry.manifest.actions
    assert first == RestartUnit(
        "edgecore.service",
        "undo",
        TemporaryFile("/etc/kubeedge/token", b"x", "/etc/kubeedge/certs/server.crt", 12.0),
    )
    assert WriteFile("/etc/a", b"content\n", 0o600) in entry.manifest.actions
    (program,) = (one for one in entry.manifest.actions if isinstance(one, RunProgram))
    assert (program.name, program.undone_by.en) == ("keadm join", "run keadm reset edge")
    assert len(entry.progress()) == len(entry.manifest.actions)
    assert all(one.finished is not None for one in entry.progress())


def test_what_is_written_now_is_what_was_written_then(journal: Path, tmp_path: Path) -> None:
    (entry,) = Journal(journal).entries()
    again = Journal(tmp_path / "new").begin(entry.manifest)
    written = json.loads((again.directory / "plan.json").read_bytes())
    recorded = json.loads((entry.directory / "plan.json").read_bytes())
    assert written == {**recorded, "format": 1, "run": ""}  # fields that came later


def test_an_action_that_nobody_brings_is_named(journal: Path) -> None:
    plan = next(journal.glob("*/plan.json"))
    plan.write_bytes(plan.read_bytes().replace(b'"act":"WriteFile"', b'"act":"PaintDoor"'))
    assert Journal(journal).entries() == []
    (problem,) = Journal(journal).broken()
    assert "no plugin here brings the kind of action PaintDoor" in str(problem)


def test_of_two_restarts_and_edits_the_kinds_themselves_say_how_they_join() -> None:
    assert Action().joined(Action()) is None
