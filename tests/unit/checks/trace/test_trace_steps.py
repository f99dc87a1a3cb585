"""The judgement of every step of the traces, on facts: what each answer means and where it points."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from cloud_samples import (
    APISERVER,
    CLOUD,
    MISSING,
    addresses,
    edge,
    http,
    manager,
    nat,
    record,
    rule,
    targets,
)

from kedoctor.api import (
    EveryHost,
    HostContext,
    Reason,
    StepResult,
    StepState,
    TlsPeer,
    TraceTarget,
    Unavailable,
)
from kedoctor.checks.facts.cloud.apiserver_flags import ApiserverArguments, Setting
from kedoctor.checks.facts.cloud.cloud_host import CloudProcesses
from kedoctor.checks.facts.cloud.diversion_probes import (
    DiversionProbe,
    DiversionProbes,
    StreamServer,
    StreamServers,
    TunnelProbe,
)
from kedoctor.checks.facts.cluster.nodes import EdgeNode, EdgeNodes
from kedoctor.checks.facts.edge.routing import EdgeNames
from kedoctor.checks.trace import TRACES
from kedoctor.checks.trace.address import api_server, dialled_address
from kedoctor.checks.trace.diversion import nat_path
from kedoctor.checks.trace.probes import (
    SessionProbes,
    TracedPeer,
    dialled_port,
    traced_diversion,
)
from kedoctor.checks.trace.session import session
from kedoctor.checks.trace.step_results import off_api, off_apiserver, off_cloud, off_edge
from kedoctor.checks.trace.target import Traced
from kedoctor.checks.trace.tls_peer import who_answers
from kedoctor.model.observations.wire import Connection
from kedoctor.pki.certificates import make_ca, read_certificates

OK, BROKEN, UNKNOWN, NOT_SEEN = StepState.OK, StepState.BROKEN, StepState.UNKNOWN, StepState.NOT_SEEN
UNASKED = TracedPeer()
LOGS, TOP = TraceTarget("logs", "default/web"), TraceTarget("top", "edge1")
TRACED = Traced("default/web", "edge1")
STATS = b'{"node": {"nodeName": "edge1"}}'
STREAM = StreamServers({CLOUD: StreamServer(CLOUD, 10003, http(404, b"404", b"cloudcore"))})
TIMEOUT = Unavailable(Reason.TIMEOUT, "GET", "no answer within 8 s")
REFUSED = Unavailable(Reason.REFUSED, "GET", "connection refused")


def said(result: StepResult) -> tuple[StepState, str, str]:
    """State, hop and code; every sentence is there in both languages."""
    assert result.seen.en[-1] in ".`"
    assert re.search("[一-鿿]", result.seen.zh)
    return result.state, result.hop, result.code


# ------------------------------------------------------------------------------------------- what is seen


def test_each_trace_ends_with_its_request_and_what_it_left() -> None:
    names = {one.name: [judge.__kedoctor_step__.name for judge in one.steps] for one in TRACES}
    way = ["api", "address", "answer", "nat", "session", "node-proxy", "tunnel", "edged", "runtime"]
    assert names == {
        "logs": [*way, "logs", "edgecore-kept"],
        "exec": [*way, "exec", "edgecore-kept"],
        "attach": [*way, "attach", "edgecore-kept"],
        "top": [*way, "apiservice", "metrics-server", "top"],
    }
    for one in TRACES:
        declared = [judge.__kedoctor_step__ for judge in one.steps]
        assert [step.name for step in declared if step.proof] == [one.name]
        assert all(step.title.en and step.title.zh for step in declared)


def test_a_hop_that_is_seen_elsewhere_says_where() -> None:
    laptop, cloud = HostContext("laptop", frozenset()), HostContext("cloud", frozenset({"cloud"}))
    assert off_cloud(cloud, LOGS) is None
    assert off_apiserver(APISERVER, LOGS) is None
    assert off_edge(Traced("edge1", "edge1", here=True), LOGS) is None
    assert off_api(TRACED, LOGS) is None
    without_api = Traced("edge1", "edge1", here=True, api=MISSING)
    unseen = {
        "on the cloud host": off_cloud(laptop, LOGS),
        "on the API server's host": off_apiserver(CloudProcesses(), LOGS),
        "on edge1 itself": off_edge(TRACED, LOGS),
        "where kubectl works": off_api(without_api, LOGS),
    }
    for where, found in unseen.items():
        assert found is not None
        assert said(found)[0] is NOT_SEEN
        assert found.where is not None
        assert found.where.en == where
    named = off_cloud(laptop, TraceTarget("exec", "web", "shop"))
    assert named is not None
    assert "`sudo kedoctor trace exec web -n shop`" in named.seen.en


def test_the_api_server_knows_what_was_named() -> None:
    assert said(api_server(TRACED))[0] is OK
    assert "not Ready" in api_server(Traced("edge1", "edge1", ready=False)).seen.en


# ---------------------------------------------------------------------------------------- address and port


def address(
    node: EdgeNode, arguments: ApiserverArguments | None = None, hosts: Any = (), **how: Any
) -> StepResult:
    given = {} if arguments is None else {"cloud": arguments}
    return dialled_address(
        EdgeNodes((node,)),
        how.get("record", record()),
        EveryHost(given),
        EveryHost({"cloud": EdgeNames(hosts, "cloud")}),
        workload=MISSING,
        target=LOGS,
    )


def preferring(order: str) -> ApiserverArguments:
    return ApiserverArguments(
        is_k3s=False, flags={"kubelet-preferred-address-types": Setting(order, "command line")}
    )


def test_the_address_and_port_and_why() -> None:
    found = address(edge())
    assert said(found) == (OK, "", "")
    assert "dials 10.99.0.2:10351" in found.seen.en
    assert "InternalIP, which kubeadm and K3s put first" in found.seen.en
    assert "on record for cloudcore 10.99.0.1" in found.seen.en
    assert "InternalIP comes first (--kubelet-" in address(edge(), preferring("InternalIP,Hostname")).seen.en


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (edge(port=0), (BROKEN, "", "KE301")),
        (edge(port=10350), (BROKEN, "", "KE301")),
        (edge(port=10399), (BROKEN, "", "KE301")),
        (edge(ip=""), (BROKEN, "", "KE311")),
    ],
)
def test_a_port_or_address_that_is_wrong(node: EdgeNode, expected: tuple[StepState, str, str]) -> None:
    assert said(address(node)) == expected


def test_a_record_that_was_not_read_leaves_the_port_open() -> None:
    assert said(address(edge(), record=MISSING)) == (UNKNOWN, "", "KE301")


def test_no_port_is_dialled_as_the_kubelet_s() -> None:
    assert (dialled_port(edge(port=0)), dialled_port(edge())) == (10250, 10351)


# ------------------------------------------------------------------------------------------- who is there


def answered(
    answer: Any, peer: TracedPeer = UNASKED, *, port: int = 10351, servers: Any = STREAM
) -> StepResult:
    probes = DiversionProbes((DiversionProbe("edge1", "10.99.0.2", port, answer),))
    return who_answers(probes, peer, servers, record(), processes=APISERVER, target=LOGS)


def test_whose_certificate_is_told() -> None:
    der = read_certificates(make_ca("somebody-ca", datetime(2026, 1, 1, tzinfo=UTC), 365).certificate)[0].der
    found = answered(http(404, b"", der))
    assert said(found) == (BROKEN, "", "KE309")
    assert "CN=somebody-ca" in found.seen.en
    here = StreamServers({CLOUD: StreamServer(CLOUD, 10003, http(404, b"", der))})
    assert "TLS with certificate CN=somebody-ca" in answered(http(404, b"", der), servers=here).seen.en


@pytest.mark.parametrize(
    ("answer", "peer", "words"),
    [
        (REFUSED, TracedPeer(), "refused"),
        (TIMEOUT, TracedPeer(TIMEOUT), "no answer in time"),
        (TIMEOUT, TracedPeer(Connection("10.99.0.2", 0.1)), "takes the connection and then says nothing"),
        (
            Unavailable(Reason.ERROR, "GET", "certificate required"),
            TracedPeer(None, TlsPeer((b"no DER",), alert="certificate required")),
            "ends the handshake: certificate required",
        ),
        (
            Unavailable(Reason.INVALID, "GET", "no TLS"),
            TracedPeer(None, Unavailable(Reason.INVALID, "tls", "it speaks plain HTTP")),
            "does not speak TLS",
        ),
    ],
)
def test_how_far_a_connection_gets(answer: Any, peer: TracedPeer, words: str) -> None:
    found = answered(answer, peer)
    assert said(found) == (BROKEN, "", "KE309")
    assert words in found.seen.en


def test_at_a_port_that_is_on_no_record_nothing_is_judged() -> None:
    found = answered(REFUSED, port=10350)
    assert said(found) == (UNKNOWN, "", "")
    assert "on no record" in found.seen.en
    assert said(answered(http(404, b"", b"cloudcore"), port=10350))[0] is OK


# ------------------------------------------------------------------------------------------- the NAT path


def path(rules: Any, node: EdgeNode | None = None, **how: Any) -> StepResult:
    found = traced_diversion(rules, EdgeNodes((node or edge(),)), record(), addresses())
    return nat_path(
        rules,
        found,
        record(),
        targets(),
        probes=MISSING,
        servers=how.get("servers", STREAM),
        processes=APISERVER,
        metrics=MISSING,
        addresses=addresses(),
        target=LOGS,
    )


def test_the_rule_that_acts_is_named_with_its_place() -> None:
    found = path(nat(legacy=manager(10351)))
    assert said(found) == (OK, "", "")
    assert (
        "goes to 10.99.0.1:10003, by a rule of iptables-manager (iptables-legacy, chain TUNNEL-PORT, rule 1)"
        in (found.seen.en)
    )


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        (nat(), "KE303"),
        (nat(legacy=manager(10350)), "KE303"),
        (nat(nft=(rule(to="--to-destination 10.99.0.1:9999"),)), "KE304"),
        (nat(nft=(rule(to="--to-destination 10.96.129.161:10003"),)), "KE304"),
    ],
)
def test_no_rule_or_one_that_leads_elsewhere(rules: Any, code: str) -> None:
    assert said(path(rules)) == (BROKEN, "", code)


def test_a_rule_for_a_port_on_no_record_is_not_judged() -> None:
    found = path(nat(legacy=manager(10351)), edge(port=10350))
    assert said(found) == (UNKNOWN, "", "")
    assert "nowhere else than 10.99.0.2:10350" in found.seen.en


# --------------------------------------------------------------------------------------------- the session


def asked(by_address: Any, by_name: Any, target: TraceTarget = LOGS) -> StepResult:
    probes = SessionProbes(
        CLOUD,
        None if by_address is None else TunnelProbe("edge1", "10.99.0.2", CLOUD, by_address),
        TunnelProbe("edge1", "edge1", CLOUD, by_name),
    )
    return session(STREAM, probes, target)


LIVE = http(200, STATS)
OTHER = http(200, b'{"node": {"nodeName": "edge2"}}')


@pytest.mark.parametrize(
    ("by_address", "by_name", "logs", "top"),
    [
        (LIVE, LIVE, (OK, "", ""), (OK, "", "")),
        (http(500), http(500), (BROKEN, "", "KE508"), (BROKEN, "", "KE508")),
        (http(200), http(200), (BROKEN, "", "KE508"), (BROKEN, "", "KE508")),
        (TIMEOUT, TIMEOUT, (BROKEN, "tunnel", "KE508"), (BROKEN, "tunnel", "KE508")),
        (http(500), LIVE, (OK, "", ""), (BROKEN, "", "KE508")),
        (OTHER, LIVE, (OK, "", ""), (BROKEN, "", "KE508")),
        (LIVE, http(500), (BROKEN, "", "KE213"), (OK, "", "")),
        (None, LIVE, (OK, "", ""), (BROKEN, "address", "KE311")),
        (REFUSED, REFUSED, (UNKNOWN, "", "KE508"), (UNKNOWN, "", "KE508")),
    ],
)
def test_the_session_by_name_for_logs_and_by_address_for_top(
    by_address: Any, by_name: Any, logs: tuple[StepState, str, str], top: tuple[StepState, str, str]
) -> None:
    assert said(asked(by_address, by_name)) == logs
    assert said(asked(by_address, by_name, TOP)) == top


def test_a_stream_server_that_is_down() -> None:
    down = StreamServers({CLOUD: StreamServer(CLOUD, 10003, REFUSED)})
    nobody = Unavailable(Reason.ABSENT, "the session", "no cloudcore answers")
    assert said(session(down, nobody, LOGS)) == (BROKEN, "stream", "KE508")
    assert said(session(MISSING, nobody, LOGS)) == (UNKNOWN, "", "KE105")
