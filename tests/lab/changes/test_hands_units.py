"""Hands on units of a real systemd in a booted machine: restarts, crash loops, enabling, and our own NAT unit."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from systemd_machine import Machine, boot, needs_machine

from kedoctor.base.text import Text
from kedoctor.changes.actor import Actors
from kedoctor.changes.actors.files import FileActor
from kedoctor.changes.actors.units import UnitActor
from kedoctor.changes.executor import execute, prepare, roll_back
from kedoctor.changes.journal import Journal, JournalEntry, Phase
from kedoctor.changes.signals import deferred
from kedoctor.model.actions.action import Action
from kedoctor.model.actions.files import WriteFile
from kedoctor.model.actions.nat import EnsureChain
from kedoctor.model.actions.units import ControlUnit, RestartUnit
from kedoctor.model.actors import RefusedError
from kedoctor.model.declarations import Risk
from kedoctor.model.nat_persistence import UNIT, persistence
from kedoctor.model.observations.request import Unavailable
from kedoctor.model.observations.tools import ToolOutput
from kedoctor.model.plans import Plan, merge

pytestmark = [pytest.mark.lab, needs_machine]

# Starts with what its configuration says, as edgecore does.
APP = """
[Unit]
StartLimitIntervalSec=0
[Service]
ExecStart=/bin/sh -c ". /etc/app.conf; exec sleep 1000"
Restart=always
RestartSec=0.1
[Install]
WantedBy=multi-user.target
"""
GOOD, BAD = b"true\n", b"echo dying; exit 3\n"
CHAIN = EnsureChain(
    "nft",
    "KEDOCTOR",
    ("OUTPUT", "PREROUTING"),
    ("-p tcp -m tcp --dport 10351 -j DNAT --to-destination 10.99.0.1:10003",),
    "kedoctor: 100% ours",
)


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with boot() as machine:
        machine.write("/etc/app.conf", GOOD)
        machine.unit("app.service", APP)
        machine.unit("fixed.service", "[Service]\nExecStart=/bin/sleep 1000\n")
        machine.run("systemctl", "mask", "e2scrub_all.timer")
        yield machine


class Host:
    """Hands on the machine, and a journal."""

    def __init__(self, machine: Machine, journal: Path) -> None:
        self.machine = machine
        self.journal = Journal(journal)
        units, files = UnitActor(self.run, calm=1.0), FileActor(str(machine.root))
        self.hands = Actors({ControlUnit: units, RestartUnit: units, WriteFile: files})

    def run(self, argv: Sequence[str], timeout: float) -> ToolOutput | Unavailable:
        ran = self.machine.run(*argv, check=False, timeout=timeout)
        return ToolOutput(tuple(argv), ran.returncode, ran.stdout, ran.stderr)

    def fix(self, *actions: Action) -> JournalEntry:
        with deferred() as stop:
            prepared = prepare(self.hands, actions)
            return execute(
                self.journal, self.hands, prepared, codes=["U"], command="t", stop=stop, tell=_silent
            )

    def configure(self, content: bytes) -> JournalEntry:
        """A changed configuration and its restart, bracketed as every plan is."""
        plan = Plan(
            code="U",
            subject="edge1",
            title=Text("", zh=""),
            prediction=Text("", zh=""),
            risk=Risk.SAFE,
            actions=(WriteFile("/etc/app.conf", content),),
            restarts=(RestartUnit("app.service"),),
        )
        return self.fix(*merge([plan]).actions)

    def back(self, entry: JournalEntry) -> None:
        roll_back(entry, self.hands, tell=_silent)

    def shown(self, name: str, unit: str = "app.service") -> str:
        return self.machine.run("systemctl", "show", unit, f"--property={name}", "--value").stdout.strip()

    def config(self) -> bytes:
        return self.machine.path("/etc/app.conf").read_bytes()


def _silent(_: object) -> None:
    pass


@pytest.fixture
def host(machine: Machine, tmp_path: Path) -> Iterator[Host]:
    machine.write("/etc/app.conf", GOOD)
    machine.run("systemctl", "restart", "app.service")
    yield Host(machine, tmp_path / "journal")
    machine.run("systemctl", "stop", "app.service")
    machine.run("systemctl", "reset-failed", "app.service", check=False)


def eventually_dying(host: Host) -> None:
    deadline = time.monotonic() + 10
    while int(host.shown("NRestarts")) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)


class TestRestart:
    """Restarts, and what counts as one."""

    def test_a_unit_that_stays_up_has_been_restarted(self, host: Host) -> None:
        first = host.shown("MainPID")
        entry = host.configure(b"true # changed\n")
        assert host.shown("ActiveState") == "active"
        second = host.shown("MainPID")
        assert second != first
        last_words = next(step for step in entry.progress()[-1:] if step.started).started
        assert last_words is not None
        assert b"app.service" in last_words.data
        host.back(entry)
        assert host.shown("MainPID") not in (first, second)
        assert (host.shown("ActiveState"), host.config()) == ("active", GOOD)

    def test_a_unit_that_dies_again_and_again_has_not_and_all_is_taken_back(self, host: Host) -> None:
        with pytest.raises(RefusedError, match="does not stay up") as caught:
            host.configure(BAD)
        assert "journalctl -u app.service" in caught.value.hint
        assert host.config() == GOOD
        assert host.shown("ActiveState") == "active"
        assert host.journal.entries()[0].phase is Phase.UNDONE

    def test_a_unit_that_was_dying_before_may_die_again(self, host: Host) -> None:
        host.machine.write("/etc/app.conf", BAD)
        host.machine.run("systemctl", "restart", "app.service")
        eventually_dying(host)
        with pytest.raises(RefusedError, match="does not stay up"):
            host.configure(b"exit 4\n")
        assert host.config() == BAD
        assert host.journal.entries()[0].phase is Phase.UNDONE
        eventually_dying(host)

    def test_a_unit_that_was_stopped_is_stopped_again(self, host: Host) -> None:
        host.machine.run("systemctl", "stop", "app.service")
        entry = host.configure(b"true # changed\n")
        assert host.shown("ActiveState") == "active"
        host.back(entry)
        assert host.shown("ActiveState") == "inactive"


class TestControl:
    """Units started, stopped, enabled and disabled."""

    def test_stopping_and_going_back(self, host: Host) -> None:
        entry = host.fix(ControlUnit("app.service", "stop"))
        assert host.shown("ActiveState") == "inactive"
        host.back(entry)
        assert host.shown("ActiveState") == "active"

    def test_starting_what_dies_is_refused(self, host: Host) -> None:
        host.machine.run("systemctl", "stop", "app.service")
        host.machine.write("/etc/app.conf", BAD)
        with pytest.raises(RefusedError, match="does not stay up"):
            host.fix(ControlUnit("app.service", "start"))
        assert host.shown("ActiveState") == "inactive"
        assert host.journal.entries()[0].phase is Phase.UNDONE

    def test_enabling_and_disabling_and_going_back(self, host: Host) -> None:
        entry = host.fix(ControlUnit("app.service", "enable"))
        assert host.shown("UnitFileState") == "enabled"
        assert prepare(host.hands, [ControlUnit("app.service", "enable")]).actions == ()
        other = host.fix(ControlUnit("app.service", "disable"))
        assert host.shown("UnitFileState") == "disabled"
        host.back(other)
        assert host.shown("UnitFileState") == "enabled"
        host.back(entry)
        assert host.shown("UnitFileState") == "disabled"

    def test_enabling_and_starting_at_once(self, host: Host) -> None:
        host.machine.run("systemctl", "stop", "app.service")
        entry = host.fix(ControlUnit("app.service", "enable-now"))
        assert (host.shown("UnitFileState"), host.shown("ActiveState")) == ("enabled", "active")
        host.back(entry)
        assert (host.shown("UnitFileState"), host.shown("ActiveState")) == ("disabled", "inactive")
        host.machine.run("systemctl", "enable", "app.service")
        host.back(host.fix(ControlUnit("app.service", "enable-now")))
        assert (host.shown("UnitFileState"), host.shown("ActiveState")) == ("enabled", "inactive")
        host.machine.run("systemctl", "disable", "app.service")

    @pytest.mark.parametrize(
        ("unit", "verb", "said"),
        [
            ("e2scrub_all.timer", "enable", "masked"),
            ("e2scrub_all.timer", "start", "masked"),
            ("nothing.service", "start", "not-found"),
            ("nothing.service", "enable", "does not exist|not-found"),
            ("fixed.service", "enable", "static"),
            ("x@.service", "start", "is unknown"),
        ],
    )
    def test_what_systemd_will_not_do_is_refused(self, host: Host, unit: str, verb: str, said: str) -> None:
        with pytest.raises(RefusedError, match=said):
            host.fix(ControlUnit(unit, verb))


class TestOurNatUnit:
    """The unit that brings our chain back after a reboot."""

    def rules(self, host: Host) -> list[str]:
        saved = host.machine.run("iptables-nft-save", "-t", "nat").stdout
        return [line for line in saved.splitlines() if line.startswith("-A")]

    def test_it_loads_our_chain_and_nothing_else(self, host: Host) -> None:
        other = ["-A OUTPUT -p tcp -m tcp --dport 1 -j RETURN"]
        host.machine.run("iptables-nft", "-t", "nat", *other[0].split())
        entry = host.fix(*persistence(CHAIN))
        assert (host.shown("UnitFileState", UNIT), host.shown("ActiveState", UNIT)) == ("enabled", "active")
        assert prepare(host.hands, persistence(CHAIN)).actions == ()
        host.machine.run("systemd-analyze", "verify", "--man=no", f"/etc/systemd/system/{UNIT}")
        ours = [
            '-A PREROUTING -m comment --comment "kedoctor: 100% ours" -j KEDOCTOR',
            '-A OUTPUT -m comment --comment "kedoctor: 100% ours" -j KEDOCTOR',
            *other,
            f"-A KEDOCTOR {CHAIN.rules[0]}",
        ]
        for _ in range(2):
            host.machine.run("systemctl", "restart", UNIT)
            assert self.rules(host) == ours
        host.back(entry)
        assert (host.shown("LoadState", UNIT), host.shown("ActiveState", UNIT)) == ("not-found", "inactive")
        assert not host.machine.path("/etc/kedoctor").exists()
        wants = host.machine.path("/etc/systemd/system/multi-user.target.wants")
        assert UNIT not in [link.name for link in wants.iterdir()]
