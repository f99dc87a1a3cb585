"""A server that accepts and says nothing: every command ends, Ctrl-C ends it at once, and nothing is left half-written."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

SECRET = "a-token-nobody-may-see"  # of a server that lives for one test


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A port on loopback that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        yield server


def _started(silent: socket.socket, home: Path, *words: str) -> subprocess.Popen[str]:
    config = home / "config"
    config.write_text(
        f"""apiVersion: v1
kind: Config
clusters: [{{name: a, cluster: {{server: 'https://127.0.0.1:{silent.getsockname()[1]}'}}}}]
users: [{{name: u, user: {{token: {SECRET}}}}}]
contexts: [{{name: a, context: {{cluster: a, user: u}}}}]
current-context: a
"""
    )
    return subprocess.Popen(
        [sys.executable, "-m", "kedoctor", *words, "--kubeconfig", str(config)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=home,
        env={**os.environ, "KEDOCTOR_STATE_DIR": str(home / "state"), "LC_ALL": "C.UTF-8"},
    )


@pytest.mark.parametrize(
    "words",
    [
        "run",
        "run --wait 5m",
        "run --fix --yes",
        "gate",
        "trace logs edge1",
        "backup -o kept",
        "baseline -o accepted.yaml",
        "report -o report.html",
        "diff now now",
        "collect -o all.tgz",
    ],
)
def test_ctrl_c_ends_at_once_and_leaves_nothing_behind(
    words: str, silent: socket.socket, tmp_path: Path
) -> None:
    child = _started(silent, tmp_path, *words.split())
    held, _ = silent.accept()
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=30)
    held.close()
    assert child.returncode == 130, err
    assert "Traceback" not in err
    assert SECRET not in out + err
    left = {path.name for path in tmp_path.iterdir()} - {"config", "state"}
    assert left == set()


def test_a_trace_says_that_there_was_no_answer(silent: socket.socket, tmp_path: Path) -> None:
    child = _started(silent, tmp_path, "trace", "logs", "edge1", "--timeout", "0.2s", "--lang", "en")
    out, err = child.communicate(timeout=30)
    assert child.returncode == 3, err
    assert "no answer in time" in out
    assert SECRET not in out + err


INTERRUPTED = """
import os, runpy, signal, sys

class Interrupts:
    def __init__(self, module):
        self.module = module

    def find_spec(self, name, path=None, target=None):
        if name == self.module:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupts(sys.argv.pop(1)))
runpy.run_module("kedoctor", run_name="__main__")
"""


@pytest.mark.parametrize(
    ("words", "imported"),
    [
        ("run", "click.core"),
        ("run --fix --yes", "kedoctor.base.errors"),
        ("history", "kedoctor.cli"),
        ("rollback --list", "kedoctor.cli.rollback"),
        ("trace logs edge1", "kedoctor.plugins"),
        ("install edge", "kedoctor.cli.install"),
        ("demo", "kedoctor.cli.demo"),
        ("explain KE101", "kedoctor.cli.explain"),
    ],
)
def test_ctrl_c_is_heard_before_the_command_has_begun(words: str, imported: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", INTERRUPTED, imported, *words.split()]
    ended = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
        timeout=120,
    )
    assert (ended.returncode, ended.stderr.split(), ended.stdout) == (130, ["Interrupted."], "")


def test_ctrl_c_ends_an_explanation_whose_log_never_ends(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "kedoctor", "explain", "-f", "-"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.PIPE}
    with subprocess.Popen(command, cwd=tmp_path, **pipes) as child:  # type: ignore[call-overload]
        line = b"E0101 00:00:00.000000 1 a.go:1] " + b"dial tcp 10.0.0.1:10004: connect: " * 1000 + b"\n"
        for _ in range(100):  # more than a pipe takes: the last of it goes in when the first is being read
            child.stdin.write(line)
        child.stdin.flush()
        child.send_signal(signal.SIGINT)
        assert child.wait(timeout=60) == 130
        err = child.stderr.read().decode()
    assert err.split() == ["Interrupted."]


def test_ctrl_c_ends_the_reading_of_a_great_bundle(tmp_path: Path) -> None:
    images = tmp_path / "bundle" / "images"
    images.mkdir(parents=True)
    great = images / "a.tar"
    with great.open("wb") as file:
        file.truncate(1 << 36)
    sums = f"{'0' * 64}  images/a.tar\n"
    (tmp_path / "bundle" / "SHA256SUMS").write_text(sums)
    command = [sys.executable, "-m", "kedoctor", "bundle", "verify", str(tmp_path / "bundle")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        while child.poll() is None and great not in _open_files(child.pid):
            time.sleep(0.01)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
    assert child.returncode == 130, out + err
    assert err.split() == ["Interrupted."]


def _open_files(pid: int) -> set[Path]:
    found = set()
    for link in Path(f"/proc/{pid}/fd").glob("*"):
        with contextlib.suppress(OSError):
            found.add(link.readlink())
    return found
