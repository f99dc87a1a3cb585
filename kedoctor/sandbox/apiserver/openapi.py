"""As much OpenAPI as kubectl needs to leave validation to the server: who takes ``fieldValidation``."""

from __future__ import annotations

from .resources import Resource, Resources
from .store import Object

_PARAMETERS = [
    {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
    for name in ("dryRun", "fieldManager", "fieldValidation")
]


def index(resources: Resources) -> Object:
    """The body of ``/openapi/v3``: where the documents of the group versions are."""
    versions = ["api/v1"]
    for group, known in resources.groups():
        versions += [f"apis/{group}/{version}" for version in known]
    return {"paths": {path: {"serverRelativeURL": f"/openapi/v3/{path}?hash=lab"} for path in versions}}


def document(resources: Resources, group: str, version: str) -> Object | None:
    """The OpenAPI document of a group version: its write operations without their schemas."""
    served = resources.of(group, version)
    if served is None:
        return None
    paths: Object = {}
    for resource in served:
        base = f"/apis/{group}/{version}" if group else f"/api/{version}"
        place = f"{base}/namespaces/{{namespace}}" if resource.namespaced else base
        paths[f"{place}/{resource.plural}"] = {"post": _operation(resource, "post")}
        methods = ("put", "patch", "delete")
        paths[f"{place}/{resource.plural}/{{name}}"] = {
            method: _operation(resource, method) for method in methods
        }
    info = {"title": "Kubernetes", "version": "v1.31"}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": {}}}


def _operation(resource: Resource, method: str) -> Object:
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    return {
        "x-kubernetes-action": method,
        "x-kubernetes-group-version-kind": kind,
        "parameters": _PARAMETERS,
        "responses": {"200": {"description": "OK"}},
    }
