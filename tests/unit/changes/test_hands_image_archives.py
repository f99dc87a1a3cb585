"""Image archives are read without unpacking, and docker is spoken to in its own words."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from image_archives import CONFIGURATION, LAYER, NAMES, digest, docker_files, oci_files, tar

from kedoctor.changes.actors.images import ImageActor
from kedoctor.model.actions.images import ImportImage
from kedoctor.model.actors import RefusedError
from kedoctor.model.observations.request import Reason, Unavailable
from kedoctor.model.observations.tools import ToolOutput
from kedoctor.offline.image_archive import ArchiveError, canonical, read_archive

ID = f"sha256:{digest(CONFIGURATION)}"


def written(tmp_path: Path, files: dict[str, bytes]) -> Path:
    path = tmp_path / "images.tar"
    path.write_bytes(tar(files))
    return path


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("busybox", "docker.io/library/busybox:latest"),
        ("busybox:1.36", "docker.io/library/busybox:1.36"),
        ("kubeedge/cloudcore:v1.22.0", "docker.io/kubeedge/cloudcore:v1.22.0"),
        ("docker.io/library/busybox:1.36", "docker.io/library/busybox:1.36"),
        ("registry.k8s.io/pause:3.9", "registry.k8s.io/pause:3.9"),
        ("localhost/a", "localhost/a:latest"),
        ("10.0.0.1:5000/a/b", "10.0.0.1:5000/a/b:latest"),
        ("a/b@sha256:00", "docker.io/a/b@sha256:00"),
    ],
)
def test_references_in_full(short: str, full: str) -> None:
    assert canonical(short) == full


def test_an_archive_of_docker(tmp_path: Path) -> None:
    found = read_archive(written(tmp_path, docker_files()))
    assert (list(found.references), found.images, found.compressed) == (NAMES, (ID,), False)


@pytest.mark.parametrize("other_machine", [False, True])
@pytest.mark.parametrize("nested", [False, True])
def test_an_oci_archive(tmp_path: Path, *, nested: bool, other_machine: bool) -> None:
    found = read_archive(written(tmp_path, oci_files(nested=nested, other_machine=other_machine)))
    assert (found.references, found.images) == (("docker.io/kubeedge/test:v1",), (ID,))


def test_a_compressed_archive(tmp_path: Path) -> None:
    path = tmp_path / "images.tar.gz"
    whole = gzip.compress(tar(docker_files()))
    path.write_bytes(whole)
    assert read_archive(path).compressed
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ArchiveError, match="truncated"):
        read_archive(path)


@pytest.mark.parametrize(
    "missing", ["l/layer.tar", f"{digest(CONFIGURATION)}.json"], ids=["layer", "configuration"]
)
def test_a_docker_archive_that_lacks_something(tmp_path: Path, missing: str) -> None:
    files = docker_files()
    del files[missing]
    with pytest.raises(ArchiveError, match=f"{missing} is missing"):
        read_archive(written(tmp_path, files))


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("blob", [CONFIGURATION, LAYER], ids=["configuration", "layer"])
def test_an_oci_archive_that_lacks_something(tmp_path: Path, blob: bytes, *, nested: bool) -> None:
    files = oci_files(nested=nested)
    name = f"blobs/sha256/{digest(blob)}"
    del files[name]
    with pytest.raises(ArchiveError, match=f"{name} is missing"):
        read_archive(written(tmp_path, files))
    files[name] = blob[:-1]
    with pytest.raises(ArchiveError, match=f"{name} has {len(blob) - 1} bytes instead of {len(blob)}"):
        read_archive(written(tmp_path, files))


@pytest.mark.parametrize(
    "files",
    [
        {"etc/passwd": b"root"},
        {"manifest.json": b"{"},
        {"manifest.json": b'{"a": 1}'},
        {"index.json": b"[]"},
        {"index.json": json.dumps({"manifests": [{"digest": "sha256:00", "size": 2}]}).encode()},
    ],
)
def test_what_is_no_archive_of_images(tmp_path: Path, files: dict[str, bytes]) -> None:
    with pytest.raises(ArchiveError):
        read_archive(written(tmp_path, files))


def test_images_without_names_are_none(tmp_path: Path) -> None:
    files = docker_files()
    manifest = json.loads(files["manifest.json"])
    manifest[0]["RepoTags"] = None
    files["manifest.json"] = json.dumps(manifest).encode()
    assert read_archive(written(tmp_path, files)).references == ()


class Docker:
    """A docker client: what it was told, and the images it has."""

    def __init__(self, *images: str, fails: str = "") -> None:
        self.images = list(images)
        self.told: list[str] = []
        self._fails = fails

    def __call__(self, argv: Sequence[str], timeout: float) -> ToolOutput | Unavailable:
        self.told.append(" ".join(argv))
        if argv[1] == "load":
            self.images += ["kubeedge/test:v1", "other:v2"]
            return ToolOutput(tuple(argv), bool(self._fails), "Loaded", self._fails)
        if argv[1:3] == ["image", "rm"]:
            self.images.remove(argv[3])
        return ToolOutput(tuple(argv), 0, "\n".join([*self.images, "<none>:<none>"]), "")


def test_docker(tmp_path: Path) -> None:
    archive = written(tmp_path, docker_files())
    docker, action = Docker("other:v2"), ImportImage(str(archive), "kubeedge/test:v1", "docker")
    actor = ImageActor(docker)
    before = actor.look(action)
    assert not before.exists
    after = actor.do(action, before)
    assert after.fingerprint == actor.preview(action, before).fingerprint
    docker.images.remove("other:v2")  # it was there twice, as it cannot be in a real store
    actor.undo(action, before, after)
    assert docker.images == ["other:v2"]
    assert f"docker load -i {archive}" in docker.told
    assert "docker image rm kubeedge/test:v1" in docker.told


def test_an_import_that_fails_leaves_nothing(tmp_path: Path) -> None:
    archive = written(tmp_path, docker_files())
    docker = Docker(fails="Error\nno space left on device\n")
    actor, action = ImageActor(docker), ImportImage(str(archive), "kubeedge/test:v1", "docker")
    with pytest.raises(RefusedError, match="no space left on device; what it had brought was removed again"):
        actor.do(action, actor.look(action))
    assert docker.images == []


def test_a_killed_import_is_undone_by_what_the_archive_says(tmp_path: Path) -> None:
    archive = written(tmp_path, docker_files())
    docker, action = Docker("mine:v1"), ImportImage(str(archive), "kubeedge/test:v1", "docker")
    actor = ImageActor(docker)
    before = actor.look(action)
    docker.images += ["kubeedge/test:v1", "other:v2", "somebody/else:v3"]
    actor.undo(action, before, actor.look(action))
    assert docker.images == ["mine:v1", "somebody/else:v3"]


def test_a_runtime_that_is_not_there(tmp_path: Path) -> None:
    def nothing(argv: Sequence[str], timeout: float) -> ToolOutput | Unavailable:
        return Unavailable(Reason.TOOL_MISSING, "k3s", "k3s is not installed")

    action = ImportImage(str(tmp_path / "a.tar"), "a", "k3s")
    with pytest.raises(RefusedError, match="k3s is not installed"):
        ImageActor(nothing).look(action)
    with pytest.raises(RefusedError, match="not an import"):
        ImageActor(nothing).look(ImportImage("a", "a", "podman"))


def test_an_oci_archive_that_containerd_does_not_recognize(tmp_path: Path) -> None:
    files = oci_files()
    del files["oci-layout"]
    with pytest.raises(ArchiveError, match="no oci-layout"):
        read_archive(written(tmp_path, files))
