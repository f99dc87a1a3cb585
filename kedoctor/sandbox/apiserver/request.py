"""One request, taken apart the way kube-apiserver's RequestInfo does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from .resources import Resource, Resources

_VERBS = {
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
    "GET": "get",
    "HEAD": "get",
}
_NAMESPACE_SUBRESOURCES = {"status", "finalize"}
LONG_RUNNING = {"log", "exec", "attach", "proxy", "portforward"}


class Headers(Protocol):
    """The headers of a request, their names in any case."""

    def get(self, name: str, default: str, /) -> str:
        """The value of a header, or the default."""


@dataclass(frozen=True, slots=True)
class User:
    """Who asks: a name and groups, as the authenticators find them."""

    name: str
    groups: tuple[str, ...] = ("system:authenticated",)
    uid: str = ""


ADMIN = User("kubernetes-admin", ("system:masters", "system:authenticated"))
ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))


@dataclass(frozen=True, slots=True)
class Attributes:
    """What an authorizer is asked about; ``path`` only for requests that are not about a resource."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""


@dataclass(slots=True)
class Request:
    """A request with its place in the API.

    ``query`` holds the first value of each parameter, ``values`` all of one. ``is_resource`` is true below
    ``/api/v1/`` and ``/apis/GROUP/VERSION/``; ``resource`` is ``None`` there when nothing serves the path,
    ``group_served`` says whether other resources of its group version are.
    ``rest`` is the path behind ``proxy/``.
    """

    method: str
    path: str
    query: dict[str, str]
    pairs: list[tuple[str, str]]
    headers: Headers
    body: bytes = b""
    user: User = ANONYMOUS
    is_resource: bool = False
    group: str = ""
    version: str = ""
    plural: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    rest: str = ""
    resource: Resource | None = None
    group_served: bool = False
    warnings: list[str] = field(default_factory=list)

    def values(self, name: str) -> list[str]:
        """All values of a query parameter, in order."""
        return [value for key, value in self.pairs if key == name]

    def flag(self, name: str) -> bool:
        """Whether a boolean parameter is set."""
        return self.query.get(name, "").lower() in ("true", "1")

    @property
    def dry_run(self) -> bool:
        """Whether nothing may be stored."""
        return bool(self.query.get("dryRun"))

    @property
    def manager(self) -> str:
        """The field manager: as named, or the program's name from the User-Agent, or ``unknown``."""
        agent = self.headers.get("User-Agent", "").partition("/")[0]
        return self.query.get("fieldManager") or agent or "unknown"

    @property
    def verb(self) -> str:
        """The verb that authorization goes by."""
        if not self.is_resource:
            return self.method.lower()
        verb = _VERBS.get(self.method, "")
        if self.name:
            return verb
        if verb == "get":
            return "watch" if self.flag("watch") else "list"
        return "deletecollection" if verb == "delete" else verb

    @property
    def attributes(self) -> Attributes:
        """What the authorizer is asked."""
        if not self.is_resource:
            return Attributes(self.verb, path=self.path)
        name = self.name
        if not name and self.query.get("fieldSelector", "").startswith("metadata.name="):
            name = self.query["fieldSelector"].removeprefix("metadata.name=").partition(",")[0]
        return Attributes(self.verb, self.group, self.plural, self.subresource, self.namespace, name)


def parse(method: str, target: str, headers: Headers, resources: Resources) -> Request:
    """A request from its first line; the body comes later."""
    parts = urlsplit(target)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    query: dict[str, str] = {}
    for key, value in pairs:
        query.setdefault(key, value)
    request = Request(method, unquote(parts.path), query, pairs, headers)
    _place(request, parts.path.strip("/").split("/"), resources)
    return request


def _place(request: Request, steps: list[str], resources: Resources) -> None:
    steps = [unquote(step) for step in steps]
    if steps[0] == "api" and len(steps) > 2:
        request.group, request.version, rest = "", steps[1], steps[2:]
    elif steps[0] == "apis" and len(steps) > 3:
        request.group, request.version, rest = steps[1], steps[2], steps[3:]
    else:
        return
    request.is_resource = True
    if rest[0] == "namespaces" and len(rest) > 1:
        request.namespace = rest[1]
        if len(rest) > 2 and rest[2] not in _NAMESPACE_SUBRESOURCES:
            rest = rest[2:]
    request.plural = rest[0]
    request.name = rest[1] if len(rest) > 1 else ""
    request.subresource = rest[2] if len(rest) > 2 else ""
    request.rest = "/".join(rest[3:])
    request.resource = resources.find(request.group, request.version, request.plural)
    request.group_served = resources.of(request.group, request.version) is not None
    if (
        request.resource
        and not request.resource.namespaced
        and request.plural != "namespaces"
        and request.namespace
    ):
        request.resource = None
