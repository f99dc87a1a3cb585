"""Twenty kinds of hostile files for each of ten things that kedoctor is given: one sentence, the right code, in bounds."""

from __future__ import annotations

import gzip
import io
import os
import random
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile import Ended, kedoctor

BUNDLE = Path(__file__).parents[2] / "fixtures" / "b-edgestream-disabled" / "cloud.tgz"
MEBIBYTE = 1 << 20


def _tgz(write: Callable[[tarfile.TarFile], object]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as tar:
        write(tar)
    return buffer.getvalue()


def _member(
    tar: tarfile.TarFile, name: str, data: bytes, kind: bytes = tarfile.REGTYPE, link: str = ""
) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(data), kind, link
    tar.addfile(info, io.BytesIO(data))


def _chained_headers(kind: bytes) -> bytes:
    head = tarfile.TarInfo("x")
    head.type, head.size = kind, 0
    return gzip.compress(head.tobuf(tarfile.USTAR_FORMAT) * 1000 + bytes(1024))


def _huge_header(text: bytes, kind: bytes = tarfile.XHDTYPE) -> bytes:
    head = tarfile.TarInfo("x")
    head.type, head.size = kind, len(text)
    padded = text + bytes(-len(text) % 512)
    return gzip.compress(
        head.tobuf(tarfile.USTAR_FORMAT) + padded + tarfile.TarInfo("y").tobuf() + bytes(1024), 1
    )


def _zeros(size: int) -> bytes:
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=1) as file:
        for _ in range(size // MEBIBYTE):
            file.write(bytes(MEBIBYTE))
    return buffer.getvalue()


def _many_objects() -> bytes:
    def write(tar: tarfile.TarFile) -> None:
        _member(tar, "list", b"[" + b'{"metadata":{}},' * 4_000_000 + b"{}]")

    return _tgz(write)


CONTENTS: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "binary": lambda: bytes(range(256)) * 64,
    "random": lambda: random.Random(1).randbytes(1 << 20),
    "nested json": lambda: b'{"a":' * 100_000,
    "nested yaml": lambda: b"- " * 20_000 + b"x",
    "alias bomb": lambda: (
        b"a: &a [x]\n"
        + b"".join(b"%c: &%c [*%c,*%c,*%c,*%c]\n" % (n + 1, n + 1, n, n, n, n) for n in range(97, 115))
    ),
    "one long line": lambda: b"token" + b"1" * (2 * MEBIBYTE),
    "cut bundle": lambda: BUNDLE.read_bytes()[:5000],
    "chained pax headers": lambda: _chained_headers(tarfile.XHDTYPE),
    "chained global headers": lambda: _chained_headers(tarfile.XGLTYPE),
    "chained long names": lambda: _chained_headers(tarfile.GNUTYPE_LONGNAME),
    "header of digits": lambda: _huge_header(b"1" * (1 << 20)),
    "huge long name": lambda: _huge_header(bytes(64 * MEBIBYTE), tarfile.GNUTYPE_LONGNAME),
    "gzip bomb": lambda: _zeros(400 * MEBIBYTE),
    "device in a tar": lambda: _tgz(lambda tar: _member(tar, "x", b"", tarfile.CHRTYPE)),
    "link in a tar": lambda: _tgz(lambda tar: _member(tar, "x", b"", tarfile.SYMTYPE, "/etc/shadow")),
    "many objects": _many_objects,
}
PLACES: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "zeros": lambda path: path.symlink_to("/dev/zero"),
    "loop": lambda path: path.symlink_to(path),
    "huge": lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), 1 << 33),
}
KINDS = [*CONTENTS, *PLACES]
CASES = [
    (use, kind)
    for use in (
        "evidence",
        "baseline",
        "configuration",
        "comparison",
        "offline bundle",
        "log",
        "kubeconfig",
        "token",
        "authority",
        "kept run",
    )
    for kind in KINDS
]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of them, made once."""
    directory = tmp_path_factory.mktemp("hostile")
    for name, make in CONTENTS.items():
        (directory / name).write_bytes(make())
    for name, put in PLACES.items():
        put(directory / name)
    return directory


def _kubeconfig(tmp_path: Path, user: str = "{}", cluster: str = "") -> str:
    path = tmp_path / "config"
    path.write_text(
        "{current-context: a, contexts: [{name: a, context: {cluster: a, user: a}}],"
        f" clusters: [{{name: a, cluster: {{server: 'https://127.0.0.1:1'{cluster}}}}}],"
        f" users: [{{name: a, user: {user}}}]}}",
        encoding="utf-8",
    )
    return str(path)


def _in_state(path: Path, tmp_path: Path) -> Ended:
    runs = tmp_path / "state" / "runs"
    runs.mkdir(parents=True)
    (runs / "20260101T000000Z-0000.json").symlink_to(path)
    return kedoctor("history")


_ONE = ("--side", "edge", "--only", "KE101", "--root")
USES: dict[str, tuple[Callable[[Path, Path], Ended], tuple[int, ...]]] = {
    "evidence": (lambda path, _: kedoctor("run", "--bundle", str(path)), (78, 64)),
    "baseline": (lambda path, _: kedoctor("run", "--bundle", str(BUNDLE), "--baseline", str(path)), (78,)),
    "configuration": (lambda path, _: kedoctor("list", "--config", str(path)), (78, 0)),
    "comparison": (lambda path, _: kedoctor("diff", str(path), str(path)), (78,)),
    "offline bundle": (lambda path, _: kedoctor("bundle", "verify", str(path)), (78, 1)),
    "log": (lambda path, _: kedoctor("explain", "-f", str(path)), (0, 1, 3, 78)),
    "kubeconfig": (lambda path, tmp: kedoctor("run", *_ONE, str(tmp), "--kubeconfig", str(path)), (78,)),
    "token": (
        lambda path, tmp: kedoctor(
            "run", *_ONE, str(tmp), "--kubeconfig", _kubeconfig(tmp, f"{{tokenFile: '{path}'}}")
        ),
        (0, 1, 3, 78),
    ),
    "authority": (
        lambda path, tmp: kedoctor(
            "run",
            *_ONE,
            str(tmp),
            "--kubeconfig",
            _kubeconfig(tmp, cluster=f", certificate-authority: '{path}'"),
        ),
        (0, 1, 3, 78),
    ),
    "kept run": (_in_state, (0,)),
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("use", "kind"), CASES)
def test_a_hostile_file_is_told_in_bounds(use: str, kind: str, hostile: Path, tmp_path: Path) -> None:
    work, codes = USES[use]
    ended = work(hostile / kind, tmp_path)
    ended.must_be_civil(*codes)
    assert len(ended.err.splitlines()) <= 12, ended.err
