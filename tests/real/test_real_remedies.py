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
from typing import Any

import control_plane as played
import pytest
import real_cluster
import real_control_plane
import somebody_between
from real_control_plane import CLOUD, Object
from real_kubeedge import MANAGER, KubeEdge, kubeedge, path_of
from somebody_between import Between

from kedoctor.plugins import load_plugins

pytestmark = real_cluster.marks(real_control_plane.obstacle(), seconds=300)

CONFIG = path_of("ConfigMap", "cloudcore")
RECORD = path_of("ConfigMap", "tunnelport")
KUBECTL_EDIT = "kubectl-edit"


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
    before = copy.deepcopy(site.objects)
    yield site
    somebody.disarm()
    site.log = ""
    site.objects = before
    for one in before:
        site.put(one)
    restart(site)


@pytest.fixture
def somebody(made: tuple[KubeEdge, Between]) -> Between:
    return made[1]


def restart(site: KubeEdge, label: str = "kubeedge%3Dcloudcore") -> None:
    """Deletes pods and waits for their successors."""
    site.cluster.ask("DELETE", f"/api/v1/namespaces/kubeedge/pods?labelSelector={label}")
    site.settle()


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
        restart(site)

    return fault


def scaled(number: int) -> Callable[[KubeEdge], None]:
    def fault(site: KubeEdge) -> None:
        site.merge(path_of("Deployment", "cloudcore"), {"spec": {"replicas": number}}, KUBECTL_EDIT)
        site.settle()

    return fault


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
        site.merge(RECORD, {"metadata": {"annotations": {"tunnelportrecord.kubeedge.io": text}}}, KUBECTL_EDIT)

    return fault


def selector(value: str) -> Callable[[KubeEdge], None]:
    def fault(site: KubeEdge) -> None:
        spec = {"template": {"spec": {"nodeSelector": {"bed/none": value}}}}
        site.merge(path_of("DaemonSet", MANAGER), {"spec": spec}, KUBECTL_EDIT)
        site.settle()

    return fault


def no_rights(site: KubeEdge) -> None:
    obj = changed(site, "ClusterRole", "iptables-manager")
    obj["rules"] = []
    site.put(obj)
    now = datetime.now(UTC)
    site.log = (
        f"E{now:%m%d %H:%M:%S.%f}       1 iptables.go:1] failed to list *v1.Pod: pods is forbidden: User "
        f'"system:serviceaccount:kubeedge:iptables-manager-sa" cannot list resource "pods"\n'
    )


def unlabelled(value: str | None) -> Callable[[KubeEdge], None]:
    def fault(site: KubeEdge) -> None:
        labels = {"node-role.kubernetes.io/edge": value}
        site.merge(path_of("Node", "edge1"), {"metadata": {"labels": labels}}, KUBECTL_EDIT)

    return fault


def no_rule(_: KubeEdge) -> None:
    """iptables-manager runs, and its rule is not on the host: so it is from the beginning here."""


@dataclass(frozen=True)
class Case:
    """A fault and its repair: what is written, which somebody else writes in between, which of ours is a restart."""

    code: str
    fault: Callable[[KubeEdge], None]
    writes: tuple[str, ...] = ()
    theirs: Callable[[KubeEdge], None] | None = None
    also: tuple[str, ...] = ()


OFF, ON = "cloudStream:\n    enable: false", "cloudStream:\n    enable: true"
STREAM = path_of("Secret", "cloudcore")
CASES = {
    "cloudStream is off": Case(
        "KE101", restarted(document(ON, OFF)), (CONFIG,), document(ON, ON.replace("true", "null"))
    ),
    "another stream port": Case(
        "KE102",
        restarted(document("streamPort: 10003", "streamPort: 10013")),
        (CONFIG,),
        document("streamPort: 10003", "streamPort: 10023"),
    ),
    "a word of the wrong type": Case(
        "KE103",
        document("nodeLimit: 1000", "nodeLimit: '1000'"),
        (CONFIG,),
        document("nodeLimit: 1000", "nodeLimit: '2000'"),
    ),
    "an edit after the start": Case("KE104", document("writeTimeout: 30", "writeTimeout: 31")),
    "no replica": Case("KE105", scaled(0), (path_of("Deployment", "cloudcore"),), scaled(2)),
    "two managers": Case(
        "KE107",
        restarted(document("mode: external", "mode: internal")),
        (CONFIG,),
        document("mode: external", "mode: ''"),
    ),
    "keys of the certificate": Case("KE108", secret("cloudcore", _renamed), (STREAM,), secret("cloudcore", _expired)),
    "no room for edges": Case(
        "KE109",
        document("nodeLimit: 1000", "nodeLimit: 1"),
        (CONFIG,),
        document("nodeLimit: 1000", "nodeLimit: 2"),
    ),
    "a record with a stale address": Case(
        "KE302", record(CLOUD, "10.99.0.9"), (RECORD,), record(CLOUD, "10.99.0.8")
    ),
    "a selector that fits nowhere": Case(
        "KE307", selector("1"), (path_of("DaemonSet", MANAGER),), selector("2")
    ),
    "a manager without rights": Case(
        "KE307", no_rights, (path_of("ClusterRole", "iptables-manager"),)
    ),
    "an expired certificate": Case("KE406", secret("cloudcore", _expired), (STREAM,), secret("cloudcore", _renamed)),
    "a certificate of another CA": Case(
        "KE408", secret("cloudcoresecret", _another_ca), (path_of("Secret", "cloudcoresecret"),)
    ),
    "a join token that is none": Case("KE409", secret("tokensecret", _nonsense)),
    "no label": Case("KE703", unlabelled(None), (path_of("Node", "edge1"),), unlabelled("theirs")),
}


# ------------------------------------------------------------------------------------------------- runs


def run(site: KubeEdge, code: str, *words: str) -> subprocess.CompletedProcess[str]:
    """kedoctor on the cloud host, asked for one check and what its repair needs."""
    argv = ("run", "--lang", "en", "--format", "json", "--only", code, *words)
    return site.cluster.kedoctor(*argv, KEDOCTOR_PATIENCE="0.02")


def said(ran: subprocess.CompletedProcess[str]) -> Object:
    report: Object = json.loads(ran.stdout)
    return report


def wrong(ran: subprocess.CompletedProcess[str], code: str) -> set[str]:
    return {one["status"] for one in said(ran)["verdicts"] if one["code"] == code} & {"fail", "warn"}


def changes(ran: subprocess.CompletedProcess[str]) -> list[tuple[str, str]]:
    return [(one["code"], one["result"]) for one in said(ran)["changes"]]


ALLOW = ("--allow", "restarts-cloudcore")


@pytest.mark.parametrize("name", CASES)
def test_it_is_planned_done_and_taken_back(site: KubeEdge, somebody: Between, name: str) -> None:
    case = CASES[name]
    case.fault(site)
    before = {path: site.content(path) for path in case.writes}
    planned = run(site, case.code, "--fix", "--dry-run", *ALLOW)
    assert wrong(planned, case.code), planned.stdout
    assert changes(planned) == [(case.code, "planned")], planned.stderr
    assert {path: site.content(path) for path in case.writes} == before
    started = site.started

    for path in case.writes:
        somebody.arm(lambda path=path: label(site, path), path.split("/")[-2])
    done = run(site, case.code, "--fix", "--yes", *ALLOW)
    assert changes(done) == [(case.code, "fixed")], done.stderr
    assert not wrong(done, case.code)
    _written(site, case, before, somebody)

    back = site.cluster.kedoctor("rollback", "--yes")
    assert back.returncode == 0, back.stderr
    site.settle()
    assert {path: _plain(site, path) for path in case.writes} == before
    assert started <= site.started


def _written(site: KubeEdge, case: Case, before: dict[str, Any], somebody: Between) -> None:
    """What kedoctor wrote is there and is kedoctor's; what others wrote, also in between, is theirs."""
    for path in case.writes:
        after = site.content(path)
        assert after != before[path]
        managers = site.managers(path)
        remade = case.code == "KE408"
        assert somebody.wrote == 1
        if not remade:
            assert managers["kedoctor"] == "Update"
            assert managers["a-controller"] == "Update", "what was written in between is kept"
            assert "owner" in managers
            assert after is not None
            assert after["labels"]["written-by"] == "a-controller"


def label(site: KubeEdge, path: str) -> None:
    site.merge(path, {"metadata": {"labels": {"written-by": "a-controller"}}}, "a-controller")


def _plain(site: KubeEdge, path: str) -> Object | None:
    """The content without the label that somebody wrote in between."""
    found = site.content(path)
    if found is not None:
        (found["labels"] or {}).pop("written-by", None)
        found["labels"] = found["labels"] or None
    return found
