"""How an API server is written to: versions, patches, apply, dry run, subresources, deletion, defaults."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from conformance import APPLY, JSON_PATCH, MERGE, STRATEGIC, Ns, behaviour, data, managers, said

Object = dict[str, Any]
LABELS = {"app": "web"}


def deployment(name: str = "web", **spec: Any) -> Object:
    template = {
        "metadata": {"labels": LABELS},
        "spec": {"containers": [{"name": "main", "image": "busybox:1.36"}]},
    }
    return {
        "metadata": {"name": name},
        "spec": {"replicas": 0, "selector": {"matchLabels": LABELS}, "template": template} | spec,
    }


def made(ns: Ns, **spec: Any) -> str:
    path = ns.path("deployments", "apps/v1")
    answer = ns.ask("POST", path, deployment(**spec))
    assert answer.status == 201, answer.body
    return f"{path}/web"


# ------------------------------------------------------------------------------------------ create and update


@behaviour("create", "a name that is taken, none, one made by the server, one that is wrong")
def create_names(ns: Ns) -> Iterator[str]:
    ns.cm("one")
    for meta in ({"name": "one"}, {}, {"name": "Bad_Name"}, {"name": "a" * 254}):
        yield said(ns.ask("POST", ns.cms, {"metadata": meta}))
    generated = ns.ask("POST", ns.cms, {"metadata": {"generateName": "made-"}}).json["metadata"]
    yield f"{generated['generateName']} and {len(generated['name']) - 5} more: {generated['name'].startswith('made-')}"


@behaviour("create", "what the server fills in")
def create_fills(ns: Ns) -> Iterator[str]:
    meta = ns.cm("one", a="1").json["metadata"]
    yield ", ".join(sorted(meta))
    body = {
        "metadata": {
            "name": "two",
            "uid": "mine",
            "creationTimestamp": "2001-01-01T00:00:00Z",
            "generation": 7,
        }
    }
    meta = ns.ask("POST", ns.cms, body).json["metadata"]
    yield f"uid kept: {meta['uid'] == 'mine'}, time kept: {meta['creationTimestamp'][:4] == '2001'}, generation: {meta.get('generation')}"
    yield said(ns.ask("POST", ns.cms, {"metadata": {"name": "three", "resourceVersion": "1"}}))


@behaviour("create", "another place than the path's")
def create_elsewhere(ns: Ns) -> Iterator[str]:
    yield said(ns.ask("POST", ns.cms, {"metadata": {"name": "x", "namespace": "other"}}))
    yield said(ns.ask("POST", "/api/v1/namespaces/not-there/configmaps", {"metadata": {"name": "x"}}))
    yield said(ns.ask("POST", ns.cms, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}}))
    yield said(ns.ask("POST", "/api/v1/configmaps", {"metadata": {"name": "x"}}))


@behaviour("create", "bodies that cannot be read")
def create_bodies(ns: Ns) -> Iterator[str]:
    yield said(ns.ask("POST", ns.cms, "{nonsense"))
    yield said(ns.ask("POST", ns.cms, "[]"))
    yield said(ns.ask("POST", ns.cms, "{}", content_type="text/plain"))
    yield said(ns.ask("POST", ns.cms, json.dumps({"metadata": {"name": "x"}, "data": "text"})))
    yield said(ns.ask("POST", ns.cms, json.dumps({"metadata": {"name": "x"}, "data": {"a": 1}})))


@behaviour("create", "fields that nobody knows: strict, warn, ignore")
def unknown_fields(ns: Ns) -> Iterator[str]:
    for how in ("Strict", "Warn", "Ignore", "Loud"):
        body = {"metadata": {"name": how.lower()}, "data": {}, "extra": 1}
        answer = ns.ask("POST", f"{ns.cms}?fieldValidation={how}", body)
        yield f"{how}: {said(answer)} Warning: {answer.header('Warning')}"
    answer = ns.ask(
        "POST", f"{ns.path('deployments', 'apps/v1')}?fieldValidation=Strict", deployment(replica=1)
    )
    yield said(answer)


@behaviour("update", "a version that is not the newest: 409; none at all")
def update_conflict(ns: Ns) -> Iterator[str]:
    first = ns.cm("one", a="1").json
    ns.patch(f"{ns.cms}/one", {"data": {"a": "2"}})
    yield said(ns.ask("PUT", f"{ns.cms}/one", first | {"data": {"a": "3"}}))
    version = first["metadata"]["resourceVersion"]
    yield said(ns.patch(f"{ns.cms}/one", {"metadata": {"resourceVersion": version}, "data": {"a": "3"}}))
    yield data(ns.ask("PUT", f"{ns.cms}/one", {"metadata": {"name": "one"}, "data": {"a": "4"}}))
    yield said(ns.ask("PUT", f"{ns.cms}/none", {"metadata": {"name": "none"}}))
    yield said(ns.ask("PUT", f"{ns.cms}/one", {"metadata": {"name": "two"}}))


@behaviour("update", "kinds that want a version")
def update_strict(ns: Ns) -> Iterator[str]:
    path = ns.path("leases", "coordination.k8s.io/v1")
    yield said(ns.ask("POST", path, {"metadata": {"name": "l"}, "spec": {"holderIdentity": "me"}}))
    yield said(ns.ask("PUT", f"{path}/l", {"metadata": {"name": "l"}, "spec": {"holderIdentity": "you"}}))
    yield said(ns.ask("PUT", f"{path}/new", {"metadata": {"name": "new"}, "spec": {"holderIdentity": "you"}}))


@behaviour("update", "another uid")
def update_uid(ns: Ns) -> Iterator[str]:
    first = ns.cm("one").json
    first["metadata"] |= {"uid": "11111111-1111-1111-1111-111111111111"}
    yield said(ns.ask("PUT", f"{ns.cms}/one", first))


# --------------------------------------------------------------------------------------------------- patches


@behaviour("patch", "merge: null removes, and nothing changed is no new version")
def merge_patch(ns: Ns) -> Iterator[str]:
    ns.cm("one", a="1", b="2")
    after = ns.patch(f"{ns.cms}/one", {"data": {"b": None, "c": "3"}})
    yield data(after)
    same = ns.patch(f"{ns.cms}/one", {"data": {"c": "3"}})
    yield f"new version: {same.json['metadata']['resourceVersion'] != after.json['metadata']['resourceVersion']}"
    yield said(ns.patch(f"{ns.cms}/none", {}))


@behaviour("patch", "JSON patch, tests that fail, paths that are not there")
def json_patch(ns: Ns) -> Iterator[str]:
    ns.cm("one", a="1")
    good = [
        {"op": "test", "path": "/data/a", "value": "1"},
        {"op": "add", "path": "/data/b", "value": "2"},
        {"op": "move", "from": "/data/a", "path": "/data/c"},
        {"op": "copy", "from": "/data/b", "path": "/data/d"},
        {"op": "replace", "path": "/data/b", "value": "5"},
    ]
    yield data(ns.patch(f"{ns.cms}/one", good, JSON_PATCH))
    for one in (
        {"op": "test", "path": "/data/b", "value": "9"},
        {"op": "remove", "path": "/data/none"},
        {"op": "replace", "path": "/data/none", "value": "x"},
        {"op": "jump", "path": "/data/b"},
    ):
        yield said(ns.patch(f"{ns.cms}/one", [one], JSON_PATCH))
    yield said(ns.patch(f"{ns.cms}/one", {"op": "add"}, JSON_PATCH))


@behaviour("patch", "bodies and forms that cannot be used")
def patch_forms(ns: Ns) -> Iterator[str]:
    ns.cm("one")
    for form in ("application/json", "text/plain", MERGE, STRATEGIC):
        yield said(ns.ask("PATCH", f"{ns.cms}/one", "{nonsense", content_type=form))
    yield said(ns.ask("PATCH", f"{ns.cms}/one", "[]", content_type=MERGE))
    yield said(ns.patch(f"{ns.cms}/one", {"metadata": {"name": "two"}}))
    wrong = said(ns.patch(f"{ns.cms}/one", {"data": {"a": 1}}))
    yield wrong.partition("Invalid value")[0] + wrong.rpartition('": ')[2]
    yield said(ns.ask("PATCH", ns.cms, "{}", content_type=MERGE))


@behaviour("patch", "strategic: containers, env and tolerations")
def strategic(ns: Ns) -> Iterator[str]:
    path = made(ns)

    def change(**spec: Any) -> str:
        answer = ns.patch(path, {"spec": {"template": {"spec": spec}}}, STRATEGIC)
        if answer.status != 200:
            return said(answer)
        after = answer.json["spec"]["template"]["spec"]
        told = [f"{one['name']} {one.get('image')} {one.get('env', [])}" for one in after["containers"]]
        return f"{told} {after.get('tolerations', [])}"

    yield change(
        containers=[{"name": "main", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}]
    )
    yield change(
        containers=[{"name": "main", "env": [{"name": "B", "value": "3"}, {"name": "A", "$patch": "delete"}]}]
    )
    yield change(containers=[{"name": "side", "image": "busybox:1.36"}], tolerations=[{"operator": "Exists"}])
    yield change(tolerations=[{"key": "x", "operator": "Exists"}])
    yield change(containers=[{"name": "side", "$patch": "delete"}])
    yield change(containers=[{"image": "x"}])
    yield change(containers=[{"$patch": "replace"}, {"name": "only", "image": "busybox:1.36"}])


# ------------------------------------------------------------------------------------------ server-side apply


@behaviour("apply", "makes, changes, and takes back what it no longer says")
def apply_takes_back(ns: Ns) -> Iterator[str]:
    path = f"{ns.cms}/mine"
    for body in ({"a": "1", "b": "2"}, {"a": "1"}):
        answer = ns.apply(path, {"metadata": {"name": "mine"}, "data": body})
        yield f"{answer.status} {data(answer)} {managers(answer)}"
    ns.patch(f"{path}?fieldManager=bob", {"data": {"c": "3"}})
    answer = ns.apply(path, {"metadata": {"name": "mine"}, "data": {"a": "9"}})
    yield f"{data(answer)} {managers(answer)}"


@behaviour("apply", "conflicts with another writer, alone and many, and with force")
def apply_conflicts(ns: Ns) -> Iterator[str]:
    path = f"{ns.cms}/mine"
    ns.apply(path, {"metadata": {"name": "mine"}, "data": {"a": "1", "b": "2"}})
    ns.patch(f"{path}?fieldManager=bob", {"data": {"a": "5"}})
    yield managers(ns.get(path))
    yield said(ns.apply(path, {"metadata": {"name": "mine"}, "data": {"a": "1"}}))
    yield said(ns.apply(path, {"metadata": {"name": "mine"}, "data": {"a": "1", "b": "7"}}, "carl"))
    forced = ns.apply(path, {"metadata": {"name": "mine"}, "data": {"a": "1"}}, more="&force=true")
    yield f"{data(forced)} {managers(forced)}"
    shared = ns.apply(path, {"metadata": {"name": "mine"}, "data": {"a": "1"}}, "carl")
    yield f"{data(shared)} {managers(shared)}"


@behaviour("apply", "to an object whose owners were removed")
def apply_before_first(ns: Ns) -> Iterator[str]:
    ns.cm("one", a="1", b="2")
    path = f"{ns.cms}/one"
    cleared = ns.patch(path, {"metadata": {"managedFields": [{}]}})
    yield managers(cleared)
    yield said(ns.apply(path, {"metadata": {"name": "one"}, "data": {"a": "2"}}))
    same = ns.apply(path, {"metadata": {"name": "one"}, "data": {"a": "1"}})
    yield f"{said(same)} {managers(same)}"


@behaviour("apply", "what it must have and must not have")
def apply_refused(ns: Ns) -> Iterator[str]:
    path = f"{ns.cms}/mine"
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}}
    yield said(ns.patch(path, body, APPLY))
    yield said(
        ns.patch(
            f"{path}?fieldManager=ann", body | {"metadata": {"name": "mine", "managedFields": [{}]}}, APPLY
        )
    )
    yield said(ns.patch(f"{path}?fieldManager=ann", {"metadata": {"name": "mine"}}, APPLY))
    yield said(ns.patch(f"{path}?fieldManager=ann", body | {"kind": "Secret"}, APPLY))
    yield said(ns.patch(f"{path}?fieldManager=ann", body | {"extra": 1}, APPLY))
    yield said(ns.patch(f"{path}?fieldManager=ann&force=true", {"data": {}}))
    yield said(ns.ask("PATCH", f"{path}?fieldManager=ann", "a: [", content_type=APPLY)).partition(": yaml")[0]


@behaviour("apply", "containers by their names")
def apply_containers(ns: Ns) -> Iterator[str]:
    path = made(ns)
    container = {"name": "main", "image": "busybox:2"}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
    body["spec"] = {"template": {"spec": {"containers": [container, {"name": "side", "image": "x"}]}}}
    yield said(ns.apply(path, body))
    forced = ns.apply(path, body, more="&force=true")
    yield str(
        [f"{one['name']} {one['image']}" for one in forced.json["spec"]["template"]["spec"]["containers"]]
    )
    body["spec"] = {"template": {"spec": {"containers": [container]}}}
    after = ns.apply(path, body)
    yield str(
        [f"{one['name']} {one['image']}" for one in after.json["spec"]["template"]["spec"]["containers"]]
    )


# ------------------------------------------------------------------------------------ dry run and subresources


@behaviour("dry run", "nothing is stored, and the answer is as if")
def dry_run(ns: Ns) -> Iterator[str]:
    version = ns.cm("one", a="1").json["metadata"]["resourceVersion"]
    yield data(ns.patch(f"{ns.cms}/one?dryRun=All", {"data": {"a": "2"}}))
    yield said(ns.ask("POST", f"{ns.cms}?dryRun=All", {"metadata": {"name": "two"}}))
    yield said(ns.ask("POST", f"{ns.cms}?dryRun=All", {"metadata": {"name": "one"}}))
    yield said(ns.apply(f"{ns.cms}/three", {"metadata": {"name": "three"}}, more="&dryRun=All"))
    yield said(ns.ask("DELETE", f"{ns.cms}/one?dryRun=All"))
    yield said(ns.ask("DELETE", f"{ns.cms}/one", {"dryRun": ["All"]}))
    yield f"{data(ns.get(f'{ns.cms}/one'))}, same version: {ns.get(f'{ns.cms}/one').json['metadata']['resourceVersion'] == version}"
    yield said(ns.ask("POST", f"{ns.cms}?dryRun=Some", {"metadata": {"name": "two"}}))


@behaviour("subresources", "status and spec by their own doors; generation counts the spec")
def status(ns: Ns) -> Iterator[str]:
    path = made(ns, paused=True)

    def told(answer: Any) -> str:
        obj = answer.json
        return f"{obj['spec']['revisionHistoryLimit']} {obj['status'].get('collisionCount')} generation {obj['metadata']['generation']}"

    both = {"spec": {"revisionHistoryLimit": 3}, "status": {"collisionCount": 7}}
    yield told(ns.patch(path, both))
    yield told(
        ns.patch(f"{path}/status", {"spec": {"revisionHistoryLimit": 4}, "status": {"collisionCount": 7}})
    )
    yield told(ns.patch(path, {"metadata": {"labels": {"x": "y"}}}))
    yield said(ns.get(f"{ns.cms}/one/status"))
    yield said(ns.get(f"{path}/nothing"))


@behaviour("subresources", "scale")
def scale(ns: Ns) -> Iterator[str]:
    path = made(ns, paused=True)

    def told(answer: Any) -> str:
        obj = answer.json
        return (
            f"{obj['kind']} {obj['apiVersion']} spec={obj['spec']} selector={obj['status'].get('selector')}"
        )

    yield told(ns.get(f"{path}/scale"))
    yield told(ns.patch(f"{path}/scale", {"spec": {"replicas": 2}}))
    yield str(ns.get(path).json["spec"]["replicas"])
    yield told(ns.patch(f"{path}/scale", {"spec": {"replicas": 0}}))
    yield said(ns.patch(f"{path}/scale", {"spec": {"replicas": -1}}))


# -------------------------------------------------------------------------------------------------- deletion


@behaviour("delete", "the answer, and a second time")
def delete(ns: Ns) -> Iterator[str]:
    ns.cm("one")
    answer = ns.ask("DELETE", f"{ns.cms}/one").json
    yield f"{answer['kind']} {answer['status']} {sorted(answer['details'])} {answer['details']['kind']}"
    yield said(ns.ask("DELETE", f"{ns.cms}/one"))
    account = ns.path("serviceaccounts")
    ns.ask("POST", account, {"metadata": {"name": "sa"}})
    yield str(ns.ask("DELETE", f"{account}/sa").json["kind"])


@behaviour("delete", "preconditions")
def preconditions(ns: Ns) -> Iterator[str]:
    version = ns.cm("one").json["metadata"]["resourceVersion"]
    changed = ns.patch(f"{ns.cms}/one", {"data": {"a": "1"}}).json["metadata"]
    other = "11111111-1111-1111-1111-111111111111"
    yield said(ns.ask("DELETE", f"{ns.cms}/one", {"preconditions": {"uid": other}}))
    refused = said(ns.ask("DELETE", f"{ns.cms}/one", {"preconditions": {"resourceVersion": version}}))
    yield refused.replace(version, "OLD").replace(changed["resourceVersion"], "NEW")
    good = {"uid": changed["uid"], "resourceVersion": changed["resourceVersion"]}
    yield said(ns.ask("DELETE", f"{ns.cms}/one", {"preconditions": good})).partition(" ")[0]


@behaviour("delete", "finalizers hold an object until the last is gone")
def finalizers(ns: Ns) -> Iterator[str]:
    ns.ask("POST", ns.cms, {"metadata": {"name": "held", "finalizers": ["lab.invalid/hold"]}})
    path = f"{ns.cms}/held"
    answer = ns.ask("DELETE", path).json
    yield f"{answer['kind']} deletionTimestamp={'deletionTimestamp' in answer['metadata']} grace={answer['metadata'].get('deletionGracePeriodSeconds')}"
    yield f"still there: {ns.get(path).status}"
    yield said(ns.ask("POST", ns.cms, {"metadata": {"name": "held"}}))
    yield said(ns.patch(path, {"metadata": {"finalizers": ["lab.invalid/hold", "lab.invalid/more"]}}))
    last = ns.patch(path, {"metadata": {"finalizers": None}})
    yield f"{last.status} {last.json['kind']}, then {ns.get(path).status}"


@behaviour("delete", "all that match a selector")
def delete_collection(ns: Ns) -> Iterator[str]:
    for name, app in (("one", "x"), ("two", "x"), ("three", "y")):
        ns.cm(name, {"app": app})
    answer = ns.ask("DELETE", f"{ns.cms}?labelSelector=app%3Dx")
    yield f"{answer.status} {answer.json['kind']} {len(answer.json['items'])}"
    yield ", ".join(one["metadata"]["name"] for one in ns.get(f"{ns.cms}?labelSelector=app").json["items"])


@behaviour("delete", "a namespace takes what is in it along")
def delete_namespace(ns: Ns) -> Iterator[str]:
    ns.cm("one")
    answer = ns.ask("DELETE", f"/api/v1/namespaces/{ns.name}").json
    yield f"{answer['kind']} {answer['status'].get('phase')}"
    yield f"gone: {ns.eventually(lambda: ns.get(f'/api/v1/namespaces/{ns.name}').status == 404)}"
    yield said(ns.get(f"{ns.cms}/one"))


# -------------------------------------------------------------------------------------------------- defaults


def shape(obj: Object) -> str:
    """Spec and status as stored, without addresses that are handed out."""
    shown = json.loads(
        json.dumps({"spec": obj.get("spec"), "status": obj.get("status"), "type": obj.get("type")})
    )
    for key in ("clusterIP", "clusterIPs"):
        if key in (shown["spec"] or {}):
            shown["spec"][key] = "GIVEN"
    for volume in (shown["spec"] or {}).get("volumes", []):
        volume["name"] = "NAME"
    for container in (shown["spec"] or {}).get("containers", []):
        for mount in container.get("volumeMounts", []):
            mount["name"] = "NAME"
    return json.dumps(shown, sort_keys=True)


@behaviour("defaults", "of a Service, a Deployment, a DaemonSet, a Secret")
def defaults(ns: Ns) -> Iterator[str]:
    service = {"metadata": {"name": "v"}, "spec": {"selector": LABELS, "ports": [{"port": 80}]}}
    yield shape(ns.ask("POST", ns.path("services"), service).json)
    yield shape(ns.ask("POST", ns.path("deployments", "apps/v1") + "?dryRun=All", deployment()).json)
    daemons = deployment()
    daemons["spec"].pop("replicas")
    yield shape(ns.ask("POST", ns.path("daemonsets", "apps/v1") + "?dryRun=All", daemons).json)
    yield shape(
        ns.ask("POST", ns.path("secrets"), {"metadata": {"name": "s"}, "stringData": {"a": "b"}}).json
    )


@behaviour(
    "defaults",
    "of a Pod, as admission completes it",
    differs="ours adds no volume with a token, since no container of ours reads one",
)
def pod_defaults(ns: Ns) -> Iterator[str]:
    ns.api.ready_for_pods(ns.name)
    body = {"metadata": {"name": "p"}, "spec": deployment()["spec"]["template"]["spec"]}
    yield shape(ns.ask("POST", ns.path("pods") + "?dryRun=All", body).json)
    body["spec"]["automountServiceAccountToken"] = False
    yield shape(ns.ask("POST", ns.path("pods") + "?dryRun=All", body).json)
