"""Report formats where people see them: the page in a real browser, the text in a real terminal."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2] / "unit"))

from report_samples import CHINESE, ENGLISH, hostile, many_edges, recorded

from kedoctor.api import Presentation
from kedoctor.model.report import Report
from kedoctor.reports import html

pytestmark = pytest.mark.lab

NARROW, WIDE = 420, 1100


@pytest.fixture
def browser(tmp_path: Path) -> str:
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("needs chromium")
    (tmp_path / "profile").mkdir()
    return found


def _show(browser: str, folder: Path, document: Report, presentation: Presentation, *arguments: str) -> str:
    page = folder / "page.html"
    page.write_bytes(html.render(document, presentation))
    done = subprocess.run(
        [
            browser,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--user-data-dir={folder / 'profile'}",
            *arguments,
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    return done.stdout


def test_a_hostile_page_runs_nothing_and_shows_everything(browser: str, tmp_path: Path) -> None:
    seen = _show(browser, tmp_path, hostile(), ENGLISH, "--dump-dom")
    assert "<script" not in seen
    assert "&lt;script&gt;alert(1)" in seen
    assert seen.count("<h1") == 1


@pytest.mark.parametrize(("width", "presentation"), [(NARROW, ENGLISH), (NARROW, CHINESE), (WIDE, ENGLISH)])
def test_a_page_is_no_wider_than_the_window(
    browser: str, tmp_path: Path, width: int, presentation: Presentation
) -> None:
    """The last column of pixels is the margin: nothing but background is in it."""
    for document in (recorded("b-edgestream-disabled"), many_edges()):
        picture = tmp_path / "page.png"
        _show(
            browser,
            tmp_path,
            document,
            presentation,
            f"--window-size={width},2000",
            f"--screenshot={picture}",
        )
        with Image.open(picture) as seen:
            margin = seen.crop((seen.width - 1, 0, seen.width, seen.height))
            assert seen.width == width
            assert len(margin.convert("RGB").getcolors() or []) == 1
            assert len(seen.convert("RGB").getcolors(1 << 24) or []) > 50  # something is drawn


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[str]:
    if shutil.which("tmux") is None:
        pytest.skip("needs tmux")
    socket = str(tmp_path / "tmux")
    yield socket
    subprocess.run(["tmux", "-S", socket, "kill-server"], check=False, capture_output=True)


def _screen(socket: str, width: int, command: str) -> list[str]:
    tmux = ["tmux", "-S", socket, "-f", "/dev/null"]
    done = Path(socket).with_name("done")
    done.unlink(missing_ok=True)
    subprocess.run(
        [*tmux, "new-session", "-d", "-x", str(width), "-y", "120", f"{command}; touch {done}; sleep 60"],
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


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("setting", ["", "NO_COLOR=1", "TERM=dumb"])
def test_a_terminal_shows_cause_matrix_and_whole_commands(terminal: str, width: int, setting: str) -> None:
    lines = _screen(terminal, width, f"env {setting} {sys.executable} -m kedoctor demo")
    # tmux joins what it has folded itself: a command is one line, however narrow the terminal.
    assert "$ sudo journalctl -u edgecore -n 50 --no-pager | grep edgestream" in {
        line.strip() for line in lines
    }
    text = "\n".join(lines)
    assert "✗ KE202" in text
    assert lines[0].startswith("kedoctor ")  # the progress line is gone, and nothing is in its place
    assert any(line.startswith("edge1  ✗ tunnel") for line in lines)
