"""NAT hands that work inside a network namespace, and a driver that kills them at every step.

``python nathands.py HOLDER KIND DIRECTORY`` prints how many steps a repair and a rollback have; it fails when a kill
at one of them leaves something that is neither before nor after. KIND is ``nft``, ``legacy`` or ``library`` (legacy
through python-iptables, and fewer actions, because each of its steps starts a Python).
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from kedoctor.base import failpoints
from kedoctor.base.errors import ChangeError
from kedoctor.changes.actor import Actors
from kedoctor.changes.actors.nat import ChainActor, RuleActor
from kedoctor.changes.actors.nat_tables import NatTables
from kedoctor.changes.executor import Prepared, execute, prepare, recover, roll_back
from kedoctor.changes.journal import Journal, JournalEntry, Phase
from kedoctor.changes.signals import deferred
from kedoctor.model.actions.action import Action
from kedoctor.model.actions.nat import EnsureChain, RemoveRule
from kedoctor.model.observations.request import Reason, Unavailable
from kedoctor.model.observations.tools import ToolOutput
from kedoctor.observe.live import subprocesses

STALE = '-A OUTPUT -p tcp -m tcp --dport 10351 -m comment --comment "made by hand" -j DNAT --to-destination 10.99.0.1:10004'
PLAIN = "-A OUTPUT -p tcp -m tcp --dport 10350 -j DNAT --to-destination 10.99.0.1:10003"
RULES = ("-p tcp -m tcp --dport 10351 -j DNAT --to-destination 10.99.0.1:10003",)


def chain(backend: str, **other: object) -> EnsureChain:
    fields = {
        "backend": backend,
        "chain": "KEDOCTOR",
        "hooks": ("OUTPUT", "PREROUTING"),
        "rules": RULES,
        "comment": "kedoctor: tunnel port",
    }
    return EnsureChain(**(fields | other))  # type: ignore[arg-type]


def actions(backend: str) -> tuple[Action, ...]:
    return (RemoveRule(backend, STALE), chain(backend), RemoveRule(backend, PLAIN, 2))


class Inside:
    """The tables of the namespace that a process holds; ``ran`` are the programs that were run in it.

    ``lock`` is the file that iptables locks instead of the host's.
    """

    def __init__(self, holder: int, lock: str, *, library: bool = True, missing: Sequence[str] = ()) -> None:
        self.ran: list[tuple[str, ...]] = []
        self._entering = ["nsenter", f"--net=/proc/{holder}/ns/net", "env", f"XTABLES_LOCKFILE={lock}"]
        self._missing = missing
        self.tables = NatTables(self.run, library=library, names=Path(f"/proc/{holder}/net/ip_tables_names"))

    def run(self, argv: Sequence[str], stdin: bytes) -> ToolOutput | Unavailable:
        if argv[0] in self._missing:
            return Unavailable(Reason.TOOL_MISSING, argv[0])
        self.ran.append(tuple(argv))
        return subprocesses.run([*self._entering, *argv], timeout=30, stdin=stdin)

    def printed(self, *argv: str, stdin: str = "") -> str:
        answer = self.run(argv, stdin.encode())
        assert isinstance(answer, ToolOutput), answer
        assert answer.exit_code == 0, answer.stderr
        return answer.stdout

    def save(self, backend: str) -> str:
        """All tables of a backend, without counters and remarks."""
        text = self.printed(f"iptables-{backend}-save")
        return re.sub(r"\[\d+:\d+\]", "", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))

    def actors(self) -> Actors:
        return Actors({EnsureChain: ChainActor(self.tables), RemoveRule: RuleActor(self.tables)})


def fix(hands: Actors, journal: Journal, planned: Sequence[Action] | Prepared) -> JournalEntry:
    prepared = planned if isinstance(planned, Prepared) else prepare(hands, planned)
    with deferred() as stop:
        return execute(journal, hands, prepared, codes=["NAT1"], command="t", stop=stop, tell=silent)


def silent(_: str) -> None:
    pass


def _killed_at(number: int, work: Callable[[], object]) -> bool:
    """Whether the work was killed there, or came to its end before."""
    child = os.fork()
    if child == 0:
        os.environ["KEDOCTOR_FAILPOINT"] = str(number)
        failpoints._reached = 0
        work()
        os._exit(0)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert ended in (0, -9), ended
    return ended == -9


def _refused_at(number: int, work: Callable[[], object]) -> bool:
    """Whether a write was refused there, as on a full disk, and the work ended by saying so."""
    os.environ["KEDOCTOR_FAILPOINT"] = f"{number}:ENOSPC"
    failpoints._reached = 0
    try:
        work()
    except ChangeError:
        return True
    finally:
        del os.environ["KEDOCTOR_FAILPOINT"]
    return False


class _Driver:
    def __init__(self, inside: Inside, backend: str, planned: Sequence[Action], directory: Path) -> None:
        self.inside, self.backend, self.directory = inside, backend, directory
        self.hands = inside.actors()
        self.prepared = prepare(self.hands, planned)
        self.initial, self.before = self.dump(), self.save()

    def save(self) -> str:
        return self.inside.save(self.backend)

    def dump(self) -> str:
        return self.inside.printed(f"iptables-{self.backend}-save")

    def reset(self, dump: str) -> None:
        self.inside.printed(f"iptables-{self.backend}-restore", stdin=dump)

    def kill_repairs(self) -> int:
        """At every step; after a recovery it is as before, and a second one does nothing."""
        for number in range(1, 99):
            journal = Journal(self.directory / f"repair-{number}")
            if not _killed_at(number, lambda: fix(self.hands, journal, self.prepared)):  # noqa: B023  called at once
                self.reset(self.initial)
                return number - 1
            begun = len(journal.entries())
            assert len(recover(journal, self.hands, tell=silent)) == begun
            assert self.save() == self.before, f"half done after a kill at step {number}"
            assert recover(journal, self.hands, tell=silent) == []
            assert self.save() == self.before
        raise AssertionError("the repair never came to its end")

    def refuse_repairs(self) -> int:
        """A full disk at every step: everything is taken back, or a recovery takes it back."""
        for number in range(1, 99):
            journal = Journal(self.directory / f"full-{number}")
            refused = _refused_at(number, lambda: fix(self.hands, journal, self.prepared))  # noqa: B023  called at once
            if not refused:
                self.reset(self.initial)
                return number - 1
            recover(journal, self.hands, tell=silent)
            assert self.save() == self.before, f"not taken back after a full disk at step {number}"
        raise AssertionError("the repair never came to its end")

    def kill_rollbacks(self) -> int:
        """At every step; another rollback finishes it."""
        done = self.directory / "done"
        fix(self.hands, Journal(done), self.prepared).become(Phase.DONE)
        repaired = self.dump()
        for number in range(1, 99):
            journal = Journal(shutil.copytree(done, self.directory / f"rollback-{number}"))
            if not _killed_at(number, lambda: roll_back(journal.entries()[0], self.hands, tell=silent)):  # noqa: B023
                return number - 1
            entry = journal.entries()[0]
            if entry.phase is not Phase.UNDONE:
                roll_back(entry, self.hands, tell=silent)
            assert self.save() == self.before, f"not taken back after a kill at step {number}"
            self.reset(repaired)
        raise AssertionError("the rollback never came to its end")


def _main(holder: str, kind: str, directory: str) -> None:
    backend = kind.replace("library", "legacy")
    planned = actions(backend) if kind == backend else actions(backend)[1:2]
    inside = Inside(int(holder), os.environ["XTABLES_LOCKFILE"], library=kind == "library")
    driver = _Driver(inside, backend, planned, Path(directory))
    print(driver.kill_repairs(), driver.kill_rollbacks(), driver.refuse_repairs())  # noqa: T201


if __name__ == "__main__":
    _main(*sys.argv[1:])
