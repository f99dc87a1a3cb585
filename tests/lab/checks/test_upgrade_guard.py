"""Before and after an upgrade, against a real HTTPS API server: backup, drift, repair of KE941 and diff."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from apiserver import Object
from apiserver.fixtures import patch
from control_plane import named
from site_runs import CM, Site, changes, said, site

pytestmark = pytest.mark.lab

NAME = "configmap/kubeedge/cloudcore"


def _upgraded(objects: list[Object]) -> None:
    """The edge has the next version already, cloudcore not yet."""
    info = named(objects, "Node", "edge1")["status"]["nodeInfo"]
    info["kubeletVersion"] = "v1.31.12-kubeedge-v1.22.2"


def _guard(lab: Site, root: Path, *words: str) -> dict[str, str]:
    ran = lab.kedoctor(
        "run",
        "--lang",
        "en",
        "--format",
        "json",
        "--only",
        "KE941",
        "--only",
        "KE942",
        "--root",
        str(root),
        *words,
    )
    return {f"{one['code']} {one['subject']}": one["status"] for one in said(ran)["verdicts"]}


def test_a_backup_is_asked_for_written_and_grows_old(tmp_path: Path) -> None:
    root, home = tmp_path / "root", tmp_path / "home"
    home.mkdir()
    root.mkdir()
    with site(home, change=_upgraded) as lab:
        before = _guard(lab, root)
        assert before[f"KE941 {NAME}"] == "warn"
        assert before["KE942 edge1"] == "pass"

        fixed = lab.kedoctor(
            "run",
            "--format",
            "json",
            "--only",
            "KE941",
            "--root",
            str(root),
            "--side",
            "cloud",
            "--fix",
            "--yes",
        )
        assert changes(fixed) == [("KE941", "fixed")], fixed.stderr
        (manifest,) = root.glob("var/lib/kedoctor/backups/*/manifest.json")
        assert (manifest.parent / "cloudcore.yaml").is_file()
        assert lab.cluster.written() == []
        assert _guard(lab, root)[f"KE941 {NAME}"] == "pass"

        text = lab.cluster.get("", "configmaps", "cloudcore")["data"]["cloudcore.yaml"]
        changed = text.replace("nodeLimit: 1000", "nodeLimit: 2000")
        assert changed != text
        patch(lab.cluster.server, CM, {"data": {"cloudcore.yaml": changed}})
        assert _guard(lab, root)[f"KE941 {NAME}"] == "warn"
        told = lab.kedoctor("diff", str(manifest.parent), "now", "--format", "json", "--root", str(root))
        assert told.returncode == 2, told.stderr
        differing = [(one["key"], one["after"]) for one in json.loads(told.stdout)["settings"]]
        assert differing == [("modules.cloudHub.nodeLimit", "2000")]

        assert lab.rollback("--root", str(root)).returncode == 0
        assert not list(root.glob("var/lib/kedoctor/backups/*/manifest.json"))


def test_a_backup_of_a_live_cluster_holds_no_secret(tmp_path: Path) -> None:
    with site(tmp_path) as lab:
        done = lab.kedoctor("backup", "-o", str(tmp_path / "kept"))
        assert done.returncode == 0, done.stderr
        kept = "".join(path.read_text() for path in (tmp_path / "kept").iterdir())
        for word in ("PRIVATE KEY", "BEGIN CERTIFICATE", "eyJhbGci"):
            assert word not in kept
        assert "modules.cloudStream.enable" in kept
        same = lab.kedoctor("diff", str(tmp_path / "kept"), "now")
        assert same.returncode == 0, same.stdout + same.stderr
