"""KE303 to KE306: is there a rule, where does it lead, what is left over, and do the backends agree."""

from __future__ import annotations

from typing import Any

import pytest
from cloud_samples import (
    APISERVER,
    CLOUD,
    CLUSTER_IP,
    JUMPS,
    MISSING,
    RIGHT,
    Told,
    addresses,
    edge,
    found,
    http,
    manager,
    nat,
    record,
    rule,
    targets,
    told,
)

from kedoctor.api import Certainty, Finding, Reason, Status, Unavailable
from kedoctor.checks.dnat.dnat_backend import dnat_backend
from kedoctor.checks.dnat.dnat_rule import dnat_rule
from kedoctor.checks.dnat.dnat_stale import dnat_stale
from kedoctor.checks.dnat.dnat_target import dnat_target
from kedoctor.checks.facts.cloud.cloud_host import CloudProcesses
from kedoctor.checks.facts.cloud.diversion_probes import (
    DiversionProbe,
    DiversionProbes,
    StreamServer,
    StreamServers,
    TargetProbes,
)
from kedoctor.checks.facts.cloud.diversions import Diversions
from kedoctor.checks.facts.cloud.nat import NatRules
from kedoctor.checks.facts.cluster.metrics import MetricsServer
from kedoctor.checks.facts.cluster.nodes import EdgeNodes
from kedoctor.checks.facts.cluster.tunnel_port import TunnelPortRecord
from kedoctor.checks.parsers.kubernetes import Metadata, Pod, PodSpec, PodStatus
from kedoctor.checks.parsers.netfilter import parse_save

PASS, WARN, FAIL, UNKNOWN, SKIP = Status.PASS, Status.WARN, Status.FAIL, Status.UNKNOWN, Status.SKIP
HEALTHY = nat(legacy=manager(10351))
CLOUDCORE = StreamServers({CLOUD: StreamServer(CLOUD, 10003, http(404, certificate=b"cloudcore"))})


def ke303(rules: NatRules, **more: Any) -> list[Finding]:
    on: TunnelPortRecord = more.pop("on", record())
    given = {"targets": targets(), "processes": APISERVER, "metrics": MISSING, "addresses": addresses()}
    seen = more.pop("diversions", None) or found(rules, *more.pop("edges", ()), on=on)
    return list(dnat_rule(rules, on, seen, **{**given, **more}))


def ke304(rules: NatRules, **more: Any) -> list[Finding]:
    given = {"probes": MISSING, "servers": MISSING, "processes": APISERVER}
    seen = found(rules, *more.pop("edges", ()), on=more.pop("on", None))
    return list(dnat_target(rules, seen, more.pop("targets", targets()), **{**given, **more}))


def ke305(rules: NatRules, **more: Any) -> list[Finding]:
    edges = EdgeNodes(more.pop("edges", (edge(),)))
    given = {"processes": APISERVER, "workload": MISSING}
    return list(dnat_stale(rules, more.pop("on", record()), edges, **{**given, **more}))


def ke306(rules: NatRules, **more: Any) -> list[Finding]:
    given = {"probes": MISSING, "servers": MISSING, "processes": APISERVER, "workload": MISSING}
    return list(dnat_backend(rules, found(rules), more.pop("targets", targets()), **{**given, **more}))


def states(rules: NatRules) -> dict[str, Status]:
    """The worst state of each of the four checks."""
    order = [PASS, SKIP, UNKNOWN, WARN, FAIL]
    return {
        code: max((one.status for one in told(judge(rules))), key=order.index)
        for code, judge in (("KE303", ke303), ("KE304", ke304), ("KE305", ke305), ("KE306", ke306))
    }


# --------------------------------------------------------------------- one fault is told once, by one check


@pytest.mark.parametrize("backend", ["nft", "legacy"])
@pytest.mark.parametrize(
    ("rules", "states_of"),
    [
        (manager(10351), (PASS, PASS, PASS, PASS)),
        ((rule(),), (PASS, PASS, PASS, PASS)),
        (JUMPS, (FAIL, SKIP, PASS, PASS)),
        ((rule(10350),), (FAIL, SKIP, WARN, PASS)),
        ((rule(to=f"--to-destination {CLUSTER_IP}:10003"),), (SKIP, FAIL, PASS, PASS)),
        ((rule(to="--to-destination 10.99.0.1:10004"),), (SKIP, FAIL, PASS, PASS)),
        ((rule(to="--to-destination 10.99.0.77:10003"),), (SKIP, FAIL, PASS, PASS)),
        ((rule(to="--to-destination :10003"),), (SKIP, FAIL, PASS, PASS)),
        ((*manager(10351), rule()), (PASS, PASS, WARN, PASS)),
        ((rule(), rule(to="--to-destination 10.99.0.9:10003")), (PASS, PASS, WARN, PASS)),
        (manager(10351, 10352), (PASS, PASS, PASS, PASS)),
    ],
)
def test_every_fault_in_each_backend(
    backend: Any, rules: tuple[str, ...], states_of: tuple[Status, ...]
) -> None:
    view = nat(**{backend: rules}, host=backend)
    assert tuple(states(view).values()) == states_of


def test_without_an_api_server_no_rule_is_needed() -> None:
    cloudcore_only = CloudProcesses()
    for judge in (ke303, ke304, ke305, ke306):
        assert [one.status for one in told(judge(nat(), processes=cloudcore_only))] == [SKIP]  # type: ignore[operator]


def test_unknown_processes_do_not_keep_it_from_judging() -> None:
    assert told(ke303(HEALTHY, processes=MISSING)) == [Told(PASS, "port 10351", "")]


# ----------------------------------------------------------------------------------------- KE303: a rule


def test_missing_rule_names_what_is_there_instead() -> None:
    (finding,) = ke303(nat(nft=[rule(10350)]))
    assert "exist only for 10350" in finding.summary.en
    assert str(finding.actual) == "rules for 10350 only"


def test_missing_jump_is_named() -> None:
    view = nat(legacy=(rule(chain="TUNNEL-PORT"), "PREROUTING -j TUNNEL-PORT"))
    (finding,) = ke303(view)
    assert finding.status is FAIL
    assert "no rule of OUTPUT jumps there" in finding.summary.en


def test_a_port_of_one_cloudcore_of_two_concerns_its_edges() -> None:
    on = record(**{"10_99_0_1": 10351, "10_99_0_5": 10352})
    edges = (edge(), edge("edge2", "10.99.0.3", 10352), edge("edge3", "10.99.0.4", 10352))
    both = targets(live=frozenset({CLOUD, "10.99.0.5"}))
    findings = told(ke303(HEALTHY, on=on, edges=edges, targets=both))
    assert findings == [
        Told(PASS, "edge1, port 10351", "edge1"),
        Told(FAIL, "edge2, port 10352", "edge2"),
        Told(FAIL, "edge3, port 10352", "edge3"),
    ]


def test_a_port_that_no_edge_has_warns_only() -> None:
    on = record(**{"10_99_0_1": 10351, "10_99_0_5": 10352})
    ok, missing = ke303(HEALTHY, on=on, targets=targets(live=frozenset({CLOUD, "10.99.0.5"})))
    assert (ok.status, missing.status, missing.breaks) == (PASS, WARN, ())


def test_the_only_port_counts_even_before_an_edge_has_it() -> None:
    assert [one.status for one in told(ke303(nat(), edges=(edge(port=10350),)))] == [FAIL]


@pytest.mark.parametrize("edges", [(edge(ip=""),), (edge(ip="fd00::2"),), (edge(version="v1.31.14"),)])
def test_no_edge_that_could_be_reached(edges: Any) -> None:
    assert told(ke303(HEALTHY, edges=edges))[0].status is SKIP


def test_no_record_is_judged_elsewhere() -> None:
    assert told(ke303(HEALTHY, on=TunnelPortRecord(record().state)))[0].status is SKIP


def test_a_view_that_could_not_be_read_makes_it_unknown() -> None:
    refused = Unavailable(Reason.PERMISSION, "the legacy rules", "you must be root")
    (finding,) = ke303(nat(nft=[rule(10350)], legacy=refused))
    assert finding.status is UNKNOWN
    assert "you must be root" in finding.summary.en


def test_a_doubtful_condition_is_told_in_words() -> None:
    (finding,) = ke303(
        nat(nft=[f"OUTPUT -m owner --uid-owner 0 -p tcp -m tcp --dport 10351 -j DNAT {RIGHT}"])
    )
    assert finding.status is UNKNOWN
    assert "only the kernel can decide" in finding.summary.en
    assert "--uid-owner 0" in finding.summary.en


def test_a_foreign_program_that_takes_the_port() -> None:
    view = nat(
        nft=["OUTPUT -j EDGE-MESH", "EDGE-MESH -p tcp -j DNAT --to-destination 127.0.0.1:40001"], legacy=()
    )
    (finding,) = ke303(view)
    assert finding.status is FAIL
    assert "edgemesh takes it first" in finding.summary.en


def test_dropped_before_it_can_be_diverted() -> None:
    (finding,) = ke303(nat(nft=["OUTPUT -p tcp -m tcp --dport 10351 -j DROP"]))
    assert finding.status is FAIL
    assert "drops" in finding.summary.en


def test_diverted_and_then_dropped_by_this_host() -> None:
    text = f"*filter\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -d {CLOUD}/32 -p tcp -m tcp --dport 10003 -j REJECT\nCOMMIT\n"
    rules = nat(legacy=manager(10351))
    filtered = NatRules(parse_save(text, "nft"), rules.legacy, rules.sources, "nft", dnat=rules.dnat)
    (finding,) = ke303(filtered)
    assert finding.status is FAIL
    assert "filter rules drop it" in finding.summary.en


def metrics(*, host_network: bool, host: str = CLOUD) -> MetricsServer:
    pod = Pod(
        metadata=Metadata(name="metrics-server-1"),
        spec=PodSpec(node_name="cloud", host_network=host_network),
        status=PodStatus(phase="Running", host_ip=host, pod_ip="10.244.0.9"),
    )
    return MetricsServer(
        registered=True,
        namespace="kube-system",
        service_name="metrics-server",
        service=None,
        deployment=None,
        pods=(pod,),
    )


def test_a_rule_in_output_only_leaves_pods_out() -> None:
    view = nat(nft=[rule()])
    assert [one.status for one in told(ke303(view, metrics=metrics(host_network=True)))] == [PASS]
    assert [
        one.status for one in told(ke303(view, metrics=metrics(host_network=False, host="10.99.0.9")))
    ] == [PASS]
    ok, pods = ke303(view, metrics=metrics(host_network=False))
    assert (ok.status, pods.status, pods.breaks) == (PASS, FAIL, ("top",))
    assert [one.status for one in told(ke303(HEALTHY, metrics=metrics(host_network=False)))] == [PASS]


def test_a_rule_for_one_edge_alone() -> None:
    view = nat(nft=[f"OUTPUT -d 10.99.0.2/32 -p tcp -m tcp --dport 10351 -j DNAT {RIGHT}"])
    findings = told(ke303(view, edges=(edge(), edge("edge2", "10.99.0.3"))))
    assert findings == [Told(PASS, "edge1, port 10351", "edge1"), Told(FAIL, "edge2, port 10351", "edge2")]


def test_many_edges_are_judged_by_a_few() -> None:
    edges = tuple(edge(f"edge{n}", f"10.{n >> 8}.{n & 255}.7") for n in range(20_000))
    assert told(ke303(HEALTHY, edges=edges)) == [Told(PASS, "port 10351", "")]


# --------------------------------------------------------------------------------------- KE304: its target


@pytest.mark.parametrize(
    ("to", "why"),
    [
        ("--to-destination 10.99.0.1:10000", "stream server is on port 10003, not 10000"),
        (f"--to-destination {CLUSTER_IP}:10003", "ClusterIP of Service kubeedge/cloudcore"),
        ("--to-destination :10003", "the edge's own address on port 10003"),
        ("--to-destination 10.99.0.2:10003", "the edge's own address"),
        ("--to-destination 10.99.0.7:10003", "no cloudcore runs on worker (10.99.0.7)"),
        ("--to-destination 10.99.0.77:10003", "not an address of a cloudcore that runs"),
    ],
)
def test_wrong_targets(to: str, why: str) -> None:
    known = targets(others={CLOUD: "cloud", "10.99.0.7": "worker"}, edges={"10.99.0.3": "edge2"})
    if "10.99.0.2" in to:
        known = targets(edges={"10.99.0.2": "edge1"})
        why = "10.99.0.2 is the edge node edge1"
    (finding,) = ke304(nat(nft=[rule(to=to)]), targets=known)
    assert finding.status is FAIL
    assert why in finding.summary.en
    assert finding.commands[0].startswith("sudo iptables-nft -t nat -D OUTPUT -p tcp")


@pytest.mark.parametrize("to", ["DNAT --to-destination 127.0.0.1:10003", "REDIRECT --to-ports 10003"])
def test_loopback_is_right_only_where_cloudcore_runs(to: str) -> None:
    view = nat(nft=[f"OUTPUT -p tcp -m tcp --dport 10351 -j {to}"])
    assert told(ke304(view))[0].status is PASS
    elsewhere = targets(here=False, live=frozenset({"10.99.0.5"}), own=frozenset({CLOUD, "127.0.0.1"}))
    (finding,) = ke304(view, targets=elsewhere)
    assert finding.status is FAIL
    assert "this host itself" in finding.summary.en


def test_a_virtual_address_that_is_no_service() -> None:
    # Recording i3: a second hand-made rule would have to map the connection once more.
    second = "KS-TEST -d 10.96.0.50/32 -p tcp -m tcp --dport 10003 -j DNAT --to-destination 10.99.0.1:10003"
    view = nat(nft=[rule(to="--to-destination 10.96.0.50:10003"), "OUTPUT -j KS-TEST", second])
    (finding,) = ke304(view)
    assert (finding.status, finding.certainty) == (FAIL, Certainty.PROVED)
    assert "a connection is mapped only once" in finding.summary.en
    assert told(ke305(view))[0].status is PASS


def test_ipvs_may_take_a_cluster_ip() -> None:
    view = nat(nft=[rule(to=f"--to-destination {CLUSTER_IP}:10003")])
    own = frozenset({CLOUD})
    (finding,) = ke304(view, targets=targets(ipvs=frozenset({CLUSTER_IP}), own=own))
    assert finding.status is UNKNOWN


@pytest.mark.parametrize(
    ("answer", "status", "certainty"),
    [
        (None, FAIL, Certainty.IMPLIED),
        (http(404, certificate=b"cloudcore"), WARN, Certainty.PROVED),
        (http(200, certificate=b"another"), FAIL, Certainty.PROVED),
        (Unavailable(Reason.TIMEOUT, "GET", "no answer within 5 s"), FAIL, Certainty.PROVED),
    ],
)
def test_an_unknown_address_is_tried(answer: Any, status: Status, certainty: Certainty) -> None:
    tried = TargetProbes({("10.99.0.77", 10003): answer} if answer else {})
    view = nat(nft=[rule(to="--to-destination 10.99.0.77:10003")])
    (finding,) = ke304(view, probes=tried, servers=CLOUDCORE)
    told(finding)
    assert (finding.status, finding.certainty) == (status, certainty)
    assert (finding.hop == "") is (status is WARN)


def test_a_stale_record_is_corrected_not_the_rule() -> None:
    view = nat(legacy=manager(10351, to="--to-destination 10.99.0.8:10003"))
    (finding,) = ke304(view, targets=targets(recorded=frozenset({"10.99.0.8"})))
    assert finding.status is FAIL
    assert "on record, but no cloudcore runs there" in finding.summary.en
    assert not any("-D TUNNEL-PORT" in command for command in finding.commands)


def test_without_a_cloudcore_no_target_is_right_or_wrong() -> None:
    assert told(ke304(HEALTHY, targets=targets(runs=False, live=frozenset())))[0].status is SKIP
    assert told(ke304(HEALTHY, targets=targets(runs=None, live=frozenset())))[0].status is UNKNOWN


# ---------------------------------------------------------------------------------------- KE305: leftovers


def test_the_manager_s_old_rules_are_its_own_affair() -> None:
    (finding,) = ke305(nat(legacy=manager(10357, 10358)), on=record(**{"10_99_0_1": 10358}))
    assert finding.status is PASS
    assert "10357" in finding.summary.en


def test_a_rule_for_a_port_that_an_edge_still_has_is_not_called_stale() -> None:
    view = nat(nft=[rule(10352)], legacy=manager(10351))
    assert told(ke305(view, edges=(edge(), edge("edge2", "10.99.0.3", 10352))))[0].status is PASS
    assert told(ke305(view))[0].status is WARN


def test_rules_for_other_things_are_left_alone() -> None:
    view = nat(
        nft=[rule(10003), rule(8080), "OUTPUT -p tcp -j DNAT --to-destination 10.0.0.1:1"],
        legacy=manager(10351),
    )
    assert told(ke305(view))[0].status is PASS


def test_the_command_removes_exactly_that_rule() -> None:
    (finding,) = ke305(
        nat(nft=[f'OUTPUT -p tcp -m tcp --dport 10350 -m comment --comment "my rule" -j DNAT {RIGHT}'])
    )
    (command,) = finding.commands
    assert command == (
        "sudo iptables-nft -t nat -D OUTPUT -p tcp -m tcp --dport 10350 -m comment --comment 'my rule' "
        "-j DNAT --to-destination 10.99.0.1:10003"
    )
    assert (finding.breaks, finding.hop) == ((), None)


def test_a_copy_in_the_other_backend_is_superfluous() -> None:
    view = nat(nft=[rule()], legacy=manager(10351))
    assert list(states(view).values()) == [PASS, PASS, WARN, PASS]
    (finding,) = ke305(view)
    assert "iptables-nft" in finding.summary.en
    assert "iptables-legacy, TUNNEL-PORT 1" in finding.summary.en


# ----------------------------------------------------------------------------------------- KE306: backends

CONFLICT = nat(nft=[rule(to="--to-destination 10.99.0.77:10003")], legacy=manager(10351))


def test_backends_that_disagree_are_told_once() -> None:
    assert list(states(CONFLICT).values()) == [UNKNOWN, SKIP, PASS, WARN]
    (finding,) = ke306(CONFLICT)
    assert "iptables-nft to 10.99.0.77:10003" in finding.summary.en
    assert "iptables-legacy to 10.99.0.1:10003" in finding.summary.en
    assert finding.breaks == ()


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (http(404, certificate=b"cloudcore"), WARN),
        (http(404, certificate=b"another"), FAIL),
        (Unavailable(Reason.REFUSED, "GET", "connection refused"), FAIL),
    ],
)
def test_a_probe_tells_which_of_the_two_acts(answer: Any, status: Status) -> None:
    probes = DiversionProbes((DiversionProbe("edge1", "10.99.0.2", 10351, answer),))
    (finding,) = ke306(CONFLICT, probes=probes, servers=CLOUDCORE)
    told(finding)
    assert (finding.status, finding.breaks) == (status, None if status is FAIL else ())


def test_backends_that_are_both_wrong_are_one_wrong_target() -> None:
    view = nat(
        nft=[rule(to="--to-destination 10.99.0.1:10004")],
        legacy=[rule(to="--to-destination 10.99.0.1:9999")],
        host="nft",
    )
    assert list(states(view).values()) == [UNKNOWN, FAIL, PASS, PASS]


def test_two_managers() -> None:
    view = nat(nft=manager(10351), legacy=manager(10351))
    assert list(states(view).values()) == [PASS, PASS, PASS, WARN]


@pytest.mark.parametrize(
    ("nft", "legacy", "host", "expected"),
    [
        # The manager's chain is in legacy, this host's iptables is nft: as on a healthy Debian 12.
        ((), manager(10351), "nft", (PASS, PASS, None)),
        # Recording healthy-manual-dnat-rule: the operator sees his own rule.
        ([rule()], JUMPS, "nft", (PASS, WARN, "")),
        # Nobody looks into legacy here.
        (JUMPS, [rule()], "nft", (SKIP, WARN, None)),
        ((), [rule()], "nft", (SKIP, WARN, None)),
        ([rule()], (), "legacy", (SKIP, WARN, None)),
        # Nothing says where it would be looked for.
        ((), [rule()], None, (PASS, PASS, None)),
    ],
)
def test_a_rule_only_in_the_other_backend(
    nft: Any, legacy: Any, host: Any, expected: tuple[Status, Status, str | None]
) -> None:
    view = nat(nft=nft, legacy=legacy, host=host)
    (about_rule,), (about_backend,) = ke303(view), ke306(view)
    told(about_rule)
    told(about_backend)
    assert (about_rule.status, about_backend.status, about_backend.hop) == expected
    if about_backend.status is WARN:
        assert "nft" in about_backend.summary.en
        assert "legacy" in about_backend.summary.en


def test_half_of_the_rules_is_not_enough() -> None:
    refused = Unavailable(Reason.TOOL_MISSING, "the nft rules", "not installed")
    (finding,) = ke306(nat(nft=refused, legacy=manager(10351)))
    assert finding.status is UNKNOWN
    assert "not installed" in finding.summary.en


def test_nothing_to_compare() -> None:
    seen: Any = Diversions()
    blind = {"probes": MISSING, "servers": MISSING, "workload": MISSING}
    findings = list(dnat_backend(HEALTHY, seen, targets(), processes=APISERVER, **blind))
    assert told(findings)[0].status is SKIP
