"""KE209, KE212, KE701, KE705, KE912: the edge host under and around edgecore."""

from __future__ import annotations

from dataclasses import replace

import pytest
from edge_samples import (
    HELD,
    LISTENS,
    NAME,
    NOT_RECORDED,
    NOW,
    STARTED,
    bilingual,
    config,
    edited,
    later,
    log,
    said,
    sockets,
    unit,
)

from kedoctor.api import Addresses, Finding, HostContext, Reason, Resources, Status, Unavailable, Unit
from kedoctor.checks.edgecore.cgroup_driver import cgroup_driver
from kedoctor.checks.edgecore.kubelet_on_edge import kubelet_on_edge
from kedoctor.checks.edgecore.node_ip import node_ip
from kedoctor.checks.edgecore.service import edgecore_running
from kedoctor.checks.facts.cluster.nodes import EdgeNode, EdgeNodes
from kedoctor.checks.facts.edge.clock import HostTime
from kedoctor.checks.facts.edge.edgecore import EdgecoreUnit
from kedoctor.checks.facts.edge.edgecore_log import EdgecoreLog
from kedoctor.checks.facts.edge.host import (
    CgroupSetting,
    EdgeAddresses,
    EdgeResources,
    KubeletUnit,
    containerd_driver,
)
from kedoctor.checks.facts.edge.routing import EdgeNames
from kedoctor.checks.facts.edge.sockets_and_probes import EdgeSockets
from kedoctor.checks.facts.edge.version import EdgecoreRelease
from kedoctor.checks.node.host_resources import edge_resources
from kedoctor.checks.parsers.logs.edgecore_exit_reasons import exit_meaning
from kedoctor.checks.parsers.logs.klog import parse_lines
from kedoctor.checks.parsers.releases import parse
from kedoctor.model.observations.network import InterfaceAddress as Interface

FROM_RUNTIME = "Using cgroup driver setting received from the CRI runtime"

TIME = HostTime(NOW)
FATAL = "F1123 04:02:06.370969    5040 server.go:68] failed to unmarshal configfile /etc/kubeedge/config/edgecore.yaml, err: error converting YAML to JSON: yaml: line 39: found character that cannot start any token\n"


def service(
    state: EdgecoreUnit, text: str = "", seen: EdgeSockets | Unavailable = NOT_RECORDED, now: HostTime = TIME
) -> Finding:
    finding = edgecore_running(state, NAME, log(text) if text else NOT_RECORDED, seen, now)
    bilingual(finding)
    assert finding.node == "edge1"
    return finding


def test_edgecore_runs() -> None:
    assert service(unit(), seen=sockets(HELD, LISTENS)).status is Status.PASS
    assert service(unit(restarts=7)).status is Status.PASS, "restarts of another day are history"


def test_edgecore_is_stopped() -> None:
    finding = service(
        unit(runs=False, active_state="inactive", sub_state="dead"), said(STARTED, "F old failure")
    )
    assert finding.status is Status.FAIL
    assert "is stopped" in finding.summary.en
    assert "old failure" not in finding.summary.en, "somebody stopped it; no crash explains that"


def test_a_crash_loop_quotes_its_last_words_and_what_they_mean() -> None:
    finding = service(
        unit(runs=False, active_state="activating", sub_state="auto-restart", result="exit-code"), FATAL
    )
    assert finding.status is Status.FAIL
    assert "KE201" in finding.summary.en
    assert "line 39" in finding.evidence[1].excerpt


def test_a_loop_caught_while_it_runs() -> None:
    young = HostTime(later(8))
    assert service(unit(restarts=57), FATAL, now=young).status is Status.FAIL
    assert service(unit(restarts=1), FATAL, now=young).status is Status.PASS


def test_restarts_of_an_edgecore_that_lived_between_them_are_no_loop() -> None:
    young = HostTime(later(8))
    lived = said(later(-400), "I Version: v1.22.2", pid=70) + said(later(-20), "I well", pid=70)
    once = lived + said(later(-9), "I Version: v1.22.2", pid=80) + "panic: send on closed channel\n"
    now = said(later(0), "I Version: v1.22.2", pid=90)
    assert service(unit(restarts=3), once + now, now=young).status is Status.PASS
    again = once + said(later(-4), "I Version: v1.22.2", pid=85) + "panic: send on closed channel\n"
    assert service(unit(restarts=4), again + now, now=young).status is Status.FAIL


def test_last_words_that_are_unknown_are_quoted_as_they_are() -> None:
    finding = service(
        unit(runs=False, active_state="failed"), said(STARTED, "F something new happened", source="x.go:1")
    )
    assert "something new happened" in finding.summary.en


def test_active_without_a_process_and_process_without_a_unit() -> None:
    assert service(unit(runs=False)).status is Status.FAIL
    alone = unit(load_state="not-found", active_state="inactive", unit_file_state="")
    assert service(alone).status is Status.WARN
    assert service(replace(alone, process=None, table=unit(runs=False).table)).status is Status.FAIL
    unasked = replace(unit(), unit=Unavailable(Reason.TOOL_MISSING, "systemctl"))
    assert service(unasked).status is Status.PASS
    assert service(replace(unasked, process=None, table=NOT_RECORDED)).status is Status.UNKNOWN


def test_a_zombie_is_told_from_a_running_edgecore() -> None:
    bind = said(NOW, "E listen tcp 127.0.0.1:10550: bind: address already in use", source="server.go:110")
    finding = service(unit(), bind, sockets("ESTABLISHED 127.0.0.1:59842 127.0.0.1:1883 edgecore"))
    assert finding.status is Status.FAIL
    assert "does nothing" in finding.summary.en
    assert "metaServer" in finding.summary.en
    assert service(unit(), "", sockets("SYN_SENT 10.99.0.2:4 10.99.0.1:10000 edgecore")).status is Status.PASS
    assert service(unit(), "", sockets(complete=False)).status is Status.PASS, (
        "owners that cannot be seen prove nothing"
    )


def test_a_disabled_unit_breaks_nothing_now() -> None:
    finding = service(unit(unit_file_state="disabled"))
    assert (finding.status, finding.breaks) == (Status.WARN, ())


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (
            "F server.go:63] [ config: Required value: config file /etc/kubeedge/config/edgecore.yaml not exist. ...",
            "KE201",
        ),
        ("panic: runtime error: invalid memory address or nil pointer dereference", "KE201"),
        (
            "failed to check the running environment: kubelet should not be running on edge node when running edgecore",
            "KE705",
        ),
        ("Failed to load x509 key pair: open /x: no such file or directory", "KE401"),
        (
            '"Failed to listen and serve" err="listen tcp 127.0.0.1:10350: bind: address already in use"',
            "KE504",
        ),
        (
            "panic: failed to apply the edge certs, err: Get https://10.99.0.1:10002/ca.crt: dial tcp: i/o timeout",
            "KE505",
        ),
        (
            "Get https://121.46.27.183:10002/edge.crt: x509: certificate is valid for 192.168.0.29, not 121.46.27.183",
            "KE408",
        ),
    ],
)
def test_what_last_lines_mean(line: str, code: str) -> None:
    meaning = exit_meaning(line)
    assert meaning is not None
    assert meaning.code == code
    assert exit_meaning("all is well") is None


# ------------------------------------------------------------------------------------------------ KE705


def kubelet(state: EdgecoreUnit, enabled: str = "", sides: tuple[str, ...] = ("edge",)) -> Finding:
    found = KubeletUnit(Unit("kubelet.service", "loaded", "inactive", "dead", enabled))
    finding = kubelet_on_edge(state, found, NAME, HostContext("edge1", frozenset(sides)))
    bilingual(finding)
    return finding


def test_kubelets() -> None:
    assert kubelet(unit()).status is Status.PASS
    assert kubelet(unit(runs=False, others=["kubelet"])).status is Status.FAIL
    beside = kubelet(unit(others=["kubelet"]))
    assert (beside.status, beside.breaks) == (Status.WARN, ())
    assert kubelet(unit(others=["kubelet"]), sides=("edge", "cloud")).hop == ""
    assert kubelet(unit(), "enabled").status is Status.WARN
    assert kubelet(replace(unit(), table=NOT_RECORDED)).status is Status.UNKNOWN


# ------------------------------------------------------------------------------------------ KE209, KE912

VERSION_2 = """
version = 2
[plugins."io.containerd.grpc.v1.cri".containerd]
  default_runtime_name = "runc"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = {}
"""
VERSION_3 = """
version = 3
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
  SystemdCgroup = {}
"""


@pytest.mark.parametrize(
    ("text", "driver"),
    [
        (VERSION_2.format("true"), "systemd"),
        (VERSION_2.format("false"), "cgroupfs"),
        (VERSION_3.format("true"), "systemd"),
        ("version = 1\n[plugins.cri]\nsystemd_cgroup = true\n", "systemd"),
        ('disabled_plugins = ["cri"]\n', "cgroupfs"),
        ("", "cgroupfs"),
        ("= nonsense", None),
        ('imports = ["/etc/containerd/conf.d/*.toml"]\n', None),
    ],
)
def test_what_containerd_is_set_to(text: str, driver: str | None) -> None:
    found = containerd_driver("/etc/containerd/config.toml", text.encode())
    assert (None if isinstance(found, Unavailable) else found.driver) == driver


def test_cgroup_drivers() -> None:
    for ours, theirs, status in (
        ("", "cgroupfs", Status.PASS),
        ("systemd", "cgroupfs", Status.FAIL),
        ("", "systemd", Status.FAIL),
    ):
        own = f"    tailoredKubeletConfig:\n      cgroupDriver: {ours}\n" if ours else ""
        finding = cgroup_driver(
            edited(edged=own),
            CgroupSetting("containerd", theirs, "/etc/containerd/config.toml", "x"),
            EdgecoreRelease(parse("v1.21.0"), "v1.21.0"),
            Unavailable(Reason.ABSENT, "the journal"),
        )
        bilingual(finding)
        assert finding.status is status


@pytest.mark.parametrize(
    ("release", "said", "status"),
    [  # versions.md §4: from 1.22 on the runtime is asked first
        ("v1.22.0", None, Status.UNKNOWN),
        ("v1.22.0", ("Version: v1.22.0",), Status.FAIL),
        ("v1.22.0", ("Version: v1.22.0", FROM_RUNTIME), Status.PASS),
        ("v1.23.1", ("Version: v1.23.1", FROM_RUNTIME), Status.PASS),
        ("v1.21.0", ("Version: v1.21.0",), Status.FAIL),
        ("", None, Status.UNKNOWN),
    ],
)
def test_a_runtime_that_tells_its_driver(release: str, said: tuple[str, ...] | None, status: Status) -> None:
    lines = tuple(
        parse_lines("\n".join(f"I1120 10:00:00.000000    1 server.go:1] {line}" for line in said or ()), NOW)
    )
    finding = cgroup_driver(
        edited(edged="    tailoredKubeletConfig:\n      cgroupDriver: cgroupfs\n"),
        CgroupSetting("containerd", "systemd", "/etc/containerd/config.toml", "SystemdCgroup = true"),
        EdgecoreRelease(parse(release), release),
        EdgecoreLog(lines, lines, NOW) if said is not None else Unavailable(Reason.ABSENT, "the journal"),
    )
    bilingual(finding)
    assert finding.status is status


def test_resources() -> None:
    gb = 10**9
    cases = [
        (Resources(2, 2 * gb, gb, 40 * gb, 30 * gb), Status.PASS),
        (Resources(1, int(0.95 * gb), gb // 2, 40 * gb, 30 * gb), Status.PASS),
        (Resources(1, gb // 2, gb // 4, 40 * gb, 30 * gb), Status.WARN),
        (Resources(2, 2 * gb, gb, 8 * gb, 4 * gb), Status.WARN),
        (Resources(2, 2 * gb, gb, 40 * gb, 4 * gb), Status.WARN),
        (Resources(2, 2 * gb, 50 << 20, 40 * gb, 30 * gb), Status.WARN),
    ]
    for resources, status in cases:
        finding = edge_resources(EdgeResources(resources), NAME)
        bilingual(finding)
        assert finding.status is status, resources


# ------------------------------------------------------------------------------------------------ KE212

ADDRESSES = EdgeAddresses(
    Addresses(
        (
            Interface("lo", "127.0.0.1", 8),
            Interface("eth0", "10.99.0.2", 24),
            Interface("eth1", "192.168.0.130", 24),
        ),
        "eth0",
        "10.99.0.254",
    )
)
NODES = EdgeNodes((EdgeNode("edge1", internal_ip="10.99.0.2"),))
LOGGED = said(STARTED, "I get node local IP address successfully: 10.99.0.2", source="edgestream.go:131")


def address(
    text: str = "",
    *,
    nodes: EdgeNodes | Unavailable = NODES,
    seen: EdgeAddresses | Unavailable = ADDRESSES,
    said_: EdgecoreLog | Unavailable = NOT_RECORDED,
    names: EdgeNames | Unavailable = NOT_RECORDED,
    release: str = "v1.22.0",
) -> Finding:
    version = EdgecoreRelease(parse(release), release)
    finding = node_ip(edited(edged=text), seen, nodes, said_, names=names, version=version)
    bilingual(finding)
    return finding


def test_one_address() -> None:
    assert address().status is Status.PASS
    assert address(said_=log(LOGGED), seen=NOT_RECORDED).status is Status.PASS
    assert address("    nodeIP: 10.99.0.2\n").status is Status.PASS
    assert address("    customInterfaceName: eth0\n").status is Status.PASS


def test_two_addresses_break_figures_only() -> None:
    for text in ("    nodeIP: 192.168.0.130\n", "    customInterfaceName: eth1\n"):
        finding = address(text)
        assert (finding.status, finding.breaks) == (Status.FAIL, None)
        assert "192.168.0.130" in finding.summary.en


def test_a_node_ip_that_no_interface_has() -> None:
    assert address("    nodeIP: 10.1.2.3\n").status is Status.FAIL


def test_addresses_that_cannot_be_compared() -> None:
    assert address(nodes=NOT_RECORDED).status is Status.UNKNOWN
    # An edge has no kubeconfig, as a rule.
    assert address(nodes=Unavailable(Reason.NOT_CONFIGURED, "list nodes")).status is Status.SKIP
    assert address(nodes=EdgeNodes(())).status is Status.UNKNOWN
    assert address(seen=NOT_RECORDED).status is Status.UNKNOWN
    assert config().node_name == "edge1"
