"""Sites of other shapes: healthy they have no finding but true ones, and of each fault the one cause is named.

The sites stand in :mod:`shaped_site`, the faults in :mod:`faults_shapes`.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from distribution_sites import DISTRIBUTION_FAULTS, DistributionFault, microk8s, rke2
from faults_pod_network import POD_FAULTS, PodFault
from faults_shapes import FAULTS, ShapeFault
from faulty_machine import plugins
from faulty_site import FaultySite
from faulty_source import FaultySource
from ipv6_site import SIX, SixEdge
from pod_network_site import PodNetwork
from shaped_site import TwoClouds

from kedoctor.model.declarations import Side
from kedoctor.model.findings import Status
from kedoctor.model.ports import Host
from kedoctor.model.report import Report
from kedoctor.observe.memo import MemoSource

VIEWS = [("cloud", "edge1"), ("cloud", "cloud2", "edge1"), ("laptop",)]
TRUE = {"KE507", "KE804"}
"""Warnings beside the path that are true of the recorded site."""


def wrong(report: Report) -> list[tuple[str, str]]:
    bad = (Status.FAIL, Status.CRASHED, Status.WARN)
    return [(one.code, one.summary) for one in report.verdicts if one.status in bad and one.code not in TRUE]


def said(report: Report, code: str, node: str = "") -> list[str]:
    return [one.summary for one in report.verdicts if one.code == code and node in ("", one.node)]


@pytest.mark.parametrize("view", [*VIEWS, ("cloud2",), ("edge1",)], ids="+".join)
def test_two_healthy_cloudcores_have_no_finding_but_true_ones(view: tuple[str, ...]) -> None:
    assert wrong(TwoClouds().report(*view)) == []


@pytest.mark.parametrize(
    ("view", "fault"),
    # A host that is off cannot be looked at.
    [
        (view, one)
        for view in VIEWS
        for one in FAULTS
        if one.name != "second-host-down" or "cloud2" not in view
    ],
    ids=lambda one: one.name if isinstance(one, ShapeFault) else "+".join(one),
)
def test_the_fault_is_the_only_cause(fault: ShapeFault, view: tuple[str, ...]) -> None:
    site = TwoClouds()
    fault.inject(site)
    report = site.report(*view)
    code = fault.laptop if view == ("laptop",) else fault.code
    expected = [(code, fault.nodes)] if code and (fault.first or "cloud2" in view) else []
    assert [(one.code, one.nodes) for one in report.causes] == expected, wrong(report)
    assert {one.status for one in report.causes} <= {Status.WARN if fault.warns else Status.FAIL}
    healthy = {
        cell.name: cell.state for row in report.matrix if row.edge == "edge1" for cell in row.capabilities
    }
    assert fault.nodes == () or "broken" not in healthy.values()


def test_each_edge_is_told_with_its_own_cloudcore() -> None:
    report = TwoClouds().report("cloud", "edge1")
    assert said(report, "KE508", "edge1") == ["cloudcore 10.99.0.1 gets stats of edge1 through the tunnel."]
    assert said(report, "KE508", "edge2") == ["cloudcore 10.99.0.4 gets stats of edge2 through the tunnel."]
    assert "10.99.0.4:10003" in said(report, "KE304", "edge2")[0]


def test_an_api_server_host_that_is_not_in_view_is_named() -> None:
    told = "takes the rules of that host, which are not seen from here"
    one, both = TwoClouds().report("cloud"), TwoClouds().report("cloud", "cloud2")
    assert [text for text in said(one, "KE303") if told in text and "cloud2" in text]
    assert not [text for text in said(both, "KE303") if told in text]
    assert "one of 2 API servers" in said(TwoClouds().report("laptop"), "KE513")[0]


def test_rules_of_a_host_without_a_manager_are_not_known_from_another_one() -> None:
    site = TwoClouds()
    next(one for one in FAULTS if one.name == "manager-missing-on-the-second").inject(site)
    unseen = [one for one in site.report("cloud").verdicts if one.subject == "nat OUTPUT of cloud2"]
    assert [one.status for one in unseen] == [Status.UNKNOWN]


def test_the_lacking_entry_can_be_put_back() -> None:
    site = TwoClouds()
    next(one for one in FAULTS if one.name == "record-lacks-the-second").inject(site)
    fix = next(
        one.fix for one in site.report("cloud").verdicts if one.code == "KE302" and one.status is Status.FAIL
    )
    assert fix.available


# ------------------------------------------------------------------------------------------ cloudcore without hostNetwork

OF_POD_NETWORK = [("cloud", "edge1"), ("cloud",), ("laptop",)]


@pytest.mark.parametrize("view", [*OF_POD_NETWORK, ("edge1",)], ids="+".join)
def test_a_healthy_cloudcore_behind_node_ports_has_no_finding_but_true_ones(view: tuple[str, ...]) -> None:
    report = PodNetwork().report(*view)
    assert wrong(report) == []
    assert view == ("edge1",) or said(report, "KE106") == [
        "The Service of cloudcore opens 10000 and 10002 to the outside."
    ]


@pytest.mark.parametrize("fault", POD_FAULTS, ids=lambda fault: fault.name)
@pytest.mark.parametrize("view", OF_POD_NETWORK, ids="+".join)
def test_the_fault_of_a_cloudcore_in_a_pod_network_is_the_only_cause(
    fault: PodFault, view: tuple[str, ...]
) -> None:
    site = PodNetwork()
    fault.inject(site)
    expected = {("cloud",): fault.cloud, ("laptop",): fault.laptop}.get(view, fault.code)
    report = site.report(*view)
    assert [one.code for one in report.causes] == [expected], wrong(report)
    assert fault.nodes in ((), report.causes[0].nodes)


def test_what_the_sockets_of_a_host_cannot_say_is_said() -> None:
    told = said(PodNetwork().report("cloud"), "KE501")
    assert told == ["cloudcore has a network of its own (no hostNetwork); its ports are not this host's."]


# ------------------------------------------------------------------------------------------------ RKE2 and MicroK8s


@pytest.mark.parametrize("distribution", [rke2, microk8s], ids=["rke2", "microk8s"])
@pytest.mark.parametrize("view", [("cloud", "edge1"), ("cloud",)], ids="+".join)
def test_another_distribution_has_no_finding_but_true_ones(
    distribution: Callable[[FaultySite], None], view: tuple[str, ...]
) -> None:
    site = FaultySite()
    distribution(site)
    report = site.report(*view)
    assert wrong(report) == []
    passed = {one.code for one in report.verdicts if one.status is Status.PASS}
    assert {"KE303", "KE304", "KE309", "KE311", "KE802"} <= passed
    assert not [one for one in report.verdicts if "kube-apiserver does not run on this host" in one.summary]


@pytest.mark.parametrize("fault", DISTRIBUTION_FAULTS, ids=lambda fault: fault.name)
def test_the_fault_of_another_distribution_is_the_only_cause(fault: DistributionFault) -> None:
    site = FaultySite()
    fault.inject(site)
    report = site.report("cloud")
    assert [one.code for one in report.causes] == [fault.code], wrong(report)
    cause = report.causes[0]
    assert cause.status is (Status.WARN if fault.waits else Status.FAIL)
    assert fault.told in cause.summary
    assert fault.command in " ".join(cause.commands)


@pytest.mark.parametrize("name", ["rke2-tunnel", "rke2-verifies", "microk8s-verifies"])
def test_no_repair_writes_into_the_files_of_k3s(name: str) -> None:
    site = FaultySite()
    next(one for one in DISTRIBUTION_FAULTS if one.name == name).inject(site)
    fixes = [
        one.fix
        for one in site.report("cloud").verdicts
        if one.code in ("KE801", "KE802") and one.status is Status.FAIL
    ]
    assert fixes
    assert not any(fix.available for fix in fixes)
    assert not any("rancher/k3s" in " ".join(fix.needs) for fix in fixes)


def test_a_host_of_each_distribution_is_a_cloud_host() -> None:
    for distribution in (rke2, microk8s):
        site = FaultySite()
        distribution(site)
        site.cloud.processes = [one for one in site.cloud.processes if one.name != "cloudcore"]
        assert plugins().sides(Host(MemoSource(FaultySource(site, site.cloud)))) == frozenset({Side.CLOUD})


def test_another_proxy_before_the_nodes_is_not_judged() -> None:
    site = FaultySite()
    site.apiserver_flags.append("--egress-selector-config-file=/etc/kubernetes/egress.yaml")
    site.cloud.files["/etc/kubernetes/egress.yaml"] = (
        b"egressSelections:\n- name: cluster\n  connection:\n    proxyProtocol: GRPC\n"
        b"    transport:\n      uds:\n        udsName: /run/konnectivity.socket\n"
    )
    found = [one for one in site.report("cloud").verdicts if one.code == "KE801"]
    assert [one.status for one in found] == [Status.UNKNOWN]
    assert "GRPC /run/konnectivity.socket" in found[0].summary


# ----------------------------------------------------------------------------------------------------------- IPv6 edges


@pytest.mark.parametrize("view", [("cloud", "edge1"), ("laptop",)], ids="+".join)
def test_an_edge_with_both_kinds_of_address_is_judged_by_the_first(view: tuple[str, ...]) -> None:
    report = SixEdge(addresses=("10.99.0.3", SIX)).report(*view)
    assert wrong(report) == []
    assert "10.99.0.3" in said(report, "KE311", "edge2")[0]


@pytest.mark.parametrize("view", [("cloud", "edge1"), ("cloud",), ("laptop",)], ids="+".join)
@pytest.mark.parametrize("addresses", [(SIX,), (SIX, "10.99.0.3")], ids=["IPv6 only", "IPv6 first"])
def test_an_edge_that_is_dialled_at_ipv6_is_not_diverted(
    addresses: tuple[str, ...], view: tuple[str, ...]
) -> None:
    report = SixEdge(addresses=addresses).report(*view)
    assert [(one.code, one.nodes) for one in report.causes] == [("KE311", ("edge2",))], wrong(report)
    assert "iptables-manager writes rules for IPv4 only" in report.causes[0].summary
    if "cloud" in view:
        assert said(report, "KE508", "edge2") == [
            "cloudcore 10.99.0.1 gets stats of edge2 through the tunnel."
        ]


def test_a_rule_of_somebodys_own_diverts_ipv6_but_top_has_no_session() -> None:
    report = SixEdge(diverted=True).report("cloud")
    assert [(one.code, one.capabilities) for one in report.causes] == [("KE311", ("top",))], wrong(report)
