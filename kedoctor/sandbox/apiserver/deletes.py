"""Deletion: preconditions, grace, finalizers, and what goes with a namespace."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from . import errors
from .bodies import existing, parse_json, resource_of
from .request import Request
from .resources import Resource
from .store import Object, Store, copy, now


def delete(store: Store, request: Request, *, linger: bool = False) -> tuple[int, Object]:
    """Delete an object: 200 with a Status, or with the object where the resource answers so or keeps it a while.

    ``linger`` leaves pods terminating, as they stay on a real site whose edge is gone.
    """
    resource = resource_of(request)
    options = parse_json(request.body) if request.body.strip() else {}
    with store.lock:
        old = copy(existing(store, request).obj)
        _check_preconditions(resource, old, options.get("preconditions") or {})
        if request.dry_run or options.get("dryRun"):
            return 200, old if resource.has("returns") else _deleted(resource, old)
        grace = options.get("gracePeriodSeconds", request.query.get("gracePeriodSeconds"))
        if resource.kind == "Pod":
            grace = (
                old.get("spec", {}).get("terminationGracePeriodSeconds", 30) if grace is None else int(grace)
            )
            on_node = bool(old.get("spec", {}).get("nodeName"))
            ended = _end_pod(store, resource, old, grace if on_node else 0, linger=linger)
            finish_namespace(store, old["metadata"]["namespace"])
            return 200, ended
        if resource.kind == "Namespace":
            return 200, _end_namespace(store, resource, old, linger=linger)
        if old["metadata"].get("finalizers"):
            return 200, store.put(resource, _held(old))
        store.delete(resource, old)
        return 200, old if resource.has("returns") else _deleted(resource, old)


def _held(obj: Object) -> Object:
    """An object that is being deleted and waits for its finalizers."""
    obj["metadata"].setdefault("deletionTimestamp", now())
    obj["metadata"].setdefault("deletionGracePeriodSeconds", 0)
    return obj


def _end_pod(store: Store, resource: Resource, pod: Object, grace: int, *, linger: bool) -> Object:
    if grace:
        end = datetime.now(UTC) + timedelta(seconds=grace)
        pod["metadata"]["deletionTimestamp"] = end.strftime("%Y-%m-%dT%H:%M:%SZ")
        pod["metadata"]["deletionGracePeriodSeconds"] = grace
        pod = store.put(resource, pod)
    if not grace or not linger:
        store.delete(resource, pod)
    return pod


def _end_namespace(store: Store, resource: Resource, namespace: Object, *, linger: bool) -> Object:
    """Play the namespace controller: everything in it goes at once, but pods that linger and finalizers hold it."""
    name = namespace["metadata"]["name"]
    if "deletionTimestamp" in namespace["metadata"]:
        return namespace
    namespace["metadata"]["deletionTimestamp"] = now()
    namespace["status"] = {"phase": "Terminating"}
    namespace = store.put(resource, namespace)
    for other, obj in store.everything_in(name):
        if other.kind == "Pod":
            grace = obj.get("spec", {}).get("terminationGracePeriodSeconds", 30)
            _end_pod(store, other, copy(obj), grace, linger=linger)
        elif obj["metadata"].get("finalizers"):
            store.put(other, _held(copy(obj)))
        else:
            store.delete(other, obj)
    finish_namespace(store, name)
    return namespace


def finish_namespace(store: Store, name: str) -> None:
    """Remove a namespace that is being deleted, once nothing is in it any more."""
    resource = store.resources.find("", "v1", "namespaces")
    entry = resource and store.get(resource, "", name)
    if resource and entry and "deletionTimestamp" in entry.obj["metadata"] and not store.everything_in(name):
        store.delete(resource, entry.obj)


def _check_preconditions(resource: Resource, obj: Object, wanted: dict[str, Any]) -> None:
    meta = obj["metadata"]
    if wanted.get("uid") not in (None, meta["uid"]):
        words = (
            f"the UID in the precondition ({wanted['uid']}) does not match the UID in record ({meta['uid']})."
        )
        why = f"{words} The object might have been deleted and then recreated"
    elif wanted.get("resourceVersion") not in (None, meta["resourceVersion"]):
        words = f"the ResourceVersion in the precondition ({wanted['resourceVersion']}) does not match"
        why = f"{words} the ResourceVersion in record ({meta['resourceVersion']}). The object might have been modified"
    else:
        return
    raise errors.conflict(resource, meta["name"], why, kind=resource.kind)


def _deleted(resource: Resource, obj: Object) -> Object:
    details = {"name": obj["metadata"]["name"]} | ({"group": resource.group} if resource.group else {})
    details |= {"kind": resource.plural, "uid": obj["metadata"]["uid"]}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
