"""The one writer of files: nobody can turn it elsewhere, it destroys nobody's edit, and nothing else writes."""

from __future__ import annotations

import ast
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from kedoctor.base import atomic_files, renames
from kedoctor.base.atomic_files import (
    ChangedMeanwhileError,
    create_file,
    draft,
    make_directory,
    remove_expected,
    replace_file,
)
from kedoctor.base.directories import Place, PlaceError, held
from kedoctor.base.report_files import write_report
from kedoctor.changes.actors.files import FileActor
from kedoctor.model.actions.action import Action
from kedoctor.model.actions.files import ChangeMode, RemoveFile, WriteFile
from kedoctor.model.actors import ConflictError, RefusedError

SOMEBODY = 12345
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to somebody else")


def _theirs(path: Path) -> Path:
    os.chown(path, SOMEBODY, SOMEBODY, follow_symlinks=False)
    return path


def _names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


# ------------------------------------------------------------------------------------- what a neighbour plants


@AS_ROOT
@pytest.mark.parametrize(
    "kind", ["link to a file", "link to nothing", "link on the way", "hard link to a link"]
)
def test_a_report_does_not_follow_a_link_that_somebody_else_planted(tmp_path: Path, kind: str) -> None:
    public, victim = tmp_path / "public", tmp_path / "victim"
    public.mkdir(mode=0o777)
    public.chmod(0o1777)
    victim.write_bytes(b"precious")
    target = public / "report.json"
    if kind == "link to a file":
        _theirs_link(target, victim)
    elif kind == "link to nothing":
        _theirs_link(target, tmp_path / "new")
    elif kind == "link on the way":
        _theirs_link(public / "way", tmp_path)
        target = public / "way" / "victim"
    else:
        (tmp_path / "own").symlink_to(victim)
        os.link(tmp_path / "own", target, follow_symlinks=False)
    with pytest.raises(PlaceError, match="is not followed"):
        write_report(target, b"report")
    assert victim.read_bytes() == b"precious"
    assert not (tmp_path / "new").exists()


def _theirs_link(path: Path, target: Path) -> None:
    path.symlink_to(target)
    _theirs(path)


@AS_ROOT
def test_what_somebody_else_put_there_to_be_written_to_is_refused(tmp_path: Path) -> None:
    public = tmp_path / "public"
    public.mkdir()
    public.chmod(0o1777)
    (public / "file").touch()
    _theirs(public / "file")
    os.mkfifo(public / "pipe")
    _theirs(public / "pipe")
    os.mknod(public / "disk", stat.S_IFBLK | 0o600, os.makedev(7, 250))
    for name in ("file", "pipe", "disk"):
        with pytest.raises(OSError, match=r"belongs to|neither|No such device"):
            write_report(public / name, b"report")
    assert (public / "file").read_bytes() == b""


def test_a_pipe_that_nobody_reads_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="No such device"):
        write_report(tmp_path / "pipe", b"report")


def test_a_new_report_is_its_owners_only_and_an_old_one_keeps_owner_mode_and_links(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    write_report(report, b"1")
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    report.chmod(0o644)
    (tmp_path / "link").symlink_to("report.json")
    if os.geteuid() == 0:
        _theirs(report)
        _theirs(tmp_path)
    write_report(tmp_path / "link", b"2")
    facts = report.stat()
    assert (report.read_bytes(), stat.S_IMODE(facts.st_mode)) == (b"2", 0o644)
    assert (tmp_path / "link").is_symlink()
    assert facts.st_uid == (SOMEBODY if os.geteuid() == 0 else os.geteuid())


def test_a_full_device_and_a_closed_pipe_are_errors_and_no_file_takes_their_place() -> None:
    with pytest.raises(OSError, match="No space left"):
        write_report(Path("/dev/full"), b"report")
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)


@AS_ROOT
@pytest.mark.parametrize("how", ["owned", "writable", "sticky", "group", "above"])
def test_root_edits_nothing_where_others_can_turn_it(tmp_path: Path, how: str) -> None:
    etc = tmp_path / "site" / "etc"
    etc.mkdir(parents=True)
    (etc / "app").write_bytes(b"old\n")
    if how == "owned":
        _theirs(etc)
    elif how == "above":
        _theirs(etc.parent)
    elif how == "group":
        os.chown(etc, 0, SOMEBODY)
        etc.chmod(0o775)
    else:
        etc.chmod(0o1777 if how == "sticky" else 0o777)
    actor = FileActor(str(tmp_path))
    for action in (
        WriteFile("/site/etc/app", b"new\n"),
        RemoveFile("/site/etc/app"),
        ChangeMode("/site/etc/app", 0o600),
    ):
        with pytest.raises(RefusedError, match="a directory on its way"):
            actor.look(action)
    with pytest.raises(PlaceError):
        create_file(etc / "loan", b"secret")
    with pytest.raises(PlaceError):
        replace_file(etc / "app", b"new")
    assert (_names(etc), (etc / "app").read_bytes()) == (["app"], b"old\n")


@AS_ROOT
def test_a_state_directory_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    _theirs(tmp_path / "state")
    with pytest.raises(PlaceError, match="not owned by root"):
        make_directory(tmp_path / "state" / "journal")
    with pytest.raises(PlaceError):
        make_directory(tmp_path / "state")


def test_a_planted_temporary_name_is_never_the_one_that_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic_files.secrets, "token_hex", lambda _: "guessed")
    with held(tmp_path / "app") as place:
        guessed = f"{atomic_files._prefix(place.name)}guessed"
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    for plant in (
        lambda: (tmp_path / guessed).symlink_to(victim),
        lambda: os.link(victim, tmp_path / guessed),
        lambda: os.mkfifo(tmp_path / guessed),
    ):
        plant()
        with pytest.raises(FileExistsError):
            replace_file(tmp_path / "app", b"new")
        (tmp_path / guessed).unlink()
    assert victim.read_bytes() == b"precious"


def test_hard_links_are_told_and_keep_the_old_content(tmp_path: Path) -> None:
    (tmp_path / "app").write_bytes(b"old\n")
    os.link(tmp_path / "app", tmp_path / "other")
    actor, write = FileActor(str(tmp_path)), WriteFile("/app", b"new\n")
    before = actor.look(write)
    assert "1 other name(s) (hard links)" in actor.preview(write, before).diff
    actor.do(write, before)
    assert ((tmp_path / "app").read_bytes(), (tmp_path / "other").read_bytes()) == (b"new\n", b"old\n")


# ---------------------------------------------------------------------------------- an edit in every window


def _in_place(path: Path) -> None:
    path.write_bytes(b"mine\n")


def _by_rename(path: Path) -> None:
    path.with_name("editor").write_bytes(b"mine\n")
    path.with_name("editor").rename(path)


WINDOWS = ("draft made", "synced", "compared", "exchanged", "put in place")


def _at(window: str, edit: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets ``edit`` happen once in a window of the writing."""
    done: list[bool] = []

    def once() -> None:
        if not done:
            done.append(True)
            edit()

    if window in ("draft made", "synced", "put in place"):
        number = {"draft made": 1, "synced": 2, "put in place": 4}[window]
        reached: list[int] = []

        def reach() -> None:
            reached.append(1)
            if len(reached) == number:
                once()

        monkeypatch.setattr(atomic_files, "reach", reach)
        return
    real = renames.exchange

    def exchange(first: str, second: str, directory: int) -> bool:
        if window == "compared":
            once()
        swapped = real(first, second, directory)
        if window == "exchanged":
            once()
        return swapped

    monkeypatch.setattr(atomic_files, "exchange", exchange)


@pytest.mark.parametrize("edit", [_in_place, _by_rename])
@pytest.mark.parametrize("window", WINDOWS)
def test_an_edit_in_every_window_between_look_and_rename_is_kept(
    tmp_path: Path, window: str, edit: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = tmp_path / "app"
    app.write_bytes(b"old\n")
    actor, write = FileActor(str(tmp_path)), WriteFile("/app", b"new\n")
    before = actor.look(write)
    _at(window, lambda: edit(app), monkeypatch)
    if window in ("exchanged", "put in place"):
        # kedoctor's file was in place already: the edit was made to that; the rollback finds it, if not the repair itself.
        with pytest.raises(ConflictError):
            actor.undo(write, before, actor.do(write, before))
    else:
        with pytest.raises(ConflictError):
            actor.do(write, before)
    assert app.read_bytes() == b"mine\n"
    assert _names(tmp_path) == ["app"]


@pytest.mark.parametrize(
    "action", [WriteFile("/app", b"new\n"), RemoveFile("/app"), ChangeMode("/app", 0o600)]
)
@pytest.mark.parametrize("supported", [True, False])
def test_an_edit_before_the_last_look_is_kept_whatever_the_kernel_can(
    tmp_path: Path, action: Action, supported: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not supported:
        monkeypatch.setattr(renames, "_library", lambda: (None, None))
    app = tmp_path / "app"
    app.write_bytes(b"old\n")
    actor = FileActor(str(tmp_path))
    before = actor.look(action)
    app.chmod(0o640)
    app.write_bytes(b"mine\n")
    with pytest.raises(ConflictError):
        actor.do(action, before)
    assert (app.read_bytes(), stat.S_IMODE(app.stat().st_mode)) == (b"mine\n", 0o640)
    now = actor.look(action)
    after = actor.do(action, now)
    actor.undo(action, now, after)
    assert (app.read_bytes(), stat.S_IMODE(app.stat().st_mode)) == (b"mine\n", 0o640)
    assert _names(tmp_path) == ["app"]


@pytest.mark.parametrize("supported", [True, False])
def test_a_file_that_somebody_makes_meanwhile_is_kept(
    tmp_path: Path, supported: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not supported:
        monkeypatch.setattr(renames, "_library", lambda: (None, None))
    actor, write = FileActor(str(tmp_path)), WriteFile("/app", b"new\n")
    before = actor.look(write)
    _at("synced", lambda: _in_place(tmp_path / "app"), monkeypatch)
    with pytest.raises(ConflictError):
        actor.do(write, before)
    assert (tmp_path / "app").read_bytes() == b"mine\n"
    assert _names(tmp_path) == ["app"]


def test_an_edit_at_the_last_moment_of_a_removal_is_put_back(tmp_path: Path) -> None:
    app = tmp_path / "app"
    app.write_bytes(b"old\n")
    looks: list[str] = []

    def expected(name: str) -> bool:
        looks.append(name)
        if len(looks) == 1:
            return True
        (tmp_path / name).write_bytes(b"mine\n")
        return False

    with held(app) as place, pytest.raises(ChangedMeanwhileError):
        remove_expected(place, expected)
    assert (app.read_bytes(), _names(tmp_path)) == (b"mine\n", ["app"])


def test_a_directory_that_is_swapped_meanwhile_is_not_written_into(tmp_path: Path) -> None:
    etc, aside = tmp_path / "etc", tmp_path / "aside"
    etc.mkdir()
    with held(etc / "app") as place, draft(place) as new:
        new.file.write(b"new\n")
        etc.rename(aside)
        etc.mkdir()
        (etc / "app").write_bytes(b"theirs")
        new.commit()
    assert ((etc / "app").read_bytes(), (aside / "app").read_bytes()) == (b"theirs", b"new\n")


def test_a_refused_write_leaves_nothing(tmp_path: Path) -> None:
    def fail(place: Place) -> None:
        with draft(place) as new:
            new.file.write(b"half")
            raise OSError(28, "No space left on device")

    with held(tmp_path / "app") as place, pytest.raises(OSError, match="No space"):
        fail(place)
    assert _names(tmp_path) == []


# --------------------------------------------------------------------------------------------- nothing else

WRITERS = {
    "kedoctor/base/atomic_files.py": "the one writer",
    "kedoctor/changes/lock.py": "a lock is held, not written whole",
    "kedoctor/changes/actors/nat_legacy.py": "the lock of iptables",
    "kedoctor/observe/live/tls.py": "a key in memory, where there is no memfd",
}
_WRITING_CALLS = {"write_text", "write_bytes", "NamedTemporaryFile", "mkstemp", "touch", "hardlink_to"}


def test_nothing_else_in_kedoctor_writes_a_file() -> None:
    root = Path(__file__).parents[3]
    found = {
        str(path.relative_to(root))
        for room in ("kedoctor", "checks", "reports")
        for path in (root / room).rglob("*.py")
        if path.is_file()
        and not {"kedoctor/checks", "kedoctor/reports"} & {"/".join(path.relative_to(root).parts[:2])}
        if _writes(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert found == set(WRITERS)


def _writes(tree: ast.Module) -> bool:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in {"O_CREAT", *_WRITING_CALLS}:
            return True
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == "open":
            modes = [
                one.value
                for one in [*node.args, *(k.value for k in node.keywords)]
                if isinstance(one, ast.Constant)
            ]
            if any(
                isinstance(mode, str) and mode[:1] in ("w", "a", "x") and set(mode) <= set("wabx+t")
                for mode in modes
            ):
                return True
    return False
