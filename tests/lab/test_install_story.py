"""Both installs from empty hosts to a green gate, as one story on two booted machines with a cable between them.

Real: kedoctor, systemd, containerd, ctr and runc, the network, certificates, tokens and every connection between edge
and cloud. Stand-ins: K3s (its API server is the sandbox's), keadm, cloudcore, edgecore. The edge's keadm and edgecore
get everything from what the cloud machine serves; its cloudcore makes the Node from the session that edgecore holds.
Played inside the cloud's API server: the pods on the edge (they start if edgecore has told of their image), and
streams to them (they work while edgecore holds its tunnel).
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cloud_bundle import ADDRESS, BUNDLE, cloud_host
from host_unchanged import host_unchanged
from install_site import TOKEN_FILE, BareHost, make_bundle, obstacle
from systemd_machine import Machine, boot, needs_machine

pytestmark = [
    pytest.mark.lab,
    needs_machine,
    pytest.mark.skipif(bool(obstacle()), reason=obstacle() or "can install"),
]

NODE = "edge-1"
TOKEN = re.compile(r"\b[0-9a-f]{64}\.[\w-]+\.[\w-]+\.[\w-]+")


class EmptyHost(BareHost):
    """A host that is to become an edge of the cloud on the other machine."""

    def _install_cloud(self) -> None:
        """There is none here; what is here is a clean host."""


class Story:
    """The two machines, and what was said on them."""

    def __init__(self, cloud: Machine, edge: Machine, bundle: Path) -> None:
        self.cloud, self.edge, self.bundle = cloud, edge, bundle
        lay_cable(cloud, edge)
        self.host = EmptyHost(edge)

    def install_cloud(self) -> str:
        words = ("--bundle", BUNDLE, "--advertise-address", ADDRESS, "--yes")
        return said(self.cloud.kedoctor("install", "cloud", *words, timeout=180))

    def install_edge(self) -> str:
        words = ("--cloud", f"{ADDRESS}:10000", "--token-file", TOKEN_FILE, "--node-name", NODE, "--yes")
        ran = self.edge.kedoctor("install", "edge", "--bundle", str(self.bundle), *words, timeout=180)
        assert ran.returncode == 0, f"{ran.stdout}{ran.stderr}\n{self.host.journal()}"
        return ran.stdout


def lay_cable(cloud: Machine, edge: Machine) -> None:
    """The far end of the cloud's cable goes to the edge's machine; nothing of it is ever seen on this host."""
    into = ["nsenter", f"--target={cloud.leader}", "--net", "--"]
    subprocess.run([*into, "ip", "link", "set", "far0", "netns", str(edge.leader)], check=True)
    edge.shell(
        "ip link set far0 name eth0; ip addr add 10.99.0.2/24 dev eth0; ip link set eth0 up;"
        f"ip route add default via {ADDRESS}"
    )


def said(ran: subprocess.CompletedProcess[str], code: int = 0) -> str:
    both = f"{ran.stdout}{ran.stderr}"
    assert "Traceback" not in both, both
    assert ran.returncode == code, both
    return ran.stdout


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    bundle = make_bundle(tmp_path_factory.mktemp("bundle") / "edge")
    with host_unchanged(without=frozenset({"listening sockets"})), cloud_host() as cloud:
        with boot(bind=(str(bundle),)) as edge:
            yield Story(cloud, edge, bundle)


def test_from_two_empty_hosts_to_a_green_gate(story: Story) -> None:
    told = story.install_cloud()
    (token,) = TOKEN.findall(told)
    story.edge.write(TOKEN_FILE, f"{token}\n", mode=0o600)
    print(told)
    print(story.install_edge())
    print(said(story.cloud.kedoctor("gate", "--node", NODE, "--wait", "60s")))
    for machine in (story.cloud, story.edge):
        ran = machine.kedoctor("run", "--lang", "en")
        print(ran.returncode, ran.stdout, ran.stderr)
    for name, machine in (("cloud", story.cloud), ("edge", story.edge)):
        ran = machine.kedoctor("collect", "-o", f"/root/{name}.tgz")
        print(ran.returncode, ran.stdout, ran.stderr)
    story.cloud.copy(story.edge.path("/root/edge.tgz"), "/root/edge.tgz")
    ran = story.cloud.kedoctor("run", "--bundle", "/root/cloud.tgz", "--bundle", "/root/edge.tgz")
    print(ran.returncode, ran.stdout, ran.stderr)
    raise AssertionError
