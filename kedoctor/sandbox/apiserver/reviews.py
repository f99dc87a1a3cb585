"""Questions about access that are asked by creating an object, and tokens for service accounts."""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Callable, Iterable
from typing import Any

from . import errors
from .apply import Manager, record_update
from .bodies import parse_json, resource_of
from .rbac import Rule, decide
from .request import Attributes, Request, User
from .resources import Resource
from .store import Object, Store, now

AUDIENCE = "https://kubernetes.default.svc.cluster.local"
REVIEWS = {
    ("authorization.k8s.io", "selfsubjectaccessreviews"): "SelfSubjectAccessReview",
    ("authorization.k8s.io", "subjectaccessreviews"): "SubjectAccessReview",
    ("authorization.k8s.io", "localsubjectaccessreviews"): "LocalSubjectAccessReview",
    ("authorization.k8s.io", "selfsubjectrulesreviews"): "SelfSubjectRulesReview",
    ("authentication.k8s.io", "selfsubjectreviews"): "SelfSubjectReview",
    ("authentication.k8s.io", "tokenreviews"): "TokenReview",
}


class Reviews:
    """Answers reviews from rules and keeps the tokens: ``tokens`` maps each to its user."""

    def __init__(
        self, store: Store, tokens: dict[str, User], rules: Callable[[User], Iterable[Rule]]
    ) -> None:
        self.tokens = tokens
        self._store = store
        self._rules = rules

    def knows(self, request: Request) -> bool:
        """Whether a request is a review."""
        return (request.group, request.plural) in REVIEWS

    def create(self, request: Request) -> tuple[int, Object]:
        """201 and the review with its answer.

        Raises:
            ApiError: 405 for anything but a create, 400 for a body that is none.
        """
        if request.method != "POST":
            raise errors.method_not_allowed()
        kind = REVIEWS[request.group, request.plural]
        given = parse_json(request.body)
        if not isinstance(given, dict) or given.get("kind", kind) != kind:
            raise errors.bad_request(f"the object provided is not a {kind}")
        spec = given.get("spec") or {}
        version = f"{request.group}/{request.version}"
        meta: Object = {"creationTimestamp": None}
        review: Object = {"kind": kind, "apiVersion": version, "metadata": meta, "spec": spec}
        if kind == "SelfSubjectRulesReview":
            review["spec"], review["status"] = {}, self._all_rules(request.user, spec.get("namespace") or "")
        elif kind == "SelfSubjectReview":
            meta["creationTimestamp"] = now()
            del review["spec"]
            review["status"] = {"userInfo": _user_info(request.user)}
        elif kind == "TokenReview":
            review["status"] = self._check_token(spec.get("token", ""))
        else:
            _note_owner(request, kind, review)
            user = (
                request.user
                if kind.startswith("Self")
                else User(spec.get("user", ""), tuple(spec.get("groups") or ()))
            )
            review["status"] = self._access(user, spec)
        return 201, review

    def _access(self, user: User, spec: Object) -> Object:
        about = spec.get("resourceAttributes")
        if about is None:
            path = spec.get("nonResourceAttributes", {})
            wanted = Attributes(path.get("verb", ""), path=path.get("path", ""))
        else:
            fields = ("verb", "group", "resource", "subresource", "namespace", "name")
            wanted = Attributes(**{field: about.get(field) or "" for field in fields})
        rule = decide(self._rules(user), user, wanted)
        if rule is None:
            return {"allowed": False}
        return {"allowed": True} | ({"reason": rule.origin} if rule.origin else {})

    def _all_rules(self, user: User, namespace: str) -> Object:
        on_resources: list[Object] = []
        on_urls: list[Object] = []
        for rule in self._rules(user):
            if rule.urls:
                on_urls.append({"verbs": list(rule.verbs), "nonResourceURLs": list(rule.urls)})
            elif rule.namespace in ("", namespace):
                shown: Object = {"verbs": list(rule.verbs), "apiGroups": list(rule.groups)}
                shown["resources"] = list(rule.resources)
                on_resources.append(shown | ({"resourceNames": list(rule.names)} if rule.names else {}))
        return {"resourceRules": on_resources, "nonResourceRules": on_urls, "incomplete": False}

    def _check_token(self, token: str) -> Object:
        user = self.tokens.get(token)
        if user is None:
            return {"user": {}, "error": "invalid bearer token"}
        return {"authenticated": True, "user": _user_info(user), "audiences": [AUDIENCE]}

    def issue_token(self, request: Request) -> tuple[int, Object]:
        """201 and a TokenRequest with a token that this server then takes, for the service account at the path.

        Raises:
            ApiError: 404 without the account, 422 for less than ten minutes.
        """
        resource = resource_of(request)
        if not self._store.get(resource, request.namespace, request.name):
            raise errors.not_found(resource, request.name)
        given = parse_json(request.body) if request.body.strip() else {}
        spec = given.get("spec") or {}
        seconds = int(spec.get("expirationSeconds") or 3600)
        if seconds < 600:
            why = "may not specify a duration less than 10 minutes"
            cause = errors.invalid_value("spec.expirationSeconds", seconds, why)
            raise errors.invalid("TokenRequest", "authentication.k8s.io", "", [cause])
        namespace, name = request.namespace, request.name
        stamp = {"name": name, "namespace": namespace, "creationTimestamp": now()}
        version = "authentication.k8s.io/v1"
        answer: Object = {"kind": "TokenRequest", "apiVersion": version, "metadata": stamp, "spec": spec}
        _note_owner(request, "TokenRequest", answer)
        audiences = spec.get("audiences") or [AUDIENCE]
        bound = spec.get("boundObjectRef")
        answer["spec"] = {"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": bound}
        token, ends = self._sign(namespace, name, seconds)
        answer["status"] = {"token": token, "expirationTimestamp": ends}
        return 201, answer

    def _sign(self, namespace: str, name: str, seconds: int) -> tuple[str, str]:
        user = f"system:serviceaccount:{namespace}:{name}"
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
        start = int(time.time())
        claims = {
            "aud": [AUDIENCE],
            "exp": start + seconds,
            "iat": start,
            "nbf": start,
            "iss": AUDIENCE,
            "sub": user,
        }
        token = f"{_part({'alg': 'RS256', 'kid': 'lab'})}.{_part(claims)}.{secrets.token_urlsafe(64)}"
        self.tokens[token] = User(user, groups)
        return token, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(start + seconds))


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _user_info(user: User) -> Object:
    return {"username": user.name, "groups": list(user.groups)}


def _note_owner(request: Request, kind: str, review: Object) -> None:
    group, _, version = review["apiVersion"].partition("/")
    resource = Resource(group, version, request.plural, kind, namespaced=False)
    manager = Manager(request.manager, "Update", review["apiVersion"], request.subresource)
    record_update(resource, None, review, manager)
