"""Programs put in place from a bundle, and directories moved aside: what is too large to be kept in the journal.

A new file is copied beside its place, compared with the sha256 that it must have, synced and renamed, so that nobody
ever runs half a program. The old file, if there is one, is kept beside it under a name of its own until it is put back.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from kedoctor.base.atomic_files import (
    ChangedMeanwhileError,
    Draft,
    Expected,
    clear_drafts,
    draft,
    put_in_place,
    remove_expected,
    remove_made_directories,
    rename,
)
from kedoctor.base.directories import Place, held
from kedoctor.base.errors import ChangeError
from kedoctor.base.failpoints import reach
from kedoctor.base.input_files import open_plain
from kedoctor.changes.actors.os_errors import not_done
from kedoctor.model.actions.action import Action
from kedoctor.model.actions.files import MoveAside, PlaceFile
from kedoctor.model.actors import ActionKind, ConflictError, Preview, RefusedError, State

__all__ = ["KINDS", "MoveActor", "PlaceActor"]

_PIECE = 1 << 20
_ABSENT, _THERE, _ASIDE = "absent", "there", "aside"
_MISSING = "missing directories"
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class PlaceActor:
    """Puts large files in place and takes them away again."""

    def look(self, action: Action) -> State:
        """The sha256, mode and owner of what is there; never its content."""
        wanted = _placing(action)
        place = Path(wanted.path)
        try:
            digest, facts = _digest(place)
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
        wanted, made = _placing(action), 0
        try:
            with held(wanted.path, alone=True, make=True, follow=False) as place:
                made = place.made
                with draft(place) as new:
                    _copy(wanted, new)
                    if before.exists:
                        _keep(place, _kept(wanted, before))
                    new.commit(mode=wanted.mode, expected=_as(place, before), replaces=before.exists)
        except (ChangedMeanwhileError, RefusedError, OSError) as error:
            remove_made_directories(wanted.path, made)
            raise _refusal(action, error) from error
        return State(
            target=action.target,
            exists=True,
            fingerprint=_print(wanted.sha256, wanted.mode),
            attributes=self.look(action).attributes,
        )

    def undo(self, action: Action, before: State, after: State) -> None:
        """Puts the old file back, or takes the new one away together with the directories made for it."""
        wanted = _placing(action)
        try:
            with held(wanted.path, alone=True, follow=False) as place:
                if before.exists:
                    _put_back(place, _kept(wanted, before), _as(place, after))
                    return
                remove_expected(place, _as(place, after))
        except (ChangedMeanwhileError, RefusedError, OSError) as error:
            raise _refusal(action, error) from error
        remove_made_directories(wanted.path, int(before.attributes.get(_MISSING, "0")))

    def tidy(self, action: Action) -> None:
        """Removes the half-written copy that a killed process left."""
        path = _placing(action).path
        try:
            with held(path, alone=True, follow=False) as place:
                clear_drafts(place)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise not_done(path, error) from error


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
        except FileExistsError:
            raise ConflictError(f"{target} was made by somebody else meanwhile; nothing was moved") from None
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


def _digest(name: Path | str, directory: int | None = None) -> tuple[str, os.stat_result]:
    """The sha256 and the metadata of a plain file, which is not followed if it is a link."""
    handle = os.open(name, _READ, dir_fd=directory)
    with os.fdopen(handle, "rb") as file:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            raise RefusedError(f"{name} is there and is not a regular file; not touched")
        return hashlib.file_digest(file, "sha256").hexdigest(), facts


def _as(place: Place, expected: State) -> Expected:
    def same(name: str) -> bool:
        digest, facts = _digest(name, place.directory)
        return _print(digest, stat.S_IMODE(facts.st_mode)) == expected.fingerprint

    return same


def _refusal(action: Action, error: Exception) -> ChangeError:
    if isinstance(error, RefusedError):
        return error
    if isinstance(error, ChangedMeanwhileError | FileNotFoundError):
        return ConflictError(f"{action.target} was changed by somebody else; not touched")
    return not_done(_placing(action).path, error) if isinstance(error, OSError) else RefusedError(str(error))


def _copy(wanted: PlaceFile, new: Draft) -> None:
    """The copy; refused unless it is the very file that was looked at."""
    digest = hashlib.sha256()
    with open_plain(Path(wanted.source)) as source:
        while piece := source.read(_PIECE):
            digest.update(piece)
            new.file.write(piece)
    if digest.hexdigest() != wanted.sha256:
        raise RefusedError(f"{wanted.source} is not the file that was looked at; nothing was put in place")


def _keep(place: Place, kept: str) -> None:
    """The old file under a second name, until it is put back."""
    try:
        os.stat(kept, dir_fd=place.directory, follow_symlinks=False)
    except FileNotFoundError:
        reach()
        os.link(
            place.name, kept, src_dir_fd=place.directory, dst_dir_fd=place.directory, follow_symlinks=False
        )
        place.sync()
        reach()


def _put_back(place: Place, kept: str, expected: Expected) -> None:
    """The kept file in its old place again."""
    try:
        os.stat(kept, dir_fd=place.directory, follow_symlinks=False)
    except FileNotFoundError:
        raise RefusedError(f"{kept}, which kept the old {place.name}, is gone") from None
    put_in_place(place, kept, expected)


def _kept(wanted: PlaceFile, before: State) -> str:
    return f".{Path(wanted.path).name}.kedoctor-{before.attributes['sha256'][:12]}"


KINDS = (
    ActionKind((PlaceFile,), lambda place: PlaceActor() if place.is_host else None),
    ActionKind((MoveAside,), lambda place: MoveActor() if place.is_host else None),
)
