"""``kedoctor run --fix`` and ``kedoctor rollback``: objects of every kind are put right and back."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from apiserver import Object
from control_plane import (
    REGISTRATION,
    ControlPlane,
    metrics_server,
    named,
    secrets,
    stream_secret,
)
from site_runs import FIX, causes, changes, site

from kedoctor.pki.certificates import read_certificates

pytestmark = pytest.mark.lab

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
