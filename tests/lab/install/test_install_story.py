"""Both installs from empty hosts to a green gate, as one story on two booted machines with a cable between them.

Real: kedoctor, systemd, containerd, ctr and runc, the network, certificates, tokens and every connection between edge
and cloud. Stand-ins: K3s (its API server is the sandbox's), keadm, cloudcore, edgecore. The edge's keadm and edgecore
get everything from what the cloud machine serves; its cloudcore makes the Node from the session that edgecore holds.
Played inside the cloud's API server: the pods on the edge (they start if edgecore has told of their image), and
streams to them (they work while edgecore holds its tunnel).
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cloud_bundle import ADDRESS, BUNDLE, cloud_host
from host_unchanged import host_unchanged
from install_site import BareHost, make_bundle, obstacle
from systemd_machine import Machine, boot, needs_machine

pytestmark = [
    pytest.mark.lab,
    needs_machine,
    pytest.mark.skipif(bool(obstacle()), reason=obstacle() or "can install"),
]

NODE = "edge-1"
ROUND_TRIPS = ("KE901", "KE902", "KE903", "KE904")
COMMAND = f'#!/bin/sh\nexec {sys.executable} -P -m kedoctor "$@"\n'
CAPABILITIES = ("logs", "exec", "attach", "top", "ready")


class EmptyHost(BareHost):
    """A host that is to become an edge of the cloud on the other machine."""

    def _install_cloud(self) -> None:
        """There is none in this machine."""


class Story:
    """The two machines, what is typed on them, and what is said."""

    def __init__(self, cloud: Machine, edge: Machine, bundle: Path) -> None:
        self.cloud, self.edge, self.bundle = cloud, edge, bundle
        lay_cable(cloud, edge)
        self.host = EmptyHost(edge)
        for machine in (cloud, edge):
            machine.write("/usr/local/sbin/kedoctor", COMMAND, mode=0o755)

    def install_cloud(self) -> str:
        words = ("--bundle", BUNDLE, "--advertise-address", ADDRESS, "--yes")
        return said(self.cloud.kedoctor("install", "cloud", *words, timeout=180))

    def install_edge(self, told: str) -> str:
        """Types on the edge what the install of the cloud has shown, with the names put in."""
        shown = told.partition("On each edge host")[2].partition("\n")[2]
        typed = shown.replace("--bundle DIR", f"--bundle {self.bundle}").replace("NAME", NODE)
        ran = self.edge.run("bash", "-ec", f"cd /root\n{typed.rstrip()} --yes", check=False, timeout=180)
        assert ran.returncode == 0, f"{typed}\n{ran.stdout}{ran.stderr}\n{self.host.journal()}"
        return ran.stdout

    def objects(self, kind: str) -> dict[str, dict[str, Any]]:
        """The objects of the cluster by name, as the stand-in of K3s keeps them."""
        state = json.loads(self.cloud.path("/var/lib/rancher/k3s/server/db/state.json").read_text())
        return {one["metadata"]["name"]: one for one in state if one["kind"] == kind}


def lay_cable(cloud: Machine, edge: Machine) -> None:
    """The far end of the cloud's cable goes to the edge's machine; nothing of it is ever seen on this host."""
    into = ["nsenter", f"--target={cloud.leader}", "--net", "--"]
    subprocess.run([*into, "ip", "link", "set", "far0", "netns", str(edge.leader)], check=True)
    edge.shell(
        "ip link set far0 name eth0; ip addr add 10.99.0.2/24 dev eth0; ip link set eth0 up;"
        f"ip route add default via {ADDRESS}"
    )


TOO_EARLY = 3


def said(ran: subprocess.CompletedProcess[str], code: int = 0) -> str:
    both = f"{ran.stdout}{ran.stderr}"
    assert "Traceback" not in both, both
    assert ran.returncode == code, both
    return ran.stdout


def report(machine: Machine, *words: str, code: int = 0) -> dict[str, Any]:
    """The report of a command that ends with that code."""
    found: dict[str, Any] = json.loads(said(machine.kedoctor(*words, "--format", "json"), code))
    return found


def states(document: dict[str, Any]) -> dict[str, str]:
    """The states of the edge's capabilities."""
    (row,) = document["matrix"]
    assert row["edge"] == NODE
    return {one["name"]: one["state"] for one in row["capabilities"]}


def not_right(document: dict[str, Any]) -> set[str]:
    """The codes of everything that failed or could not be judged."""
    bad = ("fail", "unknown", "crashed", "blocked")
    return {one["code"] for one in document["verdicts"] if one["status"] in bad}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Both installs are done."""
    bundle = make_bundle(tmp_path_factory.mktemp("bundle") / "edge")
    with (
        host_unchanged(without=frozenset({"listening sockets"})),
        cloud_host() as cloud,
        boot(bind=(str(bundle),)) as edge,
    ):
        made = Story(cloud, edge, bundle)
        told = made.install_edge(made.install_cloud())
        assert f"`sudo kedoctor gate --node {NODE} --wait 10m`" in told
        yield made


def test_the_gate_is_green(story: Story) -> None:
    told = report(story.cloud, "gate", "--node", NODE, "--wait", "60s")
    trips = {one["code"]: one["status"] for one in told["verdicts"] if one["code"] in ROUND_TRIPS}
    assert trips == dict.fromkeys(ROUND_TRIPS, "pass")
    assert states(told) == dict.fromkeys(CAPABILITIES, "works")
    assert told["causes"] == []
    assert not any(name.startswith("kedoctor-gate-") for name in story.objects("Namespace"))


def test_the_edge_is_a_node_of_this_cloud(story: Story) -> None:
    node = story.objects("Node")[NODE]
    assert "node-role.kubernetes.io/edge" in node["metadata"]["labels"]
    (annotation,) = story.objects("ConfigMap")["tunnelport"]["metadata"]["annotations"].values()
    port = node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]
    assert json.loads(annotation)["ipTunnelPort"] == {ADDRESS: port}
    assert story.host.tunnels() == 1


def test_both_hosts_and_both_bundles_tell_the_same(story: Story) -> None:
    cloud = report(story.cloud, "run")
    edge = report(story.edge, "run")  # it has no kubeconfig: what only the API knows does not apply there
    for name, machine in (("cloud", story.cloud), ("edge", story.edge)):
        said(machine.kedoctor("collect", "-o", f"/root/{name}.tgz"))
    story.cloud.copy(story.edge.path("/root/edge.tgz"), "/root/edge.tgz")
    joined = report(story.cloud, "run", "--evidence", "/root/cloud.tgz", "--evidence", "/root/edge.tgz")
    assert [one["causes"] for one in (cloud, edge, joined)] == [[], [], []]
    assert [not_right(one) for one in (cloud, edge, joined)] == [set(), set(), set()]
    assert len(joined["site"]["hosts"]) == 2
    # Without test pods nothing has gone all the way to one.
    assert states(joined) == dict.fromkeys(CAPABILITIES[:3], "clear") | {
        "top": "works",
        "ready": "works",
    }
    passed = {one["code"] for one in joined["verdicts"] if one["status"] == "pass"}
    assert {"KE203", "KE212", "KE303", "KE404", "KE408", "KE503", "KE508", "KE703"} <= passed


def test_a_second_time_nothing_is_changed(story: Story) -> None:
    again = story.install_cloud()
    assert "Nothing to change: every step is done." in again
    assert "KE983 EdgeMesh, if it is wanted … not changed" in again
    assert "Nothing to change: every step is done." in story.install_edge(again)
    assert story.host.starts() == 1


@pytest.mark.timeout(400)
def test_what_is_not_on_the_edge_makes_no_gate_green(story: Story) -> None:
    """What makes the gate green is what the edge has and does, not what the cloud plays."""
    words = ("gate", "--node", NODE, "--wait", "0")
    told = report(story.cloud, *words, "--image", "docker.io/library/nginx:1.20", code=3)
    assert set(ROUND_TRIPS) <= not_right(told)
    story.edge.run("systemctl", "stop", "edgecore")
    # Both hosts have just started, and so long it is too early to judge (3); afterwards it is a failure.
    ends = time.monotonic() + 150
    while story.cloud.kedoctor(*words).returncode == TOO_EARLY and time.monotonic() < ends:
        time.sleep(3)
    told = report(story.cloud, *words, code=1)
    assert states(told)["logs"] == "broken"
    assert "KE513" in not_right(told)  # nothing comes from the edge
