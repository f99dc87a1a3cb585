"""Carrying out and taking back, with hands that do what a test wants of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from kedoctor.changes.actor import Actors
from kedoctor.changes.actors.files import FileActor
from kedoctor.changes.actors.merge_patch import canonical, merge_diff, merged, pick, pointed
from kedoctor.changes.executor import RollbackError, execute, prepare, recover, roll_back
from kedoctor.changes.journal import Event, Journal, Phase
from kedoctor.changes.signals import deferred
from kedoctor.model.actions.action import Action
from kedoctor.model.actions.files import WriteFile
from kedoctor.model.actions.units import RestartUnit
from kedoctor.model.actors import ConflictError, Preview, RefusedError, State


class Restarter:
    """Counts restarts; looking at a restart always shows the same."""

    def __init__(self) -> None:
        self.restarts: list[str] = []

    def look(self, action: Action) -> State:
        return State(target=action.target, exists=True, fingerprint="restart")

    def preview(self, action: Action, before: State) -> Preview:
        return Preview(changes=True, diff="")

    def do(self, action: Action, before: State) -> State:
        assert isinstance(action, RestartUnit)
        if action.when == "do":
            self.restarts.append("do")
        return before

    def undo(self, action: Action, before: State, after: State) -> None:
        assert isinstance(action, RestartUnit)
        if action.when == "undo":
            self.restarts.append("undo")

    def tidy(self, action: Action) -> None: ...


class Overtaken(FileActor):
    """Somebody else is always a moment faster."""

    def do(self, action: Action, before: State) -> State:
        assert isinstance(action, WriteFile)
        super().do(WriteFile(action.path, b"theirs\n"), before)
        return super().do(action, before)


def silent(_: object) -> None:
    pass


def test_a_restart_whose_undoing_was_begun_is_undone_once_more(tmp_path: Path) -> None:
    restarter = Restarter()
    hands = Actors({RestartUnit: restarter})
    journal = Journal(tmp_path)
    prepared = prepare(hands, [RestartUnit("a.service", "undo"), RestartUnit("a.service")])
    with deferred() as stop:
        entry = execute(journal, hands, prepared, codes=[], command="", stop=stop, tell=silent)
    entry.note(Event.UNDO, 1)
    entry.note(Event.UNDONE, 1)
    entry.note(Event.UNDO, 0)  # and killed before anything came of it
    recover(journal, hands, tell=silent)
    assert restarter.restarts == ["do", "undo"]
    assert journal.entries()[0].phase is Phase.UNDONE


def test_whoever_was_first_keeps_the_file_and_the_rest_is_taken_back(tmp_path: Path) -> None:
    files, root = FileActor(str(tmp_path / "root")), tmp_path / "root"
    root.mkdir()
    hands = Actors({WriteFile: files})
    prepared = prepare(hands, [WriteFile("/one", b"1\n"), WriteFile("/two", b"2\n")])

    class Hands(Actors):
        def of(self, action: Action) -> FileActor:
            return Overtaken(str(root)) if action.target == "file:/two" else files

    journal = Journal(tmp_path / "journal")
    with deferred() as stop, pytest.raises(ConflictError, match="changed by somebody else"):
        execute(journal, Hands({}), prepared, codes=[], command="", stop=stop, tell=silent)
    assert {path.name: path.read_bytes() for path in root.iterdir()} == {"two": b"theirs\n"}
    assert journal.entries()[0].phase is Phase.UNDONE


class Gone(FileActor):
    """From the second file on nothing can be done or undone any more."""

    def do(self, action: Action, before: State) -> State:
        if action.target == "file:/two":
            raise RefusedError("connection refused")
        return super().do(action, before)

    def undo(self, action: Action, before: State, after: State) -> None:
        raise RefusedError("connection refused")


def test_what_could_not_be_taken_back_says_how_to_go_on(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    hands, journal = Actors({WriteFile: Gone(str(root))}), Journal(tmp_path / "journal")
    prepared = prepare(hands, [WriteFile("/one", b"1\n"), WriteFile("/two", b"2\n")])
    with deferred() as stop, pytest.raises(RollbackError, match="connection refused") as caught:
        execute(journal, hands, prepared, codes=[], command="", stop=stop, tell=silent)
    (entry,) = journal.entries()
    assert entry.phase is Phase.ATTENTION
    assert caught.value.hint.endswith(f"kedoctor rollback {entry.id}")
    roll_back(entry, Actors({WriteFile: FileActor(str(root))}), tell=silent)
    assert list(root.iterdir()) == []


def test_what_is_as_it_was_needs_no_undoing(tmp_path: Path) -> None:
    """A reboot may take NAT rules back, a person a file."""
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    hands = Actors({WriteFile: FileActor(str(root))})
    journal = Journal(tmp_path / "journal")
    with deferred() as stop:
        prepared = prepare(hands, [WriteFile("/etc/one", b"1\n"), WriteFile("/etc/two", b"2\n")])
        entry = execute(journal, hands, prepared, codes=[], command="", stop=stop, tell=silent)
    (root / "etc" / "one").unlink()
    roll_back(entry, hands, tell=silent)
    assert list((root / "etc").iterdir()) == []


def test_the_part_that_a_json_patch_speaks_of() -> None:
    content = {"metadata": {"labels": {"a/b": "1", "c": "2"}}, "spec": {"list": [{"x": 1}], "n": 3}}
    operations = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": "7"},
        {"op": "replace", "path": "/metadata/labels/a~1b", "value": "9"},
        {"op": "add", "path": "/spec/list/-", "value": {}},
        {"op": "move", "from": "/spec/n", "path": "/spec/new"},
    ]
    shape = pointed(content, operations)
    assert shape == {"metadata": {"labels": {"a/b": None}}, "spec": {"list": None, "n": None, "new": None}}
    assert pick(content, shape) == {
        "metadata": {"labels": {"a/b": "1"}},
        "spec": {"list": [{"x": 1}], "n": 3, "new": None},
    }


def test_a_way_back_leads_back() -> None:
    old = {"a": {"x": 1, "y": [1]}, "b": "2"}
    new = merged(old, {"a": {"x": None, "z": 3}, "b": None, "c": {"d": 1}})
    assert new == {"a": {"y": [1], "z": 3}, "c": {"d": 1}}
    assert merged(new, merge_diff(new, old)) == old
    counted = {"deprecated.daemonset.template.generation": "2", "deployment.kubernetes.io/revision": "7"}
    assert canonical({"metadata": {"name": "n", "annotations": counted}}) == {"metadata": {"name": "n"}}
    assert canonical({"metadata": {"uid": "1", "name": "n", "annotations": {}}, "status": {}}) == {
        "metadata": {"name": "n"}
    }


def test_what_was_never_changed_is_not_restarted_on_the_way_back(tmp_path: Path) -> None:
    restarter, root = Restarter(), tmp_path / "root"
    root.mkdir()
    hands = Actors({RestartUnit: restarter, WriteFile: Overtaken(str(root))})
    plan = [RestartUnit("a.service", "undo"), WriteFile("/one", b"1\n"), RestartUnit("a.service")]
    prepared = prepare(hands, plan)
    journal = Journal(tmp_path / "journal")
    with deferred() as stop, pytest.raises(ConflictError):
        execute(journal, hands, prepared, codes=[], command="", stop=stop, tell=silent)
    assert restarter.restarts == []
    assert journal.entries()[0].phase is Phase.UNDONE
