from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from siteworld import NOW, before, both_languages, edge, edges, only

from kedoctor.api import Reason, Status, Unavailable
from kedoctor.checks.dnat.kubelet_port import duplicate_internal_ip
from kedoctor.checks.facts.cluster.metrics import NodeSamples
from kedoctor.checks.facts.cluster.nodes import EdgeNodes
from kedoctor.checks.facts.cluster.site_info import SiteTime
from kedoctor.checks.node.ready import node_ready

TIME = SiteTime(NOW, "the API server's clock")
NOTHING = NodeSamples({}, NOW, timedelta(seconds=105))
FRESH = NodeSamples({"edge1": before(12)}, NOW, timedelta(seconds=105))


def test_a_ready_edge_passes() -> None:
    assert only(node_ready(edges(), TIME, FRESH)).status is Status.PASS


def test_a_stopped_edgecore_breaks_everything_on_that_edge() -> None:
    # testbed.md case j: Ready=Unknown, NodeStatusUnknown, lease 76 s old, no metrics.
    gone = edge(ready="Unknown", reason="NodeStatusUnknown", silent=76)
    found = only(node_ready(edges(gone), TIME, NOTHING))
    assert (found.status, found.node, found.hop, found.breaks) == (Status.FAIL, "edge1", "link", None)
    assert "76 seconds ago" in found.summary.en
    assert both_languages(found)


def test_a_live_tunnel_limits_the_damage_to_readiness() -> None:
    # testbed.md case g1: with another rootCA the hub is refused and the tunnel goes on.
    gone = edge(ready="Unknown", reason="NodeStatusUnknown")
    found = only(node_ready(edges(gone), TIME, FRESH))
    assert (found.status, found.breaks) == (Status.FAIL, ("ready",))
    assert "10000" in found.summary.en


def test_an_edge_that_reports_trouble_points_to_the_runtime() -> None:
    sick = edge(ready="False", reason="KubeletNotReady")
    found = only(node_ready(edges(sick), TIME, NOTHING))
    assert (found.status, found.hop, found.breaks) == (Status.FAIL, "runtime", ("ready",))


def test_a_cordoned_edge_that_is_away_is_absent_as_planned() -> None:
    away = edge(ready="Unknown", reason="NodeStatusUnknown", cordoned=True)
    found = only(node_ready(edges(away), TIME, NOTHING))
    assert (found.status, found.hop, found.breaks) == (Status.WARN, "", ())


def test_a_long_absence_is_told_apart() -> None:
    away = edge(ready="Unknown", reason="NodeStatusUnknown", silent=9 * 86400)
    found = only(node_ready(edges(away), TIME, NOTHING))
    assert found.status is Status.FAIL
    assert "9 days ago" in found.summary.en
    assert found.hint is not None
    assert "cordon" in found.hint.en


def test_a_node_that_has_just_joined_gets_a_minute() -> None:
    young = edge(ready="False", reason="KubeletNotReady", created=before(20))
    assert only(node_ready(edges(young), TIME, NOTHING)).status is Status.UNKNOWN


def test_a_node_made_by_hand_never_reported() -> None:
    found = only(node_ready(edges(replace(edge(), ready=None)), TIME, NOTHING))
    assert found.status is Status.FAIL
    assert "never reported" in found.summary.en


def test_no_edge_at_all_is_not_a_pass() -> None:
    assert only(node_ready(EdgeNodes(()), TIME, NOTHING)).status is Status.UNKNOWN


def test_without_a_clock_the_condition_still_decides() -> None:
    blind = Unavailable(Reason.ERROR, "the time")
    found = only(node_ready(edges(edge(ready="Unknown")), blind, Unavailable(Reason.FORBIDDEN, "samples")))
    assert found.status is Status.FAIL


def test_two_edges_with_one_address() -> None:
    found = list(
        duplicate_internal_ip(edges(edge("edge1"), edge("edge2"), edge("edge3", internal_ip="10.99.0.4")))
    )
    assert [(one.status, one.node) for one in found] == [(Status.FAIL, "edge1"), (Status.FAIL, "edge2")]
    assert all(both_languages(one) for one in found)


def test_an_old_name_of_the_same_machine_only_warns() -> None:
    found = list(duplicate_internal_ip(edges(edge("edge1"), edge("old", ready="Unknown"))))
    assert {one.status for one in found} == {Status.WARN}
    assert all(one.breaks == () and one.hop == "" for one in found)


def test_addresses_of_their_own_pass() -> None:
    assert (
        only(duplicate_internal_ip(edges(edge("edge1"), edge("edge2", internal_ip="10.99.0.3")))).status
        is Status.PASS
    )
