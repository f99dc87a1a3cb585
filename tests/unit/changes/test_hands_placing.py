"""Large files put in place and directories moved aside: whole or not at all, and back again."""

from __future__ import annotations

import hashlib
import os
import signal
from pathlib import Path

import pytest

from kedoctor.base import failpoints
from kedoctor.base.atomic_files import draft
from kedoctor.base.directories import held
from kedoctor.changes.actors.programs_in_place import MoveActor, PlaceActor
from kedoctor.model.actions.files import MoveAside, PlaceFile
from kedoctor.model.actors import ConflictError, RefusedError

NEW = b"\x7fELF" + bytes(range(256)) * 9000


@pytest.fixture
def source(tmp_path: Path) -> Path:
    place = tmp_path / "bundle"
    place.write_bytes(NEW)
    return place


def action(tmp_path: Path, source: Path, digest: str = "") -> PlaceFile:
    wanted = digest or hashlib.sha256(NEW).hexdigest()
    return PlaceFile(str(tmp_path / "usr/local/bin/tool"), str(source), wanted)


def test_a_new_file_and_its_directories_come_and_go(tmp_path: Path, source: Path) -> None:
    hand, wanted = PlaceActor(), action(tmp_path, source)
    before = hand.look(wanted)
    ahead = hand.preview(wanted, before)
    assert ahead.changes
    assert f"({len(NEW)} bytes, mode 0755)" in ahead.diff
    after = hand.do(wanted, before)
    place = Path(wanted.path)
    assert (place.read_bytes(), place.stat().st_mode & 0o7777) == (NEW, 0o755)
    assert after.fingerprint == ahead.fingerprint
    assert after.data == b""  # nothing of it goes into the journal
    assert not hand.preview(wanted, after).changes
    hand.undo(wanted, before, after)
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_the_old_file_is_kept_and_put_back(tmp_path: Path, source: Path) -> None:
    hand, wanted = PlaceActor(), action(tmp_path, source)
    place = Path(wanted.path)
    place.parent.mkdir(parents=True)
    place.write_bytes(b"old")
    place.chmod(0o700)
    inode, before = place.stat().st_ino, hand.look(wanted)
    assert "kept beside it" in hand.preview(wanted, before).diff
    after = hand.do(wanted, before)
    assert place.read_bytes() == NEW
    hand.undo(wanted, before, after)
    assert (place.read_bytes(), place.stat().st_ino, place.stat().st_mode & 0o777) == (b"old", inode, 0o700)
    assert [path.name for path in place.parent.iterdir()] == ["tool"]


def test_another_file_than_the_one_that_was_looked_at_is_refused(tmp_path: Path, source: Path) -> None:
    hand, wanted = PlaceActor(), action(tmp_path, source, "0" * 64)
    with pytest.raises(RefusedError, match="is not the file that was looked at"):
        hand.do(wanted, hand.look(wanted))
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_what_somebody_else_put_there_is_left_alone(tmp_path: Path, source: Path) -> None:
    hand, wanted = PlaceActor(), action(tmp_path, source)
    before = hand.look(wanted)
    after = hand.do(wanted, before)
    Path(wanted.path).write_bytes(b"theirs")
    for call in (lambda: hand.undo(wanted, before, after), lambda: hand.do(wanted, before)):
        with pytest.raises(ConflictError):
            call()
    assert Path(wanted.path).read_bytes() == b"theirs"


@pytest.mark.parametrize("number", range(1, 6))
def test_a_full_disk_leaves_everything_as_it_was(
    tmp_path: Path, source: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand, wanted = PlaceActor(), action(tmp_path, source)
    place = Path(wanted.path)
    place.parent.mkdir(parents=True)
    place.write_bytes(b"old")
    before = hand.look(wanted)
    monkeypatch.setattr(failpoints, "_reached", 0)
    monkeypatch.setenv("KEDOCTOR_FAILPOINT", f"{number}:ENOSPC")
    with pytest.raises(RefusedError, match=r"No space left on device") as caught:
        hand.do(wanted, before)
    monkeypatch.delenv("KEDOCTOR_FAILPOINT")
    assert caught.value.hint == "the disk is full"
    assert place.read_bytes() == b"old"
    assert not [one.name for one in place.parent.iterdir() if one.name.startswith(".kedoctor-")]


def test_a_half_written_copy_is_tidied_away(tmp_path: Path, source: Path) -> None:
    hand, wanted = PlaceActor(), action(tmp_path, source)
    hand.tidy(wanted)  # its directory is not even there
    Path(wanted.path).parent.mkdir(parents=True)
    with held(wanted.path) as place:
        killed = os.fork()
        if killed == 0:
            with draft(place) as half:
                half.file.write(NEW[:100])
                os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(killed, 0)
        (left,) = Path(wanted.path).parent.iterdir()
        hand.tidy(wanted)
    assert not left.exists()


def test_a_directory_moves_aside_and_back(tmp_path: Path) -> None:
    home, aside, hand = tmp_path / "etc", tmp_path / "etc.aside", MoveActor()
    (home / "deep").mkdir(parents=True)
    (home / "deep/file").write_bytes(b"1")
    wanted = MoveAside(str(home), str(aside))
    before = hand.look(wanted)
    after = hand.do(wanted, before)
    assert (aside / "deep/file").read_bytes() == b"1"
    assert not home.exists()
    assert not hand.preview(wanted, after).changes
    hand.undo(wanted, before, after)
    assert (home / "deep/file").read_bytes() == b"1"
    aside.mkdir()
    with pytest.raises(RefusedError, match=r"there is a .*etc\.aside already"):
        hand.look(wanted)
