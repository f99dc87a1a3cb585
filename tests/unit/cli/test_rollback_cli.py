"""``kedoctor rollback`` without an ID: which change is meant."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import toyhands
from hostile import kedoctor

from kedoctor.changes.executor import execute, prepare, roll_back
from kedoctor.changes.journal import Journal, JournalEntry, Phase
from kedoctor.changes.signals import deferred
from kedoctor.model.actions.files import WriteFile


class Host:
    """A directory with a journal, and repairs that write files."""

    def __init__(self, tmp_path: Path) -> None:
        self.root = tmp_path / "root"
        (self.root / "etc").mkdir(parents=True)
        self.actors = toyhands.actors(str(self.root))
        self.journal = Journal(Path(os.environ["KEDOCTOR_STATE_DIR"]) / "journal")

    def repair(self, name: str, run: str, *, helps: bool = True) -> JournalEntry:
        """Writes a file; where that does not help it is rolled back at once."""
        with deferred() as stop:
            prepared = prepare(self.actors, [WriteFile(f"/etc/{name}", b"x\n")])
            entry = execute(
                self.journal,
                self.actors,
                prepared,
                codes=["TOY1"],
                command="run --fix",
                stop=stop,
                tell=lambda _: None,
                run=run,
            )
        if helps:
            entry.become(Phase.DONE)
        else:
            roll_back(entry, self.actors, tell=lambda _: None)
        return entry

    @property
    def there(self) -> list[str]:
        return sorted(path.name for path in (self.root / "etc").iterdir())


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_what_was_rolled_back_at_once_is_not_taken_for_the_repair_before_it(host: Host) -> None:
    good = host.repair("good", "yesterday")
    bad = host.repair("bad", "today", helps=False)
    ended = kedoctor("rollback", "--root", str(host.root))
    assert ended.code == 64
    assert f"the latest repair ({bad.id}) did not help and was rolled back at once" in ended.err
    assert f"kedoctor rollback {good.id}" in ended.err
    assert host.there == ["good"]
    assert kedoctor("rollback", good.id, "--root", str(host.root)).code == 0
    assert host.there == []


def test_the_rounds_of_one_run_go_back_together(host: Host) -> None:
    host.repair("first", "today")
    host.repair("second", "today", helps=False)
    assert kedoctor("rollback", "--root", str(host.root)).code == 0
    assert host.there == []


def test_after_a_rollback_by_hand_the_one_before_it_is_next(host: Host) -> None:
    host.repair("older", "yesterday")
    host.repair("newer", "today")
    assert kedoctor("rollback", "--root", str(host.root)).code == 0
    assert host.there == ["older"]
    assert kedoctor("rollback", "--root", str(host.root)).code == 0
    assert host.there == []
