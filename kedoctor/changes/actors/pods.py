"""Pods of a workload: deleted, and their successors waited for."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

from kedoctor.base.failpoints import reach
from kedoctor.base.records import decode, encode
from kedoctor.model.actions.action import Action
from kedoctor.model.actions.objects import RestartPods
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

__all__ = ["KINDS", "PodActor"]


class PodActor:
    """Restarts pods by deleting them: a rolling update with host ports on one node would wait for ever.

    ``patience`` is how many seconds the successors have to become ready.
    """

    def __init__(self, client: ApiClient, *, patience: float = 120.0, poll: float = 1.0) -> None:
        self._client = client
        self._patience = patience
        self._poll = poll

    def look(self, action: Action) -> State:
        """Which pods there are, by name, and which of them are ready."""
        ready = {_name(pod): _ready(pod) for pod in self._pods(_restart(action))}
        return State(target=action.target, exists=True, fingerprint="restart", data=encode(ready))

    def preview(self, action: Action, before: State) -> Preview:
        """A restart: what it leaves cannot be predicted."""
        del action, before
        return Preview(changes=True, diff="", fingerprint="")

    def do(self, action: Action, before: State) -> State:
        """Deletes the pods and waits for ready successors."""
        restart = _restart(action)
        if restart.when == "do":
            self._restart(restart, wait=True)
        return before

    def undo(self, action: Action, before: State, after: State) -> None:
        """On the way back another restart, so that what was put back is what runs.

        Successors that are to be ready are waited for only where the pods were ready before: what is put back may be
        what kept them from it.
        """
        del after
        restart = _restart(action)
        if restart.when == "undo":
            self._restart(restart, wait=_were_ready(before))

    def tidy(self, action: Action) -> None:
        """A restart leaves nothing beside it."""

    def _pods(self, restart: RestartPods) -> list[dict[str, Any]]:
        path = f"/api/v1/namespaces/{restart.namespace}/pods"
        found = self._client.get(f"{path}?labelSelector={quote(restart.label_selector)}")
        items: list[dict[str, Any]] = (found or {}).get("items") or []
        return items

    def _restart(self, restart: RestartPods, *, wait: bool) -> None:
        old = self._pods(restart)
        for pod in old:
            reach()
            path = f"/api/v1/namespaces/{restart.namespace}/pods/{_name(pod)}"
            try:
                self._client.write(path, "DELETE", {"preconditions": {"uid": pod["metadata"]["uid"]}})
            except ConflictError:
                continue  # another pod has that name by now: it has been restarted already
            except RefusedError:
                if self._client.get(path) is not None:
                    raise  # else it has gone by itself
        if wait:
            # Pods that were not ready are no measure: in the middle of a rollout there is one more, which goes away.
            self._wait(restart, {pod["metadata"]["uid"] for pod in old}, wanted=max(1, sum(map(_ready, old))))
        reach()

    def _wait(self, restart: RestartPods, old: set[str], *, wanted: int) -> None:
        ends = time.monotonic() + self._patience
        while True:
            new = [pod for pod in self._pods(restart) if pod["metadata"]["uid"] not in old]
            if sum(_ready(pod) for pod in new) >= wanted:
                return
            if time.monotonic() >= ends:
                raise RefusedError(
                    f"the pods {restart.label_selector} in {restart.namespace} did not become ready within "
                    f"{self._patience:g} s after their restart",
                    hint=f"kubectl -n {restart.namespace} describe pods -l {restart.label_selector}",
                )
            time.sleep(self._poll)


def _restart(action: Action) -> RestartPods:
    if not isinstance(action, RestartPods):
        raise RefusedError(f"{action.target} is not a restart of pods")
    return action


def _were_ready(before: State) -> bool:
    """Whether every pod was; journals of kedoctor 0.1.0 do not say, and their pods are waited for."""
    known: object = decode(before.data, object)
    return not isinstance(known, dict) or (bool(known) and all(known.values()))


def _name(pod: dict[str, Any]) -> str:
    return str(pod["metadata"]["name"])


def _ready(pod: dict[str, Any]) -> bool:
    conditions = pod.get("status", {}).get("conditions") or []
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


def _actor(place: Workplace) -> Actor | None:
    client = place.api()
    return None if client is None else PodActor(client, patience=place.patience)


KINDS = (ActionKind((RestartPods,), _actor),)
