"""KE501, KE801, KE802, KE911: what runs on a cloud host, how its API server was started, and what it has."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cloud_samples import MISSING, NOW, Told, addresses, edge, listening, told

from kedoctor.api import Certainty, Finding, Process, Resources, Status
from kedoctor.checks.cloudcore.host_resources import cloud_resources
from kedoctor.checks.cloudcore.listeners import cloud_listeners
from kedoctor.checks.distribution.k3s_egress import k3s_egress_selector
from kedoctor.checks.distribution.kubelet_ca import kubelet_ca
from kedoctor.checks.facts.cloud.apiserver_flags import ApiserverArguments, KubeletCa, Setting
from kedoctor.checks.facts.cloud.cloud_host import CloudProcesses, CloudResources
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreConfig, CloudcoreWorkload
from kedoctor.checks.facts.cloud.cloudcore_log import CloudcoreLog, PodLog
from kedoctor.checks.facts.cluster.nodes import EdgeNodes
from kedoctor.checks.facts.cluster.secrets import KubeedgeSecrets, StreamSecret
from kedoctor.checks.parsers.config.schema import CLOUDCORE, effective
from kedoctor.checks.parsers.kubernetes import (
    Deployment,
    DeploymentSpec,
    Metadata,
    Pod,
    PodSpec,
    PodStatus,
    PodTemplate,
)
from kedoctor.pki.certificates import make_ca, sign_server
from kedoctor.yaml.document import load

PASS, WARN, FAIL, UNKNOWN, SKIP = Status.PASS, Status.WARN, Status.FAIL, Status.UNKNOWN, Status.SKIP
PORTS = (10000, 10002, 10003, 10004)
OPEN = tuple((port, "cloudcore") for port in PORTS)
RUNNING = CloudProcesses(
    cloudcore=Process(618, 525, "cloudcore", ("cloudcore",), started=NOW - timedelta(hours=1)), now=NOW
)


def config(text: str = "modules:\n  cloudStream:\n    enable: true\n") -> CloudcoreConfig:
    document = load(text)
    values, violations = effective(CLOUDCORE, document)
    return CloudcoreConfig(document, values, tuple(violations))


def workload(
    *, running: bool = True, host_network: bool = True, host: str = "10.99.0.1"
) -> CloudcoreWorkload:
    spec = PodSpec(host_network=host_network)
    pod = Pod(Metadata(name="cloudcore-1"), spec, PodStatus(phase="Running", host_ip=host, pod_ip=host))
    return CloudcoreWorkload(
        Deployment(spec=DeploymentSpec(template=PodTemplate(spec=spec))), (pod,) if running else ()
    )


def ke501(sockets: Any, **more: Any) -> list[Finding]:
    given = {"processes": RUNNING, "addresses": addresses(), "log": MISSING}
    seen = more.pop("config", config()), more.pop("workload", workload())
    return list(cloud_listeners(sockets, *seen, **{**given, **more}))


# ------------------------------------------------------------------------------------------------ KE501


def test_four_ports() -> None:
    assert told(ke501(listening(*OPEN))) == [Told(PASS, f"port {port}", "") for port in PORTS]


@pytest.mark.parametrize(
    ("port", "hop", "breaks"),
    [
        (10000, "link", ("ready",)),
        (10002, "certificates", ("install",)),
        (10003, "stream", ("logs", "exec", "attach", "top")),
        (10004, "tunnel", ("logs", "exec", "attach", "top")),
    ],
)
def test_a_closed_port(port: int, hop: str, breaks: tuple[str, ...]) -> None:
    findings = ke501(listening(*(one for one in OPEN if one[0] != port)))
    assert [one.subject for one in told(findings) if one.status is FAIL] == [f"port {port}"]
    (closed,) = [one for one in findings if one.status is FAIL]
    assert (closed.hop, closed.breaks) == (hop, breaks)


def test_a_port_that_somebody_else_holds() -> None:
    findings = ke501(listening(*OPEN[:3], (10004, "nginx")))
    assert [one.status for one in told(findings)] == [PASS, PASS, PASS, FAIL]
    assert "held by nginx (pid 618)" in findings[-1].summary.en


def test_owners_that_are_not_visible() -> None:
    hidden = listening(*((port, "") for port in PORTS), complete=False)
    assert {one.status for one in told(ke501(hidden))} == {UNKNOWN}


def test_loopback_only() -> None:
    findings = ke501(listening(*OPEN, address="127.0.0.1"))
    assert {one.status for one in told(findings)} == {FAIL}
    assert "loopback only" in findings[0].summary.en


def test_a_cloudcore_that_has_just_started() -> None:
    young = CloudProcesses(
        cloudcore=Process(1, 0, "cloudcore", (), started=NOW - timedelta(seconds=5)), now=NOW
    )
    assert {one.status for one in told(ke501(listening(), processes=young))} == {UNKNOWN}


def test_other_ports_by_configuration() -> None:
    text = "modules:\n  cloudHub:\n    websocket: {enable: false}\n    https: {port: 20002}\n  cloudStream: {enable: true}\n"
    findings = told(ke501(listening((20002, "cloudcore"), *OPEN[2:]), config=config(text)))
    assert findings == [Told(PASS, f"port {port}", "") for port in (20002, 10003, 10004)]


def test_an_older_configuration_is_told_elsewhere() -> None:
    log = CloudcoreLog((PodLog("cloudcore-1", stream_module=False),))
    assert [one.status for one in told(ke501(listening(*OPEN[:2]), log=log))] == [PASS, PASS, SKIP, SKIP]
    # Switched off on purpose is KE101's, and these ports are its consequence.
    off = config("modules:\n  cloudStream:\n    enable: false\n")
    assert [one.status for one in told(ke501(listening(*OPEN[:2]), log=log, config=off))] == [
        PASS,
        PASS,
        FAIL,
        FAIL,
    ]


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"workload": workload(host_network=False)}, SKIP),
        ({"processes": CloudProcesses(), "workload": workload(host="10.99.0.5")}, SKIP),
        ({"processes": MISSING, "workload": workload(host="10.99.0.5")}, SKIP),
        ({"processes": MISSING, "workload": MISSING}, UNKNOWN),
        ({"processes": CloudProcesses(), "workload": workload(running=False)}, SKIP),
    ],
)
def test_where_cloudcore_is_not(more: dict[str, Any], status: Status) -> None:
    assert [one.status for one in told(ke501(listening(), **more))] == [status]


def test_a_stranger_that_keeps_cloudcore_from_starting() -> None:
    more: dict[str, Any] = {"processes": CloudProcesses(), "workload": workload(running=False)}
    findings = told(ke501(listening((10003, "haproxy"), (22, "sshd")), **more))
    assert findings == [Told(FAIL, "port 10003", "")]


# ---------------------------------------------------------------------------------------- KE801, KE802


def arguments(mode: str = "", *, k3s: bool = True, authority: str = "", **more: Any) -> ApiserverArguments:
    server = {"egress-selector-mode": Setting(mode, "/etc/rancher/k3s/config.yaml, line 1")} if mode else {}
    flags = {"kubelet-certificate-authority": Setting(authority, "set by K3s itself")} if authority else {}
    return ApiserverArguments(is_k3s=k3s, flags=flags, server=server, **more)


EDGES = EdgeNodes((edge(),))


@pytest.mark.parametrize(
    ("given", "edges", "status"),
    [
        (arguments(k3s=False), EDGES, SKIP),
        (arguments(), EdgeNodes(()), SKIP),
        (arguments("disabled"), EDGES, PASS),
        (arguments("disabled"), MISSING, PASS),
        (arguments(), EDGES, FAIL),
        (arguments("agent"), MISSING, FAIL),
        (arguments("pod"), EDGES, FAIL),
        (arguments("disabled", changed=NOW, started=NOW - timedelta(hours=1)), EDGES, UNKNOWN),
    ],
)
def test_the_egress_selector(given: ApiserverArguments, edges: Any, status: Status) -> None:
    assert [one.status for one in told(k3s_egress_selector(given, edges))] == [status]


def test_a_mode_that_may_not_be_in_force_is_only_implied() -> None:
    finding = k3s_egress_selector(arguments("agent", changed=NOW, started=NOW - timedelta(hours=1)), EDGES)
    assert (finding.status, finding.certainty) == (FAIL, Certainty.IMPLIED)


OURS = make_ca("k3s-server-ca", now=NOW, days=10)


def ke802(certificate: bytes = b"", authority: str = "/ca.crt", **more: Any) -> list[Finding]:
    stream = StreamSecret(("stream.crt",), b"", certificate)
    secrets = KubeedgeSecrets(ca=MISSING, cloudcore=MISSING, token=MISSING, stream=stream)
    ca = more.pop("ca", KubeletCa(authority, OURS.certificate))
    given = arguments(authority=authority, k3s=more.pop("k3s", True))
    return list(kubelet_ca(given, ca, more.pop("secrets", secrets), more.pop("edges", EDGES)))


def signed(*hosts: str, by: Any = OURS) -> bytes:
    return sign_server(by, "cloudcore", hosts, now=NOW, days=9).certificate


def test_nobody_verifies() -> None:
    assert [one.status for one in told(ke802(authority="", ca=MISSING))] == [PASS]


def test_a_certificate_that_k3s_accepts() -> None:
    assert [one.status for one in told(ke802(signed("10.99.0.2", "cloudcore.kubeedge")))] == [PASS]


@pytest.mark.parametrize("k3s", [True, False])
def test_the_chart_s_certificate(k3s: bool) -> None:
    chart = make_ca("cloudcore-ca", now=NOW, days=10)
    (finding,) = ke802(signed("cloudcore.kubeedge", by=chart), k3s=k3s)
    assert told(finding) == [Told(FAIL, "", "")]
    assert "cloudcore-ca" in finding.summary.en
    assert any("k3s" in command for command in finding.commands) is k3s


def test_an_edge_that_the_certificate_does_not_name() -> None:
    edges = EdgeNodes((edge(), edge("edge2", "10.99.0.3")))
    assert told(ke802(signed("10.99.0.2"), edges=edges)) == [Told(FAIL, "edge2", "edge2")]


@pytest.mark.parametrize("more", [{"ca": MISSING}, {"secrets": MISSING}, {"certificate": b"no certificate"}])
def test_what_could_not_be_read(more: dict[str, Any]) -> None:
    assert [one.status for one in told(ke802(**more))] == [UNKNOWN]


# ------------------------------------------------------------------------------------------------ KE911

GB = 1_000_000_000


@pytest.mark.parametrize(
    ("cpus", "memory", "disk", "status", "words"),
    [
        (4, 8 * GB, 40 * GB, PASS, "4 CPUs"),
        (2, int(3.75 * GB), 20 * GB, PASS, "4 CPUs and 8 GB are recommended"),
        (1, 8 * GB, 40 * GB, WARN, "1 CPU"),
        (4, 2 * GB, 40 * GB, WARN, "2.0 GB memory"),
        (4, 8 * GB, 10 * GB, WARN, "10.0 GB disk"),
    ],
)
def test_resources(cpus: int, memory: int, disk: int, status: Status, words: str) -> None:
    finding = cloud_resources(CloudResources(Resources(cpus, memory, memory // 2, disk, disk // 2)))
    assert told(finding)[0].status is status
    assert words in finding.summary.en
