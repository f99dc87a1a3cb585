"""KE205, KE209, KE212, KE502, KE503, KE701, KE705: repairs of edged, of edgecore's unit and of what stands beside it."""

from __future__ import annotations

from typing import Any

import pytest
from edge_samples import (
    LISTENS,
    NAME,
    NOT_RECORDED,
    NOW,
    STARTED,
    YAML,
    config,
    file,
    later,
    log,
    said,
    sockets,
    unit,
)
from remedied import planned, told, verdict_of

from kedoctor.api import (
    Addresses,
    ControlUnit,
    EditYaml,
    EveryHost,
    HostContext,
    HttpAnswer,
    Plan,
    Reason,
    RestartUnit,
    Risk,
    Unavailable,
    Unit,
)
from kedoctor.changes.actors.files import edited
from kedoctor.checks.edgecore import cgroup_driver as judged_cgroup
from kedoctor.checks.edgecore import edged as judged_edged
from kedoctor.checks.edgecore import (
    fix_cgroup_driver,
    fix_edged,
    fix_kubelet_on_edge,
    fix_node_ip,
    fix_service,
)
from kedoctor.checks.edgecore.kubelet_on_edge import kubelet_on_edge as ke705
from kedoctor.checks.edgecore.node_ip import node_ip as ke212
from kedoctor.checks.edgecore.service import edgecore_running as ke701
from kedoctor.checks.facts.cluster.nodes import EdgeNode, EdgeNodes
from kedoctor.checks.facts.edge.clock import HostTime
from kedoctor.checks.facts.edge.edgecore import (
    CONFIG_PATH,
    UNIT_NAME,
)
from kedoctor.checks.facts.edge.host import CgroupSetting, EdgeAddresses, KubeletUnit
from kedoctor.checks.facts.edge.sockets_and_probes import EdgedHealth
from kedoctor.checks.facts.edge.version import EdgecoreRelease
from kedoctor.checks.parsers.releases import parse
from kedoctor.checks.tunnel import fix_tunnel
from kedoctor.checks.tunnel.established import tunnel_established as ke503
from kedoctor.model.observations.network import InterfaceAddress

V1_21 = EdgecoreRelease(parse("v1.21.0"), "v1.21.0")
ABSENT = Unavailable(Reason.ABSENT, "a file", "it does not exist")
RESTART = (RestartUnit(UNIT_NAME),)
TIME = HostTime(NOW)


def after(plan: Plan, text: str) -> str:
    """edgecore.yaml after the plan's edit of it."""
    (action,) = [one for one in plan.actions if isinstance(one, EditYaml)]
    assert action.path == CONFIG_PATH
    return edited(text.encode(), action.changes).decode()


# ---------------------------------------------------------------------------- KE205, KE502, KE209


def test_edged_goes_back_to_the_loopback() -> None:
    text = YAML + "    tailoredKubeletConfig:\n      address: 0.0.0.0 # open\n      readOnlyPort: 10255\n"
    found = config(text)
    wrong = verdict_of(judged_edged.edged_address, judged_edged.edged_address(found))
    plan = planned(fix_edged.edged_address(wrong, found), wrong)
    assert after(plan, text) == text.replace("0.0.0.0", "127.0.0.1").replace("10255", "10350")


def listener(seen: Any, state: Any, now: HostTime = TIME) -> Any:
    health = EdgedHealth(HttpAnswer(500, b"no"))
    wrong = verdict_of(judged_edged.edged_listener, judged_edged.edged_listener(seen, health, NAME))
    return wrong, fix_edged.edged_listener(wrong, state, seen, config(), now)


def test_an_edged_that_does_not_answer_is_restarted_and_a_stranger_named() -> None:
    wrong, answer = listener(sockets(LISTENS), unit())
    assert planned(answer, wrong).restarts == RESTART
    _, taken = listener(sockets("LISTEN 127.0.0.1:10350 0.0.0.0:0 nginx"), unit())
    assert "held by nginx" in told(taken)
    _, young = listener(sockets(), unit(), HostTime(later(10)))
    assert "less than 40 s ago" in told(young)
    _, down = listener(sockets(), unit(runs=False))
    assert "KE701" in told(down)


def test_the_driver_is_the_runtimes() -> None:
    found, runtime = (
        config(),
        CgroupSetting("containerd", "systemd", "/etc/containerd/config.toml", "SystemdCgroup = true"),
    )
    wrong = verdict_of(
        judged_cgroup.cgroup_driver, judged_cgroup.cgroup_driver(found, runtime, V1_21, ABSENT)
    )
    plan = planned(fix_cgroup_driver.cgroup_driver(wrong, found, runtime), wrong)
    assert config(after(plan, YAML)).text("modules.edged.tailoredKubeletConfig.cgroupDriver") == "systemd"


# ------------------------------------------------------------------------------------------ KE212


def addressed(text: str, own: str, internal: str) -> Any:
    found = config(text)
    items = tuple(InterfaceAddress("eth0", address, 24) for address in own.split())
    addresses = EdgeAddresses(Addresses(items, "eth0", "10.99.0.254"))
    nodes = EdgeNodes((EdgeNode("edge1", internal),))
    version = EdgecoreRelease(None, "")
    judged = ke212(found, addresses, nodes, NOT_RECORDED, names=NOT_RECORDED, version=version)
    wrong = verdict_of(ke212, judged)
    return wrong, fix_node_ip.node_ip(wrong, found, addresses, nodes)


@pytest.mark.parametrize(
    ("own", "internal", "wanted"),
    [("10.99.0.2 10.7.0.2", "10.7.0.2", "10.7.0.2"), ("10.99.0.2", "192.168.1.9", "10.99.0.2")],
)
def test_tunnel_and_node_announce_one_address(own: str, internal: str, wanted: str) -> None:
    wrong, answer = addressed(YAML, own, internal)
    assert config(after(planned(answer, wrong), YAML)).text("modules.edged.nodeIP") == wanted


def test_an_address_that_is_not_this_hosts_is_replaced() -> None:
    text = YAML + "    nodeIP: 10.99.0.77 # moved\n"
    wrong, answer = addressed(text, "10.99.0.2", "10.99.0.77")
    assert after(planned(answer, wrong), text) == text.replace("10.99.0.77", "10.99.0.2")


def test_an_interface_that_overrides_it_is_a_persons() -> None:
    _, answer = addressed(YAML + "    customInterfaceName: eth0\n", "10.99.0.2", "10.7.0.2")
    assert "customInterfaceName is eth0" in told(answer)


# ------------------------------------------------------------------------------------------ KE503


def disconnected(journal: str, *seen: str, changed: Any = STARTED, since: Any = STARTED) -> Any:
    found, state, words = config(), unit(since=since), log(journal) if journal else NOT_RECORDED
    alone: Any = {"hosts": EveryHost({}), "probes": EveryHost({}), "edges": NOT_RECORDED}
    answer = ke503(found, sockets(*seen), state, words, TIME, **alone)
    wrong = verdict_of(ke503, answer)
    plan = fix_tunnel.tunnel_established(
        wrong,
        config=found,
        file=file(modified=changed),
        unit=state,
        sockets=sockets(*seen),
        log=words,
        time=TIME,
    )
    return wrong, plan


REFUSED = said(
    later(60),
    "E dial wss://10.99.0.1:10004/v1/kubeedge/connect error dial tcp 10.99.0.1:10004: connect: connection refused",
    source="edgestream.go:147",
)


def test_a_tunnel_that_hangs_is_restarted_one_that_fails_is_not() -> None:
    wrong, hangs = disconnected("")
    assert planned(hangs, wrong).restarts == RESTART
    _, fails = disconnected(REFUSED)
    assert "a restart changes nothing" in told(fails)
    _, dropped = disconnected("", "SYN_SENT 10.99.0.2:37408 10.99.0.1:10004 edgecore")
    assert "nothing at 10.99.0.1:10004 answers" in told(dropped)


def test_an_edgecore_older_than_its_file_is_restarted_whatever_it_says() -> None:
    wrong, answer = disconnected(REFUSED, changed=later(90))
    assert "was started before" in planned(answer, wrong).title.en


# ------------------------------------------------------------------------------------------ KE701

FATAL = "F1123 03:50:06.370969    5040 server.go:68] failed to unmarshal configfile /etc/kubeedge/config/edgecore.yaml, err: error converting YAML to JSON: yaml: line 39: found character that cannot start any token\n"
STRANGE = "F1123 03:50:06.370969    5040 module.go:1] the moon is in the wrong phase\n"


def service(
    state: Any, journal: str = "", changed: Any = STARTED, now: HostTime = TIME, seen: Any = NOT_RECORDED
) -> Any:
    words = log(journal) if journal else NOT_RECORDED
    wrong = verdict_of(ke701, ke701(state, NAME, words, seen, now))
    return wrong, fix_service.edgecore_running(wrong, state, file(modified=changed), words, now)


def test_a_stopped_unit_is_started_and_enabled() -> None:
    wrong, answer = service(
        unit(runs=False, active_state="inactive", sub_state="dead", unit_file_state="disabled")
    )
    plan = planned(answer, wrong)
    assert plan.actions == (ControlUnit(UNIT_NAME, "enable"), ControlUnit(UNIT_NAME, "start"))
    assert (plan.restarts, plan.risk) == ((), Risk.RESTARTS_EDGECORE)
    wrong, answer = service(unit(runs=False, active_state="failed", sub_state="failed"))
    assert planned(answer, wrong).actions == (ControlUnit(UNIT_NAME, "start"),)


def test_what_died_of_a_named_cause_is_not_started_again() -> None:
    down = unit(runs=False, active_state="failed", sub_state="failed")
    _, answer = service(down, FATAL)
    assert "KE201" in told(answer)
    wrong, corrected = service(down, FATAL, changed=later(3000))
    assert planned(corrected, wrong).actions == (ControlUnit(UNIT_NAME, "start"),)
    _, strange = service(down, STRANGE)
    assert "the moon is in the wrong phase" in told(strange)


def test_what_crashes_over_and_over_is_not_started_again() -> None:
    _, waiting = service(unit(runs=False, active_state="activating", sub_state="auto-restart"), STRANGE)
    assert "it ends by itself" in told(waiting)
    _, looping = service(unit(restarts=9, since=later(-5, NOW)), STRANGE)
    assert "it ends by itself" in told(looping)


def test_a_unit_that_only_lacks_its_place_at_boot_is_enabled_without_a_restart() -> None:
    wrong, answer = service(unit(unit_file_state="disabled"))
    plan = planned(answer, wrong)
    assert (plan.actions, plan.restarts, plan.risk) == ((ControlUnit(UNIT_NAME, "enable"),), (), Risk.SAFE)


def test_an_edgecore_that_does_nothing_is_restarted_unless_a_port_is_taken() -> None:
    wrong, answer = service(unit(), seen=sockets("LISTEN 127.0.0.1:9999 0.0.0.0:0 other"))
    assert planned(answer, wrong).restarts == RESTART
    taken = said(STARTED, "E listen tcp 127.0.0.1:10550: bind: address already in use", source="server.go:1")
    _, told_so = service(unit(), taken, seen=sockets("LISTEN 127.0.0.1:10550 0.0.0.0:0 other"))
    assert "a port that edgecore needs is taken" in told(told_so)


@pytest.mark.parametrize(("state", "words"), [("masked", "unmask"), ("not-found", "keadm join")])
def test_a_unit_that_cannot_be_started_is_told(state: str, words: str) -> None:
    down = unit(runs=False, load_state=state, active_state="inactive", sub_state="dead")
    _, answer = service(down)
    assert words in told(answer)


# ------------------------------------------------------------------------------------------ KE705


def kubelet(state: Any, known: Unit, sides: str = "edge") -> Any:
    vantage = HostContext("edge1", frozenset(sides.split()))
    found = KubeletUnit(known)
    wrong = verdict_of(ke705, ke705(state, found, NAME, vantage))
    return wrong, fix_kubelet_on_edge.kubelet_on_edge(wrong, state, found, vantage)


def test_a_second_kubelet_is_stopped_disabled_and_replaced() -> None:
    known = Unit("kubelet.service", "loaded", "active", "running", "enabled")
    off = (ControlUnit("kubelet.service", "stop"), ControlUnit("kubelet.service", "disable"))
    wrong, answer = kubelet(unit(runs=False, others=("kubelet",)), known)
    plan = planned(answer, wrong)
    assert (plan.actions, plan.restarts) == (off, RESTART)
    wrong, beside = kubelet(unit(others=("kubelet",)), known)
    assert (planned(beside, wrong).actions, planned(beside, wrong).restarts) == (off, ())
    waiting = Unit("kubelet.service", "loaded", "inactive", "dead", "enabled")
    wrong, later_on = kubelet(unit(), waiting)
    assert planned(later_on, wrong).actions == off[1:]


def test_the_kubelet_of_a_cloud_node_or_of_somebody_else_is_left_alone() -> None:
    known = Unit("kubelet.service", "loaded", "active", "running", "enabled")
    _, both = kubelet(unit(others=("kubelet",)), known, "cloud edge")
    assert "a cloud node as well" in told(both)
    _, foreign = kubelet(
        unit(runs=False, others=("kubelet",)), Unit("kubelet.service", "not-found", "inactive", "dead")
    )
    assert "does not belong to kubelet.service" in told(foreign)
