"""KE706, KE707, KE708, KE709: the runtime under edgecore, from its files and answers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from edge_samples import NAME, NOT_RECORDED, bilingual, config, later, log, metadata, said, unit

from kedoctor.api import File, FileMetadata, Finding, Host, Reason, Status, ToolOutput, Unavailable
from kedoctor.checks.facts.cluster.nodes import EdgeNode, EdgeNodes
from kedoctor.checks.facts.edge.container_runtime import (
    CniNetwork,
    CniSetup,
    ContainerdSettings,
    CriSocket,
    MemoryCgroup,
    SandboxImages,
)
from kedoctor.checks.facts.edge.container_runtime import cni_setup as make_cni
from kedoctor.checks.facts.edge.container_runtime import containerd_settings as make_settings
from kedoctor.checks.facts.edge.container_runtime import memory_cgroup as make_memory
from kedoctor.checks.node.container_runtime import cni, memory_cgroup, runtime_cri, sandbox_image
from kedoctor.checks.parsers.kubernetes import Condition
from kedoctor.model.observations.files import Files, FindFiles, ReadFile
from kedoctor.model.observations.request import Request

ENDPOINT = "unix:///run/containerd/containerd.sock"
PATH = "/run/containerd/containerd.sock"
ABSENT = Unavailable(Reason.ABSENT, "it")
SETTINGS = ContainerdSettings("/etc/containerd/config.toml")
THERE = FileMetadata(PATH, "socket", 0o660, 0, 0, 0, metadata(PATH).modified)


class World:
    """Answers what it was told, and that everything else is not there."""

    def __init__(self, *answers: tuple[Request, Any]) -> None:
        self.answers = dict(answers)

    def observe(self, request: Request) -> Any:
        return self.answers.get(request, Unavailable(Reason.ABSENT, repr(request)))


def read(path: str, text: str) -> tuple[Request, Any]:
    return ReadFile(path), File(metadata(path), text.encode())


def listed(pattern: str, *names: str) -> tuple[Request, Any]:
    return FindFiles(pattern), Files(tuple(metadata(pattern.removesuffix("*") + name) for name in names))


def said_by_crictl(code: int, text: str) -> ToolOutput:
    return ToolOutput(("/usr/bin/crictl", "version"), code, "" if code else text, text if code else "")


def judged(finding: Finding) -> Finding:
    bilingual(finding)
    return finding


# ------------------------------------------------------------------------------------------- KE706


def cri(
    found: FileMetadata | Unavailable = THERE,
    version: Any = NOT_RECORDED,
    settings: Any = SETTINGS,
    text: str = "",
) -> Finding:
    return judged(runtime_cri(config(), CriSocket(ENDPOINT, PATH, found, version), settings, log(text)))


def test_a_runtime_that_answers() -> None:
    assert cri().status is Status.PASS
    assert cri(version=said_by_crictl(0, "Version: 0.1.0")).status is Status.PASS
    assert cri(NOT_RECORDED).status is Status.UNKNOWN


@pytest.mark.parametrize(
    "words", ["connect: permission denied", "unknown service runtime.v1alpha2.RuntimeService"]
)
def test_what_crictl_says_for_other_reasons_proves_nothing(words: str) -> None:
    assert cri(version=said_by_crictl(1, words)).status is Status.PASS


def test_a_runtime_that_does_not_answer() -> None:
    assert cri(ABSENT).status is Status.FAIL
    assert cri(version=said_by_crictl(1, "dial unix: connect: connection refused")).status is Status.FAIL
    assert (
        cri(settings=ContainerdSettings("/etc/containerd/config.toml", cri_disabled=True)).status
        is Status.FAIL
    )
    lines = said(later(1), 'E validate CRI v1 runtime API for endpoint "x": refused') + said(
        later(2), "F Start edged failed"
    )
    assert cri(text=lines).status is Status.FAIL


def test_what_containerd_is_set_to() -> None:
    old = """
disabled_plugins = ["cri"]
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "registry.k8s.io/pause:3.6"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
"""
    found = make_settings(Host(World(read("/etc/containerd/config.toml", old))), config(), unit())
    assert found == ContainerdSettings(
        "/etc/containerd/config.toml", True, "registry.k8s.io/pause:3.6", "/etc/cni/net.d", ("/usr/lib/cni",)
    )
    new = """
version = 3
[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "registry.k8s.io/pause:3.10"
"""
    found = make_settings(Host(World(read("/etc/containerd/config.toml", new))), config(), unit())
    assert isinstance(found, ContainerdSettings)
    assert (found.sandbox_image, found.cri_disabled) == ("registry.k8s.io/pause:3.10", False)
    assert make_settings(Host(World()), config(), unit()) == SETTINGS
    for text in ("a = [", 'imports = ["/etc/x.toml"]'):
        assert isinstance(
            make_settings(Host(World(read("/etc/containerd/config.toml", text))), config(), unit()),
            Unavailable,
        )


# ------------------------------------------------------------------------------------------- KE707

BRIDGE = CniNetwork("/etc/cni/net.d/10-bridge.conflist", ("bridge", "portmap"))


def network(
    *networks: CniNetwork,
    installed: frozenset[str] | None = frozenset({"bridge", "portmap"}),
    ready: str = "",
) -> Finding:
    edges: Any = EdgeNodes((EdgeNode("edge1", ready=Condition("Ready", ready)),)) if ready else NOT_RECORDED
    return judged(
        cni(config(), CniSetup("/etc/cni/net.d", networks, installed, ("/opt/cni/bin",)), edges, SETTINGS)
    )


def test_a_network_for_pods() -> None:
    assert network(BRIDGE).status is Status.PASS
    assert network(BRIDGE, installed=None).status is Status.PASS, "the programs could not be listed"
    assert network().status is Status.FAIL
    assert "portmap" in network(BRIDGE, installed=frozenset({"bridge"})).summary.en
    twice = network(replace(BRIDGE, two_default_routes=True)).summary.en
    assert "the default route twice" in twice
    assert "no JSON" in network(CniNetwork("/etc/cni/net.d/x.conf", error="no JSON")).summary.en
    ready = network(ready="True")
    assert (ready.status, ready.hop) == (Status.WARN, "")
    assert network(ready="False").status is Status.FAIL


def test_the_cni_directory() -> None:
    conflist = json.dumps({"plugins": [{"type": "bridge"}, {"type": "portmap"}]})
    world = World(
        listed("/etc/cni/net.d/*", "10-bridge.conflist", "20-x.conf", "README"),
        listed("/opt/cni/bin/*", "bridge"),
        read("/etc/cni/net.d/10-bridge.conflist", conflist),
        read("/etc/cni/net.d/20-x.conf", "{"),
    )
    found = make_cni(Host(world), SETTINGS)
    assert isinstance(found, CniSetup)
    assert found.networks[0] == BRIDGE
    assert found.networks[1].error
    assert found.missing == ("portmap",)
    assert make_cni(Host(World()), SETTINGS) == CniSetup("/etc/cni/net.d", (), frozenset(), ("/opt/cni/bin",))


# ------------------------------------------------------------------------------------------- KE708


def sandbox(names: Any, wanted: str = "", *, runs: bool = False, text: str = "") -> Finding:
    settings = ContainerdSettings("/etc/containerd/config.toml", sandbox_image=wanted)
    return judged(sandbox_image(config(), settings, SandboxImages(names, runs), log(text)))


def test_the_sandbox_image() -> None:
    pause = "registry.k8s.io/pause:3.6"
    assert sandbox(NOT_RECORDED, runs=True).status is Status.PASS
    assert sandbox(NOT_RECORDED).status is Status.UNKNOWN
    assert sandbox(frozenset({pause}), pause).status is Status.PASS
    assert sandbox(frozenset({pause})).status is Status.PASS
    missing = sandbox(frozenset({pause}), "registry.k8s.io/pause:3.10")
    assert (missing.status, missing.hop) == (Status.WARN, "")
    line = said(later(9), "E failed to get sandbox image")
    assert sandbox(frozenset(), pause, text=line).hop is None


# ------------------------------------------------------------------------------------------- KE709


@pytest.mark.parametrize(
    ("unified", "table", "on"),
    [
        ("cpu io memory pids\n", "", True),
        ("cpu io pids\n", "memory 0 1 1\n", False),
        ("", "#subsys_name hierarchy num_cgroups enabled\nmemory 9 120 1\n", True),
        ("", "memory\t0\t1\t0\n", False),
        ("", "cpu 2 1 1\n", False),
    ],
)
def test_memory_by_cgroup(unified: str, table: str, on: bool) -> None:
    world = World(read("/sys/fs/cgroup/cgroup.controllers", unified), read("/proc/cgroups", table))
    found = make_memory(Host(world))
    assert isinstance(found, MemoryCgroup)
    finding = judged(memory_cgroup(found, NAME, unit()))
    assert finding.status is (Status.PASS if on else Status.FAIL)


def test_memory_that_nobody_could_look_at() -> None:
    assert isinstance(make_memory(Host(World())), Unavailable)
