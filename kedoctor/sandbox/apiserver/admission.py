"""What admission refuses: pods without what they name, pods that a namespace does not allow, and anything new where a namespace ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .errors import ApiError
from .resources import Resource
from .store import Object, Store

__all__ = ["admit", "refuse_in_ending_namespace"]

_BUILT_IN_PRIORITIES = {"system-cluster-critical", "system-node-critical"}
_ENFORCE = "pod-security.kubernetes.io/enforce"


def _forbidden(resource: Resource, name: str, why: str, causes: list[Object] | None = None) -> ApiError:
    details: Object = {"name": name} | ({"group": resource.group} if resource.group else {})
    details |= {"kind": resource.plural} | ({"causes": causes} if causes else {})
    return ApiError(403, "Forbidden", f'{resource.qualified} "{name}" is forbidden: {why}', details)


def refuse_in_ending_namespace(resource: Resource, obj: Object, namespace: Object) -> None:
    """Lets nothing new be made in a namespace that is being deleted.

    Raises:
        ApiError: 403.
    """
    if "deletionTimestamp" not in namespace["metadata"]:
        return
    name = namespace["metadata"]["name"]
    cause = {
        "reason": "NamespaceTerminating",
        "message": f"namespace {name} is being terminated",
        "field": "metadata.namespace",
    }
    why = f"unable to create new content in namespace {name} because it is being terminated"
    raise _forbidden(resource, obj["metadata"]["name"], why, [cause])


def admit(store: Store, resource: Resource, obj: Object, namespace: Object | None) -> None:
    """Lets a new pod pass, or refuses it. The account ``default`` counts as made, as a controller makes it.

    Raises:
        ApiError: 403.
    """
    if resource.table != ("", "pods"):
        return
    spec, where = obj["spec"], obj["metadata"].get("namespace", "")
    name = obj["metadata"]["name"]
    account = spec.get("serviceAccountName") or "default"
    accounts = store.resources.find("", "v1", "serviceaccounts")
    if account != "default" and accounts and store.get(accounts, where, account) is None:
        why = f'error looking up service account {where}/{account}: serviceaccount "{account}" not found'
        raise _forbidden(resource, name, why)
    priority = spec.get("priorityClassName") or ""
    classes = store.resources.find("scheduling.k8s.io", "v1", "priorityclasses")
    known = not priority or priority in _BUILT_IN_PRIORITIES
    if not known and classes and store.get(classes, "", priority) is None:
        raise _forbidden(resource, name, f"no PriorityClass with name {priority} was found")
    level = ((namespace or {}).get("metadata", {}).get("labels") or {}).get(_ENFORCE, "")
    faults = list(_violations(spec, level))
    if faults:
        raise _forbidden(resource, name, f'violates PodSecurity "{level}:latest": {", ".join(faults)}')


# ----------------------------------------------------------------------------------- Pod Security Standards


def _violations(spec: Object, level: str) -> Iterator[str]:
    """What of the standard a pod breaks, in the order in which the real server says it (the checks that matter here)."""
    if level in ("baseline", "restricted"):
        yield from _baseline(spec)
    if level == "restricted":
        yield from _restricted(spec)


def _baseline(spec: Object) -> Iterator[str]:
    shared = [f"{key}=true" for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    if shared:
        yield f"host namespaces ({', '.join(shared)})"
    paths = [_quoted(one["name"]) for one in spec.get("volumes") or () if "hostPath" in one]
    if paths:
        yield f"hostPath volumes ({_some('volume', paths)})"
    privileged = [_quoted(one["name"]) for one in _containers(spec) if _security(one).get("privileged")]
    if privileged:
        yield f"privileged ({_some('container', privileged)} must not set securityContext.privileged=true)"


def _restricted(spec: Object) -> Iterator[str]:
    own = spec.get("securityContext") or {}
    escalating = _names(spec, lambda security: security.get("allowPrivilegeEscalation") is not False)
    if escalating:
        must = "must set securityContext.allowPrivilegeEscalation=false"
        yield f"allowPrivilegeEscalation != false ({_some('container', escalating)} {must})"
    keeping = _names(spec, lambda one: "ALL" not in ((one.get("capabilities") or {}).get("drop") or ()))
    if keeping:
        must = 'must set securityContext.capabilities.drop=["ALL"]'
        yield f"unrestricted capabilities ({_some('container', keeping)} {must})"
    rooted = _names(spec, lambda one: not one.get("runAsNonRoot", own.get("runAsNonRoot")))
    if rooted:
        must = "must set securityContext.runAsNonRoot=true"
        yield f"runAsNonRoot != true (pod or {_some('container', rooted)} {must})"
    profile = own.get("seccompProfile")
    open_ = _names(spec, lambda one: not (one.get("seccompProfile") or profile))
    if open_:
        must = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
        yield f"seccompProfile (pod or {_some('container', open_)} {must})"


def _containers(spec: Object) -> Iterator[Object]:
    yield from spec.get("initContainers") or ()
    yield from spec.get("containers") or ()


def _security(container: Object) -> Object:
    found: Object = container.get("securityContext") or {}
    return found


def _names(spec: Object, breaks: Any) -> list[str]:
    return [_quoted(one["name"]) for one in _containers(spec) if breaks(_security(one))]


def _quoted(name: str) -> str:
    return f'"{name}"'


def _some(what: str, names: list[str]) -> str:
    return f"{what}{'s' if len(names) > 1 else ''} {', '.join(names)}"
