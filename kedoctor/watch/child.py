"""One run, in a process of its own: what it takes is given back each time, and a run that hangs can be ended.

The reports come back through memory (no file is written on the host) and have passed the redactor in that process.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from kedoctor.base.plain import plain
from kedoctor.base.records import RecordError, decode
from kedoctor.model.report import Report

__all__ = ["Look", "NoReportError", "look"]

_LARGEST = 256 << 20
_ENDING = 2.0
_TOLD = 4096


class Look(NamedTuple):
    """A report as its document has it (of a large site without rows), and the pages made of it, by format."""

    report: Report
    pages: Mapping[str, bytes]


class NoReportError(Exception):
    """A run gave no report; ``str()`` says why. ``late``: it did not end in time."""

    def __init__(self, sentence: str, *, late: bool = False) -> None:
        super().__init__(sentence)
        self.late = late


def look(words: Sequence[str], *, seconds: float, formats: Sequence[str] = ()) -> Look:
    """What ``kedoctor run`` with these words reports; it ends within ``seconds`` and a little.

    Raises:
        NoReportError: it gave none. Nothing of it runs any more.
    """
    with contextlib.ExitStack() as stack:
        document, errors = stack.enter_context(_memory("report")), stack.enter_context(_memory("errors"))
        pages = {name: stack.enter_context(_memory(name)) for name in formats}
        beside = [
            word for name, page in pages.items() for word in (f"--{name}", f"/proc/self/fd/{page.fileno()}")
        ]
        argv = [
            sys.executable,
            "-I" if sys.flags.isolated else "-P",
            "-m",
            "kedoctor",
            "run",
            *words,
            "--no-history",
            "--format",
            "json",
            *beside,
        ]
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=document,
            stderr=errors,
            pass_fds=[page.fileno() for page in pages.values()],
            start_new_session=True,  # Ctrl-C is for the one who watches; that one ends this run
        )
        code = _ended(child, seconds)
        try:
            report = decode(_content(document), Report)
        except RecordError:
            raise NoReportError(f"exit code {code}: {_last_line(errors)}".rstrip(": ")) from None
        return Look(report, {name: _content(page) for name, page in pages.items()})


@contextlib.contextmanager
def _memory(name: str) -> Iterator[io.FileIO]:
    with io.FileIO(os.memfd_create(f"kedoctor-{name}"), "r+") as file:
        yield file


def _ended(child: subprocess.Popen[bytes], seconds: float) -> int:
    """The exit code. Whatever happens here (an interrupt, too), the child is gone afterwards.

    Raises:
        NoReportError: it did not end in time.
    """
    try:
        return child.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        raise NoReportError(f"it did not end within {seconds:.0f} s and was ended", late=True) from None
    finally:
        if child.poll() is None:
            _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    """Ends a run as Ctrl-C does, so that it ends what it started; then in any case."""
    for number, patience in ((signal.SIGINT, _ENDING), (signal.SIGKILL, _ENDING)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=patience)
            return


def _content(file: io.FileIO) -> bytes:
    return os.pread(file.fileno(), _LARGEST, 0)


def _last_line(file: io.FileIO) -> str:
    size = os.fstat(file.fileno()).st_size
    lines = os.pread(file.fileno(), _TOLD, max(0, size - _TOLD)).decode(errors="replace").split("\n")
    return next((plain(line.strip()) for line in reversed(lines) if line.strip()), "")
