"""KE214, KE714, KE719: proxies, the MQTT broker and metaServer of an edge (facts.md §11.5 to §11.7)."""

from __future__ import annotations

from typing import Any

import pytest
from cloudcore_samples import config as cloudcore
from edge_samples import (
    NOT_RECORDED,
    NOW,
    YAML,
    bilingual,
    config,
    later,
    log,
    metadata,
    said,
    sockets,
    unit,
)

from kedoctor.api import File, Finding, Status, Unit
from kedoctor.checks.edgecore.meta_server import edge_meta_server
from kedoctor.checks.edgecore.mqtt_broker import mqtt_broker
from kedoctor.checks.edgecore.proxy import edge_proxy
from kedoctor.checks.facts.edge.clock import HostTime
from kedoctor.checks.facts.edge.container_runtime import ContainerdSettings
from kedoctor.checks.facts.edge.proxies import EdgeProxies, UnitProxy, edge_proxies
from kedoctor.checks.parsers.proxies import ProxySettings, proxies_in
from kedoctor.model.observations.files import ReadFile
from kedoctor.model.observations.request import Request
from kedoctor.model.observations.units import ReadUnit
from kedoctor.testing import fact_from

PROXY = "HTTPS_PROXY=http://user:secret@proxy.acme:3128"


def judged(finding: Finding) -> Finding:
    bilingual(finding)
    assert finding.node == "edge1"
    return finding


# ------------------------------------------------------------------------------------------ proxies, as Go reads them


@pytest.mark.parametrize(
    ("exceptions", "host", "caught"),
    [
        ("", "10.99.0.1", True),
        ("10.99.0.1", "10.99.0.1", False),
        ("10.0.0.0/8", "10.99.0.1", False),
        ("10.99.0.1:10000", "10.99.0.1", True),  # for another port
        ("10.99.0.1:443", "10.99.0.1", False),
        ("192.168.0.0/16", "10.99.0.1", True),
        ("*", "10.99.0.1", False),
        ("acme.example", "hub.acme.example", False),
        ("acme.example", "acme.example", False),
        (".acme.example", "acme.example", True),
        ("*.acme.example", "hub.acme.example", False),
        ("cme.example", "acme.example", True),
        ("", "127.0.0.1", False),
        ("", "localhost", False),
        ("", "::1", False),
        ("10.0.0.0/99, 10.99.0.1", "10.99.0.1", False),
    ],
)
def test_what_a_proxy_catches(exceptions: str, host: str, caught: bool) -> None:
    assert proxies_in((PROXY, f"NO_PROXY={exceptions}")).catches(host) == caught


def test_a_proxy_is_told_without_its_password() -> None:
    assert proxies_in((PROXY,)).server == "proxy.acme:3128"
    assert proxies_in(("http_proxy=10.0.0.9:3128",)).server == "10.0.0.9:3128"
    assert proxies_in(("https_proxy=http://a:1", "HTTPS_PROXY=http://b:2")).server == "b:2"
    assert proxies_in(("HTTPS_PROXY=", "PATH=/bin", "nonsense")) == ProxySettings()
    assert proxies_in(("HTTPS_PROXY=http://[broken",)).server == "a proxy that cannot be read"


def test_units_and_the_files_they_name_are_read() -> None:
    def known(name: str, **fields: Any) -> Unit:
        return Unit(name, "loaded", "active", "running", **fields)

    answers: dict[Request, Any] = {
        ReadUnit("edgecore.service"): known("edgecore.service"),
        ReadUnit("containerd.service"): known(
            "containerd.service", environment_files=("/etc/default/containerd",)
        ),
        ReadUnit("docker.service"): known("docker.service", environment=(PROXY,)),
        ReadFile("/etc/default/containerd"): File(
            metadata("x"), b"# HTTPS_PROXY=no\nHTTPS_PROXY=http://10.0.0.9:3128\n"
        ),
    }
    found = fact_from(edge_proxies, answers)
    assert found.edgecore is None
    assert [(one.unit, one.settings.server) for one in found.runtimes] == [
        ("containerd.service", "10.0.0.9:3128"),
        ("docker.service", "proxy.acme:3128"),
    ]
    assert fact_from(edge_proxies, {}).unread is not None


# ------------------------------------------------------------------------------------------ KE214


def proxied(
    *environment: str, runtime: tuple[str, ...] = (), image: str = "", text: str = "I fine"
) -> Finding:
    ours = proxies_in(environment)
    theirs = proxies_in(runtime)
    found = EdgeProxies(
        UnitProxy("edgecore.service", ours) if ours.server else None,
        (UnitProxy("containerd.service", theirs),) if theirs.server else (),
    )
    settings = ContainerdSettings("/etc/containerd/config.toml", sandbox_image=image)
    return judged(edge_proxy(config(), found, settings, log(said(NOW, text))))


def test_without_a_proxy_nothing_is_in_the_way() -> None:
    assert proxied().status is Status.PASS
    assert proxied(PROXY, "NO_PROXY=10.0.0.0/8").status is Status.PASS
    unread = judged(edge_proxy(config(), EdgeProxies(None, (), NOT_RECORDED), NOT_RECORDED, NOT_RECORDED))
    assert unread.status is Status.UNKNOWN


def test_a_proxy_that_fails_edgecore_on_its_way_to_the_cloud() -> None:
    text = 'F Error: failed to get CA certificate, err: Get "https://10.99.0.1:10002/ca.crt": proxyconnect tcp: dial tcp 10.0.0.9:3128: connect: connection refused'
    finding = proxied(PROXY, text=text)
    assert (finding.status, finding.breaks, finding.hop) == (Status.FAIL, None, None)
    assert "the cloud" in finding.summary.en
    assert "secret" not in str(finding)


def test_a_proxy_that_fails_a_pull_breaks_no_stream() -> None:
    text = "E failed to pull image: Head https://registry.k8s.io/v2/: proxyconnect tcp: dial tcp 10.0.0.9:3128: i/o timeout"
    finding = proxied(text=text)
    assert (finding.status, finding.breaks, finding.hop) == (Status.WARN, (), "runtime")
    old = said(later(-3600, NOW), text) + said(NOW, "I fine")
    assert edge_proxy(config(), EdgeProxies(None, ()), NOT_RECORDED, log(old)).status is Status.PASS


def test_a_proxy_of_edgecore_that_catches_the_cloud_is_an_advice() -> None:
    finding = proxied(PROXY)
    assert (finding.status, finding.breaks) == (Status.WARN, ())
    assert any("NO_PROXY=127.0.0.1,localhost,10.99.0.1" in one for one in finding.commands)


@pytest.mark.parametrize(
    ("image", "status"),
    [
        ("10.0.0.5:5000/pause:3.9", Status.WARN),
        ("registry.local/pause:3.9", Status.WARN),
        ("harbor:5000/k8s/pause:3.9", Status.WARN),
        ("localhost:5000/pause:3.9", Status.PASS),
        ("registry.k8s.io/pause:3.9", Status.PASS),
        ("kubeedge/pause:3.6", Status.PASS),
        ("", Status.PASS),
    ],
)
def test_a_registry_close_by_is_not_asked_for_outside(image: str, status: Status) -> None:
    assert proxied(runtime=(PROXY,), image=image).status is status
    excepted = (PROXY, "NO_PROXY=10.0.0.0/8,registry.local,harbor")
    assert proxied(runtime=excepted, image=image).status is Status.PASS


# ------------------------------------------------------------------------------------------ KE719

META = """\
  metaManager:
    metaServer:
      enable: {}
"""


def served(
    text: str, *, agent: bool = False, listens: bool = True, cloud: Any = NOT_RECORDED, gate: str = ""
) -> Finding:
    state = unit(others=("edgemesh-agent",) if agent else ())
    seen = sockets(*(("LISTEN 127.0.0.1:10550 0.0.0.0:0 edgecore",) if listens else ()))
    written = config(gate + YAML + META.format(text))
    return judged(edge_meta_server(written, state, seen, cloud, HostTime(NOW)))


CLOUDCORE = "modules:\n  dynamicController: {{enable: {on}}}\nfeatureGates:\n  requireAuthorization: {gate}\n"


def test_meta_server_is_missed_only_where_something_asks_it() -> None:
    assert served("false").status is Status.PASS
    assert served("true").status is Status.PASS
    finding = served("false", agent=True)
    assert (finding.status, finding.breaks) == (Status.WARN, ())
    assert finding.evidence[0].line == len(YAML.splitlines()) + 3


def test_meta_server_that_does_not_listen() -> None:
    assert served("true", listens=False).status is Status.WARN
    young = edge_meta_server(
        config(YAML + META.format("true")),
        unit(since=later(-20, NOW)),
        sockets(),
        NOT_RECORDED,
        HostTime(NOW),
    )
    assert young.status is Status.PASS


@pytest.mark.parametrize(
    ("on", "theirs", "ours", "status"),
    [
        ("true", "false", "", Status.PASS),
        ("false", "false", "", Status.WARN),
        ("true", "true", "", Status.WARN),
        ("true", "true", "featureGates: {requireAuthorization: true}\n", Status.PASS),
        ("true", "false", "featureGates: {requireAuthorization: true}\n", Status.WARN),
    ],
)
def test_the_half_of_the_cloud_is_held_against_it(on: str, theirs: str, ours: str, status: Status) -> None:
    cloud = cloudcore(CLOUDCORE.format(on=on, gate=theirs))
    assert served("true", cloud=cloud, gate=ours).status is status


# ------------------------------------------------------------------------------------------ KE714

BUS = "  eventBus:\n    enable: {}\n    mqttMode: {}\n    mqttServerExternal: {}\n"
LOST = "E connect error: Network Error : dial tcp 127.0.0.1:1883: connect: connection refused"


def broker(
    *lines: str,
    on: str = "true",
    mode: int = 2,
    server: str = "tcp://127.0.0.1:1883",
    text: str = "",
    seen: bool = True,
) -> Finding:
    written = config(YAML + BUS.format(on, mode, server))
    words = log(said(NOW, text, source="common.go:101")) if text else NOT_RECORDED
    return judged(mqtt_broker(written, unit(), sockets(*lines) if seen else NOT_RECORDED, words))


def test_a_broker_that_is_there() -> None:
    assert broker("ESTABLISHED 127.0.0.1:5000 127.0.0.1:1883 edgecore").status is Status.PASS
    assert broker("LISTEN 0.0.0.0:1883 0.0.0.0:0 mosquitto").status is Status.PASS
    assert (
        broker("ESTABLISHED 10.99.0.2:5000 10.0.0.7:8883 edgecore", server="ssl://10.0.0.7:8883").status
        is Status.PASS
    )


@pytest.mark.parametrize("text", ["", LOST])
def test_a_broker_that_is_not_there_is_an_advice(text: str) -> None:
    finding = broker(text=text)
    assert (finding.status, finding.breaks) == (Status.WARN, ())
    assert broker(text=text, on="false").status is Status.SKIP
    assert broker(text=text, mode=0).status is Status.SKIP


def test_a_broker_elsewhere_is_judged_by_what_edgecore_says() -> None:
    assert broker(server="tcp://10.0.0.7:1883").status is Status.UNKNOWN
    assert broker(server="tcp://10.0.0.7:1883", text=LOST).status is Status.WARN
    assert broker(seen=False).status is Status.UNKNOWN
