"""``kedoctor demo --fix`` as a person runs it: repaired, rolled back, removed, whatever ends it."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from host_unchanged import host_unchanged

pytestmark = pytest.mark.lab

COMMAND = [sys.executable, "-m", "kedoctor", "demo", "--fix"]


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """Where temporary directories are made."""
    made = tmp_path / "scratch"
    made.mkdir()
    return made


def start(scratch: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "TMPDIR": str(scratch), "TERM": "dumb"}
    return subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        env=environment,
    )


def run(scratch: Path, *arguments: str) -> tuple[int, str, str]:
    with start(scratch, *arguments) as process:
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err


def test_the_whole_story_is_told_in_order(scratch: Path) -> None:
    code, out, err = run(scratch)
    assert (code, err) == (0, ""), out
    journal = re.search(r"`kedoctor rollback (\S+)`", out)
    assert journal is not None
    wanted = [
        "edgecore is a stand-in here",
        "$ kedoctor run\n",
        "✗ KE202  edgeStream of edge1 is switched off",
        "$ kedoctor run --fix --yes",
        "This repair needs no NAT rules",
        "      -    enable: false",
        "      +    enable: true",
        "restart edgecore.service",
        "KE202 edge1: repaired.",
        "$ kedoctor run\n",
        "No failures; 2 warnings.",
        "✓ works",
        f"$ kedoctor rollback {journal[1]}",
        "is what it was before the",
        "a third look finds KE202 again",
        "The sandbox is removed; nothing else on this machine was touched.",
    ]
    place = 0
    for words in wanted:
        found = out.find(words, place)
        assert found >= 0, f"{words!r} is missing after {out[place - 200 : place]!r}"
        place = found + len(words)


def test_nothing_of_it_stays_and_the_host_is_as_it_was(scratch: Path, tmp_path: Path) -> None:
    with host_unchanged():
        code, _, _ = run(scratch)
    assert code == 0
    assert list(scratch.iterdir()) == []
    assert not (tmp_path / "state").exists()


def test_it_is_told_in_chinese(scratch: Path) -> None:
    code, out, _ = run(scratch, "--lang", "zh")
    assert code == 0
    for words in ("edgecore 是模拟程序", "已修复", "均与修复前一致", "沙箱已删除"):
        assert words in out


def test_with_a_format_the_repaired_report_is_the_only_output(scratch: Path) -> None:
    code, out, err = run(scratch, "--format", "json")
    document = json.loads(out)
    assert code == 0
    assert document["causes"] == []
    (change,) = document["changes"]
    assert (change["code"], change["result"]) == ("KE202", "fixed")
    assert "The sandbox is removed" in err


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("A sandbox in", signal.SIGINT),
        ("$ kedoctor run", signal.SIGTERM),
        ("… change file", signal.SIGINT),
        ("… restart", signal.SIGHUP),
        ("$ kedoctor rollback", signal.SIGINT),
    ],
)
def test_an_interrupt_at_any_moment_leaves_nothing(
    scratch: Path, moment: str, number: signal.Signals
) -> None:
    with start(scratch) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if moment in line:
                break
        process.send_signal(number)
        process.communicate(timeout=30)
    # Interrupted while it makes a dataclass, Python ends itself with SIGINT; a shell calls that 130 too.
    assert process.returncode in (130, -signal.SIGINT)
    assert list(scratch.iterdir()) == []


def test_a_reader_that_goes_away_leaves_nothing(scratch: Path) -> None:
    with start(scratch) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        process.wait(timeout=30)
    assert list(scratch.iterdir()) == []


def test_a_full_disk_ends_it_and_leaves_nothing(scratch: Path) -> None:
    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    done = subprocess.run(
        COMMAND,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "TMPDIR": str(scratch)},
        preexec_fn=small,
    )
    assert done.returncode == 74
    assert "could not be written" in done.stderr
    assert list(scratch.iterdir()) == []
