from __future__ import annotations

import pytest
from siteworld import both_languages, cluster, edge, edges, made, only

from kedoctor.api import Addresses, EveryHost, Finding, InterfaceAddress, Reason, Status, Unavailable
from kedoctor.checks.dnat.tunnel_port_record import tunnelport_record
from kedoctor.checks.facts.cloud.cloud_host import HostAddresses
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreWorkload
from kedoctor.checks.facts.cloud.cloudcores import cloudcores
from kedoctor.checks.facts.cloud.relayed import ProvedEdges
from kedoctor.checks.facts.cluster.nodes import EdgeNodes
from kedoctor.checks.facts.cluster.tunnel_port import (
    RecordState,
    TunnelPortRecord,
    parse_record,
    tunnel_port_record,
)
from kedoctor.checks.parsers.kubernetes import ConfigMap, Pod

BLIND = Unavailable(Reason.NOT_RECORDED, "something")
HEALTHY = parse_record('{"ipTunnelPort":{"10.99.0.1":10351},"port":{"10351":true}}')


def pod(ip: str = "10.99.0.1", phase: str = "Running") -> Pod:
    found: Pod = made(
        Pod,
        metadata={"name": f"cloudcore-{ip}"},
        spec={"nodeName": "cloud", "hostNetwork": True},
        status={"phase": phase, "podIP": ip, "hostIP": ip},
    )
    return found


def judged(
    record: TunnelPortRecord, found: CloudcoreWorkload | Unavailable, users: EdgeNodes
) -> list[Finding]:
    return list(tunnelport_record(record, cloudcores(found, record, BLIND, users), users, workload=found))


def workload(*pods: Pod) -> CloudcoreWorkload:
    return CloudcoreWorkload(None, pods or (pod(),))


def test_the_record_of_the_healthy_site_is_read() -> None:
    text = '{"ipTunnelPort":{"10.99.0.1":10351},"port":{"10351":true}}'
    config_map = made(
        ConfigMap,
        metadata={
            "name": "tunnelport",
            "namespace": "kubeedge",
            "annotations": {"tunnelportrecord.kubeedge.io": text},
        },
    )
    record = tunnel_port_record(cluster(config_map))
    assert (record.state, dict(record.ports), record.reserved) == (
        RecordState.READ,
        {"10.99.0.1": 10351},
        {10351},
    )
    assert only(judged(record, workload(), edges())).status is Status.PASS


def test_a_missing_config_map_is_a_verdict() -> None:
    record = tunnel_port_record(cluster(kinds=[ConfigMap]))
    found = only(judged(record, workload(), edges()))
    assert found.status is Status.FAIL
    assert both_languages(found)


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (TunnelPortRecord(RecordState.NO_ANNOTATION), "panic"),
        (parse_record("not json"), "not JSON"),
        (parse_record('{"ipTunnelPort":{"10.99.0.1":"10351"}}'), "not JSON"),
        (parse_record('{"ipTunnelPort":{},"port":{"10351":true}}'), "names no cloudcore"),
        (parse_record('{"ipTunnelPort":{"":10351}}'), "no default route"),
        (parse_record('{"ipTunnelPort":{"fd00::1":10351}}'), "IPv6"),
    ],
)
def test_a_record_no_rule_can_be_made_of(record: TunnelPortRecord, words: str) -> None:
    found = only(judged(record, workload(), edges()))
    assert (found.status, found.hop, found.breaks) == (Status.FAIL, None, None)
    assert words in found.summary.en
    assert both_languages(found)


def test_a_dead_address_fails_where_an_edge_has_its_port() -> None:
    record = parse_record('{"ipTunnelPort":{"10.99.0.1":10352,"10.99.0.9":10351},"port":{}}')
    found = only(judged(record, workload(), edges(edge(port=10351))))
    assert found.status is Status.FAIL
    assert "10.99.0.9" in found.summary.en


def test_a_dead_address_that_no_edge_uses_is_a_fault_that_waits() -> None:
    record = parse_record('{"ipTunnelPort":{"10.99.0.1":10352,"10.99.0.9":10351},"port":{}}')
    found = only(judged(record, workload(), edges(edge(port=10352))))
    assert (found.status, found.breaks) == (Status.WARN, ())


def test_a_cloudcore_on_a_host_with_several_networks_writes_its_default_route_address() -> None:
    other = parse_record('{"ipTunnelPort":{"192.168.7.1":10351},"port":{"10351":true}}')
    assert only(judged(other, workload(), edges())).status is Status.PASS


def test_which_of_two_strangers_is_stale_is_not_guessed() -> None:
    record = parse_record('{"ipTunnelPort":{"192.168.7.1":10351,"192.168.7.2":10352},"port":{}}')
    found = list(judged(record, workload(), edges()))
    assert {one.status for one in found} == {Status.UNKNOWN}


def test_without_pods_nothing_is_said_of_liveness() -> None:
    blind = Unavailable(Reason.FORBIDDEN, "pods")
    assert only(judged(HEALTHY, blind, edges())).status is Status.UNKNOWN
    assert only(judged(HEALTHY, CloudcoreWorkload(None, ()), edges())).status is Status.UNKNOWN


# What the host of cloudcore shows: all its addresses are known.


def on_host(*ips: str) -> EveryHost[HostAddresses]:
    items = tuple(InterfaceAddress("eth0", ip, 24) for ip in ips)
    return EveryHost({"cloud": HostAddresses(Addresses(items))})


NOT_ITS_OWN = parse_record('{"ipTunnelPort":{"10.99.0.77":10351},"port":{"10351":true}}')
OF_ITS_OTHER_NETWORK = parse_record('{"ipTunnelPort":{"192.168.7.1":10351},"port":{"10351":true}}')


def test_an_address_that_cloudcores_host_does_not_have_is_nobodys() -> None:
    users = edges(edge(port=10351))
    seen = cloudcores(workload(), NOT_ITS_OWN, BLIND, users, on_host("10.99.0.1", "127.0.0.1"))
    found = only(list(tunnelport_record(NOT_ITS_OWN, seen, users, workload=workload())))
    assert found.status is Status.FAIL
    assert "10.99.0.77, where no cloudcore runs" in found.summary.en
    assert [one.address for one in seen.unrecorded] == ["10.99.0.1"]


def test_another_address_of_cloudcores_host_is_its_own() -> None:
    users = edges(edge(port=10351))
    host = on_host("10.99.0.1", "192.168.7.1")
    seen = cloudcores(workload(), OF_ITS_OTHER_NETWORK, BLIND, users, host)
    assert (
        only(list(tunnelport_record(OF_ITS_OTHER_NETWORK, seen, users, workload=workload()))).status
        is Status.PASS
    )
    (one,) = seen.items
    assert (one.address, one.port, one.guessed) == ("192.168.7.1", 10351, False)


def test_of_another_host_in_view_nothing_follows() -> None:
    users = edges(edge(port=10351))
    seen = cloudcores(workload(), OF_ITS_OTHER_NETWORK, BLIND, users, on_host("10.99.0.5"))
    assert (
        only(list(tunnelport_record(OF_ITS_OTHER_NETWORK, seen, users, workload=workload()))).status
        is Status.PASS
    )


@pytest.mark.parametrize(
    ("proved", "status"),
    [
        (ProvedEdges(), Status.PASS),
        (ProvedEdges(frozenset({"edge1"}), frozenset({"edge1"})), Status.PASS),
        (ProvedEdges(frozenset(), frozenset({"edge1"})), Status.UNKNOWN),
        (ProvedEdges(frozenset(), frozenset({"edge9"})), Status.PASS),
    ],
)
def test_an_address_nobody_knows_is_doubted_where_no_edge_answers(
    proved: ProvedEdges, status: Status
) -> None:
    users = edges(edge(port=10351))
    seen = cloudcores(workload(), NOT_ITS_OWN, BLIND, users)
    found = only(list(tunnelport_record(NOT_ITS_OWN, seen, users, workload=workload(), proved=proved)))
    assert found.status is status
    assert both_languages(found)
