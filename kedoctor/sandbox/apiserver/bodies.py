"""What a request carries: whole objects and the three patch forms."""

from __future__ import annotations

import json
from typing import Any

from . import errors
from .gojson import go_type, json_error, wrong_type
from .patch import json_patch, merge_patch, strategic_merge
from .request import Request
from .resources import Resource
from .store import Entry, Object, Store, copy

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
_FORMS = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
_NO_KIND = "couldn't get version/kind; json parse error: "
_KIND_STRUCT = (
    'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
)


def resource_of(request: Request) -> Resource:
    """The resource at the request's path.

    Raises:
        ApiError: 404 when its group version has no such resource.
        PlainError: 404 when nothing serves the group version.
    """
    if request.resource is None:
        raise errors.resource_not_found() if request.group_served else errors.page_not_found()
    return request.resource


def parse_json(body: bytes) -> Any:
    """The JSON in a body.

    Raises:
        ApiError: 400.
    """
    try:
        return json.loads(body)
    except ValueError:
        raise errors.bad_request(f"{_NO_KIND}{json_error(body)}") from None


def _summary(body: bytes) -> str:
    """The beginning of a body, as Kubernetes shows one that it cannot read."""
    if not body:
        return "<empty>"
    shown = body[:30].decode(errors="replace") if body[:1] == b"{" else body[:30].hex()
    return shown + (" ..." if len(body) > 30 else "")


def _unrecognized(resource: Resource, why: str, body: bytes) -> errors.ApiError:
    words = f"the object provided is unrecognized (must be of type {resource.kind}): {_NO_KIND}{why}"
    return errors.bad_request(f"{words} ({_summary(body)})")


def read_body(request: Request, resource: Resource) -> Object:
    """The object in a request's body, with kind, version and namespace of the path.

    Raises:
        ApiError: 400 for another kind, name or namespace than the path's; 415 for another format than JSON.
    """
    form = request.headers.get("Content-Type", "application/json").partition(";")[0].strip()
    if form not in ("application/json", ""):
        raise errors.unsupported_patch_type(_FORMS)
    if why := json_error(request.body):
        raise _unrecognized(resource, why, request.body)
    obj = json.loads(request.body)
    if not isinstance(obj, dict):
        why = f"json: cannot unmarshal {go_type(obj)} into Go value of type {_KIND_STRUCT}"
        raise _unrecognized(resource, why, request.body)
    kind, version = obj.get("kind") or resource.kind, obj.get("apiVersion") or resource.api_version
    if (kind, version) != (resource.kind, resource.api_version):
        raise _other_kind(resource, kind, version)
    if why := wrong_type(resource, obj):
        raise _not_decoded(resource, why)
    if not resource.has("custom"):
        obj = without_nulls(obj)
    obj.setdefault("metadata", {})
    check_identity(request, resource, obj)
    first = {"kind": kind, "apiVersion": version, "metadata": obj["metadata"]}
    result: Object = first | obj
    return result


def _other_kind(resource: Resource, kind: str, version: str) -> errors.ApiError:
    name = version.rpartition("/")[2]
    internal = resource.group.partition(".")[0] or "core"
    why = f"converting ({name}.{kind}) to ({internal}.{resource.kind}): unknown conversion"
    message = f'{kind} in version "{name}" cannot be handled as a {resource.kind}: {why}'
    return errors.bad_request(message)


def _not_decoded(resource: Resource, why: str) -> errors.ApiError:
    words = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: {why}'
    return errors.bad_request(words)


def without_nulls(value: Any) -> Any:
    """A value as Go types hold it: fields that are null are not there."""
    if isinstance(value, dict):
        return {field: without_nulls(part) for field, part in value.items() if part is not None}
    return [without_nulls(part) for part in value] if isinstance(value, list) else value


def check_identity(request: Request, resource: Resource, obj: Object) -> None:
    """Refuse an object whose name or namespace is not the path's; fill them in where it has none.

    Raises:
        ApiError: 400.
    """
    meta = obj["metadata"]
    if request.name and meta.setdefault("name", request.name) != request.name:
        message = (
            f"the name of the object ({meta['name']}) does not match the name on the URL ({request.name})"
        )
        raise errors.bad_request(message)
    if not resource.namespaced:
        meta.pop("namespace", None)
    elif meta.setdefault("namespace", request.namespace) != request.namespace:
        raise errors.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )


def patch_form(request: Request, resource: Resource) -> str:
    """The media type of a patch.

    Raises:
        ApiError: 415 for one that the resource does not take.
    """
    form = request.headers.get("Content-Type", "").partition(";")[0].strip()
    custom = resource.has("custom")
    accepted = (
        [JSON_PATCH, MERGE_PATCH, APPLY_PATCH]
        if custom
        else [JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH]
    )
    if form not in accepted:
        raise errors.unsupported_patch_type(accepted) if custom else errors.unsupported_media_type()
    return form


def patched(form: str, body: bytes, old: Object) -> Object:
    """An object after a JSON, merge or strategic merge patch."""
    if why := json_error(body):
        raise errors.bad_request(why if form == STRATEGIC_PATCH else f"error decoding patch: {why}")
    change = json.loads(body)
    base = copy(old)
    if form == JSON_PATCH:
        new = json_patch(base, change)
    elif not isinstance(change, dict):
        raise errors.bad_request(
            f"error decoding patch: json: cannot unmarshal {go_type(change)} into Go value of type map[string]interface {{}}"
        )
    else:
        new = merge_patch(base, change) if form == MERGE_PATCH else strategic_merge(base, change)
    if not isinstance(new, dict) or not isinstance(new.get("metadata"), dict):
        raise errors.unprocessable()
    return copy(new)


def existing(store: Store, request: Request) -> Entry:
    """The object at the request's path.

    Raises:
        ApiError: 404.
    """
    resource = resource_of(request)
    entry = store.get(resource, request.namespace, request.name)
    if entry is None:
        raise errors.not_found(resource, request.name)
    return entry
