"""Every repair that writes to the cluster, through the real API server: planned, done while somebody else writes, taken back.

What is proved is the side of the API; the pods are a stand-in (real_kubeedge.py).
"""

from __future__ import annotations

import base64
import copy
import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import control_plane as played
import pytest
import real_cluster
import real_control_plane
import somebody_between
from real_control_plane import CLOUD, Object
from real_kubeedge import MANAGER, KubeEdge, kubeedge, path_of
from somebody_between import Between
from test_real_objects import RealSite

from kedoctor.checks.facts.cluster.nodes import SiteNodes
from kedoctor.checks.install.cloud.fix_extras import servicelb
from kedoctor.model.actions.objects import DeleteObject
from kedoctor.model.observations.apiserver import ListObjects
from kedoctor.observe.live.cluster import LiveCluster
from kedoctor.plugins import load_plugins

pytestmark = real_cluster.marks(real_control_plane.obstacle(), seconds=300)

CONFIG = path_of("ConfigMap", "cloudcore")
RECORD = path_of("ConfigMap", "tunnelport")
KUBECTL_EDIT = "kubectl-edit"
METRICS = {"KE601", "KE602", "KE603", "KE604", "KE609"}
"""Tried in test_real_metrics.py and in tests/lab/repair."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[KubeEdge, Between]]:
    with (
        kubeedge(tmp_path_factory.mktemp("remedies")) as site,
        somebody_between.between(site.cluster) as somebody,
    ):
        yield site, somebody


@pytest.fixture
def site(made: tuple[KubeEdge, Between]) -> Iterator[KubeEdge]:
    """The site in order; what a test changed is put right again."""
    site, somebody = made
    yield site
    somebody.disarm()
    site.reset()


@pytest.fixture
def somebody(made: tuple[KubeEdge, Between]) -> Between:
    return made[1]


# ------------------------------------------------------------------------------------------------ faults


def changed(site: KubeEdge, kind: str, name: str) -> Object:
    """An object of the site, to be changed and put."""
    return copy.deepcopy(played.named(site.objects, kind, name))


def document(old: str, new: str) -> Callable[[KubeEdge], None]:
    """cloudcore.yaml with another word, written by somebody."""

    def write(site: KubeEdge) -> None:
        text = changed(site, "ConfigMap", "cloudcore")["data"]["cloudcore.yaml"]
        assert text.count(old) == 1, old
        site.merge(CONFIG, {"data": {"cloudcore.yaml": text.replace(old, new)}}, KUBECTL_EDIT)

    return write


def restarted(write: Callable[[KubeEdge], None]) -> Callable[[KubeEdge], None]:
    """A fault that cloudcore runs with."""

    def fault(site: KubeEdge) -> None:
        write(site)
        site.restart()

    return fault


def scaled(number: int) -> Callable[[KubeEdge], None]:
    def fault(site: KubeEdge) -> None:
        site.merge(path_of("Deployment", "cloudcore"), {"spec": {"replicas": number}}, KUBECTL_EDIT)

    return fault


def old(fault: Callable[[KubeEdge], None]) -> Callable[[KubeEdge], None]:
    """A fault of a site whose cloudcore started long ago: while it starts, much is left open."""

    def aged(site: KubeEdge) -> None:
        site.age = 600.0
        site.restart()
        fault(site)

    return aged


def secret(name: str, change: Callable[[Object], None]) -> Callable[[KubeEdge], None]:
    def fault(site: KubeEdge) -> None:
        obj = changed(site, "Secret", name)
        change(obj)
        site.put(obj)

    return fault


def _renamed(obj: Object) -> None:
    obj["data"]["tls.crt"] = obj["data"].pop("stream.crt")


def _expired(obj: Object) -> None:
    obj["data"] = played.stream_secret(datetime.now(UTC) - timedelta(days=400))["data"]


def _another_ca(obj: Object) -> None:
    obj["data"] = played.named(played.secrets(), "Secret", "cloudcoresecret")["data"]


def _nonsense(obj: Object) -> None:
    obj["data"]["tokendata"] = base64.b64encode(b"nonsense").decode()


def record(*addresses: str) -> Callable[[KubeEdge], None]:
    """A record of tunnel ports with these addresses, the first with the port that edges have."""

    def fault(site: KubeEdge) -> None:
        edge = site.cluster.get(path_of("Node", "edge1"))
        port = edge["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]
        ports = {address: port - number for number, address in enumerate(addresses)}
        text = json.dumps({"ipTunnelPort": ports, "port": {str(one): True for one in ports.values()}})
        site.merge(
            RECORD, {"metadata": {"annotations": {"tunnelportrecord.kubeedge.io": text}}}, KUBECTL_EDIT
        )

    return fault


def selector(value: str) -> Callable[[KubeEdge], None]:
    def fault(site: KubeEdge) -> None:
        spec = {"template": {"spec": {"nodeSelector": {"bed/none": value}}}}
        site.merge(path_of("DaemonSet", MANAGER), {"spec": spec}, KUBECTL_EDIT)

    return fault


def no_rights(site: KubeEdge) -> None:
    obj = changed(site, "ClusterRole", "iptables-manager")
    obj["rules"] = []
    site.put(obj)
    now = datetime.now(UTC)
    site.complain(
        f"E{now:%m%d %H:%M:%S.%f}       1 iptables.go:1] failed to list *v1.Pod: pods is forbidden: User "
        f'"system:serviceaccount:kubeedge:iptables-manager-sa" cannot list resource "pods"\n'
    )


def unlabelled(value: str | None) -> Callable[[KubeEdge], None]:
    def fault(site: KubeEdge) -> None:
        labels = {"node-role.kubernetes.io/edge": value}
        site.merge(path_of("Node", "edge1"), {"metadata": {"labels": labels}}, KUBECTL_EDIT)

    return fault


def no_rule(site: KubeEdge) -> None:
    """iptables-manager runs, and its rules are not on the host."""
    site.forget_diversion()


@dataclass(frozen=True)
class Case:
    """A fault and its repair.

    ``writes`` is the object that the repair changes (empty: it only restarts pods), ``theirs`` what somebody else may
    write of the same part. A repair ``owns`` fields afterwards unless it takes something away, or the object itself.
    """

    code: str
    fault: Callable[[KubeEdge], None]
    writes: str = ""
    theirs: Callable[[KubeEdge], None] | None = None
    owns: bool = True
    remade: bool = False


OFF, ON = "cloudStream:\n    enable: false", "cloudStream:\n    enable: true"
STREAM = path_of("Secret", "cloudcore")
CASES = {
    "cloudStream is off": Case(
        "KE101", restarted(document(ON, OFF)), CONFIG, document(ON, ON.replace("true", "null"))
    ),
    "another stream port": Case(
        "KE102",
        restarted(document("streamPort: 10003", "streamPort: 10013")),
        CONFIG,
        document("streamPort: 10003", "streamPort: 10023"),
    ),
    "a word of the wrong type": Case(
        "KE103",
        document("nodeLimit: 1000", "nodeLimit: '1000'"),
        CONFIG,
        document("nodeLimit: 1000", "nodeLimit: '2000'"),
    ),
    "an edit after the start": Case("KE104", document("writeTimeout: 30", "writeTimeout: 31")),
    "no replica": Case("KE105", scaled(0), path_of("Deployment", "cloudcore"), scaled(2)),
    "two managers": Case(
        "KE107",
        restarted(document("mode: external", "mode: internal")),
        CONFIG,
        document("mode: external", "mode: ''"),
    ),
    "keys of the certificate": Case(
        "KE108", secret("cloudcore", _renamed), STREAM, secret("cloudcore", _expired)
    ),
    "no room for edges": Case(
        "KE109",
        document("nodeLimit: 1000", "nodeLimit: 1"),
        CONFIG,
        document("nodeLimit: 1000", "nodeLimit: 2"),
    ),
    "a record with a stale address": Case(
        "KE302", old(record(CLOUD, "10.99.0.9")), RECORD, record(CLOUD, "10.99.0.8")
    ),
    "no rule on the host": Case("KE303", old(no_rule)),
    "a selector that fits nowhere": Case(
        "KE307", selector("1"), path_of("DaemonSet", MANAGER), selector("2"), owns=False
    ),
    "a manager without rights": Case("KE307", no_rights, path_of("ClusterRole", "iptables-manager")),
    "an expired certificate": Case(
        "KE406", secret("cloudcore", _expired), STREAM, secret("cloudcore", _renamed)
    ),
    "a certificate of another CA": Case(
        "KE408",
        secret("cloudcoresecret", _another_ca),
        path_of("Secret", "cloudcoresecret"),
        secret("cloudcoresecret", _another_ca),
        remade=True,
    ),
    "a join token that is none": Case("KE409", secret("tokensecret", _nonsense)),
    "no label": Case("KE703", unlabelled(None), path_of("Node", "edge1"), unlabelled("theirs")),
}


# ------------------------------------------------------------------------------------------------- runs


def run(site: KubeEdge, code: str, *words: str) -> subprocess.CompletedProcess[str]:
    """kedoctor on the cloud host, asked for one check."""
    argv = ("run", "--lang", "en", "--format", "json", "--only", code, *words)
    return site.cluster.kedoctor(*argv, KEDOCTOR_PATIENCE="0.3")


def wrong(ran: subprocess.CompletedProcess[str], code: str) -> set[str]:
    return {one["status"] for one in json.loads(ran.stdout)["verdicts"] if one["code"] == code} & {
        "fail",
        "warn",
    }


def changes(ran: subprocess.CompletedProcess[str]) -> set[tuple[str, str]]:
    return {(one["code"], one["result"]) for one in json.loads(ran.stdout)["changes"]}


ALLOW = ("--allow", "restarts-cloudcore")


@pytest.mark.parametrize("name", CASES)
def test_it_is_planned_done_and_taken_back(site: KubeEdge, somebody: Between, name: str) -> None:
    case = CASES[name]
    case.fault(site)
    site.settle()
    before = site.content(case.writes) if case.writes else None
    pods = uids(site)
    planned = run(site, case.code, "--fix", "--dry-run", *ALLOW)
    assert wrong(planned, case.code), planned.stdout
    assert changes(planned) == {(case.code, "planned")}, planned.stderr
    assert (site.content(case.writes) if case.writes else None) == before
    assert uids(site) == pods

    meanwhile = bool(case.writes) and not case.remade
    if meanwhile:
        somebody.arm(lambda: label(site, case.writes), case.writes.split("/")[-2])
    done = run(site, case.code, "--fix", "--yes", *ALLOW)
    assert changes(done) == {(case.code, "fixed")}, done.stderr
    assert not wrong(done, case.code)
    if case.writes:
        assert site.content(case.writes) != before
    else:
        assert uids(site) != pods
    if meanwhile:
        managers = site.managers(case.writes)
        assert somebody.wrote == 1
        assert managers["a-controller"] == "Update", "what was written in between is kept"
        assert "owner" in managers or case.writes.startswith("/apis/rbac"), "a role has nothing but its rules"
        assert ("kedoctor" in managers) == case.owns

    back = site.cluster.kedoctor("rollback")
    assert back.returncode == 0, back.stderr
    site.settle()
    if case.writes:
        after = site.content(case.writes)
        assert after is not None
        if meanwhile:
            assert after["labels"].pop("written-by") == "a-controller"
            after["labels"] = after["labels"] or None
        assert after == before


def uids(site: KubeEdge) -> set[str]:
    return {pod["metadata"]["uid"] for pod in site.pods()}


def label(site: KubeEdge, path: str) -> None:
    site.merge(path, {"metadata": {"labels": {"written-by": "a-controller"}}}, "a-controller")


CONTESTED = [name for name, case in CASES.items() if case.theirs is not None]


@pytest.mark.parametrize("name", CONTESTED)
def test_who_writes_the_same_in_between_keeps_it(site: KubeEdge, somebody: Between, name: str) -> None:
    case = CASES[name]
    assert case.theirs is not None
    case.fault(site)
    site.settle()
    pods = uids(site)
    kept: list[Object | None] = []

    def write() -> None:
        assert case.theirs is not None
        case.theirs(site)
        kept.append(site.content(case.writes))

    somebody.arm(write, case.writes.split("/")[-2])
    done = run(site, case.code, "--fix", "--yes", *ALLOW)
    assert done.returncode == 4, (done.stdout, done.stderr)
    assert changes(done) == {(case.code, "refused")}, done.stderr
    (told,) = {
        line for line in done.stderr.splitlines() if line.startswith(case.code) and "not repaired" in line
    }
    assert "somebody else" in told
    assert [site.content(case.writes)] == kept
    if case.code not in ("KE105", "KE703"):  # where what was written makes controllers add or remove pods
        assert uids(site) == pods, "nothing was restarted for it"


# ----------------------------------------------------------------------------------- repairs of an install


def test_repairs_of_an_install(site: KubeEdge, tmp_path: Path) -> None:
    """Labels of the cloud nodes (KE982) and a Helm release that was never finished (KE981).

    What keadm does after that needs keadm; tests/lab/install has a stand-in for it.
    """
    release = path_of("Secret", "sh.helm.release.v1.cloudcore.v1")
    site.cluster.create(
        release.rpartition("/")[0],
        {"metadata": {"name": release.rpartition("/")[2]}, "data": {"release": "eA=="}},
    )
    with site.cluster.cloud.entered():
        hands = RealSite(site.cluster, tmp_path)
        config = str(site.cluster.papers.token_config(real_control_plane.ADMIN_TOKEN))
        nodes = LiveCluster(config).observe(ListObjects("Node"))
        label_them = servicelb(Wrong("KE982", "cluster"), SiteNodes(nodes)).actions
        forget = DeleteObject(release, remade=True)
        before = [
            site.content(path) for path in (path_of("Node", "cloud"), path_of("Node", "edge1"), release)
        ]
        entry = hands.fix(*label_them, forget)
        labels = [site.content(path_of("Node", name)) for name in ("cloud", "edge1")]
        assert ["svccontroller.k3s.cattle.io/enablelb" in one["labels"] for one in labels if one] == [
            True,
            False,
        ]
        assert site.content(release) is None
        hands.back(entry)
        after = [site.content(path) for path in (path_of("Node", "cloud"), path_of("Node", "edge1"), release)]
        assert after == before
    site.cluster.ask("DELETE", release)


@dataclass(frozen=True)
class Wrong:
    """What a remedy reads of a verdict here."""

    code: str
    subject: str


def test_none_is_forgotten() -> None:
    """Each repair that declares an object of the cluster is tried, here or where its programs are real."""
    writing = {code for code, node in load_plugins().registry.remedies.items() if node.remedy.touches}
    here = {case.code for case in CASES.values()} | {"KE981", "KE982"}
    assert writing - here == METRICS
    assert here <= writing
