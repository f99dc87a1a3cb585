"""A child that carries a plan out on files below a root; tests kill it or make its writes fail."""

from __future__ import annotations

import sys
from pathlib import Path

from kedoctor.base.errors import ChangeError
from kedoctor.changes.actor import Actors
from kedoctor.changes.actors.files import FileActor
from kedoctor.changes.executor import execute, prepare, recover, roll_back
from kedoctor.changes.journal import Journal, Phase
from kedoctor.changes.signals import deferred
from kedoctor.model.actions.files import ChangeMode, EditYaml, RemoveFile, WriteFile
from kedoctor.model.actions.yaml_changes import YamlChange

ACTIONS = (
    EditYaml("/etc/app.yaml", (YamlChange("set", "a.enable", value=True), YamlChange("remove", "old"))),
    WriteFile("/etc/new.conf", b"new\n", 0o640),
    WriteFile("/etc/over.conf", b"overwritten\n"),
    RemoveFile("/etc/gone.conf"),
    ChangeMode("/etc/key", 0o600),
)


def actors(root: str) -> Actors:
    hand = FileActor(root)
    return Actors({EditYaml: hand, WriteFile: hand, RemoveFile: hand, ChangeMode: hand})


def main(verb: str, root: str, journal_at: str) -> int:
    journal, hands = Journal(Path(journal_at)), actors(root)
    try:
        if verb == "recover":
            recover(journal, hands, tell=lambda _: None)
        elif verb == "rollback":
            roll_back(journal.entries()[-1], hands, tell=lambda _: None)
        else:
            with deferred() as stop:
                prepared = prepare(hands, ACTIONS)
                execute(
                    journal, hands, prepared, codes=["TOY1"], command="toy", stop=stop, tell=lambda _: None
                ).become(Phase.DONE)
    except ChangeError as error:
        sys.stderr.write(f"{error}\n")
        return 4
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
