"""The journal: written before anything is touched, so that every change can be finished or taken back.

One directory an entry, named by its id and how far it came::

    20261123T051200Z-3f9a.new        being written; nothing was touched yet
    20261123T051200Z-3f9a.open       acting, or the process died while it acted
    20261123T051200Z-3f9a.done       acted, and the checks pass; can be rolled back
    20261123T051200Z-3f9a.undone     taken back
    20261123T051200Z-3f9a.attention  could not be rolled back; a person must look

``plan.json`` holds the plan and the states of all targets from before. ``log`` holds one line an event, with
length and checksum, so that a torn last line is recognised and left out. All names and files are synced before
the next step is taken.
"""

from __future__ import annotations

import secrets
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, Union

from kedoctor.base import atomic_files
from kedoctor.base.errors import ChangeError
from kedoctor.base.records import Record, RecordError, decode, encode, reader, replace
from kedoctor.changes.actors import built_in
from kedoctor.model.actions import Action
from kedoctor.model.actors import ActionKind, State

__all__ = [
    "Event",
    "Journal",
    "JournalEntry",
    "JournalError",
    "JournalManifest",
    "JournalStep",
    "Phase",
    "Progress",
    "new_id",
]


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


class _WrittenAction(Record, frozen=True):
    act: str


class _Written(Record, frozen=True):
    """As much of a manifest as can be read without knowing its actions."""

    actions: tuple[_WrittenAction, ...]


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


class JournalEntry:
    """One entry of the journal."""

    def __init__(self, directory: Path, manifest: JournalManifest) -> None:
        self.directory = directory
        self.manifest = manifest

    @property
    def id(self) -> str:
        """The name a person uses."""
        return self.manifest.id

    @property
    def phase(self) -> Phase:
        """How far it came."""
        return Phase(self.directory.suffix[1:])

    def note(self, event: Event, index: int, state: State | None = None) -> None:
        """Adds a line to the log, durably.

        Raises:
            JournalError: it could not be written.
        """
        body = encode(JournalStep(event, index, datetime.now(UTC), state))
        line = b"%d %08x %s\n" % (len(body), zlib.crc32(body), body)
        try:
            atomic_files.append(self.directory / "log", line)
        except OSError as error:
            raise JournalError(
                f"the journal {self.directory} could not be written: {error.strerror}"
            ) from error

    def become(self, phase: Phase) -> None:
        """Gives the entry its new phase in one step.

        Raises:
            JournalError: it could not be renamed.
        """
        target = self.directory.with_suffix(f".{phase.value}")
        try:
            atomic_files.rename(self.directory, target)
        except OSError as error:
            raise JournalError(
                f"the journal {self.directory} could not be renamed: {error.strerror}"
            ) from error
        self.directory = target

    def progress(self) -> list[Progress]:
        """How far each action came, by index.

        Raises:
            JournalError: the log is damaged before its last line.
        """
        found = [Progress() for _ in self.manifest.actions]
        for step in _steps(self.directory / "log"):
            known = found[step.index]
            if step.event is Event.START:
                found[step.index] = Progress(started=step.state)
            elif step.event is Event.DONE:
                found[step.index] = Progress(known.started, step.state)
            elif step.event is Event.UNDO:
                found[step.index] = Progress(known.started, known.finished, undoing=True)
            else:
                found[step.index] = Progress(
                    known.started, known.finished, undoing=known.undoing, undone=True
                )
        return found


class Journal:
    """All entries of a host. ``kinds`` are the kinds of action that entries may hold; the built-in ones if not given."""

    def __init__(self, directory: Path, kinds: Iterable[ActionKind] | None = None) -> None:
        self.directory = directory
        self._kinds = kinds

    def begin(self, manifest: JournalManifest) -> JournalEntry:
        """A new entry, on disk in whole before this returns.

        Raises:
            JournalError: it could not be written; nothing was touched.
        """
        place = self.directory / f"{manifest.id}.{Phase.NEW.value}"
        last = max((entry.manifest.number for entry in self.entries()), default=0)
        manifest = replace(manifest, number=last + 1)
        try:
            place.mkdir(mode=0o700, parents=True)
            atomic_files.replace_file(place / "plan.json", encode(manifest), mode=0o600)
            atomic_files.append(place / "log", b"")
        except OSError as error:
            shutil.rmtree(place, ignore_errors=True)
            raise JournalError(
                f"the journal {place} could not be written: {error.strerror}; nothing was changed"
            ) from error
        entry = JournalEntry(place, manifest)
        entry.become(Phase.OPEN)
        return entry

    def entries(self) -> list[JournalEntry]:
        """All entries that can be read, oldest first."""
        found = [entry for place in self._places() if isinstance(entry := self._read(place), JournalEntry)]
        # By number: an edge's clock is set by years when it finds its time server, and steps back by seconds afterwards.
        return sorted(found, key=lambda entry: (entry.manifest.number, entry.manifest.started, entry.id))

    def broken(self) -> list[JournalError]:
        """What is wrong with the entries that cannot be read."""
        return [found for place in self._places() if isinstance(found := self._read(place), JournalError)]

    def entry(self, wanted: str) -> JournalEntry:
        """The entry of that id.

        Raises:
            JournalError: there is none.
        """
        for entry in self.entries():
            if entry.id == wanted:
                return entry
        raise JournalError(
            f"there is no change {wanted!r} in the journal", hint="kedoctor rollback --list shows them"
        )

    def clear_new(self) -> None:
        """Removes entries that never got as far as touching anything."""
        for place in self.directory.glob(f"*.{Phase.NEW.value}"):
            shutil.rmtree(place, ignore_errors=True)

    def _places(self) -> Iterator[Path]:
        # A directory that may not be listed (another user's) holds nothing for this one.
        try:
            names = sorted(self.directory.iterdir())
        except OSError:
            return
        for place in names:
            if place.is_dir() and place.suffix[1:] in set(Phase) - {Phase.NEW}:
                yield place

    def _read(self, place: Path) -> JournalEntry | JournalError:
        try:
            data = (place / "plan.json").read_bytes()
            return JournalEntry(place, self._decode(data))
        except OSError as error:
            return JournalError(f"the journal entry {place} cannot be read: {error}")
        except RecordError as error:
            unknown = self._unknown(data)
            why = f"no plugin here brings the kind of action {unknown}" if unknown else str(error)
            return JournalError(f"the journal entry {place} cannot be read: {why}")

    @cached_property
    def _actions(self) -> dict[str, type[Action]]:
        kinds = built_in() if self._kinds is None else self._kinds
        return {action.__name__: action for kind in kinds for action in kind.actions}

    @cached_property
    def _decode(self) -> Callable[[bytes], JournalManifest]:
        # A union and a tuple of it, of what is known only now.
        known: Any = Union.__getitem__(tuple(self._actions.values()))
        actions: Any = tuple.__class_getitem__((known, ...))
        return reader(JournalManifest, {"actions": actions})

    def _unknown(self, data: bytes) -> str:
        """The first kind of action in an entry that nobody brings; empty: that is not what is wrong with it."""
        with suppress(RecordError):
            written = decode(data, _Written).actions
            return next((one.act for one in written if one.act not in self._actions), "")
        return ""


def new_id() -> str:
    """An id that sorts by time."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def _steps(path: Path) -> Iterator[JournalStep]:
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return
    except OSError as error:
        raise JournalError(f"{path} cannot be read: {error.strerror}") from error
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        step = _step(line)
        if step is None:
            if number == len(lines):  # no newline behind it: the process died while it wrote
                return
            raise JournalError(f"{path} is damaged in line {number}")
        yield step


def _step(line: bytes) -> JournalStep | None:
    length, _, rest = line.partition(b" ")
    checksum, _, body = rest.partition(b" ")
    try:
        if int(length) != len(body) or int(checksum, 16) != zlib.crc32(body):
            return None
        return decode(body, JournalStep)
    except (ValueError, RecordError):
        return None
