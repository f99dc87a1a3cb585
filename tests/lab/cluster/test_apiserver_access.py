"""Who may do what at the lab's API server, what its nodes answer, and the trouble it can be told to make."""

import http.client
import socket
import ssl
import time
from collections.abc import Iterator

import pytest
import trustme
from apiserver import REFUSED, ApiServer, Object, State, User
from apiserver.fixtures import (
    CMS,
    TOKEN,
    Channels,
    ask,
    client_context,
    config_map,
    node,
    patch,
    pod,
    recording,
    running,
)

pytestmark = pytest.mark.lab


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with running([node(), pod("web"), config_map("one", a="1"), config_map("two", a="1")]) as started:
        yield started


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
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=client_context(), timeout=5)
    connection.request("GET", f"{LOG}?follow=true&tailLines=0", headers={"Authorization": f"Bearer {TOKEN}"})
    answer = connection.getresponse()
    server.edge.say("default", "web", "main", "three")
    assert answer.readline() == b"three\n"
    connection.close()


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
    with client_context().wrap_socket(plain, server_hostname="127.0.0.1") as secure:
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
        connection = http.client.HTTPSConnection(
            "127.0.0.1", server.port, context=client_context(), timeout=0.3
        )
        connection.request("GET", "/version")
        with pytest.raises(TimeoutError):
            connection.getresponse()
        connection.close()
        server.faults.hang_connections = True
        silent = http.client.HTTPSConnection("127.0.0.1", server.port, context=client_context(), timeout=0.3)
        with pytest.raises(TimeoutError):
            silent.connect()
        silent.close()
        started = time.monotonic()
    assert time.monotonic() - started < 2
