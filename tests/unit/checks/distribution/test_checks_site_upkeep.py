"""KE311, KE607 to KE610, KE703, KE710, KE803, KE804."""

from __future__ import annotations

from typing import Any

import pytest
from remedied import planned, verdict_of
from siteworld import NOW, before, both_languages, cluster, edge, edges, made, only

from kedoctor.api import Cluster, EveryHost, NoPlan, PatchObject, Reason, Status, Unavailable
from kedoctor.checks.distribution.versions import known_defects, version_skew
from kedoctor.checks.dnat.preferred_address import node_address
from kedoctor.checks.facts.cloud.apiserver_flags import ApiserverArguments, Setting
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreWorkload
from kedoctor.checks.facts.cluster.metrics import MetricsServer, NodeSamples, WorkingDiversion
from kedoctor.checks.facts.cluster.nodes import SiteNodes
from kedoctor.checks.facts.cluster.site_info import AboutSite, SiteTime
from kedoctor.checks.facts.edge.daemonset_pods import ForeignPods, foreign_pods
from kedoctor.checks.facts.edge.routing import EdgeNames
from kedoctor.checks.metrics.facts_log import MetricsAddons, MetricsLog
from kedoctor.checks.metrics.facts_log import metrics_addons as read_addons
from kedoctor.checks.metrics.facts_log import metrics_log as read_log
from kedoctor.checks.metrics.facts_manifest import MetricsManifest
from kedoctor.checks.metrics.maintenance import (
    metrics_conflict,
    metrics_log,
    metrics_resources,
    metrics_version,
)
from kedoctor.checks.node.fix_labels import edge_label as label_plan
from kedoctor.checks.node.labels import edge_label, foreign_daemonsets
from kedoctor.checks.parsers.kubernetes import Addon, Deployment, Node, Pod

BLIND = Unavailable(Reason.FORBIDDEN, "it")
TIME = SiteTime(NOW, "the API server's clock")
FLAG = "kubelet-preferred-address-types"


# --------------------------------------------------------------------------------------------------- address

UNSEEN: dict[str, Any] = {"logs": EveryHost({}), "names": EveryHost({})}
"""No host in view."""


def arguments(order: str = "") -> EveryHost[ApiserverArguments]:
    flags = {FLAG: Setting(order, "command line")} if order else {}
    return EveryHost({"cloud": ApiserverArguments(is_k3s=False, flags=flags)})


def hosts(*names: str) -> EveryHost[EdgeNames]:
    return EveryHost({"cloud": EdgeNames((("10.99.0.2", names),), "cloud")})


def test_an_internal_ip_is_what_is_dialled() -> None:
    assert only(node_address(edges(), arguments("InternalIP"), hosts())).status is Status.PASS
    assert only(node_address(edges(), arguments(), hosts())).status is Status.PASS
    found = only(node_address(edges(edge(internal_ip="")), arguments(), hosts()))
    assert (found.status, found.node) == (Status.FAIL, "edge1")
    assert both_languages(found)


def test_host_names_first_need_names_that_resolve() -> None:
    found = only(node_address(edges(), arguments("Hostname,InternalIP"), hosts()))
    assert (found.status, found.breaks) == (Status.WARN, ())
    assert only(node_address(edges(), arguments("Hostname,InternalIP"), hosts("edge1"))).status is Status.PASS


# -------------------------------------------------------------------------------------- label, foreign pods


def test_a_missing_label_is_put_there() -> None:
    found = only(edge_label(edges(edge(labelled=False))))
    assert found.status is Status.WARN
    verdict = verdict_of(edge_label, found)
    node = made(Node, metadata={"name": "edge1"})
    plan = planned(label_plan(verdict, SiteNodes((node,))), verdict)
    (action,) = plan.actions
    assert isinstance(action, PatchObject)
    assert action.patch == {"metadata": {"labels": {"node-role.kubernetes.io/edge": ""}}}
    done = made(Node, metadata={"name": "edge1", "labels": {"node-role.kubernetes.io/edge": ""}})
    assert isinstance(label_plan(verdict, SiteNodes((done,))), NoPlan)
    assert only(edge_label(edges())).status is Status.PASS


def pod(name: str, node: str, **spec: Any) -> Pod:
    labels = {"controller-revision-hash": "1"}
    found: Pod = made(
        Pod,
        metadata={"name": name, "namespace": "kube-system", "labels": labels},
        spec={"nodeName": node, **spec},
    )
    return found


def test_pods_of_the_cloud_on_an_edge() -> None:
    found = ForeignPods({"edge1": ("kube-system/svclb-traefik-1",)})
    k3s = AboutSite("v1.31.4+k3s1", {}, "k3s")
    told = only(foreign_daemonsets(found, edges(), k3s, logs=EveryHost({}), names=EveryHost({})))
    assert (told.status, told.breaks) == (Status.WARN, ())
    assert any("enablelb" in command for command in told.commands)
    assert (
        only(
            foreign_daemonsets(ForeignPods(), edges(), BLIND, logs=EveryHost({}), names=EveryHost({}))
        ).status
        is Status.PASS
    )


def test_which_pods_are_foreign() -> None:
    class Listed:
        def observe(self, _request: Any) -> Any:
            return (
                pod("kube-proxy-x", "edge1"),
                pod("kube-proxy-y", "cloud"),
                pod("edge-eclipse-mosquitto-z", "edge1"),
            )

    read = foreign_pods(Cluster(Listed()), edges())
    assert isinstance(read, ForeignPods)
    assert read.on == {"edge1": ("kube-system/kube-proxy-x",)}
    many = edges(*(edge(f"edge{n}") for n in range(201)))
    assert isinstance(foreign_pods(cluster(), many), Unavailable)


# ------------------------------------------------------------------------------------------- metrics-server


def server(
    image: str = "metrics-server/metrics-server:v0.7.2", *, replicas: int = 1, **container: Any
) -> MetricsServer:
    spec = {
        "hostNetwork": True,
        "containers": [
            {"image": image, "resources": {"requests": {"cpu": "100m", "memory": "200Mi"}}} | container
        ],
    }
    deployment = made(
        Deployment,
        metadata={"name": "metrics-server"},
        spec={"replicas": replicas, "template": {"spec": spec}},
    )
    status = {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [{"state": {"running": {"startedAt": before(600)}}}],
    }
    running = made(Pod, metadata={"name": "metrics-server-1"}, spec=spec, status=status)
    return MetricsServer(
        registered=True,
        namespace="kube-system",
        service_name="metrics-server",
        service=None,
        deployment=deployment,
        pods=(running,),
    )


OLD = (
    "E1123 03:19:30.000000       1 server.go:132] unable to fully scrape metrics: unable to fully scrape metrics from "
    'node edge1: unable to fetch metrics from node edge1: request failed - "500 Internal Server Error".'
)
NEW = (
    'E1123 03:19:40.000000       1 scraper.go:149] "Failed to scrape node" err="Get \\"https://10.99.0.3:10250/\\": '
    'dial tcp 10.99.0.3:10250: connect: connection refused" node="edge2"'
)


def test_the_lines_of_old_and_new_versions_are_read() -> None:
    stale = NEW.replace("03:19:40", "02:00:00").replace("edge2", "edge9")
    read = read_log(cluster(logs={"metrics-server-1": f"{stale}\n{OLD}\n{NEW}"}), server(), TIME)
    assert isinstance(read, MetricsLog)
    assert set(read.complaints) == {"edge1", "edge2"}
    found = list(metrics_log(read, server(), edges(edge(), edge("edge2")), BLIND))
    assert [(one.status, one.node) for one in found] == [(Status.FAIL, "edge1"), (Status.FAIL, "edge2")]
    assert "no tunnel for the address" in found[0].summary.en
    assert "nothing diverts" in found[1].summary.en


def test_a_fresh_sample_outweighs_a_line_and_cloud_nodes_are_advice() -> None:
    fresh = NodeSamples({"edge1": before(10)}, NOW, NOW - before(105))
    told = MetricsLog({"edge1": "i/o timeout"})
    assert only(metrics_log(told, server(), edges(), fresh)).status is Status.PASS
    newer = only(metrics_log(MetricsLog({}), server("metrics-server:v0.9.0"), edges(), BLIND))
    assert newer.status is Status.PASS
    assert "logs none of a Node that is not Ready" in newer.summary.en
    cloud = only(metrics_log(MetricsLog({"cloud": "403 Forbidden"}), server(), edges(), BLIND))
    assert (cloud.status, cloud.hop, cloud.node) == (Status.WARN, "", "")


def test_two_of_them_and_the_one_of_k3s() -> None:
    alone = MetricsAddons(("kube-system/metrics-server",))
    assert metrics_conflict(alone, server(), EveryHost({})).status is Status.PASS
    two = MetricsAddons(("kube-system/metrics-server", "monitoring/metrics-server"))
    assert metrics_conflict(two, server(), EveryHost({})).status is Status.WARN
    patched = MetricsAddons(("kube-system/metrics-server",), ("metrics-server-deployment",))
    found = metrics_conflict(patched, server(), EveryHost({}))
    assert (found.status, found.hop) == (Status.WARN, None)
    assert both_languages(found)


def test_what_k3s_is_told_to_leave_alone_is_not_taken_back() -> None:
    patched = MetricsAddons(("kube-system/metrics-server",), ("metrics-server-deployment",))
    kept, applied = MetricsManifest("/var/lib/rancher/k3s/x.yaml.skip", True), MetricsManifest("/x", False)
    elsewhere = Unavailable(Reason.ABSENT, "K3s' manifest of metrics-server")
    found = metrics_conflict(patched, server(), EveryHost({"cloud": kept, "edge1": elsewhere}))
    assert found.status is Status.PASS
    assert both_languages(found)
    one_of_two = EveryHost({"cloud": kept, "cloud2": applied})
    assert metrics_conflict(patched, server(), one_of_two).status is Status.WARN


def test_deployments_and_addons_are_listed_by_label() -> None:
    labels = {"k8s-app": "metrics-server"}
    template = {"spec": {"containers": [{"image": "metrics-server:v0.7.2"}]}}
    one = made(
        Deployment,
        metadata={"name": "metrics-server", "namespace": "kube-system", "labels": labels},
        spec={"template": template},
    )
    addon = made(Addon, metadata={"name": "metrics-server-deployment", "namespace": "kube-system"})
    read = read_addons(cluster(one, addon))
    assert read == MetricsAddons(("kube-system/metrics-server",), ("metrics-server-deployment",))
    assert read_addons(cluster(one)) == MetricsAddons(("kube-system/metrics-server",))


def test_requests_and_room_for_replicas() -> None:
    nodes = SiteNodes((made(Node, metadata={"name": "cloud"}), made(Node, metadata={"name": "edge1"})))
    assert only(metrics_resources(server(), nodes, edges())).status is Status.PASS
    bare = only(metrics_resources(server(resources={}), nodes, edges()))
    assert "requests no cpu and no memory" in bare.summary.en
    crowded = only(metrics_resources(server(replicas=2), nodes, edges()))
    assert "wants 2 replicas" in crowded.summary.en
    assert both_languages(crowded)


@pytest.mark.parametrize(
    ("image", "kubernetes", "status"),
    [
        ("metrics-server/metrics-server:v0.7.2", "v1.31.14", Status.PASS),
        ("metrics-server/metrics-server:v0.4.1", "v1.31.14", Status.PASS),
        ("metrics-server/metrics-server:v0.8.0", "v1.30.2+k3s1", Status.WARN),
        ("metrics-server/metrics-server:v0.3.7", "v1.31.14", Status.FAIL),
        ("metrics-server/metrics-server:latest", "v1.31.14", Status.UNKNOWN),
        ("metrics-server:v0.9.0", "v1.31.14", Status.WARN),
        ("metrics-server:v0.9.0", "v1.34.2", Status.PASS),
    ],
)
def test_which_versions_fit(image: str, kubernetes: str, status: Status) -> None:
    found = metrics_version(server(image), AboutSite(kubernetes, {}, "kubeadm"), WorkingDiversion())
    assert found.status is status


# -------------------------------------------------------------------------------------------------- versions


def workload(image: str = "kubeedge/cloudcore:v1.22.0") -> CloudcoreWorkload:
    spec = {"template": {"spec": {"containers": [{"image": image}]}}}
    return CloudcoreWorkload(made(Deployment, metadata={"name": "cloudcore"}, spec=spec), ())


def about(version: str = "v1.31.14") -> AboutSite:
    return AboutSite(version, {}, "kubeadm")


def test_equal_versions_on_a_listed_kubernetes() -> None:
    assert only(version_skew(workload(), edges(), about(), **UNSEEN)).status is Status.PASS
    registry = workload("registry.local:5000/kubeedge/cloudcore:v1.22.0")
    assert only(version_skew(registry, edges(), about("v1.28.4+k3s1"), **UNSEEN)).status is Status.PASS


def test_an_older_edge_and_a_newer_kubernetes() -> None:
    old = edge(version="v1.28.6-kubeedge-v1.17.0")
    found = list(version_skew(workload(), edges(old), about("v1.34.2+k3s1"), **UNSEEN))
    assert [(one.status, one.node, one.hop) for one in found] == [
        (Status.WARN, "edge1", None),
        (Status.WARN, "", None),
    ]
    assert (
        only(version_skew(workload("cloudcore:latest"), edges(), about(), **UNSEEN)).status is Status.UNKNOWN
    )


@pytest.mark.parametrize(
    ("cloud", "kubelet", "status"),
    [
        ("v1.22.0", "v1.31.12-kubeedge-v1.22.0", Status.WARN),
        ("v1.22.2", "v1.31.12-kubeedge-v1.22.1", Status.WARN),
        ("v1.22.2", "v1.31.12-kubeedge-v1.22.2", Status.PASS),
        ("v1.21.0", "v1.30.7-kubeedge-v1.21.0", Status.WARN),
        ("v1.21.1", "v1.30.7-kubeedge-v1.21.2", Status.WARN),
        ("v1.21.2", "v1.30.7-kubeedge-v1.21.2", Status.PASS),
        ("v1.23.0", "v1.32.10-kubeedge-v1.23.0", Status.WARN),
        ("v1.23.1", "v1.32.10-kubeedge-v1.23.1", Status.PASS),
        ("v1.20.0", "v1.30.7-kubeedge-v1.20.0", Status.WARN),
        ("v1.17.5", "v1.28.11-kubeedge-v1.17.5", Status.WARN),
        ("v1.24.0", "v1.33.0-kubeedge-v1.24.0", Status.UNKNOWN),
        ("latest", "v1.31.14", Status.UNKNOWN),
    ],
)
def test_known_defects(cloud: str, kubelet: str, status: Status) -> None:
    found = list(known_defects(workload(f"kubeedge/cloudcore:{cloud}"), edges(edge(version=kubelet))))
    assert {one.status for one in found} == {status}
    assert all(both_languages(one) for one in found)


@pytest.mark.parametrize(
    ("cloud", "kubernetes", "status"),
    [  # the README of each tag, versions.md §1
        ("v1.17.5", "v1.20.15", Status.PASS),
        ("v1.17.5", "v1.29.0", Status.WARN),
        ("v1.19.2", "v1.29.3", Status.PASS),
        ("v1.19.2", "v1.24.0", Status.WARN),
        ("v1.20.0", "v1.30.2", Status.PASS),
        ("v1.21.2", "v1.31.0", Status.WARN),
        ("v1.22.2", "v1.31.14", Status.PASS),
        ("v1.22.2", "v1.34.2+k3s1", Status.WARN),
        ("v1.23.1", "v1.32.1", Status.PASS),
        ("v1.24.0", "v1.33.0", Status.UNKNOWN),
    ],
)
def test_which_kubernetes_a_release_names(cloud: str, kubernetes: str, status: Status) -> None:
    here = edge(version=f"v1.31.12-kubeedge-{cloud}")
    found = only(
        version_skew(workload(f"kubeedge/cloudcore:{cloud}"), edges(here), about(kubernetes), **UNSEEN)
    )
    assert found.status is status
    assert both_languages(found)


@pytest.mark.parametrize(
    "version", ["v1.26.7-kubeedge-v1.15.0-beta.0.62+ea6701da320177-dirty", "v0.0.0-master+$Format:%H$"]
)
def test_a_build_that_is_no_release_is_never_said_to_fit(version: str) -> None:
    found = list(version_skew(workload(), edges(edge(version=version)), about(), **UNSEEN))
    assert [one.status for one in found] == [Status.UNKNOWN]
    assert Status.PASS not in {one.status for one in known_defects(workload(), edges(edge(version=version)))}
