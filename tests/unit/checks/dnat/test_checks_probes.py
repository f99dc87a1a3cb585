"""KE309 and KE508, and the probes behind them: who is asked, how often, and what each answer means."""

from __future__ import annotations

from typing import Any

import pytest
from cloud_samples import (
    APISERVER,
    CLOUD,
    MISSING,
    Answers,
    Told,
    edge,
    http,
    nat,
    record,
    rule,
    targets,
    told,
)

from kedoctor.api import Finding, Reason, Status, Unavailable, Wire
from kedoctor.checks.dnat.diversion_probe import diversion_probe
from kedoctor.checks.facts.cloud.cloud_host import CloudProcesses
from kedoctor.checks.facts.cloud.diversion_probes import (
    MOST_EDGES,
    DiversionProbe,
    DiversionProbes,
    StreamServer,
    StreamServers,
    TunnelProbe,
    TunnelProbes,
    diversion_probes,
    stream_servers,
    target_probes,
    tunnel_probes,
)
from kedoctor.checks.facts.cluster.nodes import EdgeNodes
from kedoctor.checks.parsers.concurrency import ask_all, spread
from kedoctor.checks.parsers.kubernetes import Condition
from kedoctor.checks.tunnel.session import tunnel_session
from kedoctor.model.observations.wire import GetHttp

PASS, WARN, FAIL, UNKNOWN, SKIP = Status.PASS, Status.WARN, Status.FAIL, Status.UNKNOWN, Status.SKIP
ALIVE = StreamServers({CLOUD: StreamServer(CLOUD, 10003, http(404, b"404: Page Not Found", b"cloudcore"))})
REFUSED = Unavailable(Reason.REFUSED, "GET", "connection refused")
TIMEOUT = Unavailable(Reason.TIMEOUT, "GET", "no answer within 8 s")
DOWN = StreamServers({CLOUD: StreamServer(CLOUD, 10003, REFUSED)})


def stats(node: str) -> bytes:
    return f'{{\n "node": {{\n  "nodeName": "{node}",\n  "systemContainers": []}}}}'.encode()


# ------------------------------------------------------------------------------------------------ KE309


def ke309(answer: Any, servers: Any = ALIVE, **more: Any) -> list[Finding]:
    probes = more.pop("probes", None) or DiversionProbes(
        (DiversionProbe("edge1", "10.99.0.2", 10351, answer),)
    )
    return list(diversion_probe(probes, servers, record(), more.pop("processes", APISERVER)))


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (http(404, certificate=b"cloudcore"), PASS),
        (http(401, certificate=b"kubelet"), FAIL),
        (http(404), FAIL),
        (REFUSED, FAIL),
        (TIMEOUT, FAIL),
        (Unavailable(Reason.UNREACHABLE, "GET", "no route"), FAIL),
        (Unavailable(Reason.ERROR, "GET", "the server ended the TLS connection: certificate required"), FAIL),
        (MISSING, UNKNOWN),
    ],
)
def test_what_answers_behind_the_diversion(answer: Any, status: Status) -> None:
    assert told(ke309(answer)) == [Told(status, "edge1", "edge1")]


@pytest.mark.parametrize(("status_code", "status"), [(404, PASS), (200, UNKNOWN)])
def test_without_cloudcore_s_certificate_only_its_404_is_known(status_code: int, status: Status) -> None:
    assert told(ke309(http(status_code, certificate=b"whose"), MISSING))[0].status is status


def test_a_stream_server_that_is_down_says_nothing_of_the_diversion() -> None:
    assert told(ke309(REFUSED, DOWN))[0].status is SKIP


def test_nothing_to_divert() -> None:
    assert told(ke309(None, probes=DiversionProbes(left_out=0)))[0].status is SKIP
    assert told(ke309(REFUSED, processes=CloudProcesses()))[0].status is SKIP


def test_edges_left_out_are_counted() -> None:
    probes = DiversionProbes(
        (DiversionProbe("edge1", "10.99.0.2", 10351, http(404, certificate=b"cloudcore")),), 7
    )
    assert [one.status for one in told(ke309(None, probes=probes))] == [PASS, SKIP]


# ------------------------------------------------------------------------------------------------ KE508


def ke508(answer: Any, by_name: Any = None) -> Finding:
    probe = TunnelProbe("edge1", "10.99.0.2", CLOUD, answer, by_name)
    (finding,) = tunnel_session(ALIVE, TunnelProbes((probe,)))
    assert told(finding)[0].node == "edge1"
    return finding


@pytest.mark.parametrize(
    ("answer", "by_name", "status", "hop", "word"),
    [
        (http(200, stats("edge1")), None, PASS, None, "gets stats"),
        (http(200), None, FAIL, None, "dead"),
        (http(200, b" \n"), None, FAIL, None, "dead"),
        (http(500), http(500), FAIL, None, "no session"),
        (http(500), None, FAIL, None, "no session"),
        (http(500), http(200, stats("edge1")), FAIL, None, "by name"),
        (http(200, stats("edge2")), None, FAIL, None, "instead of edge1"),
        (http(200, b"Debug endpoints are disabled."), None, FAIL, "edged", "Debug endpoints"),
        (TIMEOUT, None, FAIL, "tunnel", "half open"),
        (Unavailable(Reason.UNREACHABLE, "GET", "reset"), None, UNKNOWN, None, "not found out"),
    ],
)
def test_what_cloudcore_says_of_an_edge(
    answer: Any, by_name: Any, status: Status, hop: Any, word: str
) -> None:
    finding = ke508(answer, by_name)
    assert (finding.status, finding.hop) == (status, hop)
    assert word in finding.summary.en


def test_a_session_known_by_name_only_breaks_top_alone() -> None:
    assert ke508(http(500), http(200, stats("edge1"))).breaks == ("top",)


def test_a_stream_server_that_is_down_concerns_every_edge() -> None:
    (finding,) = tunnel_session(DOWN, TunnelProbes())
    assert told(finding) == [Told(FAIL, f"{CLOUD}:10003", "")]
    assert finding.hop == "stream"


def test_more_edges_than_are_asked() -> None:
    findings = told(tunnel_session(ALIVE, TunnelProbes((), 12)))
    assert findings == [Told(SKIP, "12 more edges", "")]


# ------------------------------------------------------------------------------------------- the probes


class Site(Answers):
    """A site whose stream server has sessions of these edges, by address and by name."""

    def __init__(self, *sessions: str, status: int = 404) -> None:
        super().__init__({})
        self.sessions = set(sessions)
        self.status = status

    def observe(self, request: Any) -> Any:
        self.asked.append(request)
        if "/stats/summary" not in request.url:
            return http(self.status, certificate=b"cloudcore")
        return http(200, stats("x")) if request.host_header in self.sessions else http(500)

    def hosts(self) -> list[str]:
        return sorted(one.host_header for one in self.asked if isinstance(one, GetHttp) and one.host_header)


def probe(site: Site, *edges: Any) -> TunnelProbes:
    answer = tunnel_probes(Wire(site), EdgeNodes(edges), record(), ALIVE, targets())
    assert isinstance(answer, TunnelProbes)
    return answer


def test_the_name_is_asked_for_only_when_the_address_is_not_known() -> None:
    site = Site("10.99.0.2", "edge2")
    found = probe(site, edge(), edge("edge2", "10.99.0.3"))
    assert site.hosts() == ["10.99.0.2", "10.99.0.3", "edge2"]
    assert [(one.edge, one.node_name, one.node_name_by_name) for one in found.items] == [
        ("edge1", "x", ""),
        ("edge2", "", "x"),
    ]


@pytest.mark.parametrize(
    "other",
    [
        edge(ip=""),
        edge(version="v1.31.14"),
        edge(cordoned=True, ready=Condition(type="Ready", status="Unknown")),
    ],
)
def test_who_is_not_asked(other: Any) -> None:
    site = Site()
    assert probe(site, other) == TunnelProbes()
    assert not site.asked


def test_an_edge_with_an_ipv6_address_is_asked_by_its_name() -> None:
    site = Site()
    assert [(one.edge, one.key) for one in probe(site, edge(ip="fd00::2")).items] == [("edge1", "edge1")]
    assert site.hosts() == ["edge1"]


def test_an_edge_without_a_tunnel_yet_is_asked_of_the_only_cloudcore() -> None:
    assert [one.edge for one in probe(Site(), edge(port=10350)).items] == ["edge1"]


def test_with_several_cloudcores_the_port_says_which_one_to_ask() -> None:
    on = record(**{"10_99_0_1": 10351, "10_99_0_5": 10352})
    both = StreamServers(
        {ip: StreamServer(ip, 10003, http(404, certificate=b"c")) for ip in (CLOUD, "10.99.0.5")}
    )
    edges = EdgeNodes((edge(), edge("edge2", "10.99.0.3", 10352), edge("edge3", "10.99.0.4", 10350)))
    found = tunnel_probes(Wire(Site()), edges, on, both, targets())
    assert isinstance(found, TunnelProbes)
    assert [(one.edge, one.cloudcore) for one in found.items] == [("edge1", CLOUD), ("edge2", "10.99.0.5")]


def test_of_very_many_edges_fifty_are_asked_the_suspicious_ones_first() -> None:
    silent = Condition(type="Ready", status="Unknown")
    edges = [edge(f"edge{n:04}", f"10.98.{n >> 8}.{n & 255}") for n in range(1000)]
    edges[777] = edge("edge0777", "10.98.3.9", ready=silent)
    site = Site()
    found = probe(site, *edges)
    names = [one.edge for one in found.items]
    assert (len(names), found.left_out) == (MOST_EDGES, 950)
    assert "edge0777" in names
    assert names == sorted(names)
    assert {int(name[-4:]) // 250 for name in names} == {0, 1, 2, 3}


def test_only_ports_on_record_are_tried() -> None:
    site = Site()
    edges = EdgeNodes((edge(), edge("edge2", "10.99.0.3", 10350)))
    found = diversion_probes(Wire(site), edges, record())
    assert isinstance(found, DiversionProbes)
    assert [one.edge for one in found.on(10351)] == ["edge1"]
    assert [one.url for one in site.asked if isinstance(one, GetHttp)] == ["https://10.99.0.2:10351/"]


def test_stream_servers_are_those_on_record() -> None:
    site = Site()
    found = stream_servers(Wire(site), record(), targets())
    assert isinstance(found, StreamServers)
    assert (found.alive(CLOUD), found.certificates) == (True, {b"cloudcore"})
    assert len(site.asked) == 1


def test_a_bundle_without_probes_has_no_such_fact() -> None:
    class Bundle(Answers):
        def observe(self, request: Any) -> Any:
            return MISSING

    wire = Wire(Bundle({}))
    assert stream_servers(wire, record(), targets()) is MISSING
    assert diversion_probes(wire, EdgeNodes((edge(),)), record()) is MISSING


def test_unknown_targets_are_tried_and_known_ones_are_not() -> None:
    site = Site()
    view = nat(
        nft=[
            rule(to="--to-destination 10.99.0.77:10003"),
            rule(10352),
            rule(10353, "--to-destination 10.9.9.9:80"),
        ]
    )
    target_probes(Wire(site), view, targets())
    assert [one.url for one in site.asked if isinstance(one, GetHttp)] == ["https://10.99.0.77:10003/"]


def test_asking_in_parallel_keeps_the_order_and_lets_errors_out() -> None:
    assert ask_all(lambda n: n * n, list(range(50)), workers=7) == [n * n for n in range(50)]
    assert ask_all(lambda n: n, [], workers=7) == []
    with pytest.raises(ZeroDivisionError):
        ask_all(lambda n: 1 // n, [1, 0, 2])
    assert spread(range(10), 3) == (0, 3, 6)
