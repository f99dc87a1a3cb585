"""What the API server refuses to store, for the kinds and mistakes that matter here."""

from __future__ import annotations

from typing import Any

from kedoctor import patterns

from .errors import (
    Cause,
    Raw,
    bad_request,
    conflict,
    duplicate,
    forbidden_field,
    invalid,
    invalid_value,
    required,
    unsupported,
)
from .resources import Resource
from .schema import drop_unknown
from .store import Object, dump

_SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_BAD_SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    f"end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
)
_BAD_LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    f"an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')"
)
_ANY_NAME = {"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}
_LABEL_NAMES = {"Namespace"}
_SERVICE_NAME = r"[a-z]([-a-z0-9]*[a-z0-9])?"
_BAD_SERVICE_NAME = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and "
    f"end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '{_SERVICE_NAME}')"
)
_KEY_PART = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_BAD_KEY = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    f"character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_KEY_PART}')"
)
_LABEL_VALUE = rf"({_KEY_PART})?"
_BAD_LABEL_VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    f"'{_LABEL_VALUE}')"
)
_RESTART_POLICIES = ("Always", "OnFailure", "Never")
NOT_NEGATIVE = "must be greater than or equal to 0"
_PORT_RANGE = "must be between 1 and 65535, inclusive"


def _name(resource: Resource, name: str) -> list[Cause]:
    if not name:
        return [required("metadata.name", "name or generateName is required")]
    if resource.kind == "Service":
        good = patterns.compiled(_SERVICE_NAME).fullmatch(name)
        return [] if good else [invalid_value("metadata.name", name, _BAD_SERVICE_NAME)]
    if len(name) > 253:
        return [invalid_value("metadata.name", name, "must be no more than 253 characters")]
    if resource.kind in _ANY_NAME:
        wrong = "/" in name or "%" in name
        return [invalid_value("metadata.name", name, "may not contain '/'")] if wrong else []
    pattern, why = (_LABEL, _BAD_LABEL) if resource.kind in _LABEL_NAMES else (_SUBDOMAIN, _BAD_SUBDOMAIN)
    return [] if patterns.compiled(pattern).fullmatch(name) else [invalid_value("metadata.name", name, why)]


def _labels_of(obj: Object) -> list[Cause]:
    meta = obj["metadata"]
    causes: list[Cause] = []
    for field in ("labels", "annotations"):
        for key, value in (meta.get(field) or {}).items():
            if not patterns.compiled(_KEY_PART).fullmatch(key.rpartition("/")[2]):
                causes.append(invalid_value(f"metadata.{field}", key, _BAD_KEY))
            elif field == "labels" and not patterns.compiled(_LABEL_VALUE).fullmatch(value):
                causes.append(invalid_value("metadata.labels", value, _BAD_LABEL_VALUE))
    return causes


def _secret(obj: Object) -> list[Cause]:
    if obj.get("type") != "kubernetes.io/tls":
        return []
    return [required(f"data[{key}]") for key in ("tls.crt", "tls.key") if key not in (obj.get("data") or {})]


def _pod_spec(spec: object, path: str) -> list[Cause]:
    spec = spec if isinstance(spec, dict) else {}
    containers = spec.get("containers") or []
    causes = [] if containers else [required(f"{path}.containers")]
    seen: set[str] = set()
    for index, container in enumerate(containers):
        at = f"{path}.containers[{index}]"
        name = container.get("name", "")
        if not name:
            causes.append(required(f"{at}.name"))
        elif name in seen:
            causes.append(duplicate(f"{at}.name", name))
        elif not patterns.compiled(_LABEL).fullmatch(name):
            causes.append(invalid_value(f"{at}.name", name, _BAD_LABEL))
        seen.add(name)
        if not container.get("image"):
            causes.append(required(f"{at}.image"))
    if (policy := spec.get("restartPolicy") or "Always") not in _RESTART_POLICIES:
        causes.append(unsupported(f"{path}.restartPolicy", policy, _RESTART_POLICIES))
    return causes


def _service(obj: Object) -> list[Cause]:
    causes: list[Cause] = []
    names: set[str] = set()
    numbers: set[tuple[Any, Any]] = set()
    ports = obj.get("spec", {}).get("ports") or []
    for index, port in enumerate(ports):
        at = f"spec.ports[{index}]"
        name, number = port.get("name", ""), (port.get("port"), port.get("protocol", "TCP"))
        if len(ports) > 1 and not name:
            causes.append(required(f"{at}.name"))
        elif name and name in names:
            causes.append(duplicate(f"{at}.name", name))
        if number in numbers:
            shown = f'core.ServicePort{{Name:"", Protocol:"{number[1]}", AppProtocol:(*string)(nil), Port:{number[0]}}}'
            causes.append(duplicate(at, Raw(shown)))
        for field in ("port", "targetPort"):
            given = port.get(field)
            if isinstance(given, int) and not 1 <= given <= 65535:
                causes.append(invalid_value(f"{at}.{field}", given, _PORT_RANGE))
        names.add(name)
        numbers.add(number)
    return causes


def _workload(obj: Object) -> list[Cause]:
    spec = obj.get("spec", {})
    template = spec.get("template", {})
    wanted = (spec.get("selector") or {}).get("matchLabels") or {}
    labels = template.get("metadata", {}).get("labels") or {}
    causes: list[Cause] = []
    if isinstance(spec.get("replicas"), int) and spec["replicas"] < 0:
        causes.append(invalid_value("spec.replicas", spec["replicas"], NOT_NEGATIVE))
    if not spec.get("selector"):
        causes.append(required("spec.selector"))
    if not spec.get("selector") or any(labels.get(key) != value for key, value in wanted.items()):
        shown = Raw("map[string]string{" + ", ".join(f'"{k}":"{v}"' for k, v in labels.items()) + "}")
        why = "`selector` does not match template `labels`"
        causes.append(invalid_value("spec.template.metadata.labels", shown, why))
    return causes + _pod_spec(template.get("spec"), "spec.template.spec")


def _config_map(obj: Object) -> list[Cause]:
    why = (
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  "
        "or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
    )
    keys = [key for key in obj.get("data") or {} if not patterns.compiled(r"[-._a-zA-Z0-9]+").fullmatch(key)]
    return [invalid_value(f"data[{key}]", key, why) for key in keys]


def validate(resource: Resource, obj: Object) -> None:
    """Refuse an object that breaks the rules of its kind.

    Raises:
        ApiError: 422 with every cause.
    """
    causes = _causes(resource, obj)
    if causes:
        raise invalid(resource.kind, resource.group, obj["metadata"].get("name", ""), causes)


def _causes(resource: Resource, obj: Object) -> list[Cause]:
    causes = _name(resource, obj["metadata"].get("name", "")) + _labels_of(obj)
    if not resource.has("custom"):
        if resource.kind == "Pod":
            causes += _pod_spec(obj.get("spec"), "spec")
        elif resource.kind in ("Deployment", "DaemonSet", "ReplicaSet", "StatefulSet"):
            causes += _workload(obj)
        elif resource.kind == "Service":
            causes += _service(obj)
        elif resource.kind == "ConfigMap":
            causes += _config_map(obj)
        elif resource.kind == "Secret":
            causes += _secret(obj)
    return causes


_IMMUTABLE = "field is immutable"
_POD_MAY_CHANGE = {
    "containers",
    "initContainers",
    "activeDeadlineSeconds",
    "tolerations",
    "terminationGracePeriodSeconds",
}


def validate_change(resource: Resource, old: Object, new: Object) -> None:
    """Refuse a change of what must not change.

    Raises:
        ApiError: 409 for another uid, 422 for immutable fields.
    """
    name = old["metadata"]["name"]
    uid, was = new["metadata"].get("uid"), old["metadata"].get("uid")
    if uid and was and uid != was:
        key = "/".join(filter(None, (resource.plural, old["metadata"].get("namespace"), name)))
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {was}"
        told = f"StorageError: invalid object, Code: 4, Key: /registry/{key}, ResourceVersion: 0"
        raise conflict(resource, name, f"{told}, AdditionalErrorMsg: {why}")
    causes: list[Cause] = []
    before, after = old.get("spec") or {}, new.get("spec") or {}
    if old.get("immutable") and any(
        old.get(part) != new.get(part) for part in ("data", "binaryData", "immutable")
    ):
        causes.append(forbidden_field("data", "field is immutable when `immutable` is set"))
    causes += _finalizers(old["metadata"], new["metadata"])
    if resource.kind == "Secret" and new.get("type", old.get("type")) != old.get("type"):
        causes.append(invalid_value("type", new["type"], _IMMUTABLE))
    if resource.group == "apps" and before.get("selector") != after.get("selector"):
        causes.append(invalid_value("spec.selector", Raw(dump(after.get("selector")).decode()), _IMMUTABLE))
    if resource.kind == "Pod":
        fixed = [f for f in {**before, **after} if f not in _POD_MAY_CHANGE and before.get(f) != after.get(f)]
        if fixed:
            causes.append(
                forbidden_field(
                    "spec", "pod updates may not change fields other than `spec.containers[*].image`"
                )
            )
    if resource.kind.endswith("Binding") and resource.group and old.get("roleRef") != new.get("roleRef"):
        causes.append(
            invalid_value("roleRef", Raw(dump(new.get("roleRef")).decode()), "cannot change roleRef")
        )
    if causes:
        raise invalid(resource.kind, resource.group, name, _causes(resource, new) + causes)


def _finalizers(before: Object, after: Object) -> list[Cause]:
    """None may be added to what is being deleted."""
    more = [one for one in after.get("finalizers") or () if one not in (before.get("finalizers") or ())]
    if "deletionTimestamp" not in before or not more:
        return []
    shown = "[]string{" + ", ".join(f'"{one}"' for one in more) + "}"
    why = "no new finalizers can be added if the object is being deleted, found new finalizers"
    return [forbidden_field("metadata.finalizers", f"{why} {shown}")]


def check_options(query: dict[str, str], kind: str, *, patch_type: str = "") -> None:
    """Refuse bad ``dryRun``, ``fieldValidation``, ``force`` and ``fieldManager``.

    Raises:
        ApiError: 422.
    """
    causes: list[Cause] = []
    applies = patch_type == "application/apply-patch+yaml"
    if query.get("dryRun", "All") != "All":
        causes.append(unsupported("dryRun", Raw(f'["{query["dryRun"]}"]'), ["All"]))
    if query.get("fieldValidation", "") not in ("", "Ignore", "Warn", "Strict"):
        causes.append(
            unsupported("fieldValidation", query["fieldValidation"], ["", "Ignore", "Strict", "Warn"])
        )
    if applies and not query.get("fieldManager"):
        causes.append(required("fieldManager", "is required for apply patch"))
    if patch_type and not applies and "force" in query:
        causes.append(forbidden_field("force", "may not be specified for non-apply patch"))
    if causes:
        raise invalid(kind, "meta.k8s.io", "", causes)


def unknown_fields(resource: Resource, obj: Object, mode: str, *, patched: bool = False) -> list[str]:
    """Remove unknown fields; gives the warnings for the client when ``mode`` is ``Warn``.

    Raises:
        ApiError: 400 (422 for a patch) when ``mode`` is ``Strict`` and there are any.
    """
    shown = dump(obj).decode() if patched else ""
    found = [f'unknown field "{path}"' for path in drop_unknown(resource, obj)]
    if not found or mode == "Ignore":
        return []
    if mode != "Strict":
        return found
    why = "strict decoding error: " + ", ".join(found)
    if patched:
        raise invalid("", "", "", [invalid_value("patch", shown, why)])
    kind, version = resource.kind, resource.version
    raise bad_request(f'{kind} in version "{version}" cannot be handled as a {kind}: {why}')
