"""The journal: written before anything is touched, so that every change can be finished or rolled back.

One directory an entry, named by its id and how far it came::

    20261123T051200Z-3f9a.new        being written; nothing was touched yet
    20261123T051200Z-3f9a.open       acting, or the process died while it acted
    20261123T051200Z-3f9a.done       acted, and the checks pass; can be rolled back
    20261123T051200Z-3f9a.undone     rolled back
    20261123T051200Z-3f9a.attention  could not be rolled back; a person must look

``plan.json`` holds the plan and the states of all targets from before. ``log`` holds one line an event, with
length and checksum, so that a torn last line is recognised and left out. All names and files are synced before
the next step is taken. ``reserve`` holds the space that taking everything back needs, and is given up for that.

Nothing in the directory is trusted: it must belong to this user or root alone, and hold plain files only. An entry that
cannot be read is an error that is told, never one that is not there: it may be a change that is still in force.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from kedoctor.base import atomic_files
from kedoctor.base.directories import held_directory
from kedoctor.base.records import encode, replace
from kedoctor.changes.actors import built_in
from kedoctor.changes.journal_records import (
    FORMAT,
    Event,
    JournalError,
    JournalManifest,
    JournalStep,
    ManifestReader,
    Phase,
    Progress,
    encoded_step,
    read_manifest,
    read_progress,
)
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

_BLOCK = 4096
_RESERVE = "reserve"
_BY_HAND = "taken-back-by-hand"


class JournalEntry:
    """One entry of the journal."""

    def __init__(self, directory: Path, manifest: JournalManifest) -> None:
        self.directory = directory
        self.manifest = manifest
        self._reserved: list[Callable[[], None]] = []

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
        line = encoded_step(event, index, state)
        try:
            atomic_files.append(self.directory / "log", line, make=False)
        except OSError as error:
            raise JournalError(
                f"the journal {self.directory} could not be written: {error.strerror}"
            ) from error

    @property
    def taken_back_by_hand(self) -> bool:
        """Whether a person has taken it back, and not kedoctor itself."""
        return (self.directory / _BY_HAND).exists()

    def note_by_hand(self) -> None:
        """Keeps that a person has taken it back; a note that cannot be written costs nothing but the memory of it."""
        with suppress(OSError):
            atomic_files.append(self.directory / _BY_HAND, b"")

    def reserve(self, release: Callable[[], None]) -> None:
        """Also gives up this space when what was kept is given up."""
        self._reserved.append(release)

    def release(self) -> None:
        """Gives up the space that was kept for taking everything back: it is needed now, or not any more."""
        while self._reserved:
            self._reserved.pop()()
        with suppress(OSError):
            (self.directory / _RESERVE).unlink(missing_ok=True)

    def become(self, phase: Phase) -> None:
        """Gives the entry its new phase in one step.

        Raises:
            JournalError: it could not be renamed.
        """
        target = self.directory.with_suffix(f".{phase.value}")
        if phase is not Phase.OPEN:
            self.release()
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
            JournalError: the log is gone, or damaged before its last line.
        """
        return read_progress(self.directory, self.manifest, self.phase)


class Journal:
    """All entries of a host. ``kinds`` are the kinds of action that entries may hold; the built-in ones if not given."""

    def __init__(self, directory: Path, kinds: Iterable[ActionKind] | None = None) -> None:
        self.directory = directory
        self._kinds = kinds

    @cached_property
    def _reader(self) -> ManifestReader:
        return ManifestReader(built_in() if self._kinds is None else self._kinds)

    def begin(self, manifest: JournalManifest) -> JournalEntry:
        """A new entry, on disk in whole before this returns, with the space that taking it back will need.

        Raises:
            JournalError: it could not be written; nothing was touched.
        """
        place = self.directory / f"{manifest.id}.{Phase.NEW.value}"
        last = max((entry.manifest.number for entry in self.entries()), default=0)
        manifest = replace(manifest, number=last + 1, format=FORMAT)
        try:
            atomic_files.make_directory(self.directory)
            atomic_files.make_directory(place)
            atomic_files.replace_file(place / "plan.json", encode(manifest))
            atomic_files.append(place / "log", b"")
            # What cannot be compressed, so that the space is really there.
            atomic_files.replace_file(place / _RESERVE, os.urandom(_space_to_undo(manifest)))
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
        """What is wrong with the directory, and with the entries that cannot be read; never nothing if there are such."""
        try:
            places = list(self._places())
        except JournalError as error:
            return [error]
        return [found for place in places if isinstance(found := self._read(place), JournalError)]

    def must_be_readable(self) -> None:
        """Ends a command that rests on knowing every change.

        Raises:
            JournalError: an entry cannot be read; the message names the first, and how many others there are.
        """
        broken = self.broken()
        if broken:
            more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
            raise JournalError(
                f"{broken[0]}{more}; nothing was changed",
                hint=broken[0].hint
                or "it may be a change that is still in force: look at it, then move it out of the journal",
            )

    def holds(self, wanted: str) -> bool:
        """Whether there is a change of that ID, readable or not.

        Raises:
            JournalError: the directory itself cannot be used.
        """
        return any(place.stem == wanted for place in self._places())

    def entry(self, wanted: str) -> JournalEntry:
        """The entry of that id.

        Raises:
            JournalError: there is none.
        """
        for entry in self.entries():
            if entry.id == wanted:
                return entry
        for place in self._places():
            found = self._read(place)
            if place.stem == wanted and isinstance(found, JournalError):
                raise found
        raise JournalError(
            f"there is no change {wanted!r} in the journal", hint="kedoctor rollback --list shows them"
        )

    def clear_new(self) -> None:
        """Removes entries that never got as far as touching anything."""
        for place in self.directory.glob(f"*.{Phase.NEW.value}"):
            shutil.rmtree(place, ignore_errors=True)

    def _places(self) -> Iterator[Path]:
        """Everything that is or may be an entry.

        Raises:
            JournalError: the directory belongs to somebody else, who could have written anything into it.
        """
        try:
            with held_directory(self.directory, alone=True) as handle:
                names = sorted(os.listdir(handle))  # noqa: PTH208  the one that is held
        except OSError as error:
            # A directory that may not be listed (another user's) holds nothing for this one.
            if error.errno in (errno.ENOENT, errno.EACCES, errno.ENOTDIR, errno.EBADF):
                return
            raise JournalError(f"the journal {self.directory} is not used: {error.strerror}") from error
        for name in names:
            if name != "lock" and not name.endswith(f".{Phase.NEW.value}"):
                yield self.directory / name

    def _read(self, place: Path) -> JournalEntry | JournalError:
        if place.suffix[1:] not in set(Phase):
            return JournalError(f"{ascii(str(place))[1:-1]} is no journal entry that this kedoctor knows")
        try:
            if not stat.S_ISDIR(place.lstat().st_mode):
                return JournalError(f"the journal entry {place} cannot be read: it is not a directory")
            with held_directory(place, alone=True):
                found = JournalEntry(place, read_manifest(place, self._reader))
                if not stat.S_ISREG((place / "log").lstat().st_mode):
                    return JournalError(f"the journal entry {place} cannot be read: its log is no plain file")
                return found
        except OSError as error:
            gone = "its log is gone" if isinstance(error, FileNotFoundError) else error.strerror
            return JournalError(f"the journal entry {place} cannot be read: {gone}")
        except JournalError as error:
            return error


def _space_to_undo(manifest: JournalManifest) -> int:
    """Bytes that the log lines and the files of taking everything back need at most."""
    held = sum(len(state.data) for state in manifest.before)
    lines = _BLOCK * (2 * len(manifest.actions) + 4)
    return held + max((len(state.data) for state in manifest.before), default=0) + lines


def new_id() -> str:
    """An id that sorts by time."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
