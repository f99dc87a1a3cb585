"""The one place where child processes are started.

A child gets no shell, no terminal, no inherited environment and no way to outlive its deadline: it runs in a
session of its own, its output is capped and drained, and at the end its whole process group is gone, except a
child in uninterruptible sleep, which nobody can end; that one is abandoned, and the answer says so.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from kedoctor.base.records import replace
from kedoctor.model.observations.request import Reason, Unavailable
from kedoctor.model.observations.tools import ToolOutput
from kedoctor.observe.live.bounded_text import Kept

__all__ = ["SYSTEM_PATHS", "find_tool", "run"]

SYSTEM_PATHS = (
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
)
"""Where programs are looked for, in this order; the caller's ``PATH`` and directory do not count."""

_TERM_GRACE = 1.0  # seconds between SIGTERM and SIGKILL
_KILL_GRACE = 2.0  # seconds after SIGKILL before a child is taken to be in uninterruptible sleep
_HELD_GRACE = 0.2  # seconds a pipe is read on after the child has ended while a grandchild holds it
_STEP = 0.05  # seconds between looks at whether the child has ended
_PIECE = 1 << 16

# Children that could not be ended. Kept so that they are reaped once the kernel lets go of them.
_abandoned: list[subprocess.Popen[bytes]] = []


def run(
    argv: Sequence[str],
    *,
    timeout: float = 10.0,
    limit: int = 1 << 20,
    keep_end: bool = False,
    part: bool = False,
    stdin: bytes = b"",
    paths: Sequence[str] = SYSTEM_PATHS,
    environment: Mapping[str, str] | None = None,
) -> ToolOutput | Unavailable:
    """What the program printed and returned; a non-zero exit code is an answer.

    ``argv[0]`` is a name looked for in ``paths``, or an absolute path. At most ``limit`` bytes of each of stdout
    and stderr are kept, the last ones if ``keep_end``. A child killed by signal ``n`` has exit code ``-n``. It gets
    ``environment`` besides the few variables that every child has. With ``part``, what is printed first is enough: the
    child is ended as soon as ``limit`` bytes are there, and what it printed until its deadline is an answer as well
    (``truncated``, exit code 0).

    Unavailable for ``tool-missing``, ``permission`` (it may not be executed), ``tool-failed`` (it is not a program),
    ``timeout`` and ``abandoned``. It returns at most three seconds after ``timeout``. Safe from any thread; when an
    exception (an interrupt) passes through, the child is killed first.
    """
    what = f"running {' '.join(argv)}"
    program = find_tool(argv[0], paths)
    if isinstance(program, Unavailable):
        return program
    _reap_abandoned()
    try:
        child = _start([program, *argv[1:]], stdin, environment or {})
    except (OSError, ValueError) as error:
        return _not_started(error, what)
    watch = _Watch(child, limit, keep_end=keep_end, part=part)
    try:
        ended = watch.until_end(time.monotonic() + timeout)
        if not ended:
            watch.terminate()
    finally:
        gone = watch.close()
    if not gone:
        detail = f"it did not end within {timeout:g} s, not even when killed (uninterruptible sleep); pid {child.pid} was left behind"
        return Unavailable(Reason.ABANDONED, what, detail)
    if part and not ended and watch.printed:
        return replace(watch.output((program, *argv[1:])), exit_code=0, truncated=True)
    if not ended:
        return Unavailable(Reason.TIMEOUT, what, f"it did not end within {timeout:g} s and was killed")
    if watch.lost:
        return Unavailable(
            Reason.TOOL_FAILED, what, "it ran, but its exit code was lost because SIGCHLD is ignored here"
        )
    return watch.output((program, *argv[1:]))


def find_tool(name: str, paths: Sequence[str] = SYSTEM_PATHS) -> str | Unavailable:
    """The absolute path of a program that may be executed; an absolute ``name`` is only checked."""
    what = f"program {name}"
    if name.startswith("/"):
        candidates = [Path(name)]
    elif not name or "/" in name:
        return Unavailable(
            Reason.TOOL_MISSING, what, "a program is named by its bare name or its absolute path"
        )
    else:
        candidates = [Path(path, name) for path in paths]
    found = [path for path in candidates if path.is_file()]
    for path in found:
        if os.access(path, os.X_OK):
            return str(path)
    if found:
        return Unavailable(Reason.PERMISSION, what, f"{found[0]} is there, but may not be executed")
    return Unavailable(Reason.TOOL_MISSING, what, f"{name} is not installed (looked in {', '.join(paths)})")


def _start(argv: list[str], stdin: bytes, more: Mapping[str, str]) -> subprocess.Popen[bytes]:
    source = os.open(os.devnull, os.O_RDONLY) if not stdin else os.memfd_create("stdin", os.MFD_CLOEXEC)
    with open(source, "r+b" if stdin else "rb", buffering=0) as feed:  # noqa: PTH123  a descriptor, not a path
        if stdin:
            feed.write(stdin)
            feed.seek(0)
        return subprocess.Popen(
            argv,
            stdin=feed,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
            env={**_environment(), **more},
            start_new_session=True,
            bufsize=0,
        )


def _environment() -> dict[str, str]:
    """One language, one time zone, one path, whoever calls: so that output can be parsed."""
    return {
        "PATH": ":".join(SYSTEM_PATHS),
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "HOME": os.environ.get("HOME", "/"),
    }


def _not_started(error: OSError | ValueError, what: str) -> Unavailable:
    if isinstance(error, FileNotFoundError):
        # The program was there a moment ago: what is missing is what its first line names.
        return Unavailable(Reason.TOOL_FAILED, what, "its interpreter is not installed")
    if isinstance(error, PermissionError):
        return Unavailable(Reason.PERMISSION, what, "the operating system refuses to execute it")
    detail = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Unavailable(Reason.TOOL_FAILED, what, f"it cannot be started: {detail}")


def _reap_abandoned() -> None:
    for child in list(_abandoned):
        if child.poll() is not None and child in _abandoned:
            _abandoned.remove(child)


class _Watch:
    """A running child and what it has printed so far."""

    def __init__(
        self, child: subprocess.Popen[bytes], limit: int, *, keep_end: bool, part: bool = False
    ) -> None:
        self.lost = False  # somebody else reaped it (SIGCHLD ignored): how it ended cannot be known
        self._child = child
        self._part = part
        self._stdout = Kept(limit, keep_end=keep_end)
        self._stderr = Kept(limit, keep_end=keep_end)
        # poll(), unlike select(), has no highest descriptor.
        self._selector = selectors.PollSelector()
        for pipe, kept in ((child.stdout, self._stdout), (child.stderr, self._stderr)):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                self._selector.register(pipe, selectors.EVENT_READ, kept)

    def until_end(self, deadline: float) -> bool:
        """Whether the child ended by itself before ``deadline`` (and before it had printed enough)."""
        while not self._has_ended():
            left = deadline - time.monotonic()
            if left <= 0 or (self._part and self._stdout.cut):
                return False
            self._read(min(left, _STEP))
        held_until = time.monotonic() + _HELD_GRACE
        while self._selector.get_map() and (left := held_until - time.monotonic()) > 0:
            self._read(left)
        return True

    @property
    def printed(self) -> bool:
        """Whether it has printed anything."""
        return bool(self._stdout.data)

    def terminate(self) -> None:
        """Asks the whole group to end, and gives it a moment to do so."""
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + _TERM_GRACE
        while not self._has_ended() and time.monotonic() < deadline:
            self._read(_STEP)

    def close(self) -> bool:
        """Kills what is left of the group and closes our ends of the pipes; whether the child is gone."""
        # Its pid is still taken, by the child or by its zombie, so this cannot hit somebody else's group.
        self._signal(signal.SIGKILL)
        deadline = time.monotonic() + _KILL_GRACE
        while not (gone := self._has_ended()) and time.monotonic() < deadline:
            self._read(_STEP)
        self._selector.close()
        for pipe in (self._child.stdout, self._child.stderr):
            if pipe is not None:
                pipe.close()
        if gone:
            self._child.wait()
        else:
            _abandoned.append(self._child)
        return gone

    def output(self, argv: tuple[str, ...]) -> ToolOutput:
        """What the child printed and returned, once it is closed."""
        return ToolOutput(
            argv=argv,
            exit_code=self._child.returncode,
            stdout=self._stdout.text(),
            stderr=self._stderr.text(),
            truncated=self._stdout.cut or self._stderr.cut,
        )

    def _read(self, wait: float) -> None:
        """Takes one piece from each pipe that has one, waiting at most ``wait`` seconds for it."""
        if not self._selector.get_map():
            time.sleep(min(wait, 0.005))
            return
        for key, _ in self._selector.select(wait):
            try:
                piece = os.read(key.fd, _PIECE)
            except BlockingIOError:
                continue
            if piece:
                key.data.add(piece)
            else:
                self._selector.unregister(key.fileobj)

    def _has_ended(self) -> bool:
        """Whether the child has ended; it is not reaped, so that its process group keeps its number."""
        try:
            return os.waitid(os.P_PID, self._child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            self.lost = True
            return True

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, number)
