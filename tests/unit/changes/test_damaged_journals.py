"""Journals that are damaged in forty ways: every command says so, none takes them for nothing, none ends with 70."""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import toyhands
from hostile import kedoctor

from kedoctor.base.records import encode
from kedoctor.changes.executor import execute, prepare
from kedoctor.changes.journal import Event, Journal, JournalEntry, Phase
from kedoctor.changes.journal_records import JournalStep
from kedoctor.changes.signals import deferred
from kedoctor.model.actions.files import WriteFile

SOMEBODY = 12345
Damage = Callable[[Path], object]


def _plan(change: Callable[[bytes], bytes]) -> Damage:
    return lambda entry: (entry / "plan.json").write_bytes(change((entry / "plan.json").read_bytes()))


def _log(change: Callable[[bytes], bytes]) -> Damage:
    return lambda entry: (entry / "log").write_bytes(change((entry / "log").read_bytes()))


def _line(step: JournalStep) -> bytes:
    body = encode(step)
    return b"%d %08x %s\n" % (len(body), zlib.crc32(body), body)


def _replaced(name: str, make: Callable[[Path], object]) -> Damage:
    def damage(entry: Path) -> None:
        (entry / name).unlink()
        make(entry / name)

    return damage


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 33)


def _swapped(old: bytes, new: bytes) -> Damage:
    return _plan(lambda data: data.replace(old, new, 1))


DAMAGES: dict[str, Damage] = {
    "plan empty": _plan(lambda _: b""),
    "plan cut": _plan(lambda data: data[: len(data) // 2]),
    "plan binary": _plan(lambda _: bytes(range(256)) * 64),
    "plan of another kind": _plan(lambda _: b'{"kind": "Secret"}'),
    "plan a list": _plan(lambda _: b"[" * 100_000),
    "plan nested": _plan(lambda _: b'{"a":' * 50_000),
    "plan newer": _plan(
        lambda data: (
            data[:-1] + b',"format":99}'
            if b'"format"' not in data
            else data.replace(b'"format":1', b'"format":99')
        )
    ),
    "plan with an unknown action": _swapped(b'"act":"WriteFile"', b'"act":"EraseDisk"'),
    "plan of another entry": _swapped(b'"id":"', b'"id":"x'),
    "plan with an escape for an id": _swapped(b'"id":"', b'"id":"\\u001b[2J'),
    "plan without a time zone": _plan(lambda data: data.replace(b'Z","command"', b'","command"', 1)),
    "plan with too few states": _plan(lambda data: data.replace(b'"previewed":[', b'"previewed":["x",', 1)),
    "plan with too many diffs": _plan(lambda data: data.replace(b'"diffs":[', b'"diffs":["x",', 1)),
    "plan gone": lambda entry: (entry / "plan.json").unlink(),
    "plan a pipe": _replaced("plan.json", os.mkfifo),
    "plan a link to /dev/zero": _replaced("plan.json", lambda path: path.symlink_to("/dev/zero")),
    "plan a link to itself": _replaced("plan.json", lambda path: path.symlink_to(path)),
    "plan a link to a file": _replaced("plan.json", lambda path: path.symlink_to("/etc/passwd")),
    "plan a directory": _replaced("plan.json", Path.mkdir),
    "plan huge": _replaced("plan.json", _huge),
    "plan a device": _replaced(
        "plan.json", lambda path: os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))
    ),
    "log gone": lambda entry: (entry / "log").unlink(),
    "log empty": _log(lambda _: b""),
    "log cut at a line": _log(lambda data: b"\n".join(data.split(b"\n")[:-2]) + b"\n"),
    "log cut in half": _log(lambda data: data[: len(data) // 2]),
    "log with a line flipped": _log(lambda data: data.replace(b"a", b"b", 1)),
    "log begun with nonsense": _log(lambda data: b"9 00000000 nonsense!\n" + data),
    "log of zeros": _log(lambda data: b"\0" * len(data)),
    "log of another plan": _log(lambda _: _line(JournalStep(Event.START, 900, datetime.now(UTC)))),
    "log with a negative index": _log(lambda _: _line(JournalStep(Event.START, -1, datetime.now(UTC)))),
    "log with a start of nothing": _log(lambda _: _line(JournalStep(Event.START, 0, datetime.now(UTC)))),
    "log that ends what never began": _log(lambda _: _line(JournalStep(Event.DONE, 0, datetime.now(UTC)))),
    "log a pipe": _replaced("log", os.mkfifo),
    "log a link": _replaced("log", lambda path: path.symlink_to("/etc/passwd")),
    "log a directory": _replaced("log", Path.mkdir),
    "log huge": _replaced("log", _huge),
    "entry a file": lambda entry: (entry.rename(entry.with_name("aside.new")), entry.write_bytes(b"x")),
    "entry a link": lambda entry: entry.symlink_to(entry.rename(entry.with_name("aside.new"))),
    "entry of an unknown phase": lambda entry: entry.rename(entry.with_suffix(".paused")),
    "entry with an escape in its name": lambda entry: entry.rename(entry.with_name("\x1b[2J.done")),
    "entry that others can write": lambda entry: entry.chmod(0o777),
    "entry of somebody else": lambda entry: os.chown(entry, SOMEBODY, SOMEBODY),
}


def _site(tmp_path: Path) -> tuple[Path, Path, JournalEntry]:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/app").write_bytes(b"old\n")
    hands, journal = toyhands.actors(str(root)), Journal(tmp_path / "state" / "journal")
    with deferred() as stop:
        prepared = prepare(hands, [WriteFile("/etc/app", b"new\n")])
        entry = execute(journal, hands, prepared, codes=["TOY1"], command="t", stop=stop, tell=lambda _: None)
    entry.become(Phase.DONE)
    return root, journal.directory, entry


@pytest.mark.timeout(300)
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make devices and give files to somebody else")
@pytest.mark.parametrize("name", list(DAMAGES))
def test_a_damaged_journal_is_told_and_kept_by_every_command(name: str, tmp_path: Path) -> None:
    root, directory, entry = _site(tmp_path)
    DAMAGES[name](entry.directory)
    before = sorted(path.name for path in directory.iterdir() if path.suffix != ".new")
    for words in (["rollback", "--root", str(root)], ["rollback", entry.id, "--root", str(root)]):
        ended = kedoctor(*words)
        ended.must_be_civil(4)
        assert "was rolled back" not in ended.out
    assert (root / "etc/app").read_bytes() == b"new\n"
    listed = kedoctor("rollback", "--list")
    listed.must_be_civil(0, 3)
    assert "has changed nothing" not in listed.out
    if not name.startswith("log"):  # of a log nothing is listed
        assert listed.code == 3
        assert listed.err
        assert str(directory.parent) in kedoctor("history").err
    left = {path.stem for path in directory.iterdir() if path.suffix != ".new"} - {"lock"}
    assert left == {Path(one).stem for one in before} - {"lock"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give directories to somebody else")
@pytest.mark.parametrize("which", ["state", "state/journal"])
def test_root_does_not_obey_a_journal_that_somebody_else_owns(which: str, tmp_path: Path) -> None:
    root, _, entry = _site(tmp_path)
    os.chown(tmp_path / which, SOMEBODY, SOMEBODY)
    for words in (["rollback"], ["rollback", entry.id], ["rollback", "--list"]):
        ended = kedoctor(*words, "--root", str(root))
        ended.must_be_civil(4)
        assert "not owned by root" in ended.err
    assert (root / "etc/app").read_bytes() == b"new\n"


@pytest.mark.parametrize("kind", ["pipe", "link", "directory", "device"])
def test_a_lock_that_is_no_plain_file_is_not_opened(kind: str, tmp_path: Path) -> None:
    root, directory, _ = _site(tmp_path)
    lock, victim = directory / "lock", tmp_path / "victim"
    victim.write_bytes(b"precious")
    lock.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(lock)
    elif kind == "link":
        lock.symlink_to(victim)
    elif kind == "directory":
        lock.mkdir()
    else:
        os.mknod(lock, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    ended = kedoctor("rollback", "--root", str(root))
    ended.must_be_civil(4)
    assert "lock" in ended.err
    assert (victim.read_bytes(), (root / "etc/app").read_bytes()) == (b"precious", b"new\n")
