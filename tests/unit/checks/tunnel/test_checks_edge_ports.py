"""KE504, KE507, KE510, KE922: listeners, exposure and how an edge finds itself."""

from __future__ import annotations

import pytest
from edge_samples import (
    HELD,
    LISTENS,
    NAME,
    NOT_RECORDED,
    bilingual,
    config,
    edited,
    later,
    log,
    said,
    sockets,
)

from kedoctor.api import Addresses, Connection, Finding, HostContext, Reason, Status, Unavailable
from kedoctor.checks.facts.edge.host import EdgeAddresses
from kedoctor.checks.facts.edge.routing import EdgeNames, StreamReach
from kedoctor.checks.facts.edge.version import EdgecoreRelease
from kedoctor.checks.parsers.host_port import HostPort
from kedoctor.checks.parsers.releases import parse
from kedoctor.checks.tunnel.foreign_listeners import edge_exposure, foreign_listeners
from kedoctor.checks.tunnel.host_routing import host_routing, stream_exposed
from kedoctor.model.observations.network import InterfaceAddress

EDGE = HostContext("edge1", frozenset({"edge"}))
BOTH = HostContext("edge1", frozenset({"edge", "cloud"}))
MOSQUITTO = "LISTEN 0.0.0.0:1883 0.0.0.0:0 mosquitto"


def listeners(*lines: str, vantage: HostContext = EDGE) -> Finding:
    finding = foreign_listeners(sockets(*lines), NAME, vantage, config())
    bilingual(finding)
    return finding


def test_the_listeners_of_a_healthy_edge() -> None:
    assert listeners(LISTENS, MOSQUITTO, HELD).status is Status.PASS
    assert listeners().status is Status.PASS


def test_a_stranger_where_edged_listens() -> None:
    finding = listeners("LISTEN 0.0.0.0:10350 0.0.0.0:0 nginx")
    assert (finding.status, finding.breaks) == (Status.FAIL, None)
    assert "nginx" in finding.summary.en


@pytest.mark.parametrize(("port", "process"), [(10004, "socat"), (10250, "kubelet"), (1883, "python3")])
def test_other_strangers_are_advice(port: int, process: str) -> None:
    line = f"LISTEN 0.0.0.0:{port} 0.0.0.0:0 {process}"
    finding = listeners(LISTENS, line)
    assert (finding.status, finding.breaks, finding.hop) == (Status.WARN, (), "")
    if port != 1883:
        assert listeners(LISTENS, line, vantage=BOTH).status is Status.PASS, "a cloud host has a kubelet"


def test_a_listener_without_a_visible_owner_is_not_blamed() -> None:
    assert listeners("LISTEN 0.0.0.0:10250 0.0.0.0:0").status is Status.PASS


# ------------------------------------------------------------------------------------------- KE922


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (LISTENS, Status.PASS),
        ("LISTEN 0.0.0.0:10350 0.0.0.0:0 edgecore", Status.WARN),
        ("LISTEN 169.254.30.10:10550 0.0.0.0:0 edgecore", Status.PASS),
        ("LISTEN 10.99.0.2:10550 0.0.0.0:0 edgecore", Status.WARN),
        ("LISTEN 0.0.0.0:10350 0.0.0.0:0 nginx", Status.PASS),
    ],
)
def test_what_is_open_to_the_network(line: str, status: Status) -> None:
    finding = edge_exposure(sockets(line), NAME)
    bilingual(finding)
    assert finding.status is status


# ------------------------------------------------------------------------------------------- KE507

STREAM = HostPort("10.99.0.1", 10003)


def test_the_stream_port_of_the_cloud() -> None:
    open_ = stream_exposed(StreamReach(STREAM, Connection("10.99.0.1", 0.001)), NAME, EDGE)
    bilingual(open_)
    assert open_.status is Status.WARN
    assert (
        stream_exposed(StreamReach(STREAM, Connection("10.99.0.1", 0.001)), NAME, BOTH).status is Status.SKIP
    )
    refused = StreamReach(STREAM, Unavailable(Reason.REFUSED, "TCP"))
    assert stream_exposed(refused, NAME, EDGE).status is Status.PASS
    assert stream_exposed(StreamReach(STREAM, NOT_RECORDED), NAME, EDGE).status is Status.UNKNOWN


# ------------------------------------------------------------------------------------------- KE510

ROUTED = EdgeAddresses(Addresses((InterfaceAddress("eth0", "10.99.0.2", 24),), "eth0", "10.99.0.254"))
UNROUTED = EdgeAddresses(Addresses((InterfaceAddress("eth0", "10.99.0.2", 24),)))
NAMES = EdgeNames((("127.0.0.1", ("localhost",)),), "edge1")
UNREAD = EdgeNames(None, "edge1")


def routing(
    addresses: EdgeAddresses,
    names: EdgeNames = NAMES,
    text: str = "",
    *held: str,
    edged: str = "",
    release: str = "v1.22.0",
) -> Finding:
    version = EdgecoreRelease(parse(release), release)
    finding = host_routing(
        edited(edged=edged), addresses, names, log=log(text), sockets=sockets(*held), version=version
    )
    bilingual(finding)
    return finding


def test_an_edge_that_knows_its_address() -> None:
    assert routing(ROUTED).status is Status.PASS
    assert routing(ROUTED, UNREAD).status is Status.PASS
    assert routing(UNROUTED, edged="    nodeIP: 10.99.0.2\n").status is Status.PASS
    named = EdgeNames((("127.0.0.1", ("localhost",)), ("10.99.0.2", ("edge1",))), "edge1")
    assert routing(UNROUTED, named).status is Status.PASS
    assert routing(UNROUTED, NAMES, "", HELD).status is Status.PASS, "the tunnel is up"
    assert routing(UNROUTED, UNREAD).status is Status.PASS, "not known is not a fault"


def test_an_edge_without_an_address() -> None:
    assert routing(UNROUTED).status is Status.FAIL
    line = said(later(5), "E TLSClientConnect error failed to get Local IP address")
    assert routing(UNROUTED, UNREAD, line).status is Status.FAIL


def test_a_localhost_that_leads_elsewhere() -> None:
    finding = routing(ROUTED, EdgeNames((("10.99.0.2", ("localhost",)),), "edge1"))
    assert (finding.status, finding.breaks) == (Status.WARN, ())
