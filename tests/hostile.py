"""The command line in a process group of its own with limits, for input that wants to hang it or to eat the memory."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import kedoctor.changes.actors.registry
import kedoctor.cli.bundle
import kedoctor.cli.diff
import kedoctor.cli.explain
import kedoctor.cli.history
import kedoctor.cli.report
import kedoctor.cli.rollback
import kedoctor.cli.run  # what is imported here, no fork has to import
from kedoctor import __main__ as program
from kedoctor.plugins import load_plugins

_KNOWN = len(load_plugins().registry.checks)  # all knowledge is loaded once, here


def _resident() -> int:
    """Bytes of memory that this process has now."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()


LOADED = _resident()
"""What a process takes that has loaded all of kedoctor and pytest, before any test has run."""

MOST_MEMORY = 500 << 20
MOST_SECONDS = 20.0
"""Of processor time, which does not depend on what else the machine does."""

MOST_WAITING = 200.0
"""Until it counts as hanging: many tests share the machine, and what hangs does so without end."""


@dataclass(frozen=True)
class Ended:
    """How it ended: exit code (negative: the signal), what it printed, seconds of processor, and bytes of memory at its peak.

    What the tests before have left in the memory of their process is not counted: a fork inherits it.
    """

    code: int
    out: str
    err: str
    seconds: float
    memory: int

    def must_be_civil(self, *codes: int) -> None:
        """One sentence, a code of those (any but 70 if none are named), no traceback, bounded memory."""
        told = f"{self.code} after {self.seconds:.1f} s with {self.memory >> 20} MB: {self.err[-800:]}"
        assert self.code >= 0, told
        assert self.code != 70, told
        assert not codes or self.code in codes, told
        assert "Traceback" not in self.err, told
        assert self.memory < MOST_MEMORY, told
        assert self.seconds < MOST_SECONDS, told
        assert "\x1b" not in self.out + self.err, told


def kedoctor(*words: str, environment: Mapping[str, str] | None = None) -> Ended:
    """Runs the command in a fork, which costs no imports."""

    def work() -> int:
        os.environ.update(environment or {})
        sys.argv = ["kedoctor", *words]
        return program._flushed(program._run(list(words)))

    return bounded(work)


def bounded(work: Callable[[], int]) -> Ended:
    """Runs a function that gives an exit code in a process group of its own, and ends all of the group afterwards."""
    with tempfile.TemporaryDirectory() as directory:
        out, err = Path(directory, "out"), Path(directory, "err")
        inherited = max(_resident() - LOADED, 0)
        pid = os.fork()
        if pid == 0:
            _child(work, out, err)
        code, seconds, memory = _waited(pid, time.monotonic() + MOST_WAITING)
        texts = [one.read_text(encoding="utf-8", errors="replace") for one in (out, err)]
        return Ended(code, *texts, seconds, memory - inherited)


def _child(work: Callable[[], int], out: Path, err: Path) -> None:
    code = 99
    try:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
        for descriptor, path in ((0, Path(os.devnull)), (1, out), (2, err)):
            os.dup2(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), descriptor)
        sys.stdin, sys.stdout, sys.stderr = (
            os.fdopen(number, mode, encoding="utf-8", closefd=False)
            for number, mode in ((0, "r"), (1, "w"), (2, "w"))
        )
        code = work()
    except BaseException:  # noqa: BLE001
        import traceback  # noqa: PLC0415

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _waited(pid: int, ends: float) -> tuple[int, float, int]:
    hung = False
    while True:
        done, status, used = os.wait4(pid, os.WNOHANG)
        if done:
            break
        if time.monotonic() > ends and not hung:
            hung = True
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)  # what it has left behind
    return os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, used.ru_maxrss << 10
