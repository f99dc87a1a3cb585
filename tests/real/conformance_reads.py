"""How an API server is read: pages, watches, selectors, tables, compression, discovery."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator

from conformance import Ns, behaviour, names, said, tokens_of

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
PARTIALS = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


def five(ns: Ns) -> None:
    for number in range(1, 6):
        ns.cm(f"c{number}", {"app": "even" if number % 2 == 0 else "odd", f"n{number}": ""}, a=str(number))


def mine(answer: object) -> str:
    """Names without what Kubernetes puts into every namespace."""
    found = [name for name in names(answer).split(", ") if name != "kube-root-ca.crt"]  # type: ignore[arg-type]
    return ", ".join(found) or "none"


def page(ns: Ns, query: str) -> tuple[str, str]:
    answer = ns.get(f"{ns.cms}?labelSelector=app&{query}")
    meta = answer.json["metadata"]
    left = f", {meta['remainingItemCount']} remaining" if "remainingItemCount" in meta else ""
    return f"{mine(answer)}{', continue' if meta.get('continue') else ''}{left}", meta.get("continue", "")


@behaviour("list", "pages with a selector, each page once")
def pages_with_selector(ns: Ns) -> Iterator[str]:
    five(ns)
    token = ""
    for _ in range(5):
        line, token = page(ns, f"limit=2&continue={token}" if token else "limit=2")
        yield line
        if not token:
            return


@behaviour("list", "pages without a selector count what remains")
def pages_counted(ns: Ns) -> Iterator[str]:
    five(ns)
    path = ns.path("configmaps")
    ns.eventually(lambda: "kube-root-ca.crt" in names(ns.get(path)), 3)
    first = ns.get(f"{path}?limit=2")
    meta = first.json["metadata"]
    yield f"{mine(first)}, {'remaining counted' if meta.get('remainingItemCount') else 'not counted'}"
    rest = ns.get(f"{path}?limit=500&continue={meta['continue']}")
    yield f"{mine(rest)}; same version: {rest.json['metadata']['resourceVersion'] == meta['resourceVersion']}"
    yield f"continue at the end: {rest.json['metadata'].get('continue', '')!r}"


@behaviour("list", "pages show the moment of the first page")
def pages_consistent(ns: Ns) -> Iterator[str]:
    five(ns)
    _, token = page(ns, "limit=2")
    ns.ask("DELETE", f"{ns.cms}/c4")
    ns.cm("c45", {"app": "new"})
    yield page(ns, f"limit=9&continue={token}")[0]
    yield page(ns, "limit=9")[0]


@behaviour("list", "continue with a resourceVersion, and one that is none")
def bad_continue(ns: Ns) -> Iterator[str]:
    five(ns)
    _, token = page(ns, "limit=2")
    yield said(ns.get(f"{ns.cms}?limit=2&continue={token}&resourceVersion=1"))
    yield said(ns.get(f"{ns.cms}?limit=2&continue=eHl6"))


@behaviour("list", "continue of a version that is forgotten: 410, and a token that goes on")
def expired_continue(ns: Ns) -> Iterator[str]:
    five(ns)
    _, token = page(ns, "limit=2")
    ns.cm("later")
    ns.api.forget_history()
    gone = ns.get(f"{ns.cms}?labelSelector=app&limit=2&continue={token}")
    yield said(gone)
    fresh = tokens_of(gone)
    yield f"fresh token: {bool(fresh)}"
    yield page(ns, f"limit=9&continue={fresh}")[0]


@behaviour("list", "versions: any, exact, one that is not there yet")
def versions(ns: Ns) -> Iterator[str]:
    five(ns)
    now = ns.version()
    yield mine(ns.get(f"{ns.cms}?resourceVersion=0"))
    yield mine(ns.get(f"{ns.cms}?resourceVersion={now}&resourceVersionMatch=Exact"))
    yield said(ns.get(f"{ns.cms}?resourceVersion=word"))
    yield said(ns.get(f"{ns.cms}?resourceVersionMatch=Exact"))
    yield said(ns.get(f"{ns.cms}?limit=word"))


@behaviour("list", "label selectors")
def label_selectors(ns: Ns) -> Iterator[str]:
    five(ns)
    for selector in (
        "app=odd",
        "app%3D%3Deven",
        "app!%3Dodd,app",
        "app+in+(odd,x)",
        "app+notin+(odd),app",
        "n3",
        "!n3,app",
    ):
        yield f"{selector}: {mine(ns.get(f'{ns.cms}?labelSelector={selector}'))}"
    yield said(ns.get(f"{ns.cms}?labelSelector=a%3D%3D%3Db"))
    yield said(ns.get(f"{ns.cms}?labelSelector=app+in+odd"))


@behaviour("list", "field selectors")
def field_selectors(ns: Ns) -> Iterator[str]:
    five(ns)
    yield mine(ns.get(f"{ns.cms}?fieldSelector=metadata.name%3Dc2"))
    yield mine(ns.get(f"{ns.cms}?fieldSelector=metadata.name!%3Dc2&labelSelector=app"))
    yield said(ns.get(f"{ns.cms}?fieldSelector=data.a%3D1"))
    yield said(ns.get(f"{ns.path('pods')}?fieldSelector=spec.containers%3D1"))
    yield said(ns.get(f"{ns.cms}?fieldSelector=nonsense"))
    yield said(ns.get(f"{ns.path('pods')}?fieldSelector=spec.nodeName%3Dx,status.phase!%3DRunning"))


@behaviour("list", "a list of nothing, of a namespace that is not there, and of all namespaces")
def empty_lists(ns: Ns) -> Iterator[str]:
    empty = ns.get(ns.path("secrets")).json
    yield f"{empty['kind']} {empty['apiVersion']} items={empty['items']} {sorted(empty['metadata'])}"
    yield mine(ns.get("/api/v1/namespaces/not-there/configmaps"))
    ns.cm("one", {"app": ns.name})
    found = ns.get(f"/api/v1/configmaps?labelSelector=app%3D{ns.name}").json["items"]
    yield f"{found[0]['metadata']['namespace']} kind={found[0].get('kind')}"


@behaviour("list", "large answers are compressed for who can read that")
def compression(ns: Ns) -> Iterator[str]:
    for number in range(5):
        ns.cm(f"big{number}", a="x" * 40_000)
    packed = ns.get(ns.cms, Accept_Encoding="gzip")
    yield f"{packed.header('Content-Encoding')} {packed.header('Vary')}"
    yield mine_of(json.loads(gzip.decompress(packed.body)))
    yield f"plain: {ns.get(ns.cms).header('Content-Encoding')}"
    yield f"small: {ns.get(f'{ns.cms}?limit=1', Accept_Encoding='gzip').header('Content-Encoding')}"


def mine_of(body: dict[str, object]) -> str:
    items: list[dict[str, dict[str, str]]] = body["items"]  # type: ignore[assignment]
    return ", ".join(
        one["metadata"]["name"] for one in items if one["metadata"]["name"] != "kube-root-ca.crt"
    )


# ------------------------------------------------------------------------------------------------ watches


def told(events: list[dict[str, object]]) -> str:
    found = []
    for event in events:
        obj: dict[str, dict[str, str]] = event["object"]  # type: ignore[assignment]
        name = obj.get("metadata", {}).get("name", "")
        if name != "kube-root-ca.crt":
            found.append(f"{event['type']} {name}".strip())
    return ", ".join(found) or "nothing"


@behaviour("watch", "every change once, in order; a patch that changes nothing is none")
def watch_changes(ns: Ns) -> Iterator[str]:
    ns.cm("old", {"app": "x"})

    def act() -> None:
        ns.cm("new", {"app": "x"})
        for _ in range(2):
            ns.patch(f"{ns.cms}/new", {"data": {"a": "2"}})
        ns.ask("DELETE", f"{ns.cms}/new")

    query = f"watch=true&timeoutSeconds=2&labelSelector=app&resourceVersion={ns.version()}"
    yield told(ns.watched(f"{ns.cms}?{query}", act))


@behaviour("watch", "without a version it begins with what is there")
def watch_from_nothing(ns: Ns) -> Iterator[str]:
    ns.cm("one", {"app": "x"})
    yield told(ns.watched(f"{ns.cms}?watch=true&timeoutSeconds=1&labelSelector=app"))
    yield told(ns.watched(f"{ns.cms}?watch=true&timeoutSeconds=1&labelSelector=app&resourceVersion=0"))


@behaviour("watch", "an object that stops matching the selector is deleted for it, one that starts is added")
def watch_selector(ns: Ns) -> Iterator[str]:
    ns.cm("one", {"app": "x"})
    ns.cm("two", {"app": "y"})

    def act() -> None:
        ns.patch(f"{ns.cms}/one", {"metadata": {"labels": {"app": "y"}}})
        ns.patch(f"{ns.cms}/two", {"metadata": {"labels": {"app": "x"}}})

    query = f"watch=true&timeoutSeconds=2&labelSelector=app%3Dx&resourceVersion={ns.version()}"
    yield told(ns.watched(f"{ns.cms}?{query}", act))


@behaviour("watch", "one object by its name")
def watch_one(ns: Ns) -> Iterator[str]:
    ns.cm("one")
    path = f"{ns.cms}?watch=true&timeoutSeconds=2&fieldSelector=metadata.name%3Done&resourceVersion={ns.version()}"

    def act() -> None:
        ns.cm("two")
        ns.patch(f"{ns.cms}/one", {"data": {"a": "1"}})

    yield told(ns.watched(path, act))


@behaviour("watch", "a version that is forgotten: an event ERROR with code 410")
def watch_too_old(ns: Ns) -> Iterator[str]:
    ns.cm("one")
    ns.api.forget_history()
    answer = ns.get(f"{ns.cms}?watch=true&timeoutSeconds=2&resourceVersion=1")
    event = json.loads(answer.body.splitlines()[0])
    obj = event["object"]
    words = obj["message"].partition(":")[0]
    yield f"{answer.status} {event['type']} {obj['kind']} {obj.get('reason')} {obj['code']} {words}"


@behaviour("watch", "a bookmark comes before the end")
def bookmark(ns: Ns) -> Iterator[str]:
    ns.cm("one")
    query = f"watch=true&timeoutSeconds=4&allowWatchBookmarks=true&resourceVersion={ns.version()}"
    events = ns.watched(f"{ns.cms}?{query}", lambda: ns.cm("two") and None)
    yield told([one for one in events if one["type"] != "BOOKMARK"])
    last = events[-1]["object"]
    # v1.31 also says `creationTimestamp: null`.
    kept = sorted(key for key, value in last["metadata"].items() if value)
    yield f"{events[-1]['type']} {last['kind']} {last['apiVersion']}, {', '.join(kept)}"


@behaviour(
    "watch", "the initial events as a stream (sendInitialEvents)", differs="on since v1.32, refused by v1.31"
)
def watch_list(ns: Ns) -> Iterator[str]:
    ns.cm("one", {"app": "x"})
    query = "watch=true&timeoutSeconds=2&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    answer = ns.get(f"{ns.cms}?{query}&labelSelector=app")
    if answer.status != 200:
        yield said(answer)
        return
    events = [json.loads(line) for line in answer.body.splitlines()]
    ends = next(number for number, event in enumerate(events) if event["type"] == "BOOKMARK")
    yield told(events[: ends + 1])


# ------------------------------------------------------------------------------------------ forms of answers


def rows(ns: Ns, path: str, **how: str) -> Iterator[str]:
    answer = ns.get(path, Accept=TABLE, **how)
    if answer.status != 200:
        yield said(answer)
        return
    body = answer.json
    yield f"{body['kind']} {body['apiVersion']}: " + ", ".join(
        f"{one['name']}({one['type']},{one['format']},{one['priority']})" for one in body["columnDefinitions"]
    )
    for row in body["rows"]:
        cells = row["cells"]
        if cells[0] != "kube-root-ca.crt":
            aged = [
                "AGE" if str(cell).endswith(("s", "m")) and str(cell)[:1].isdigit() else cell
                for cell in cells
            ]
            yield f"{aged} object={(row.get('object') or {}).get('kind')}"


@behaviour("forms", "Table of ConfigMaps, and without objects")
def table_config_maps(ns: Ns) -> Iterator[str]:
    ns.cm("one", a="1", b="2")
    yield from rows(ns, ns.cms)
    yield from rows(ns, f"{ns.cms}?includeObject=None")
    yield from rows(ns, f"{ns.cms}/one")


@behaviour("forms", "Table of Secrets, Services and DaemonSets")
def table_others(ns: Ns) -> Iterator[str]:
    ns.ask("POST", ns.path("secrets"), {"metadata": {"name": "s"}, "stringData": {"a": "b"}})
    ns.ask(
        "POST",
        ns.path("services"),
        {"metadata": {"name": "v"}, "spec": {"clusterIP": "None", "ports": [{"port": 80}]}},
    )
    yield from rows(ns, ns.path("secrets"))
    yield from rows(ns, ns.path("services"))
    yield from rows(ns, ns.path("daemonsets", "apps/v1"))


@behaviour("forms", "PartialObjectMetadata")
def partial(ns: Ns) -> Iterator[str]:
    ns.cm("one", a="1")
    one = ns.get(f"{ns.cms}/one", Accept=PARTIAL).json
    yield f"{one['kind']} {one['apiVersion']} {sorted(one)}"
    many = ns.get(f"{ns.cms}?labelSelector=x", Accept=PARTIALS).json
    yield f"{many['kind']} {many['apiVersion']} {sorted(many)}"


@behaviour("forms", "a form that the server cannot write")
def not_acceptable(ns: Ns) -> Iterator[str]:
    yield said(ns.get(ns.cms, Accept="text/html"))
    yield said(ns.get(ns.cms, Accept="text/html, */*;q=0.1"))


@behaviour("forms", "headers of every answer")
def headers(ns: Ns) -> Iterator[str]:
    answer = ns.get(ns.cms)
    for name in ("Content-Type", "Cache-Control"):
        yield f"{name}: {answer.header(name)}"
    there = ("Audit-Id", "Date", "X-Kubernetes-Pf-Flowschema-Uid", "X-Kubernetes-Pf-Prioritylevel-Uid")
    yield ", ".join(f"{name}={answer.header(name) is not None}" for name in there)
    missing = ns.get("/nothing/here")
    yield f"{missing.header('Content-Type')} {said(missing)}"


# -------------------------------------------------------------------------------------------- what is served


@behaviour("discovery", "health, version and roots")
def health(ns: Ns) -> Iterator[str]:
    for path in ("/healthz", "/livez", "/readyz"):
        yield f"{path} {said(ns.get(path))}"
    known = {"major", "minor", "gitVersion", "goVersion", "platform"}
    yield f"/version {sorted(known & set(ns.get('/version').json))}"
    root = ns.get("/api").json
    yield f"{root['kind']} {root['versions']}"
    groups = ns.get("/apis").json
    served = {one["name"] for one in groups["groups"]}
    wanted = {"apps", "batch", "rbac.authorization.k8s.io", "coordination.k8s.io", "apiregistration.k8s.io"}
    yield f"{groups['kind']} has {sorted(wanted & served)}"


@behaviour("discovery", "what is said of a resource")
def resources(ns: Ns) -> Iterator[str]:
    wanted = {"pods", "pods/log", "pods/exec", "configmaps", "nodes", "nodes/proxy"}
    core = ns.get("/api/v1").json
    yield f"{core['kind']} {core['groupVersion']}"
    for one in sorted(core["resources"], key=lambda one: one["name"]):
        if one["name"] in wanted:
            short = one.get("shortNames", [])
            yield f"{one['name']} {one['kind']} {one['namespaced']} {sorted(one['verbs'])} {short} {one.get('singularName')!r}"
    yield said(ns.get("/apis/nobody.example/v1"))
    yield said(ns.get("/apis/apps/v1beta9"))
    yield said(ns.get("/api/v1/things"))
