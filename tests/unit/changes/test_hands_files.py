"""Files: what a root is, and what is left of directories that were made for a file."""

from __future__ import annotations

import os
from pathlib import Path

from kedoctor.changes.actors.files import FileActor
from kedoctor.model.actions.files import WriteFile


def test_a_root_that_is_a_link_itself_is_not_left(tmp_path: Path) -> None:
    # As /proc/PID/root: resolved once more, it would be the root of this machine.
    (tmp_path / "tree" / "etc").mkdir(parents=True)
    (tmp_path / "tree" / "etc" / "app").symlink_to("/etc/real")
    (tmp_path / "root").symlink_to(tmp_path / "tree")
    actor, write = FileActor(str(tmp_path / "root")), WriteFile("/etc/app", b"new\n")
    actor.do(write, actor.look(write))
    assert (tmp_path / "tree" / "etc" / "real").read_bytes() == b"new\n"
    assert not os.path.lexists("/etc/real")


def test_directories_made_for_a_file_go_with_it(tmp_path: Path) -> None:
    actor, write = FileActor(str(tmp_path)), WriteFile("/etc/own/deep/file", b"new\n")
    before = actor.look(write)
    after = actor.do(write, before)
    actor.undo(write, before, after)
    assert list(tmp_path.iterdir()) == []


def test_directories_that_somebody_uses_stay(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    actor, write = FileActor(str(tmp_path)), WriteFile("/etc/own/deep/file", b"new\n")
    before = actor.look(write)
    after = actor.do(write, before)
    (tmp_path / "etc" / "own" / "theirs").write_bytes(b"")
    actor.undo(write, before, after)
    assert [path.name for path in (tmp_path / "etc" / "own").iterdir()] == ["theirs"]
