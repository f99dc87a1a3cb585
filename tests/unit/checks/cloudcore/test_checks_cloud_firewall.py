"""KE308, KE310, KE407, KE412, KE506: what a cloud host's rules and certificates are like."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cloud_samples import APISERVER, CLOUD, MISSING, NOW, RIGHT, manager, rule, saved
from edge_samples import bilingual

from kedoctor.api import (
    Addresses,
    File,
    FileMetadata,
    Finding,
    Host,
    Process,
    Reason,
    Socket,
    Sockets,
    Status,
    Unavailable,
    Unit,
)
from kedoctor.checks.certificates.apiserver import apiserver_certs
from kedoctor.checks.certificates.stream_trust import stream_cert_trust
from kedoctor.checks.cloudcore.firewall import cloud_firewall
from kedoctor.checks.dnat.dnat_persistence import dnat_persistence
from kedoctor.checks.dnat.foreign_redirect import foreign_redirect
from kedoctor.checks.facts.cloud.apiserver_certificates import ApiserverCertificates, apiserver_certificates
from kedoctor.checks.facts.cloud.apiserver_flags import ApiserverArguments, KubeletCa, Setting
from kedoctor.checks.facts.cloud.cloud_host import CloudSockets, HostAddresses
from kedoctor.checks.facts.cloud.diversion_targets import DiversionTargets
from kedoctor.checks.facts.cloud.diversions import diversions
from kedoctor.checks.facts.cloud.firewall import CloudFirewall, FilterVerdict, FirewalldZone, parse_zone
from kedoctor.checks.facts.cloud.firewall import cloud_firewall as make_firewall
from kedoctor.checks.facts.cloud.nat import NatRules
from kedoctor.checks.facts.cloud.saved_rules import SavedRules, saved_rules
from kedoctor.checks.facts.cluster.nodes import EdgeNode, EdgeNodes
from kedoctor.checks.facts.cluster.secrets import KubeedgeSecrets, StreamSecret
from kedoctor.checks.facts.cluster.tunnel_port import parse_record
from kedoctor.checks.facts.edge.clock import HostTime, SiteClock
from kedoctor.checks.parsers.netfilter import dnat_rules, parse_save
from kedoctor.model.observations.files import ReadFile
from kedoctor.model.observations.network import InterfaceAddress
from kedoctor.model.observations.request import Request
from kedoctor.model.observations.units import ReadUnit
from kedoctor.pki.certificates import make_ca, sign_server

RECORD = parse_record('{"ipTunnelPort":{"10.99.0.1":10351},"port":{"10351":true}}')
ADDRESSES = HostAddresses(Addresses((InterfaceAddress("eth0", CLOUD, 24),), "eth0", "10.99.0.254"))
EDGES = EdgeNodes((EdgeNode("edge1", "10.99.0.2", port=10351, version="v1.31.12-kubeedge-v1.22.0"),))
TARGETS = DiversionTargets(live=frozenset({CLOUD}), here=True)
HERE = replace(APISERVER, cloudcore=Process(618, 0, "cloudcore", ("cloudcore",)))


class World:
    def __init__(self, *answers: tuple[Request, Any]) -> None:
        self.answers = dict(answers)

    def observe(self, request: Request) -> Any:
        return self.answers.get(request, Unavailable(Reason.ABSENT, repr(request)))


def file(path: str, data: str | bytes) -> tuple[Request, Any]:
    content = data.encode() if isinstance(data, str) else data
    return ReadFile(path), File(FileMetadata(path, "file", 0o644, 0, 0, len(content), NOW), content)


def nat(*rules: str) -> NatRules:
    legacy, nft = parse_save(saved(*rules), "legacy"), parse_save("", "nft")
    return NatRules(nft, legacy, dnat=dnat_rules(legacy))


def judged(findings: Any) -> list[Finding]:
    found = list(findings)
    for one in found:
        bilingual(one)
    return found


# ------------------------------------------------------------------------------------------- KE308


def kept(text: str, state: str = "enabled") -> SavedRules:
    unit = Unit("netfilter-persistent.service", "loaded", "active", "exited", state)
    return saved_rules(
        Host(World(file("/etc/iptables/rules.v4", text), (ReadUnit("netfilter-persistent.service"), unit)))
    )


def persistence(rules: NatRules, saved_: SavedRules) -> list[tuple[Status, str]]:
    found = judged(dnat_persistence(rules, saved_, RECORD, APISERVER, targets=TARGETS))
    return [(one.status, one.summary.en) for one in found]


def test_what_the_manager_owns_needs_no_saving() -> None:
    ((status, words),) = persistence(nat(*manager(10351)), SavedRules())
    assert status is Status.PASS
    assert "iptables-manager" in words
    assert persistence(nat(), SavedRules())[0][0] is Status.SKIP


def test_a_rule_made_by_hand_is_lost() -> None:
    by_hand = nat(rule(10351))
    assert persistence(by_hand, SavedRules())[0][0] is Status.WARN
    assert persistence(by_hand, SavedRules(unread=(MISSING,)))[0][0] is Status.UNKNOWN
    assert persistence(by_hand, kept(saved(rule(10351))))[0][0] is Status.PASS
    assert persistence(by_hand, kept(saved(rule(10351)), "disabled"))[0][0] is Status.WARN


def test_a_hand_made_rule_that_leads_to_no_cloudcore_is_no_loss() -> None:
    astray = "OUTPUT -p tcp -m tcp --dport 10351 -j DNAT --to-destination 10.99.0.77:10003"
    assert persistence(nat(astray, *manager(10351)), SavedRules())[0][0] is Status.PASS
    assert persistence(nat(astray), SavedRules())[0][0] is Status.SKIP


def test_saved_rules_go_stale() -> None:
    ((status, words),) = persistence(nat(*manager(10351)), kept(saved(*manager(10352))))
    assert status is Status.WARN
    assert "10352" in words
    ((status, words),) = persistence(
        nat(*manager(10351)), kept("*nat\n:OUTPUT ACCEPT\n:KUBE-SERVICES -\nCOMMIT\n")
    )
    assert "whole tables" in words
    other = saved("OUTPUT -p tcp -m tcp --dport 10360 -j DNAT --to-destination 10.0.0.9:80")
    assert persistence(nat(*manager(10351)), kept(other))[0][0] is Status.PASS, "somebody's own forwarding"


# ------------------------------------------------------------------------------------------- KE310


def redirect(*rules: str) -> list[Finding]:
    there = nat(*rules)
    return judged(foreign_redirect(there, diversions(there, RECORD, EDGES, ADDRESSES), TARGETS, APISERVER))


def test_nobody_else_takes_the_port() -> None:
    assert [one.status for one in redirect(*manager(10351))] == [Status.PASS]
    assert [one.status for one in redirect(rule(10351))] == [Status.PASS], "hand-made rules are KE304's"


def test_another_program_takes_the_port() -> None:
    mesh = (
        "OUTPUT -j EDGE-MESH",
        "EDGE-MESH -p tcp -m tcp --dport 10000:20000 -j DNAT --to-destination 169.254.96.16:40001",
    )
    (finding,) = redirect(*mesh, *manager(10351))
    assert finding.status is Status.FAIL
    assert "edgemesh" in finding.summary.en
    right = ("OUTPUT -j EDGE-MESH", f"EDGE-MESH -p tcp -m tcp --dport 10351 -j DNAT {RIGHT}")
    assert redirect(*right, *manager(10351))[0].status is Status.PASS


# ------------------------------------------------------------------------------------------- KE506


def filtering(*rules: str) -> CloudFirewall:
    heads = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
    nft = parse_save(heads + "".join(f"-A {one}\n" for one in rules) + "COMMIT\n", "nft")
    found = make_firewall(Host(World()), NatRules(nft, parse_save("", "legacy")), ADDRESSES, MISSING)
    assert isinstance(found, CloudFirewall)
    return found


def firewall(found: CloudFirewall, *remote: str, processes: Any = HERE) -> dict[str, Status]:
    sockets = CloudSockets(
        Sockets(
            tuple(Socket(CLOUD, 10004, address, 40000, "ESTABLISHED", 618, "cloudcore") for address in remote)
        )
    )
    findings = judged(cloud_firewall(found, sockets, processes, workload=MISSING, addresses=ADDRESSES))
    return {one.subject: one.status for one in findings}


def test_a_host_without_a_firewall() -> None:
    assert set(firewall(filtering()).values()) == {Status.PASS}
    assert firewall(filtering(), processes=APISERVER) == {"firewall": Status.SKIP}


def test_a_rule_that_drops_a_port() -> None:
    found = filtering("INPUT -p tcp -m tcp --dport 10004 -j DROP")
    expected = {"port 10000": Status.PASS, "port 10002": Status.PASS, "port 10004": Status.FAIL}
    assert firewall(found) == expected
    assert firewall(found, "10.99.0.2") == expected, "an old connection says nothing of new ones"
    last = filtering("INPUT -i lo -j ACCEPT", "INPUT -p tcp -m tcp --dport 22 -j ACCEPT", "INPUT -j REJECT")
    assert set(firewall(last).values()) == {Status.FAIL}


def test_a_rule_that_depends_on_the_sender() -> None:
    found = filtering(
        "INPUT -s 10.99.0.0/24 -p tcp -m tcp --dport 10004 -j ACCEPT",
        "INPUT -p tcp -m tcp --dport 10004 -j DROP",
    )
    assert firewall(found)["port 10004"] is Status.UNKNOWN
    assert firewall(found, "10.99.0.2")["port 10004"] is Status.PASS


ZONE = """\
public (active)
  target: default
  interfaces: eth0
  services: dhcpv6-client ssh
  ports: 10000/tcp 10002-10003/tcp 53/udp
  rich rules:
"""


def test_a_zone_of_firewalld() -> None:
    zone = parse_zone(ZONE)
    assert zone == FirewalldZone("public", "default", ("eth0",), ((10000, 10000), (10002, 10003)), rich=False)
    found = CloudFirewall((FilterVerdict(10000, "open"), FilterVerdict(10004, "open")), zone)
    assert firewall(found) == {"port 10000": Status.PASS, "port 10004": Status.FAIL}
    assert firewall(found, "10.99.0.2")["port 10004"] is Status.PASS
    rich = parse_zone(ZONE + '\trule family="ipv4" accept\n')
    assert firewall(CloudFirewall((FilterVerdict(10004, "open"),), rich)) == {"port 10004": Status.UNKNOWN}
    assert parse_zone("") is None


# ------------------------------------------------------------------------------------------- KE412

CA = make_ca("kubernetes", NOW - timedelta(days=400), 3650)


def certificates(days: int, *, k3s: bool = False) -> tuple[ApiserverCertificates, ApiserverArguments]:
    issued = sign_server(
        CA,
        "kube-apiserver",
        ("10.96.0.1",),
        NOW - timedelta(days=365 - days),
        days=365,
        algorithm="ECDSA-P-256",
    )
    path = (
        "/var/lib/rancher/k3s/server/tls/serving-kube-apiserver.crt"
        if k3s
        else "/etc/kubernetes/pki/apiserver.crt"
    )
    arguments = ApiserverArguments(is_k3s=k3s)
    return apiserver_certificates(Host(World(file(path, issued.certificate))), arguments), arguments


@pytest.mark.parametrize("k3s", [True, False])
@pytest.mark.parametrize(("days", "status"), [(200, Status.PASS), (10, Status.WARN), (-3, Status.FAIL)])
def test_certificates_of_the_api_server(days: int, status: Status, *, k3s: bool) -> None:
    found, arguments = certificates(days, k3s=k3s)
    finding = apiserver_certs(found, arguments, HostTime(NOW), SiteClock(NOW, 0.0, "the API server"))
    bilingual(finding)
    assert finding.status is status
    assert finding.hop == ("" if status is Status.WARN else None)


def test_a_wrong_clock_decides_nothing() -> None:
    found, arguments = certificates(-3)
    finding = apiserver_certs(found, arguments, HostTime(NOW), SiteClock(NOW, 4000.0, "the API server"))
    assert finding.status is Status.UNKNOWN
    assert (
        apiserver_certs(ApiserverCertificates(), arguments, HostTime(NOW), MISSING).status is Status.UNKNOWN
    )


# ------------------------------------------------------------------------------------------- KE407

VERIFYING = ApiserverArguments(is_k3s=True, flags={"kubelet-certificate-authority": Setting("/ca.crt")})


def trust(*addresses: str, ca: Any = CA, arguments: ApiserverArguments = VERIFYING) -> list[Finding]:
    leaf = sign_server(CA, "cloudcore", addresses, NOW, days=365, algorithm="ECDSA-P-256")
    secrets = KubeedgeSecrets(MISSING, MISSING, MISSING, StreamSecret(("stream.crt",), b"", leaf.certificate))
    return judged(stream_cert_trust(arguments, KubeletCa("/ca.crt", ca.certificate), secrets, EDGES))


def test_who_verifies_the_stream_certificate() -> None:
    assert [one.status for one in trust(arguments=ApiserverArguments(is_k3s=False))] == [Status.SKIP]
    assert [one.status for one in trust("10.99.0.2")] == [Status.PASS]
    (unnamed,) = trust("10.99.0.1")
    assert (unnamed.status, unnamed.node) == (Status.FAIL, "edge1")
    (foreign,) = trust("10.99.0.2", ca=make_ca("k3s-server-ca", NOW, 3650))
    assert (foreign.status, foreign.node) == (Status.FAIL, "")
    unread = judged(stream_cert_trust(VERIFYING, MISSING, MISSING, EDGES))
    assert [one.status for one in unread] == [Status.UNKNOWN]
