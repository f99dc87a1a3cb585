"""What is traced, and what is asked to know it: names resolved, one edge of many read, probes that keep their time."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import pytest
from cloud_samples import CLOUD, addresses, edge, http, manager, nat, record, targets
from siteworld import FakeCluster, made

from kedoctor.api import (
    Cluster,
    HostContext,
    HttpAnswer,
    Reason,
    TraceTarget,
    Unavailable,
    Wire,
)
from kedoctor.checks.facts.cloud.diversion_probes import (
    DiversionProbe,
    DiversionProbes,
    StreamServer,
    StreamServers,
)
from kedoctor.checks.facts.cluster.nodes import EdgeNodes
from kedoctor.checks.facts.edge.edgecore import EdgeName
from kedoctor.checks.parsers.kubernetes import Lease, Node, Pod
from kedoctor.checks.trace import TRACES
from kedoctor.checks.trace.probes import (
    SessionProbes,
    TracedPeer,
    session_probes,
    traced_answer,
    traced_diversion,
    traced_peer,
)
from kedoctor.checks.trace.target import (
    Traced,
    TracedObjects,
    few_nodes,
    one_edge,
    one_lease,
    traced,
    traced_objects,
    traced_pod,
)
from kedoctor.model.observations.apiserver import ListObjects
from kedoctor.model.observations.wire import Connection, GetHttp, OpenTcp, OpenTls

EDGE_LABEL = {"node-role.kubernetes.io/edge": ""}
KUBEEDGE = "v1.31.12-kubeedge-v1.22.0"
HERE, LAPTOP = HostContext("edge1", frozenset({"edge"})), HostContext("laptop", frozenset())


def node(name: str, version: str = KUBEEDGE, labels: Mapping[str, str] = EDGE_LABEL) -> Node:
    status = {
        "nodeInfo": {"kubeletVersion": version},
        "addresses": [{"type": "InternalIP", "address": "10.99.0.2"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10351}},
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    found: Node = made(Node, metadata={"name": name, "labels": labels}, status=status)
    return found


def pod(name: str, node_name: str = "edge1", namespace: str = "default", ready: str = "True") -> Pod:
    found: Pod = made(
        Pod,
        metadata={"name": name, "namespace": namespace},
        spec={"nodeName": node_name, "containers": [{"name": "main"}]},
        status={"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]},
    )
    return found


WORLD = (
    node("edge1"),
    node("edge2"),
    node("cloud", "v1.31.14", {}),
    node("odd", "v1.31.14"),
    pod("web"),
    pod("edge1"),
    pod("web", "edge2", "shop"),
    pod("proxy", "cloud"),
    pod("foreign", "odd"),
    pod("waits", ""),
)


def target(name: str, namespace: str = "", **more: Any) -> TraceTarget:
    return TraceTarget("logs", name, namespace, **more)


def resolved(
    name: str, namespace: str = "", own: str = "", vantage: HostContext = LAPTOP
) -> Traced | Unavailable:
    wanted = target(name, namespace)
    objects = traced_objects(Cluster(FakeCluster(*WORLD, kinds=[Lease])), wanted)
    return traced(wanted, objects, vantage, EdgeName(own))


@pytest.mark.parametrize(
    ("name", "namespace", "label", "on"),
    [
        ("edge1", "", "edge1", "edge1"),  # a node comes before a pod of that name
        ("edge1", "default", "default/edge1", "edge1"),
        ("default/web", "", "default/web", "edge1"),
        ("web", "", "default/web", "edge1"),
        ("web", "shop", "shop/web", "edge2"),
        ("shop/web", "", "shop/web", "edge2"),
    ],
)
def test_names_are_resolved(name: str, namespace: str, label: str, on: str) -> None:
    found = resolved(name, namespace)
    assert isinstance(found, Traced)
    assert (found.label, found.node, found.refusal, found.here) == (label, on, None, False)


@pytest.mark.parametrize(
    ("name", "namespace", "words"),
    [
        ("nope", "", "neither a node nope nor a pod default/nope"),
        ("nope", "shop", "no pod nope in namespace shop"),
        ("cloud", "", "without any tunnel"),
        ("default/proxy", "", "not on an edge"),
        ("default/foreign", "", "ordinary kubelet (v1.31.14)"),
        ("default/waits", "", "on no node yet"),
        ("a b", "", "neither a node a b"),
        ("metadata.name=x,y", "", "neither"),
        ("a b/web", "", "no pod web in namespace a b"),
    ],
)
def test_what_cannot_be_traced_is_refused_in_both_languages(name: str, namespace: str, words: str) -> None:
    found = resolved(name, namespace)
    assert isinstance(found, Traced)
    assert found.refusal is not None
    assert words in found.refusal.en
    assert found.refusal.zh != found.refusal.en


def test_this_host_is_the_edge() -> None:
    found = resolved("default/web", own="edge1", vantage=HERE)
    assert isinstance(found, Traced)
    assert found.here
    cloud = resolved("default/web", own="edge1", vantage=LAPTOP)
    assert isinstance(cloud, Traced)
    assert not cloud.here


def test_without_the_api_only_the_edge_that_this_host_is_can_be_traced() -> None:
    missing = Unavailable(Reason.NOT_CONFIGURED, "list nodes")
    own = traced(target("edge1"), missing, HERE, EdgeName("edge1"))
    assert isinstance(own, Traced)
    assert (own.node, own.here, own.api) == ("edge1", True, missing)
    assert traced(target("edge2"), missing, HERE, EdgeName("edge1")) is missing
    assert traced(target("default/edge1"), missing, HERE, EdgeName("edge1")) is missing
    assert traced(target("edge1"), missing, LAPTOP, EdgeName("edge1")) is missing


def test_a_node_is_asked_by_its_first_ready_pod() -> None:
    source = FakeCluster(pod("b"), pod("a", ready="False"), pod("z", namespace="aaa"), kinds=[Node])
    found = traced_pod(Cluster(source), TracedObjects(node=node("edge1")))
    assert not isinstance(found, Unavailable)
    assert (found.label, found.container) == ("aaa/z", "main")
    nobody = traced_pod(Cluster(FakeCluster(kinds=[Pod])), TracedObjects(node=node("edge1")))
    assert isinstance(nobody, Unavailable)


def test_nothing_is_read_of_other_edges() -> None:
    source = FakeCluster(*WORLD, kinds=[Lease])
    objects = traced_objects(Cluster(source), target("shop/web"))
    few_nodes(Cluster(source), objects)
    leases = one_lease(Cluster(source), objects)
    traced_pod(Cluster(source), TracedObjects(node=node("edge2")))
    assert one_edge(objects, leases).names == ("edge2",)
    for request in source.asked:
        assert isinstance(request, ListObjects)
        assert request.field_selector or request.label_selector == "!node-role.kubernetes.io/edge", request


def test_every_fact_of_a_trace_is_made_for_one_edge() -> None:
    """Each list that a trace's own facts ask for is narrowed: a site of 100,000 edges is traced like one of two."""
    for one in TRACES:
        for function in one.facts:
            source = inspect.getsource(function)
            assert "cluster.list(Node)" not in source, function
            assert "cluster.list(Pod)" not in source, function


# ------------------------------------------------------------------------------------------------- probes


class Answers:
    """Answers by the kind of request and its Host header, and remembers what was asked."""

    def __init__(self, http_: Any, tcp: Any = None, tls: Any = None) -> None:
        self.http, self.tcp, self.tls = http_, tcp, tls
        self.asked: list[Any] = []

    def observe(self, request: Any) -> Any:
        self.asked.append(request)
        match request:
            case GetHttp():
                return self.http.get(request.host_header) if isinstance(self.http, dict) else self.http
            case OpenTcp():
                return self.tcp
            case OpenTls():
                return self.tls
        raise AssertionError(request)


EDGES = EdgeNodes((edge(),))
ALIVE = StreamServers({CLOUD: StreamServer(CLOUD, 10003, http(404))})


def test_the_session_is_asked_by_name_and_by_address_within_the_time_of_a_probe() -> None:
    source = Answers({"edge1": http(200, b"name"), "10.99.0.2": http(200, b"address")})
    found = session_probes(
        Wire(source), EDGES, record(), ALIVE, target("edge1", patience=3.0), targets=targets()
    )
    assert isinstance(found, SessionProbes)
    assert found.by_address is not None
    answers = [found.by_address.answer, found.by_name.answer]
    assert [one.body for one in answers if isinstance(one, HttpAnswer)] == [b"address", b"name"]
    assert {request.timeout for request in source.asked} == {3.0}
    assert all(request.url.startswith("https://10.99.0.1:10003/stats/summary") for request in source.asked)


def test_no_session_is_asked_for_where_nobody_answers() -> None:
    down = StreamServers({CLOUD: StreamServer(CLOUD, 10003, Unavailable(Reason.REFUSED, "GET"))})
    found = session_probes(Wire(Answers({})), EDGES, record(), down, target("edge1"), targets=targets())
    assert isinstance(found, Unavailable)


@pytest.mark.parametrize(("port", "dialled"), [(10351, 10351), (0, 10250), (10399, 10399)])
def test_what_kube_apiserver_dials_is_dialled(port: int, dialled: int) -> None:
    source = Answers(http(404))
    found = traced_answer(Wire(source), EdgeNodes((edge(port=port),)), target("edge1", patience=2.0))
    assert isinstance(found, DiversionProbes)
    assert (source.asked[0].url, source.asked[0].timeout) == (f"https://10.99.0.2:{dialled}/", 2.0)
    ways = traced_diversion(nat(legacy=manager(10351)), EdgeNodes((edge(port=port),)), record(), addresses())
    assert (ways.items[0].port, ways.items[0].path.outcome.is_mapping) == (dialled, port == 10351)


@pytest.mark.parametrize(
    ("answer", "asked"),
    [
        (http(404), []),
        (Unavailable(Reason.REFUSED, "GET"), []),
        (Unavailable(Reason.UNREACHABLE, "GET"), []),
        (Unavailable(Reason.TIMEOUT, "GET"), [OpenTcp]),
        (Unavailable(Reason.ERROR, "GET"), [OpenTcp, OpenTls]),
    ],
)
def test_only_what_is_not_known_yet_is_asked(answer: Any, asked: list[type]) -> None:
    source = Answers({}, Connection("10.99.0.2", 0.1), Unavailable(Reason.INVALID, "tls"))
    probes = DiversionProbes((DiversionProbe("edge1", "10.99.0.2", 10351, answer),))
    assert isinstance(traced_peer(Wire(source), probes, target("edge1")), TracedPeer)
    assert [type(request) for request in source.asked] == asked
