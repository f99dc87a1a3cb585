"""KE206, KE208, KE210, KE211, KE213, KE411 and what puts single settings right."""

from __future__ import annotations

import pytest
from edge_samples import (
    NOT_RECORDED,
    STARTED,
    V1_22,
    YAML,
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
from remedied import planned, told, verdict_of

from kedoctor.api import Addresses, EditYaml, Finding, Status
from kedoctor.checks.certificates.edge_rotation import cert_rotation
from kedoctor.checks.edgecore import fix_edged_settings as remedies
from kedoctor.checks.edgecore.cluster_dns import cluster_dns
from kedoctor.checks.edgecore.edged_settings import log_rotation, stream_handlers
from kedoctor.checks.edgecore.edgehub import edgehub_addresses
from kedoctor.checks.edgecore.hostname_override import hostname_override
from kedoctor.checks.facts.cluster.cluster_dns import ClusterDns
from kedoctor.checks.facts.cluster.nodes import SiteNodes
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig
from kedoctor.checks.facts.edge.host import EdgeAddresses
from kedoctor.checks.facts.edge.version import EdgecoreRelease
from kedoctor.checks.parsers.kubernetes import Node
from kedoctor.checks.parsers.kubernetes.node import NodeMetadata
from kedoctor.checks.parsers.releases import parse
from kedoctor.model.observations.network import InterfaceAddress

MESH = EdgeAddresses(Addresses((InterfaceAddress("edgemesh0", "169.254.96.16", 32),)))
PLAIN = EdgeAddresses(Addresses((InterfaceAddress("eth0", "10.99.0.2", 24),), "eth0", "10.99.0.254"))
DNS = ClusterDns("10.96.0.10", edgemesh=False)


def kubelet(*lines: str) -> EdgecoreConfig:
    return config(YAML + "    tailoredKubeletConfig:\n" + "".join(f"      {line}\n" for line in lines))


def seen(finding: Finding) -> tuple[Status, str]:
    bilingual(finding)
    return finding.status, finding.summary.en


def changes(answer: object) -> dict[str, object]:
    action = answer.actions[0]  # type: ignore[attr-defined]
    assert isinstance(action, EditYaml)
    return {one.path: one.value for one in action.changes}


# ------------------------------------------------------------------------------------ KE206, KE208


def test_the_handlers_of_logs_and_exec() -> None:
    assert stream_handlers(config()).status is Status.PASS
    off = kubelet("enableDebuggingHandlers: false")
    status, words = seen(stream_handlers(off))
    assert status is Status.FAIL
    assert "Debug endpoints are disabled." in words
    verdict = verdict_of(stream_handlers, stream_handlers(off))
    plan = planned(remedies.stream_handlers(verdict, off), verdict)
    assert changes(plan) == {"modules.edged.tailoredKubeletConfig.enableDebuggingHandlers": True}


@pytest.mark.parametrize(
    "lines", [(), ("containerLogMaxSize: 100Mi",), ("containerLogMaxSize: 0.5Gi", "containerLogMaxFiles: 2")]
)
def test_logs_that_are_rotated(lines: tuple[str, ...]) -> None:
    assert log_rotation(kubelet(*lines) if lines else config()).status is Status.PASS


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (("containerLogMaxSize: -1",), "never rotated"),
        (("containerLogMaxFiles: 1",), "at least 2 files"),
        (("containerLogMaxSize: 1Gi",), "5120 MiB"),
    ],
)
def test_logs_that_fill_the_disk(lines: tuple[str, ...], words: str) -> None:
    there = kubelet(*lines)
    finding = log_rotation(there)
    status, summary = seen(finding)
    assert (status, finding.breaks) == (Status.WARN, None)
    assert words in summary
    verdict = verdict_of(log_rotation, finding)
    assert verdict.hop == ""
    planned(remedies.log_rotation(verdict, there), verdict)


def test_rotation_where_nobody_reads_it() -> None:
    ignored = edited(edged="    containerLogMaxSize: 50Mi\n")
    finding = log_rotation(ignored)
    assert "modules.edged.containerLogMaxSize" in seen(finding)[1]
    assert "KE207" in told(remedies.log_rotation(verdict_of(log_rotation, finding), ignored))


# ------------------------------------------------------------------------------------------- KE210


def test_the_dns_that_pods_ask() -> None:
    assert cluster_dns(config(), DNS, PLAIN).status is Status.PASS, "nothing written: the host's own"
    assert cluster_dns(config(), NOT_RECORDED, NOT_RECORDED).status is Status.PASS
    assert cluster_dns(kubelet("clusterDNS: [10.96.0.10]"), DNS, PLAIN).status is Status.PASS
    assert cluster_dns(kubelet("clusterDNS: [169.254.96.16]"), DNS, MESH).status is Status.PASS
    assert cluster_dns(kubelet("clusterDNS: [10.43.0.10]"), NOT_RECORDED, PLAIN).status is Status.UNKNOWN


@pytest.mark.parametrize(
    ("there", "dns", "addresses", "server"),
    [
        (kubelet("clusterDNS: [10.43.0.10]"), DNS, PLAIN, "10.96.0.10"),
        (kubelet("clusterDNS: [169.254.96.16]"), DNS, PLAIN, "10.96.0.10"),
        (config(), DNS, MESH, "169.254.96.16"),
        (
            kubelet("clusterDNS: [10.96.0.10]"),
            ClusterDns("10.96.0.10", edgemesh=True),
            PLAIN,
            "169.254.96.16",
        ),
    ],
)
def test_a_dns_server_that_answers_nowhere(
    there: EdgecoreConfig, dns: ClusterDns, addresses: EdgeAddresses, server: str
) -> None:
    finding = cluster_dns(there, dns, addresses)
    assert seen(finding)[0] is Status.WARN
    verdict = verdict_of(cluster_dns, finding)
    plan = planned(remedies.cluster_dns(verdict, there, dns, addresses), verdict)
    assert changes(plan) == {"modules.edged.tailoredKubeletConfig.clusterDNS": [server]}


# ------------------------------------------------------------------------------------------- KE211


def test_edgehub_dials_the_cloud() -> None:
    assert edgehub_addresses(config(), unit(), NOT_RECORDED).status is Status.PASS


@pytest.mark.parametrize(
    ("hub", "words"),
    [
        ("127.0.0.1:10000", "the edge itself"),
        ("10.99.0.1:10004", "tunnel server"),
        ("'10.99.0.1'", "not a host:port"),
    ],
)
def test_edgehub_dials_something_else(hub: str, words: str) -> None:
    status, summary = seen(edgehub_addresses(edited(hub=hub), unit(), sockets()))
    assert status is Status.FAIL
    assert words in summary


def test_what_makes_an_odd_hub_address_right() -> None:
    here = unit(others=("cloudcore",))
    assert edgehub_addresses(edited(hub="127.0.0.1:10000"), here, NOT_RECORDED).status is not Status.FAIL
    held = sockets("ESTABLISHED 10.99.0.2:37408 10.99.0.1:10004 edgecore")
    assert edgehub_addresses(edited(hub="10.99.0.1:10004"), unit(), held).status is Status.PASS


def test_a_hub_that_is_not_written() -> None:
    bare = config("modules:\n  edged:\n    hostnameOverride: edge1\n")
    assert "dials its own address" in seen(edgehub_addresses(bare, unit(), NOT_RECORDED))[1]


def test_certificates_from_another_host() -> None:
    finding = edgehub_addresses(edited(hub="10.99.0.9:10000"), unit(), NOT_RECORDED)
    assert seen(finding)[0] is Status.WARN
    assert (finding.hop, finding.breaks) == ("", ())


# ------------------------------------------------------------------------------------------- KE213


def nodes(*names: str) -> SiteNodes:
    return SiteNodes(tuple(Node(metadata=NodeMetadata(name=name)) for name in names))


def test_one_name_everywhere() -> None:
    assert (
        hostname_override(
            config(), Pki().files(), nodes("cloud", "edge1"), NOT_RECORDED, version=V1_22
        ).status
        is Status.PASS
    )
    assert (
        hostname_override(config(), Pki().files(), NOT_RECORDED, NOT_RECORDED, version=V1_22).status
        is Status.PASS
    )


def test_a_certificate_of_another_name() -> None:
    finding = hostname_override(
        config(), Pki("edge-old").files(), nodes("edge-old"), NOT_RECORDED, version=V1_22
    )
    status, words = seen(finding)
    assert status is Status.FAIL
    assert "issued to edge-old" in words


@pytest.mark.parametrize(
    ("version", "status"),
    [
        ("v1.17.5", Status.WARN),
        ("v1.20.0", Status.WARN),
        ("v1.21.0", Status.FAIL),
        ("v1.23.1", Status.FAIL),
        ("v1.99.0", Status.UNKNOWN),
        ("v0.0.0-master+$Format:%H$", Status.UNKNOWN),
    ],
)
def test_names_are_compared_from_1_21_on(version: str, status: Status) -> None:
    release = EdgecoreRelease(parse(version), version)
    finding = hostname_override(
        config(), Pki("edge-old").files(), nodes("edge-old"), NOT_RECORDED, version=release
    )
    bilingual(finding)
    assert (finding.status, finding.breaks) == (status, () if status is Status.WARN else None)


def test_a_node_that_is_not_there_is_advice() -> None:
    finding = hostname_override(config(), Pki().files(), nodes("cloud", "other"), NOT_RECORDED, version=V1_22)
    assert seen(finding)[0] is Status.WARN
    assert finding.hop == ""


# ------------------------------------------------------------------------------------------- KE411

REFUSED = said(
    later(60),
    "E failed to get edge certificate from CloudCore:failed to call http, code: 401",
    source="certmanager.go:206",
)
ROTATED = said(later(90), "I succeeded to rotate certificate", source="certmanager.go:220")


def test_a_certificate_that_is_renewed() -> None:
    assert cert_rotation(config(), Pki().files(), NOT_RECORDED).status is Status.PASS
    assert cert_rotation(config(), Pki().files(), log(REFUSED + ROTATED)).status is Status.PASS


def test_a_renewal_that_fails() -> None:
    finding = cert_rotation(config(), Pki().files(), log(ROTATED.replace("succeeded", "succeeds") + REFUSED))
    assert seen(finding)[0] is Status.WARN
    assert "code: 401" in str(finding.actual)
    assert "refuses it" in told(remedies.cert_rotation(verdict_of(cert_rotation, finding), config()))


def test_a_renewal_that_is_switched_off() -> None:
    off = config(YAML.replace("  edgeHub:\n", "  edgeHub:\n    rotateCertificates: false\n"))
    finding = cert_rotation(off, Pki(issued=STARTED).files(), NOT_RECORDED)
    status, words = seen(finding)
    assert status is Status.WARN
    assert "2027" in words, "when the present one ends"
    verdict = verdict_of(cert_rotation, finding)
    assert verdict.hop == "certificates"
    assert changes(planned(remedies.cert_rotation(verdict, off), verdict)) == {
        "modules.edgeHub.rotateCertificates": True
    }
