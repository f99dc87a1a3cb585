"""Kubernetes objects: patched, applied and deleted, each guarded by the resourceVersion that was read.

What an action will do is asked of the API server itself (``dryRun=All``), so admission and defaults are in the
diff and a refusal shows before anything is touched. Going back, only what the action changed is put back: what
controllers wrote meanwhile stays.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import secrets
import time
from typing import Any
from urllib.parse import quote

from kedoctor.base.failpoints import reach
from kedoctor.changes.actors.files import edited
from kedoctor.changes.actors.merge_patch import canonical, merge_diff, pick, pointed
from kedoctor.model.actions.action import Action
from kedoctor.model.actions.objects import ApplyObject, DeleteObject, EditObjectYaml, PatchObject
from kedoctor.model.actors import (
    ActionKind,
    Actor,
    ApiClient,
    ConflictError,
    Preview,
    RefusedError,
    State,
    Workplace,
)
from kedoctor.observe.live.api_errors import ApiFailure, status_message
from kedoctor.observe.live.apiserver import Answer, ApiServer, Call

__all__ = ["KINDS", "MANAGER", "ObjectActor", "ObjectClient"]

MANAGER = "kedoctor"
_TYPES = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
    "apply": "application/apply-patch+yaml",
}
_REMADE = "its owner makes it"  # which of them it is does not matter, the one from before is in the journal
_SECONDS = 20.0
_GONE_SECONDS = 60.0
_TRIES = 4
_UNGUESSABLE = secrets.token_bytes(16)
"""Without a key a short secret could be found from its digest."""


class ObjectClient:
    """Reads and writes single objects of an API server, with ``seconds`` for each request."""

    def __init__(self, server: ApiServer, *, seconds: float = _SECONDS) -> None:
        self._server = server
        self._seconds = seconds

    def get(self, path: str) -> dict[str, Any] | None:
        """The object, or ``None`` if there is none.

        Raises:
            RefusedError: the server refused or did not answer.
        """
        answer = self._send(path, "GET")
        return None if answer.status == 404 else self._object(answer, path)

    def write(self, path: str, method: str, body: Any, *, kind: str = "", query: str = "") -> dict[str, Any]:
        """The object as the server made it.

        Raises:
            ConflictError: 409: somebody else changed it, or owns the field.
            RefusedError: anything else that is not a success; the message is the server's.
        """
        # The server gives up before we do: what we take for failed must not come to pass later.
        asked = f"{path}{query}{'&' if query else '?'}timeout={max(1, int(self._seconds * 0.8))}s"
        answer = self._send(asked, method, body, _TYPES.get(kind, "application/json"))
        return self._object(answer, path)

    def _send(
        self, path: str, method: str, body: Any = None, content_type: str = "application/json"
    ) -> Answer:
        call = Call(
            path=path,
            deadline=time.monotonic() + self._seconds,
            method=method,
            body=b"" if body is None else json.dumps(body).encode(),
            content_type=content_type,
            repeatable=method == "GET",
        )
        try:
            return self._server.send(call)
        except ApiFailure as failure:
            raise RefusedError(
                f"{method} {path.partition('?')[0]}: {failure.detail or failure.reason.value}"
            ) from failure

    def _object(self, answer: Answer, path: str) -> dict[str, Any]:
        if answer.status == 409:
            raise ConflictError(f"{path}: {status_message(answer.body)}")
        if not 200 <= answer.status < 300:
            raise RefusedError(f"{path}: {status_message(answer.body) or answer.status}")
        try:
            found = json.loads(answer.body)
        except ValueError as error:
            raise RefusedError(f"{path}: the API server's answer is not JSON") from error
        return found if isinstance(found, dict) else {}


class ObjectActor:
    """Changes objects through an :class:`ObjectClient`."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    def look(self, action: Action) -> State:
        """The object's content, and the fingerprint of the part that the action concerns."""
        return self._state(action, self._client.get(_path(action)))

    def preview(self, action: Action, before: State) -> Preview:
        """What the API server says it would make of it."""
        if isinstance(action, DeleteObject):
            gone = self._state(action, None)
            return Preview(changes=before.exists, diff=f"- {action.object}", fingerprint=gone.fingerprint)
        result = self._send(action, _content(before), dry=True)
        after = self._state(action, result)
        changes = after.fingerprint != before.fingerprint
        return Preview(
            changes=changes,
            diff=_diff(action, before, after) if changes else "",
            fingerprint=after.fingerprint,
        )

    def do(self, action: Action, before: State) -> State:
        """Sends it, reading again when somebody else wrote in between but left this part alone."""
        for _ in range(_TRIES):
            now = self._client.get(_path(action))
            if not _same(action, self._state(action, now), before):
                break
            reach()
            try:
                result = self._send(action, now)
            except ConflictError:
                continue
            reach()
            return self._state(action, result)
        raise ConflictError(f"{_path(action)} was changed by somebody else; not touched")

    def undo(self, action: Action, before: State, after: State) -> None:
        """Puts back the part that the action changed."""
        for _ in range(_TRIES):
            now = self._client.get(_path(action))
            if self._state(action, now).fingerprint != after.fingerprint:
                break
            reach()
            try:
                self._put_back(action, before, after, now)
            except ConflictError:
                continue
            reach()
            return
        raise ConflictError(f"{_path(action)} was changed by somebody else; not touched")

    def tidy(self, action: Action) -> None:
        """A request leaves nothing beside it."""

    # ------------------------------------------------------------------------------------------ inside

    def _state(self, action: Action, found: dict[str, Any] | None) -> State:
        if found is None:
            gone = _REMADE if isinstance(action, DeleteObject) and action.remade else "absent"
            return State(target=action.target, exists=False, fingerprint=gone)
        content = canonical(found)
        if isinstance(action, DeleteObject) and action.remade:
            return State(target=action.target, exists=True, fingerprint=_REMADE, data=_plain(content))
        concerned = _concerned(action, content)
        return State(
            target=action.target,
            exists=True,
            fingerprint=hashlib.sha256(_plain(concerned)).hexdigest(),
            data=_plain(content),
        )

    def _send(
        self, action: Action, now: dict[str, Any] | None, *, dry: bool = False
    ) -> dict[str, Any] | None:
        dry_run = "dryRun=All" if dry else ""
        version = (now or {}).get("metadata", {}).get("resourceVersion", "")
        path = _path(action)
        if isinstance(action, DeleteObject):
            conditions = {"preconditions": {"resourceVersion": version}} if version else None
            self._client.write(path, "DELETE", conditions, query=_query(dry_run))
            self._wait_until_gone(path)
            return None
        if isinstance(action, ApplyObject):
            if now is None and not dry:  # an apply would take over what somebody else makes meanwhile
                query = _query(f"fieldManager={MANAGER}")
                return self._client.write(path.rpartition("/")[0], "POST", action.body, query=query)
            return self._applied(path, _guarded(action.body, version), dry_run)
        if now is None:
            raise RefusedError(f"{path} does not exist")
        kind, patch = _patch(action, now, version)
        try:
            return self._client.write(
                path, "PATCH", patch, kind=kind, query=_query(f"fieldManager={MANAGER}", dry_run)
            )
        except RefusedError as error:
            # A JSON patch whose test of the resourceVersion fails is answered like one that is wrong.
            if kind == "json" and self._has_moved_on(path, version):
                raise ConflictError(str(error)) from error
            raise

    def _applied(self, path: str, body: dict[str, Any], dry_run: str) -> dict[str, Any]:
        """As the server made it; of a version that is no longer the newest it makes nothing."""
        query = _query(f"fieldManager={MANAGER}", "force=true", dry_run)
        return self._client.write(path, "PATCH", body, kind="apply", query=query)

    def _has_moved_on(self, path: str, version: str) -> bool:
        now = self._client.get(path)
        return bool(version) and (now or {}).get("metadata", {}).get("resourceVersion") != version

    def _wait_until_gone(self, path: str) -> None:
        ends = time.monotonic() + _GONE_SECONDS
        while self._client.get(path) is not None:
            if time.monotonic() >= ends:
                raise RefusedError(
                    f"{path} was deleted, but it is still there after {_GONE_SECONDS:g} s: its finalizers hold it"
                )
            time.sleep(0.2)

    def _put_back(self, action: Action, before: State, after: State, now: dict[str, Any] | None) -> None:
        path = _path(action)
        if not before.exists:
            version = (now or {}).get("metadata", {}).get("resourceVersion", "")
            self._client.write(path, "DELETE", {"preconditions": {"resourceVersion": version}})
            return
        old = json.loads(before.data)
        if now is None:
            self._client.write(path.rpartition("/")[0], "POST", old, query=_query(f"fieldManager={MANAGER}"))
            return
        patch = self._way_back(action, old, after, now)
        patch.setdefault("metadata", {})["resourceVersion"] = now["metadata"]["resourceVersion"]
        self._client.write(path, "PATCH", patch, kind="merge", query=_query(f"fieldManager={MANAGER}"))

    def _way_back(
        self, action: Action, old: dict[str, Any], after: State, now: dict[str, Any]
    ) -> dict[str, Any]:
        if isinstance(action, DeleteObject):
            return merge_diff(canonical(now), old)
        left = json.loads(after.data)
        if isinstance(action, EditObjectYaml):
            text = now["data"][action.key]
            if text == left.get("data", {}).get(action.key):
                return {"data": {action.key: old["data"][action.key]}}
            # The owner of the document wrote it anew meanwhile: only our keys go back to what they were.
            return {"data": {action.key: _keys_back(action, text, old["data"][action.key])}}
        return merge_diff(_concerned(action, left), _concerned(action, old))


def _same(action: Action, now: State, before: State) -> bool:
    """Whether nobody changed what the action concerns; of an object that goes that is all of it."""
    if isinstance(action, DeleteObject) and now.exists:
        return now.data == before.data
    return now.fingerprint == before.fingerprint


def _content(state: State) -> dict[str, Any] | None:
    return json.loads(state.data) if state.exists else None


def _path(action: Action) -> str:
    return action.target.partition(":")[2]


def _query(*parts: str) -> str:
    given = [quote(part, safe="=") for part in parts if part]
    return f"?{'&'.join(given)}" if given else ""


def _plain(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _concerned(action: Action, content: dict[str, Any]) -> Any:
    """The part of the content that decides whether somebody else changed what this action changes."""
    if isinstance(action, EditObjectYaml):
        return _document_part(action, content)
    if isinstance(action, ApplyObject):
        return pick(content, action.body)
    if isinstance(action, PatchObject):
        return pick(content, pointed(content, action.patch) if action.kind == "json" else action.patch)
    return content


def _document_part(action: EditObjectYaml, content: dict[str, Any]) -> Any:
    from kedoctor.yaml.document import YamlError, load  # noqa: PLC0415  only these actions read YAML

    text = (content.get("data") or {}).get(action.key)
    if text is None:
        return None
    try:
        document = load(text)
    except YamlError as error:
        raise RefusedError(f"{action.object}: data[{action.key}] is not YAML: {error}") from error
    paths = [path for change in action.changes for path in (change.path, change.to) if path]
    return [document.value(tuple(path.split(".")), None) for path in paths]


def _patch(action: Action, now: dict[str, Any], version: str) -> tuple[str, Any]:
    if isinstance(action, EditObjectYaml):
        text = (now.get("data") or {}).get(action.key)
        if text is None:
            raise RefusedError(f"{action.object} has no data[{action.key}]")
        new = edited(text.encode(), action.changes).decode()
        return "merge", _guarded({"data": {action.key: new}}, version)
    if not isinstance(action, PatchObject):
        raise RefusedError(f"{action.target} is not a change of an object")
    if action.kind == "json":
        test = [{"op": "test", "path": "/metadata/resourceVersion", "value": version}] if version else []
        return "json", [*test, *action.patch]
    return action.kind, _guarded(action.patch, version)


def _guarded(patch: dict[str, Any], version: str) -> dict[str, Any]:
    if not version:
        return patch
    return {**patch, "metadata": {**patch.get("metadata", {}), "resourceVersion": version}}


def _keys_back(action: EditObjectYaml, text: str, old_text: str) -> str:
    from kedoctor.model.actions.yaml_changes import YamlChange  # noqa: PLC0415  a rare way back
    from kedoctor.yaml.document import load  # noqa: PLC0415  a rare way back

    old = load(old_text)
    back = []
    for path in [path for change in action.changes for path in (change.path, change.to) if path]:
        was = old.position(tuple(path.split("."))) is not None
        value = old.value(tuple(path.split(".")), None)
        back.append(YamlChange("set", path, value) if was else YamlChange("remove", path))
    return edited(text.encode(), tuple(back)).decode()


def _diff(action: Action, before: State, after: State) -> str:
    if isinstance(action, EditObjectYaml):
        old, new = (json.loads(state.data)["data"][action.key] for state in (before, after))
    else:
        old, new = (_readable(state) for state in (before, after))
    name = f"{_path(action)} {action.key}" if isinstance(action, EditObjectYaml) else _path(action)
    return "\n".join(difflib.unified_diff(old.splitlines(), new.splitlines(), name, name, lineterm=""))


def _readable(state: State) -> str:
    """The content for people; a Secret's values are not shown, only which of them are equal."""
    if not state.exists:
        return ""
    content = json.loads(state.data)
    if content.get("kind") == "Secret":
        content["data"] = {
            key: f"[secret {hashlib.blake2b(str(value).encode(), key=_UNGUESSABLE, digest_size=4).hexdigest()}]"
            for key, value in (content.get("data") or {}).items()
        }
    return json.dumps(content, indent=2, sort_keys=True)


def _actor(place: Workplace) -> Actor | None:
    client = place.api()
    return None if client is None else ObjectActor(client)


KINDS = (ActionKind((EditObjectYaml, PatchObject, ApplyObject, DeleteObject), _actor),)
