"""What the journal is written in, and how it is read back when nothing in it can be trusted."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Union

from kedoctor import patterns
from kedoctor.base.errors import ChangeError
from kedoctor.base.input_files import read_plain
from kedoctor.base.records import Record, RecordError, decode, encode, reader
from kedoctor.model.actions.action import Action, OneWay
from kedoctor.model.actors import ActionKind, State

__all__ = [
    "FORMAT",
    "Event",
    "JournalError",
    "JournalManifest",
    "JournalStep",
    "ManifestReader",
    "Phase",
    "Progress",
    "encoded_step",
    "read_manifest",
    "read_progress",
]

FORMAT = 1
"""Raised whenever an older kedoctor would misread an entry."""

_MOST_BYTES = 192 << 20  # some files of 16 MiB, twice and as base64
_NAME = patterns.compiled(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class JournalError(ChangeError):
    """The journal cannot be written or read; the message names the file."""


class Phase(StrEnum):
    """How far an entry came: the ending of its directory's name."""

    NEW = "new"
    OPEN = "open"
    DONE = "done"
    UNDONE = "undone"
    ATTENTION = "attention"


class Event(StrEnum):
    """What a line of the log says happened to an action."""

    START = "start"
    DONE = "done"
    UNDO = "undo"
    UNDONE = "undone"


class JournalManifest(Record, frozen=True, kw_only=True):
    """What an entry is about. ``number`` says in which order entries were made, whatever the clock did meanwhile."""

    id: str
    started: datetime
    command: str
    codes: tuple[str, ...]
    actions: tuple[Action, ...]
    previewed: tuple[str, ...]  # the fingerprints that actions were going to leave; empty: unpredictable
    before: tuple[State, ...]
    diffs: tuple[str, ...]
    subjects: tuple[str, ...] = ()  # what each of the codes was about
    number: int = 0
    format: int = 1
    run: str = ""  # entries of one `run --fix` are taken back together


class _WrittenAction(Record, frozen=True):
    act: str


class _Written(Record, frozen=True):
    """As much of a manifest as can be read without knowing its actions."""

    actions: tuple[_WrittenAction, ...]


class ManifestReader:
    """Reads manifests whose actions are of these kinds."""

    def __init__(self, kinds: Iterable[ActionKind]) -> None:
        self._actions = {action.__name__: action for kind in kinds for action in kind.actions}
        # A union and a tuple of it, of what is known only now.
        known: Any = Union.__getitem__(tuple(self._actions.values()))
        actions: Any = tuple.__class_getitem__((known, ...))
        self.read = reader(JournalManifest, {"actions": actions})

    def unknown(self, data: bytes) -> str:
        """The first kind of action in a manifest that nobody brings; empty: that is not what is wrong with it."""
        with suppress(RecordError):
            written = decode(data, _Written).actions
            return next((one.act for one in written if one.act not in self._actions), "")
        return ""


class JournalStep(Record, frozen=True):
    """One line of the log."""

    event: Event
    index: int
    at: datetime
    state: State | None = None


class Progress(Record, frozen=True):
    """How far one action came: the state looked at just before, the one it left, and whether it was rolled back."""

    started: State | None = None
    finished: State | None = None
    undoing: bool = False
    undone: bool = False


def encoded_step(event: Event, index: int, state: State | None) -> bytes:
    """A line of the log, with length and checksum."""
    body = encode(JournalStep(event, index, datetime.now(UTC), state))
    return b"%d %08x %s\n" % (len(body), zlib.crc32(body), body)


def read_manifest(directory: Path, kinds: ManifestReader) -> JournalManifest:
    """What an entry is about.

    Raises:
        JournalError: it cannot be read, is damaged, or was written by a newer kedoctor.
    """
    data = b""
    try:
        data = _bytes(directory / "plan.json")
        manifest = kinds.read(data)
    except (OSError, RecordError, MemoryError) as error:
        why = (error.strerror if isinstance(error, OSError) else "") or str(error) or "it is too large"
        unknown = kinds.unknown(data)
        why = f"no plugin here brings the kind of action {unknown}" if unknown else why
        raise JournalError(f"the journal entry {directory} cannot be read: {why}") from error
    if manifest.format > FORMAT:
        raise JournalError(
            f"the journal entry {directory} was written by a newer kedoctor (format {manifest.format}, "
            f"this one reads {FORMAT})",
            hint="roll it back with the kedoctor that made it",
        )
    wrong = _contradiction(directory, manifest)
    if wrong:
        raise JournalError(f"the journal entry {directory} is damaged: {wrong}")
    return manifest


def _contradiction(directory: Path, manifest: JournalManifest) -> str:
    number = len(manifest.actions)
    if manifest.id != directory.stem or not _NAME.fullmatch(manifest.id):
        return "its plan.json belongs to another entry"
    if manifest.started.tzinfo is None:
        return "the time at which it was begun has no time zone"
    if {len(manifest.previewed), len(manifest.before)} != {number} or len(manifest.diffs) != number:
        return "its plan.json does not say of each action what was there before"
    return ""


def read_progress(directory: Path, manifest: JournalManifest, phase: Phase) -> list[Progress]:
    """How far each action came, by index.

    Raises:
        JournalError: the log is gone, or damaged before its last line, or says less than the name of the entry.
    """
    log = directory / "log"
    found = [Progress() for _ in manifest.actions]
    for number, step in _steps(log):
        if not 0 <= step.index < len(found):
            raise JournalError(f"{log} is damaged in line {number}")
        after = _after(found[step.index], step)
        if after is None:
            raise JournalError(f"{log} is damaged in line {number}")
        found[step.index] = after
    if phase is Phase.DONE and not _is_whole(manifest, found):
        raise JournalError(f"{log} is cut off: it does not say how every change ended")
    return found


def _after(known: Progress, step: JournalStep) -> Progress | None:
    """How far an action is after a step; ``None`` if such a step cannot come here."""
    if step.event is Event.START:
        return Progress(started=step.state) if step.state is not None else None
    if known.started is None:
        return None
    if step.event is Event.DONE:
        return Progress(known.started, step.state) if step.state is not None else None
    if step.event is Event.UNDO:
        return Progress(known.started, known.finished, undoing=True)
    return Progress(known.started, known.finished, undoing=known.undoing, undone=True)


def _is_whole(manifest: JournalManifest, found: list[Progress]) -> bool:
    """Whether the log tells of everything that an entry which is done must have done.

    What follows a foreign program need not have been done: an interrupted one counts as done.
    """
    for action, progress in zip(manifest.actions, found, strict=True):
        if isinstance(action, OneWay) and progress.started is not None:
            return True
        if progress.finished is None and not progress.undone:
            return False
    return True


def _steps(path: Path) -> Iterator[tuple[int, JournalStep]]:
    try:
        lines = _bytes(path).split(b"\n")
    except (OSError, MemoryError) as error:
        why = (error.strerror if isinstance(error, OSError) else "") or "it is too large"
        raise JournalError(f"{path} cannot be read: {why}") from error
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        step = _step(line)
        if step is None:
            if number == len(lines):  # no newline behind it: the process died while it wrote
                return
            raise JournalError(f"{path} is damaged in line {number}")
        yield number, step


def _step(line: bytes) -> JournalStep | None:
    length, _, rest = line.partition(b" ")
    checksum, _, body = rest.partition(b" ")
    try:
        if int(length) != len(body) or int(checksum, 16) != zlib.crc32(body):
            return None
        return decode(body, JournalStep)
    except (ValueError, RecordError):
        return None


def _bytes(path: Path) -> bytes:
    return read_plain(path, _MOST_BYTES, follow=False)
