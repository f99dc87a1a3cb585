"""Repairs during which the API server, its store or its certificate goes away: what is said, what the journal holds, the way back.

It goes away while kedoctor's own request is in the server's hands (somebody_between.py).
"""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
import real_cluster
import real_control_plane
import somebody_between
from real_kubeedge import KubeEdge, kubeedge, path_of
from somebody_between import Between

pytestmark = real_cluster.marks(real_control_plane.obstacle(), seconds=600)

CONFIG = path_of("ConfigMap", "cloudcore")
FIX = ("--fix", "--yes", "--allow", "restarts-cloudcore")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[KubeEdge, Between]]:
    with (
        kubeedge(tmp_path_factory.mktemp("interrupted")) as site,
        somebody_between.between(site.cluster) as somebody,
    ):
        yield site, somebody


@pytest.fixture
def site(made: tuple[KubeEdge, Between]) -> Iterator[KubeEdge]:
    """A site whose cloudStream is off; afterwards all parts are there again."""
    site, somebody = made
    text = site.cluster.get(CONFIG)["data"]["cloudcore.yaml"]
    off = text.replace("cloudStream:\n    enable: true", "cloudStream:\n    enable: false")
    site.merge(CONFIG, {"data": {"cloudcore.yaml": off}}, "kubectl-edit")
    site.cluster.ask("DELETE", "/api/v1/namespaces/kubeedge/pods?labelSelector=kubeedge%3Dcloudcore")
    site.settle()
    yield site
    somebody.disarm()
    come_back(site)


@pytest.fixture
def somebody(made: tuple[KubeEdge, Between]) -> Between:
    return made[1]


def run(site: KubeEdge, *words: str) -> subprocess.CompletedProcess[str]:
    argv = ("run", "--lang", "en", "--format", "json", "--only", "KE101", *words)
    return site.cluster.kedoctor(*argv, timeout=300, KEDOCTOR_PATIENCE="0.02")


def go(site: KubeEdge, name: str, *, back: bool) -> Callable[[], None]:
    """A part of the control plane is killed, and perhaps started again."""

    def away() -> None:
        daemon = site.cluster.cloud.daemons[name]
        daemon.stop(signal.SIGKILL)
        if back:
            daemon.start()

    return away


def expire(site: KubeEdge) -> None:
    """The API server is started again with a certificate that is over."""
    site.cluster.papers.serving(ended=datetime(2021, 1, 1, tzinfo=UTC))
    go(site, "kube-apiserver", back=True)()


def come_back(site: KubeEdge) -> None:
    """All of it is there again, with a certificate that is good."""
    site.cluster.papers.serving()
    etcd, apiserver = (site.cluster.cloud.daemons[name] for name in ("etcd", "kube-apiserver"))
    if not etcd.runs:
        etcd.start()
        apiserver.stop(signal.SIGKILL)  # one that waits for its store asks ever more rarely
    elif "refused" in _state(site):
        apiserver.stop(signal.SIGKILL)
    if not apiserver.runs:
        apiserver.start()
    site.cluster.wait_ready()
    site.settle(60)


def _state(site: KubeEdge) -> str:
    try:
        site.cluster.open(5).close()
    except OSError as error:
        return "refused" if "certificate" in str(error) else "away"
    return "there"


TROUBLE: dict[str, tuple[Callable[[KubeEdge], Callable[[], None]], str]] = {
    "the API server restarts at the write": (
        lambda site: go(site, "kube-apiserver", back=True),
        "configmaps",
    ),
    "the API server is gone from the write on": (
        lambda site: go(site, "kube-apiserver", back=False),
        "configmaps",
    ),
    "the API server restarts at the restart of cloudcore": (
        lambda site: go(site, "kube-apiserver", back=True),
        "pods",
    ),
    "the API server is gone from the restart of cloudcore on": (
        lambda site: go(site, "kube-apiserver", back=False),
        "pods",
    ),
    "etcd is gone from the write on": (lambda site: go(site, "etcd", back=False), "configmaps"),
    "etcd is gone from the restart of cloudcore on": (lambda site: go(site, "etcd", back=False), "pods"),
    "the certificate is over from the restart of cloudcore on": (lambda site: lambda: expire(site), "pods"),
}


@pytest.mark.parametrize("name", TROUBLE)
def test_it_is_told_and_can_be_taken_back(site: KubeEdge, somebody: Between, name: str) -> None:
    trouble, where = TROUBLE[name]
    before = site.content(CONFIG)
    somebody.arm(trouble(site), where)
    ran = run(site, *FIX)
    assert ran.returncode == 4, (ran.returncode, ran.stderr)
    told = ran.stderr.splitlines()[-2:]
    (change,) = json.loads(ran.stdout)["changes"]
    left = change["result"] == "left"  # there was nobody to take it back with
    assert change["code"] == "KE101"
    assert left or change["result"] in ("refused", "taken back")
    assert told, ran.stderr

    come_back(site)
    assert (newest_phase(site) != "undone") == left, ran.stderr
    if left:
        assert "kedoctor rollback" in ran.stderr, "what is left to be done is said"
        back = site.cluster.kedoctor("rollback", timeout=200)
        assert back.returncode == 0, back.stderr
    assert site.content(CONFIG) == before
    site.settle()
    # And the next repair works.
    done = run(site, *FIX)
    assert [(one["code"], one["result"]) for one in json.loads(done.stdout)["changes"]] == [
        ("KE101", "fixed")
    ]


def newest_phase(site: KubeEdge) -> str:
    """How far the newest entry of the journal came; the whole journal can be read."""
    listed = site.cluster.kedoctor("rollback", "--list")
    assert listed.returncode == 0, listed.stderr
    return listed.stdout.splitlines()[0].split()[1]
