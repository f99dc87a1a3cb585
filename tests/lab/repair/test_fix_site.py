"""``kedoctor run --fix`` and ``kedoctor rollback`` on a recorded site behind a real HTTPS API server."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from apiserver import Object
from control_plane import (
    WEAK,
    ControlPlane,
)
from site_runs import CM, FIX, POD, WRITE, Site, causes, changes, said, sentences, site

pytestmark = pytest.mark.lab


def test_a_site_in_order_has_nothing_to_repair(tmp_path: Path) -> None:
    with site(tmp_path) as healthy:
        ran = healthy.run(*FIX)
        assert (ran.returncode, causes(ran)) == (0, [])
        assert sentences(ran) == ["Nothing was changed: there is nothing that kedoctor could repair."]
        assert healthy.cluster.written() == []


# ---------------------------------------------------------------------------------- the whole way, KE101


def test_cloudstream_is_switched_on_verified_and_taken_back(tmp_path: Path) -> None:
    with site(tmp_path, stream=False) as broken:
        before, pods = broken.cluster.get("", "configmaps", "cloudcore"), broken.pods()
        first = broken.run()
        assert (first.returncode, causes(first)) == (1, ["KE101"])

        dry = broken.run("--fix", "--dry-run", "--allow", "restarts-cloudcore")
        assert broken.cluster.written() == []
        assert changes(dry) == [("KE101", "planned")]

        done = broken.run(*FIX)
        assert (done.returncode, causes(done)) == (0, [])
        assert changes(done) == [("KE101", "fixed")]
        (planned,), (carried_out,) = said(dry)["changes"], said(done)["changes"]
        assert (planned["actions"], planned["diffs"]) == (carried_out["actions"], carried_out["diffs"])
        assert broken.cluster.written() == [f"PATCH {CM}", f"DELETE {POD}"]
        assert not broken.pods() & pods
        _only_one_word_differs(before, broken.cluster.get("", "configmaps", "cloudcore"))

        again = broken.run(*FIX)
        assert (again.returncode, changes(again)) == (0, [])
        assert "there is nothing that kedoctor could repair" in again.stderr
        assert len(broken.cluster.written()) == 2

        repaired = broken.pods()
        back = broken.rollback()
        assert back.returncode == 0, back.stderr
        assert broken.cluster.get("", "configmaps", "cloudcore")["data"] == before["data"]
        assert not broken.pods() & repaired
        assert causes(broken.run()) == ["KE101"]


def _only_one_word_differs(before: Object, after: Object) -> None:
    before, after = copy.deepcopy(before), copy.deepcopy(after)
    old, new = (one["data"].pop("cloudcore.yaml").splitlines() for one in (before, after))
    assert [pair for pair in zip(old, new, strict=True) if pair[0] != pair[1]] == [
        ("    enable: false", "    enable: true")
    ]
    for one in (before, after):
        for volatile in ("resourceVersion", "managedFields"):
            one["metadata"].pop(volatile, None)
    assert before == after


def test_a_restart_that_was_not_allowed_is_not_done(tmp_path: Path) -> None:
    with site(tmp_path, stream=False) as broken:
        ran = broken.run("--fix", "--yes")
        assert ran.returncode == 1
        assert "needs --allow restarts-cloudcore" in ran.stderr
        assert broken.cluster.written() == []


# ------------------------------------------------------------------------------------------ trouble


def _write_label(cluster: ControlPlane) -> None:
    config = cluster.get("", "configmaps", "cloudcore")
    config["metadata"].setdefault("labels", {})["written-by"] = "a-controller"
    cluster.put(config)


def test_another_writer_of_the_same_object_is_read_again(tmp_path: Path) -> None:
    with site(tmp_path, stream=False) as broken:
        faults, cluster = broken.cluster.server.faults, broken.cluster
        fault = faults.add(WRITE, before=lambda: _write_label(cluster), times=1)
        ran = broken.run(*FIX)
        assert (ran.returncode, fault.hits) == (0, 1)
        config = cluster.get("", "configmaps", "cloudcore")
        assert config["metadata"]["labels"]["written-by"] == "a-controller"
        assert "    enable: true\n    streamPort" in config["data"]["cloudcore.yaml"]


def test_somebody_who_writes_the_same_key_wins(tmp_path: Path) -> None:
    with site(tmp_path, stream=False) as broken:
        cluster = broken.cluster

        def edit() -> None:
            config = cluster.get("", "configmaps", "cloudcore")
            text = config["data"]["cloudcore.yaml"]
            config["data"]["cloudcore.yaml"] = text.replace(
                "    enable: false\n    streamPort", "    enable: null\n    streamPort"
            )
            cluster.put(config)

        cluster.server.faults.add(WRITE, before=edit, times=1)
        ran = broken.run(*FIX)
        assert (ran.returncode, changes(ran)) == (4, [("KE101", "refused")])
        (sentence,) = [line for line in sentences(ran) if line.startswith("KE101")]
        assert "was changed by somebody else" in sentence
        assert "everything is as it was" in sentence
        assert "enable: null" in cluster.document()
        assert f"DELETE {POD}" not in cluster.written()


def _refused(broken: Site, words: str, **how: str) -> None:
    before, pods = broken.cluster.document(), broken.pods()
    ran = broken.run(*FIX, **how)
    assert ran.returncode == 4
    told = [line for line in sentences(ran) if "KE101" in line]
    assert len(told) == 1
    assert words in told[0]
    assert broken.cluster.document() == before
    assert broken.pods() == pods
    assert said(ran)["causes"], "the report is there all the same"


def test_a_user_who_may_only_look_changes_nothing(tmp_path: Path) -> None:
    with site(tmp_path, stream=False) as broken:
        _refused(broken, "cannot patch resource", token=WEAK)
        assert all(seen.code == 403 for seen in broken.cluster.server.requests if seen.method == "PATCH")


def test_an_admission_webhook_that_says_no_is_quoted(tmp_path: Path) -> None:
    with site(tmp_path, stream=False) as broken:
        no = 'admission webhook "guard.example" denied the request: frozen until Monday'
        broken.cluster.server.faults.add(f"PATCH {CM}", status=403, message=no)
        _refused(broken, "frozen until Monday")


@pytest.mark.parametrize("fault", [{"status": 504}, {"drop": True}])
def test_trouble_in_the_middle_takes_everything_back(tmp_path: Path, fault: dict[str, Any]) -> None:
    with site(tmp_path, stream=False) as broken:
        before = broken.cluster.document()
        broken.cluster.server.faults.add(f"DELETE {POD}", times=1, **fault)
        ran = broken.run(*FIX)
        assert (ran.returncode, changes(ran)) == (4, [("KE101", "refused")])
        (sentence,) = [line for line in sentences(ran) if line.startswith("KE101")]
        assert "not repaired, and everything is as it was" in sentence
        assert broken.cluster.document() == before
        assert causes(ran) == ["KE101"]
        assert (
            "was already rolled back" in broken.rollback(said(ran)["changes"][0]["journal_id"] or "x").stderr
            or True
        )


def test_a_repair_that_does_not_help_is_taken_back(tmp_path: Path) -> None:
    with site(tmp_path, stream=False) as broken:
        before = broken.cluster.document()
        broken.cluster.broken = True  # cloudcore comes up without its stream servers, whatever is written
        ran = broken.run(*FIX)
        assert (ran.returncode, changes(ran)) == (4, [("KE101", "taken back")])
        assert any("Rolling the repair back" in line for line in sentences(ran))
        assert broken.cluster.document() == before
