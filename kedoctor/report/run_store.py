"""The last runs, kept where this user's state belongs, so that they can be shown again.

A run never fails because its report cannot be kept: :func:`save` then returns a sentence that says why. A file that
cannot be read is left out of every list. ``KEDOCTOR_STATE_DIR`` names another directory.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from kedoctor import patterns
from kedoctor.base.atomic_files import make_directory, replace_file
from kedoctor.base.directories import PlaceError
from kedoctor.base.errors import OutputError, UsageError
from kedoctor.base.input_files import read_plain
from kedoctor.base.records import RecordError
from kedoctor.base.state_places import state_directory
from kedoctor.model.report import Report, SafeReport
from kedoctor.model.report_document import read_report, write_report
from kedoctor.redaction.documents import DocumentRedactor

__all__ = [
    "KEPT",
    "KEPT_BYTES",
    "directory",
    "kept_page",
    "latest",
    "latest_mark",
    "load",
    "notes",
    "runs",
    "save",
]

KEPT = 50
KEPT_BYTES = 200 << 20

_UNSAFE = patterns.compiled(r"[^A-Za-z0-9._-]")
_MAX_BYTES = 256 << 20
_SECOND = len("20260101T000000Z")
_STEP = 1_000_000  # nanoseconds


def directory() -> Path:
    """The state directory; it may not exist yet."""
    return state_directory()


def save(report: SafeReport) -> Path | str:
    """Keeps a report: the path it has now, or a sentence that says why it could not be kept.

    Raises:
        TypeError: it has not passed the redactor.
    """
    if not isinstance(report, SafeReport):
        raise TypeError("a report that has not passed the redactor is not kept")
    folder = directory() / "runs"
    target = folder / f"{_UNSAFE.sub('_', report.run.id)}.json"
    try:
        make_directory(folder.parent)
        make_directory(folder)
        before = _files()
        replace_file(target, write_report(report))
        _make_newest(target, before)
    except OSError as error:
        return f"This run is not kept in the history: {target}: {error.strerror or error}"
    for old in _too_many(_files()):
        with contextlib.suppress(OSError):
            old.unlink()
    return target


def kept_page(report: SafeReport, page: bytes) -> Path:
    """A page of a report beside the kept runs, where a browser finds it: one file, which the next page replaces.

    Raises:
        OutputError: it could not be written.
    """
    if not isinstance(report, SafeReport):
        raise TypeError("a report that has not passed the redactor is not kept")
    target = directory() / "report.html"
    try:
        make_directory(target.parent)
        replace_file(target, page)
    except OSError as error:
        raise OutputError(f"{target} could not be written: {error.strerror or error}") from error
    return target


def runs() -> list[Report]:
    """The kept reports as they were written, newest first: for those who show a few names of each, and redact these."""
    return [report for report, _ in _readable() if report is not None]


def notes() -> list[str]:
    """A sentence for each kept file that cannot be read."""
    return [note for _, note in _readable() if note]


def latest() -> SafeReport | None:
    """The newest report that can be read."""
    found = next((report for report, _ in _readable() if report is not None), None)
    return None if found is None else DocumentRedactor().report(found)


def latest_mark() -> str:
    """A text that is another one as soon as another run is the latest; empty while none is kept. Reads no report."""
    newest = next(iter(_files()), None)
    return f"{newest.name} {_kept_at(newest)}" if newest else ""


def load(run_id: str) -> SafeReport:
    """The report of a run. It passes the redactor, as kedoctor 0.1.0 kept reports that had not.

    Raises:
        UsageError: no such run is kept, or its file cannot be read.
    """
    path = directory() / "runs" / f"{_UNSAFE.sub('_', run_id)}.json"
    report, note = _read(path)
    if report is None:
        raise UsageError(
            note if path.exists() else f"no run with ID {run_id!r}",
            hint="kedoctor history lists the runs that are kept",
        )
    return DocumentRedactor().report(report)


def _files() -> list[Path]:
    """The kept files, newest first: by the second with which a run's id begins, then by when they were kept."""
    try:
        found = [path for path in (directory() / "runs").iterdir() if path.suffix == ".json"]
    except OSError:
        return []
    return sorted(found, key=lambda path: (path.name[:_SECOND], _kept_at(path), path.name), reverse=True)


def _too_many(newest_first: list[Path]) -> list[Path]:
    """Those that go: beyond :data:`KEPT` runs, and beyond :data:`KEPT_BYTES`, but never the newest."""
    room = KEPT_BYTES
    for place, path in enumerate(newest_first):
        with contextlib.suppress(OSError):
            room -= path.lstat().st_size
        if place >= KEPT or (room < 0 and place > 0):
            return newest_first[place:]
    return []


def _kept_at(path: Path) -> int:
    try:
        return path.lstat().st_mtime_ns
    except OSError:
        return 0


def _make_newest(target: Path, before: list[Path]) -> None:
    """Of the runs of one second the one that was kept last is the newest; file systems count in coarse steps."""
    others = [
        _kept_at(one) for one in before if one != target and one.name[:_SECOND] == target.name[:_SECOND]
    ]
    status = target.stat()
    newest = max(others, default=0)
    if status.st_mtime_ns <= newest:
        os.utime(target, ns=(status.st_atime_ns, newest + _STEP))


def _readable() -> Iterator[tuple[Report | None, str]]:
    return (_read(path) for path in _files())


def _read(path: Path) -> tuple[Report | None, str]:
    try:
        return read_report(read_plain(path, _MAX_BYTES, follow=False)), ""
    except PlaceError as error:
        return None, f"{path} is no report: {error.strerror}"
    except OSError as error:
        return None, f"{path} cannot be read: {error.strerror or error}"
    except RecordError as error:
        return None, f"{path} is not a report that this kedoctor can read: {error}"
