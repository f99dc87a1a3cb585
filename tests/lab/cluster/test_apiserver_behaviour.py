"""What the recordings do not show of the lab's API server: pages under change, watches, writes and ownership."""

import gzip
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from apiserver import ApiServer, Object, Resources, add_edge_nodes
from apiserver.fixtures import CMS, Answer, ask, config_map, names, node, patch, pod, recording, running

from kedoctor.sandbox.apiserver.apply import Manager, record_update
from kedoctor.sandbox.apiserver.fieldsets import decode, encode

pytestmark = pytest.mark.lab

STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


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
