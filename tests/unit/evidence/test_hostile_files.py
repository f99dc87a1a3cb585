"""Files that are named on the command line and are not what they should be: one clear sentence, the right exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kedoctor.base.input_files import read_given

BUNDLE = Path(__file__).parents[2] / "fixtures" / "b-edgestream-disabled" / "cloud.tgz"


def _made(kind: str, path: Path) -> Path:
    made: dict[str, Callable[[], object]] = {
        "empty": path.touch,
        "binary": lambda: path.write_bytes(bytes(range(256)) * 8),
        "huge": lambda: os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), 1 << 30),
        "directory": path.mkdir,
        "loop": lambda: path.symlink_to(path),
        "cut": lambda: path.write_bytes(BUNDLE.read_bytes()[:5000]),
        "half": lambda: path.write_text('{"schema_version": "1.1", "run": {'),
        "absent": lambda: None,
    }
    made[kind]()
    return path


def _kedoctor(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kedoctor", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


USES = {
    "baseline": ("run", "--evidence", str(BUNDLE), "--baseline"),
    "configuration": ("list", "--config"),
    "comparison": ("diff", "now"),
    "evidence": ("run", "--evidence"),
}


@pytest.mark.parametrize("kind", ["empty", "binary", "huge", "directory", "loop", "cut", "half", "absent"])
@pytest.mark.parametrize("use", list(USES))
def test_a_file_that_is_none_is_told_in_one_sentence(use: str, kind: str, tmp_path: Path) -> None:
    if (use, kind) == ("configuration", "empty"):
        pytest.skip("an empty configuration is one without settings")
    path = _made(kind, tmp_path / "named.json")
    words = ("diff", str(path), str(path)) if use == "comparison" else (*USES[use], str(path))
    done = _kedoctor(*words)
    assert done.returncode in ((78, 64) if use == "evidence" else (78,)), done.stderr
    assert path.name in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 4
    assert not done.stdout


@pytest.mark.parametrize("what", ["bundle", "verify", "diff"])
def test_a_pipe_is_no_bundle(what: str, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    words = {
        "bundle": ("run", "--evidence", str(path)),
        "verify": ("bundle", "verify", str(path)),
        "diff": ("diff", str(path), str(path)),
    }[what]
    done = _kedoctor(*words)
    assert done.returncode == 78, done.stderr
    assert "neither" in done.stderr or "not a regular file" in done.stderr


def test_a_pipe_that_nobody_writes_into_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TimeoutError, match="nothing came out of it"):
        read_given(tmp_path / "pipe", 100, patience=0.05)


def test_a_pipe_that_somebody_writes_into_is_read_to_its_end_or_the_limit() -> None:
    for limit, read in ((100, b"lang: zh\n"), (4, b"lang")):
        reader, writer = os.pipe()
        os.write(writer, b"lang: zh\n")
        os.close(writer)
        assert read_given(Path(f"/dev/fd/{reader}"), limit) == read
        os.close(reader)


@pytest.mark.parametrize(
    "words",
    [
        f"run --evidence {BUNDLE} -o",
        f"run --evidence {BUNDLE} --junit",
        f"baseline --evidence {BUNDLE} -o",
        f"report --evidence {BUNDLE} --html -o",
        "rbac -o",
        "bundle images -o",
        "bundle make site --ci gitlab -o",
        "demo -o",
        "collect -o",
    ],
)
def test_a_full_disk_is_told_and_ends_with_74(words: str) -> None:
    done = _kedoctor(*words.split(), "/dev/full")
    assert done.returncode == 74, done.stderr
    assert "/dev/full" in done.stderr
    assert "Traceback" not in done.stderr
