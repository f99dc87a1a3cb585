"""The roles that ``kedoctor rbac`` prints, bound to a service account: with them nothing is forbidden."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from apiserver import Container, Object
from control_plane import WEAK, ControlPlane, named
from gate_site import ROUND_TRIPS, gate_site
from site_runs import FIX, causes, changes, said, site
from trace_site import pod

pytestmark = pytest.mark.lab


_RBAC = "rbac.authorization.k8s.io"
_CLOUDCORE: tuple[Object, ...] = (
    {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "cloudcore"},
        "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}],
    },
    {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "cloudcore"},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": "cloudcore"},
        "subjects": [{"kind": "ServiceAccount", "name": "cloudcore", "namespace": "kubeedge"}],
    },
)


def _roles(*words: str) -> list[Object]:
    argv = [
        sys.executable,
        "-m",
        "kedoctor",
        "rbac",
        "--format",
        "json",
        "--service-account",
        "ops/weak",
        *words,
    ]
    ran = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    items: list[Object] = json.loads(ran.stdout)["items"]
    return [*items, *_CLOUDCORE]


def _forbidden(cluster: ControlPlane) -> list[str]:
    seen = [one for one in cluster.server.requests if one.user == "system:serviceaccount:ops:weak"]
    assert seen
    return [f"{one.method} {one.path}" for one in seen if one.code == 403]


@pytest.mark.parametrize("stream", [True, False])
def test_a_whole_run_is_forbidden_nothing(tmp_path: Path, *, stream: bool) -> None:
    # With what a person needs too: KE921 reviews the rights of whoever runs it.
    with site(tmp_path, stream=stream, roles=_roles("--operator")) as lab:
        ran = lab.kedoctor("run", "--format", "json", token=WEAK)
        assert _forbidden(lab.cluster) == []
        assert [one for one in said(ran)["unavailable"] if one["reason"] == "forbidden"] == []
        assert causes(ran) == ([] if stream else ["KE101"])


@pytest.mark.parametrize(
    "words", [("--symptom", "top"), ("--only", "KE3xx"), ("--only", "KE406"), ("--only", "KE113")]
)
def test_a_selection_is_forbidden_nothing(tmp_path: Path, words: tuple[str, str]) -> None:
    with site(tmp_path, roles=_roles(*words)) as lab:
        lab.kedoctor("run", "--format", "json", *words, token=WEAK)
        assert _forbidden(lab.cluster) == []


def test_the_role_of_a_selection_is_too_small_for_everything(tmp_path: Path) -> None:
    with site(tmp_path, roles=_roles("--only", "KE202")) as lab:
        ran = lab.kedoctor("run", "--format", "json", token=WEAK)
        assert "GET /api/v1/namespaces/kubeedge/secrets" in _forbidden(lab.cluster)
        assert [one for one in said(ran)["unavailable"] if one["reason"] == "forbidden"]


def test_without_fix_nothing_can_be_changed(tmp_path: Path) -> None:
    with site(tmp_path, stream=False, roles=_roles()) as lab:
        ran = lab.run(*FIX, token=WEAK)
        assert "cannot get resource" in ran.stderr or "cannot patch resource" in ran.stderr
        assert lab.cluster.written() == []


def test_a_repair_and_its_way_back_are_forbidden_nothing(tmp_path: Path) -> None:
    with site(tmp_path, stream=False, roles=_roles("--fix")) as lab:
        done = lab.run(*FIX, token=WEAK)
        assert changes(done) == [("KE101", "fixed")], done.stderr
        back = lab.kedoctor("rollback", token=WEAK)
        assert back.returncode == 0, back.stderr
        assert _forbidden(lab.cluster) == []


def _without_service(objects: list[Object]) -> None:
    objects.remove(named(objects, "Service", "metrics-server"))


def test_objects_that_are_made_anew_are_forbidden_nothing(tmp_path: Path) -> None:
    with site(tmp_path, roles=_roles("--fix"), change=_without_service) as lab:
        done = lab.run(*FIX, token=WEAK)
        assert changes(done) == [("KE601", "fixed")], done.stderr
        assert lab.kedoctor("rollback", token=WEAK).returncode == 0
        assert _forbidden(lab.cluster) == []


def test_a_gate_and_its_removal_are_forbidden_nothing(tmp_path: Path) -> None:
    with gate_site(tmp_path, roles=_roles("--gate")) as lab:
        ran = lab.gate("--wait", "20s", token=WEAK)
        assert ran.code == 0, ran.err
        for code in ROUND_TRIPS:
            assert {status for status, _ in ran.verdicts(code).values()} == {"pass"}
        assert _forbidden(lab.cluster) == []
        assert lab.namespaces() == []


def test_the_role_of_a_run_is_too_small_for_a_gate(tmp_path: Path) -> None:
    with gate_site(tmp_path, roles=_roles()) as lab:
        assert lab.gate("--wait", "0", token=WEAK).code == 3
        assert "POST /api/v1/namespaces" in _forbidden(lab.cluster)


def _with_pod(objects: list[Object]) -> None:
    objects.append(pod("web", "edge1"))


def test_traces_are_forbidden_nothing(tmp_path: Path) -> None:
    with site(tmp_path, roles=_roles("--trace", "--only", "KE202"), change=_with_pod) as lab:
        lab.cluster.server.edge.containers["default", "web", "main"] = Container(log="hello\n")
        # A container that writes nothing proves nothing (3).
        for what, target, code in (
            ("logs", "default/web", 0),
            ("exec", "edge1", 0),
            ("attach", "web", 3),
            ("top", "default/web", 1),
        ):
            ran = lab.kedoctor("trace", what, target, "--timeout", "1s", token=WEAK)
            assert ran.returncode == code, ran.stdout
        assert _forbidden(lab.cluster) == []
