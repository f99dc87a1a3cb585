"""Files: edited, written, removed, given another mode; owner, mode, attributes and links stay what they were.

A path that is a symbolic link is followed and its target is changed; the link stays. New content is written
beside the target, synced and renamed into place, so a reader sees the old file or the new one. The target is compared
once more at the last moment: somebody's edit is a conflict, and stays.
"""

from __future__ import annotations

import difflib
import errno
import hashlib
import os
import stat
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from pathlib import Path

from kedoctor.base.atomic_files import (
    ChangedMeanwhileError,
    clear_drafts,
    draft,
    remove_expected,
    remove_made_directories,
    reserved,
)
from kedoctor.base.directories import Place, held
from kedoctor.base.failpoints import reach
from kedoctor.base.records import replace
from kedoctor.changes.actors.os_errors import not_done
from kedoctor.model.actions.action import Action
from kedoctor.model.actions.files import ChangeMode, EditYaml, RemoveFile, WriteFile
from kedoctor.model.actions.yaml_changes import YamlChange
from kedoctor.model.actors import ActionKind, ConflictError, Preview, RefusedError, State
from kedoctor.model.declarations import RedactionRule
from kedoctor.observe.live.files import FileTree
from kedoctor.redaction.redactor import Redactor
from kedoctor.yaml.document import Edit, MoveKey, RemoveKey, SetKey, YamlEditError, YamlError, load
from kedoctor.yaml.edit import edit

__all__ = ["KINDS", "FileActor", "edited", "text_diff"]

_XATTR = "xattr:"
_MISSING = "missing directories"
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
LIMIT = 16 << 20
"""Files larger than this are never changed; configuration and certificates are far smaller."""


def edited(text: bytes, changes: tuple[YamlChange, ...]) -> bytes:
    """A YAML document with some keys changed and every other byte as it was.

    Raises:
        RefusedError: it is not YAML, or the change cannot be made without touching something else.
    """
    try:
        document = load(text)
        # Changes say what shall be: a key that is gone already needs no removing and no moving.
        open_ = [
            one for one in changes if one.how == "set" or document.position(_parts(one.path)) is not None
        ]
        return edit(text, [_operation(change) for change in open_])
    except (YamlError, YamlEditError) as error:
        raise RefusedError(f"the document cannot be edited: {error}") from error


def _operation(change: YamlChange) -> Edit:
    path = _parts(change.path)
    if change.how == "set":
        return SetKey(path, change.value)
    if change.how == "remove":
        return RemoveKey(path)
    return MoveKey(path, _parts(change.to))


def _parts(path: str) -> tuple[str, ...]:
    return tuple(path.split("."))


def text_diff(before: bytes, after: bytes, name: str) -> str:
    """A unified diff; of binary content only the sizes."""
    try:
        old, new = before.decode().splitlines(), after.decode().splitlines()
    except UnicodeDecodeError:
        return f"{name}: {len(before)} bytes become {len(after)}"
    return "\n".join(difflib.unified_diff(old, new, name, name, lineterm=""))


class FileActor:
    """Changes files under a root (``/``, or the root of a sandbox); its diffs show no secrets, as bundles do not.

    As root it changes nothing in a directory that another user owns or can write to: they could turn the change elsewhere.
    """

    def __init__(self, root: str = "/", redactions: Sequence[RedactionRule] = ()) -> None:
        self._tree = FileTree(root)
        self._root = root
        self._redactor = Redactor(redactions)

    def look(self, action: Action) -> State:
        """The content and everything that belongs to it."""
        try:
            return self._state(action)
        except OSError as error:
            raise not_done(_path(action), error) from error

    def preview(self, action: Action, before: State) -> Preview:
        """The diff, and the fingerprint of the new state."""
        after = self._wanted(action, before)
        changes = after.fingerprint != before.fingerprint
        if isinstance(action, ChangeMode):
            diff = f"mode {before.attributes.get('mode', '?')} -> {action.mode:04o}"
        elif isinstance(action, RemoveFile):
            diff = f"- {action.path} ({len(before.data)} bytes)"
        else:
            diff = self._shown(before, after, _path(action))
        diff += self._other_names(action)
        return Preview(changes=changes, diff=diff if changes else "", fingerprint=after.fingerprint)

    def do(self, action: Action, before: State) -> State:
        """Puts the wanted state in place, if what is there is ``before`` until the last moment."""
        wanted = self._wanted(action, before)
        self._put(action, before, wanted)
        now = self.look(action)
        # What somebody has written over it since is theirs: a rollback must not take it for what kedoctor left.
        return wanted if now.data != wanted.data or now.exists != wanted.exists else now

    def undo(self, action: Action, before: State, after: State) -> None:
        """Puts the old bytes, owner, mode and attributes back."""
        self._put(action, after, before)

    def reserve(self, action: Action, before: State) -> Callable[[], None]:
        """The size of the old content, in the target's own file system."""
        path = _path(action)
        try:
            with held(path, root=self._root, alone=True) as place:
                return reserved(place, len(before.data)) if before.data else _nothing
        except FileNotFoundError:
            return _nothing
        except OSError as error:
            raise not_done(path, error) from error

    def tidy(self, action: Action) -> None:
        """Removes the half-written files that a killed process left beside the target."""
        try:
            with held(_path(action), root=self._root, alone=True) as place:
                clear_drafts(place)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise not_done(_path(action), error) from error

    # ------------------------------------------------------------------------------------------ inside

    def _state(self, action: Action) -> State:
        try:
            with held(_path(action), root=self._root, alone=True) as place:
                return _state_of(action, place, place.name)
        except FileNotFoundError:
            where = Path(self._tree.place(_path(action)))
            missing = {_MISSING: str(sum(not parent.exists() for parent in where.parents))}
            return _seal(State(target=action.target, exists=False, fingerprint="", attributes=missing))

    def _wanted(self, action: Action, before: State) -> State:
        if isinstance(action, ChangeMode):
            return _seal(replace(before, attributes={"mode": f"{action.mode:04o}"}))
        if isinstance(action, RemoveFile):
            return _seal(State(target=action.target, exists=False, fingerprint=""))
        if isinstance(action, EditYaml):
            if not before.exists:
                raise RefusedError(f"{action.path} does not exist")
            return _seal(replace(before, data=edited(before.data, action.changes)))
        if not isinstance(action, WriteFile):
            raise RefusedError(f"{action.target} is not a change of a file")
        attributes = dict(before.attributes) if before.exists else _fresh()
        if action.mode is not None:
            attributes["mode"] = f"{action.mode:04o}"
        return _seal(replace(before, exists=True, data=action.content, attributes=attributes))

    def _shown(self, before: State, after: State, path: str) -> str:
        old, new = (self._redactor.redact(f"host:{path}", state.data).answer for state in (before, after))
        if isinstance(old, bytes) and isinstance(new, bytes):
            return text_diff(old, new, path)
        return f"{path}: {len(before.data)} bytes become {len(after.data)}, not shown"

    def _other_names(self, action: Action) -> str:
        """A line about hard links: what is written is written beside, so they keep the old content."""
        try:
            with held(_path(action), root=self._root) as place:
                facts = place.look()
        except OSError:
            return ""
        if facts is None or facts.st_nlink < 2:
            return ""
        what = "their mode changes too" if isinstance(action, ChangeMode) else "they keep the old content"
        return f"\n! {_path(action)} has {facts.st_nlink - 1} other name(s) (hard links); {what}"

    def _put(self, action: Action, now: State, wanted: State) -> None:
        """Makes ``wanted`` of ``now``; whatever else is there by then is somebody's and stays."""
        path, made = _path(action), 0
        try:
            with held(path, root=self._root, alone=True, make=wanted.exists) as place:
                made = place.made
                _put_there(action, place, now, wanted)
        except (ChangedMeanwhileError, FileNotFoundError) as error:
            remove_made_directories(path, made, root=self._root)
            raise ConflictError(f"{action.target} was changed by somebody else; not touched") from error
        except OSError as error:
            remove_made_directories(path, made, root=self._root)
            raise not_done(path, error) from error
        if not wanted.exists:
            remove_made_directories(path, int(wanted.attributes.get(_MISSING, "0")), root=self._root)


def _state_of(action: Action, place: Place, name: str) -> State:
    """The state of the plain file that has this name in the directory of ``place``."""
    handle = os.open(name, _READ, dir_fd=place.directory)
    try:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            raise RefusedError(f"{place.path} is not a regular file")
        if facts.st_size > LIMIT:
            raise RefusedError(f"{place.path} is larger than {LIMIT} bytes")
        attributes = {"mode": f"{stat.S_IMODE(facts.st_mode):04o}"}
        if isinstance(action, ChangeMode):
            return _seal(State(target=action.target, exists=True, fingerprint="", attributes=attributes))
        attributes |= {"uid": str(facts.st_uid), "gid": str(facts.st_gid), **_xattrs(handle)}
        with os.fdopen(os.dup(handle), "rb") as file:
            data = file.read(LIMIT + 1)
        return _seal(
            State(target=action.target, exists=True, fingerprint="", data=data, attributes=attributes)
        )
    finally:
        os.close(handle)


def _put_there(action: Action, place: Place, now: State, wanted: State) -> None:
    def as_before(name: str) -> bool:
        return _state_of(action, place, name).fingerprint == now.fingerprint

    if isinstance(action, ChangeMode):
        _change_mode(place, now, wanted)
    elif wanted.exists:
        with draft(place) as new:
            new.file.write(wanted.data)
            new.file.flush()
            _belong(new.file.fileno(), wanted)
            # Changing the owner clears set-id bits, so the mode comes after it.
            new.commit(mode=int(wanted.attributes["mode"], 8), expected=as_before, replaces=now.exists)
    else:
        remove_expected(place, as_before)


def _change_mode(place: Place, now: State, wanted: State) -> None:
    handle = os.open(place.name, _READ, dir_fd=place.directory)
    try:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            raise RefusedError(f"{place.path} is not a regular file")
        if f"{stat.S_IMODE(facts.st_mode):04o}" != now.attributes["mode"]:
            raise ChangedMeanwhileError
        reach()
        os.fchmod(handle, int(wanted.attributes["mode"], 8))
        os.fsync(handle)
        reach()
    finally:
        os.close(handle)


def _nothing() -> None:
    """Nothing was reserved."""


def _fresh() -> dict[str, str]:
    return {"mode": "0644", "uid": str(os.geteuid()), "gid": str(os.getegid())}


def _seal(state: State) -> State:
    """The state with a fingerprint of all of it."""
    digest = hashlib.sha256(state.data)
    for name, value in sorted(state.attributes.items()):
        digest.update(f"\0{name}={value}".encode())
    return replace(state, fingerprint=digest.hexdigest() if state.exists else "absent")


def _xattrs(handle: int) -> dict[str, str]:
    try:
        names = os.listxattr(handle)
        return {f"{_XATTR}{name}": b64encode(os.getxattr(handle, name)).decode() for name in names}
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.EPERM):  # this file system has none
            return {}
        raise


def _belong(handle: int, state: State) -> None:
    os.fchown(handle, int(state.attributes["uid"]), int(state.attributes["gid"]))
    for name, value in state.attributes.items():
        if name.startswith(_XATTR):
            os.setxattr(handle, name.removeprefix(_XATTR), b64decode(value))


def _path(action: Action) -> str:
    return action.target.partition(":")[2]


KINDS = (
    ActionKind(
        (EditYaml, WriteFile, RemoveFile, ChangeMode), lambda place: FileActor(place.root, place.redactions)
    ),
)
