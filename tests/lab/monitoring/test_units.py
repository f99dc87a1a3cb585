"""The units of docs/monitoring under a real systemd: verified by it, started, stopped."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from systemd_machine import Machine, boot, needs_machine

pytestmark = [pytest.mark.lab, needs_machine]

FILES = Path(__file__).parents[3] / "docs" / "monitoring"
UNITS = ("kedoctor-watch.service", "kedoctor-textfile.service", "kedoctor-textfile.timer")
METRICS = "/var/lib/node_exporter/textfile/kedoctor.prom"


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with boot() as made:
        made.write("/usr/bin/kedoctor", f'#!/bin/sh\nexec {sys.executable} -P -m kedoctor "$@"\n', mode=0o755)
        made.path(METRICS).parent.mkdir(parents=True)
        for name in UNITS:
            made.unit(name, (FILES / name).read_text(encoding="utf-8"))
        yield made


def _until(done: Callable[[], bool], machine: Machine, unit: str) -> None:
    ends = time.monotonic() + 90
    while not done():
        assert time.monotonic() < ends, machine.run("journalctl", "-u", unit, check=False).stdout
        time.sleep(0.1)


def _property(machine: Machine, unit: str, name: str) -> str:
    return machine.run("systemctl", "show", unit, "-p", name, "--value").stdout.strip()


def test_systemd_finds_nothing_wrong_with_them(machine: Machine) -> None:
    told = machine.run(
        "systemd-analyze", "verify", "--man=no", *(f"/etc/systemd/system/{name}" for name in UNITS)
    )
    assert "kedoctor" not in told.stdout + told.stderr


def test_the_timer_writes_metrics_that_another_user_can_read(machine: Machine) -> None:
    machine.run("systemctl", "start", "kedoctor-textfile.service", timeout=120)
    assert _property(machine, "kedoctor-textfile.service", "Result") == "success"
    file = machine.path(METRICS)
    assert file.stat().st_mode & 0o777 == 0o644
    assert "kedoctor_run_timestamp_seconds" in file.read_text()
    machine.run("systemctl", "start", "kedoctor-textfile.timer")
    assert _property(machine, "kedoctor-textfile.timer", "ActiveState") == "active"
    machine.run("systemctl", "stop", "kedoctor-textfile.timer")


def test_the_watch_answers_and_stopping_it_is_no_failure(machine: Machine) -> None:
    ask = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9788/metrics').read().decode())"
    machine.run("systemctl", "start", "kedoctor-watch.service")
    _until(
        lambda: 'kedoctor_watch_runs_total{result="done"} 1' in machine.python(ask, check=False),
        machine,
        "kedoctor-watch.service",
    )
    machine.run("systemctl", "stop", "kedoctor-watch.service")
    assert _property(machine, "kedoctor-watch.service", "Result") == "success"
    assert _property(machine, "kedoctor-watch.service", "ActiveState") == "inactive"
    assert "printing what changes" in machine.run("journalctl", "-u", "kedoctor-watch.service").stdout
