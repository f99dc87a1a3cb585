"""KE511: a hub link that is open and dead, and its repair (facts.md §11.3)."""

from __future__ import annotations

from typing import Any

import pytest
from edge_samples import NOT_RECORDED, NOW, bilingual, config, later, log, said, sockets, unit
from remedied import planned, told, verdict_of

from kedoctor.api import EveryHost, Finding, Risk, Sockets, Status
from kedoctor.checks.facts.cloud.cloud_host import CloudSockets
from kedoctor.checks.facts.cluster.nodes import EdgeNode, EdgeNodes
from kedoctor.checks.facts.edge.clock import HostTime
from kedoctor.checks.parsers.kubernetes import Condition
from kedoctor.checks.tunnel.fix_hub import hub_half_open as repaired
from kedoctor.checks.tunnel.hub_half_open import hub_half_open

HUB = "ESTABLISHED 10.99.0.2:37410 10.99.0.1:10000 edgecore"
LEASE = "kube-node-lease/lease/edge1"
LATE = "timeout to get response for message 5c1d0f7a"
GOOD = said(later(-900, NOW), "I Websocket connect to cloud access successful", source="websocket.go:89")
SAID = (
    f'E "Failed to update lease" err="update lease failed, err: {LATE}"',
    f"E send sync message {LEASE} failed, error:{LATE}, retries: 1",
    f"E process remote failed, req[msgID[7d1f-22] resource[{LEASE}]], err: {LATE}",
)


def look(text: str = "", seen: Any = None, state: Any = None, **others: Any) -> Finding:
    given: dict[str, Any] = {"hosts": EveryHost({}), "edges": NOT_RECORDED, **others}
    words = log(text) if text else NOT_RECORDED
    finding = hub_half_open(config(), seen or sockets(HUB), state or unit(), words, **given)
    bilingual(finding)
    assert finding.node == "edge1"
    return finding


def at(text: str, *seconds: float) -> str:
    return "".join(said(later(-one, NOW), text, source="controller.go:195") for one in seconds)


def edges(status: str) -> EdgeNodes:
    ready = Condition(type="Ready", status=status, reason="r")
    return EdgeNodes((EdgeNode("edge1", "10.99.0.2", ready=ready), EdgeNode("edge2", "10.99.0.3")))


def cloud(*remote: str) -> EveryHost[CloudSockets]:
    lines = [f"ESTABLISHED 10.99.0.1:10000 {one}:4711 cloudcore" for one in remote]
    found = sockets("LISTEN 0.0.0.0:10000 0.0.0.0:0 cloudcore", *lines).sockets
    return EveryHost({"cloud": CloudSockets(Sockets(found.items))})


@pytest.mark.parametrize("text", SAID)
def test_leases_that_nobody_answers_again_and_again(text: str) -> None:
    finding = look(GOOD + at(text, 66, 5))
    assert finding.status is Status.FAIL
    assert finding.hint is not None
    assert "Restart edgecore" in finding.hint.en


def test_messages_that_edgecore_no_longer_reads() -> None:
    finding = look(GOOD + at("W too many message received, fifo overflow", 66, 5))
    assert finding.status is Status.FAIL
    assert "no longer reads" in finding.summary.en


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        GOOD + at(SAID[0], 5),  # once
        GOOD + at(SAID[0], 5, 4, 3),  # the lines of one try
        GOOD + at(SAID[0], 900, 500),  # long ago
        at(SAID[0], 66, 5)
        + said(NOW, "I Websocket connect to cloud access successful", source="websocket.go:89"),
        at(SAID[0], 66, 5)
        + said(NOW, "W connection is broken, will reconnect after 30s", source="edgehub.go:138"),
        GOOD
        + at(
            'E "Failed to update lease" err="update lease failed, err: failed to process remote: not connected"',
            66,
            5,
        ),
    ],
)
def test_what_is_no_sign_of_a_dead_link(text: str) -> None:
    assert look(text).status is Status.PASS


def test_a_node_that_is_ready_has_a_link_that_lives() -> None:
    assert look(GOOD + at(SAID[0], 66, 5), edges=edges("True")).status is Status.PASS
    assert look(GOOD + at(SAID[0], 66, 5), edges=edges("Unknown")).status is Status.FAIL


def test_the_other_end_decides_where_it_is_in_view() -> None:
    silent = edges("Unknown")
    assert look(GOOD, edges=silent, hosts=cloud("10.99.0.3")).status is Status.FAIL
    assert look(GOOD, edges=silent, hosts=cloud("10.99.0.2")).status is Status.PASS
    assert look(GOOD, edges=silent, hosts=cloud("192.0.2.1")).status is Status.PASS, (
        "behind address translation"
    )
    assert look(GOOD, edges=edges("True"), hosts=cloud("10.99.0.3")).status is Status.PASS
    assert look(GOOD, edges=silent).status is Status.PASS


def test_without_a_link_there_is_nothing_to_judge() -> None:
    assert look(GOOD, seen=sockets("LISTEN 127.0.0.1:10350 0.0.0.0:0 edgecore")).status is Status.SKIP
    assert look(GOOD, state=unit(runs=False)).status is Status.SKIP
    assert look().status is Status.UNKNOWN


def test_it_is_repaired_by_one_restart_of_edgecore() -> None:
    verdict = verdict_of(hub_half_open, look(GOOD + at(SAID[0], 66, 5)))
    plan = planned(repaired(verdict, unit(), HostTime(NOW)), verdict)
    assert plan.risk is Risk.RESTARTS_EDGECORE
    assert [one.target for one in plan.restarts] == ["restart:edgecore.service:do"]
    assert not plan.actions


@pytest.mark.parametrize("state", [unit(runs=False), unit(since=later(-30, NOW))])
def test_one_that_has_just_started_is_not_restarted_again(state: Any) -> None:
    verdict = verdict_of(hub_half_open, look(GOOD + at(SAID[0], 66, 5)))
    assert told(repaired(verdict, state, HostTime(NOW)))
