import os
import socket
import stat
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kedoctor.base.records import encode
from kedoctor.model.observations.files import File, FileMetadata, Files, FindFiles, ReadFile, StatFile
from kedoctor.model.observations.request import Reason, Unavailable
from kedoctor.observe.live.files import FileTree

unprivileged = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/plain").write_text("hello")
    (tmp_path / "etc/plain").chmod(0o640)
    return tmp_path


def read(root: Path | str, path: str, **options: object) -> File:
    answer = FileTree(str(root)).read(ReadFile(path, **options))  # type: ignore[arg-type]
    assert isinstance(answer, File), answer
    return answer


def unread(root: Path | str, path: str) -> Unavailable:
    answer = FileTree(str(root)).read(ReadFile(path))
    assert isinstance(answer, Unavailable), answer
    return answer


def found(root: Path, pattern: str, limit: int = 500) -> list[str]:
    answer = FileTree(str(root)).find(FindFiles(pattern, limit))
    assert isinstance(answer, Files), answer
    return [entry.path for entry in answer.entries]


def test_a_file_below_the_root(site: Path) -> None:
    answer = read(site, "/etc/plain")
    assert (answer.data, answer.truncated) == (b"hello", False)
    seen = answer.metadata
    assert (seen.path, seen.kind, seen.mode, seen.size) == ("/etc/plain", "file", 0o640, 5)
    assert (seen.uid, seen.gid) == (os.geteuid(), os.getegid())
    assert abs((datetime.now(UTC) - seen.modified).total_seconds()) < 60


@pytest.mark.parametrize(
    ("limit", "from_end", "data", "truncated"),
    [
        (3, False, b"hel", True),
        (5, False, b"hello", False),
        (3, True, b"llo", True),
        (5, True, b"hello", False),
        (0, False, b"", True),
    ],
)
def test_only_so_much_is_read(
    site: Path, limit: int, data: bytes, *, from_end: bool, truncated: bool
) -> None:
    answer = read(site, "/etc/plain", limit=limit, from_end=from_end)
    assert (answer.data, answer.truncated) == (data, truncated)


def test_an_empty_file_is_empty(site: Path) -> None:
    (site / "empty").touch()
    assert read(site, "/empty").data == b""


def test_a_file_of_the_kernel_that_claims_no_size() -> None:
    answer = read("/", "/proc/self/status")
    assert b"Pid:" in answer.data
    assert answer.metadata.size == 0
    tail = read("/", "/proc/self/status", limit=20, from_end=True)
    assert len(tail.data) == 20
    assert tail.data.endswith(b"\n")
    assert tail.truncated


def test_absolute_links_stay_below_the_root(site: Path) -> None:
    (site / "link").symlink_to("/etc/plain")
    (site / "way").symlink_to("/etc")
    (site / "up").symlink_to("../../../../etc/plain")
    for path in ("/link", "/way/plain", "/up", "/etc/../../../link"):
        assert read(site, path).data == b"hello"


def test_a_link_to_the_host_does_not_leave_the_root(site: Path) -> None:
    (site / "passwd").symlink_to("/etc/passwd")
    answer = unread(site, "/passwd")
    assert answer.reason is Reason.ABSENT
    assert "link to /etc/passwd" in answer.detail


def test_links_in_a_circle(site: Path) -> None:
    (site / "a").symlink_to("b")
    (site / "b").symlink_to("a")
    assert unread(site, "/a").reason is Reason.INVALID
    assert unread("/", f"{site}/a").reason is Reason.INVALID
    assert "circle" in unread("/", f"{site}/a").detail


def test_what_is_not_there(site: Path) -> None:
    assert unread(site, "/etc/none").reason is Reason.ABSENT
    below_a_file = unread(site, "/etc/plain/x")
    assert below_a_file.reason is Reason.ABSENT
    assert "not a directory" in below_a_file.detail


@pytest.mark.parametrize("path", ["etc/plain", "", "/etc/\0plain", "/" + "x" * 5000])
def test_what_is_no_path(site: Path, path: str) -> None:
    assert unread(site, path).reason is Reason.INVALID


def test_directories_fifos_sockets_and_devices_are_not_read(site: Path) -> None:
    os.mkfifo(site / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(site / "socket"))
    started = time.monotonic()
    for path, kind in (("/etc", "directory"), ("/fifo", "fifo"), ("/socket", "socket")):
        answer = unread(site, path)
        assert answer.reason is Reason.INVALID
        assert kind in answer.detail
    assert "device" in unread("/", "/dev/zero").detail
    assert time.monotonic() - started < 1


def test_looking_at_a_fifo_does_not_wake_its_writer(site: Path) -> None:
    os.mkfifo(site / "fifo")
    woken = threading.Event()

    def write() -> None:
        with (site / "fifo").open("wb"):
            woken.set()

    writer = threading.Thread(target=write)
    writer.start()
    time.sleep(0.05)
    unread(site, "/fifo")
    assert not woken.wait(0.1)
    os.close(os.open(site / "fifo", os.O_RDONLY | os.O_NONBLOCK))
    writer.join()


def test_a_disk_that_fails() -> None:
    answer = unread("/", "/proc/self/mem")  # nothing is mapped at address 0
    assert answer.reason is Reason.ERROR
    assert "input/output error" in answer.detail


@unprivileged
def test_what_may_not_be_read(site: Path) -> None:
    (site / "secret").mkdir(mode=0o700)
    (site / "secret/key").write_text("x")
    (site / "etc/plain").chmod(0o600)
    for parent in [site, *site.parents][:-2]:
        parent.chmod(0o755)
    os.seteuid(65534)
    try:
        answer = unread(site, "/secret/key")
        hidden = FileTree(str(site)).find(FindFiles("/secret/*"))
        plain = unread(site, "/etc/plain")
    finally:
        os.seteuid(0)
    assert answer.reason is Reason.PERMISSION
    assert plain.reason is Reason.PERMISSION
    assert "uid 65534" in plain.detail
    assert isinstance(hidden, Unavailable)
    assert hidden.reason is Reason.PERMISSION


def test_a_path_is_described_without_following_it(site: Path) -> None:
    (site / "link").symlink_to("/nowhere/at/all")
    tree = FileTree(str(site))
    link = tree.stat(StatFile("/link"))
    assert isinstance(link, FileMetadata)
    assert (link.kind, link.link_target, link.path) == ("link", "/nowhere/at/all", "/link")
    folder = tree.stat(StatFile("/etc"))
    assert isinstance(folder, FileMetadata)
    assert folder.kind == "directory"
    absent = tree.stat(StatFile("/none"))
    assert isinstance(absent, Unavailable)
    assert absent.reason is Reason.ABSENT


def test_devices_are_described() -> None:
    answer = FileTree().stat(StatFile("/dev/null"))
    assert isinstance(answer, FileMetadata)
    assert answer.kind == "device"
    assert answer.mode == stat.S_IMODE(os.stat("/dev/null").st_mode)  # noqa: PTH116


def test_a_glob(site: Path) -> None:
    for name in ("b.crt", "a.crt", "c.key", ".hidden.crt"):
        (site / "etc" / name).touch()
    assert found(site, "/etc/*.crt") == ["/etc/a.crt", "/etc/b.crt"]
    assert found(site, "/etc/.*.crt") == ["/etc/.hidden.crt"]
    assert found(site, "/e*/[bc].*") == ["/etc/b.crt", "/etc/c.key"]
    assert found(site, "/etc/plain") == ["/etc/plain"]
    assert found(site, "/*/none") == []
    assert found(site, "/none/*") == []
    assert found(site, "/etc/plain/*") == []


def test_a_glob_is_limited(site: Path) -> None:
    for number in range(12):
        (site / f"file{number:02}").touch()
    answer = FileTree(str(site)).find(FindFiles("/file*", 10))
    assert isinstance(answer, Files)
    assert answer.truncated
    assert [entry.path for entry in answer.entries] == [f"/file{number:02}" for number in range(10)]
    exactly = FileTree(str(site)).find(FindFiles("/file*", 12))
    assert isinstance(exactly, Files)
    assert not exactly.truncated


def test_a_glob_over_processes_that_come_and_go() -> None:
    answer = FileTree().find(FindFiles("/proc/[0-9]*/comm", 100_000))
    assert isinstance(answer, Files)
    assert f"/proc/{os.getpid()}/comm" in [entry.path for entry in answer.entries]


def test_names_that_are_not_utf8(site: Path) -> None:
    name = os.fsencode(site) + b"/etc/\xffname"
    os.close(os.open(name, os.O_CREAT | os.O_WRONLY))
    os.symlink(b"\xfe", name + b"-link")  # noqa: PTH211  a Path is text
    answer = FileTree(str(site)).find(FindFiles("/etc/*name*"))
    assert isinstance(answer, Files)
    assert [(entry.path, entry.link_target) for entry in answer.entries] == [
        (r"/etc/\xffname", ""),
        (r"/etc/\xffname-link", r"\xfe"),
    ]
    encode(answer)


def test_a_time_that_no_date_can_say(site: Path) -> None:
    os.utime(site / "etc/plain", (1 << 33, 1 << 33))
    assert read(site, "/etc/plain").metadata.modified.year > 2200
