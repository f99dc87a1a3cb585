"""Which rights in the cluster a question or a change needs, and the smallest roles that hold a set of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from kedoctor.model.objects import kind_named
from kedoctor.model.observations.apiserver import GetPath, ListObjects, ReviewAccess
from kedoctor.model.observations.containers import AttachToPod, ExecInPod, FollowPodLog
from kedoctor.model.observations.logs import ReadPodLog
from kedoctor.model.observations.request import Request
from kedoctor.model.plans import Touch

__all__ = ["PolicyRule", "Role", "rights_of_request", "rights_of_touch", "roles"]

RBAC = "rbac.authorization.k8s.io"
_BY_NAME = "metadata.name="


@dataclass(frozen=True, slots=True, order=True)
class PolicyRule:
    """One verb on one resource (``pods/log``); ``namespace`` and ``name`` empty: everywhere, every object."""

    namespace: str
    group: str
    resource: str
    verb: str
    name: str = ""

    def covers(self, other: PolicyRule) -> bool:
        """Whether who has this right needs the other one no more."""
        same = (self.group, self.resource, self.verb) == (other.group, other.resource, other.verb)
        return same and self.namespace in ("", other.namespace) and self.name in ("", other.name)

    def beyond(self, example: str) -> PolicyRule:
        """The right to the same of whatever the namespace or object called ``example`` stands for."""
        return replace(
            self,
            namespace="" if self.namespace == example else self.namespace,
            name="" if self.name == example else self.name,
        )


@dataclass(frozen=True, slots=True)
class Role:
    """The rules of a Role in ``namespace``, or of a ClusterRole; each with the codes of what needs it."""

    namespace: str
    rules: tuple[tuple[dict[str, list[str]], tuple[str, ...]], ...]

    def body(self, name: str) -> dict[str, Any]:
        """The object."""
        where = {"namespace": self.namespace} if self.namespace else {}
        return {
            "apiVersion": f"{RBAC}/v1",
            "kind": "Role" if self.namespace else "ClusterRole",
            "metadata": {"name": name, **where},
            "rules": [rule for rule, _ in self.rules],
        }

    def binding(self, name: str, subject: Mapping[str, str]) -> dict[str, Any]:
        """The object that gives the role to a subject."""
        body = self.body(name)
        return {
            "apiVersion": body["apiVersion"],
            "kind": f"{body['kind']}Binding",
            "metadata": body["metadata"],
            "roleRef": {"apiGroup": RBAC, "kind": body["kind"], "name": name},
            "subjects": [dict(subject)],
        }


def rights_of_request(request: Request) -> list[PolicyRule]:
    """What the question needs; nothing for what everybody may ask (versions, discovery, what one may oneself).

    A question whether the current user may do something is a need of that user: it is among the rights itself.
    """
    match request:
        case ListObjects():
            return [_list(request)]
        case ReadPodLog() | FollowPodLog():
            return [PolicyRule(request.namespace, "", "pods/log", "get")]
        case ExecInPod():
            return _session(request.namespace, "exec")
        case AttachToPod():
            return _session(request.namespace, "attach")
        case ReviewAccess() if request.user:
            return [PolicyRule("", "authorization.k8s.io", "subjectaccessreviews", "create")]
        case ReviewAccess():
            part = f"/{request.subresource}" if request.subresource else ""
            return [PolicyRule(request.namespace, request.group, request.resource + part, request.verb)]
        case GetPath():
            found = _at(request.path)
            # The name in a path is one that this site has; the next site has another.
            return [PolicyRule(found.namespace, found.group, found.resource, "get")] if found else []
    return []


def rights_of_touch(touch: Touch) -> list[PolicyRule]:
    """What a repair needs that changes objects so, and what taking it back needs."""
    found = _at(touch.path)
    if found is None:
        return []

    def right(verb: str, *, named: bool = True) -> PolicyRule:
        return PolicyRule(found.namespace, found.group, found.resource, verb, found.name if named else "")

    if touch.how == "restart":
        return [right("list"), right("get"), right("delete")]
    changed = [right("get"), right("patch")]
    if touch.how == "replace":
        changed += [right("delete"), right("create", named=False)]
    return [*changed, *_granting(right, found.resource)] if found.group == RBAC else changed


def _granting(right: Any, resource: str) -> list[PolicyRule]:
    """Nobody may write rights that he has not himself; these verbs are the exception to it."""
    if resource.endswith("bindings"):
        roles_of = ("clusterroles",) if resource.startswith("cluster") else ("roles", "clusterroles")
        return [PolicyRule("", RBAC, one, "bind") for one in roles_of]
    return [right("escalate")]


def _session(namespace: str, part: str) -> list[PolicyRule]:
    """A WebSocket is opened by a GET, and so authorised; since Kubernetes 1.35 ``create`` is asked for as well."""
    return [PolicyRule(namespace, "", f"pods/{part}", verb) for verb in ("create", "get")]


def _list(request: ListObjects) -> PolicyRule:
    kind = kind_named(request.kind)
    group = kind.api.rpartition("/")[0]
    selector = request.field_selector
    name = selector.removeprefix(_BY_NAME) if selector.startswith(_BY_NAME) and "," not in selector else ""
    return PolicyRule(request.namespace if kind.namespaced else "", group, kind.plural, "list", name)


def _at(path: str) -> PolicyRule | None:
    """The resource of an API path, as a right without a verb; ``None`` for discovery and other paths."""
    steps = path.partition("?")[0].strip("/").split("/")
    if steps[0] == "api" and len(steps) > 2:
        group, steps = "", steps[2:]
    elif steps[0] == "apis" and len(steps) > 3:
        group, steps = steps[1], steps[3:]
    else:
        return None
    namespace = ""
    if steps[0] == "namespaces" and len(steps) > 2:
        namespace, steps = steps[1], steps[2:]
    part = f"/{steps[2]}" if len(steps) > 2 else ""
    name = steps[1] if len(steps) > 1 and steps[1] != "*" else ""
    return PolicyRule(namespace, group, steps[0] + part, "", name)


def roles(needs: Mapping[PolicyRule, Iterable[str]]) -> list[Role]:
    """The roles that hold these rights and no others; ``needs`` says which codes need each right."""
    kept: dict[PolicyRule, set[str]] = {}
    for right, codes in needs.items():
        wider = [one for one in needs if one != right and one.covers(right)]
        for one in wider or [right]:
            kept.setdefault(one, set()).update(codes)
    kept = {
        right: codes for right, codes in kept.items() if not any(o != right and o.covers(right) for o in kept)
    }
    return [
        Role(
            namespace,
            tuple(_rules({one: codes for one, codes in kept.items() if one.namespace == namespace})),
        )
        for namespace in sorted({one.namespace for one in kept})
    ]


def _rules(needs: Mapping[PolicyRule, set[str]]) -> list[tuple[dict[str, list[str]], tuple[str, ...]]]:
    """Rules, each with as many resources and verbs as go together without allowing more."""
    verbs: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    codes: dict[tuple[str, str], set[str]] = defaultdict(set)
    for right, by in needs.items():
        verbs[right.group, right.resource, right.name].add(right.verb)
        codes[right.group, right.resource] |= by
    names: dict[tuple[str, str, tuple[str, ...]], list[str]] = defaultdict(list)
    for (group, resource, name), allowed in sorted(verbs.items()):
        names[group, resource, tuple(sorted(allowed))].append(name)
    resources: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[str]] = defaultdict(list)
    for (group, resource, together), named in names.items():
        resources[group, together, tuple(named)].append(resource)
    found = []
    for (group, together, only), grouped in sorted(resources.items()):
        rule = {"apiGroups": [group], "resources": grouped, "verbs": list(together)}
        if any(only):
            rule["resourceNames"] = [name for name in only if name]
        found.append((rule, tuple(sorted({code for one in grouped for code in codes[group, one]}))))
    return found
