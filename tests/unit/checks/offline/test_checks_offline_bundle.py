"""What an offline bundle lacks for a side of a site, one clause each; judged from what was read of it."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest
from image_archives import tar
from offline_bundles import EDGE_IMAGES, edge_files, elf, image, images, write

from kedoctor.api import Judgement
from kedoctor.checks.offline.judge import judge
from kedoctor.checks.parsers.release_contents import newest, version_set
from kedoctor.offline.reading import read_offline_bundle

TEST_IMAGE = images("busybox:1.36")


def judged(place: Path, files: dict[str, bytes] | None = None) -> Judgement:
    return judge(read_offline_bundle(place if files is None else write(place, files)))


def fatal(judgement: Judgement) -> list[str]:
    return [str(one.text) for one in judgement.shortcomings if one.fatal]


def test_every_set_speaks_both_languages_and_resolves() -> None:
    versions = newest()
    for one in (*versions.images, *versions.programs):
        assert one.why.en
        assert one.why.zh
        assert set(one.sides) <= {"cloud", "edge"}
    assert all("$" not in one.reference for one in versions.images)
    used = " ".join([one.template for one in versions.images] + [one.variable for one in versions.programs])
    assert all(name in used for name in versions.versions)


def test_what_the_users_list_forgot_is_in_it() -> None:
    """facts.md §9 (34): mosquitto 1.6.15, pause, installation-package, iptables-manager-nft and a test image."""
    names = {one.reference: one for one in newest().images}
    for reference in (
        "docker.io/library/eclipse-mosquitto:1.6.15",
        "docker.io/kubeedge/pause:3.6",
        "docker.io/kubeedge/installation-package:v1.22.0",
        "docker.io/library/busybox:1.36",
    ):
        assert names[reference].mandatory
    assert "docker.io/kubeedge/iptables-manager-nft:v1.22.0" in names


def test_releases() -> None:
    found = version_set("1.22.1")
    assert found is not None
    assert found.images[0].reference == "docker.io/kubeedge/cloudcore:v1.22.1"
    assert version_set("v1.22") == newest()
    assert version_set("1.9.0") is None
    assert version_set("latest") is None


def test_the_users_edge_bundle_lacks_the_test_image_only(tmp_path: Path) -> None:
    found = judged(tmp_path, edge_files("arm64"))
    assert (found.sides, found.architecture, found.versions.release) == (("edge",), "arm64", "v1.22.0")
    (told,) = fatal(found)
    assert told.startswith("the image docker.io/library/busybox:1.36 is missing: kedoctor gate proves logs")
    assert not found.complete
    write(tmp_path, images("busybox:1.36", architecture="arm64"))
    assert judged(tmp_path).complete


def test_an_image_that_is_missing_and_what_is_there_instead(tmp_path: Path) -> None:
    base = {**edge_files(), **TEST_IMAGE}
    pause = "images/kubeedge-pause-3.6.tar"
    whole = base.pop(pause)
    for name, (content, words) in {
        "none": (b"", "is missing: every pod starts with it"),
        "other": (
            image("kubeedge/pause:3.9"),
            f"{pause} is named after it but holds docker.io/kubeedge/pause:3.9",
        ),
        "machine": (image("kubeedge/pause:3.6", "arm64"), f"{pause} holds it for arm64, not for amd64"),
        "cut": (whole[:2000], f"{pause} cannot be used"),
        "elsewhere": (image("kubeedge/pause:3.9"), "there is docker.io/kubeedge/pause:3.9 instead"),
    }.items():
        files = dict(base)
        if name != "none":
            files["images/x.tar" if name == "elsewhere" else pause] = content
        found = judged(tmp_path / name, files)
        assert any(
            "docker.io/kubeedge/pause:3.6 is missing" in one and words in one for one in fatal(found)
        ), name
        assert any("缺少镜像 docker.io/kubeedge/pause:3.6" in one.text.zh for one in found.shortcomings)


def test_a_compressed_archive_of_what_is_needed(tmp_path: Path) -> None:
    files = {**edge_files(), **TEST_IMAGE}
    files["images/kubeedge-pause-3.6.tar.gz"] = gzip.compress(files.pop("images/kubeedge-pause-3.6.tar"))
    (told,) = fatal(judged(tmp_path, files))
    assert told.endswith("gunzip images/kubeedge-pause-3.6.tar.gz")


def test_programs(tmp_path: Path) -> None:
    files = {**edge_files(), **TEST_IMAGE, "keadm": elf("arm64"), "runc": b"#!/bin/sh\n"}
    del files["cni-bin/bridge"]
    assert fatal(judged(tmp_path, files)) == [
        "the program keadm is missing: keadm is for arm64, not for amd64; it installs cloudcore, and joins an edge",
        "the program runc is missing: runc is not a program for Linux; containerd's shim starts every container with it",
        "the CNI plugin bridge (1.8.0) is missing: the network of the edge's pods",
    ]


def test_a_program_that_is_there_twice_is_told_once(tmp_path: Path) -> None:
    found = judged(tmp_path, {**edge_files(), **TEST_IMAGE, "old/keadm": elf(content=b"old")})
    assert fatal(found) == [
        "old/keadm and keadm have the same name and different content: remove the wrong one"
    ]


def test_a_cloud_bundle_in_the_users_naming(tmp_path: Path) -> None:
    references = [
        one.reference
        for one in newest().images
        if "cloud" in one.sides and one.role != "iptables-manager-nft"
    ]
    files = {"k3s-amd64": elf(), "keadm": elf(), "cloudcore": elf(), **images(*references)}
    found = judged(tmp_path, files)
    assert (found.sides, fatal(found)) == (("cloud",), [])
    assert [one.about for one in found.shortcomings] == [
        "docker.io/kubeedge/iptables-manager-nft:v1.22.0",
        "helm",
    ]


def test_a_release_is_told_by_its_images(tmp_path: Path) -> None:
    files = {**edge_files(), "meta/version.txt": b"", **images("kubeedge/installation-package:v1.22.2")}
    del files["images/kubeedge-installation-package-v1.22.0.tar"]
    assert judged(tmp_path, files).versions.release == "v1.22.2"


@pytest.mark.parametrize("naming", ["docker.io-kubeedge-pause-3.6.tar", "kubeedge-pause-3.6.tar", "x.tar"])
def test_the_name_of_an_archive_does_not_matter(tmp_path: Path, naming: str) -> None:
    files = {**edge_files(), **TEST_IMAGE}
    files[f"images/{naming}"] = files.pop("images/kubeedge-pause-3.6.tar")
    assert judged(tmp_path, files).complete


def test_one_archive_with_every_image(tmp_path: Path) -> None:
    files = {name: data for name, data in edge_files().items() if not name.startswith("images/")}
    members: dict[str, bytes] = {}
    manifests = []
    for reference in (*EDGE_IMAGES, "busybox:1.36"):
        with tarfile.open(fileobj=io.BytesIO(image(reference))) as archive:
            for member in archive:
                content = archive.extractfile(member)
                assert content is not None
                members[member.name] = content.read()
        manifests += json.loads(members["manifest.json"])
    members["manifest.json"] = json.dumps(manifests).encode()
    assert judged(tmp_path, {**files, "images/all.tar": tar(members)}).complete
