"""Repairs of the diversion: the record, iptables-manager, hand-made rules, and a chain of our own where nothing else can."""

from __future__ import annotations

from typing import Any

import cloud_samples as samples
import pytest
from remedied import after_edit, after_patch, planned, told, verdict_of, verdicts
from siteworld import edge, edges, made

from kedoctor.api import (
    ApplyObject,
    ControlUnit,
    EnsureChain,
    EveryHost,
    HostContext,
    PatchObject,
    Plan,
    Reason,
    RemoveRule,
    RestartPods,
    RestartUnit,
    Risk,
    Status,
    Unavailable,
    WriteFile,
)
from kedoctor.base.records import replace
from kedoctor.checks.dnat.dnat_backend import dnat_backend as backend_check
from kedoctor.checks.dnat.dnat_rule import dnat_rule as rule_check
from kedoctor.checks.dnat.dnat_stale import dnat_stale as stale_check
from kedoctor.checks.dnat.dnat_target import dnat_target as target_check
from kedoctor.checks.dnat.fix_dnat_rules import dnat_backend, dnat_rule, dnat_stale_rules, dnat_target
from kedoctor.checks.dnat.fix_iptables_manager import iptables_manager, iptables_manager_mode
from kedoctor.checks.dnat.fix_tunnel_port import kubelet_port, tunnelport
from kedoctor.checks.dnat.iptables_manager import iptables_manager as manager_check
from kedoctor.checks.dnat.iptables_manager_mode import iptables_manager_mode as mode_check
from kedoctor.checks.dnat.kubelet_port import kubelet_port as port_check
from kedoctor.checks.dnat.tunnel_port_record import tunnelport_record
from kedoctor.checks.facts.cloud.acting_rules import ActingRules
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreDocument, CloudcoreWorkload, cloudcore_config
from kedoctor.checks.facts.cloud.cloudcores import Cloudcores, cloudcores
from kedoctor.checks.facts.cloud.nat import NatRules
from kedoctor.checks.facts.cluster.images import ImageArchives
from kedoctor.checks.facts.cluster.iptables_manager import IptablesManager
from kedoctor.checks.facts.cluster.metrics import MetricsAccess, WorkingDiversion
from kedoctor.checks.facts.cluster.nodes import ApiServerHost, CloudNodes, EdgeNodes, SiteNodes
from kedoctor.checks.facts.cluster.tunnel_port import RecordState, TunnelPortRecord, parse_record
from kedoctor.checks.facts.edge.edgecore import EdgeName
from kedoctor.checks.parsers.kubernetes import ClusterRole, ClusterRoleBinding, DaemonSet, Node, Pod, Taint
from kedoctor.checks.parsers.netfilter.parse import parse_save
from kedoctor.yaml.document import load

BLIND = Unavailable(Reason.FORBIDDEN, "it")
NO_ARCHIVE: EveryHost[ImageArchives] = EveryHost({})
NO_RULES: EveryHost[NatRules] = EveryHost({})
TAINT = Taint(key="node-role.kubernetes.io/control-plane", effect="NoSchedule")


def cloudcore(ip: str = "10.99.0.1") -> Pod:
    found: Pod = made(
        Pod,
        metadata={"name": f"cloudcore-{ip}"},
        spec={"nodeName": "cloud", "hostNetwork": True},
        status={"phase": "Running", "podIP": ip, "hostIP": ip},
    )
    return found


WORKLOAD = CloudcoreWorkload(None, (cloudcore(),))


def judged(
    record: TunnelPortRecord, found: CloudcoreWorkload, users: EdgeNodes | Unavailable
) -> tuple[TunnelPortRecord, Cloudcores, EdgeNodes | Unavailable]:
    """What KE302 judges."""
    return record, cloudcores(found, record, BLIND, users), users


# ------------------------------------------------------------------------------------- KE302, KE301


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            '{"ipTunnelPort":{"10.99.0.1":10352,"10.99.0.9":10351},"port":{"10351":true,"10352":true}}',
            '{"ipTunnelPort":{"10.99.0.1":10352},"port":{"10351":true,"10352":true}}',
        ),
        ('{"ipTunnelPort":{"":10351}}', '{"ipTunnelPort":{"10.99.0.1":10351},"port":{}}'),
        ('{"ipTunnelPort":{"fd00::1":10351}}', '{"ipTunnelPort":{"10.99.0.1":10351},"port":{}}'),
        ('{"ipTunnelPort":{"":9,"10.99.0.1":8}}', '{"ipTunnelPort":{"10.99.0.1":8},"port":{}}'),
    ],
)
def test_the_record_keeps_only_what_leads_to_a_live_cloudcore(before: str, after: str) -> None:
    record, users = parse_record(before), edges(edge(port=10351))
    wrong = verdicts(
        tunnelport_record, tunnelport_record(*judged(record, WORKLOAD, users), workload=WORKLOAD)
    )
    for one in wrong:
        plan = planned(tunnelport(one, record, WORKLOAD, BLIND, BLIND), one)
        assert (plan.risk, plan.restarts) == (Risk.SAFE, ())
        kept = after_patch(plan, {"metadata": {"annotations": {"other": "stays"}}})["metadata"]["annotations"]
        assert kept == {"other": "stays", "tunnelportrecord.kubeedge.io": after}
        assert not verdicts(
            tunnelport_record,
            tunnelport_record(*judged(parse_record(after), WORKLOAD, users), workload=WORKLOAD),
        )


def test_an_address_of_nobody_is_replaced_by_that_of_the_cloudcore_that_lacks_an_entry() -> None:
    record = parse_record('{"ipTunnelPort":{"10.99.0.77":10351},"port":{"10351":true}}')
    users = edges(edge(port=10351))
    host = samples.addresses(("eth0", "10.99.0.1"))
    seen = cloudcores(WORKLOAD, record, BLIND, users, EveryHost({"cloud": host}))
    (wrong,) = verdicts(tunnelport_record, tunnelport_record(record, seen, users, workload=WORKLOAD))
    plan = planned(tunnelport(wrong, record, WORKLOAD, seen, users), wrong)
    text = after_patch(plan, {"metadata": {"annotations": {}}})["metadata"]["annotations"]
    assert text == {
        "tunnelportrecord.kubeedge.io": '{"ipTunnelPort":{"10.99.0.1":10351},"port":{"10351":true}}'
    }


def test_a_record_that_cloudcore_would_panic_on_is_made_anew() -> None:
    for record in (TunnelPortRecord(RecordState.NO_ANNOTATION), parse_record("not json")):
        wrong = verdict_of(
            tunnelport_record, tunnelport_record(*judged(record, WORKLOAD, BLIND), workload=WORKLOAD)
        )
        plan = planned(tunnelport(wrong, record, WORKLOAD, BLIND, BLIND), wrong)
        assert (len(plan.actions), len(plan.restarts), plan.risk) == (1, 1, Risk.RESTARTS_CLOUDCORE)
    gone = TunnelPortRecord(RecordState.NO_CONFIG_MAP)
    wrong = verdict_of(
        tunnelport_record, tunnelport_record(*judged(gone, WORKLOAD, BLIND), workload=WORKLOAD)
    )
    assert planned(tunnelport(wrong, gone, WORKLOAD, BLIND, BLIND), wrong).actions == ()
    told(tunnelport(wrong, gone, CloudcoreWorkload(None, ()), BLIND, BLIND))


def test_a_record_without_any_usable_address_is_not_emptied() -> None:
    record = parse_record('{"ipTunnelPort":{"":10351}}')
    nobody = CloudcoreWorkload(None, ())
    wrong = verdict_of(tunnelport_record, tunnelport_record(*judged(record, nobody, BLIND), workload=nobody))
    assert "default route" in told(tunnelport(wrong, record, nobody, BLIND, BLIND))


def test_the_port_of_a_node_is_for_its_own_edge_to_renew() -> None:
    wrong = verdict_of(
        port_check, port_check(edges(edge(port=10350)), BLIND, EveryHost({}), BLIND, workload=BLIND)
    )
    here = EveryHost({"somewhere": EdgeName("edge1")})
    assert planned(kubelet_port(wrong, here), wrong).restarts == (RestartUnit("edgecore.service"),)
    assert "edge1" in told(kubelet_port(wrong, EveryHost({})))
    dead = replace(wrong, code="KE508")
    assert planned(kubelet_port(dead, here), dead).restarts == (RestartUnit("edgecore.service"),)
    nobody = replace(dead, node="", subject="10.99.0.1:10003")
    assert "stream server does not answer" in told(kubelet_port(nobody, here))


# ------------------------------------------------------------------------------------- KE107, KE307


def daemonset(**template: Any) -> dict[str, Any]:
    container = {
        "name": "iptables-manager",
        "image": "kubeedge/iptables-manager:v1.22.0",
        "resources": {"limits": {"cpu": "200m", "memory": "50Mi"}},
    }
    spec = {"serviceAccountName": "iptables-manager-sa", "containers": [container], **template}
    return {
        "metadata": {"name": "cloud-iptables-manager"},
        "spec": {
            "selector": {"matchLabels": {"kubeedge": "iptables-manager"}},
            "template": {"spec": spec},
        },
        "status": {"desiredNumberScheduled": 1},
    }


def pod(**status: Any) -> Pod:
    found: Pod = made(
        Pod,
        metadata={"name": "m-1"},
        spec={"nodeName": "cloud", "containers": [{"name": "iptables-manager", "image": "kubeedge/x:v1"}]},
        status={"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], **status},
    )
    return found


def _mended(
    content: dict[str, Any],
    *pods: Pod,
    taints: tuple[Taint, ...] = (),
    complaint: str = "",
    access: MetricsAccess | Unavailable = BLIND,
) -> Any:
    manager = IptablesManager(made(DaemonSet, **content), pods, {"m-1": complaint} if complaint else {})
    cloud = CloudNodes((ApiServerHost("cloud", "10.99.0.1", taints),), "the label")
    found = manager_check(manager, cloud, ActingRules(), workload=BLIND)
    wrong = verdict_of(manager_check, found)
    answer = iptables_manager(wrong, manager, cloud, access=access, nodes=BLIND, archives=NO_ARCHIVE)
    return wrong, answer


def _spec(answer: Any, wrong: Any, content: dict[str, Any]) -> dict[str, Any]:
    plan = planned(answer, wrong)
    assert plan.risk is Risk.SAFE
    found: dict[str, Any] = after_patch(plan, content)["spec"]["template"]["spec"]
    return found


def test_the_manager_gets_the_toleration_it_lacks() -> None:
    wrong, answer = _mended(daemonset(), taints=(TAINT,))
    spec = _spec(answer, wrong, daemonset())
    assert spec["tolerations"] == [{"key": TAINT.key, "operator": "Exists", "effect": "NoSchedule"}]
    present = daemonset(tolerations=[{"key": "mine", "operator": "Exists"}])
    wrong, answer = _mended(present, taints=(TAINT,))
    assert len(_spec(answer, wrong, present)["tolerations"]) == 2


def test_the_manager_gets_memory() -> None:
    killed = {"lastState": {"terminated": {"reason": "OOMKilled"}}}
    wrong, answer = _mended(daemonset(), pod(containerStatuses=[killed]))
    (container,) = _spec(answer, wrong, daemonset())["containers"]
    assert container["resources"]["limits"] == {"cpu": "200m", "memory": "200Mi"}


def test_a_selector_that_fits_no_host_goes_and_edges_stay_free_of_it() -> None:
    content = daemonset(nodeSelector={"bed/none": "1"})
    wrong, answer = _mended(content)
    spec = _spec(answer, wrong, content)
    assert "nodeSelector" not in spec
    assert "DoesNotExist" in str(spec["affinity"])


def test_the_affinity_of_the_hand_applied_manifest_is_replaced() -> None:
    term = {"matchExpressions": [{"key": "node-role.kubernetes.io/master", "operator": "Exists"}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    content = daemonset(affinity={"nodeAffinity": required})
    wrong, answer = _mended(content)
    affinity = str(_spec(answer, wrong, content)["affinity"])
    assert "master" not in affinity
    assert "node-role.kubernetes.io/edge" in affinity


def test_the_other_image_for_the_other_backend() -> None:
    line = "can't initialize iptables table `nat': Table does not exist"
    wrong, answer = _mended(daemonset(), pod(), complaint=line)
    image = _spec(answer, wrong, daemonset())["containers"][0]["image"]
    assert image == "kubeedge/iptables-manager-nft:v1.22.0"


@pytest.mark.parametrize(
    ("tag", "exists"),
    [
        ("v1.17.5", False),
        ("v1.20.0", False),
        ("v1.21.0", True),
        ("v1.22.0", True),
        ("v1.23.1", True),
        ("v1.99.0", False),  # not known: nothing is guessed
        ("latest", False),
    ],
)
def test_the_image_for_the_other_backend_exists_from_1_21_on(tag: str, exists: bool) -> None:
    line = "can't initialize iptables table `nat': Table does not exist"
    content = daemonset()
    image = content["spec"]["template"]["spec"]["containers"][0]
    image["image"] = f"{image['image'].rpartition(':')[0]}:{tag}"
    _, answer = _mended(content, pod(), complaint=line)
    assert isinstance(answer, Plan) == exists


def test_rights_are_restored_where_they_were_lost() -> None:
    line = 'configmaps is forbidden: User "system:serviceaccount:kubeedge:iptables-manager-sa" cannot list'
    subject = {"kind": "ServiceAccount", "name": "iptables-manager-sa", "namespace": "kubeedge"}
    role = {"metadata": {"name": "iptables-manager"}, "rules": [{"resources": ["pods"], "verbs": ["get"]}]}
    binding = made(
        ClusterRoleBinding,
        metadata={"name": "b"},
        roleRef={"kind": "ClusterRole", "name": "iptables-manager"},
        subjects=[subject],
    )
    bound = MetricsAccess((), (made(ClusterRole, **role),), (binding,), ())
    wrong, answer = _mended(daemonset(), pod(), complaint=line, access=bound)
    plan = planned(answer, wrong)
    assert [rule["resources"] for rule in after_patch(plan, role)["rules"]] == [
        ["pods"],
        ["pods", "configmaps"],
    ]
    assert plan.restarts == (RestartPods("kubeedge", "kubeedge=iptables-manager"),)
    wrong, answer = _mended(daemonset(), pod(), complaint=line, access=MetricsAccess((), (), (), ()))
    names = [
        one.body["metadata"]["name"] for one in planned(answer, wrong).actions if isinstance(one, ApplyObject)
    ]
    assert names == ["kedoctor:iptables-manager", "kedoctor:iptables-manager"]
    told(_mended(daemonset(), pod(), complaint=line)[1])


def test_what_the_manager_itself_complains_of_is_told() -> None:
    line = "Failed to ensure rules: invalid port/service `' specified"
    assert "invalid port" in told(_mended(daemonset(), pod(), complaint=line)[1])
    told(_mended(daemonset())[1])


def test_two_managers_become_one() -> None:
    text = "modules:\n  cloudHub: {}\n"
    config = cloudcore_config(CloudcoreDocument(text, load(text)))
    assert not isinstance(config, Unavailable)
    manager = IptablesManager(made(DaemonSet, **daemonset()))
    wrong = verdict_of(mode_check, mode_check(config, manager, WORKLOAD, BLIND, WorkingDiversion()))
    plan = planned(iptables_manager_mode(wrong, config, manager, WORKLOAD), wrong)
    assert "mode: external" in after_edit(plan, text)
    assert "helm" in told(iptables_manager_mode(wrong, config, IptablesManager(None), WORKLOAD))


# ------------------------------------------------------------------------------ KE303, KE304, KE305, KE306


def _removals(plan: Any) -> list[tuple[str, str, int]]:
    return [(one.backend, one.rule, one.occurrence) for one in plan.actions if isinstance(one, RemoveRule)]


def _node(name: str, ip: str) -> Node:
    found: Node = made(
        Node,
        metadata={"name": name},
        status={"addresses": [{"type": "InternalIP", "address": ip}]},
    )
    return found


def _nothing_there(manager: IptablesManager, *nodes: Node) -> Any:
    rules = samples.nat(host="legacy")
    found = samples.found(rules)
    known: dict[str, Any] = {"rules": rules, "record": samples.record(), "diversions": found}
    answer = rule_check(
        **known,
        targets=samples.targets(),
        processes=samples.APISERVER,
        metrics=BLIND,
        addresses=samples.addresses(),
    )
    wrong = verdict_of(rule_check, answer, host="cloud")
    plan = dnat_rule(
        wrong,
        HostContext("cloud", frozenset({"cloud"})),
        **known,
        targets=samples.targets(),
        manager=manager,
        nodes=SiteNodes(nodes),
        addresses=samples.addresses(),
    )
    return wrong, plan


def test_where_the_manager_runs_it_is_restarted() -> None:
    manager = IptablesManager(made(DaemonSet, **daemonset()), (pod(),))
    wrong, answer = _nothing_there(manager, _node("cloud", "10.99.0.1"))
    assert planned(answer, wrong).restarts == (RestartPods("kubeedge", "kubeedge=iptables-manager"),)
    wrong, answer = _nothing_there(IptablesManager(None), _node("cloud", "10.99.0.1"))
    assert "KE107" in told(answer)


def test_where_no_manager_gets_a_chain_of_our_own_stands_and_comes_back() -> None:
    manager = IptablesManager(made(DaemonSet, **daemonset()), (pod(),))
    wrong, answer = _nothing_there(manager, _node("another", "10.99.0.7"))
    plan = planned(answer, wrong)
    chain = plan.actions[0]
    assert isinstance(chain, EnsureChain)
    assert (chain.backend, chain.hooks) == ("legacy", ("OUTPUT", "PREROUTING"))
    assert chain.rules == ("-p tcp -m tcp --dport 10351 -j DNAT --to-destination 10.99.0.1:10003",)
    kinds = [type(one) for one in plan.actions[1:]]
    assert kinds == [WriteFile, WriteFile, ControlUnit]


def _target(*rules: str, **kept: Any) -> Any:
    nat = samples.nat(rules)
    answer = target_check(
        nat,
        samples.found(nat),
        samples.targets(**kept),
        probes=BLIND,
        servers=BLIND,
        processes=samples.APISERVER,
    )
    wrong = verdict_of(target_check, answer, host="cloud")
    return wrong, dnat_target(wrong, nat, samples.record(), samples.targets(**kept))


def test_a_hand_made_rule_to_a_cluster_ip_goes_with_its_copies() -> None:
    astray = samples.rule(to=f"--to-destination {samples.CLUSTER_IP}:10003")
    wrong, answer = _target(astray, astray)
    plan = planned(answer, wrong)
    assert _removals(plan) == [("nft", f"-A {astray}", 2), ("nft", f"-A {astray}", 1)]
    assert plan.risk is Risk.SAFE


def test_a_rule_of_the_manager_is_never_touched() -> None:
    _, answer = _target(*samples.manager(10351, to="--to-destination 10.99.0.77:10003"))
    assert "record of tunnel ports" in told(answer)


def test_a_stale_rule_of_our_own_is_brought_up_to_date() -> None:
    ours = samples.rule(to="--to-destination 10.99.0.77:10003", chain="KEDOCTOR-TUNNEL")
    wrong, answer = _target("OUTPUT -j KEDOCTOR-TUNNEL", ours)
    assert isinstance(planned(answer, wrong).actions[0], EnsureChain)


def test_exactly_the_stale_rules_go_the_last_first() -> None:
    stale, copied = samples.rule(10350), samples.rule()
    nat = samples.nat((stale, copied, copied, copied))
    known: dict[str, Any] = {
        "edges": EdgeNodes((samples.edge(),)),
        "processes": samples.APISERVER,
        "workload": WORKLOAD,
    }
    wrong = verdicts(stale_check, stale_check(nat, samples.record(), **known), host="cloud")
    assert {one.status for one in wrong} == {Status.WARN}
    plans = [
        planned(dnat_stale_rules(one, nat, samples.record(), samples.targets(), **known), one)
        for one in wrong
    ]
    assert all(plan.actions == plans[0].actions for plan in plans)
    assert _removals(plans[0]) == [
        ("nft", f"-A {stale}", 1),
        ("nft", f"-A {copied}", 3),
        ("nft", f"-A {copied}", 2),
    ]


def _contradiction(nft: tuple[str, ...], legacy: tuple[str, ...]) -> Any:
    nat = samples.nat(nft, legacy)
    answer = backend_check(
        nat,
        samples.found(nat),
        samples.targets(),
        probes=BLIND,
        servers=BLIND,
        processes=samples.APISERVER,
        workload=BLIND,
    )
    wrong = verdicts(backend_check, answer, host="cloud")[0]
    return wrong, dnat_backend(wrong, nat, samples.targets())


def test_of_two_rules_that_contradict_each_other_the_hand_made_one_goes() -> None:
    astray = samples.rule(to="--to-destination 10.99.0.77:10003")
    wrong, answer = _contradiction((astray,), samples.manager(10351))
    assert _removals(planned(answer, wrong)) == [("nft", f"-A {astray}", 1)]


def test_the_only_rule_stays_and_two_managers_are_told() -> None:
    _, answer = _contradiction((), (samples.rule(),))
    assert "only one" in told(answer)
    _, answer = _contradiction(samples.manager(10351), samples.manager(10351))
    assert "KE107" in told(answer)


def test_counts_of_equal_rules_are_those_of_the_kernel() -> None:
    text = samples.saved(samples.rule(), samples.rule(10352), samples.rule())
    chain = parse_save(text, "nft").chain("nat", "OUTPUT")
    assert chain is not None
    assert [one.text for one in chain.rules].count(f"-A {samples.rule()}") == 2
    assert PatchObject("/x", "json", []).target == "object:/x"
