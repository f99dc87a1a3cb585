"""A host of the lab: a process of its own network, mount, process and host-name namespaces.

It lives as long as the test process holds its standard input open: if the test run is killed, that input ends, the first
process of the namespace ends with it, and the kernel takes everything else away: processes, mounts, links and rules.
Only control groups outlive their processes; those that pods of the host were put into are removed by :meth:`Host.close`,
and by the keeper of the host if nobody lives to call it.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

__all__ = ["Daemon", "Host", "cgroups", "obstacle", "remove_cgroups", "until"]

_CGROUPS = Path("/sys/fs/cgroup")
_CLONE_NEWNET = 0x40000000
_TOOLS = ("unshare", "nsenter", "ip", "mount", "iptables")

# Waits for its child, then removes the control groups that pods were put into. It is told their name.
_KEEPER = """
import os, signal, subprocess, sys
sys.path.insert(0, sys.argv[1])
from lab_host import remove_cgroups
signal.signal(signal.SIGINT, signal.SIG_IGN)
subprocess.run(sys.argv[3:], check=False)
remove_cgroups(sys.argv[2])
"""
# The first process: reaps whatever is left to it, and ends with its input.
_FIRST = """
import signal, subprocess, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
def run(*argv):
    subprocess.run(argv, check=True)
run("mount", "-t", "proc", "proc", "/proc")
run("mount", "-t", "tmpfs", "tmpfs", "/run")
for place, inside in (("lib", "/var/lib"), ("log", "/var/log")):
    run("mount", "--bind", f"{sys.argv[1]}/{place}", inside)
run("hostname", sys.argv[2])
run("ip", "link", "set", "lo", "up")
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print("up", flush=True)
sys.stdin.read()
"""


def obstacle() -> str:
    """Why there can be no such host here; empty if there can."""
    if os.geteuid() != 0:
        return "needs root to make namespaces"
    lacking = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if lacking:
        return f"needs {', '.join(lacking)}"
    tried = subprocess.run(
        ["unshare", "--net", "--mount", "--pid", "--fork", "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"cannot make namespaces: {tried.stderr.strip()}" if tried.returncode else ""


def until(happens: Callable[[], Any], seconds: float, what: Callable[[], str] | str = "") -> Any:
    """What ``happens`` gives as soon as that is true; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (found := happens()):
        if time.monotonic() > deadline:
            raise AssertionError(f"did not happen in {seconds:.0f} s: {what() if callable(what) else what}")
        time.sleep(0.05)
    return found


def cgroups(name: str) -> list[Path]:
    """The control groups of that name at the top of each hierarchy."""
    tops = [_CGROUPS, *(path for path in _CGROUPS.iterdir() if path.is_dir())]
    return [top / name for top in tops if (top / name / "cgroup.procs").exists()]


def remove_cgroups(name: str, seconds: float = 10.0) -> None:
    """Removes them with everything below, as soon as their last processes are gone."""
    deadline = time.monotonic() + seconds
    while left := cgroups(name):
        for top in left:
            for folder, _, _ in os.walk(top, topdown=False):
                with suppress(OSError):  # a process in it is still ending
                    Path(folder).rmdir()
        if time.monotonic() > deadline:
            return
        time.sleep(0.05)


class Daemon:
    """A program that runs on a host until it is stopped."""

    def __init__(
        self, host: Host, name: str, argv: Sequence[str | Path], log: Path, env: dict[str, str]
    ) -> None:
        self.name = name
        self.log = log
        self._host = host
        self._argv = [str(word) for word in argv]
        self._env = env
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Starts it; what it prints is appended to its log."""
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                self._host.entering(self._argv),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=self._env,
            )
        return self

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._process is not None and self._process.poll() is None

    def stop(self, how: signal.Signals = signal.SIGTERM, seconds: float = 30.0) -> None:
        """Ends it; returns when it is gone."""
        if self._process is None:
            return
        for child in Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split():
            os.kill(int(child), how)
        self._process.wait(seconds)
        self._process = None

    def reap(self) -> None:
        """Waits for what was killed together with its host."""
        if self._process is not None:
            self._process.wait(30)
            self._process = None

    def said(self, lines: int = 15) -> str:
        """The end of its log."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return f"{self.name}: " + "\n".join(text.splitlines()[-lines:])


class Host:
    """A host with an address of its own; leave the ``with`` block and it is gone with all that ran on it."""

    def __init__(self, name: str, home: Path) -> None:
        self.name = name
        self.home = home
        self.cgroup = f"kedoctor-lab-{os.getpid()}-{name}"
        self.daemons: dict[str, Daemon] = {}
        self._keeper: subprocess.Popen[str] | None = None
        self._first = 0

    def __enter__(self) -> Self:
        for place in ("lib", "log"):
            (self.home / place).mkdir(parents=True, exist_ok=True)
        first = [sys.executable, "-I", "-c", _FIRST, str(self.home), self.name]
        namespaces = ["--net", "--mount", "--pid", "--uts", "--ipc", "--propagation", "private"]
        argv = ["unshare", *namespaces, "--fork", "--kill-child=KILL", *first]
        here = str(Path(__file__).parent)
        self._keeper = subprocess.Popen(
            [sys.executable, "-c", _KEEPER, here, self.cgroup, *argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._keeper.stdout is not None
        if self._keeper.stdout.readline() != "up\n":
            self.close()
            raise AssertionError(f"host {self.name} did not come up")
        self._first = _child(_child(self._keeper.pid))
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends everything on it; returns when nothing of it is left."""
        if self._keeper is None:
            return
        assert self._keeper.stdin is not None
        assert self._keeper.stdout is not None
        self._keeper.stdin.close()
        self._keeper.wait(30)
        self._keeper.stdout.close()
        self._keeper = None
        for daemon in self.daemons.values():
            daemon.reap()

    @property
    def pid(self) -> int:
        """Its first process, as seen from outside."""
        return self._first

    def entering(self, argv: Sequence[str | Path]) -> list[str]:
        """The command that runs another one on this host."""
        spaces = ["--net", "--mount", "--pid", "--uts", "--ipc"]
        return ["nsenter", "--target", str(self._first), *spaces, "--", *map(str, argv)]

    def run(
        self,
        *argv: str | Path,
        check: bool = True,
        stdin: str = "",
        timeout: float = 60,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command on it and waits; a failure raises with what it printed."""
        done = subprocess.run(
            self.entering(argv),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
            env=env,
            cwd=cwd,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{argv}: exit {done.returncode}: {done.stderr or done.stdout}")
        return done

    def daemon(self, name: str, *argv: str | Path, **env: str) -> Daemon:
        """Starts a program that goes on running."""
        log = self.home / f"{name}.log"
        started = Daemon(self, name, argv, log, {**os.environ, **env}).start()
        self.daemons[name] = started
        return started

    @contextmanager
    def entered(self) -> Iterator[None]:
        """This thread, and those that it starts, use the network of the host until the block ends."""
        libc = ctypes.CDLL(None, use_errno=True)
        with Path("/proc/thread-self/ns/net").open("rb") as own:
            with Path(f"/proc/{self._first}/ns/net").open("rb") as there:
                assert libc.setns(there.fileno(), _CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
            try:
                yield
            finally:
                assert libc.setns(own.fileno(), _CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())

    def cable(self, name: str, other: Host, other_name: str) -> None:
        """Lays a cable to another host; the two names are those of the new links."""
        # From outside: only there do both hosts have a process number.
        ends = ["type", "veth", "peer", "name", other_name, "netns", str(other.pid)]
        argv = ["nsenter", "--target", str(self._first), "--net", "--", "ip", "link", "add", name, *ends]
        subprocess.run(argv, check=True, timeout=30)

    def connect(self, address: str, port: int, timeout: float) -> socket.socket:
        """A connection that is made from this host; a socket stays in the namespace in which it was made."""
        with self.entered():
            return socket.create_connection((address, port), timeout)


def _child(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()[0])
