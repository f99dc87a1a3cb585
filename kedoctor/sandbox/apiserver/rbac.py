"""Who may do what: rules, and the bindings of a store read as rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from .errors import ApiError
from .request import Attributes, User
from .store import Object, Store

MASTERS = "system:masters"


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that is allowed: verbs on resources of groups, or on ``urls``.

    ``namespace`` empty means everywhere; ``names`` empty means all objects; ``origin`` is the reason that an access
    review gives.
    """

    verbs: Sequence[str]
    groups: Sequence[str] = ()
    resources: Sequence[str] = ()
    names: Sequence[str] = ()
    urls: Sequence[str] = ()
    namespace: str = ""
    origin: str = ""

    def allows(self, wanted: Attributes) -> bool:
        """Whether the rule covers a request."""
        if not _among(wanted.verb, self.verbs):
            return False
        if wanted.path:
            return any(url in ("*", wanted.path) or _below(wanted.path, url) for url in self.urls)
        if self.namespace and self.namespace != wanted.namespace:
            return False
        full = f"{wanted.resource}/{wanted.subresource}" if wanted.subresource else wanted.resource
        fits = full in self.resources or "*" in self.resources or f"*/{wanted.subresource}" in self.resources
        return fits and _among(wanted.group, self.groups) and (not self.names or wanted.name in self.names)


RuleSource = Callable[[User], Iterable[Rule]]


def _among(value: str, allowed: Sequence[str]) -> bool:
    return value in allowed or "*" in allowed


def _below(path: str, url: str) -> bool:
    return url.endswith("/*") and path.startswith(url[:-1])


_DISCOVERY = (
    "/api",
    "/api/*",
    "/apis",
    "/apis/*",
    "/healthz",
    "/livez",
    "/openapi",
    "/openapi/*",
    "/readyz",
    "/version",
    "/version/",
)
_PUBLIC = Rule(("get",), urls=("/healthz", "/livez", "/readyz", "/version", "/version/"))
_ISSUER = ("/.well-known/openid-configuration", "/.well-known/openid-configuration/", "/openid/v1/jwks")
_BY_GROUP: dict[str, tuple[Rule, ...]] = {
    MASTERS: (Rule(("*",), ("*",), ("*",)), Rule(("*",), urls=("*",))),
    "system:authenticated": (
        Rule(("create",), ("authorization.k8s.io",), ("selfsubjectaccessreviews", "selfsubjectrulesreviews")),
        Rule(("create",), ("authentication.k8s.io",), ("selfsubjectreviews",)),
        Rule(("get",), urls=_DISCOVERY),
    ),
    "system:serviceaccounts": (Rule(("get",), urls=(*_ISSUER, "/openid/v1/jwks/")),),
}


def everyone(user: User) -> Iterator[Rule]:
    """What the bootstrap roles of every cluster allow a user."""
    for group, rules in _BY_GROUP.items():
        if group in user.groups:
            yield from rules
    if {"system:authenticated", "system:unauthenticated"} & set(user.groups):
        yield _PUBLIC


class ObjectRules:
    """The rules that the role and binding objects of a store give a user."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __call__(self, user: User) -> Iterator[Rule]:
        """Every rule that some binding grants."""
        for plural in ("clusterrolebindings", "rolebindings"):
            for binding in self._store.objects("rbac.authorization.k8s.io", plural):
                subject = next((s for s in binding.get("subjects") or () if _is(user, s, binding)), None)
                if subject:
                    yield from self._granted(binding, subject)

    def _granted(self, binding: Object, subject: Object) -> Iterator[Rule]:
        namespace = binding["metadata"].get("namespace", "")
        wanted = binding["roleRef"]
        at = f"{namespace}/" if namespace else ""
        origin = f'RBAC: allowed by {binding["kind"]} "{binding["metadata"]["name"]}{"/" if at else ""}{namespace}" of '
        origin += f'{wanted["kind"]} "{wanted["name"]}" to {subject["kind"]} "{_shown(subject)}"'
        plural = "clusterroles" if wanted["kind"] == "ClusterRole" else "roles"
        for role in self._store.objects("rbac.authorization.k8s.io", plural):
            meta = role["metadata"]
            if meta["name"] == wanted["name"] and (
                plural == "clusterroles" or meta["namespace"] == namespace
            ):
                for rule in role.get("rules") or ():
                    yield read_rule(rule, namespace, origin)


def read_rule(rule: Object, namespace: str = "", origin: str = "") -> Rule:
    """A PolicyRule as a :class:`Rule`."""
    return Rule(
        tuple(rule.get("verbs", ())),
        tuple(rule.get("apiGroups", ())),
        tuple(rule.get("resources", ())),
        tuple(rule.get("resourceNames", ())),
        tuple(rule.get("nonResourceURLs", ())),
        namespace,
        origin,
    )


def _is(user: User, subject: Object, binding: Object) -> bool:
    if subject["kind"] == "Group":
        return subject["name"] in user.groups
    if subject["kind"] == "ServiceAccount":
        namespace = subject.get("namespace") or binding["metadata"].get("namespace", "")
        return user.name == f"system:serviceaccount:{namespace}:{subject['name']}"
    return bool(user.name == subject["name"])


def _shown(subject: Object) -> str:
    name: str = subject["name"]
    return f"{name}/{subject['namespace']}" if subject.get("namespace") else name


def decide(rules: Iterable[Rule], user: User, wanted: Attributes) -> Rule | None:
    """The first rule that allows a request, or ``None``."""
    if MASTERS in user.groups:
        return Rule(("*",))
    return next((rule for rule in rules if rule.allows(wanted)), None)


def forbidden(user: User, wanted: Attributes) -> ApiError:
    """403, worded as the real server does."""
    who = f'User "{user.name}" cannot {wanted.verb}'
    headers = [("X-Content-Type-Options", "nosniff")]
    if wanted.path:
        return ApiError(403, "Forbidden", f'forbidden: {who} path "{wanted.path}"', {}, headers=headers)
    full = f"{wanted.resource}/{wanted.subresource}" if wanted.subresource else wanted.resource
    where = f'in the namespace "{wanted.namespace}"' if wanted.namespace else "at the cluster scope"
    qualified = f"{wanted.resource}.{wanted.group}" if wanted.group else wanted.resource
    subject = f'{qualified} "{wanted.name}"' if wanted.name else qualified
    message = f'{subject} is forbidden: {who} resource "{full}" in API group "{wanted.group}" {where}'
    details = {"name": wanted.name} if wanted.name else {}
    details |= {"group": wanted.group} if wanted.group else {}
    return ApiError(403, "Forbidden", message, details | {"kind": wanted.resource}, headers=headers)
