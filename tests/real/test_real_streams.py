"""Gates and traces through the real API server to real kubelets: what comes back, what is broken, what stays: nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import real_cluster
from lab_host import until
from real_control_plane import Cluster

pytestmark = real_cluster.marks(real_cluster.obstacle(), seconds=300)

STREAMS = ("KE901", "KE902", "KE903")
ONLY = [word for code in STREAMS for word in ("--only", code)]
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "namespace": "default", "labels": {"app": "web"}},
    "spec": {
        "nodeName": "edge1",
        "terminationGracePeriodSeconds": 0,
        "containers": [
            {
                "name": "main",
                "image": "busybox:1.36",
                "imagePullPolicy": "Never",
                "command": ["sh", "-c", "i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.3; done"],
            }
        ],
    },
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with real_cluster.cluster(tmp_path_factory.mktemp("streams")) as made:
        until(lambda: made.ask("GET", "/api/v1/namespaces/default/serviceaccounts/default").status == 200, 30)
        made.create("/api/v1/namespaces/default/pods", POD)
        until(lambda: made.get("/api/v1/namespaces/default/pods/web")["status"]["phase"] == "Running", 60)
        yield made


def gate(cluster: Cluster, *words: str) -> tuple[int, dict[str, dict[str, tuple[str, str]]]]:
    """The exit code, and status and sentence by code and edge."""
    ran = cluster.kedoctor("gate", "--lang", "en", "--format", "json", *ONLY, *words, timeout=200)
    assert ran.stdout, ran.stderr
    found: dict[str, dict[str, tuple[str, str]]] = {code: {} for code in STREAMS}
    for one in json.loads(ran.stdout)["verdicts"]:
        found[one["code"]][one["node"] or one["subject"]] = (one["status"], one["summary"])
    return ran.returncode, found


def left(cluster: Cluster) -> list[str]:
    """What gates left behind: namespaces, and containers in the runtimes of the nodes."""
    names = [one["metadata"]["name"] for one in cluster.get("/api/v1/namespaces")["items"]]
    found = [name for name in names if name.startswith("kedoctor-gate-")]
    for host in cluster.nodes.values():
        listed = host.run("ctr", "--namespace", "k8s.io", "containers", "list").stdout
        found += [line for line in listed.splitlines() if "kedoctor-gate" in line]
    return found


def test_a_gate_passes_and_nothing_stays(cluster: Cluster) -> None:
    code, found = gate(cluster, "--wait", "60s")
    assert code == 0, found
    for of in STREAMS:
        assert {edge: status for edge, (status, _) in found[of].items()} == {"edge1": "pass", "edge2": "pass"}
    until(lambda: not left(cluster), 30, lambda: str(left(cluster)))


def test_a_kubelet_that_is_stopped_stops_the_gate(cluster: Cluster) -> None:
    kubelet = cluster.nodes["edge2"].daemons["kubelet"]
    kubelet.stop(signal.SIGKILL)
    try:
        code, found = gate(cluster, "--wait", "5s")
    finally:
        kubelet.start()
    # What a pod that never ran would have said is not known: no pass, and no exit code 0.
    assert code == 3, found
    assert {found[of]["edge1"][0] for of in STREAMS} == {"pass"}
    assert all(found[of]["edge2"][0] != "pass" for of in STREAMS)
    until(lambda: cluster.is_ready("edge2"), 60, cluster.told)
    until(lambda: not left(cluster), 60, lambda: str(left(cluster)))


def test_a_gate_that_is_interrupted_cleans_up(cluster: Cluster) -> None:
    config = cluster.papers.path("admin.kubeconfig")
    argv = [sys.executable, "-m", "kedoctor", "gate", *ONLY, "--wait", "200s", "--kubeconfig", str(config)]
    process = subprocess.Popen(
        cluster.cloud.entering(argv),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cluster.home,
    )
    until(lambda: left(cluster), 60)
    (inside,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(inside), signal.SIGINT)
    out, err = process.communicate(timeout=90)
    assert "Traceback" not in err, out + err
    until(lambda: not left(cluster), 60, lambda: str(left(cluster)))


@pytest.mark.parametrize("name", ["kube-apiserver", "etcd"])
def test_a_gate_outlives_a_part_that_is_away_for_a_while(cluster: Cluster, name: str) -> None:
    config = cluster.papers.path("admin.kubeconfig")
    argv = [sys.executable, "-m", "kedoctor", "gate", *ONLY, "--wait", "90s", "--kubeconfig", str(config)]
    words = ["--lang", "en", "--format", "json"]
    process = subprocess.Popen(
        cluster.cloud.entering([*argv, *words]),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cluster.home,
    )
    until(lambda: left(cluster), 60)  # its pods are being made
    daemon = cluster.cloud.daemons[name]
    daemon.stop(signal.SIGKILL)
    daemon.start()
    cluster.wait_ready()
    out, err = process.communicate(timeout=200)
    assert "Traceback" not in err, err
    assert process.returncode == 0, out + err
    statuses = {(one["code"], one["node"]): one["status"] for one in json.loads(out)["verdicts"]}
    assert statuses == {(code, edge): "pass" for code in STREAMS for edge in ("edge1", "edge2")}
    until(lambda: not left(cluster), 60, lambda: str(left(cluster)))


def test_a_gate_whose_api_server_stays_away_says_what_it_left(cluster: Cluster) -> None:
    config = cluster.papers.path("admin.kubeconfig")
    argv = [sys.executable, "-m", "kedoctor", "gate", *ONLY, "--wait", "5s", "--kubeconfig", str(config)]
    process = subprocess.Popen(
        cluster.cloud.entering([*argv, "--lang", "en"]),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cluster.home,
    )
    until(lambda: left(cluster), 60)
    daemon = cluster.cloud.daemons["kube-apiserver"]
    daemon.stop(signal.SIGKILL)
    try:
        out, err = process.communicate(timeout=200)
    finally:
        daemon.start()
        cluster.wait_ready()
    assert "Traceback" not in err, err
    assert process.returncode not in (0, 70), out + err
    (namespace,) = [
        one["metadata"]["name"]
        for one in cluster.get("/api/v1/namespaces")["items"]
        if one["metadata"]["name"].startswith("kedoctor-gate-")
    ]
    assert namespace in out + err, "what could not be removed is named"
    assert cluster.ask("DELETE", f"/api/v1/namespaces/{namespace}").status in (200, 202)
    # The namespace controller learns of it again by its next list, which it puts off the longer the server was away.
    until(lambda: not left(cluster), 150, lambda: str(left(cluster)))


def traced(cluster: Cluster, *words: str) -> tuple[int, dict[str, Any]]:
    ran = cluster.kedoctor("trace", *words, "--lang", "en", "--format", "json", "--timeout", "5s")
    assert ran.stdout, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return ran.returncode, found


def state(found: dict[str, Any], hop: str) -> str:
    return next(str(one["state"]) for one in found["hops"] if one["name"] == hop)


@pytest.mark.parametrize("what", ["logs", "exec", "attach"])
def test_a_trace_ends_with_the_real_request(cluster: Cluster, what: str) -> None:
    code, found = traced(cluster, what, "default/web")
    assert state(found, what) == "ok", found
    # There is no cloudcore, so the trace may say that it will not last; that it works it must say.
    assert code in (0, 1)
    assert f"kubectl {what} default/web works" in found["summary"]


@pytest.mark.parametrize("what", ["logs", "exec", "attach"])
def test_a_trace_to_a_kubelet_that_is_stopped_is_broken(cluster: Cluster, what: str) -> None:
    kubelet = cluster.nodes["edge1"].daemons["kubelet"]
    kubelet.stop(signal.SIGKILL)
    try:
        code, found = traced(cluster, what, "default/web")
    finally:
        kubelet.start()
    assert (code, state(found, what)) == (1, "broken"), found
    assert "connection refused" in json.dumps(found)
    until(lambda: cluster.is_ready("edge1"), 60, cluster.told)
