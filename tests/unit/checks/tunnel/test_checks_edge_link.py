"""KE205, KE502, KE503, KE505: listeners, the tunnel and the way to the cloud."""

from __future__ import annotations

from typing import Any

import pytest
from edge_samples import (
    HELD,
    LISTENS,
    NAME,
    NOT_RECORDED,
    NOW,
    Pki,
    bilingual,
    config,
    edited,
    later,
    log,
    said,
    sockets,
    unit,
)

from kedoctor.api import Connection, EveryHost, Finding, HttpAnswer, Reason, Status, TlsPeer, Unavailable
from kedoctor.checks.edgecore.edged import edged_address, edged_listener
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreConfig
from kedoctor.checks.facts.edge.clock import HostTime
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig
from kedoctor.checks.facts.edge.edgecore_log import EdgecoreLog
from kedoctor.checks.facts.edge.sockets_and_probes import CloudPorts, EdgedHealth, EdgeSockets, PortProbe
from kedoctor.checks.facts.edge.trust import cloud_authorities
from kedoctor.checks.parsers.host_port import HostPort
from kedoctor.checks.parsers.logs.dial_errors import dial_meaning
from kedoctor.checks.tunnel.cloud_reachable import cloud_reachable
from kedoctor.checks.tunnel.established import tunnel_established
from kedoctor.pki.certificates import read_certificates
from kedoctor.yaml.document import load

OK = EdgedHealth(HttpAnswer(200, b"ok"))
DIAL = "E dial wss://10.99.0.1:10004/v1/kubeedge/connect error dial tcp 10.99.0.1:10004: "
START = "I Start a new tunnel stream connection ..."

ALONE: dict[str, Any] = {"hosts": EveryHost({}), "probes": EveryHost({}), "edges": NOT_RECORDED}
"""Nothing but the edge in view."""


def dialled(seconds: float, error: str = "") -> str:
    text = said(later(seconds, NOW), START)
    return text + (said(later(seconds + 0.5, NOW), DIAL + error, source="edgestream.go:147") if error else "")


# ------------------------------------------------------------------------------------------ KE205, KE502


@pytest.mark.parametrize(
    ("address", "port", "status", "breaks", "words"),
    [
        ("127.0.0.1", 10350, Status.PASS, None, ""),
        ("0.0.0.0", 10350, Status.FAIL, (), "without a password"),
        ('"::"', 10350, Status.FAIL, (), "without a password"),
        ("10.99.0.2", 10350, Status.FAIL, None, "10.99.0.2 only"),
        ("127.0.0.1", 10255, Status.FAIL, None, "10255"),
        ("127.0.0.1", 0, Status.FAIL, None, "serves nothing"),
    ],
)
def test_where_edged_is_told_to_listen(
    address: str, port: int, status: Status, breaks: tuple[str, ...] | None, words: str
) -> None:
    told = f"    tailoredKubeletConfig:\n      address: {address}\n      readOnlyPort: {port}\n"
    finding = edged_address(edited(edged=told))
    bilingual(finding)
    assert (finding.status, finding.breaks) == (status, breaks)
    assert words in finding.summary.en


def test_the_defaults_are_right() -> None:
    assert edged_address(config()).status is Status.PASS


def listener(seen: EdgeSockets, health: EdgedHealth = OK) -> Finding:
    finding = edged_listener(seen, health, NAME)
    bilingual(finding)
    return finding


def test_edged_answers() -> None:
    assert listener(sockets(LISTENS)).status is Status.PASS
    assert listener(sockets("LISTEN 0.0.0.0:10350 0.0.0.0:0 edgecore")).status is Status.PASS
    assert listener(sockets("LISTEN 127.0.0.1:10350 0.0.0.0:0", complete=False)).status is Status.PASS


def test_a_listener_whose_health_was_not_asked() -> None:
    finding = listener(sockets(LISTENS), EdgedHealth(NOT_RECORDED))
    assert finding.status is Status.PASS
    assert "was not asked" in finding.summary.en


def test_nobody_listens_where_the_cloud_asks() -> None:
    assert listener(sockets()).status is Status.FAIL
    elsewhere = listener(sockets("LISTEN 10.99.0.2:10350 0.0.0.0:0 edgecore"))
    assert (elsewhere.status, str(elsewhere.actual)) == (Status.FAIL, "listens on 10.99.0.2:10350 only")


def test_somebody_else_holds_the_port() -> None:
    finding = listener(sockets("LISTEN 127.0.0.1:10350 0.0.0.0:0 nginx"))
    assert finding.status is Status.FAIL
    assert "nginx" in finding.summary.en


def test_edged_that_is_not_well() -> None:
    assert (
        listener(sockets(LISTENS), EdgedHealth(Unavailable(Reason.TIMEOUT, "GET healthz"))).status
        is Status.FAIL
    )
    ill = listener(sockets(LISTENS), EdgedHealth(HttpAnswer(500, b"PLEG is not healthy")))
    assert (ill.status, ill.breaks) == (Status.WARN, ())


# ------------------------------------------------------------------------------------------------ KE503


def tunnel(seen: EdgeSockets, text: str = "", *, runs: bool = True, age: float = 3600) -> Finding:
    now = later(1, NOW)
    read = log(text, now) if text else NOT_RECORDED
    finding = tunnel_established(
        config(), seen, unit(runs=runs, since=later(-age, NOW)), read, HostTime(now), **ALONE
    )
    bilingual(finding)
    return finding


def test_a_tunnel_that_is_held() -> None:
    assert tunnel(sockets(HELD)).status is Status.PASS
    assert tunnel(sockets(HELD), dialled(-3600)).status is Status.PASS


def test_errors_before_it_are_history() -> None:
    assert (
        tunnel(sockets(HELD), dialled(-40, "connect: connection refused") + dialled(-38)).status
        is Status.PASS
    )


def test_a_connection_that_is_dying() -> None:
    finding = tunnel(
        sockets(HELD),
        dialled(-4, "write: connection reset by peer") + dialled(-2, "write: connection reset by peer"),
    )
    assert finding.status is Status.FAIL
    assert "hung up" in finding.summary.en


def test_a_connection_that_is_a_second_old_after_errors() -> None:
    finding = tunnel(sockets(HELD), dialled(-4, "write: connection reset by peer") + dialled(-1))
    assert finding.status is Status.UNKNOWN


def test_other_connections_are_no_tunnel() -> None:
    others = sockets(
        HELD.replace(":10004", ":10000"),
        HELD.replace("edgecore", "curl"),
        "LISTEN 0.0.0.0:10004 0.0.0.0:0 nc",
    )
    assert tunnel(others).status is Status.FAIL


def test_packets_that_vanish() -> None:
    finding = tunnel(
        sockets("SYN_SENT 10.99.0.2:48658 10.99.0.1:10004 edgecore"), dialled(-31, "i/o timeout") + dialled(0)
    )
    assert finding.status is Status.FAIL
    assert "vanish" in finding.summary.en
    assert "SYN-SENT" in finding.evidence[0].excerpt
    assert "dropped" in tunnel(sockets("SYN_SENT 10.99.0.2:48658 10.99.0.1:10004 edgecore")).summary.en


def test_a_young_edgecore_gets_its_time() -> None:
    assert tunnel(sockets(), age=10).status is Status.UNKNOWN
    assert tunnel(sockets(), dialled(-2, "connect: connection refused"), age=10).status is Status.FAIL


def test_no_tunnel_where_edgestream_is_off() -> None:
    finding = tunnel_established(
        edited(enable="false"), sockets(), unit(), NOT_RECORDED, HostTime(NOW), **ALONE
    )
    bilingual(finding)
    assert finding.status is Status.FAIL
    still = tunnel_established(
        edited(enable="false"), sockets(HELD), unit(), NOT_RECORDED, HostTime(NOW), **ALONE
    )
    assert still.status is Status.PASS, "the file was changed, the process was not"


@pytest.mark.parametrize(
    ("error", "leg"),
    [
        ("dial tcp 127.0.0.1:10004: connect: connection refused", "tcp"),
        ("dial tcp 10.99.0.1:10004: i/o timeout", "tcp"),
        ("remote error: tls: expired certificate", "tls"),
        ("websocket: bad handshake", "http"),
        ("failed to get Local IP address", "local"),
    ],
)
def test_dial_errors(error: str, leg: str) -> None:
    meaning = dial_meaning(error)
    assert meaning is not None
    assert meaning.leg == leg
    assert dial_meaning("something else") is None


# ------------------------------------------------------------------------------------------------ KE505

PKI = Pki()
LEAF = read_certificates(PKI.edge.certificate)[0].der
REACHED = Connection("10.99.0.1", 0.001)
GOOD = TlsPeer((LEAF,), "TLSv1.3", "certificate required")


def probe(
    role: str, tcp: Connection | Unavailable = REACHED, tls: TlsPeer | Unavailable | None = GOOD
) -> PortProbe:
    ports = {"hub": 10000, "https": 10002, "tunnel": 10004}
    return PortProbe(role, HostPort("10.99.0.1", ports[role]), tcp, tls)


def reach(
    *probes: PortProbe,
    seen: EdgeSockets | Unavailable = NOT_RECORDED,
    said_: EdgecoreLog | Unavailable = NOT_RECORDED,
    pki: Pki = PKI,
    own: EdgecoreConfig | None = None,
    cloudcore: CloudcoreConfig | Unavailable = NOT_RECORDED,
) -> list[Finding]:
    findings = list(
        cloud_reachable(
            config=own or config(),
            ports=CloudPorts(probes),
            authorities=cloud_authorities(NOT_RECORDED, NOT_RECORDED, pki.files()),
            cloudcore=cloudcore,
            unit=unit(),
            sockets=seen,
            log=said_,
        )
    )
    for finding in findings:
        bilingual(finding)
        assert finding.node == "edge1"
    return findings


def test_all_ports_reached() -> None:
    assert {one.status for one in reach(probe("hub"), probe("https"), probe("tunnel"))} == {Status.PASS}


@pytest.mark.parametrize("reason", [Reason.REFUSED, Reason.TIMEOUT, Reason.UNREACHABLE])
@pytest.mark.parametrize(
    ("role", "breaks", "hop"),
    [
        ("hub", ("ready",), "link"),
        ("https", ("install",), "certificates"),
        ("tunnel", ("logs", "exec", "attach", "top"), "tunnel"),
    ],
)
def test_each_port_breaks_its_own(role: str, reason: Reason, breaks: tuple[str, ...], hop: str) -> None:
    closed = Unavailable(reason, "TCP connection to the cloud")
    others = [probe(one) for one in ("hub", "https", "tunnel") if one != role]
    (finding,) = [one for one in reach(probe(role, closed, None), *others) if one.status is Status.FAIL]
    assert (finding.breaks, finding.hop) == (breaks, hop)


@pytest.mark.parametrize("reason", [Reason.REFUSED, Reason.TIMEOUT, Reason.UNREACHABLE])
def test_a_host_none_of_whose_ports_answers_is_one_fault(reason: Reason) -> None:
    closed = Unavailable(reason, "TCP connection to the cloud")
    (finding,) = reach(*(probe(role, closed, None) for role in ("hub", "https", "tunnel")))
    assert finding.status is Status.FAIL
    assert set(finding.breaks or ()) == {"ready", "install", "logs", "exec", "attach", "top"}
    assert "10000, 10002 and 10004" in finding.summary.en
    mixed = reach(
        probe("hub", closed, None),
        probe("https", Unavailable(Reason.PERMISSION, "TCP"), None),
        probe("tunnel"),
    )
    assert [one.status for one in mixed] == [Status.FAIL, Status.UNKNOWN, Status.PASS]


def test_no_tls_behind_the_port() -> None:
    (finding,) = reach(probe("hub", tls=Unavailable(Reason.INVALID, "TLS", "the server speaks plain HTTP")))
    assert finding.status is Status.FAIL
    assert "plain HTTP" in finding.summary.en


def test_another_server_answers() -> None:
    hub, tunnel_ = reach(probe("hub"), probe("tunnel"), pki=Pki())
    assert (hub.status, tunnel_.status) == (Status.FAIL, Status.WARN), "the edge does not verify 10004"


def test_a_closed_port_that_another_check_explains_is_left_to_it() -> None:
    closed = Unavailable(Reason.REFUSED, "TCP connection")
    hub, tunnel_ = reach(
        probe("hub", closed, None), probe("tunnel", closed, None), own=edited(server="127.0.0.1:10004")
    )
    assert (hub.status, tunnel_.status) == (Status.FAIL, Status.SKIP)
    off = CloudcoreConfig(load("a: b"), {"modules": {"cloudStream": {"enable": False}}})
    hub, tunnel_ = reach(probe("hub", closed, None), probe("tunnel", closed, None), cloudcore=off)
    assert (hub.status, tunnel_.status) == (Status.FAIL, Status.SKIP)


def unprobed(role: str) -> PortProbe:
    return probe(role, NOT_RECORDED, None)


def test_an_old_connection_says_nothing_about_new_ones() -> None:
    (finding,) = reach(unprobed("tunnel"), seen=sockets(HELD))
    assert finding.status is Status.UNKNOWN


def test_what_the_kernel_and_the_log_prove_without_a_probe() -> None:
    seen = sockets("SYN_SENT 10.99.0.2:48658 10.99.0.1:10004 edgecore")
    (finding,) = reach(
        unprobed("tunnel"), seen=seen, said_=log(dialled(-31, "i/o timeout") + dialled(0), NOW)
    )
    assert (finding.status, finding.hop) == (Status.FAIL, "tunnel")


def test_a_short_row_of_refusals_may_be_a_restart() -> None:
    short = log("".join(dialled(at, "connect: connection refused") for at in range(-10, 0, 2)), NOW)
    lasting = log("".join(dialled(at, "connect: connection refused") for at in range(-60, 0, 2)), NOW)
    assert reach(unprobed("tunnel"), seen=sockets(), said_=short)[0].status is Status.UNKNOWN
    assert reach(unprobed("tunnel"), seen=sockets(), said_=lasting)[0].status is Status.FAIL
    assert reach(unprobed("tunnel"), seen=sockets(HELD), said_=lasting)[0].status is Status.UNKNOWN


def test_a_refused_certificate_is_no_closed_port() -> None:
    refused = log("".join(dialled(at, "write: connection reset by peer") for at in range(-60, 0, 2)), NOW)
    assert reach(unprobed("tunnel"), seen=sockets(), said_=refused)[0].status is Status.UNKNOWN


def test_the_hub_by_its_own_lines() -> None:
    hub = "E dial websocket error(dial tcp 10.99.0.1:10000: connect: connection refused), response message: "
    row = "".join(said(later(at, NOW), hub, source="ws.go:84") for at in range(-60, 0, 5))
    assert reach(unprobed("hub"), seen=sockets(), said_=log(row, NOW))[0].status is Status.FAIL
    good = row + said(NOW, "I Websocket connect to cloud access successful", source="websocket.go:93")
    assert reach(unprobed("hub"), seen=sockets(), said_=log(good, NOW))[0].status is Status.UNKNOWN
