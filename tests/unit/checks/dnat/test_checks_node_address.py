from __future__ import annotations

import pytest
from cloudcore_samples import pod
from siteworld import NOW, both_languages, edge, edges, only

from kedoctor.api import EveryHost, Finding, HttpAnswer, Reason, Status, Unavailable
from kedoctor.checks.dnat.kubelet_port import kubelet_port
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreWorkload
from kedoctor.checks.facts.cloud.cloudcore_log_lines import CloudcoreLines
from kedoctor.checks.facts.cloud.diversion_probes import TunnelProbe, TunnelProbes
from kedoctor.checks.facts.cluster.nodes import EdgeNodes
from kedoctor.checks.facts.cluster.tunnel_port import RecordState, TunnelPortRecord, parse_record
from kedoctor.checks.parsers.logs.klog import parse_lines

RECORD = parse_record('{"ipTunnelPort":{"10.99.0.1":10352},"port":{"10351":true,"10352":true}}')

BLIND = Unavailable(Reason.NOT_RECORDED, "the log of cloudcore")


def judged(
    nodes: EdgeNodes, record: TunnelPortRecord | Unavailable, *tunnels: str, log: str = ""
) -> list[Finding]:
    """KE301, with tunnels that answer and lines of cloudcore's log."""
    answers = tuple(
        TunnelProbe(
            name, "10.99.0.2", "10.99.0.1", HttpAnswer(200, b'{"node": {"nodeName": "%s"}}' % name.encode())
        )
        for name in tunnels
    )
    lines = CloudcoreLines(tuple(parse_lines(log, NOW)), NOW) if log else BLIND
    tunnelled = EveryHost({"cloud": TunnelProbes(answers)})
    return list(kubelet_port(nodes, record, tunnelled, lines, workload=CloudcoreWorkload(None, (pod(),))))


def test_the_port_on_record_passes() -> None:
    assert only(judged(edges(edge(port=10352)), RECORD)).status is Status.PASS


@pytest.mark.parametrize(
    ("port", "words"),
    [
        (0, "no port"),  # the Node was made by hand
        (10250, "10250"),
        (10350, "edgeStream is off"),  # testbed.md: fresh join
        (10351, "since the cloudcore pod was re-created"),  # testbed.md: a2
    ],
)
def test_a_port_without_a_tunnel_fails(port: int, words: str) -> None:
    found = only(judged(edges(edge(port=port)), RECORD))
    assert (found.status, found.node) == (Status.FAIL, "edge1")
    assert words in found.summary.en
    assert str(port) in found.summary.en
    assert both_languages(found)


def test_10350_is_right_where_an_old_release_left_it_on_record() -> None:
    old = parse_record('{"ipTunnelPort":{"10.99.0.1":10350},"port":{"10350":true}}')
    assert only(judged(edges(edge(port=10350)), old)).status is Status.PASS


@pytest.mark.parametrize(
    "record",
    [
        Unavailable(Reason.FORBIDDEN, "ConfigMaps"),
        TunnelPortRecord(RecordState.NO_CONFIG_MAP),
        parse_record("{"),
    ],
)
def test_without_a_record_only_the_certain_ports_are_judged(record: TunnelPortRecord | Unavailable) -> None:
    assert only(judged(edges(edge(port=10351)), record)).status is Status.UNKNOWN
    assert only(judged(edges(edge(port=10350)), record)).status is Status.FAIL


def test_a_record_without_any_cloudcore_is_told_in_a_whole_sentence() -> None:
    found = only(judged(edges(edge(port=10359)), parse_record('{"ipTunnelPort":{},"port":{}}')))
    assert found.status is Status.UNKNOWN
    assert found.summary.en.endswith("is unknown: configmap/tunnelport names no cloudcore.")


def test_an_ordinary_kubelet_with_an_edge_label_needs_no_tunnel() -> None:
    found = only(judged(edges(edge(port=10250, version="v1.31.14")), RECORD))
    assert found.status is Status.SKIP


def test_an_edge_that_is_away_as_planned_is_left_out() -> None:
    away = edge(port=10351, ready="Unknown", cordoned=True)
    assert only(judged(edges(away), RECORD)).status is Status.SKIP


def test_each_edge_is_judged_by_itself() -> None:
    found = list(judged(edges(edge("edge1", port=10352), edge("edge2", port=10350)), RECORD))
    assert [(one.node, one.status) for one in found] == [("edge1", Status.PASS), ("edge2", Status.FAIL)]


def test_a_wrong_port_beside_a_tunnel_that_is_up_is_wrong_by_itself() -> None:
    found = only(judged(edges(edge(port=10250)), RECORD, "edge1"))
    assert (found.status, found.root) == (Status.FAIL, True)
    assert "although its tunnel is up" in found.summary.en
    assert both_languages(found)


def test_a_port_that_cloudcore_could_not_write_follows_from_why_it_could_not() -> None:
    line = (
        "E1123 03:19:30.000000       1 tunnelserver.go:231] Failed to update node KubeletEndpoint Port, node: edge1, "
        'tunnelPort: 10352, err: nodes "edge1" is forbidden'
    )
    found = only(judged(edges(edge(port=10250)), RECORD, "edge1", log=line))
    assert (found.status, found.root) == (Status.FAIL, False)
    assert "forbidden" in found.evidence[-1].excerpt
    assert both_languages(found)
