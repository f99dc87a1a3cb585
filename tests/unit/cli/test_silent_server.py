"""A server that accepts and says nothing: every command ends, Ctrl-C ends it at once, and nothing is left half-written."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
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
