from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from siteworld import NOW, before, both_languages, cluster, edge, edges, made, only

from kedoctor.api import Certainty, Finding, Reason, Status, Text, Unavailable
from kedoctor.checks.facts.cloud.cloudcore_log import CloudcoreLog
from kedoctor.checks.facts.cluster.iptables_manager import IptablesManager
from kedoctor.checks.facts.cluster.metrics import (
    MetricsRegistration,
    MetricsServer,
    NodeSamples,
    PodSamples,
    WorkingDiversion,
    pod_samples,
)
from kedoctor.checks.facts.cluster.nodes import ApiServerHost, CloudNodes
from kedoctor.checks.metrics.apiservice import metrics_apiservice, metrics_per_edge
from kedoctor.checks.metrics.arguments import metrics_args
from kedoctor.checks.metrics.deployment import metrics_placement, metrics_pod
from kedoctor.checks.parsers.kubernetes import (
    APIService,
    Deployment,
    Pod,
    PodMetrics,
    Service,
)

BLIND = Unavailable(Reason.FORBIDDEN, "it")
NOWHERE, WORKS = WorkingDiversion(), WorkingDiversion(frozenset({"cloud"}), frozenset({"edge1"}))
GOOD = (
    "--cert-dir=/tmp",
    "--secure-port=4443",
    "--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname",
    "--kubelet-use-node-status-port",
    "--metric-resolution=15s",
    "--kubelet-insecure-tls",
)
SERVICE = made(Service, metadata={"name": "metrics-server"}, spec={"selector": {"k8s-app": "metrics-server"}})


def spec(
    arguments: tuple[str, ...] = GOOD,
    *,
    port: int = 4443,
    host: bool = True,
    image: str = "metrics-server:v0.7.2",
) -> dict[str, Any]:
    container = {"image": image, "args": list(arguments), "ports": [{"name": "https", "containerPort": port}]}
    return {"hostNetwork": host, "serviceAccountName": "metrics-server", "containers": [container]}


def deployment(replicas: int = 1, **kept: Any) -> Deployment:
    found: Deployment = made(
        Deployment,
        metadata={"name": "metrics-server"},
        spec={"replicas": replicas, "template": {"spec": spec(**kept)}},
    )
    return found


def pod(node: str = "cloud", *, started: float = 600, **status: Any) -> Pod:
    usual = {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [{"ready": True, "state": {"running": {"startedAt": before(started)}}}],
    }
    found: Pod = made(
        Pod, metadata={"name": "ms-1"}, spec={"nodeName": node, **spec()}, status=usual | status
    )
    return found


def server(*pods: Pod, deploy: Any = None, registered: bool = True, service: Any = SERVICE) -> MetricsServer:
    return MetricsServer(
        registered, "kube-system", "metrics-server", service, deploy or deployment(), pods or (pod(),)
    )


def without(flag: str) -> tuple[str, ...]:
    return tuple(argument for argument in GOOD if not argument.startswith(flag))


# -------------------------------------------------------------------------------------------- KE602


def test_a_ready_pod() -> None:
    assert metrics_pod(server()).status is Status.PASS


def test_scaled_to_zero() -> None:
    found = metrics_pod(MetricsServer(True, "kube-system", "metrics-server", SERVICE, deployment(0), ()))
    assert found.status is Status.FAIL
    assert "scaled to 0" in found.summary.en
    unread = metrics_pod(MetricsServer(True, "kube-system", "metrics-server", BLIND, BLIND, ()))
    assert (
        "or gone" in unread.summary.en
    )  # testbed.md case m, where Deployments of kube-system were not recorded
    assert both_languages(unread)


@pytest.mark.parametrize("reason", ["ErrImageNeverPull", "ImagePullBackOff", "CrashLoopBackOff"])
def test_a_pod_that_waits(reason: str) -> None:
    waiting = [{"state": {"waiting": {"reason": reason}}}]
    found = metrics_pod(
        server(pod(conditions=[{"type": "Ready", "status": "False"}], containerStatuses=waiting))
    )
    assert (found.status, str(found.actual)) == (Status.FAIL, reason)


@pytest.mark.parametrize(("node", "root"), [("cloud", True), ("edge1", False)])
def test_an_image_that_an_edge_lacks_follows_from_the_edge(node: str, *, root: bool) -> None:
    waiting = [{"state": {"waiting": {"reason": "ImagePullBackOff"}}}]
    there = pod(node, conditions=[{"type": "Ready", "status": "False"}], containerStatuses=waiting)
    found = metrics_pod(server(there), edges(edge("edge1")))
    assert (found.status, found.root) == (Status.FAIL, root)


def leaving(node: str = "cloud") -> Pod:
    """A pod that is ready and is being deleted."""
    found: Pod = made(
        Pod,
        metadata={"name": "ms-0", "deletionTimestamp": before(-20)},
        spec={"nodeName": node, **spec()},
        status={"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    )
    return found


def test_a_pod_that_is_being_deleted_is_no_ready_one() -> None:
    scaled_down = metrics_pod(server(leaving(), deploy=deployment(0)))
    assert (scaled_down.status, scaled_down.actual) == (Status.FAIL, "replicas: 0")
    gone = metrics_pod(MetricsServer(True, "kube-system", "metrics-server", SERVICE, None, (leaving(),)))
    assert (gone.status, gone.actual) == (Status.FAIL, Text("no pod", zh="没有 Pod"))
    assert "it has no Deployment" in gone.summary.en
    assert metrics_pod(server(leaving())).actual == "Terminating", "its Deployment makes the next one"
    assert metrics_pod(server(leaving(), pod())).status is Status.PASS


def test_nothing_installed_is_left_to_the_objects_check() -> None:
    none = MetricsServer(False, "kube-system", "metrics-server", None, None, ())
    assert metrics_pod(none).status is Status.SKIP
    assert metrics_args(none, NOWHERE).status is Status.SKIP


def test_another_program_behind_the_api_is_not_judged() -> None:
    other = MetricsServer(
        True, "monitoring", "prometheus-adapter", SERVICE, deployment(image="adapter:v1"), (pod(),)
    )
    assert metrics_pod(other).status is Status.SKIP


# -------------------------------------------------------------------------------------------- KE603


def arguments(given: tuple[str, ...] = GOOD, diversion: WorkingDiversion = NOWHERE, **kept: Any) -> Finding:
    return metrics_args(server(deploy=deployment(arguments=given, **kept)), diversion)


def test_the_arguments_of_the_healthy_site() -> None:
    assert arguments().status is Status.PASS


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (without("--kubelet-use-node-status-port"), "--kubelet-use-node-status-port"),
        (
            (*without("--kubelet-use"), "--kubelet-use-node-status-port=false"),
            "--kubelet-use-node-status-port",
        ),
        ((*without("--secure-port"), "--secure-port=10250"), "--secure-port=4443"),
        ((*without("--secure-port"), "--secure-port=10003"), "--secure-port=4443"),
        ((*without("--secure-port"), "--secure-port=443"), "--secure-port=4443"),
        ((*without("--metric-resolution"), "--metric-resolution=5s"), "--metric-resolution=15s"),
    ],
)
def test_an_argument_that_is_missing_or_clashes(given: tuple[str, ...], wanted: str) -> None:
    found = arguments(given)
    assert (found.status, found.certainty) == (Status.FAIL, Certainty.PROVED)
    assert found.expected is not None
    assert wanted in found.expected.en
    assert both_languages(found)


def test_10250_is_free_in_the_network_of_a_pod() -> None:
    assert (
        arguments((*without("--secure-port"), "--secure-port=10250"), port=10250, host=False).status
        is Status.PASS
    )


def test_without_insecure_tls_the_chart_s_certificate_is_refused() -> None:
    strict = without("--kubelet-insecure-tls")  # K3s' bundled one verifies by default
    found = arguments(strict)
    assert (found.status, found.certainty) == (Status.FAIL, Certainty.IMPLIED)
    assert arguments(strict, WORKS).status is Status.PASS


def test_names_first_only_matters_if_they_do_not_resolve() -> None:
    names_first = without("--kubelet-preferred")  # the default of the flag, facts.md §8.2
    found = arguments(names_first)
    assert (found.status, found.certainty) == (Status.FAIL, Certainty.IMPLIED)
    assert arguments(names_first, WORKS).status is Status.PASS


# -------------------------------------------------------------------------------------------- KE604

CLOUD = CloudNodes((ApiServerHost("cloud", "10.99.0.1"),), "the label", ("worker",))
NO_MANAGER = IptablesManager(None)


def place(node: str, manager: IptablesManager = NO_MANAGER, diversion: WorkingDiversion = NOWHERE) -> Finding:
    return only(metrics_placement(server(pod(node)), edges(), CLOUD, manager, diversion))


def test_placement() -> None:
    assert place("cloud").status is Status.PASS
    on_edge = place("edge1")
    assert (on_edge.status, on_edge.certainty) == (Status.FAIL, Certainty.PROVED)
    bare = place("worker")
    assert (bare.status, bare.certainty) == (Status.FAIL, Certainty.IMPLIED)
    assert place("worker", IptablesManager(None, (pod("worker"),))).status is Status.PASS
    assert place("worker", diversion=WorkingDiversion(frozenset({"worker"}))).status is Status.PASS


def test_the_place_of_a_pod_that_is_being_deleted_counts_for_nothing() -> None:
    moved = metrics_placement(server(leaving("edge1"), pod("cloud")), edges(), CLOUD, NO_MANAGER, NOWHERE)
    assert [(one.status, one.subject) for one in moved] == [(Status.PASS, "cloud")]
    between = metrics_placement(server(leaving("cloud")), edges(), CLOUD, NO_MANAGER, NOWHERE)
    assert only(between).status is Status.UNKNOWN, "its Deployment makes another one"
    gone = metrics_placement(
        server(leaving("cloud"), deploy=deployment(replicas=0)), edges(), CLOUD, NO_MANAGER, NOWHERE
    )
    assert only(gone).status is Status.SKIP


# -------------------------------------------------------------------------------------------- KE605


def registration(
    status: str = "True", reason: str = "Passed", message: str = "all checks passed"
) -> MetricsRegistration:
    condition = {"type": "Available", "status": status, "reason": reason, "message": message}
    service = made(
        APIService,
        metadata={"name": "v1beta1.metrics.k8s.io"},
        spec={"service": {"namespace": "kube-system", "name": "metrics-server"}},
        status={"conditions": [condition]},
    )
    return MetricsRegistration(service)


def test_the_api_service() -> None:
    assert metrics_apiservice(registration()).status is Status.PASS
    assert metrics_apiservice(MetricsRegistration(None)).status is Status.SKIP
    missing = 'endpoints for service/metrics-server in "kube-system" have no addresses with port name "https"'
    found = metrics_apiservice(registration("False", "MissingEndpoints", missing))
    assert found.status is Status.FAIL
    assert missing in found.summary.en
    assert both_languages(found)


# -------------------------------------------------------------------------------------------- KE606


def samples(**ages: float) -> NodeSamples:
    return NodeSamples({name: before(age) for name, age in ages.items()}, NOW, timedelta(seconds=105))


def sampled(node: Any, found: NodeSamples, tunnel: float | None = None) -> Finding:
    log = CloudcoreLog((), {} if tunnel is None else {node.name: before(tunnel)})
    return only(metrics_per_edge(edges(node), found, server(), log, BLIND))


def test_a_fresh_sample_passes() -> None:
    assert sampled(edge(), samples(edge1=12)).status is Status.PASS


def test_no_sample_and_an_old_one() -> None:
    absent = sampled(edge(), samples(cloud=12), tunnel=300)
    assert (absent.status, str(absent.actual)) == (Status.FAIL, "no sample")
    old = sampled(edge(), samples(edge1=600), tunnel=900)
    assert (old.status, str(old.actual)) == (Status.FAIL, "10 minutes old")
    assert both_languages(absent)
    assert both_languages(old)


def test_a_tunnel_that_has_just_come_up_has_no_figures_yet() -> None:
    # testbed.md cases f2 and l2: the tunnel connected 10 to 20 seconds before, and everything works.
    assert sampled(edge(), samples(cloud=12), tunnel=14).status is Status.UNKNOWN
    assert sampled(edge(created=before(20)), samples(cloud=12)).status is Status.UNKNOWN
    young = only(metrics_per_edge(edges(), samples(), server(pod(started=20)), BLIND, BLIND))
    assert young.status is Status.UNKNOWN


def test_pods_without_figures_on_an_edge_that_has_some() -> None:
    lacking = PodSamples({"edge1": tuple(f"default/web-{i}" for i in range(7))})
    found = only(metrics_per_edge(edges(), samples(edge1=12), server(), BLIND, lacking))
    assert (found.status, found.breaks) == (Status.WARN, ())
    assert "and 2 more" in found.summary.en
    assert both_languages(found)
    elsewhere = PodSamples({"edge2": ("default/web",)})
    assert (
        only(metrics_per_edge(edges(), samples(edge1=12), server(), BLIND, elsewhere)).status is Status.PASS
    )


def web(name: str, *containers: str, started: float = 600) -> Pod:
    found: Pod = made(
        Pod,
        metadata={"name": name, "namespace": "default"},
        spec={"nodeName": "edge1", "containers": [{"name": one} for one in containers]},
        status={
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"ready": True, "state": {"running": {"startedAt": before(started)}}}],
        },
    )
    return found


def test_pods_are_compared_by_container() -> None:
    figures = made(PodMetrics, metadata={"name": "half", "namespace": "default"}, containers=[{"name": "a"}])
    full = made(PodMetrics, metadata={"name": "full", "namespace": "default"}, containers=[{"name": "a"}])
    port = cluster(
        web("half", "a", "b"),
        web("full", "a"),
        web("none", "a"),
        web("young", "a", started=30),
        figures,
        full,
    )
    found = pod_samples(port, samples(edge1=12), edges())
    assert isinstance(found, PodSamples)
    assert found.missing == {"edge1": ("default/half", "default/none")}


def test_pods_are_not_listed_where_there_are_many_edges() -> None:
    many = edges(*(edge(f"edge{i}") for i in range(201)))
    assert isinstance(pod_samples(cluster(), samples(), many), Unavailable)


def test_an_edge_whose_clock_is_behind_is_not_taken_for_silent() -> None:
    behind = edge(silent=7200)
    assert sampled(behind, samples(edge1=7210)).status is Status.UNKNOWN


def test_an_edge_that_is_away_as_planned_needs_no_figures() -> None:
    assert sampled(edge(ready="Unknown", cordoned=True), samples()).status is Status.SKIP
