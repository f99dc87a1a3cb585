from __future__ import annotations

from typing import Any

import pytest
from siteworld import both_languages, made, only

from kedoctor.api import ApiAnswer, Certainty, EveryHost, Finding, Reason, Status, Unavailable
from kedoctor.checks.dnat.iptables_manager import iptables_manager
from kedoctor.checks.dnat.iptables_manager_mode import iptables_manager_mode
from kedoctor.checks.facts.cloud.acting_rules import ActingRules, acting_rules
from kedoctor.checks.facts.cloud.cloudcore import (
    CloudcoreConfig,
    CloudcoreDocument,
    CloudcoreWorkload,
    cloudcore_config,
)
from kedoctor.checks.facts.cloud.nat import NatRules
from kedoctor.checks.facts.cloud.relayed import EdgeAnswer, EdgeAnswers
from kedoctor.checks.facts.cluster.iptables_manager import IptablesManager
from kedoctor.checks.facts.cluster.metrics import WorkingDiversion
from kedoctor.checks.facts.cluster.nodes import ApiServerHost, CloudNodes
from kedoctor.checks.facts.cluster.tunnel_port import parse_record
from kedoctor.checks.parsers.kubernetes import DaemonSet, Pod, Taint
from kedoctor.checks.parsers.netfilter.dnat import dnat_rules
from kedoctor.checks.parsers.netfilter.parse import parse_save
from kedoctor.yaml.document import load

BLIND = Unavailable(Reason.FORBIDDEN, "it")
CONTROL_PLANE = Taint(key="node-role.kubernetes.io/control-plane", effect="NoSchedule")
HOST = ApiServerHost("cloud", "10.99.0.1")
CLOUD = CloudNodes((HOST,), "the label")
RECORD = parse_record('{"ipTunnelPort":{"10.99.0.1":10355},"port":{}}')
WORKS = WorkingDiversion(frozenset({"cloud"}), frozenset({"edge1"}))
NOWHERE = WorkingDiversion()
NO_HOST: EveryHost[NatRules] = EveryHost({})


def daemonset(desired: int = 1, **spec: Any) -> DaemonSet:
    template = {"spec": {"containers": [{"image": "kubeedge/iptables-manager:v1.22.0"}], **spec}}
    found: DaemonSet = made(
        DaemonSet,
        metadata={"name": "cloud-iptables-manager"},
        spec={"template": template},
        status={"desiredNumberScheduled": desired, "numberReady": desired},
    )
    return found


def pod(node: str = "cloud", **status: Any) -> Pod:
    usual: dict[str, Any] = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    found: Pod = made(
        Pod, metadata={"name": "m-1"}, spec={"nodeName": node, "hostNetwork": True}, status=usual | status
    )
    return found


def rules(*lines: str) -> EveryHost[NatRules]:
    text = "\n".join(
        [
            "*nat",
            ":PREROUTING ACCEPT",
            ":INPUT ACCEPT",
            ":OUTPUT ACCEPT",
            ":POSTROUTING ACCEPT",
            *lines,
            "COMMIT",
            "",
        ]
    )
    view = parse_save(text, "legacy")
    empty = parse_save("", "nft")
    return EveryHost({"cloud": NatRules(nft=empty, legacy=view, dnat=dnat_rules(view))})


def judged(
    manager: IptablesManager,
    cloud: CloudNodes = CLOUD,
    diversion: WorkingDiversion = NOWHERE,
    nat: EveryHost[NatRules] = NO_HOST,
) -> Finding:
    acting = acting_rules(cloud, RECORD, nat, diversion, BLIND)
    return only(iptables_manager(manager, cloud, acting, workload=BLIND))


def test_a_ready_pod_on_the_api_server_host() -> None:
    assert judged(IptablesManager(daemonset(), (pod(),))).status is Status.PASS


def test_an_untolerated_taint_keeps_it_away() -> None:
    tainted = CloudNodes((ApiServerHost("cloud", "10.99.0.1", (CONTROL_PLANE,)),), "the label")
    found = judged(IptablesManager(daemonset(0)), tainted)
    assert (found.status, found.certainty, found.hop) == (Status.FAIL, Certainty.IMPLIED, None)
    assert CONTROL_PLANE.key in found.summary.en
    assert both_languages(found)


def test_what_kubernetes_itself_taints_keeps_no_daemonset_away() -> None:
    sick = Taint(key="node.kubernetes.io/not-ready", effect="NoExecute")
    found = judged(IptablesManager(daemonset(0)), CloudNodes((ApiServerHost("cloud", "", (sick,)),), "x"))
    assert sick.key not in found.summary.en


NOT_SELECTED = IptablesManager(daemonset(0, nodeSelector={"bed/none": "1"}))  # testbed.md cases d, e, i


def test_a_node_selector_that_matches_nothing() -> None:
    found = judged(NOT_SELECTED)
    assert found.status is Status.FAIL
    assert "bed/none=1" in found.summary.en


def test_a_hand_made_rule_that_works_makes_it_advice() -> None:
    # testbed.md healthy-manual-dnat-rule: metrics for edge1 arrive.
    found = judged(NOT_SELECTED, diversion=WORKS)
    assert (found.status, found.hop, found.breaks) == (Status.WARN, "", ())
    assert both_languages(found)


@pytest.mark.parametrize(
    ("line", "status", "certainty"),
    [
        ("-A OUTPUT -p tcp -m tcp --dport 10355 -j DNAT --to-destination 10.99.0.1:10004", Status.WARN, None),
        (
            "-A OUTPUT -p tcp -m tcp --dport 10350 -j DNAT --to-destination 10.99.0.1:10003",
            Status.FAIL,
            Certainty.PROVED,
        ),
        (
            "-A PREROUTING -p tcp -m tcp --dport 10355 -j DNAT --to-destination 10.99.0.1:10003",
            Status.FAIL,
            Certainty.PROVED,
        ),
    ],
)
def test_the_rules_of_the_host_decide_where_they_were_seen(
    line: str, status: Status, certainty: Certainty | None
) -> None:
    found = judged(NOT_SELECTED, nat=rules(line))
    assert found.status is status
    assert certainty is None or found.certainty is certainty


def test_a_pod_that_is_killed_for_memory() -> None:
    killed = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    looping = pod(
        conditions=[{"type": "Ready", "status": "False"}],
        containerStatuses=[
            {"restartCount": 9, "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": killed}
        ],
    )
    found = judged(IptablesManager(daemonset(), (looping,)))
    assert found.status is Status.FAIL
    assert found.hint is not None
    assert "50Mi" in found.hint.en
    again = pod(
        containerStatuses=[{"ready": True, "restartCount": 3, "state": {"running": {}}, "lastState": killed}]
    )
    advice = judged(IptablesManager(daemonset(), (again,)))
    assert (advice.status, advice.hop) == (Status.WARN, "")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            'E1123 03:19:01.4 1 reflector.go:158] "Unhandled Error" err="configmaps is forbidden: User x"',
            "may not read",
        ),
        (
            'E1123 03:19:01.4 1 iptables.go:189] "Failed to ensure rules" err="invalid port/service"',
            "cannot write",
        ),
    ],
)
def test_a_ready_pod_that_complains(line: str, words: str) -> None:
    found = judged(IptablesManager(daemonset(), (pod(),), {"m-1": line}))
    assert found.status is Status.FAIL
    assert words in found.summary.en


def test_an_api_server_outside_the_cluster_is_not_judged_from_here() -> None:
    outside = CloudNodes((ApiServerHost("", "172.16.0.5"),), "the endpoints")
    assert judged(IptablesManager(daemonset(), (pod(),)), outside).status is Status.UNKNOWN


def test_each_api_server_host_is_judged() -> None:
    two = CloudNodes((HOST, ApiServerHost("cloud2", "10.99.0.9")), "the label")
    found = list(iptables_manager(IptablesManager(daemonset(), (pod(),)), two, ActingRules(), workload=BLIND))
    assert [(one.subject, one.status) for one in found] == [("cloud", Status.PASS), ("cloud2", Status.FAIL)]


# -------------------------------------------------------------------------------------------- KE107


def config(mode: str) -> CloudcoreConfig:
    text = f"modules:\n  iptablesManager:\n    {mode}\n" if mode else "modules: {}\n"
    found = cloudcore_config(CloudcoreDocument(text, load(text)))
    assert isinstance(found, CloudcoreConfig)
    return found


def mode_of(
    mode: str,
    manager: IptablesManager,
    *,
    cloudcore: CloudcoreWorkload | Unavailable = BLIND,
    cloud: CloudNodes | Unavailable = CLOUD,
    diversion: WorkingDiversion = NOWHERE,
    answers: EdgeAnswers | Unavailable = BLIND,
) -> Finding:
    acting = (
        ActingRules()
        if isinstance(cloud, Unavailable)
        else acting_rules(cloud, RECORD, NO_HOST, diversion, answers)
    )
    return iptables_manager_mode(config(mode), manager, cloudcore, cloud, acting)


PRESENT = IptablesManager(daemonset(), (pod(),))
ABSENT = IptablesManager(None)


def test_external_with_its_daemonset() -> None:
    assert mode_of("mode: external", PRESENT).status is Status.PASS


def test_a_partial_document_means_internal_and_two_managers() -> None:
    found = mode_of("", PRESENT)  # the code default, facts.md §1.2
    assert (found.status, found.breaks, found.hop) == (Status.WARN, (), None)
    assert both_languages(found)


def test_nobody_writes_rules() -> None:
    for mode in ("mode: external", "enable: false"):
        found = mode_of(mode, ABSENT)
        assert (found.status, found.certainty) == (Status.FAIL, Certainty.IMPLIED)
    assert mode_of("mode: external", ABSENT, diversion=WORKS).status is Status.WARN


# What the API server gives for an edge whose rule is gone, recorded with Kubernetes v1.34.2; figures are still fresh then.
REFUSED = Unavailable(
    Reason.SERVER_ERROR,
    "GET /api/v1/nodes/edge1/proxy/stats/summary",
    "error trying to reach service: dial tcp 10.99.0.2:10351: connect: connection refused",
)


def test_figures_that_are_older_than_a_lost_rule_prove_no_rule() -> None:
    silent = EdgeAnswers((EdgeAnswer("edge1", REFUSED),))
    found = mode_of("mode: external", ABSENT, diversion=WORKS, answers=silent)
    assert (found.status, found.certainty) == (Status.FAIL, Certainty.IMPLIED)
    reached = EdgeAnswers((EdgeAnswer("edge1", ApiAnswer(200, b"")), EdgeAnswer("edge2", REFUSED)))
    assert mode_of("mode: external", ABSENT, answers=reached).status is Status.WARN  # cloudcore was reached
    two = CloudNodes((HOST, ApiServerHost("cloud2", "10.99.0.9")), "the label")
    assert (
        mode_of("mode: external", ABSENT, cloud=two, diversion=WORKS, answers=reached).status is Status.FAIL
    )


def test_internal_covers_only_the_hosts_of_cloudcore() -> None:
    here = CloudcoreWorkload(None, (pod("cloud"),))
    assert mode_of("mode: internal", ABSENT, cloudcore=here).status is Status.PASS
    elsewhere = CloudcoreWorkload(None, (pod("worker"),))
    found = mode_of("mode: internal", ABSENT, cloudcore=elsewhere)
    assert found.status is Status.FAIL
    assert "cloud" in found.summary.en
    assert mode_of("mode: internal", ABSENT, cloudcore=here, cloud=BLIND).status is Status.UNKNOWN
