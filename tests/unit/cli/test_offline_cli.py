"""``kedoctor bundle images`` and ``verify`` as somebody sees them: text, JSON, both languages, exit codes."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from image_archives import tar
from offline_bundles import edge_files, image, images, write

from kedoctor.base.errors import BundleError, UsageError
from kedoctor.checks.parsers.release_contents import newest
from kedoctor.cli import command


def kedoctor(*words: object) -> Result:
    return CliRunner().invoke(command, ["bundle", *map(str, words)], standalone_mode=False)


def complete() -> dict[str, bytes]:
    return {**edge_files(), **images("busybox:1.36")}


def test_the_list_of_images() -> None:
    lines = kedoctor("images", "--side", "edge", "--arch", "arm64").output.splitlines()
    assert lines[0] == "# KubeEdge v1.22.0, linux/arm64"
    assert [line.split()[0] for line in lines[1:]] == [
        one.reference for one in newest().images if "edge" in one.sides
    ]
    assert "边缘节点" in kedoctor("images", "--lang", "zh").output


def test_the_list_as_json() -> None:
    listed = json.loads(kedoctor("images", "--format", "json", "--kubeedge-version", "v1.22.1").output)
    assert listed["kubeedge"] == "v1.22.1"
    (pause,) = [one for one in listed["images"] if one["image"] == "docker.io/kubeedge/pause:3.6"]
    assert (pause["mandatory"], pause["sides"], pause["role"]) == (True, ["edge"], "pause")
    assert pause["archive"] == "images/docker.io-kubeedge-pause-3.6.tar"
    assert {one["name"] for one in listed["programs"]} >= {"k3s", "keadm", "containerd", "runc", "bridge"}


def test_a_release_without_a_set() -> None:
    error = kedoctor("images", "--kubeedge-version", "1.9.1").exception
    assert isinstance(error, UsageError)
    assert (str(error), error.hint) == (
        "there is no set of versions for KubeEdge 1.9.1",
        "there are sets for 1.22.x",
    )


@pytest.mark.parametrize("packed", ["", "edge.tar", "edge.tar.gz"])
def test_a_complete_bundle(tmp_path: Path, packed: str) -> None:
    place = tmp_path / packed if packed else write(tmp_path / "edge", complete())
    if packed:
        data = tar(complete())
        place.write_bytes(gzip.compress(data) if packed.endswith("gz") else data)
    done = kedoctor("verify", place)
    assert done.return_value == 0
    assert done.output.splitlines() == [
        f"{place}: offline bundle for edge, linux/amd64, KubeEdge v1.22.0; 5 images, 10 programs, 0 checksums compared",
        "It is complete: edge can be installed from it.",
    ]


def test_what_is_wrong_is_said_before_what_could_be_better(tmp_path: Path) -> None:
    files = complete()
    files["images/kubeedge-pause-3.6.tar"] = files["images/kubeedge-pause-3.6.tar"][:3000]
    del files["images/docker.io-kubeedge-edgemesh-agent-v1.17.0.tar"]
    done = kedoctor("verify", write(tmp_path, files))
    assert done.return_value == 1
    marks = [line.split()[0] for line in done.output.splitlines()[1:-1]]
    assert marks == ["FAIL", "FAIL", "WARN"]
    assert "images/kubeedge-pause-3.6.tar cannot be imported: it is truncated" in done.output
    assert done.output.splitlines()[-1].startswith("It is incomplete: 2 things are missing or damaged.")
    chinese = kedoctor("verify", tmp_path, "--lang", "zh").output
    assert "错误  images/kubeedge-pause-3.6.tar 无法导入" in chinese
    assert "不完整：共 2 处错误" in chinese


def test_the_verdict_as_json(tmp_path: Path) -> None:
    files = {**complete(), "images/kubeedge-pause-3.6.tar": image("kubeedge/pause:3.6", "arm64")}
    done = kedoctor("verify", write(tmp_path, files), "--format", "json")
    verdict = json.loads(done.output)
    assert (done.return_value, verdict["complete"], verdict["architecture"]) == (1, False, "amd64")
    assert [one["about"] for one in verdict["shortcomings"]] == ["docker.io/kubeedge/pause:3.6"]
    (pause,) = [one for one in verdict["files"] if one["path"] == "images/kubeedge-pause-3.6.tar"]
    assert pause["images"][0]["architecture"] == "arm64"
    assert len(pause["sha256"]) == 64


def test_the_machine_and_side_that_are_asked_for(tmp_path: Path) -> None:
    write(tmp_path, complete())
    wrong = kedoctor("verify", tmp_path, "--arch", "arm64")
    assert wrong.return_value == 1
    assert "the program keadm is missing: keadm is for amd64, not for arm64" in wrong.output
    assert (
        "the program k3s (v1.34.2+k3s1) is missing" in kedoctor("verify", tmp_path, "--side", "cloud").output
    )


def test_what_cannot_be_read_is_no_incomplete_bundle(tmp_path: Path) -> None:
    whole = gzip.compress(tar(complete()))
    (tmp_path / "cut.tar.gz").write_bytes(whole[: len(whole) // 2])
    for place in ("none", "cut.tar.gz"):
        error = kedoctor("verify", tmp_path / place).exception
        assert isinstance(error, BundleError)
        assert error.exit_code == 78


def test_the_exit_codes_of_the_real_command(tmp_path: Path) -> None:
    write(tmp_path / "edge", edge_files())
    for place, code in {"edge": 1, "none": 78}.items():
        argv = [sys.executable, "-m", "kedoctor", "bundle", "verify", str(tmp_path / place)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert (done.returncode, "Traceback" in done.stderr) == (code, False)


def _own_archive(place: Path, machine: int = 183) -> Path:
    """What make dist writes, as far as it is looked at."""
    elf = (
        b"\x7fELF\x02\x01\x01"
        + bytes(9)
        + (2).to_bytes(2, "little")
        + machine.to_bytes(2, "little")
        + bytes(44)
    )
    files = {"kedoctor-0.1.0/bin/kedoctor": b"#!/bin/sh\n", "kedoctor-0.1.0/python/bin/python3": elf}
    place.write_bytes(gzip.compress(tar(files)))
    return place


def test_the_archive_of_kedoctor_itself_is_put_in_and_needs_no_wheels(tmp_path: Path) -> None:
    place = write(tmp_path / "edge", complete())
    archive = _own_archive(tmp_path / "kedoctor-0.1.0-linux-aarch64-glibc2.35.tar.gz")
    made = kedoctor("make", place, "--side", "edge", "--arch", "arm64", "--kedoctor", archive)
    assert (place / "kedoctor" / archive.name).read_bytes() == archive.read_bytes()
    assert "kedoctor itself is not in it" not in made.output
    listed = json.loads((place / "offline-bundle.json").read_bytes())["files"]
    assert f"kedoctor/{archive.name}" in [one["path"] for one in listed]
    verified = kedoctor("verify", place, "--side", "edge", "--arch", "arm64")
    assert archive.name not in verified.output, "it is no archive of images"
    assert (
        "kedoctor itself is not in it"
        in kedoctor("make", write(tmp_path / "none", complete()), "--arch", "arm64").output
    )


def test_an_archive_for_another_machine_or_of_something_else_is_refused(tmp_path: Path) -> None:
    place = write(tmp_path / "edge", complete())
    other = _own_archive(tmp_path / "kedoctor-0.1.0-linux-x86_64-glibc2.35.tar.gz", 62)
    error = kedoctor("make", place, "--side", "edge", "--arch", "arm64", "--kedoctor", other).exception
    assert isinstance(error, UsageError)
    assert str(error) == f"{other} is for amd64, the offline bundle for arm64"
    for data in (b"", b"not gzip", gzip.compress(b"no tar"), gzip.compress(tar({"a": b"b"}))):
        other.write_bytes(data)
        error = kedoctor("make", place, "--arch", "arm64", "--kedoctor", other).exception
        assert isinstance(error, UsageError)
        assert str(error) == f"{other} is not an archive of kedoctor"
    assert not (place / "kedoctor").exists()
