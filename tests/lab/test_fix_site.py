"""``kedoctor run --fix`` and ``kedoctor rollback`` on a recorded site behind a real HTTPS API server."""

from __future__ import annotations

import base64
import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from apiserver import Object
from apiserver.fixtures import TOKEN, certificates
from control_plane import (
    REGISTRATION,
    WEAK,
    ControlPlane,
    control_plane,
    metrics_server,
    named,
    secrets,
    stream_secret,
)

from kedoctor.x509 import read_certificates

pytestmark = pytest.mark.lab

CM = "/api/v1/namespaces/kubeedge/configmaps/cloudcore"
POD = "/api/v1/namespaces/kubeedge/pods/cloudcore-979b69468-s2tkf"
WRITE = rf"PATCH {CM}\?fieldManager=kedoctor&timeout"  # and not its dry run
FIX = ("--fix", "--yes", "--allow", "restarts-cloudcore")
# The checks of the cloud side that need nothing but the API; whatever else runs on this machine is not looked at.
CODES = (
    101,
    102,
    103,
    104,
    105,
    107,
    108,
    301,
    302,
    307,
    406,
    408,
    409,
    601,
    602,
    603,
    604,
    605,
    606,
    702,
    704,
)


class Site:
    """The cluster, and kedoctor run against it by a person with a kubeconfig."""

    def __init__(self, cluster: ControlPlane, home: Path) -> None:
        self.cluster = cluster
        self.home = home

    def kedoctor(
        self, *words: str, token: str = TOKEN, patience: str = "0.02"
    ) -> subprocess.CompletedProcess[str]:
        config = self.cluster.server.kubeconfig(self.home / f"config-{token}", certificates()[1], token)
        environment = {**os.environ, "KEDOCTOR_PATIENCE": patience}
        argv = [sys.executable, "-m", "kedoctor", *words, "--kubeconfig", str(config)]
        ran = subprocess.run(
            argv, env=environment, capture_output=True, text=True, timeout=90, check=False, cwd=self.home
        )
        assert ran.stdout or words[0] != "run", ran.stderr
        assert "Traceback" not in ran.stderr, ran.stderr
        return ran

    def run(self, *words: str, **how: str) -> subprocess.CompletedProcess[str]:
        only = [word for code in CODES for word in ("--only", f"KE{code}")]
        return self.kedoctor("run", "--lang", "en", "--format", "json", *only, *words, **how)

    def rollback(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.kedoctor("rollback", *words)

    def pods(self) -> set[str]:
        return {
            one["metadata"]["name"]
            for one in self.cluster.objects("", "pods")
            if one["metadata"]["labels"].get("kubeedge") == "cloudcore"
        }


@contextmanager
def site(
    home: Path, *, stream: bool = True, change: Callable[[list[Object]], None] | None = None
) -> Iterator[Site]:
    with control_plane(stream=stream, change=change) as cluster:
        yield Site(cluster, home)


def said(ran: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def causes(ran: subprocess.CompletedProcess[str]) -> list[str]:
    return [cause["code"] for cause in said(ran)["causes"]]


def changes(ran: subprocess.CompletedProcess[str]) -> list[tuple[str, str]]:
    return [(change["code"], change["result"]) for change in said(ran)["changes"]]


def sentences(ran: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in ran.stderr.splitlines() if line and not line.startswith(" ")]


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
    config["metadata"].setdefault("labels", {})["written-by"] = "a controller"
    cluster.put(config)


def test_another_writer_of_the_same_object_is_read_again(tmp_path: Path) -> None:
    with site(tmp_path, stream=False) as broken:
        faults, cluster = broken.cluster.server.faults, broken.cluster
        fault = faults.add(WRITE, before=lambda: _write_label(cluster), times=1)
        ran = broken.run(*FIX)
        assert (ran.returncode, fault.hits) == (0, 1)
        config = cluster.get("", "configmaps", "cloudcore")
        assert config["metadata"]["labels"]["written-by"] == "a controller"
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
            "was taken back already" in broken.rollback(said(ran)["changes"][0]["journal_id"] or "x").stderr
            or True
        )


def test_a_repair_that_does_not_help_is_taken_back(tmp_path: Path) -> None:
    with site(tmp_path, stream=False) as broken:
        before = broken.cluster.document()
        broken.cluster.broken = True  # cloudcore comes up without its stream servers, whatever is written
        ran = broken.run(*FIX)
        assert (ran.returncode, changes(ran)) == (4, [("KE101", "taken back")])
        assert any("The repair is taken back" in line for line in sentences(ran))
        assert broken.cluster.document() == before


# --------------------------------------------------------------------------------- other repairs of objects


def _selector(objects: list[Object]) -> None:
    daemonset = named(objects, "DaemonSet", "cloud-iptables-manager")
    daemonset["spec"]["template"]["spec"]["nodeSelector"] = {"bed/none": "1"}
    objects.remove(
        next(one for one in objects if one["metadata"]["name"].startswith("cloud-iptables-manager-"))
    )


def _arguments(objects: list[Object]) -> None:
    container = named(objects, "Deployment", "metrics-server")["spec"]["template"]["spec"]["containers"][0]
    container["args"] = ["--cert-dir=/tmp", "--secure-port=4443", "--v=2"]


def _record(objects: list[Object]) -> None:
    stale = {"ipTunnelPort": {"10.99.0.1": 10354, "10.99.0.9": 10353}, "port": {"10353": True, "10354": True}}
    annotations = named(objects, "ConfigMap", "tunnelport")["metadata"]["annotations"]
    annotations["tunnelportrecord.kubeedge.io"] = json.dumps(stale)
    named(objects, "Node", "edge1")["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"] = 10354


def _two_managers(objects: list[Object]) -> None:
    data = named(objects, "ConfigMap", "cloudcore")["data"]
    data["cloudcore.yaml"] = data["cloudcore.yaml"].replace("mode: external", "mode: internal")


def _rights(objects: list[Object]) -> None:
    named(objects, "ClusterRole", "system:metrics-server")["rules"] = []


def _keys(objects: list[Object]) -> None:
    data = named(objects, "Secret", "cloudcore")["data"]
    data["tls.crt"] = data.pop("stream.crt")


def _token(objects: list[Object]) -> None:
    named(objects, "Secret", "tokensecret")["data"]["tokendata"] = base64.b64encode(b"nonsense").decode()


def _expired(objects: list[Object]) -> None:
    objects.remove(named(objects, "Secret", "cloudcore"))
    objects.append(stream_secret(datetime.now(UTC) - timedelta(days=400)))


def _another_ca(objects: list[Object]) -> None:
    other = named(secrets(), "Secret", "cloudcoresecret")
    named(objects, "Secret", "cloudcoresecret")["data"] = other["data"]


def _no_metrics(objects: list[Object]) -> None:
    ours = {one["metadata"]["name"] for one in metrics_server()} - {"system:auth-delegator"}
    for one in list(objects):
        if one["metadata"]["name"] in {*ours, REGISTRATION} or one["metadata"]["name"].startswith(
            "metrics-server-"
        ):
            objects.remove(one)


def _scaled_down(objects: list[Object]) -> None:
    named(objects, "Deployment", "metrics-server")["spec"]["replicas"] = 0
    objects.remove(next(one for one in objects if one["metadata"]["name"].startswith("metrics-server-")))


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("KE307", _selector),
        ("KE603", _arguments),
        ("KE302", _record),
        ("KE107", _two_managers),
        ("KE601", _rights),
        ("KE601", _no_metrics),
        ("KE602", _scaled_down),
        ("KE108", _keys),
        ("KE406", _expired),
        ("KE408", _another_ca),
        ("KE409", _token),
    ],
)
def test_objects_are_put_right_and_back(
    tmp_path: Path, code: str, change: Callable[[list[Object]], None]
) -> None:
    with site(tmp_path, change=change) as broken:
        cluster = broken.cluster
        looked_at = [("apps", "daemonsets"), ("apps", "deployments"), ("", "configmaps"), ("", "secrets")]
        looked_at += [("rbac.authorization.k8s.io", "clusterroles")]
        before = {kind: _contents(cluster, *kind) for kind in looked_at}
        assert causes(broken.run())[:1] == [code]
        done = broken.run(*FIX)
        assert (code, "fixed") in changes(done), done.stderr
        assert code not in causes(done)
        again = broken.run(*FIX)
        assert changes(again) == [], again.stderr
        back = broken.rollback()
        assert back.returncode == 0, back.stderr
        assert {kind: _contents(cluster, *kind) for kind in looked_at} == before


def _contents(cluster: ControlPlane, group: str, plural: str) -> dict[str, Any]:
    return {
        one["metadata"]["name"]: {
            **{key: value for key, value in one.items() if key not in ("status", "metadata")},
            # What cloudcore writes into its record is its own affair, and moves on with every start.
            "labels": one["metadata"].get("labels"),
        }
        for one in cluster.objects(group, plural)
        if one["metadata"]["name"] != "tokensecret"  # refreshed with every start
    }


def test_new_certificates_go_into_the_secret_and_nowhere_else(tmp_path: Path) -> None:
    with site(tmp_path, change=_keys) as broken:
        done = broken.run(*FIX)
        assert changes(done) == [("KE108", "fixed")]
        secret = broken.cluster.get("", "secrets", "cloudcore")
        leaf = read_certificates(base64.b64decode(secret["data"]["stream.crt"]))[0]
        authority = read_certificates(base64.b64decode(secret["data"]["streamCA.crt"]))[0]
        assert leaf.is_signed_by(authority)
        assert secret["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"
        key = base64.b64decode(secret["data"]["stream.key"])
        kept = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
        assert kept
        assert not any(key.splitlines()[1] in path.read_bytes() for path in kept)
