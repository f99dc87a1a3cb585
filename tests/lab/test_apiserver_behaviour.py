"""What the recordings do not show of the lab's API server: pages under change, ownership, watches, faults, access."""

import gzip
import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import trustme
from apiserver import REFUSED, ApiServer, Object, Resources, State, User, add_edge_nodes
from apiserver.apply import Manager, record_update
from apiserver.fieldsets import decode, encode
from apiserver.fixtures import TOKEN, Answer, Channels, ask, certificates, recording, running

pytestmark = pytest.mark.lab

CMS = "/api/v1/namespaces/default/configmaps"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


def config_map(name: str, **data: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default"},
        "data": data,
    }


def pod(name: str, node: str = "edge1") -> Object:
    containers = [{"name": "main", "image": "busybox:1.36"}]
    meta = {"name": name, "namespace": "default", "labels": {"app": name}}
    spec = {"nodeName": node, "containers": containers}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": {"phase": "Running"}}


def node(name: str = "edge1") -> Object:
    status = {
        "addresses": [{"type": "InternalIP", "address": "10.99.0.2"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10351}},
        "nodeInfo": {"kubeletVersion": "v1.31.12-kubeedge-v1.22.0"},
    }
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "status": status}


def daemon_set() -> Object:
    obj: Object = recording(47).json
    obj["metadata"]["managedFields"].pop()
    del obj["spec"]["template"]["spec"]["tolerations"]
    return obj


DS = "/apis/apps/v1/namespaces/kubeedge/daemonsets/cloud-iptables-manager"


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with running([node(), pod("web"), config_map("one", a="1"), config_map("two", a="1")]) as started:
        yield started


def patch(server: ApiServer, path: str, body: Any, form: str = MERGE, **headers: str) -> Answer:
    return ask(server, "PATCH", path, json.dumps(body), content_type=form, **headers)


def names(answer: Answer) -> list[str]:
    return [item["metadata"]["name"] for item in answer.json["items"]]


def test_pages_show_the_cluster_as_it_was_at_the_first_page(server: ApiServer) -> None:
    first = ask(server, "GET", f"{CMS}?limit=1")
    ask(server, "DELETE", f"{CMS}/two")
    ask(server, "POST", CMS, config_map("three"))
    second = ask(server, "GET", f"{CMS}?limit=5&continue={first.json['metadata']['continue']}")
    assert (names(first), names(second)) == (["one"], ["two"])
    assert second.json["metadata"] == {"resourceVersion": first.json["metadata"]["resourceVersion"]}
    assert names(ask(server, "GET", CMS)) == ["one", "three"]


def test_an_expired_token_brings_one_that_goes_on(server: ApiServer) -> None:
    token = ask(server, "GET", f"{CMS}?limit=1").json["metadata"]["continue"]
    server.store.compact()
    gone = ask(server, "GET", f"{CMS}?limit=1&continue={token}")
    assert (gone.status, gone.json["reason"]) == (410, "Expired")
    assert names(ask(server, "GET", f"{CMS}?limit=1&continue={gone.json['metadata']['continue']}")) == ["two"]


def test_a_full_page_with_a_selector_may_be_followed_by_an_empty_one(server: ApiServer) -> None:
    path = f"{CMS}?limit=1&fieldSelector=metadata.name%3Done"
    first = ask(server, "GET", path)
    assert "remainingItemCount" not in first.json["metadata"]
    second = ask(server, "GET", f"{path}&continue={first.json['metadata']['continue']}")
    assert (names(first), names(second), "continue" in second.json["metadata"]) == (["one"], [], False)


def test_five_thousand_nodes_are_read_in_pages(server: ApiServer) -> None:
    made = add_edge_nodes(server.store, 5000)
    path, token, found, size = (
        "/api/v1/nodes?limit=1000&labelSelector=node-role.kubernetes.io/edge",
        "",
        [],
        0,
    )
    while True:
        page = ask(server, "GET", f"{path}&continue={token}" if token else path)
        found += names(page)
        size += len(page.body)
        token = page.json["metadata"].get("continue", "")
        if not token:
            break
    assert found == made
    assert size / len(made) > 3000
    edge = ask(server, "GET", f"/api/v1/nodes/{made[-1]}").json
    assert edge["status"]["addresses"][0]["address"] == "10.100.19.136"
    changed = patch(server, f"/api/v1/nodes/{made[-1]}", {"metadata": {"labels": {"x": "y"}}}).json
    assert changed["metadata"]["labels"]["x"] == "y"


def test_large_answers_are_compressed_when_the_client_can(server: ApiServer) -> None:
    add_edge_nodes(server.store, 100)
    got = ask(server, "GET", "/api/v1/nodes", Accept_Encoding="gzip")
    assert got.header("Content-Encoding") == "gzip"
    assert len(json.loads(gzip.decompress(got.body))["items"]) == 101
    assert ask(server, "GET", "/api/v1/nodes").header("Content-Encoding") is None


def watched(server: ApiServer, path: str, act: Any) -> list[tuple[str, str]]:
    """The events that a watch of one second sees while ``act`` runs."""
    thread = threading.Timer(0.2, act)
    thread.start()
    lines = ask(server, "GET", path).body.splitlines()
    thread.join()
    events = [json.loads(line) for line in lines]
    return [(event["type"], event["object"]["metadata"].get("name", "")) for event in events]


def test_a_watch_sees_each_change_once_and_in_order(server: ApiServer) -> None:
    version = ask(server, "GET", CMS).json["metadata"]["resourceVersion"]

    def act() -> None:
        ask(server, "POST", CMS, config_map("three"))
        patch(server, f"{CMS}/three", {"data": {"a": "2"}})
        patch(server, f"{CMS}/three", {"data": {"a": "2"}})
        ask(server, "DELETE", f"{CMS}/three")

    path = f"{CMS}?watch=true&timeoutSeconds=1&resourceVersion={version}"
    assert watched(server, path, act) == [("ADDED", "three"), ("MODIFIED", "three"), ("DELETED", "three")]


def test_an_object_that_stops_matching_is_deleted_for_the_watch(server: ApiServer) -> None:
    def act() -> None:
        patch(server, "/api/v1/namespaces/default/pods/web", {"metadata": {"labels": {"app": "other"}}})

    path = "/api/v1/pods?watch=true&timeoutSeconds=1&labelSelector=app%3Dweb"
    assert watched(server, path, act) == [("ADDED", "web"), ("DELETED", "web")]


def test_a_bookmark_comes_before_the_watch_ends(server: ApiServer) -> None:
    path = (
        f"{CMS}?watch=true&timeoutSeconds=3&allowWatchBookmarks=true&resourceVersion={server.store.version}"
    )
    assert watched(server, path, lambda: None) == [("BOOKMARK", "")]


def test_a_server_that_forgot_its_events_refuses_an_older_watch(server: ApiServer) -> None:
    version = server.store.version
    ask(server, "POST", CMS, config_map("three"))
    server.store.forget_events()
    event = ask(server, "GET", f"{CMS}?watch=true&resourceVersion={version}").json
    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)


def test_create_notes_the_owner_as_the_real_server_did() -> None:
    recorded = daemon_set()
    keadm = recorded["metadata"]["managedFields"][0]
    bare = json.loads(json.dumps(recorded))
    del bare["metadata"]["managedFields"], bare["status"]
    resource = Resources().for_object(recorded)
    record_update(resource, None, bare, Manager("keadm", "Update", "apps/v1"))
    assert bare["metadata"]["managedFields"][0]["fieldsV1"] == keadm["fieldsV1"]


def test_owner_of_a_pod_is_noted_down_to_the_container() -> None:
    web = recording(3).json["items"][0]
    (applied,) = [m for m in web["metadata"]["managedFields"] if m["manager"] == "kubectl-client-side-apply"]
    created = {"apiVersion": "v1", "kind": "Pod", "metadata": web["metadata"], "spec": dict(web["spec"])}
    # What admission added belongs to nobody.
    for field in (
        "volumes",
        "tolerations",
        "serviceAccount",
        "serviceAccountName",
        "priority",
        "preemptionPolicy",
    ):
        del created["spec"][field]
    del created["spec"]["containers"][0]["volumeMounts"]
    resource = Resources().for_object(created)
    record_update(resource, None, created, Manager("kubectl", "Update", "v1"))
    assert created["metadata"]["managedFields"][0]["fieldsV1"] == applied["fieldsV1"]


@pytest.mark.parametrize("number", [3, 4, 6, 45, 47, 48])
def test_recorded_field_sets_survive_reading_and_writing(number: int) -> None:
    def sets(value: Any) -> Iterator[Any]:
        if isinstance(value, dict):
            yield from (part for key, part in value.items() if key == "fieldsV1")
            for part in value.values():
                yield from sets(part)
        elif isinstance(value, list):
            for part in value:
                yield from sets(part)

    found = list(sets(recording(number).json))
    assert found
    for fields in found:
        assert encode(decode(fields)) == fields


def test_apply_takes_back_what_it_no_longer_says(server: ApiServer) -> None:
    def apply(**data: str) -> Answer:
        path = f"{CMS}/mine?fieldManager=kedoctor"
        return ask(server, "PATCH", path, json.dumps(config_map("mine", **data)), content_type=APPLY)

    created = apply(a="1", b="2")
    assert created.status == 201
    patch(server, f"{CMS}/mine?fieldManager=somebody", {"data": {"c": "3"}})
    assert apply(a="1").json["data"] == {"a": "1", "c": "3"}


def test_apply_to_an_object_without_owners_conflicts_with_what_was_there(server: ApiServer) -> None:
    path = f"{CMS}/one?fieldManager=kedoctor"
    body = json.dumps(config_map("one", a="2"))
    refused = ask(server, "PATCH", path, body, content_type=APPLY)
    assert refused.status == 409
    assert refused.json["message"] == (
        'Apply failed with 1 conflict: conflict with "before-first-apply" using v1: .data.a'
    )
    same = ask(server, "PATCH", path, json.dumps(config_map("one", a="1")), content_type=APPLY)
    assert same.status == 200


def test_apply_merges_containers_by_name_and_names_the_field_in_conflict() -> None:
    with running([daemon_set()]) as server:
        image = {"name": "iptables-manager", "image": "kubeedge/iptables-manager:v1.22.1"}
        body = {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "cloud-iptables-manager"}}
        body["spec"] = {"template": {"spec": {"containers": [image]}}}
        path = f"{DS}?fieldManager=kedoctor"
        refused = ask(server, "PATCH", path, json.dumps(body), content_type=APPLY)
        (cause,) = refused.json["details"]["causes"]
        assert cause["field"] == '.spec.template.spec.containers[name="iptables-manager"].image'
        forced = ask(server, "PATCH", f"{path}&force=true", json.dumps(body), content_type=APPLY).json
        (container,) = forced["spec"]["template"]["spec"]["containers"]
        assert container["image"] == image["image"]
        assert container["command"] == ["iptables-manager"]
        assert forced["metadata"]["generation"] == 3


def test_strategic_merge_knows_which_lists_have_keys() -> None:
    with running([daemon_set()]) as server:
        env = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]

        def change(**spec: Any) -> Any:
            answer = patch(server, DS, {"spec": {"template": {"spec": spec}}}, STRATEGIC)
            return answer.json["spec"]["template"]["spec"]

        change(containers=[{"name": "iptables-manager", "env": env}], tolerations=[{"operator": "Exists"}])
        changed = [{"name": "B", "value": "3"}, {"name": "A", "$patch": "delete"}]
        after = change(
            containers=[{"name": "iptables-manager", "env": changed}],
            tolerations=[{"key": "x", "operator": "Exists"}],
        )
        assert after["containers"][0]["env"] == [{"name": "B", "value": "3"}]
        assert after["containers"][0]["image"] == "kubeedge/iptables-manager:v1.22.0"
        assert after["tolerations"] == [{"key": "x", "operator": "Exists"}]


def test_status_and_spec_are_written_through_their_own_doors() -> None:
    with running([daemon_set()]) as server:
        both = {"spec": {"revisionHistoryLimit": 3}, "status": {"numberReady": 7}}
        main = patch(server, DS, both).json
        assert (main["spec"]["revisionHistoryLimit"], main["status"]["numberReady"]) == (3, 1)
        status = patch(server, f"{DS}/status", both | {"spec": {"revisionHistoryLimit": 4}}).json
        assert (status["spec"]["revisionHistoryLimit"], status["status"]["numberReady"]) == (3, 7)
        assert status["metadata"]["generation"] == main["metadata"]["generation"]


def test_dry_run_and_a_patch_that_changes_nothing_store_nothing(server: ApiServer) -> None:
    version = server.store.version
    assert patch(server, f"{CMS}/one?dryRun=All", {"data": {"a": "9"}}).json["data"] == {"a": "9"}
    assert patch(server, f"{CMS}/one", {"data": {"a": "1"}}).status == 200
    assert ask(server, "POST", f"{CMS}?dryRun=All", config_map("three")).status == 201
    assert ask(server, "DELETE", f"{CMS}/one?dryRun=All").status == 200
    assert server.store.version == version
    assert names(ask(server, "GET", CMS)) == ["one", "two"]


def test_custom_resources_want_a_version_and_know_no_strategic_merge(server: ApiServer) -> None:
    path = "/apis/devices.kubeedge.io/v1beta1/namespaces/default/devices"
    device = {
        "apiVersion": "devices.kubeedge.io/v1beta1",
        "kind": "Device",
        "metadata": {"name": "d"},
        "spec": {},
    }
    assert ask(server, "POST", path, device).status == 201
    refused = ask(server, "PUT", f"{path}/d", device)
    assert refused.status == 422
    assert (
        "metadata.resourceVersion: Invalid value: 0x0: must be specified for an update"
        in refused.json["message"]
    )
    assert patch(server, f"{path}/d", {}, STRATEGIC).status == 415


def test_deleted_pods_go_at_once_or_linger_when_their_edge_is_gone(server: ApiServer) -> None:
    server.api.pods_linger = True
    path = "/api/v1/namespaces/default/pods/web"
    assert "deletionTimestamp" in ask(server, "DELETE", path).json["metadata"]
    assert ask(server, "GET", path).status == 200
    assert ask(server, "DELETE", f"{path}?gracePeriodSeconds=0").status == 200
    assert ask(server, "GET", path).status == 404


def test_a_namespace_takes_its_objects_with_it(server: ApiServer) -> None:
    assert (
        ask(server, "POST", "/api/v1/namespaces/nope/configmaps", {"metadata": {"name": "x"}}).status == 404
    )
    assert ask(server, "DELETE", "/api/v1/namespaces/default").json["status"] == {"phase": "Terminating"}
    assert ask(server, "GET", "/api/v1/configmaps").json["items"] == []


def test_a_controller_can_be_played(server: ApiServer) -> None:
    def respawn(event: Any) -> None:
        if event.kind == "DELETED" and event.key == "default/web":
            server.store.add(pod("web-again"))

    server.store.on_change.append(respawn)
    ask(server, "DELETE", "/api/v1/namespaces/default/pods/web")
    assert names(ask(server, "GET", "/api/v1/pods")) == ["web-again"]


def role_objects() -> list[Object]:
    version = "rbac.authorization.k8s.io/v1"
    role: Object = {"apiVersion": version, "kind": "ClusterRole", "metadata": {"name": "viewer"}}
    role["rules"] = [{"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods", "pods/log"]}]
    binding: Object = {
        "apiVersion": version,
        "kind": "RoleBinding",
        "metadata": {"name": "b", "namespace": "default"},
    }
    binding["roleRef"] = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "viewer"}
    binding["subjects"] = [{"kind": "User", "name": "ann"}]
    return [role, binding]


def test_access_follows_the_bindings_in_the_store() -> None:
    with running([*role_objects(), pod("web")], tokens={"ann": User("ann")}) as server:
        allowed = ask(server, "GET", "/api/v1/namespaces/default/pods", token="ann")
        elsewhere = ask(server, "GET", "/api/v1/namespaces/kube-system/pods", token="ann")
        execute = ask(
            server, "GET", "/api/v1/namespaces/default/pods/web/exec?command=x&stdout=1", token="ann"
        )
        as_ann = ask(server, "GET", "/api/v1/pods", Impersonate_User="ann")
        version = ask(server, "GET", "/version", token=None)
    assert [a.status for a in (allowed, elsewhere, execute, as_ann, version)] == [200, 403, 403, 403, 200]
    assert execute.json["message"] == (
        'pods "web" is forbidden: User "ann" cannot get resource "pods/exec" in API group "" in the namespace "default"'
    )


def test_subject_access_review_gives_the_binding_as_reason() -> None:
    about = {"verb": "list", "resource": "pods", "namespace": "default"}
    review = {"kind": "SubjectAccessReview", "spec": {"user": "ann", "resourceAttributes": about}}
    with running(role_objects()) as server:
        got = ask(server, "POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review).json["status"]
    assert got["allowed"] is True
    assert got["reason"].startswith(
        'RBAC: allowed by RoleBinding "b/default" of ClusterRole "viewer" to User "ann"'
    )


def test_a_client_certificate_names_the_user() -> None:
    authority = trustme.CA()
    server_side, client_side = (ssl.SSLContext(p) for p in (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT))
    authority.issue_cert("127.0.0.1").configure_cert(server_side)
    server_side.verify_mode = ssl.CERT_OPTIONAL
    authority.configure_trust(server_side)
    authority.configure_trust(client_side)
    authority.issue_cert(common_name="system:admin", organization_name="system:masters").configure_cert(
        client_side
    )
    with ApiServer(tls=server_side, tokens={}) as server:
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=client_side)
        connection.request("GET", "/api/v1/nodes")
        assert connection.getresponse().status == 200
        connection.close()
        assert server.requests[0].user == "system:admin"


def metrics(available: str) -> list[Object]:
    service = recording(45).json
    service["status"]["conditions"][0]["status"] = available
    return [service]


def test_metrics_api_is_as_available_as_its_service() -> None:
    path = "/apis/metrics.k8s.io/v1beta1/nodes"
    with running(metrics("False")) as server:
        down = ask(server, "GET", path)
    with running() as server:
        absent = ask(server, "GET", path)
        groups = [group["name"] for group in ask(server, "GET", "/apis").json["groups"]]
    assert (down.status, down.body) == (503, b"service unavailable\n")
    assert (absent.status, absent.body) == (404, b"404 page not found\n")
    assert "metrics.k8s.io" not in groups


def test_health_says_what_fails(server: ApiServer) -> None:
    assert ask(server, "GET", "/readyz").body == b"ok"
    server.api.discovery.failing.add("etcd")
    got = ask(server, "GET", "/readyz")
    assert got.status == 500
    assert b"[-]etcd failed: reason withheld\n" in got.body


def test_the_clock_can_be_off(server: ApiServer) -> None:
    server.date_offset = -7200
    date = ask(server, "GET", "/version").header("Date")
    assert date
    assert date != time.strftime("%a, %d %b %Y %H", time.gmtime())


LOG = "/api/v1/namespaces/default/pods/web/log"


def test_logs_are_cut_stamped_and_followed(server: ApiServer) -> None:
    stamp = "2026-11-23T04:24:30.959687148Z"
    server.edge.container("default", "web", "main").log = f"{stamp} one\n{stamp} two\n"
    assert ask(server, "GET", f"{LOG}?tailLines=1").body == b"two\n"
    assert ask(server, "GET", f"{LOG}?tailLines=1&timestamps=true").body == f"{stamp} two\n".encode()
    assert ask(server, "GET", f"{LOG}?limitBytes=2").body == b"on"
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=_trust(), timeout=5)
    connection.request("GET", f"{LOG}?follow=true&tailLines=0", headers={"Authorization": f"Bearer {TOKEN}"})
    answer = connection.getresponse()
    server.edge.say("default", "web", "main", "three")
    assert answer.readline() == b"three\n"
    connection.close()


def _trust() -> ssl.SSLContext:
    return ssl.create_default_context(cadata=certificates()[1].decode())


def test_a_node_that_cannot_be_reached_is_named_with_its_address(server: ApiServer) -> None:
    server.edge.states["edge1"] = REFUSED
    log = ask(server, "GET", f"{LOG}?tailLines=3")
    proxy = ask(server, "GET", "/api/v1/nodes/edge1/proxy/stats/summary", Accept="*/*")
    dialled = "dial tcp 10.99.0.2:10351: connect: connection refused"
    address = "https://10.99.0.2:10351/containerLogs/default/web/main?tailLines=3"
    assert (log.status, log.json["message"]) == (500, f'Get "{address}": {dialled}')
    assert "reason" not in log.json
    assert (proxy.status, proxy.json["reason"]) == (503, "ServiceUnavailable")
    assert proxy.json["message"] == f"error trying to reach service: {dialled}"


def test_a_missing_session_is_an_empty_internal_error(server: ApiServer) -> None:
    server.edge.states["edge1"] = State.NO_SESSION
    log = ask(server, "GET", LOG)
    proxy = ask(server, "GET", "/api/v1/nodes/edge1/proxy/stats/summary", Accept="*/*")
    assert (log.status, log.json["message"]) == (500, "Internal error occurred: ")
    assert (proxy.status, proxy.body) == (500, b"")
    path = LOG.replace("/log", "/exec?command=hostname&stdout=1")
    with Channels(server, path, protocols="v5.channel.k8s.io") as channels:
        assert channels.frame() == (2, b'\x03{"metadata":{}}')


def test_stdin_reaches_the_command(server: ApiServer) -> None:
    path = LOG.replace("/log", "/exec?command=cat&stdin=1&stdout=1")
    with Channels(server, path, protocols="v4.channel.k8s.io, v5.channel.k8s.io") as channels:
        assert channels.headers["Sec-WebSocket-Protocol"] == "v4.channel.k8s.io"
        channels.send(b"\0some text")
        assert [channels.frame()[1] for _ in range(2)] == [b"\1", b"\1some text"]


def test_an_exec_without_upgrade_is_refused(server: ApiServer) -> None:
    got = ask(server, "GET", LOG.replace("/log", "/exec?command=x&stdout=1"))
    assert (got.status, got.json["message"]) == (400, "Upgrade request required")


def test_faults_strike_what_they_fit_and_no_more(server: ApiServer) -> None:
    busy = server.faults.add("GET /api/v1/nodes", status=429, retry_after=1, times=1)
    got = ask(server, "GET", "/api/v1/nodes")
    assert (got.status, got.header("Retry-After")) == (429, "1")
    assert ask(server, "GET", CMS).status == ask(server, "GET", "/api/v1/nodes").status == 200
    assert busy.hits == 1
    server.faults.add(status=503)
    assert ask(server, "GET", CMS).json["reason"] == "ServiceUnavailable"
    server.faults.clear()
    assert [seen.code for seen in server.requests] == [429, 200, 200, 503]


def test_one_write_meets_a_conflict(server: ApiServer) -> None:
    server.faults.add(CMS, conflict_once=True)
    assert ask(server, "GET", f"{CMS}/one").status == 200
    answers = [patch(server, f"{CMS}/one", {"data": {"a": "2"}}) for _ in range(2)]
    assert [a.status for a in answers] == [409, 200]
    assert answers[0].json["reason"] == "Conflict"


def test_a_colleague_s_edit_can_come_between(server: ApiServer) -> None:
    version = ask(server, "GET", f"{CMS}/one").json["metadata"]["resourceVersion"]

    def edit() -> None:
        server.store.add(config_map("one", a="theirs"))

    server.faults.add("PATCH", before=edit, times=1)
    stale = patch(server, f"{CMS}/one", {"metadata": {"resourceVersion": version}, "data": {"a": "mine"}})
    assert stale.status == 409


def test_what_is_no_http_is_told_so(server: ApiServer) -> None:
    plain = socket.create_connection(("127.0.0.1", server.port), timeout=5)
    with _trust().wrap_socket(plain, server_hostname="127.0.0.1") as secure:
        secure.sendall(b"not a request\r\n\r\n")
        assert secure.recv(1000).startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_broken_connections(server: ApiServer) -> None:
    server.faults.add("/one", drop=True)
    server.faults.add("/two", truncate=10)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        ask(server, "GET", f"{CMS}/one")
    with pytest.raises(http.client.IncompleteRead) as cut:
        ask(server, "GET", f"{CMS}/two")
    assert len(cut.value.partial) == 10


def test_a_server_that_never_answers_still_stops() -> None:
    with running() as server:
        server.faults.add(hang_after_accept=True)
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=_trust(), timeout=0.3)
        connection.request("GET", "/version")
        with pytest.raises(TimeoutError):
            connection.getresponse()
        connection.close()
        server.faults.hang_connections = True
        silent = http.client.HTTPSConnection("127.0.0.1", server.port, context=_trust(), timeout=0.3)
        with pytest.raises(TimeoutError):
            silent.connect()
        silent.close()
        started = time.monotonic()
    assert time.monotonic() - started < 2
