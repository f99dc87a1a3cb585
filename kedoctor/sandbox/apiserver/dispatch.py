"""From a request to its answer: who asks, whether they may, and which part of the server it is for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from . import errors
from .bodies import existing, resource_of
from .deletes import delete
from .discovery import Discovery
from .edge import Edge
from .paging import read_page
from .rbac import Rule, decide, forbidden
from .request import ANONYMOUS, Attributes, Headers, Request, User
from .resources import Resource
from .response import Response, json_response
from .reviews import Reviews
from .store import Entry, Store, dump
from .streams import node_proxy, open_stream, pod_log
from .table import list_of_metadata, list_of_objects, partial, table
from .watch import check_watch, watch
from .writes import Writer

RuleSource = Callable[[User], Iterable[Rule]]


class Api:
    """Answers requests over a store. ``pods_linger``: see :func:`apiserver.deletes.delete`."""

    def __init__(
        self, store: Store, edge: Edge, tokens: dict[str, User], rules: RuleSource, version: str
    ) -> None:
        self.store = store
        self.edge = edge
        self.rules = rules
        self.writer = Writer(store)
        self.reviews = Reviews(store, tokens, rules)
        self.discovery = Discovery(store.resources, version)
        self.address = ""
        self.pods_linger = False

    def authenticate(self, headers: Headers, certificate: Mapping[str, Any] | None) -> User:
        """The user behind a request: by bearer token, else by client certificate, else nobody.

        Raises:
            ApiError: 401 for a token that nobody issued.
        """
        given = headers.get("Authorization", "")
        if given:
            scheme, _, token = given.partition(" ")
            user = self.reviews.tokens.get(token.strip()) if scheme.lower() == "bearer" else None
            if user is None:
                raise errors.unauthorized()
            return user
        return _certified(certificate) or ANONYMOUS

    def authorize(self, request: Request) -> None:
        """Let a request pass, as the user whom it impersonates if it does.

        Raises:
            ApiError: 403.
        """
        wanted = request.headers.get("Impersonate-User", "")
        if wanted:
            self._require(request.user, Attributes("impersonate", resource="users", name=wanted))
            request.user = _impersonated(wanted, request.headers)
        self._require(request.user, request.attributes)

    def _require(self, user: User, wanted: Attributes) -> None:
        if decide(self.rules(user), user, wanted) is None:
            raise forbidden(user, wanted)

    def answer(self, request: Request) -> Response:
        """The answer to a request that may pass.

        Raises:
            ApiError: what the real server refuses with a Status.
            PlainError: what it refuses in plain text.
        """
        if not request.is_resource:
            if request.method not in ("GET", "HEAD"):
                raise errors.method_not_allowed()
            return self.discovery.answer(request.path, self.address, verbose="verbose" in request.query)
        if self.reviews.knows(request):
            return json_response(*self.reviews.create(request))
        resource = resource_of(request)
        if resource.has("virtual"):
            return self._aggregated(request, resource)
        if request.subresource and not (request.subresource == "status" and resource.has("status")):
            return self._subresource(request, resource)
        if request.method in ("GET", "HEAD"):
            return self._read(request, resource)
        return self._write(request)

    def _write(self, request: Request) -> Response:
        match request.method, bool(request.name):
            case "POST", False if request.namespace or not resource_of(request).namespaced:
                code, obj = self.writer.create(request)
            case "PUT", True:
                code, obj = self.writer.update(request)
            case "PATCH", True:
                code, obj = self.writer.patch(request)
            case "DELETE", True if not request.subresource:
                code, obj = delete(self.store, request, linger=self.pods_linger)
            case "DELETE", False:
                return self._delete_all(request)
            case _:
                raise errors.method_not_allowed()
        response = json_response(code, obj)
        response.headers += [("Warning", f'299 - "{_escaped(warning)}"') for warning in request.warnings]
        return response

    def _delete_all(self, request: Request) -> Response:
        resource = resource_of(request)
        page = read_page(self.store, resource, _namespace(request, resource), request.query)
        for entry in page.entries:
            meta = entry.obj["metadata"]
            one = replace(request, name=meta["name"], namespace=meta.get("namespace", ""))
            delete(self.store, one, linger=self.pods_linger)
        return Response(200, list_of_objects(resource, page.entries, page.metadata) + b"\n")

    def _read(self, request: Request, resource: Resource) -> Response:
        form = _wanted_form(request)
        include = request.query.get("includeObject", "Metadata")
        if request.name:
            return Response(200, _single(resource, existing(self.store, request), form, include) + b"\n")
        if request.flag("watch"):
            check_watch(request)
            stream = watch(
                self.store,
                resource,
                request,
                lambda entry: _single(resource, entry, form, include),
                self.edge.stopping.is_set,
            )
            return Response(200, stream=stream)
        page = read_page(self.store, resource, _namespace(request, resource), request.query)
        if form == "Table":
            return Response(200, table(resource, page.entries, page.metadata, include) + b"\n")
        if form.startswith("PartialObjectMetadata"):
            return Response(200, list_of_metadata(page.entries, page.metadata) + b"\n")
        return Response(200, list_of_objects(resource, page.entries, page.metadata) + b"\n")

    def _subresource(self, request: Request, resource: Resource) -> Response:
        match resource.plural, request.subresource, request.method:
            case "pods", "log", "GET":
                return pod_log(self.edge, request)
            case "pods", "exec" | "attach", "GET" | "POST":
                return open_stream(self.edge, request)
            case "nodes", "proxy", _:
                return node_proxy(self.edge, request)
            case "serviceaccounts", "token", "POST":
                return json_response(*self.reviews.issue_token(request))
            case _, "scale", "GET" | "PUT" | "PATCH" if resource.has("scale"):
                return json_response(*self.writer.scale(request))
        raise errors.resource_not_found()

    def _aggregated(self, request: Request, resource: Resource) -> Response:
        """What the aggregator does: no APIService, no path; one that is not available, 503 in plain text."""
        available = self.availability(resource)
        if available is None:
            raise errors.page_not_found()
        if not available:
            raise errors.PlainError(503, "service unavailable\n")
        if request.method != "GET":
            raise errors.method_not_allowed()
        response = self._read(request, resource)
        response.whole = response.repeated = True
        return response

    def availability(self, resource: Resource) -> bool | None:
        """Whether the APIService of a resource's group is available; ``None`` when there is none."""
        services = self.store.resources.find("apiregistration.k8s.io", "v1", "apiservices")
        entry = services and self.store.get(services, "", f"{resource.version}.{resource.group}")
        if not entry:
            return None
        conditions = entry.obj.get("status", {}).get("conditions") or ()
        return any(c["type"] == "Available" and c["status"] == "True" for c in conditions)


def _namespace(request: Request, resource: Resource) -> str:
    return request.namespace if resource.namespaced else ""


def _wanted_form(request: Request) -> str:
    """The kind that the Accept header wants the answer turned into: Table, PartialObjectMetadata(List) or nothing.

    Raises:
        ApiError: 406 when nothing that the server can write is accepted.
    """
    for clause in request.headers.get("Accept", "*/*").split(","):
        media, *options = [part.strip() for part in clause.split(";")]
        if media not in ("application/json", "application/*", "*/*"):
            continue
        values = dict(option.split("=", 1) for option in options if "=" in option)
        form = values.get("as", "")
        if form in ("", "Table", "PartialObjectMetadata", "PartialObjectMetadataList"):
            return form
    forms = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
    streamed = (f"{form};stream=watch" for form in (forms[0], forms[2]))
    message = f"406: Not Acceptable\n\nAvailable representations: {', '.join((*forms, *streamed))}"
    raise errors.ApiError(406, "NotAcceptable", message, {})


def _single(resource: Resource, entry: Entry, form: str, include: str) -> bytes:
    if form == "Table":
        return table(
            resource, [entry], {"resourceVersion": entry.obj["metadata"].get("resourceVersion", "")}, include
        )
    if form.startswith("PartialObjectMetadata"):
        return dump(partial(entry))
    return entry.raw


def _certified(certificate: Mapping[str, Any] | None) -> User | None:
    """The user that a verified client certificate names: its CN, with its organisations as groups."""
    subject = [pair for relative in (certificate or {}).get("subject", ()) for pair in relative]
    names = [value for key, value in subject if key == "commonName"]
    groups = [value for key, value in subject if key == "organizationName"]
    return User(names[0], (*groups, "system:authenticated")) if names else None


def _impersonated(name: str, headers: Headers) -> User:
    groups = headers.get("Impersonate-Group", "")
    given = tuple(group.strip() for group in groups.split(",") if group.strip())
    if name.startswith("system:serviceaccount:"):
        given += ("system:serviceaccounts", f"system:serviceaccounts:{name.split(':')[2]}")
    return User(name, (*given, "system:authenticated"))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
