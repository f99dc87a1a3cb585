"""Repairs of metrics-server's arguments, placement and pod."""

from __future__ import annotations

from typing import Any

import pytest
from cloud_samples import addresses
from metrics_samples import CLOUD, GOOD, NODES, NOWHERE, TAINT, deployment, pod, server
from remedied import after_patch, planned, told, verdict_of, verdicts
from siteworld import edge, edges, made

from kedoctor.api import (
    EveryHost,
    ImportImage,
    PatchObject,
    Verdict,
    WriteFile,
)
from kedoctor.checks.facts.cloud.apiserver_flags import ApiserverArguments, Setting
from kedoctor.checks.facts.cloud.cloud_host import HostAddresses
from kedoctor.checks.facts.cluster.images import ImageArchives
from kedoctor.checks.facts.cluster.iptables_manager import IptablesManager
from kedoctor.checks.facts.cluster.nodes import EdgeNodes, SiteNodes
from kedoctor.checks.metrics.arguments import metrics_args
from kedoctor.checks.metrics.deployment import metrics_placement as placement_check
from kedoctor.checks.metrics.deployment import metrics_pod as pod_check
from kedoctor.checks.metrics.fix_arguments import metrics_arguments
from kedoctor.checks.metrics.fix_deployment import (
    metrics_apiservice,
    metrics_placement,
    metrics_pod,
    metrics_resources,
)
from kedoctor.checks.metrics.maintenance import metrics_resources as resources_check
from kedoctor.checks.parsers.kubernetes import (
    Node,
    Pod,
)

NO_HOST: EveryHost[ApiserverArguments] = EveryHost({})
NO_ADDRESSES: EveryHost[HostAddresses] = EveryHost({})
NO_ARCHIVE: EveryHost[ImageArchives] = EveryHost({})


# -------------------------------------------------------------------------------------------- KE603


def _argued(content: dict[str, Any], hosts: EveryHost[ApiserverArguments] = NO_HOST) -> tuple[Any, Verdict]:
    found = server(content)
    wrong = verdict_of(metrics_args, metrics_args(found, NOWHERE))
    plan = planned(metrics_arguments(wrong, found, CLOUD, hosts, NO_ADDRESSES), wrong)
    after = after_patch(plan, content)
    assert not verdicts(metrics_args, metrics_args(server(after), NOWHERE))
    return plan, after


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--secure-port=4443", "--metric-resolution=5s", "--v=4"],
        ["--kubelet-use-node-status-port=false", "--kubelet-insecure-tls", "--secure-port", "4443", "--v=4"],
        ["--kubelet-preferred-address-types=Hostname,InternalIP", *GOOD[2:]],
    ],
)
def test_exactly_the_lacking_arguments_are_set(arguments: list[str]) -> None:
    _, after = _argued(deployment(arguments))
    kept = [one for one in arguments if one.startswith("--v")]
    args = after["spec"]["template"]["spec"]["containers"][0]["args"]
    assert [one for one in args if one.startswith("--v")] == kept
    assert len({one.partition("=")[0] for one in args}) == len(args)


def test_flags_that_stand_in_the_command_are_changed_there() -> None:
    command = ["/metrics-server", "--kubelet-use-node-status-port=false"]
    _, after = _argued(deployment(GOOD[:2] + GOOD[3:], container={"command": command}))
    container = after["spec"]["template"]["spec"]["containers"][0]
    assert container["command"] == ["/metrics-server", "--kubelet-use-node-status-port"]
    assert container["args"] == GOOD[:2] + GOOD[3:]


def test_the_kubelet_s_port_is_left_and_the_named_port_follows() -> None:
    ports = [{"name": "https", "containerPort": 10250, "hostPort": 10250}]
    content = deployment(
        ["--secure-port=10250", *GOOD[1:]], container={"ports": ports}, spec={"hostNetwork": True}
    )
    _, after = _argued(content)
    (named,) = after["spec"]["template"]["spec"]["containers"][0]["ports"]
    assert (named["containerPort"], named["hostPort"]) == (4443, 4443)
    assert after["spec"]["strategy"] == {"type": "Recreate"}


K3S_LABELS = {"objectset.rio.cattle.io/hash": "a5d3bc601c871e123fa32b27f549b6ea770bcf4a"}


def test_k3s_is_kept_from_taking_the_arguments_back() -> None:
    content = deployment([], labels=K3S_LABELS)
    here = EveryHost({"cloud": ApiserverArguments(True, server={"data-dir": Setting("/data/k3s")})})
    plan, _ = _argued(content, here)
    skip = next(one for one in plan.actions if isinstance(one, WriteFile))
    path = "/data/k3s/server/manifests/metrics-server/metrics-server-deployment.yaml.skip"
    assert (skip.path, skip.content) == (path, b"")
    assert path in plan.prediction.en


def test_a_k3s_server_of_another_cluster_is_left_alone() -> None:
    content = deployment([], labels=K3S_LABELS)
    plan, _ = _argued(content, EveryHost({"laptop": ApiserverArguments(True)}))
    assert [type(one) for one in plan.actions] == [PatchObject]
    assert "takes the arguments back at its next start" in plan.prediction.en


# ------------------------------------------------------------------------------- KE602, KE604, KE605


def test_metrics_server_is_pinned_to_the_api_server_host() -> None:
    term = {"matchExpressions": [{"key": "mine", "operator": "Exists"}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    content = deployment(spec={"affinity": {"nodeAffinity": required, "podAffinity": {}}})
    found = server(content, made(Pod, metadata={"name": "p"}, spec={"nodeName": "edge1"}))
    answer = placement_check(found, edges(edge()), CLOUD, IptablesManager(None), NOWHERE)
    wrong = verdict_of(placement_check, answer)
    after = after_patch(planned(metrics_placement(wrong, found, CLOUD, NODES), wrong), content)
    spec = after["spec"]["template"]["spec"]
    (merged,) = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
        "nodeSelectorTerms"
    ]
    assert [one["key"] for one in merged["matchExpressions"]] == [
        "mine",
        "node-role.kubernetes.io/control-plane",
    ]
    assert spec["affinity"]["podAffinity"] == {}
    assert spec["tolerations"] == [{"key": TAINT.key, "operator": "Exists", "effect": "NoSchedule"}]


def test_a_selector_that_chose_an_edge_goes() -> None:
    chosen = {"kubernetes.io/hostname": "edge1", "kubernetes.io/os": "linux"}
    for selector, kept in ((chosen, {"kubernetes.io/os": "linux"}), ({"disk": "big"}, None), (None, None)):
        content = deployment(spec={"nodeSelector": selector} if selector else {})
        found = server(content, made(Pod, metadata={"name": "p"}, spec={"nodeName": "edge1"}))
        answer = placement_check(found, edges(edge()), CLOUD, IptablesManager(None), NOWHERE)
        wrong = verdict_of(placement_check, answer)
        plan = planned(metrics_placement(wrong, found, CLOUD, NODES), wrong)
        assert after_patch(plan, content)["spec"]["template"]["spec"].get("nodeSelector") == kept
        assert ("in place of what keeps it where it is" in plan.title.en) is bool(selector)


@pytest.mark.parametrize(
    ("term", "kept"),
    [
        (
            {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["edge1"]}]},
            [],
        ),
        ({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["edge1"]}]}, []),
        ({"matchExpressions": [{"key": "node-role.kubernetes.io/edge", "operator": "Exists"}]}, []),
        (
            {
                "matchExpressions": [
                    {"key": "kubernetes.io/hostname", "operator": "NotIn", "values": ["cloud"]}
                ]
            },
            [],
        ),
        (
            {
                "matchExpressions": [
                    {"key": "kubernetes.io/hostname", "operator": "In", "values": ["cloud", "edge1"]}
                ]
            },
            ["kubernetes.io/hostname"],
        ),
        ({"matchExpressions": [{"key": "disk", "operator": "Gt", "values": ["1"]}]}, ["disk"]),
    ],
)
def test_an_affinity_that_chose_an_edge_goes(term: dict[str, Any], kept: list[str]) -> None:
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    content = deployment(spec={"affinity": {"nodeAffinity": required}})
    found = server(content, made(Pod, metadata={"name": "p"}, spec={"nodeName": "edge1"}))
    wrong = verdict_of(
        placement_check, placement_check(found, edges(edge()), CLOUD, IptablesManager(None), NOWHERE)
    )
    plan = planned(metrics_placement(wrong, found, CLOUD, NODES), wrong)
    affinity = after_patch(plan, content)["spec"]["template"]["spec"]["affinity"]["nodeAffinity"]
    (moved,) = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert [one["key"] for one in moved["matchExpressions"]] == [
        *kept,
        "node-role.kubernetes.io/control-plane",
    ]
    assert not moved.get("matchFields")
    assert ("in place of what keeps it where it is" in plan.title.en) is not bool(kept)


def test_hosts_without_the_label_are_named_and_hosts_that_are_no_nodes_only_spare_edges() -> None:
    content = deployment()
    found = server(content, made(Pod, metadata={"name": "p"}, spec={"nodeName": "edge1"}))
    wrong = verdict_of(
        placement_check, placement_check(found, edges(edge()), CLOUD, IptablesManager(None), NOWHERE)
    )
    plain = SiteNodes((made(Node, metadata={"name": "cloud"}),))
    assert "'values': ['cloud']" in str(metrics_placement(wrong, found, CLOUD, plain))
    assert "DoesNotExist" in str(metrics_placement(wrong, found, CLOUD, SiteNodes(())))


def _pod_mended(
    content: dict[str, Any] | None, *pods: Pod, archives: EveryHost[ImageArchives] = NO_ARCHIVE
) -> Any:
    found = server(content, *pods)
    wrong = verdict_of(pod_check, pod_check(found))
    return wrong, metrics_pod(wrong, found, cloud=CLOUD, nodes=NODES, archives=archives)


def test_a_metrics_server_that_was_scaled_down_is_scaled_up() -> None:
    wrong, answer = _pod_mended(deployment(replicas=0))
    assert after_patch(planned(answer, wrong), deployment(replicas=0))["spec"]["replicas"] == 1
    leaving = made(Pod, metadata={"name": "ms-0", "deletionTimestamp": "2026-11-23T03:25:30Z"})
    wrong, answer = _pod_mended(deployment(replicas=0), leaving)
    assert after_patch(planned(answer, wrong), deployment(replicas=0))["spec"]["replicas"] == 1


def test_a_missing_image_is_imported_where_its_archive_lies() -> None:
    waiting = {"name": "metrics-server", "state": {"waiting": {"reason": "ErrImageNeverPull"}}}
    missing = pod(containerStatuses=[waiting])
    assert "docker load does not reach it" in told(_pod_mended(deployment(), missing)[1])
    path = "/var/lib/kedoctor/images/docker.io-rancher-mirrored-metrics-server-v0.8.0.tar"
    archives = EveryHost({"cloud": ImageArchives((path,)), "other": ImageArchives(())})
    wrong, answer = _pod_mended(deployment(), missing, archives=archives)
    (action,) = planned(answer, wrong).actions
    assert action == ImportImage(path, "rancher/mirrored-metrics-server:v0.8.0", "containerd")


@pytest.mark.parametrize(
    ("message", "keys"),
    [
        ("1 node(s) had untolerated taint {node-role...}", {"tolerations"}),
        ("2 node(s) didn't match Pod's node affinity/selector", {"affinity", "tolerations"}),
    ],
)
def test_a_pod_that_fits_nowhere_is_let_run_beside_the_api_server(message: str, keys: set[str]) -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    content = deployment(spec={"nodeSelector": {"node-role.kubernetes.io/master": ""}})
    wrong, answer = _pod_mended(content, pod(conditions=[condition]))
    spec = after_patch(planned(answer, wrong), content)["spec"]["template"]["spec"]
    assert keys <= set(spec)
    assert ("nodeSelector" in spec) == ("affinity" not in keys)


def test_what_only_its_log_tells_is_left() -> None:
    crashing = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    assert "logs metrics-server-1" in told(_pod_mended(deployment(), pod(containerStatuses=[crashing]))[1])
    busy = "1 node(s) didn't have free ports for the requested pod ports"
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": busy}
    assert "free ports" in told(_pod_mended(deployment(), pod(conditions=[condition]))[1])
    told(_pod_mended(deployment())[1])


def test_addresses_of_this_host_make_it_a_member() -> None:
    content = deployment([], labels=K3S_LABELS)
    found = server(content)
    wrong = verdict_of(metrics_args, metrics_args(found, NOWHERE))
    hosts = EveryHost({"other-name": ApiserverArguments(True)})
    plan = planned(
        metrics_arguments(wrong, found, CLOUD, hosts, EveryHost({"other-name": addresses()})), wrong
    )
    assert isinstance(plan.actions[0], WriteFile)
    told(metrics_apiservice(wrong))


def test_what_is_not_requested_is_requested_and_too_many_replicas_go() -> None:
    for content in (
        deployment(container={"resources": {"limits": {"memory": "400Mi"}, "requests": {"cpu": "50m"}}}),
        deployment(),
    ):
        found = server(content)
        for wrong in verdicts(resources_check, resources_check(found, NODES, edges())):
            after = after_patch(planned(metrics_resources(wrong, found), wrong), content)
            assert not verdicts(resources_check, resources_check(server(after), NODES, edges()))
            kept = after["spec"]["template"]["spec"]["containers"][0]["resources"]
            assert kept.get("limits") == content["spec"]["template"]["spec"]["containers"][0].get(
                "resources", {}
            ).get("limits")
    crowded = deployment(
        replicas=2,
        spec={"hostNetwork": True},
        container={"resources": {"requests": {"cpu": "100m", "memory": "200Mi"}}},
    )
    found = server(crowded)
    wrong = verdict_of(resources_check, resources_check(found, NODES, EdgeNodes(())))
    assert after_patch(planned(metrics_resources(wrong, found), wrong), crowded)["spec"]["replicas"] == 1
