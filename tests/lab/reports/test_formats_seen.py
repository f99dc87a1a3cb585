"""The text of a report where people see it: in a real terminal, of several widths."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.lab


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[str]:
    if shutil.which("tmux") is None:
        pytest.skip("needs tmux")
    socket = str(tmp_path / "tmux")
    yield socket
    subprocess.run(["tmux", "-S", socket, "kill-server"], check=False, capture_output=True)


def _screen(socket: str, width: int, command: str, *, height: int = 120) -> list[str]:
    tmux = ["tmux", "-S", socket, "-f", "/dev/null"]
    done = Path(socket).with_name("done")
    done.unlink(missing_ok=True)
    subprocess.run(
        [
            *tmux,
            "new-session",
            "-d",
            "-x",
            str(width),
            "-y",
            str(height),
            f"{command}; touch {done}; sleep 60",
        ],
        check=True,
        env={**os.environ, "LANG": "C.UTF-8"},
    )
    deadline = time.monotonic() + 60
    while not done.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.3)  # tmux draws what it has read
    seen = subprocess.run([*tmux, "capture-pane", "-p", "-J"], check=True, capture_output=True, text=True)
    subprocess.run([*tmux, "kill-session"], check=True)
    return seen.stdout.splitlines()


@pytest.mark.parametrize(
    ("width", "setting"),
    [(40, ""), (60, "NO_COLOR=1"), (80, ""), (80, "TERM=dumb"), (120, ""), (200, "NO_COLOR=1")],
)
def test_a_terminal_shows_cause_matrix_and_whole_commands(terminal: str, width: int, setting: str) -> None:
    lines = _screen(terminal, width, f"env {setting} {sys.executable} -m kedoctor demo")
    # tmux joins what it has folded itself: a command is one line, however narrow the terminal.
    assert "$ sudo journalctl -u edgecore -n 50 --no-pager | grep edgestream" in {
        line.strip() for line in lines
    }
    text = "\n".join(lines)
    assert "✗ KE202" in text
    assert lines[0].startswith("kedoctor ")  # the progress line is gone, and nothing is in its place
    row = "  top    ✗ tunnel (KE202)" if width == 40 else "edge1  ✗ tunnel"
    assert any(line.startswith(row) for line in lines)


def test_causes_are_said_once_more_where_they_have_scrolled_away(terminal: str) -> None:
    lines = _screen(terminal, 80, f"{sys.executable} -m kedoctor demo", height=24)
    shown = [line for line in lines if line.strip()]
    assert "1 root cause; it explains all other failures." in shown
    assert any(line.startswith("✗ KE202") for line in shown)
