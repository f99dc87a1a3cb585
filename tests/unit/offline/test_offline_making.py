"""An offline bundle is made whole or not at all, a second run changes nothing, and CI jobs fetch what it needs."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from offline_bundles import edge_files, images, write

from kedoctor.api import archive_name
from kedoctor.base.errors import OutputError, UsageError
from kedoctor.checks.offline.ci_job import SYSTEMS, job
from kedoctor.checks.parsers.cni_config import conflist
from kedoctor.checks.parsers.release_contents import newest
from kedoctor.cli import command
from kedoctor.offline import making
from kedoctor.yaml.document import load

DOCS = Path(__file__).parents[3] / "docs" / "ci"
FILES = {"github": "github-actions.yml", "gitlab": "gitlab-ci.yml"}


def kedoctor(*words: object) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words], standalone_mode=False)


def state(root: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in root.rglob("*")
        if path.is_file()
    }


def whole(root: Path) -> Path:
    return write(root, {**edge_files(), **images("busybox:1.36")})


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    root = whole(tmp_path / "edge")
    first = kedoctor("bundle", "make", root)
    assert first.return_value == 0
    assert "written  SHA256SUMS" in first.output
    made = state(root)
    again = kedoctor("bundle", "make", root)
    assert again.return_value == 0
    assert "written" not in again.output
    assert state(root) == made
    check = subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=root, check=False)
    assert check.returncode == 0
    assert stat.S_IMODE((root / "SHA256SUMS").stat().st_mode) == 0o644


def test_what_was_changed_since_is_said(tmp_path: Path) -> None:
    root = whole(tmp_path)
    kedoctor("bundle", "make", root)
    (root / "install.sh").write_text("another\n")
    verified = kedoctor("bundle", "verify", root)
    assert verified.return_value == 1
    assert "install.sh has another sha256 than SHA256SUMS says" in verified.output
    again = kedoctor("bundle", "make", root)
    assert "NOTE  install.sh is not as the last" in again.output
    assert kedoctor("bundle", "verify", root).return_value == 0


def test_an_incomplete_bundle_is_made_and_fails(tmp_path: Path) -> None:
    made = kedoctor("bundle", "make", write(tmp_path, edge_files()))
    assert made.return_value == 1
    assert (tmp_path / "SHA256SUMS").is_file()
    assert "FAIL  the image docker.io/library/busybox:1.36 is missing" in made.output


def test_the_manifests_of_a_cloud(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    kedoctor("bundle", "make", tmp_path / "new", "--side", "cloud", "--arch", "arm64")
    text = (tmp_path / "new/manifests/metrics-server.yaml").read_text()
    documents = [load(part).data for part in text.split("---\n")[1:]]
    assert len(documents) == 9
    pod = documents[-1]["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == "registry.k8s.io/metrics-server/metrics-server:v0.8.0"
    assert "DoesNotExist" in json.dumps(pod["affinity"])
    role = load((tmp_path / "new/manifests/kubeedge-operator-rbac.yaml").read_text().split("---\n")[1])
    assert role.data["kind"] == "ClusterRole"
    assert not (tmp_path / "new/cni-conf").exists()


def test_the_network_template() -> None:
    network = json.loads(conflist("10.244.7.0/24"))
    assert [one["type"] for one in network["plugins"]] == ["bridge", "portmap"]
    assert network["plugins"][0]["ipam"]["ranges"] == [[{"subnet": "10.244.7.0/24"}]]
    assert (
        "isDefaultGateway" not in network["plugins"][0]
    )  # or the default route is added twice, and no pod starts
    assert network["plugins"][0]["hairpinMode"] is True  # or a pod does not reach its own Service


def test_wheels_and_crds(tmp_path: Path) -> None:
    root = whole(tmp_path / "edge")
    wheels = write(tmp_path / "w", {"kedoctor-0.1.0-py3-none-any.whl": b"PK", "notes.txt": b""})
    crds = write(tmp_path / "c", {"crd-gateway.yaml": b"apiVersion: v1\nkind: CustomResourceDefinition\n"})
    made = kedoctor("bundle", "make", root, "--wheels", wheels, "--crds", crds)
    assert (root / "wheels/kedoctor-0.1.0-py3-none-any.whl").read_bytes() == b"PK"
    assert not (root / "wheels/notes.txt").exists()
    assert (root / "crds/crd-gateway.yaml").is_file()
    assert "wheels of kedoctor are missing (" in made.output
    assert "kedoctor," not in made.output.partition("are missing (")[2].partition(")")[0]
    made_again = state(root)
    kedoctor("bundle", "make", root, "--wheels", root / "wheels", "--crds", root / "crds")
    assert state(root) == made_again


def test_wheels_are_for_a_machine() -> None:
    names = ["msgspec-0.19-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"]
    assert "msgspec" not in making.missing_wheels(names, "amd64")
    assert "msgspec" in making.missing_wheels(names, "arm64")


def test_directories_that_hold_something_else(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path / "other", {"pod.yaml": b"kind: Pod\n"})
    for refused in (
        lambda: making.crd_files(tmp_path / "empty"),
        lambda: making.crd_files(tmp_path / "other"),
        lambda: making.wheel_files(tmp_path / "empty"),
        lambda: making.fill(write(tmp_path, {"file": b""}) / "file", {}, {}),
    ):
        with pytest.raises(UsageError):
            refused()


def test_a_full_disk_leaves_nothing_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = whole(tmp_path / "edge")
    before = state(root)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        making.fill(root, {"keadm": b"new"}, {"wheels/a.whl": root / "runc"})
    assert state(root) == before


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    root = whole(tmp_path / "edge")
    half = root / "wheels/.kedoctor-0123456789ab-77"
    half.parent.mkdir()
    half.write_bytes(b"half")
    assert kedoctor("bundle", "make", root).return_value == 0
    assert not half.exists()


# ---------------------------------------------------------------------------------------------------- CI


def commands(system: str, tree: dict[str, Any]) -> list[str]:
    if system == "github":
        return [step["run"] for step in tree["jobs"]["offline-bundle"]["steps"] if "run" in step]
    return [str(one) for one in tree["offline-bundle"]["script"]]


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_examples_are_what_the_generator_writes(system: str) -> None:
    made = kedoctor("bundle", "make", "offline", "--ci", system)
    assert made.return_value == 0
    assert made.output == (DOCS / FILES[system]).read_text(encoding="utf-8")


@pytest.mark.parametrize("system", SYSTEMS)
def test_one_variable_per_version(system: str) -> None:
    """R092: no version stands anywhere but in its variable."""
    versions = newest()
    text = job(system, versions, directory="offline", sides=("cloud", "edge"), machines=("amd64", "arm64"))
    tree = load(text).data
    variables = tree["env"] if system == "github" else tree["offline-bundle"]["variables"]
    used = {name: value for name, value in versions.versions.items() if f"${{{name}}}" in text}
    assert used.items() <= variables.items()
    script = "\n".join(commands(system, tree))
    assert not any(value in script for value in versions.versions.values())
    assert '--platform "linux/$ARCH"' in script


@pytest.mark.parametrize("missing", ["", "kubeedge/pause", "edgemesh-agent"])
@pytest.mark.parametrize("system", SYSTEMS)
def test_the_job_fetches_everything_and_fails_for_what_is_mandatory(
    tmp_path: Path, system: str, missing: str
) -> None:
    """The real script, run by a real shell; docker is a program that writes down what it was told."""
    docker = tmp_path / "bin/docker"
    write(tmp_path, {"bin/docker": DOCKER.encode()})
    docker.chmod(0o755)
    made = kedoctor("bundle", "make", "offline", "--ci", system, "-o", tmp_path / "ci.yml")
    assert made.return_value == 0
    script = commands(system, load((tmp_path / "ci.yml").read_bytes()).data)[0]
    environment = {
        "PATH": f"{docker.parent}:{os.environ['PATH']}",
        "BUNDLE": "offline",
        "SIDE": "edge",
        "ARCH": "arm64",
        "MISSING": missing or "none",
        **newest().versions,
    }
    done = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    there = {path.name for path in (tmp_path / "offline/images").iterdir()}
    needed = {f"{archive_name(one.reference)}.tar": one for one in newest().images if "edge" in one.sides}
    if missing == "kubeedge/pause":
        assert done.returncode == 1
        assert (
            "docker.io/kubeedge/pause:3.6 could not be fetched, and a site cannot do without it"
            in done.stderr
        )
        assert "docker.io-kubeedge-pause-3.6.tar" not in there
        return
    assert done.returncode == 0, done.stderr
    assert there == {name for name, one in needed.items() if not missing or missing not in one.reference}
    assert (tmp_path / "log").read_text().count("--platform linux/arm64") == len(needed)


DOCKER = """#!/bin/sh
echo "$@" >> log
case "$*" in
*"$MISSING"*) exit 1 ;;
save*) echo "$4" > "$3" ;;
esac
"""


def test_ci_writes_nothing_else(tmp_path: Path) -> None:
    spaced = kedoctor("bundle", "make", tmp_path / "x y", "--ci", "github")
    assert "is not a plain name" in str(spaced.exception)
    without = kedoctor("bundle", "make", tmp_path / "x", "-o", tmp_path / "y")
    assert "-o belongs to --ci" in str(without.exception)
    assert list(tmp_path.iterdir()) == []
