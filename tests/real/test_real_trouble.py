"""An API server that goes away, comes back, has no store, shows an expired certificate, or whose aggregated API is down."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import real_cluster
import real_control_plane
from real_control_plane import Cluster

pytestmark = real_cluster.marks(real_control_plane.obstacle(), seconds=300)

RUN = ("run", "--lang", "en", "--format", "json")
REGISTRATION = {
    "apiVersion": "apiregistration.k8s.io/v1",
    "kind": "APIService",
    "metadata": {"name": "v1beta1.metrics.k8s.io", "labels": {"k8s-app": "metrics-server"}},
    "spec": {
        "group": "metrics.k8s.io",
        "version": "v1beta1",
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
        "insecureSkipTLSVerify": True,
        "service": {"name": "metrics-server", "namespace": "kube-system"},
    },
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with real_control_plane.control_plane(tmp_path_factory.mktemp("trouble")) as made:
        yield made


def said(ran: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The report; whatever happens to the API server, there is one, and no bug in it."""
    assert ran.returncode in (0, 1, 2, 3), ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def words(report: dict[str, Any]) -> str:
    return json.dumps([report["unavailable"], report["verdicts"]])


@contextmanager
def without(cluster: Cluster, name: str, how: signal.Signals = signal.SIGKILL) -> Iterator[None]:
    """The block runs while a daemon of the cloud host is not there."""
    daemon = cluster.cloud.daemons[name]
    daemon.stop(how)
    try:
        yield
    finally:
        daemon.start()
        cluster.wait_ready()


def test_the_api_server_is_gone(cluster: Cluster) -> None:
    with without(cluster, "kube-apiserver"):
        report = said(cluster.kedoctor(*RUN, "--only", "KE6xx", "--only", "KE7xx"))
    assert "refused" in words(report)
    assert not [
        one for one in report["verdicts"] if one["status"] == "pass" and one["code"] in ("KE601", "KE602")
    ]


@pytest.mark.parametrize("after", [0.3, 0.8, 1.5])
def test_the_api_server_restarts_in_the_middle_of_a_run(cluster: Cluster, after: float) -> None:
    config = cluster.papers.path("admin.kubeconfig")
    argv = [sys.executable, "-m", "kedoctor", *RUN, "--kubeconfig", str(config)]
    process = subprocess.Popen(
        cluster.cloud.entering(argv),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
        cwd=cluster.home,
    )
    time.sleep(after)  # where it is then differs with the machine; whatever it is doing must end well
    with without(cluster, "kube-apiserver"):
        pass
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err, err
    assert process.returncode in (0, 1, 2, 3), err
    assert json.loads(out)["verdicts"]


def test_etcd_is_gone(cluster: Cluster) -> None:
    with without(cluster, "etcd"):
        report = said(cluster.kedoctor(*RUN, "--only", "KE6xx", "--only", "KE1xx", timeout=200))
    passed = [one["code"] for one in report["verdicts"] if one["status"] == "pass"]
    assert not {"KE101", "KE601", "KE602"} & set(passed)
    assert report["unavailable"], "what could not be read is said"


def test_the_certificate_of_the_api_server_is_over(cluster: Cluster) -> None:
    cluster.papers.serving(ended=datetime(2021, 1, 1, tzinfo=UTC))
    daemon = cluster.cloud.daemons["kube-apiserver"]
    daemon.stop()
    daemon.start()
    try:
        refused = cluster.until_refused()
        report = said(cluster.kedoctor(*RUN, "--only", "KE6xx", "--only", "KE410"))
    finally:
        cluster.papers.serving()
        daemon.stop()
        daemon.start()
        cluster.wait_ready()
    assert "expired" in refused
    assert "expired" in words(report)


def test_an_aggregated_api_that_is_down(cluster: Cluster) -> None:
    cluster.create("/apis/apiregistration.k8s.io/v1/apiservices", REGISTRATION)
    path = "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io"
    try:
        cluster.eventually(lambda: cluster.ask("GET", "/apis/metrics.k8s.io/v1beta1/nodes").status == 503)
        report = said(cluster.kedoctor(*RUN, "--only", "KE6xx"))
    finally:
        cluster.ask("DELETE", path)
    failed = {one["code"] for one in report["verdicts"] if one["status"] == "fail"}
    assert failed & {"KE601", "KE602", "KE604"}, report["verdicts"]
    # The other APIs are read as ever.
    assert "metrics.k8s.io" in words(report)


def test_it_is_as_it_was(cluster: Cluster, tmp_path: Path) -> None:
    assert cluster.ask("GET", "/readyz").status == 200
    assert said(cluster.kedoctor(*RUN, "--only", "KE6xx"))["verdicts"]
