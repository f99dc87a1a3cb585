"""Files: edited, written, removed, given another mode; owner, mode, attributes and links stay what they were.

A path that is a symbolic link is followed and its target is changed; the link stays. New content is written
beside the target, synced and renamed into place, so a reader sees the old file or the new one.
"""

from __future__ import annotations

import difflib
import errno
import hashlib
import os
import stat
from base64 import b64decode, b64encode
from collections.abc import Sequence
from pathlib import Path

from kedoctor.base.atomic_files import leave_directories, make_directories, rename, sync_directory
from kedoctor.base.failpoints import reach
from kedoctor.base.records import replace
from kedoctor.changes.actors.os_errors import not_done
from kedoctor.model.actions import Action, ChangeMode, EditYaml, RemoveFile, WriteFile, YamlChange
from kedoctor.model.actors import ActionKind, ConflictError, Preview, RefusedError, State
from kedoctor.model.declarations import RedactionRule
from kedoctor.observe.live.files import FileTree
from kedoctor.redaction.redactor import Redactor
from kedoctor.yaml.document import Edit, MoveKey, RemoveKey, SetKey, YamlEditError, YamlError, edit, load

__all__ = ["KINDS", "FileActor", "edited", "text_diff"]

_XATTR = "xattr:"
_MISSING = "missing directories"
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
    """Changes files under a root (``/``, or the root of a sandbox); its diffs show no secrets, as bundles do not."""

    def __init__(self, root: str = "/", redactions: Sequence[RedactionRule] = ()) -> None:
        self._tree = FileTree(root)
        self._whole = root == "/"
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
        return Preview(changes=changes, diff=diff if changes else "", fingerprint=after.fingerprint)

    def do(self, action: Action, before: State) -> State:
        """Puts the wanted state in place."""
        self._must_be(action, before)
        wanted = self._wanted(action, before)
        self._put(action, wanted)
        return self.look(action)

    def undo(self, action: Action, before: State, after: State) -> None:
        """Puts the old bytes, owner, mode and attributes back."""
        self._must_be(action, after)
        self._put(action, before)

    def tidy(self, action: Action) -> None:
        """Removes the half-written file that a killed process left beside the target."""
        try:
            _beside(self._place(action)).unlink(missing_ok=True)
        except OSError as error:
            raise not_done(_path(action), error) from error

    # ------------------------------------------------------------------------------------------ inside

    def _must_be(self, action: Action, expected: State) -> None:
        if self.look(action).fingerprint != expected.fingerprint:
            raise ConflictError(f"{action.target} was changed by somebody else; not touched")

    def _place(self, action: Action) -> Path:
        place = self._tree.place(_path(action))
        # Below another root the tree has followed the links; once more would lead out of it (/proc/PID/root).
        return Path(os.path.realpath(place) if self._whole else place)

    def _state(self, action: Action) -> State:
        place = self._place(action)
        try:
            facts = place.stat()
        except FileNotFoundError:
            missing = sum(not parent.exists() for parent in place.parents)
            return _seal(
                State(target=action.target, exists=False, fingerprint="", attributes={_MISSING: str(missing)})
            )
        if not stat.S_ISREG(facts.st_mode):
            raise RefusedError(f"{place} is not a regular file")
        if facts.st_size > LIMIT:
            raise RefusedError(f"{place} is larger than {LIMIT} bytes")
        attributes = {"mode": f"{stat.S_IMODE(facts.st_mode):04o}"}
        if isinstance(action, ChangeMode):
            return _seal(State(target=action.target, exists=True, fingerprint="", attributes=attributes))
        attributes |= {"uid": str(facts.st_uid), "gid": str(facts.st_gid), **_xattrs(place)}
        data = place.read_bytes()
        return _seal(
            State(target=action.target, exists=True, fingerprint="", data=data, attributes=attributes)
        )

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

    def _put(self, action: Action, state: State) -> None:
        place = self._place(action)
        try:
            if isinstance(action, ChangeMode):
                reach()
                place.chmod(int(state.attributes["mode"], 8))
                reach()
            elif state.exists:
                _write(place, state)
            else:
                reach()
                place.unlink(missing_ok=True)
                sync_directory(place.parent)
                reach()
                leave_directories(place, int(state.attributes.get(_MISSING, "0")))
        except OSError as error:
            raise not_done(_path(action), error) from error


def _fresh() -> dict[str, str]:
    return {"mode": "0644", "uid": str(os.geteuid()), "gid": str(os.getegid())}


def _seal(state: State) -> State:
    """The state with a fingerprint of all of it."""
    digest = hashlib.sha256(state.data)
    for name, value in sorted(state.attributes.items()):
        digest.update(f"\0{name}={value}".encode())
    return replace(state, fingerprint=digest.hexdigest() if state.exists else "absent")


def _xattrs(place: Path) -> dict[str, str]:
    try:
        names = os.listxattr(place)
        return {f"{_XATTR}{name}": b64encode(os.getxattr(place, name)).decode() for name in names}
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.EPERM):  # this file system has none
            return {}
        raise


def _write(place: Path, state: State) -> None:
    make_directories(place)
    beside = _beside(place)
    try:
        _fill(beside, state)
        rename(beside, place)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def _beside(place: Path) -> Path:
    # Always the same name, so that what a killed process left is found again; the lock keeps others away.
    return place.with_name(f".kedoctor-{hashlib.sha256(os.fsencode(place.name)).hexdigest()[:12]}")


def _fill(beside: Path, state: State) -> None:
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        reach()
        with os.fdopen(os.dup(handle), "wb") as file:
            file.write(state.data)
        _belong(handle, state)
        os.fsync(handle)
        reach()
    finally:
        os.close(handle)


def _belong(handle: int, state: State) -> None:
    # Changing the owner clears set-id bits, so the mode comes after it.
    os.fchown(handle, int(state.attributes["uid"]), int(state.attributes["gid"]))
    os.fchmod(handle, int(state.attributes["mode"], 8))
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
