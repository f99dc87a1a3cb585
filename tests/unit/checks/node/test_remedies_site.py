"""Repairs of K3s' settings, what only a person can put right, and what is planned for every recorded site."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from remedied import planned, read, told, verdict_of
from siteworld import edge, edges

from kedoctor.api import (
    EditYaml,
    EveryHost,
    NoPlan,
    RestartUnit,
    Risk,
    Verdict,
    WriteFile,
)
from kedoctor.checks.distribution.fix_k3s import k3s_egress, kubelet_ca
from kedoctor.checks.distribution.fix_operator_access import minimal_role, operator_access
from kedoctor.checks.distribution.k3s_egress import k3s_egress_selector
from kedoctor.checks.facts.cloud.apiserver_flags import ApiserverArguments, Setting
from kedoctor.checks.facts.cloud.cloud_host import HostAddresses
from kedoctor.checks.facts.cluster.access import NEEDS
from kedoctor.checks.facts.cluster.images import ImageArchives
from kedoctor.checks.parsers.kubernetes import (
    ClusterRole,
)
from kedoctor.checks.plans.manual import cloud_resources, duplicate_internal_ip, stream_trust
from kedoctor.model.plans import merge
from kedoctor.plugins import Plugins, load_plugins
from kedoctor.repair.repair import consider
from kedoctor.run.diagnose import RunRequest, diagnose_site
from kedoctor.run.site import bundled_site
from kedoctor.yaml.document import load

NO_HOST: EveryHost[ApiserverArguments] = EveryHost({})
NO_ADDRESSES: EveryHost[HostAddresses] = EveryHost({})
NO_ARCHIVE: EveryHost[ImageArchives] = EveryHost({})


# ------------------------------------------------------------------------------------- KE801, KE802


def _egress(arguments: ApiserverArguments) -> Any:
    wrong = verdict_of(k3s_egress_selector, k3s_egress_selector(arguments, edges(edge())), host="cloud")
    return wrong, k3s_egress(wrong, arguments)


def test_the_egress_selector_is_disabled_in_a_fragment_of_our_own() -> None:
    wrong, answer = _egress(ApiserverArguments(True))
    plan = planned(answer, wrong)
    (action,) = plan.actions
    assert isinstance(action, WriteFile)
    assert action.path == "/etc/rancher/k3s/config.yaml.d/90-kedoctor-egress.yaml"
    assert load(action.content).data == {"egress-selector-mode": "disabled"}
    assert plan.restarts == (RestartUnit("k3s.service"),)
    assert plan.risk is Risk.RESTARTS_APISERVER


def test_a_wrong_mode_is_corrected_where_it_is_written() -> None:
    written = Setting("agent", "/etc/rancher/k3s/config.yaml, line 3")
    wrong, answer = _egress(ApiserverArguments(True, server={"egress-selector-mode": written}))
    (action,) = planned(answer, wrong).actions
    assert isinstance(action, EditYaml)
    assert action.path == "/etc/rancher/k3s/config.yaml"


def test_the_command_line_wins_and_is_left_to_a_person() -> None:
    written = Setting("agent", "command line of k3s (pid 812)")
    _, answer = _egress(ApiserverArguments(True, server={"egress-selector-mode": written}))
    assert "systemctl edit" in told(answer)


def test_the_verification_of_kubelets_is_ended_beside_other_arguments() -> None:
    _, egress = _egress(ApiserverArguments(True))
    wrong = verdict_of(
        k3s_egress_selector, k3s_egress_selector(ApiserverArguments(True), edges(edge())), host="cloud"
    )
    plan = planned(kubelet_ca(wrong, ApiserverArguments(True)), wrong)
    (action,) = plan.actions
    assert isinstance(action, WriteFile)
    assert load(action.content).data == {"kube-apiserver-arg+": ["kubelet-certificate-authority="]}
    assert action.path != egress.actions[0].path
    assert "static pod" in told(kubelet_ca(wrong, ApiserverArguments(False)))
    for source in (
        "kube-apiserver-arg in command line of k3s (pid 8)",
        "kube-apiserver-arg in /x/95-a.yaml, line 2",
    ):
        flags = {"kubelet-certificate-authority": Setting("/ca.crt", source)}
        told(kubelet_ca(wrong, ApiserverArguments(True, flags)))


# ----------------------------------------------------------------------------------- what is only told


def test_the_smallest_role_holds_every_need() -> None:
    role = load(minimal_role()).data
    rules = read(ClusterRole, role).rules or ()
    for need in NEEDS:
        resource = f"{need.resource}/{need.subresource}" if need.subresource else need.resource
        assert any(
            need.group in (rule.api_groups or ())
            and resource in (rule.resources or ())
            and need.verb in (rule.verbs or ())
            for rule in rules
        ), need.name
    assert not any("*" in (*(rule.verbs or ()), *(rule.resources or ())) for rule in rules)


@pytest.mark.parametrize("tell", [cloud_resources, duplicate_internal_ip, stream_trust, operator_access])
def test_what_a_person_has_to_do_is_said(tell: Callable[[Verdict], NoPlan]) -> None:
    wrong = verdict_of(k3s_egress_selector, k3s_egress_selector(ApiserverArguments(True), edges(edge())))
    assert len(told(tell(wrong))) > 40


# ---------------------------------------------------------------------------------- the recorded sites

FIXTURES = Path(__file__).parents[3] / "fixtures"
SELECTOR = ("KE307", "PatchObject")
ASTRAY = [("KE304", "RemoveRule"), SELECTOR]
RECORDED: dict[str, list[tuple[str, ...]]] = {
    "healthy": [],
    "healthy-two-edges": [],
    "healthy-manual-dnat-rule": [SELECTOR],
    "c-cloudstream-disabled": [("KE101", "EditObjectYaml", "RestartPods")],
    "d-no-dnat-rule": [SELECTOR],
    "d2-no-dnat-rule-edge-unreachable": [SELECTOR],
    "d3-dnat-rule-for-10350-only": [SELECTOR, ("KE305", "RemoveRule")],
    "e-wrong-dnat-target-10.99.0.1_10000": ASTRAY,
    "e-wrong-dnat-target-10.99.0.1_10004": ASTRAY,
    "e-wrong-dnat-target-10.99.0.1_9999": ASTRAY,
    "e-wrong-dnat-target-10.99.0.77_10003": ASTRAY,
    "f2-stream-cert-expired": [("KE406", "IssueCertificates", "RestartPods")],
    "i1-dnat-to-clusterip-real-kube-proxy": ASTRAY,
    "i3-dnat-to-clusterip-handmade": ASTRAY,
}


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    found = load_plugins()
    assert found.registry.refusals == []
    return found


@pytest.mark.parametrize("case", RECORDED)
def test_what_is_planned_for_a_recorded_site(plugins: Plugins, case: str) -> None:
    site = bundled_site(tuple(sorted((FIXTURES / case).glob("*.tgz"))), side="auto")
    report = diagnose_site(plugins, site, RunRequest())
    found = consider(plugins, site, report, allowed=Risk.RESTARTS_APISERVER)
    of_site = [plan for plan in found.plans if plan.code[2] != "2" and plan.subject != "edge1"]
    kinds = [
        (plan.code, *(type(one).__name__ for one in (*plan.actions, *plan.restarts))) for plan in of_site
    ]
    assert kinds == RECORDED[case]
    merge(found.plans)
    for _, reason in found.left:
        told(NoPlan(reason))


def test_nothing_beyond_what_is_allowed_is_planned(plugins: Plugins) -> None:
    site = bundled_site(tuple(sorted((FIXTURES / "c-cloudstream-disabled").glob("*.tgz"))), side="auto")
    found = consider(
        plugins, site, diagnose_site(plugins, site, RunRequest()), allowed=Risk.RESTARTS_EDGECORE
    )
    assert [(verdict.code, str(reason)) for verdict, reason in found.left] == [
        ("KE101", "this repair needs --allow restarts-cloudcore, which was not given")
    ]
    assert found.plans == ()
