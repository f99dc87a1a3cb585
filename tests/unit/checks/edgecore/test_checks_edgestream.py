"""KE202, KE203, KE204: the edgeStream section."""

from __future__ import annotations

from dataclasses import replace

import pytest
from edge_samples import (
    HELD,
    NOT_RECORDED,
    YAML,
    Pki,
    bilingual,
    config,
    edited,
    later,
    log,
    metadata,
    said,
    sockets,
    unit,
)

from kedoctor.api import Certainty, Finding, Reason, Status, Unavailable
from kedoctor.checks.edgecore.edgestream import edgestream_enabled, edgestream_server
from kedoctor.checks.edgecore.edgestream_certificate import edgestream_cert_paths
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig

REGISTERED = said(later(0), "I Module edgestream registered successfully", source="module.go:90")
DISABLED = said(later(0), "W Module edgestream is disabled, do not register", source="module.go:93")


def server(value: EdgecoreConfig, *held: str, **others: object) -> Finding:
    state = others.get("unit") or unit()
    seen = others.get("sockets") or sockets(*held)
    finding = edgestream_server(value, seen, state, NOT_RECORDED)  # type: ignore[arg-type]
    bilingual(finding)
    return finding


def test_edgestream_on() -> None:
    assert edgestream_enabled(config(), log(REGISTERED)).status is Status.PASS
    assert edgestream_enabled(config(), NOT_RECORDED).status is Status.PASS


@pytest.mark.parametrize("text", ["false", "no"])
def test_edgestream_off(text: str) -> None:
    finding = edgestream_enabled(edited(enable=text), log(DISABLED))
    bilingual(finding)
    assert (finding.status, finding.breaks) == (Status.FAIL, None)
    assert "is false" in finding.summary.en


def test_edgestream_left_out_is_off() -> None:
    finding = edgestream_enabled(config("modules:\n  edged:\n    hostnameOverride: edge1\n"), NOT_RECORDED)
    bilingual(finding)
    assert finding.status is Status.FAIL
    assert "not written" in finding.summary.en


def test_switched_on_but_not_restarted() -> None:
    finding = edgestream_enabled(config(), log(DISABLED))
    bilingual(finding)
    assert finding.status is Status.FAIL
    assert "before that" in finding.summary.en


def test_switched_off_but_not_restarted() -> None:
    finding = edgestream_enabled(edited(enable="false"), log(REGISTERED))
    bilingual(finding)
    assert (finding.status, finding.breaks) == (Status.WARN, ())


@pytest.mark.parametrize(
    "value", ["127.0.0.1:10004", "localhost:10004", '"[::1]:10004"', "0.0.0.0:10004", '":10004"']
)
def test_a_server_that_is_the_edge_itself(value: str) -> None:
    finding = server(edited(server=value))
    assert (finding.status, finding.certainty) == (Status.FAIL, Certainty.PROVED)
    assert finding.expected is not None
    assert finding.expected.en == "server: 10.99.0.1:10004"


def test_loopback_is_right_where_cloudcore_runs() -> None:
    assert server(edited(server="127.0.0.1:10004"), unit=unit(others=["cloudcore"])).status is Status.PASS


def test_what_is_connected_is_right_whatever_it_is_called() -> None:
    assert (
        server(edited(server="10.98.7.6:20004"), HELD.replace("10.99.0.1:10004", "10.98.7.6:20004")).status
        is Status.PASS
    )


@pytest.mark.parametrize(
    ("value", "hub", "words"),
    [
        ("10.99.0.1:10003", "10.99.0.1:10000", "stream server"),
        ("10.99.0.1:10000", "10.99.0.1:10000", "websocket"),
        ("10.98.0.9:10004", "10.99.0.1:10000", "edgeHub dials 10.99.0.1"),
        ("10.99.0.1:10004", "10.99.0.1:30000", "NodePort"),
        ("10.99.0.1:10005", "10.99.0.1:10000", "10004"),
        ("nonsense", "10.99.0.1:10000", "not a host:port"),
    ],
)
def test_wrong_places(value: str, hub: str, words: str) -> None:
    finding = server(edited(server=value, hub=hub))
    assert finding.status is Status.FAIL
    assert words in finding.summary.en


def test_another_host_is_only_a_warning_while_nobody_could_look() -> None:
    other = edited(server="10.98.0.9:10004")
    assert server(other, sockets=NOT_RECORDED).status is Status.WARN
    assert server(other, unit=unit(runs=False)).status is Status.WARN


def test_the_recorded_site_and_node_ports_are_right() -> None:
    assert server(config()).status is Status.PASS
    assert server(edited(server="10.99.0.1:30004", hub="10.99.0.1:30000")).status is Status.PASS


def test_the_pair_of_edgehub() -> None:
    pki = Pki()
    assert edgestream_cert_paths(config(), pki.files()).status is Status.PASS
    assert edgestream_cert_paths(edited(enable="false"), pki.files()).status is Status.SKIP


def test_another_pair() -> None:
    path = "/etc/kubeedge/certs/stream.crt"
    other = config(_yaml_with(f"    tlsTunnelCertFile: {path}\n"))
    there = replace(Pki().files(), tunnel_files={path: metadata(path)})
    finding = edgestream_cert_paths(other, there)
    bilingual(finding)
    assert (finding.status, finding.breaks) == (Status.WARN, ())
    gone = replace(there, tunnel_files={path: Unavailable(Reason.ABSENT, path)})
    finding = edgestream_cert_paths(other, gone)
    bilingual(finding)
    assert (finding.status, finding.breaks) == (Status.FAIL, None)
    empty = config(_yaml_with('    tlsTunnelCertFile: ""\n'))
    assert edgestream_cert_paths(empty, there).status is Status.FAIL
    closed = replace(there, tunnel_files={path: Unavailable(Reason.PERMISSION, path)})
    assert edgestream_cert_paths(other, closed).status is Status.UNKNOWN


def test_the_ca_of_the_tunnel_is_never_read_so_nothing_is_said_of_it() -> None:
    other = config(_yaml_with("    tlsTunnelCAFile: /nowhere\n"))
    assert edgestream_cert_paths(other, Pki().files()).status is Status.PASS


def _yaml_with(line: str) -> str:
    return YAML.replace("    server: 10.99.0.1:10004\n", f"    server: 10.99.0.1:10004\n{line}")
