"""Create, update, patch and scale, with dry run and ownership."""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Callable
from typing import Any

from . import defaults, errors
from .admission import admit, refuse_in_ending_namespace
from .apply import Manager, apply_object, record_update
from .bodies import (
    APPLY_PATCH,
    check_identity,
    existing,
    parse_json,
    patch_form,
    patched,
    read_body,
    resource_of,
)
from .deletes import finish_namespace
from .gojson import wrong_type
from .request import Request
from .resources import Resource
from .schema import drop_unknown
from .store import Object, Store, copy, dump, now
from .validation import NOT_NEGATIVE, check_options, unknown_fields, validate, validate_change

_KEPT = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "selfLink",
    "managedFields",
    "resourceVersion",
)
_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"
_STATUS_AT_CREATE = {"Node", "Namespace"}

Answer = tuple[int, Object]


class Writer:
    """The writing verbs over a store.

    ``load_yaml`` reads the body of an apply; the default reads JSON, which is YAML too.
    """

    def __init__(self, store: Store, load_yaml: Callable[[bytes], Any] = json.loads) -> None:
        self.store = store
        self.load_yaml = load_yaml

    def create(self, request: Request) -> Answer:
        """Store a new object: 201 and the object."""
        check_options(request.query, "CreateOptions")
        resource = resource_of(request)
        obj = read_body(request, resource)
        meta = obj["metadata"]
        if meta.get("resourceVersion"):
            raise errors.ApiError(500, "", "resourceVersion should not be set on objects to be created")
        request.warnings += unknown_fields(resource, obj, request.query.get("fieldValidation", "Warn"))
        manager = Manager(request.manager, "Update", resource.api_version, request.subresource)
        return 201, self._store_new(request, resource, obj, manager)

    def _store_new(self, request: Request, resource: Resource, obj: Object, manager: Manager) -> Object:
        meta = obj["metadata"]
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = meta["generateName"] + "".join(secrets.choice(_SUFFIX) for _ in range(5))
        namespace = request.namespace if resource.namespaced else ""
        applied = manager.operation == "Apply"
        for field in _KEPT:
            kept = field == "generation" and not resource.has("generation")
            if not kept and not (applied and field == "managedFields"):
                meta.pop(field, None)
        if resource.has("status") and resource.kind not in _STATUS_AT_CREATE:
            obj.pop("status", None)
        defaults.fill_in(resource, obj)
        if not applied:
            record_update(resource, None, obj, manager)
        defaults.complete(resource, obj)
        with self.store.lock:
            home = self._namespace(namespace) if resource.namespaced else None
            if home is not None:
                refuse_in_ending_namespace(resource, obj, home)
            admit(self.store, resource, obj, home)
            validate(resource, obj)
            if there := self.store.get(resource, namespace, meta["name"]):
                ending = "deletionTimestamp" in there.obj["metadata"]
                raise errors.already_exists(resource, meta["name"], ending=ending)
            meta |= {"uid": str(uuid.uuid4()), "creationTimestamp": now()}
            if resource.has("generation"):
                defaults.count_generation(obj, 1)
            return obj if request.dry_run else self.store.put(resource, obj)

    def _namespace(self, name: str) -> Object | None:
        """The namespace of that name; ``None`` on a server that has no namespaces."""
        namespaces = self.store.resources.find("", "v1", "namespaces")
        if namespaces is None:
            return None
        entry = self.store.get(namespaces, name, name)
        if entry is None:
            raise errors.namespace_not_found(name)
        return entry.obj

    def update(self, request: Request) -> Answer:
        """Replace an object: 200 (201 where the resource may be created so) and the object."""
        check_options(request.query, "UpdateOptions")
        resource = resource_of(request)
        new = read_body(request, resource)
        request.warnings += unknown_fields(resource, new, request.query.get("fieldValidation", "Warn"))
        with self.store.lock:
            if resource.has("upsert") and not self.store.get(resource, request.namespace, request.name):
                manager = Manager(request.manager, "Update", resource.api_version)
                return 201, self._store_new(request, resource, new, manager)
            old = existing(self.store, request).obj
            version = new["metadata"].get("resourceVersion")
            if not version and resource.has("strict-update"):
                cause = errors.invalid_value(
                    "metadata.resourceVersion", errors.Raw("0x0"), "must be specified for an update"
                )
                # Here the real server names the resource where it otherwise names the kind.
                raise errors.invalid(resource.plural, resource.group, request.name, [cause])
            new["metadata"].setdefault("resourceVersion", old["metadata"]["resourceVersion"])
            return 200, self.change(request, old, new)

    def patch(self, request: Request) -> Answer:
        """Patch an object in one of the four forms: 200, or 201 when an apply creates it."""
        resource = resource_of(request)
        form = patch_form(request, resource)
        check_options(request.query, "PatchOptions", patch_type=form)
        if form == APPLY_PATCH:
            return self._apply(request, resource)
        with self.store.lock:
            old = existing(self.store, request).obj
            new = patched(form, request.body, old)
            if why := wrong_type(resource, new):
                raise errors.invalid("", "", "", [errors.invalid_value("patch", dump(new).decode(), why)])
            mode = request.query.get("fieldValidation", "Warn")
            request.warnings += unknown_fields(resource, new, mode, patched=True)
            return 200, self.change(request, old, new)

    def _apply(self, request: Request, resource: Resource) -> Answer:
        try:
            applied = self.load_yaml(request.body)
        except Exception as error:
            words = f"error decoding YAML: error converting YAML to JSON: yaml: {error}"
            raise errors.bad_request(words) from error
        if not isinstance(applied, dict):
            raise errors.bad_request(
                "error decoding YAML: json: cannot unmarshal into Go value of type map[string]interface {}"
            )
        given = str(applied.get("apiVersion", ""))
        if not given or applied.get("kind") != resource.kind:
            raise errors.bad_request(f"invalid object type: {_typed(given)}, Kind={applied.get('kind', '')}")
        if given != resource.api_version:
            words = f"Specified patch version: {given}, expected: {resource.api_version}"
            raise errors.bad_request(f"Incorrect version specified in apply patch. {words}")
        applied = copy(applied)
        meta = applied.setdefault("metadata", {})
        if meta.get("managedFields") is not None:
            raise errors.bad_request("metadata.managedFields must be nil")
        shown = copy(applied)
        check_identity(request, resource, applied)
        if stranger := next(iter(drop_unknown(resource, copy(applied))), ""):
            raise _untyped(shown, stranger)
        if resource.has("status") and request.subresource != "status":
            applied.pop("status", None)
        manager = Manager(request.manager, "Apply", resource.api_version, request.subresource)
        with self.store.lock:
            entry = self.store.get(resource, request.namespace, request.name)
            if entry is None:
                new = apply_object(resource, None, applied, manager, force=True)
                return 201, self._store_new(request, resource, new, manager)
            new = apply_object(resource, entry.obj, applied, manager, force=request.flag("force"))
            return 200, self.change(request, entry.obj, new, owners_kept=False)

    def change(self, request: Request, old: Object, new: Object, *, owners_kept: bool = True) -> Object:
        """Store ``new`` over ``old`` (the caller holds the lock): the checks and notes common to all updates."""
        resource = resource_of(request)
        meta, was = new["metadata"], old["metadata"]
        check_identity(request, resource, new)
        if meta.get("resourceVersion", was["resourceVersion"]) != was["resourceVersion"]:
            raise errors.conflict(resource, request.name)
        validate_change(resource, old, new)
        owners = meta.get("managedFields")
        disowned = owners_kept and owners == [{}]
        for field in _KEPT:
            meta.pop(field, None)
            if field in was:
                meta[field] = was[field]
        new = _only_own_part(request, resource, old, new)
        if defaults.is_complete(resource, old):
            defaults.fill_in(resource, new)
        if disowned:
            new["metadata"].pop("managedFields", None)
        elif owners_kept:
            manager = Manager(request.manager, "Update", resource.api_version, request.subresource)
            record_update(resource, old, new, manager)
        elif owners:
            new["metadata"]["managedFields"] = owners
        _count(resource, old, new)
        validate(resource, new)
        if _same(old, new):
            return old
        if request.dry_run:
            return new
        ending = new["metadata"].get("deletionTimestamp") and resource.kind != "Pod"
        if ending and not new["metadata"].get("finalizers"):
            self.store.delete(resource, new)
            finish_namespace(self.store, new["metadata"].get("namespace", ""))
            return new
        return self.store.put(resource, new)

    def scale(self, request: Request) -> Answer:
        """Read or write the Scale of a workload: 200 and the Scale."""
        resource = resource_of(request)
        with self.store.lock:
            old = existing(self.store, request).obj
            if request.method == "GET":
                return 200, scale_of(old)
            if request.method == "PATCH":
                scale = patched(patch_form(request, resource), request.body, scale_of(old))
            else:
                scale = parse_json(request.body)
            version = scale.get("metadata", {}).get("resourceVersion") or old["metadata"]["resourceVersion"]
            new = copy(old)
            new["metadata"]["resourceVersion"] = version
            wanted = scale.get("spec", {}).get("replicas", 0)
            if wanted < 0:
                cause = errors.invalid_value("spec.replicas", wanted, NOT_NEGATIVE)
                raise errors.invalid("Scale", "autoscaling", request.name, [cause])
            new["spec"]["replicas"] = wanted
            return 200, scale_of(self.change(request, old, new))


def _typed(version: str) -> str:
    """An ``apiVersion`` as Go prints group and version: ``/v1``, ``apps/v1``."""
    return version if "/" in version else f"/{version}"


def _untyped(applied: Object, path: str) -> errors.ApiError:
    meta = applied["metadata"]
    what = f"{meta.get('namespace', '')}/{meta.get('name', '')}; {_typed(applied['apiVersion'])}"
    why = f".{path}: field not declared in schema"
    words = f"failed to create typed patch object ({what}, Kind={applied['kind']}): {why}"
    return errors.ApiError(500, "", words)


def _only_own_part(request: Request, resource: Resource, old: Object, new: Object) -> Object:
    """Writes to the object leave its status alone, writes to the status leave everything else alone."""
    if request.subresource == "status":
        kept = {field: value for field, value in old.items() if field != "status"}
        if not resource.has("custom"):
            kept["metadata"] = new["metadata"]
        return copy(kept | {"status": new.get("status", {})})
    if resource.has("status"):
        new.pop("status", None)
        if "status" in old:
            new["status"] = copy(old)["status"]
    return new


def _count(resource: Resource, old: Object, new: Object) -> None:
    aside = ("metadata", "status", "kind", "apiVersion")
    changed = any(old.get(part) != new.get(part) for part in {**old, **new} if part not in aside)
    if resource.has("generation") and changed:
        defaults.count_generation(new, int(old["metadata"].get("generation", 1)) + 1)


def _same(old: Object, new: Object) -> bool:
    def bare(obj: Object) -> Object:
        result = copy(obj)
        for entry in result["metadata"].get("managedFields") or ():
            entry.pop("time", None)
        return result

    return bare(old) == bare(new)


def scale_of(obj: Object) -> Object:
    """The Scale of a workload."""
    meta = {
        f: obj["metadata"][f] for f in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    }
    labels = (obj["spec"].get("selector") or {}).get("matchLabels") or {}
    status: Object = {"replicas": obj.get("status", {}).get("replicas", 0)}
    status["selector"] = ",".join(f"{key}={labels[key]}" for key in sorted(labels))
    replicas = obj["spec"].get("replicas", 1)
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": meta,
        "spec": {"replicas": replicas} if replicas else {},
        "status": status,
    }
