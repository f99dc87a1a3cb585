"""Units and journals of a real systemd, read by LiveSource inside a booted machine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest
from systemd_machine import Machine, boot, needs_machine

from kedoctor.base.records import Record, decode
from kedoctor.model.observations.logs import LogText
from kedoctor.model.observations.request import Reason, Unavailable
from kedoctor.model.observations.units import Unit

pytestmark = [pytest.mark.lab, needs_machine]

R = TypeVar("R", bound=Record)

ASK = """
import sys
from kedoctor.model.observations.logs import ReadJournal
from kedoctor.model.observations.units import ReadUnit
from kedoctor.observe.live.source import LiveSource
from kedoctor.base.records import encode
request = ReadUnit(sys.argv[2]) if sys.argv[1] == "unit" else ReadJournal(sys.argv[2], int(sys.argv[3]))
if sys.argv[4:]:
    import kedoctor.observe.live.source, os
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
answer = LiveSource().observe(request)
sys.stdout.write(type(answer).__name__ + " " + encode(answer).decode())
"""

STEADY = r"""
[Service]
Environment="B=x y" 'C=a"b' D=plain "E=dollar$X `tick` \\back" "F=tab\tx"
Environment=G=
EnvironmentFile=-/etc/default/steady
EnvironmentFile=/etc/steady.env
ExecStart=/bin/sh -c "echo I1123 05:13:03.679313 57 module.go:90] up; exec sleep 1000"
"""

CRASHING = """
[Unit]
StartLimitIntervalSec=0
[Service]
ExecStart=/bin/sh -c 'echo dying; exit 3'
Restart=always
RestartSec=0.1
"""

GIVEN_UP = """
[Unit]
StartLimitIntervalSec=60
StartLimitBurst=2
[Service]
ExecStart=/bin/sh -c 'kill -9 $$$$'
Restart=on-failure
RestartSec=0.05
"""

TALKATIVE = r"""
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'i=0; while [ $$i -lt 300 ]; do i=$$((i+1)); echo line $$i; done; printf "colour \033[31mred\033[0m\n"; head -c 3000 /dev/zero | tr "\\0" x; echo'
"""


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with boot() as machine:
        machine.write("/etc/steady.env", "H=1\n")
        machine.write("/etc/systemd/journald.conf.d/whole.conf", "[Journal]\nRateLimitBurst=0\n")
        machine.shell("systemctl restart systemd-journald")
        for name, text in (
            ("steady", STEADY),
            ("crashing", CRASHING),
            ("givenup", GIVEN_UP),
            ("talkative", TALKATIVE),
        ):
            machine.unit(f"{name}.service", text)
        machine.shell(
            "systemctl start steady crashing givenup talkative; systemctl mask --now e2scrub_all.timer"
        )
        yield machine


def ask(machine: Machine, kind: type[R], *arguments: str) -> R | Unavailable:
    name, _, answer = machine.python(ASK, *arguments).partition(" ")
    if name == kind.__name__:
        return decode(answer, kind)
    return decode(answer, Unavailable)


def unit(machine: Machine, name: str) -> Unit:
    answer = ask(machine, Unit, "unit", name)
    assert isinstance(answer, Unit), answer
    return answer


def eventually(look: Callable[[], Unit], good: Callable[[Unit], bool]) -> Unit:
    deadline = time.monotonic() + 20
    while not good(answer := look()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert good(answer), answer
    return answer


def journal(machine: Machine, name: str, lines: int = 2000, *extra: str) -> LogText | Unavailable:
    return ask(machine, LogText, "journal", name, str(lines), *extra)


def test_a_running_unit(machine: Machine) -> None:
    seen = unit(machine, "steady.service")
    assert (seen.load_state, seen.active_state, seen.sub_state) == ("loaded", "active", "running")
    assert (seen.unit_file_state, seen.result, seen.restarts) == ("static", "success", 0)
    assert seen.exit_status is None
    assert seen.main_pid > 1
    assert seen.started is not None
    assert timedelta(0) <= datetime.now(UTC) - seen.started < timedelta(minutes=2)
    assert seen.fragment_path == "/etc/systemd/system/steady.service"
    assert seen.exec_start[:2] == ("/bin/sh", "-c")
    assert seen.environment == ("B=x y", 'C=a"b', "D=plain", r"E=dollar$X `tick` \back", "F=tab\tx", "G=")
    assert seen.environment_files == ("/etc/default/steady", "/etc/steady.env")


def test_a_crash_loop_counts_its_restarts(machine: Machine) -> None:
    seen = eventually(lambda: unit(machine, "crashing.service"), lambda seen: seen.restarts >= 3)
    assert seen.exit_status in {None, 3}  # None in the moment in which it runs again
    assert seen.active_state in {"activating", "active"}
    more = eventually(lambda: unit(machine, "crashing.service"), lambda now: now.restarts > seen.restarts)
    assert more.load_state == "loaded"


def test_a_failed_unit(machine: Machine) -> None:
    seen = eventually(lambda: unit(machine, "givenup.service"), lambda seen: seen.active_state == "failed")
    assert (seen.sub_state, seen.result, seen.exit_status, seen.main_pid) == ("failed", "signal", 9, 0)
    assert seen.restarts >= 1


def test_a_stopped_unit(machine: Machine) -> None:
    seen = unit(machine, "talkative.service")
    assert (seen.load_state, seen.active_state, seen.sub_state) == ("loaded", "inactive", "dead")


def test_a_unit_that_systemd_does_not_know(machine: Machine) -> None:
    seen = unit(machine, "edgecore.service")
    assert (seen.load_state, seen.active_state, seen.started) == ("not-found", "inactive", None)
    assert (seen.exec_start, seen.fragment_path) == ((), "")


def test_a_masked_unit(machine: Machine) -> None:
    seen = unit(machine, "e2scrub_all.timer")
    assert (seen.load_state, seen.unit_file_state) == ("masked", "masked")


def test_a_name_that_no_unit_can_have(machine: Machine) -> None:
    answer = ask(machine, Unit, "unit", "x@.service")
    assert isinstance(answer, Unavailable)
    assert answer.reason is Reason.TOOL_FAILED
    assert "x@.service" in answer.detail


def test_a_journal(machine: Machine) -> None:
    answer = journal(machine, "steady.service")
    assert isinstance(answer, LogText)
    assert not answer.truncated
    started, said = sorted(answer.text.splitlines(), key=lambda line: "systemd[1]" not in line)
    assert started.endswith("systemd[1]: Started steady.service.")
    stamp, host, tag, *words = said.split(" ")
    assert datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%S.%f%z").utcoffset() == timedelta(0)
    assert host == os.uname().nodename
    assert tag.startswith("sh[")
    assert " ".join(words) == "I1123 05:13:03.679313 57 module.go:90] up"


def test_the_newest_lines_of_a_journal(machine: Machine) -> None:
    answer = journal(machine, "talkative.service", 6)
    assert isinstance(answer, LogText)
    assert answer.truncated
    assert len(answer.text.splitlines()) == 6
    assert "line 300" in answer.text
    assert "line 290" not in answer.text


def test_long_and_coloured_lines_are_shown_whole(machine: Machine) -> None:
    answer = journal(machine, "talkative.service")
    assert isinstance(answer, LogText)
    assert not answer.truncated
    assert "x" * 3000 in answer.text
    assert "red" in answer.text
    assert "blob data" not in answer.text
    assert "line 1\n" in answer.text


MEMORY = """
import resource, sys
from kedoctor.model.observations.logs import ReadJournal
from kedoctor.observe.live.source import LiveSource
answer = LiveSource().observe(ReadJournal(sys.argv[1]))
lines = answer.text.splitlines()
children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, children // 1024, len(lines), answer.truncated)
print(lines[0], lines[-1], sep="\\n")
"""

FLOOD = r"""
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'seq -f "E1123 05:13:03.679313      57 edgestream.go:147] dial number %%.0f of a long night in which nothing else happened" 120000'
"""

LONG_LINES = r"""
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'for n in $$(seq 400); do printf "long %%d " $$n; head -c 20000 /dev/zero | tr "\0" x; echo; done'
"""


def test_a_large_journal_is_read_from_its_end_in_bounded_memory(machine: Machine) -> None:
    machine.unit("flood.service", FLOOD)
    # journald still reads what the unit wrote when the unit has ended.
    machine.shell(
        "systemctl start flood; until journalctl -u flood -n 9 | grep -q 'number 120000 '; do sleep 0.1; done",
        timeout=120,
    )
    small, _, _, _ = machine.python(MEMORY, "steady.service").split()[:4]
    figures, first, last = machine.python(MEMORY, "flood.service").splitlines()
    mine, child, lines, truncated = figures.split()
    assert (lines, truncated) == ("2000", "True")
    assert "number 120000 " in last or "flood.service" in last, last
    assert "number 118" in first, "the newest 2000, oldest first"
    assert int(mine) - int(small) < 15, f"{small} MB for two lines, {mine} MB for 120,000"
    assert int(child) < 150


def test_of_long_lines_the_newest_are_kept(machine: Machine) -> None:
    machine.unit("longlines.service", LONG_LINES)
    machine.shell("systemctl start longlines; sleep 2; journalctl --sync", timeout=100)
    answer = journal(machine, "longlines.service")
    assert isinstance(answer, LogText)
    assert answer.truncated
    assert len(answer.text) <= 2 << 20
    told = [line for line in answer.text.splitlines() if " long " in line]
    numbers = [int(line.split(" long ")[1].split()[0]) for line in told]
    assert numbers == list(range(numbers[0], 401)), "whole, in order, up to the last"
    assert len(numbers) > 80


def test_the_journal_of_a_unit_that_never_wrote(machine: Machine) -> None:
    assert journal(machine, "edgecore.service") == LogText("", truncated=False)


def test_a_journal_that_may_not_be_read_is_not_an_empty_one(machine: Machine) -> None:
    answer = journal(machine, "steady.service", 5, "unprivileged")
    assert isinstance(answer, Unavailable)
    assert answer.reason is Reason.PERMISSION


def test_kedoctor_itself_runs_inside(machine: Machine) -> None:
    said = machine.kedoctor("--version")
    assert said.returncode == 0, said.stderr
    assert "kedoctor" in said.stdout


def test_nothing_is_left_of_a_machine() -> None:
    with boot() as machine:
        machine.shell("touch /left-behind; (sleep 1000 &) >/dev/null 2>&1")
        assert machine.path("/left-behind").exists()
        assert machine.leftovers() != []
        leader = machine.leader
    assert machine.leftovers() == []
    assert not os.path.exists(f"/proc/{leader}/root/left-behind")  # noqa: PTH110
