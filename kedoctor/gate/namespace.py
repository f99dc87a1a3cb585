"""The namespace of a gate: made, and removed whatever happens; those that killed gates left are found and removed.

How old a namespace is, is told by comparing two times that the API server wrote, so no clock of ours is trusted.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from kedoctor.base.errors import ChangeError
from kedoctor.changes.actors.objects import ObjectClient
from kedoctor.model.actors import ConflictError, RefusedError
from kedoctor.model.gate import GATE_LABEL, GATE_PODS, MANAGED_BY, RUN
from kedoctor.observe.access_rules import PolicyRule
from kedoctor.observe.live.api_errors import ApiFailure

__all__ = ["RIGHTS", "Connect", "GateNamespace", "Owner", "labels"]

RIGHTS = (
    *(PolicyRule("", "", "namespaces", verb) for verb in ("create", "delete", "get", "list")),
    PolicyRule("", "", "pods", "deletecollection"),
)
"""What :class:`GateNamespace` does; everywhere, because the namespaces are not there before."""

Connect = Callable[[], ObjectClient]
"""Gives a client to an API server; one that was lost is not asked again, so each attempt takes a new one."""

_PREFIX = "kedoctor-gate-"
_EXPIRES = "kedoctor/expires"
_LIFETIME = "kedoctor/lifetime"
_PLACE = "kedoctor/place"
_PID = "kedoctor/pid"
_STARTED = "kedoctor/process-started"
_PATIENT = (
    1 / 6
)  # the part of the time in which nodes may end their pods, before these are taken off the list
_PAUSE = 0.5


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that runs a gate, so that a later one can tell whether it still lives.

    ``place`` is the boot of the machine and the process namespace: in another container the same number is another
    process. ``started`` is when it started, in the kernel's count since boot, which no other process of that number
    shares.
    """

    place: str
    pid: int
    started: str

    @classmethod
    def this(cls, boot_id: str) -> Owner:
        """This process."""
        try:
            place = f"{boot_id} {Path('/proc/self/ns/pid').readlink()}" if boot_id else ""
        except OSError:
            place = ""
        return cls(place, os.getpid(), _process_started(os.getpid()))

    def is_dead(self, me: Owner) -> bool:
        """Whether it is known to live no more: it ran in the same place as ``me``, and is not there."""
        return bool(me.place) and self.place == me.place and _process_started(self.pid) != self.started


def _process_started(pid: int) -> str:
    """Field 22 of ``/proc/PID/stat``; empty for a process that is not there."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        return stat.rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def labels(run: str) -> dict[str, str]:
    """What every object of a gate carries."""
    return {MANAGED_BY: "kedoctor", GATE_LABEL: "gate", RUN: run}


class GateNamespace:
    """The namespace of one gate; its name is settled before anything is made, so it can be removed in any case."""

    def __init__(self, connect: Connect, owner: Owner, *, lifetime: int) -> None:
        self._connect = connect
        self._owner = owner
        self._lifetime = lifetime
        self._may_exist = False
        self._created: datetime | None = None
        self.run = secrets.token_hex(3)
        self.name = f"{_PREFIX}{self.run}"
        self.made = False

    def make(self) -> None:
        """Makes it.

        Raises:
            ChangeError: the server refused, or could not be talked to.
        """
        earlier, self._may_exist = self._may_exist, True
        try:
            answer = self._write(self._connect())
        except ChangeError as error:
            # A refusal is an answer: nothing was made. Without an answer it may have been made all the same.
            self._may_exist = earlier or _is_lost(error)
            raise
        self.made = True
        self._created = _time(answer.get("metadata", {}).get("creationTimestamp"))

    def _write(self, client: ObjectClient) -> dict[str, Any]:
        try:
            return client.write("/api/v1/namespaces", "POST", self._body())
        except ConflictError:
            # An earlier attempt that had no answer came to pass; nobody else makes names like ours.
            found = client.get(f"/api/v1/namespaces/{self.name}")
            if found is None:
                raise
            return found

    def clear_leftovers(self) -> list[str]:
        """Begins to remove what gates left that were killed or have run out of time; gives the names.

        Only after :meth:`make`: the new namespace tells what time it is for the server.

        Raises:
            ChangeError: they could not be listed or removed.
        """
        client = self._connect()
        found = client.get(f"/api/v1/namespaces?labelSelector={quote(GATE_PODS)}") or {}
        over = [
            one
            for one in found.get("items") or ()
            if one["metadata"]["name"].startswith(_PREFIX) and self._is_over(one["metadata"])
        ]
        for one in over:
            if not _is_ending(one):
                _delete(client, one["metadata"]["name"])
            _delete_pods(client, one["metadata"]["name"])
        return [one["metadata"]["name"] for one in over]

    def remove(self, *, seconds: float) -> str:
        """Removes it with all that is in it, trying again for so long; empty when it is gone, else what is wrong."""
        if not self._may_exist:
            return ""
        ends, force_at = time.monotonic() + seconds, time.monotonic() + seconds * _PATIENT
        client: ObjectClient | None = None
        while True:
            try:
                client = client or self._connect()
                if self._step(client, force=time.monotonic() >= force_at):
                    return ""
                trouble = "the API server has not finished removing it"
            except ChangeError as error:
                trouble, client = str(error), None
            if time.monotonic() >= ends:
                return trouble
            time.sleep(_PAUSE)

    def _step(self, client: ObjectClient, *, force: bool) -> bool:
        """Whether it is gone; if not, the next thing that helps is done."""
        found = client.get(f"/api/v1/namespaces/{self.name}")
        if found is None:
            return True
        if not _is_ending(found):
            _delete(client, self.name)
        elif force:
            _delete_pods(client, self.name)
        return False

    def _body(self) -> dict[str, Any]:
        expires = datetime.now(UTC).timestamp() + self._lifetime
        notes = {
            _LIFETIME: str(self._lifetime),
            _PLACE: self._owner.place,
            _PID: str(self._owner.pid),
            _STARTED: self._owner.started,
        }
        marks = {
            **labels(self.run),
            _EXPIRES: str(round(expires)),
            "pod-security.kubernetes.io/enforce": "restricted",
        }
        metadata = {"name": self.name, "labels": marks, "annotations": notes}
        return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}

    def _is_over(self, metadata: dict[str, Any]) -> bool:
        if metadata["name"] == self.name:
            return False
        notes = metadata.get("annotations") or {}
        try:
            owner = Owner(notes[_PLACE], int(notes[_PID]), notes[_STARTED])
            lifetime = float(notes[_LIFETIME])
        except (KeyError, ValueError):
            return False  # it is labelled like ours and is not: whoever made it must remove it
        if owner.is_dead(self._owner):
            return True
        made = _time(metadata.get("creationTimestamp"))
        if made is None or self._created is None:
            return False
        return (self._created - made).total_seconds() > lifetime


def _is_ending(namespace: dict[str, Any]) -> bool:
    return "deletionTimestamp" in namespace["metadata"]


def _delete(client: ObjectClient, namespace: str) -> None:
    client.write(f"/api/v1/namespaces/{namespace}", "DELETE", None)


def _delete_pods(client: ObjectClient, namespace: str) -> None:
    """Takes pods off the list: a node that is away never confirms that they ended, and ends them when it is back."""
    client.write(f"/api/v1/namespaces/{namespace}/pods", "DELETE", None, query="?gracePeriodSeconds=0")


def _time(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return None


def _is_lost(error: ChangeError) -> bool:
    return isinstance(error, RefusedError) and isinstance(error.__cause__, ApiFailure)
