"""Waiting until a site is right: what ends it, what is told meanwhile, and what the exit code says."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from edge_samples import YAML

from kedoctor.cli.progress_line import WaitingLine
from kedoctor.model.findings import Certainty, Status
from kedoctor.model.report import Cause, Fix, Report, Run, Site, Tool, Translation, Verdict
from kedoctor.run.wait import wait_until_right


def _verdict(code: str, status: Status, **more: Any) -> Verdict:
    values: dict[str, Any] = {
        "code": code, "slug": code.lower(), "title": code, "status": status, "subject": "edge1", "node": "edge1",
        "host": "", "side": "site", "hop": "two", "capabilities": ("logs",), "certainty": Certainty.PROVED,
        "summary": code, "fix": Fix(available=False), "zh": Translation(),
    }  # fmt: skip
    return Verdict(**{**values, **more})


def _cause(code: str, *nodes: str) -> Cause:
    return Cause(
        code=code, slug=code.lower(), status=Status.FAIL, title=code, summary=code, subjects=nodes, nodes=nodes,
        count=len(nodes), capabilities=("logs",), hop="two", certainty=Certainty.PROVED, remedy="", commands=(),
        consequences=(), zh=Translation(),
    )  # fmt: skip


def _report(exit_code: int, *verdicts: Verdict, causes: tuple[Cause, ...] = ()) -> Report:
    run = Run(
        id=f"run-{exit_code}", started=datetime.now(UTC), duration_ms=1, command="", exit_code=exit_code, complete=True
    )  # fmt: skip
    return Report(
        schema_version="1.0", tool=Tool("kedoctor", "0"), run=run, site=Site(sides=(), hosts=()), hops=(),
        causes=causes, matrix=(), verdicts=verdicts,
    )  # fmt: skip


RIGHT = _report(0)
WRONG = _report(1, _verdict("TOY2", Status.FAIL), causes=(_cause("TOY1", "edge1", "edge2"),))
HIDDEN = _report(3, _verdict("TOY3", Status.UNKNOWN), _verdict("TOY4", Status.PASS))


class _Listener:
    def __init__(self) -> None:
        self.heard: list[tuple[str, ...]] = []

    def waits(self, names: tuple[str, ...], seconds_left: float) -> None:
        assert seconds_left > 0
        self.heard.append(names)


def _looks(*reports: Report | type[BaseException]) -> Callable[[], Report]:
    left: Iterator[Report | type[BaseException]] = iter(reports)

    def look() -> Report:
        found = next(left)
        if isinstance(found, Report):
            return found
        raise found

    return look


def _wait(first: Report, look: Callable[[], Report], seconds: float = 20) -> tuple[Report, _Listener]:
    listener = _Listener()
    last = wait_until_right(first, look, seconds=seconds, fail_on="fail", watcher=listener, pause=0.001)
    return last, listener


def test_what_is_right_at_once_is_not_looked_at_again() -> None:
    last, listener = _wait(RIGHT, _looks())
    assert last is RIGHT
    assert listener.heard == []


def test_it_looks_until_everything_is_right_and_names_what_is_not() -> None:
    last, listener = _wait(WRONG, _looks(WRONG, HIDDEN, RIGHT))
    assert last is RIGHT
    assert list(dict.fromkeys(listener.heard)) == [("TOY1 edge1, edge2",), ("TOY3 edge1",)]


def test_when_the_time_is_over_the_last_report_counts() -> None:
    last, _ = _wait(WRONG, lambda: HIDDEN, seconds=0.05)
    assert last.run.exit_code == 3


def test_it_looks_once_more_at_the_very_end() -> None:
    listener = _Listener()
    last = wait_until_right(WRONG, _looks(RIGHT), seconds=0.2, fail_on="fail", watcher=listener, pause=60)
    assert last is RIGHT


def test_an_interrupt_ends_it_with_the_last_report() -> None:
    last, _ = _wait(WRONG, _looks(HIDDEN, KeyboardInterrupt))
    assert (last.run.id, last.run.exit_code) == (HIDDEN.run.id, 130)
    last, _ = _wait(WRONG, _looks(_report(130)))
    assert last.run.exit_code == 130


# ------------------------------------------------------------------------------------------ the line


def test_a_log_gets_one_line_for_each_change(capsys: pytest.CaptureFixture[str]) -> None:
    line = WaitingLine("en", terminal=False)
    for names, left in ((("A x",), 9), (("A x",), 8), (("A x", "B", "C", "D", "E", "F"), 7), (("B",), 6)):
        line.waits(names, left)
    line.wipe()
    assert capsys.readouterr().err.splitlines() == [
        "waiting for A x (9 s left)",
        "waiting for A x; B; C; D; and 2 more (7 s left)",
        "waiting for B (6 s left)",
    ]


def test_a_terminal_gets_one_line_that_is_overwritten(capsys: pytest.CaptureFixture[str]) -> None:
    line = WaitingLine("zh", terminal=True)
    line.waits(("A",), 9)
    line.waits(("B",), 8)
    line.wipe()
    told = capsys.readouterr().err
    assert "\n" not in told
    assert told.count("\r") == 3
    assert "等待 B（剩余 8 秒）" in told


# ------------------------------------------------------------------------------------------ from outside


def _command(root: Path, seconds: str) -> list[str]:
    # fmt: off
    return [sys.executable, "-m", "kedoctor", "run", "--root", str(root), "--side", "edge", "--only", "KE201",
            "--wait", seconds, "--format", "json"]
    # fmt: on


def _edge(root: Path) -> Path:
    config = root / "etc" / "kubeedge" / "config" / "edgecore.yaml"
    config.parent.mkdir(parents=True)
    return config


def _started(process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    assert process.stderr.readline().startswith("waiting for KE201 ")


def test_a_run_waits_for_what_somebody_puts_right(tmp_path: Path) -> None:
    config = _edge(tmp_path / "root")
    with subprocess.Popen(
        _command(tmp_path / "root", "60s"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        _started(process)
        config.write_text(YAML)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, out
    assert '"exit_code": 0' in out


def test_control_c_ends_the_waiting_with_130_and_the_last_report(tmp_path: Path) -> None:
    _edge(tmp_path / "root")
    with subprocess.Popen(
        _command(tmp_path / "root", "10m"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        _started(process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert '"exit_code": 130' in out
    assert "Traceback" not in err


def test_the_time_is_over_and_the_exit_code_is_that_of_the_last_report(tmp_path: Path) -> None:
    _edge(tmp_path / "root")
    done = subprocess.run(
        _command(tmp_path / "root", "1s"), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert '"KE201"' in done.stdout


def test_a_terminal_sees_the_line_and_loses_it_again(tmp_path: Path) -> None:
    _edge(tmp_path / "root")
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        _command(tmp_path / "root", "2s"),
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm"},
    ) as process:
        os.close(theirs)
        told = b""
        ends = time.monotonic() + 60
        while time.monotonic() < ends:
            try:
                told += os.read(ours, 4096)
            except OSError:  # the other end is closed: the process is over
                break
        assert process.wait(timeout=60) == 1
    os.close(ours)
    assert b"waiting for KE201" in told
    assert told.endswith(b"\r\x1b[K")
