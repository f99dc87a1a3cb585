"""The live cluster over real HTTPS: lists in pages, refusals, throttling, raw paths, logs and access reviews."""

from __future__ import annotations

import json
import re
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from apiserver import ApiServer
from cluster_site import ADMIN_TOKEN, WEAK_TOKEN, Connect, asked, connector, nodes, server_side, site, why_not
from raw_server import RawServer, answer

from kedoctor.base.errors import KubeconfigError
from kedoctor.checks.parsers.kubernetes import DaemonSet, Node
from kedoctor.model.observations.apiserver import AccessReview, ApiAnswer, GetPath, ListObjects, ReviewAccess
from kedoctor.model.observations.files import ReadFile
from kedoctor.model.observations.logs import ReadPodLog
from kedoctor.model.observations.request import Reason, Unavailable
from kedoctor.model.ports import Cluster
from kedoctor.observe.live.cluster import LiveCluster, Patience

trustme = pytest.importorskip("trustme", reason="trustme makes the certificates")
pytestmark = pytest.mark.lab

SUBJECT_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


@pytest.fixture(scope="module")
def authority() -> Any:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(authority: Any) -> ssl.SSLContext:
    return server_side(authority.issue_cert("127.0.0.1"))


@pytest.fixture
def api(tls: ssl.SSLContext) -> Iterator[ApiServer]:
    yield from site(tls)


@pytest.fixture
def to(authority: Any, tmp_path: Path) -> Connect:
    return connector(authority, tmp_path)


class TestLists:
    def test_are_read_in_pages_of_500(self, api: ApiServer, to: Connect) -> None:
        listed = nodes(to(api.url))
        assert len({node.metadata.name for node in listed}) == len(listed) == 1203
        assert [seen.query["limit"] for seen in asked(api, "/api/v1/nodes", 3)] == ["500"] * 3

    def test_take_namespace_and_selectors(self, api: ApiServer, to: Connect) -> None:
        port = Cluster(to(api.url))
        one = port.list(Node, field_selector="metadata.name=edge-00007")
        assert not isinstance(one, Unavailable)
        assert [node.metadata.name for node in one] == ["edge-00007"]
        assert port.list(DaemonSet, namespace="kubeedge", label_selector="k8s-app=iptables-manager") == ()
        seen = asked(api, "/apis/apps/v1/namespaces/kubeedge/daemonsets")[-1]
        assert seen.query["labelSelector"] == "k8s-app=iptables-manager"

    def test_one_that_expires_is_begun_again_once(self, api: ApiServer, to: Connect) -> None:
        api.faults.add("continue=", before=api.store.compact, times=1)
        assert len(nodes(to(api.url))) == 1203
        assert ["continue" in seen.query for seen in asked(api, "/api/v1/nodes", 5)] == [
            False,
            True,
            False,
            True,
            True,
        ]

    def test_one_that_always_expires_is_completed_with_the_fresh_token(
        self, api: ApiServer, to: Connect
    ) -> None:
        def advance() -> None:
            api.store.version += 1
            api.store.compact()

        api.faults.add(lambda request: "continue" in request.query, before=advance, times=2)
        listed = nodes(to(api.url))
        assert len({node.metadata.name for node in listed}) == len(listed) == 1203

    def test_one_that_is_gone_without_a_fresh_token_is_unavailable(self, api: ApiServer, to: Connect) -> None:
        api.faults.add("continue=", status=410, message="too old")
        answered = why_not(to(api.url))
        assert (answered.reason, answered.detail) == (Reason.GONE, "too old (HTTP 410)")

    def test_a_token_that_comes_back_ends_the_list(self, tls: ssl.SSLContext, to: Connect) -> None:
        page = answer(b'{"items": [], "metadata": {"continue": "again"}}')
        with RawServer(lambda _: [page], tls) as server:
            assert why_not(to(server.url)).reason is Reason.INVALID

    def test_null_items_are_an_empty_list(self, tls: ssl.SSLContext, to: Connect) -> None:
        with RawServer(
            lambda _: [answer(b'{"items": null, "metadata": {"resourceVersion": "1"}}')], tls
        ) as server:
            assert nodes(to(server.url)) == ()

    @pytest.mark.parametrize(
        "body",
        [
            b"{}",
            b"[]",
            b"",
            b"<html>login</html>",
            b'{"items": [{"metadata": 7}]}',
            b'{"items": [',
            b"[" * 9000,
        ],
    )
    def test_what_is_no_list_is_never_an_empty_one(
        self, tls: ssl.SSLContext, to: Connect, body: bytes
    ) -> None:
        with RawServer(lambda _: [answer(body)], tls) as server:
            assert why_not(to(server.url)).reason is Reason.INVALID


class TestRefusals:
    def test_forbidden_is_told_in_the_servers_words(self, api: ApiServer, to: Connect) -> None:
        answered = why_not(to(api.url, WEAK_TOKEN))
        assert (answered.reason, answered.what) == (Reason.FORBIDDEN, "list nodes")
        assert 'nodes is forbidden: User "system:serviceaccount:rec:weak" cannot list' in answered.detail

    def test_a_refused_kind_leaves_the_others(self, api: ApiServer, to: Connect) -> None:
        cluster = to(api.url)
        api.faults.add("/daemonsets", status=403, message="no")
        assert (
            why_not(cluster, ListObjects("DaemonSet", "kubeedge")).what == "list daemonsets.apps in kubeedge"
        )
        assert len(nodes(cluster)) == 1203

    def test_an_unknown_token(self, api: ApiServer, to: Connect) -> None:
        answered = why_not(to(api.url, "not-a-token-at-all"))
        assert answered.reason is Reason.UNAUTHORIZED
        assert answered.detail.startswith('Unauthorized (HTTP 401); asked as user "ann", context "lab" of ')
        assert answered.detail.endswith("its credentials are not accepted")
        assert "not-a-token-at-all" not in answered.detail

    def test_a_group_that_is_not_served_is_absent(self, tls: ssl.SSLContext, to: Connect) -> None:
        with RawServer(lambda _: [answer(b"404 page not found\n", status="404 Not Found")], tls) as server:
            answered = why_not(to(server.url), ListObjects("NodeMetrics"))
        assert (answered.reason, answered.what) == (Reason.ABSENT, "list nodes.metrics.k8s.io")

    @pytest.mark.parametrize(
        ("status", "reason"),
        [(400, Reason.ERROR), (409, Reason.ERROR), (500, Reason.SERVER_ERROR), (503, Reason.SERVER_ERROR)],
    )
    def test_other_statuses(self, tls: ssl.SSLContext, to: Connect, status: int, reason: Reason) -> None:
        body = b'{"kind": "Status", "message": "words of\\nthe server"}'
        with RawServer(lambda _: [answer(body, status=f"{status} Whatever")], tls) as server:
            answered = why_not(to(server.url))
        assert (answered.reason, answered.detail) == (reason, f"words of the server (HTTP {status})")

    def test_a_kind_that_nobody_declares(self, api: ApiServer, to: Connect) -> None:
        assert why_not(to(api.url), ListObjects("Unheard")).reason is Reason.ERROR

    def test_what_is_no_question_to_a_cluster_is_a_mistake(self, api: ApiServer, to: Connect) -> None:
        with pytest.raises(TypeError, match="ReadFile"):
            to(api.url).observe(ReadFile("/etc/hosts"))


class TestThrottling:
    def test_is_waited_out(self, api: ApiServer, to: Connect) -> None:
        fault = api.faults.add("/nodes", status=429, retry_after=0, times=1)
        assert len(nodes(to(api.url))) == 1203
        assert fault.hits == 1

    def test_is_told_when_it_lasts_beyond_the_deadline(self, api: ApiServer, to: Connect) -> None:
        api.faults.add("/nodes", status=429, retry_after=60)
        started = time.monotonic()
        answered = why_not(to(api.url))
        assert answered.reason is Reason.THROTTLED
        assert time.monotonic() - started < 1
        api.faults.add("/healthz", status=429)
        assert why_not(to(api.url), GetPath("/healthz", timeout=1)).reason is Reason.THROTTLED


class TestPaths:
    def test_answer_with_status_body_and_date(self, api: ApiServer, to: Connect) -> None:
        api.date_offset = -3600
        answered = to(api.url).observe(GetPath("/version"))
        assert isinstance(answered, ApiAnswer)
        assert (answered.status, answered.content_type) == (200, "application/json")
        assert json.loads(answered.body)["gitVersion"] == "v1.31.14"
        assert answered.date is not None
        assert abs(datetime.now(UTC) - timedelta(hours=1) - answered.date) < timedelta(seconds=10)

    def test_give_refusals_as_answers_below_500(self, api: ApiServer, to: Connect) -> None:
        cluster = to(api.url)
        assert cluster.observe(GetPath("/apis/nothing.example/v1")).status == 404
        assert to(api.url, "not-a-token-at-all").observe(GetPath("/api/v1/nodes")).status == 401
        api.faults.add(
            "/proxy/", status=503, message="error trying to reach service: dial tcp 10.9.9.9:10351"
        )
        answered = why_not(cluster, GetPath("/api/v1/nodes/edge-00001/proxy/healthz"))
        assert answered.reason is Reason.SERVER_ERROR
        assert answered.what == "get /api/v1/nodes/edge-00001/proxy/healthz"
        assert answered.detail.startswith("error trying to reach service: dial tcp 10.9.9.9:10351")

    def test_without_a_date_or_with_nonsense_for_one(self, tls: ssl.SSLContext, to: Connect) -> None:
        with RawServer(
            lambda asked: [answer(b"x", *(["Date: soon"] if "a" in asked else []))], tls
        ) as server:
            cluster = to(server.url)
            assert cluster.observe(GetPath("/a")).date is None
            assert cluster.observe(GetPath("/b")).date is None

    def test_that_hold_line_breaks_are_not_sent(self, api: ApiServer, to: Connect) -> None:
        assert why_not(to(api.url), GetPath("/version\r\nX-Evil: 1")).reason is Reason.INVALID

    def test_below_the_path_of_the_server(self, tls: ssl.SSLContext, to: Connect) -> None:
        with RawServer(lambda _: [answer(b"ok")], tls) as server:
            assert to(f"{server.url}/k8s/clusters/c-1/").observe(GetPath("/version")).body == b"ok"
        assert server.asked == ["GET /k8s/clusters/c-1/version"] * 2


class TestLogs:
    def test_are_the_last_lines(self, api: ApiServer, to: Connect) -> None:
        for number in range(5):
            api.edge.say("default", "web", "web", f"line {number}")
        cluster = to(api.url)
        log = cluster.observe(ReadPodLog("default", "web", lines=2))
        assert re.fullmatch(r"\S+Z line 3\n\S+Z line 4\n", log.text)
        assert log.truncated
        whole = cluster.observe(ReadPodLog("default", "web", "web", lines=5))
        assert [line.partition(" ")[2] for line in whole.text.splitlines()] == [f"line {n}" for n in range(5)]
        assert not whole.truncated

    def test_that_are_huge_are_cut_at_the_front(self, tls: ssl.SSLContext, to: Connect) -> None:
        text = b"".join(b"%d %s\n" % (number, b"x" * 9990) for number in range(600))
        with RawServer(lambda _: [answer(text)], tls) as server:
            log = to(server.url, patience=Patience()).observe(ReadPodLog("default", "web", lines=1000))
        assert log.truncated
        assert len(log.text) < 5 << 20
        assert log.text.endswith(text[-10_000:].decode())
        assert log.text.split(" ", 1)[0].isdigit()

    def test_of_what_is_not_there(self, api: ApiServer, to: Connect) -> None:
        cluster = to(api.url)
        answered = why_not(cluster, ReadPodLog("default", "gone"))
        assert (answered.reason, answered.what) == (Reason.ABSENT, "logs of pod default/gone")
        assert 'pods "gone" not found' in answered.detail
        assert why_not(cluster, ReadPodLog("default", "web", "nope")).reason is Reason.ABSENT

    def test_that_never_come_end_at_the_deadline_and_hold_up_nothing_else(
        self, api: ApiServer, to: Connect
    ) -> None:
        api.faults.add("/log", hang_after_accept=True)
        cluster = to(api.url)
        started = time.monotonic()
        answered = why_not(cluster, ReadPodLog("default", "web"))
        assert answered.reason is Reason.TIMEOUT
        assert 0.9 < time.monotonic() - started < 2
        assert len(nodes(cluster)) == 1203


class TestReviews:
    def test_of_oneself_and_of_others(self, api: ApiServer, to: Connect) -> None:
        cluster = to(api.url)
        assert cluster.observe(ReviewAccess("list", "nodes")) == AccessReview(allowed=True)
        other = cluster.observe(
            ReviewAccess("get", "pods", subresource="log", user="system:serviceaccount:a:b")
        )
        assert isinstance(other, AccessReview)
        spec = json.loads(asked(api, SUBJECT_REVIEWS)[-1].body)["spec"]
        assert spec["user"] == "system:serviceaccount:a:b"
        assert spec["groups"] == [
            "system:serviceaccounts",
            "system:serviceaccounts:a",
            "system:authenticated",
        ]
        assert spec["resourceAttributes"] == {"verb": "get", "resource": "pods", "subresource": "log"}

    def test_that_are_no_review(self, tls: ssl.SSLContext, to: Connect) -> None:
        with RawServer(lambda _: [answer(b'{"status": {}}', status="201 Created"), b""], tls) as server:
            assert why_not(to(server.url), ReviewAccess("list", "nodes")).reason is Reason.INVALID


def test_without_a_configuration_everything_says_why(tmp_path: Path) -> None:
    cluster = LiveCluster(environment={"HOME": str(tmp_path)}, root=str(tmp_path))
    answered = why_not(cluster)
    assert (answered.reason, answered.what) == (Reason.NOT_CONFIGURED, "list nodes")
    assert "KUBECONFIG is not set" in answered.detail


def test_what_was_named_and_cannot_be_used_ends_the_command(
    api: ApiServer, authority: Any, tmp_path: Path
) -> None:
    ca = authority.cert_pem.bytes()
    one, other = (authority.issue_cert(name) for name in ("one.example", "other.example"))
    mixed = (one.cert_chain_pems[0].bytes(), other.private_key_pem.bytes())
    path = api.kubeconfig(tmp_path / "kc", ca, ADMIN_TOKEN, certificate=mixed)
    with pytest.raises(KubeconfigError, match="do not belong together"):
        LiveCluster(str(path))
    with pytest.raises(KubeconfigError, match="does not exist"):
        LiveCluster(str(tmp_path / "gone"))
    with pytest.raises(KubeconfigError, match='no context "other"'):
        LiveCluster(str(api.kubeconfig(path, ca, ADMIN_TOKEN)), "other")
    assert len(nodes(LiveCluster(str(path), "lab"))) == 1203
