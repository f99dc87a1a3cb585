"""Programs put in place from a bundle, and directories moved aside: what is too large to be kept in the journal.

A new file is copied beside its place, compared with the sha256 that it must have, synced and renamed, so that nobody
ever runs half a program. The old file, if there is one, is kept beside it under a name of its own until it is put back.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from kedoctor.base.atomic_files import leave_directories, make_directories, rename, sync_directory
from kedoctor.base.failpoints import reach
from kedoctor.changes.actors.os_errors import not_done
from kedoctor.model.actions import Action, MoveAside, PlaceFile
from kedoctor.model.actors import ActionKind, ConflictError, Preview, RefusedError, State

__all__ = ["KINDS", "MoveActor", "PlaceActor"]

_PIECE = 1 << 20
_ABSENT, _THERE, _ASIDE = "absent", "there", "aside"
_MISSING = "missing directories"


class PlaceActor:
    """Puts large files in place and takes them away again."""

    def look(self, action: Action) -> State:
        """The sha256, mode and owner of what is there; never its content."""
        wanted = _placing(action)
        place = Path(wanted.path)
        try:
            facts = place.stat(follow_symlinks=False)
            if not stat.S_ISREG(facts.st_mode):
                raise RefusedError(f"{place} is there and is not a regular file; it is left as it is")
            digest = _digest(place)
        except FileNotFoundError:
            missing = sum(not parent.exists() for parent in place.parents)
            attributes = {_MISSING: str(missing)}
            return State(target=action.target, exists=False, fingerprint=_ABSENT, attributes=attributes)
        except OSError as error:
            raise not_done(wanted.path, error) from error
        mode = stat.S_IMODE(facts.st_mode)
        return State(
            target=action.target,
            exists=True,
            fingerprint=_print(digest, mode),
            attributes={"sha256": digest, "size": str(facts.st_size)},
        )

    def preview(self, action: Action, before: State) -> Preview:
        """Where it comes from, and what it replaces."""
        wanted = _placing(action)
        fingerprint = _print(wanted.sha256, wanted.mode)
        if before.fingerprint == fingerprint:
            return Preview(changes=False, diff="", fingerprint=fingerprint)
        try:
            size = Path(wanted.source).stat().st_size
        except OSError as error:
            raise not_done(wanted.source, error) from error
        lines = [f"+ {wanted.path} ({size} bytes, mode {wanted.mode:04o}) from {wanted.source}"]
        if before.exists:
            old = before.attributes
            lines.insert(
                0, f"- {wanted.path} ({old['size']} bytes, sha256 {old['sha256'][:12]}…), kept beside it"
            )
        return Preview(changes=True, diff="\n".join(lines), fingerprint=fingerprint)

    def do(self, action: Action, before: State) -> State:
        """Copies, compares, keeps the old file and renames."""
        wanted = _placing(action)
        self._must_be(action, before)
        place, beside = Path(wanted.path), _beside(wanted)
        try:
            make_directories(place)
            _copy(wanted, beside)
            if before.exists:
                _keep(place, _kept(wanted, before))
            rename(beside, place)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise not_done(wanted.path, error) from error
        except RefusedError:
            beside.unlink(missing_ok=True)
            leave_directories(place, int(before.attributes.get(_MISSING, "0")))
            raise
        return self.look(action)

    def undo(self, action: Action, before: State, after: State) -> None:
        """Puts the old file back, or takes the new one away together with the directories made for it."""
        wanted = _placing(action)
        self._must_be(action, after)
        place = Path(wanted.path)
        try:
            if before.exists:
                kept = _kept(wanted, before)
                if not kept.exists():
                    raise RefusedError(f"{kept}, which kept the old {place.name}, is gone")
                rename(kept, place)
                return
            reach()
            place.unlink()
            sync_directory(place.parent)
            reach()
            leave_directories(place, int(before.attributes.get(_MISSING, "0")))
        except OSError as error:
            raise not_done(wanted.path, error) from error

    def tidy(self, action: Action) -> None:
        """Removes the half-written copy that a killed process left."""
        beside = _beside(_placing(action))
        try:
            beside.unlink(missing_ok=True)
        except NotADirectoryError:
            return
        except OSError as error:
            raise not_done(str(beside), error) from error

    def _must_be(self, action: Action, expected: State) -> None:
        if self.look(action).fingerprint != expected.fingerprint:
            raise ConflictError(f"{action.target} was changed by somebody else; not touched")


class MoveActor:
    """Renames files and directories out of the way and back."""

    def look(self, action: Action) -> State:
        """Whether it is in its place, aside, or nowhere."""
        move = _moving(action)
        there, aside = os.path.lexists(move.path), os.path.lexists(move.to)
        if there and aside:
            raise RefusedError(f"{move.path} cannot be moved aside: there is a {move.to} already")
        fingerprint = _THERE if there else _ASIDE if aside else _ABSENT
        return State(target=action.target, exists=there, fingerprint=fingerprint)

    def preview(self, action: Action, before: State) -> Preview:
        """The renaming."""
        move = _moving(action)
        changes = before.fingerprint == _THERE
        diff = f"{move.path} -> {move.to}" if changes else ""
        return Preview(changes=changes, diff=diff, fingerprint=_ASIDE if changes else before.fingerprint)

    def do(self, action: Action, before: State) -> State:
        """Renames it in one step."""
        move = _moving(action)
        if self.look(action).fingerprint != before.fingerprint:
            raise ConflictError(f"{move.path} was changed by somebody else; not touched")
        self._rename(move.path, move.to)
        return self.look(action)

    def undo(self, action: Action, before: State, after: State) -> None:
        """Renames it back."""
        del before
        move = _moving(action)
        if self.look(action).fingerprint != after.fingerprint:
            raise ConflictError(f"{move.to} was changed by somebody else; not touched")
        self._rename(move.to, move.path)

    def tidy(self, action: Action) -> None:
        """A rename leaves nothing behind."""

    def _rename(self, source: str, target: str) -> None:
        try:
            rename(Path(source), Path(target))
            if Path(source).parent != Path(target).parent:
                sync_directory(Path(source).parent)
        except OSError as error:
            raise not_done(source, error) from error


def _placing(action: Action) -> PlaceFile:
    if not isinstance(action, PlaceFile):
        raise RefusedError(f"{action.target} is not a file to be put in place")
    return action


def _moving(action: Action) -> MoveAside:
    if not isinstance(action, MoveAside):
        raise RefusedError(f"{action.target} is nothing to be moved aside")
    return action


def _print(digest: str, mode: int) -> str:
    return f"{digest} {mode:04o}"


def _digest(place: Path) -> str:
    with place.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _copy(wanted: PlaceFile, beside: Path) -> None:
    """The copy, synced and with its mode; refused unless it is the very file that was looked at."""
    digest = hashlib.sha256()
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with Path(wanted.source).open("rb") as source, os.fdopen(os.open(beside, flags, 0o600), "wb") as target:
        reach()
        while piece := source.read(_PIECE):
            digest.update(piece)
            target.write(piece)
        target.flush()
        os.fchmod(target.fileno(), wanted.mode)
        os.fsync(target.fileno())
        reach()
    if digest.hexdigest() != wanted.sha256:
        raise RefusedError(f"{wanted.source} is not the file that was looked at; nothing was put in place")


def _keep(place: Path, kept: Path) -> None:
    """The old file under a second name, until it is put back."""
    if not kept.exists():
        reach()
        kept.hardlink_to(place)
        sync_directory(place.parent)
        reach()


def _kept(wanted: PlaceFile, before: State) -> Path:
    place = Path(wanted.path)
    return place.with_name(f".{place.name}.kedoctor-{before.attributes['sha256'][:12]}")


def _beside(wanted: PlaceFile) -> Path:
    # Always the same name, so that what a killed process left is found again; the lock keeps others away.
    place = Path(wanted.path)
    return place.with_name(f".{place.name}.kedoctor-new")


KINDS = (
    ActionKind((PlaceFile,), lambda place: PlaceActor() if place.is_host else None),
    ActionKind((MoveAside,), lambda place: MoveActor() if place.is_host else None),
)
