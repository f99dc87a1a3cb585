"""What an API server refuses, and in which words: who may, what is valid, what admission says, too much at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from conformance import WEAK, Ns, behaviour, said
from conformance_writes import LABELS, deployment, made

RBAC = "rbac.authorization.k8s.io/v1"


@behaviour("access", "who nobody knows, and who may not")
def access(ns: Ns) -> Iterator[str]:
    yield said(ns.get(ns.cms, token="nobody-issued-this"))
    yield said(ns.get(ns.cms, token=None))
    for method, path in (
        ("GET", ns.cms),
        ("GET", f"{ns.cms}/one"),
        ("GET", "/api/v1/nodes"),
        ("GET", "/api/v1/nodes/x/proxy/stats/summary"),
        ("GET", f"{ns.path('pods')}/web/log"),
        ("GET", f"{ns.path('pods')}/web/exec?command=x&stdout=1"),
        ("DELETE", f"{ns.cms}/one"),
        ("DELETE", ns.cms),
        ("GET", f"{ns.cms}?watch=true"),
        ("GET", "/apis/apps/v1/deployments"),
        ("GET", "/metrics"),
        ("GET", "/apis/nobody.example/v1/things"),
    ):
        yield f"{method} {path.replace(ns.name, 'NS')}: {said(ns.ask(method, path, token=WEAK))}"
    yield said(ns.ask("POST", ns.cms, {"metadata": {"name": "x"}}, token=WEAK))
    yield said(ns.get("/version", token=WEAK))


@behaviour("access", "what a role allows, and nothing beside it")
def role(ns: Ns) -> Iterator[str]:
    rules = [
        {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["mine"]}
    ]
    ns.ask("POST", ns.path("roles", RBAC), {"metadata": {"name": "r"}, "rules": rules})
    subject = {"kind": "User", "name": "weak", "apiGroup": "rbac.authorization.k8s.io"}
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"}
    binding = {"metadata": {"name": "b"}, "roleRef": ref, "subjects": [subject]}
    yield said(ns.ask("POST", ns.path("rolebindings", RBAC), binding))
    ns.cm("mine")
    ns.eventually(lambda: ns.get(f"{ns.cms}/mine", token=WEAK).status == 200)
    for path in (f"{ns.cms}/mine", f"{ns.cms}/other", ns.cms, f"{ns.cms}?fieldSelector=metadata.name%3Dmine"):
        yield f"{path.replace(ns.name, 'NS')}: {said(ns.get(path, token=WEAK)).partition(' ')[0]}"
    yield said(ns.patch(f"{ns.cms}/mine", {}, token=WEAK))


@behaviour(
    "access", "questions about rights: SelfSubjectAccessReview, SubjectAccessReview, SelfSubjectReview"
)
def reviews(ns: Ns) -> Iterator[str]:
    about = {"resourceAttributes": {"verb": "list", "resource": "pods", "namespace": ns.name}}
    for token in ("the-administrator", WEAK):
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": about}
        answer = ns.ask("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body, token=token)
        yield f"{answer.status} {answer.json['status'].get('allowed')}"
        answer = ns.ask("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, token=token)
        yield f"{answer.status} {answer.json['status']['userInfo']['username'] if answer.status == 201 else ''}"
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": about | {"user": "weak"},
    }
    answer = ns.ask("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body)
    yield f"{answer.status} {answer.json['status'].get('allowed')}"
    yield said(ns.ask("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body, token=WEAK))


@behaviour("access", "tokens of a service account")
def token_request(ns: Ns) -> Iterator[str]:
    ns.ask("POST", ns.path("serviceaccounts"), {"metadata": {"name": "sa"}})
    path = f"{ns.path('serviceaccounts')}/sa/token"
    answer = ns.ask("POST", path, {"spec": {"expirationSeconds": 3600}})
    yield f"{answer.status} {sorted(answer.json['status'])} {answer.json['spec'].get('expirationSeconds')}"
    yield said(ns.get(ns.cms, token=answer.json["status"]["token"]))
    yield said(ns.ask("POST", path.replace("/sa/", "/none/"), {"spec": {}}))
    yield said(ns.ask("POST", path, {"spec": {"expirationSeconds": 60}}))


@behaviour("paths", "what is not there, and what cannot be done")
def paths(ns: Ns) -> Iterator[str]:
    for method, path in (
        ("GET", f"{ns.cms}/none"),
        ("GET", ns.path("deployments", "apps/v1", "none")),
        ("GET", "/api/v1/nodes/none"),
        ("GET", "/api/v1/namespaces/none"),
        ("GET", ns.path("things")),
        ("GET", "/apis/none.example/v1/things"),
        ("POST", f"{ns.cms}/one"),
        ("PUT", ns.cms),
        ("POST", "/version"),
        ("GET", f"{ns.path('pods')}/none/log"),
        ("GET", f"{ns.path('pods')}/none/exec?command=x&stdout=1"),
    ):
        yield f"{method} {path.replace(ns.name, 'NS')}: {said(ns.ask(method, path, {} if method != 'GET' else None))}"


def refused(ns: Ns, plural: str, body: dict[str, Any], group: str = "") -> str:
    return said(ns.ask("POST", ns.path(plural, group) + "?dryRun=All", body))


@behaviour("valid", "ConfigMaps, Secrets and labels")
def valid_maps(ns: Ns) -> Iterator[str]:
    yield refused(ns, "configmaps", {"metadata": {"name": "x"}, "data": {"a/b": "1"}})
    yield refused(ns, "configmaps", {"metadata": {"name": "x", "labels": {"a b": "1"}}})
    yield refused(ns, "configmaps", {"metadata": {"name": "x", "labels": {"a": "no spaces"}}})
    yield refused(ns, "configmaps", {"metadata": {"name": "x", "annotations": {"a b": "1"}}})
    ns.ask("POST", ns.cms, {"metadata": {"name": "fixed"}, "data": {"a": "1"}, "immutable": True})
    yield said(ns.patch(f"{ns.cms}/fixed", {"data": {"a": "2"}}))
    ns.ask("POST", ns.path("secrets"), {"metadata": {"name": "s"}})
    yield said(ns.patch(ns.path("secrets", name="s"), {"type": "other"}))
    yield refused(ns, "secrets", {"metadata": {"name": "t"}, "type": "kubernetes.io/tls"})
    yield refused(ns, "secrets", {"metadata": {"name": "t"}, "data": {"a": "not base64!"}})


@behaviour("valid", "Pods")
def valid_pods(ns: Ns) -> Iterator[str]:
    ns.api.ready_for_pods(ns.name)
    good = {"name": "main", "image": "x"}
    for containers in ([], [{"name": "main"}], [good, good], [good | {"name": "Bad"}]):
        yield refused(ns, "pods", {"metadata": {"name": "p"}, "spec": {"containers": containers}})
    yield refused(
        ns, "pods", {"metadata": {"name": "p"}, "spec": {"containers": [good], "restartPolicy": "Maybe"}}
    )


@behaviour("valid", "Deployments and Services")
def valid_others(ns: Ns) -> Iterator[str]:
    apps = "apps/v1"
    yield refused(ns, "deployments", deployment(selector={"matchLabels": {"app": "other"}}), apps)
    yield refused(ns, "deployments", deployment(selector=None), apps)
    yield refused(ns, "deployments", deployment(replicas=-1), apps)
    path = made(ns)
    yield said(ns.patch(path, {"spec": {"selector": {"matchLabels": LABELS | {"more": "x"}}}}))
    ports = [{"port": 80}, {"port": 81}]
    yield refused(ns, "services", {"metadata": {"name": "v"}, "spec": {"ports": ports}})
    yield refused(ns, "services", {"metadata": {"name": "v"}, "spec": {"ports": [{"port": 70000}]}})
    yield refused(ns, "services", {"metadata": {"name": "9v"}, "spec": {"ports": [{"port": 80}]}})


@behaviour("admission", "what is missing: a service account, a priority class; what is ending: the namespace")
def admission(ns: Ns) -> Iterator[str]:
    ns.api.ready_for_pods(ns.name)
    spec = {"containers": [{"name": "main", "image": "x"}]}
    yield refused(ns, "pods", {"metadata": {"name": "p"}, "spec": spec | {"serviceAccountName": "none"}})
    yield refused(ns, "pods", {"metadata": {"name": "p"}, "spec": spec | {"priorityClassName": "none"}})
    ns.ask("POST", ns.cms, {"metadata": {"name": "held", "finalizers": ["lab.invalid/hold"]}})
    ns.ask("DELETE", f"/api/v1/namespaces/{ns.name}")
    yield said(ns.ask("POST", ns.cms, {"metadata": {"name": "late"}}))
    ns.patch(f"{ns.cms}/held", {"metadata": {"finalizers": None}})


@behaviour("admission", "a namespace that enforces restricted pods")
def pod_security(ns: Ns) -> Iterator[str]:
    labels = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    ns.patch(f"/api/v1/namespaces/{ns.name}", labels)
    ns.api.ready_for_pods(ns.name)
    main: dict[str, Any] = {"name": "main", "image": "x"}
    yield refused(ns, "pods", {"metadata": {"name": "p"}, "spec": {"containers": [main]}})
    yield refused(
        ns, "pods", {"metadata": {"name": "p"}, "spec": {"containers": [main], "hostNetwork": True}}
    )
    tight = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True}
    main["securityContext"] = tight | {"seccompProfile": {"type": "RuntimeDefault"}}
    yield refused(ns, "pods", {"metadata": {"name": "p"}, "spec": {"containers": [main]}})


@behaviour("overload", "429, with Retry-After")
def overload(ns: Ns) -> Iterator[str]:
    with ns.api.overloaded():
        answers = [ns.get(ns.cms, token=WEAK)]
        ns.eventually(lambda: answers.append(ns.get(ns.cms, token=WEAK)) or answers[-1].status == 429)
    answer = answers[-1]
    yield f"{said(answer)} {answer.header('Content-Type')} Retry-After: {answer.header('Retry-After')}"
