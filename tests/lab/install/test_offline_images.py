"""Images from an offline bundle into a real containerd: seen where pods look, and nowhere else believed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from host_unchanged import host_unchanged
from offline_bundles import edge_files, images, write
from own_containerd import obstacle, own_containerd

from kedoctor.api import Finding, Host, HostContext, Reason, Status, Unavailable
from kedoctor.changes.actor import Actors
from kedoctor.changes.actors.images import ImageActor
from kedoctor.changes.executor import execute, prepare, roll_back
from kedoctor.changes.journal import Journal
from kedoctor.changes.signals import deferred
from kedoctor.checks.facts.edge.container_runtime import SandboxImages
from kedoctor.checks.facts.edge.edgecore import (
    CONFIG_PATH,
    EdgecoreConfig,
    EdgecoreFile,
    EdgeName,
    edgecore_config,
)
from kedoctor.checks.facts.edge.image_store import ImageStore, image_store
from kedoctor.checks.offline.facts_bundle import BundleHere, bundle_here
from kedoctor.checks.offline.fix_images import images_present as remedied
from kedoctor.checks.offline.images_present import images_present
from kedoctor.judge.check_runner import verdict
from kedoctor.model.actions.images import ImportImage
from kedoctor.model.observations.inputs import Setting
from kedoctor.model.plans import Plan
from kedoctor.observe.live import subprocesses
from kedoctor.observe.live.source import LiveSource
from kedoctor.offline.reading import read_offline_bundle
from kedoctor.yaml.document import load

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(bool(obstacle()), reason=obstacle() or "can start containerd"),
]

EDGE = HostContext("edge1", frozenset({"edge"}))
NOTHING = Unavailable(Reason.NOT_CONFIGURED, "the Kubernetes API")


@pytest.fixture(scope="module", autouse=True)
def unchanged() -> Iterator[None]:
    # Nothing here listens on the host itself; what others open and close there meanwhile is theirs.
    with host_unchanged(without=frozenset({"listening sockets"})):
        yield


@pytest.fixture(scope="module")
def containerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a containerd that holds nothing."""
    with own_containerd(tmp_path_factory.mktemp("containerd")) as address:
        yield address


class Edge:
    """An edge host whose containerd is that one, and its offline bundle; it has not joined yet."""

    def __init__(self, address: str, place: Path) -> None:
        self.address = address
        self.bundle = write(place / "bundle", {**edge_files(), **images("busybox:1.36")})
        settings = {"bundle": Setting(str(self.bundle))}
        self.host = Host(LiveSource(settings=settings))
        self.journal = Journal(place / "journal")
        self.hands = Actors({ImportImage: ImageActor(self.run, options=("--address", address))})

    def run(self, argv: list[str], timeout: float) -> object:
        return subprocesses.run(argv, timeout=timeout)

    @property
    def config(self) -> EdgecoreConfig:
        text = (
            "modules:\n  edged:\n    tailoredKubeletConfig:\n"
            f"      containerRuntimeEndpoint: unix://{self.address}\n"
        )
        made = edgecore_config(EdgecoreFile(CONFIG_PATH, b"", load(text), None), EdgeName("edge1"))
        assert isinstance(made, EdgecoreConfig)
        return made

    def store(self) -> ImageStore:
        found = image_store(self.host, self.config)
        assert isinstance(found, ImageStore), found
        return found

    def judged(self) -> list[Finding]:
        return list(
            images_present(
                EDGE,
                self.store(),
                NOTHING,
                bundle=bundle_here(self.host, EDGE),
                config=NOTHING,
                sandboxes=SandboxImages(NOTHING, sandbox_runs=False),
            )
        )

    def ctr(self, *words: str) -> list[str]:
        argv = ["ctr", "--address", self.address, *words]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()


@pytest.fixture
def edge(containerd: str, tmp_path: Path) -> Iterator[Edge]:
    made = Edge(containerd, tmp_path)
    yield made
    for space in made.ctr("namespaces", "ls", "-q"):
        held = made.ctr("-n", space, "images", "ls", "-q")
        if held:
            made.ctr("-n", space, "images", "rm", *held)


def plans(edge: Edge, findings: list[Finding]) -> list[Plan]:
    declared: Any = images_present.__kedoctor_check__  # type: ignore[attr-defined]
    here = bundle_here(edge.host, EDGE)
    assert isinstance(here, BundleHere)
    made = [
        remedied(verdict(declared, one, host="edge1"), edge.store(), here, NOTHING)
        for one in findings
        if one.status is Status.FAIL
    ]
    return [one for one in made if isinstance(one, Plan)]


def test_from_a_bundle_into_the_namespace_that_pods_read(edge: Edge) -> None:
    red = edge.judged()
    assert {one.status for one in red} == {Status.FAIL}
    actions = [action for plan in plans(edge, red) for action in plan.actions]
    assert len(actions) == 4
    prepared = prepare(edge.hands, actions)
    with deferred() as stop:
        entry = execute(
            edge.journal, edge.hands, prepared, codes=["KE932"], command="t", stop=stop, tell=lambda _: None
        )
    listed = edge.ctr("-n", "k8s.io", "images", "ls", "-q")
    for reference in (
        "docker.io/kubeedge/pause:3.6",
        "docker.io/kubeedge/installation-package:v1.22.0",
        "docker.io/library/eclipse-mosquitto:1.6.15",
        "docker.io/library/busybox:1.36",
    ):
        assert reference in listed
    (green,) = edge.judged()
    assert green.status is Status.PASS
    assert prepare(edge.hands, actions).actions == ()
    roll_back(entry, edge.hands, tell=lambda _: None)
    assert edge.ctr("-n", "k8s.io", "images", "ls", "-q") == []


def test_images_in_docker_s_and_other_namespaces_do_not_count(edge: Edge) -> None:
    """Docker with containerd's image store keeps its images in the namespace ``moby`` of the same containerd."""
    pause = str(edge.bundle / "images/kubeedge-pause-3.6.tar")
    edge.ctr("-n", "moby", "images", "import", pause)
    edge.ctr("images", "import", str(edge.bundle / "images/busybox-1.36.tar"))
    store = edge.store()
    assert store.names == frozenset()
    assert store.stray("kubeedge/pause:3.6") == ("containerd's namespace moby",)
    assert store.stray("busybox:1.36") == ("containerd's namespace default",)
    found = {one.subject: one for one in edge.judged()}
    told = found["docker.io/kubeedge/pause:3.6"]
    assert told.status is Status.FAIL
    assert "it is in containerd's namespace moby, which the runtime does not read" in str(told.summary)
    edge.ctr("-n", "k8s.io", "images", "import", pause)
    assert "docker.io/kubeedge/pause:3.6" not in {one.subject for one in edge.judged()}


def test_an_archive_that_containerd_itself_wrote(edge: Edge) -> None:
    """``ctr images export`` writes the OCI layout: read as whole, and refused as soon as a byte of a layer is another."""
    edge.ctr("-n", "k8s.io", "images", "import", str(edge.bundle / "images/kubeedge-pause-3.6.tar"))
    (edge.bundle / "images/kubeedge-pause-3.6.tar").unlink()
    exported = edge.bundle / "images/exported.tar"
    edge.ctr("-n", "k8s.io", "images", "export", str(exported), "docker.io/kubeedge/pause:3.6")
    here = read_offline_bundle(edge.bundle)
    assert here.problems == ()
    held = here.archive_of("kubeedge/pause:3.6", "amd64")
    assert held is not None
    assert held.path == "images/exported.tar"
    whole = exported.read_bytes()
    at = whole.index(b"hello" * 3)
    exported.write_bytes(whole[:at] + b"X" + whole[at + 1 :])
    (problem,) = read_offline_bundle(edge.bundle).problems
    assert "is not what its name says" in problem.detail
