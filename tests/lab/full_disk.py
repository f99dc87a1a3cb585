"""A child in a mount namespace of its own: a disk of eight megabytes that fills up in the middle of a repair."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from kedoctor.base.errors import ChangeError
from kedoctor.changes.actor import Actors
from kedoctor.changes.actors.files import FileActor
from kedoctor.changes.executor import execute, prepare
from kedoctor.changes.journal import Journal, Phase
from kedoctor.changes.signals import deferred
from kedoctor.model.actions.action import Action
from kedoctor.model.actions.files import ChangeMode, WriteFile
from kedoctor.model.actors import RefusedError, State

OLD = b"old and long\n" * 40_000


class Filling(FileActor):
    """Fills the disk instead of changing a mode."""

    def __init__(self, root: str, disk: Path) -> None:
        super().__init__(root)
        self._disk = disk

    def do(self, action: Action, before: State) -> State:
        if not isinstance(action, ChangeMode):
            return super().do(action, before)
        with (self._disk / "filler").open("wb", buffering=0) as filler:
            for size in (1 << 16, 1 << 12, 1):
                with suppress(OSError):
                    while True:
                        filler.write(b"x" * size)
        raise RefusedError("the disk is full by now")


def main(where: str) -> None:
    disk = Path(where)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=0755", "tmpfs", where], check=True)
    app = disk / "site/etc/app"
    app.parent.mkdir(parents=True)
    app.write_bytes(OLD)
    actors = Actors(dict.fromkeys((WriteFile, ChangeMode), Filling(str(disk / "site"), disk)))
    journal = Journal(disk / "state/journal")
    prepared = prepare(actors, [WriteFile("/etc/app", b"new\n"), ChangeMode("/etc/app", 0o600)])
    with deferred() as stop:
        try:
            execute(journal, actors, prepared, codes=["K"], command="t", stop=stop, tell=lambda _: None)
        except ChangeError as error:
            print(error)  # noqa: T201
    assert app.read_bytes() == OLD
    (entry,) = journal.entries()
    assert entry.phase is Phase.UNDONE
    assert sorted(one.name for one in app.parent.iterdir()) == ["app"]


if __name__ == "__main__":
    main(*sys.argv[1:])
