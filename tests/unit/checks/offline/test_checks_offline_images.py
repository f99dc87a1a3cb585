"""KE931 and KE932: the offline bundle of a host, and whether its images are where the runtime looks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from edge_samples import NOT_RECORDED, YAML, bilingual, config, metadata
from offline_bundles import edge_files, image, images, write
from remedied import planned, told, verdict_of

from kedoctor.api import Finding, Host, HostContext, ImportImage, OfflineBundle, Reason, Status, Unavailable
from kedoctor.base.records import decode
from kedoctor.checks.facts.cluster.images import ImageArchives
from kedoctor.checks.facts.edge.container_runtime import SandboxImages
from kedoctor.checks.facts.edge.image_store import ImageStore, WaitingImages, image_store, waiting_images
from kedoctor.checks.offline.bundle_integrity import bundle_integrity
from kedoctor.checks.offline.facts_bundle import BundleHere, BundleRead, bundle_here, bundle_read
from kedoctor.checks.offline.fix_images import images_present as remedied
from kedoctor.checks.offline.images_present import images_present
from kedoctor.checks.parsers.kubernetes import Pod
from kedoctor.model.observations.apiserver import ListObjects
from kedoctor.model.observations.files import FileMetadata, Files, FindFiles, StatFile
from kedoctor.model.observations.inputs import ReadOfflineBundle, ReadSetting, Setting
from kedoctor.model.observations.machine import Identity, ReadIdentity
from kedoctor.model.observations.request import Request
from kedoctor.model.observations.tools import RunTool, ToolOutput
from kedoctor.model.ports import Cluster
from kedoctor.offline.reading import read_offline_bundle

EDGE = HostContext("edge1", frozenset({"edge"}))
FRESH = HostContext("new", frozenset())
ABSENT = Unavailable(Reason.ABSENT, "it")
NONE_GIVEN = Unavailable(Reason.NOT_GIVEN, "an offline bundle", "none was named")
MANDATORY = (
    "docker.io/kubeedge/installation-package:v1.22.0",
    "docker.io/kubeedge/pause:3.6",
    "docker.io/library/eclipse-mosquitto:1.6.15",
    "docker.io/library/busybox:1.36",
)


class World:
    """Answers what it was told, and that everything else is not there."""

    def __init__(self, **answers: Any) -> None:
        self.answers: dict[Request, Any] = {}

    def tool(self, line: str, printed: str, code: int = 0) -> World:
        tool, *words = line.split(" ")
        said = ToolOutput((tool,), code, "" if code else printed, printed if code else "")
        for seconds in (6.0,):
            self.answers[RunTool(tool, tuple(words), seconds)] = said
        return self

    def there(self, path: str, kind: str = "socket") -> World:
        found = metadata(path)
        self.answers[StatFile(path)] = FileMetadata(path, kind, 0o660, 0, 0, 0, found.modified)
        return self

    def observe(self, request: Request) -> Any:
        absent = Reason.TOOL_MISSING if isinstance(request, RunTool) else Reason.ABSENT
        return self.answers.get(request, Unavailable(absent, repr(request)))


def bundle(tmp_path: Path, files: dict[str, bytes] | None = None, *, named: bool = True) -> BundleHere:
    held = {**edge_files(), **images("busybox:1.36")} if files is None else files
    return BundleHere(read_offline_bundle(write(tmp_path, held)), named, ("edge",), "amd64")


def store(*names: str, **beside: tuple[str, ...]) -> ImageStore:
    return ImageStore(
        "containerd",
        "ctr -n k8s.io images ls -q",
        frozenset(names),
        {name.replace("_", " "): frozenset(held) for name, held in beside.items()},
    )


def verified(here: BundleHere | Unavailable) -> Finding:
    read = here if isinstance(here, Unavailable) else BundleRead(here.bundle)
    return judged(bundle_integrity(EDGE, here, read))


def judged(finding: Finding) -> Finding:
    bilingual(finding)
    return finding


# ------------------------------------------------------------------------------------------- KE931


def test_a_whole_bundle(tmp_path: Path) -> None:
    found = verified(bundle(tmp_path))
    assert found.status is Status.PASS
    assert "checksums agree" in str(found.summary)
    seen = verified(bundle(tmp_path, named=False))
    assert "kedoctor bundle verify reads every byte" in str(seen.summary)


def test_an_incomplete_bundle_names_what_and_counts_the_rest(tmp_path: Path) -> None:
    short = {name: data for name, data in edge_files().items() if "images/" not in name}
    found = verified(bundle(tmp_path, short))
    assert found.status is Status.FAIL
    assert "docker.io/kubeedge/pause:3.6 is missing" in str(found.summary)
    assert "and 1 more" in str(found.summary)
    assert found.commands == (f"kedoctor bundle verify {tmp_path}",)


def test_an_old_bundle_that_nobody_named_breaks_nothing(tmp_path: Path) -> None:
    found = verified(bundle(tmp_path, edge_files(), named=False))
    assert (found.status, found.breaks) == (Status.WARN, ())


def test_no_bundle_and_one_that_cannot_be_read() -> None:
    assert verified(NONE_GIVEN).status is Status.SKIP
    assert verified(NOT_RECORDED).status is Status.SKIP
    broken = Unavailable(Reason.INVALID, "offline bundle /x.tar", "it is truncated")
    assert verified(broken).status is Status.FAIL
    late = Unavailable(Reason.TIMEOUT, "offline bundle /x", "it was not read within 150 s")
    assert verified(late).status is Status.UNKNOWN


def test_where_the_bundle_is_looked_for() -> None:
    world = World()
    found = bundle_here(Host(world), EDGE)
    assert isinstance(found, Unavailable)
    assert found.reason is Reason.NOT_GIVEN
    directory = metadata("/opt/kubeedge-edge-1.22.0-arm64/images")
    listed = Files((FileMetadata(directory.path, "directory", 0o755, 0, 0, 0, directory.modified),))
    world.answers[FindFiles("/opt/kubeedge-edge-*/images")] = listed
    place = "/opt/kubeedge-edge-1.22.0-arm64"
    world.answers[ReadOfflineBundle(place, sums=False, timeout=15.0)] = OfflineBundle(place)
    world.answers[ReadIdentity()] = Identity("edge1", "aarch64", "", "", 0)
    found = bundle_here(Host(world), EDGE)
    assert isinstance(found, BundleHere)
    assert (found.bundle.place, found.named, found.sides, found.architecture) == (
        place,
        False,
        ("edge",),
        "arm64",
    )
    world.answers[ReadSetting("bundle")] = Setting("/media/usb")
    world.answers[ReadOfflineBundle("/media/usb", sums=False, timeout=15.0)] = OfflineBundle("/media/usb")
    found = bundle_here(Host(world), EDGE)
    assert isinstance(found, BundleHere)
    assert (found.bundle.place, found.named) == ("/media/usb", True)
    summed = OfflineBundle("/media/usb", compared=7)
    world.answers[ReadOfflineBundle("/media/usb", sums=True, timeout=150.0)] = summed
    assert bundle_read(Host(world), found) == BundleRead(summed)


def test_a_read_that_took_too_long_is_not_known(tmp_path: Path) -> None:
    late = Unavailable(Reason.TIMEOUT, "offline bundle /x", "it was not read within 150 s")
    assert judged(bundle_integrity(EDGE, bundle(tmp_path), late)).status is Status.UNKNOWN


# ------------------------------------------------------------------------------------- the image store


def made(world: World, yaml: str | None = None) -> ImageStore | Unavailable:
    return image_store(Host(world), config(yaml) if yaml is not None else ABSENT)


CTR = "ctr --address /run/containerd/containerd.sock"


def test_the_store_of_an_edge_and_what_lies_beside_it() -> None:
    world = (
        World()
        .tool(f"{CTR} -n k8s.io images ls -q", "docker.io/kubeedge/pause:3.6\nsha256:abc\n")
        .tool(f"{CTR} namespaces ls -q", "default\nk8s.io\nmoby\n")
        .tool(f"{CTR} -n default images ls -q", "docker.io/library/busybox:1.36\n")
        .tool(f"{CTR} -n moby images ls -q", "")
        .there("/run/docker.sock")
        .tool(
            "docker image ls --format {{.Repository}}:{{.Tag}}", "eclipse-mosquitto:1.6.15\n<none>:<none>\n"
        )
    )
    found = made(world, YAML)
    assert isinstance(found, ImageStore)
    assert found.names == {"docker.io/kubeedge/pause:3.6"}
    assert found.holds("kubeedge/pause:3.6")
    assert not found.holds("busybox:1.36")
    assert found.stray("busybox:1.36") == ("containerd's namespace default",)
    assert found.stray("eclipse-mosquitto:1.6.15") == ("docker's store",)


def test_which_runtime_a_host_uses() -> None:
    k3s = World().there("/run/k3s/containerd/containerd.sock").there("/run/containerd/containerd.sock")
    k3s.tool("k3s ctr -n k8s.io images ls -q", "a:1\n")
    found = made(k3s)
    assert isinstance(found, ImageStore)
    assert found.runtime == "k3s"
    docker = (
        YAML
        + "    tailoredKubeletConfig:\n      containerRuntimeEndpoint: unix:///run/cri-dockerd-docker.sock\n"
    )
    world = World().tool("docker image ls --format {{.Repository}}:{{.Tag}}", "a:1\n")
    found = made(world, docker)
    assert isinstance(found, ImageStore)
    assert (found.runtime, found.beside) == ("docker", {})
    assert isinstance(made(World()), Unavailable)


def test_a_client_that_refuses_or_is_missing() -> None:
    refused = made(World().tool(f"{CTR} -n k8s.io images ls -q", "permission denied", 1), YAML)
    assert isinstance(refused, Unavailable)
    assert refused.reason is Reason.TOOL_FAILED
    listed = json.dumps({"images": [{"repoTags": ["docker.io/library/busybox:1.36"]}, {"repoTags": None}]})
    by_crictl = "crictl --runtime-endpoint unix:///run/containerd/containerd.sock images -o json"
    found = made(World().tool(by_crictl, listed), YAML)
    assert isinstance(found, ImageStore)
    assert found.holds("busybox:1.36")
    for printed, code in (("[]", 0), ("not json", 0), ("refused", 1)):
        assert isinstance(made(World().tool(by_crictl, printed, code), YAML), Unavailable)


def test_images_that_pods_of_the_node_wait_for() -> None:
    def pod(name: str, reason: str) -> Pod:
        waiting = {"waiting": {"reason": reason}} if reason else {"running": {}}
        return decode(
            json.dumps(
                {
                    "metadata": {"name": name, "namespace": "kubeedge"},
                    "spec": {"nodeName": "edge1", "containers": [{"name": "c", "image": f"{name}:1"}]},
                    "status": {"phase": "Pending", "containerStatuses": [{"name": "c", "state": waiting}]},
                }
            ),
            Pod,
        )

    world = World()
    world.answers[ListObjects("Pod", field_selector="spec.nodeName=edge1")] = (
        pod("waits", "ErrImageNeverPull"),
        pod("crashes", "CrashLoopBackOff"),
        pod("runs", ""),
    )
    found = waiting_images(Host(world), Cluster(world), config())
    assert found == WaitingImages("edge1", 3, {"waits:1": "kubeedge/waits"})


# ------------------------------------------------------------------------------------------- KE932


def present(
    held: ImageStore | Unavailable,
    pods: WaitingImages | Unavailable = ABSENT,
    *,
    here: BundleHere | Unavailable = NONE_GIVEN,
    joined: bool = False,
    sandbox: bool = False,
) -> list[Finding]:
    found = images_present(
        EDGE,
        held,
        pods,
        bundle=here,
        config=config() if joined else ABSENT,
        sandboxes=SandboxImages(ABSENT, sandbox_runs=True) if sandbox else ABSENT,
    )
    return [judged(one) for one in found]


def test_nothing_tells_what_is_needed() -> None:
    for held in (store(), ABSENT):
        (found,) = present(held)
        assert found.status is Status.SKIP


def test_a_fresh_host_needs_everything_that_is_mandatory(tmp_path: Path) -> None:
    here = bundle(tmp_path)
    found = present(store(), here=here)
    assert {one.subject for one in found} == set(MANDATORY)
    assert {one.status for one in found} == {Status.FAIL}
    (fine,) = present(store(*MANDATORY), here=here)
    assert fine.status is Status.PASS


def test_an_edge_that_has_joined_is_only_warned(tmp_path: Path) -> None:
    found = present(store(), here=bundle(tmp_path), joined=True, sandbox=True)
    assert {one.subject for one in found} == {
        "docker.io/library/eclipse-mosquitto:1.6.15",
        "docker.io/library/busybox:1.36",
    }
    assert {(one.status, one.breaks) for one in found} == {(Status.WARN, ())}


def test_a_bundle_that_nobody_named_asks_for_nothing(tmp_path: Path) -> None:
    (found,) = present(store(), here=bundle(tmp_path, named=False))
    assert found.status is Status.SKIP


def test_docker_load_fooled_somebody() -> None:
    pods = WaitingImages("edge1", 4, {"kubeedge/pause:3.6": "kubeedge/mosquitto"})
    held = store(docker_store=("docker.io/kubeedge/pause:3.6",))
    (found,) = present(held, pods, joined=True)
    assert found.status is Status.FAIL
    assert "it is in docker store, which the runtime does not read" in str(found.summary)
    assert "pod kubeedge/mosquitto waits for it" in str(found.summary)
    assert found.node == "edge1"
    (fine,) = present(store("docker.io/kubeedge/pause:3.6"), pods, joined=True)
    assert fine.status is Status.PASS


def test_what_others_deployed_is_no_fault_of_the_path() -> None:
    (found,) = present(store(), WaitingImages("edge1", 4, {"shop/till:2": "shop/till-0"}), joined=True)
    assert (found.status, found.breaks) == (Status.WARN, ())


def test_nobody_waits_whatever_the_runtime_says() -> None:
    (found,) = present(ABSENT, WaitingImages("edge1", 4, {}), joined=True)
    assert found.status is Status.PASS


def test_a_store_that_cannot_be_listed(tmp_path: Path) -> None:
    (found,) = present(Unavailable(Reason.TOOL_FAILED, "ctr", "permission denied"), here=bundle(tmp_path))
    assert found.status is Status.UNKNOWN


# ---------------------------------------------------------------------------------------------- remedy


def test_it_is_imported_from_the_bundle(tmp_path: Path) -> None:
    here = bundle(tmp_path)
    lacking = store(*(name for name in MANDATORY if "pause" not in name))
    verdict = verdict_of(images_present, present(lacking, here=here))
    plan = planned(remedied(verdict, lacking, here, ABSENT), verdict)
    assert plan.actions == (
        ImportImage(
            f"{tmp_path}/images/kubeedge-pause-3.6.tar", "docker.io/kubeedge/pause:3.6", "containerd"
        ),
    )


@pytest.mark.parametrize("what", ["archives", "nothing", "packed", "machine"])
def test_where_else_an_archive_may_come_from(tmp_path: Path, what: str) -> None:
    pods = WaitingImages("edge1", 4, {"kubeedge/pause:3.6": "kubeedge/b"})
    verdict = verdict_of(images_present, present(store(), pods))
    archives: ImageArchives | Unavailable = ABSENT
    here: BundleHere | Unavailable = NONE_GIVEN
    if what == "archives":
        archives = ImageArchives(("/var/lib/kedoctor/images/kubeedge-pause-3.6.tar",))
        plan = planned(remedied(verdict, store(), here, archives), verdict)
        assert plan.actions[0].target.endswith("kubeedge/pause:3.6")
        return
    if what == "machine":
        here = bundle(tmp_path, {"images/p.tar": image("kubeedge/pause:3.6", "arm64")})
    if what == "packed":
        whole = bundle(tmp_path)
        here = BundleHere(OfflineBundle("/b.tar", whole.bundle.files, packed=True), True, ("edge",), "amd64")
    reason = told(remedied(verdict, store(), here, archives))
    assert ("/b.tar is packed" if what == "packed" else "no archive of kubeedge/pause:3.6") in reason
