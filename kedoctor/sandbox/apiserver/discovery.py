"""What the server says about itself: versions, groups, resources, health."""

from __future__ import annotations

import json
from collections.abc import Collection

from . import openapi
from .errors import PlainError, page_not_found, resource_not_found
from .resources import Resource, Resources
from .response import Response, json_response
from .reviews import REVIEWS
from .store import Object

_READ_ONLY = ["get", "list"]
_ALL = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
_CHECKS = (
    "ping",
    "log",
    "etcd",
    "etcd-readiness",
    "informer-sync",
    "poststarthook/start-apiextensions-controllers",
    "poststarthook/rbac/bootstrap-roles",
    "poststarthook/apiservice-registration-controller",
    "shutdown",
)
_CORE_SUBRESOURCES = {
    "pods": (
        ("attach", "PodAttachOptions", ("create", "get")),
        ("exec", "PodExecOptions", ("create", "get")),
        ("log", "Pod", ("get",)),
    ),
    "nodes": (("proxy", "NodeProxyOptions", ("create", "delete", "get", "patch", "update")),),
    "serviceaccounts": (("token", "TokenRequest", ("create",)),),
}


def version_info(version: str) -> Object:
    """The body of ``/version`` for a ``vMAJOR.MINOR.PATCH`` with any suffix."""
    major, minor = version.removeprefix("v").split(".")[:2]
    return {
        "major": major,
        "minor": minor,
        "gitVersion": version,
        "gitCommit": "$Format:%H$",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "go1.23.9",
        "compiler": "gc",
        "platform": "linux/amd64",
    }


class Discovery:
    """Answers the paths that are not about a resource.

    ``failing`` names health checks that fail. ``hidden`` gives groups that are not registered at the moment.
    """

    def __init__(self, resources: Resources, version: str) -> None:
        self.version = version
        self.failing: set[str] = set()
        self.hidden: set[str] = set()
        self._resources = resources

    def answer(self, path: str, server_address: str, *, verbose: bool) -> Response:
        """The page at a path.

        Raises:
            PlainError: 404 for no such page, 500 for a health check that fails.
        """
        steps = path.strip("/").split("/")
        match steps:
            case ["version"]:
                return Response(200, json.dumps(version_info(self.version), indent=2).encode())
            case ["healthz" | "livez" | "readyz" as name]:
                return self._health(name, verbose=verbose)
            case ["healthz" | "livez" | "readyz", *rest] if "/".join(rest) in _CHECKS:
                return _text(b"ok") if "/".join(rest) not in self.failing else self._one_fails()
            case ["api"]:
                return json_response(200, _core_versions(server_address))
            case ["api", "v1"]:
                return self._resource_list("", "v1")
            case ["apis"]:
                return json_response(
                    200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": self._groups()}
                )
            case ["openapi", "v3", *place]:
                return json_response(200, self._open_api(place))
            case ["apis", group]:
                found = next((g for g in self._groups() if g["name"] == group), None)
                if found:
                    return json_response(200, {"kind": "APIGroup", "apiVersion": "v1"} | found)
            case ["apis", group, version] if group not in self.hidden:
                return self._resource_list(group, version)
        raise page_not_found()

    def _open_api(self, place: list[str]) -> Object:
        if not place:
            return openapi.index(self._resources)
        group, version = ("", place[-1]) if place[0] == "api" else (place[1], place[-1])
        found = openapi.document(self._resources, group, version) if len(place) > 1 else None
        if found is None:
            raise page_not_found()
        return found

    def _health(self, name: str, *, verbose: bool) -> Response:
        lines = [
            f"[-]{check} failed: reason withheld\n" if check in self.failing else f"[+]{check} ok\n"
            for check in _CHECKS
        ]
        if self.failing:
            raise PlainError(500, "".join(lines) + f"{name} check failed\n")
        return _text("".join([*lines, f"{name} check passed\n"]).encode() if verbose else b"ok")

    def _one_fails(self) -> Response:
        raise PlainError(500, "internal server error: reason withheld\n")

    def _groups(self) -> list[Object]:
        found = []
        for group, versions in self._resources.groups():
            if group not in self.hidden:
                named = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
                found.append({"name": group, "versions": named, "preferredVersion": named[0]})
        return found

    def _resource_list(self, group: str, version: str) -> Response:
        resources = self._resources.of(group, version)
        if resources is None and any(group == known for known, _ in self._resources.groups()):
            raise resource_not_found()
        if resources is None:
            raise page_not_found()
        listed = [entry for resource in resources for entry in _entries(resource)]
        listed += [_review(plural, kind) for (owner, plural), kind in REVIEWS.items() if owner == group]
        full = f"{group}/{version}" if group else version
        body = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": full, "resources": listed}
        return json_response(200, body)


def _text(body: bytes) -> Response:
    return Response(200, body, "text/plain; charset=utf-8", [("X-Content-Type-Options", "nosniff")])


def _core_versions(server_address: str) -> Object:
    address = {"clientCIDR": "0.0.0.0/0", "serverAddress": server_address}
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [address]}


def _entries(resource: Resource) -> list[Object]:
    base = {"name": resource.plural, "singularName": resource.kind.lower(), "namespaced": resource.namespaced}
    entry: Object = base | {"kind": resource.kind, "verbs": _READ_ONLY if resource.has("virtual") else _ALL}
    if resource.short:
        entry["shortNames"] = list(resource.short)
    listed = [entry]
    if resource.has("status"):
        listed.append(_sub(resource, "status", resource.kind, ("get", "patch", "update")))
    if resource.has("scale"):
        scale = _sub(resource, "scale", "Scale", ("get", "patch", "update"))
        listed.append(scale | {"group": "autoscaling", "version": "v1"})
    if not resource.group:
        listed += [_sub(resource, *sub) for sub in _CORE_SUBRESOURCES.get(resource.plural, ())]
    return listed


def _review(plural: str, kind: str) -> Object:
    entry = {"name": plural, "singularName": kind.lower(), "namespaced": kind.startswith("Local")}
    return entry | {"kind": kind, "verbs": ["create"]}


def _sub(resource: Resource, name: str, kind: str, verbs: Collection[str]) -> Object:
    full = f"{resource.plural}/{name}"
    return {
        "name": full,
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": kind,
        "verbs": list(verbs),
    }
