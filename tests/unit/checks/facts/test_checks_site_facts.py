from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from siteworld import NOW, FakeCluster, before, cluster, edge, edges, made

from kedoctor.api import Clock, Now, Reason, Unavailable
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreWorkload, cloudcore_document
from kedoctor.checks.facts.cloud.cloudcore_log import cloudcore_log
from kedoctor.checks.facts.cluster.iptables_manager import iptables_manager, newest_complaint
from kedoctor.checks.facts.cluster.metrics import (
    MetricsRegistration,
    metrics_registration,
    metrics_server,
    node_samples,
    working_diversion,
)
from kedoctor.checks.facts.cluster.nodes import (
    CloudNodes,
    SiteNodes,
    cloud_nodes,
    edge_nodes,
    node_leases,
    site_nodes,
)
from kedoctor.checks.facts.cluster.site_info import (
    ServerVersion,
    SiteTime,
    about_site,
    kubeedge_version,
    server_version,
    site_time,
)
from kedoctor.checks.parsers.kubernetes import (
    APIService,
    ConfigMap,
    DaemonSet,
    Deployment,
    Endpoints,
    EndpointSlice,
    Lease,
    Node,
    NodeMetrics,
    Pod,
    Service,
)

TIME = SiteTime(NOW, "the API server's clock")


def node(
    name: str, ip: str, *, labels: dict[str, str] | None = None, version: str = "v1.31.14", **spec: Any
) -> Node:
    found: Node = made(
        Node,
        metadata={"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
        spec=spec,
        status={
            "addresses": [{"type": "InternalIP", "address": ip}, {"type": "Hostname", "address": name}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10351}},
            "nodeInfo": {"kubeletVersion": version, "containerRuntimeVersion": "containerd://1.6.20"},
        },
    )
    return found


CLOUD = node("cloud", "10.99.0.1")
EDGE = node("edge1", "10.99.0.2", version="v1.31.12-kubeedge-v1.22.0")
EDGE_LABEL = {"node-role.kubernetes.io/edge": ""}
IDENTITY = {"apiserver.kubernetes.io/identity": "kube-apiserver", "kubernetes.io/hostname": "cloud"}


def lease(name: str, namespace: str = "kube-node-lease", labels: dict[str, str] | None = None) -> Lease:
    metadata = {"name": name, "namespace": namespace, "labels": labels or {}}
    found: Lease = made(Lease, metadata=metadata, spec={"renewTime": before(10)})
    return found


def known(port: Any, nodes: SiteNodes) -> CloudNodes:
    found = cloud_nodes(port, nodes)
    assert isinstance(found, CloudNodes)
    return found


# ------------------------------------------------------------------------------------------------- nodes


def test_an_edge_is_known_by_label_or_by_version() -> None:
    port = cluster(CLOUD, EDGE, node("edge2", "10.99.0.3", labels=EDGE_LABEL), lease("edge1"))
    found = edge_nodes(site_nodes(port), node_leases(port))
    assert found.names == ("edge1", "edge2")
    assert found.items[0].port == 10351  # "Port", as Kubernetes spells this one key
    assert found.items[0].lease == before(10)
    assert found.items[1].labelled
    assert not found.items[0].labelled


def test_a_labelled_control_plane_is_the_api_server_host() -> None:
    master = node("m1", "10.0.0.1", labels={"node-role.kubernetes.io/control-plane": "true"})
    found = known(cluster(), SiteNodes((CLOUD, master, EDGE)))
    assert found.names == ("m1",)
    assert found.others == ("cloud",)


def test_without_labels_the_lease_of_kube_apiserver_names_its_host() -> None:
    port = cluster(lease("apiserver-ipw", "kube-system", IDENTITY))
    found = known(port, SiteNodes((CLOUD, EDGE)))
    assert found.names == ("cloud",)
    assert "leases" in found.known_from


def test_without_leases_the_endpoints_of_kubernetes_do() -> None:
    piece = made(
        EndpointSlice,
        metadata={
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": "kubernetes"},
        },
        endpoints=[{"addresses": ["10.99.0.1"], "conditions": {"ready": True}}],
    )
    assert known(cluster(piece), SiteNodes((CLOUD, EDGE))).names == ("cloud",)


def test_an_api_server_outside_the_cluster_has_an_address_but_no_node() -> None:
    old = made(
        Endpoints,
        metadata={"name": "kubernetes", "namespace": "default"},
        subsets=[{"addresses": [{"ip": "172.16.0.5"}]}],
    )
    found = known(cluster(old), SiteNodes((CLOUD, EDGE)))
    assert [(host.node, host.address) for host in found.hosts] == [("", "172.16.0.5")]


def test_the_api_server_host_is_never_guessed() -> None:
    assert isinstance(cloud_nodes(cluster(), SiteNodes((CLOUD, EDGE))), Unavailable)


# ------------------------------------------------------------------------------------------------- about


@pytest.mark.parametrize(
    ("git_version", "kubelet", "annotations", "expected"),
    [
        ("v1.34.2+k3s1", "v1.34.2+k3s1", {}, "k3s"),
        ("v1.31.14", "v1.31.14", {"kubeadm.alpha.kubernetes.io/cri-socket": "/run/x.sock"}, "kubeadm"),
        ("v1.31.14", "v1.31.14", {}, "unknown"),
    ],
)
def test_the_distribution(git_version: str, kubelet: str, annotations: dict[str, str], expected: str) -> None:
    metadata = {"name": "cloud", "annotations": annotations}
    found = made(Node, metadata=metadata, status={"nodeInfo": {"kubeletVersion": kubelet}})
    about = about_site(cluster(), ServerVersion(git_version), SiteNodes((found, EDGE)))
    assert about.distribution == expected
    assert about.component_versions["KubeEdge"] == ("v1.22.0",)


def test_what_cannot_be_read_is_empty() -> None:
    blind = Unavailable(Reason.FORBIDDEN, "nodes")
    about = about_site(cluster(), blind, blind)
    assert (about.cluster_version, about.component_versions, about.distribution) == ("", {}, "unknown")


def test_versions_of_other_kubelets_are_no_kubeedge() -> None:
    assert kubeedge_version("v1.31.12-kubeedge-v1.22.0") == "v1.22.0"
    assert kubeedge_version("v1.31.14") == ""


class _Clock:
    def observe(self, _: object) -> Now:
        return Now(before(999))


def test_the_api_servers_own_date_comes_first() -> None:
    version = server_version(cluster())
    assert site_time(version, Clock(_Clock())).now == NOW
    assert site_time(Unavailable(Reason.REFUSED, "api"), Clock(_Clock())).now == before(999)


# --------------------------------------------------------------------------------------------- cloudcore

POD = made(
    Pod,
    metadata={"name": "cloudcore-1", "namespace": "kubeedge", "labels": {"kubeedge": "cloudcore"}},
    spec={"nodeName": "cloud"},
    status={
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [
            {"name": "cloudcore", "ready": True, "state": {"running": {"startedAt": before(120)}}}
        ],
    },
)
START = """\
I1123 {at}.533825       1 server.go:98] Version: v1.22.0
I1123 {at}.559231       1 module.go:90] Module cloudStream registered successfully
I1123 {at}.880224       1 streamserver.go:407] Prepare to start stream server ...
I1123 {at}.881287       1 tunnelserver.go:208] Prepare to start tunnel server ...
I1123 {then}.163644       1 tunnelserver.go:139] get a new tunnel agent hostname edge1, internalIP 10.99.0.2
"""


@pytest.mark.parametrize(
    ("at", "then"), [("03:17:54", "03:18:10"), ("11:17:54", "11:18:10"), ("00:17:54", "00:18:10")]
)
def test_the_log_is_read_in_whatever_zone_the_cloud_host_lives(at: str, then: str) -> None:
    port = cluster(logs={"cloudcore-1": START.format(at=at, then=then)})
    log = cloudcore_log(port, CloudcoreWorkload(None, (POD,)), TIME)
    assert not isinstance(log, Unavailable)
    assert log.pods[0].from_start
    assert log.pods[0].servers == {"stream", "tunnel"}
    assert log.pods[0].stream_module is True
    assert abs(log.tunnels["edge1"] - before(103)) < timedelta(seconds=2)


def test_a_log_that_may_not_be_read_is_unavailable() -> None:
    assert isinstance(cloudcore_log(cluster(), CloudcoreWorkload(None, (POD,)), TIME), Unavailable)


def managed(*entries: tuple[str, float, bool]) -> list[dict[str, Any]]:
    return [
        {
            "manager": manager,
            "operation": "Update",
            "time": before(age),
            "fieldsV1": {"f:data": {".": {}, "f:cloudcore.yaml": {}}}
            if data
            else {"f:metadata": {"f:labels": {}}},
        }
        for manager, age, data in entries
    ]


def test_the_last_writing_of_the_document_counts_and_no_other() -> None:
    config_map = made(
        ConfigMap,
        metadata={
            "name": "cloudcore",
            "namespace": "kubeedge",
            "managedFields": managed(
                ("helm", 500, True), ("cloudcore", 480, True), ("kubectl-label", 5, False)
            ),
        },
        data={"cloudcore.yaml": "modules: {}\n"},
    )
    read = cloudcore_document(cluster(config_map))
    assert not isinstance(read, Unavailable)
    assert read.writing is not None
    assert (read.writing.manager, read.writing.time) == ("cloudcore", before(480))


def test_a_cloudcore_outside_the_cluster_has_no_config_map() -> None:
    found = cloudcore_document(cluster(kinds=[ConfigMap]))
    assert isinstance(found, Unavailable)
    assert found.reason is Reason.ABSENT


# ----------------------------------------------------------------------------------- manager and metrics


def test_the_manager_of_the_hand_applied_manifest_is_found_by_its_own_labels() -> None:
    labels = {"app": "iptables-manager"}
    daemonset = made(
        DaemonSet,
        metadata={"name": "iptables-manager", "namespace": "kubeedge"},
        spec={
            "selector": {"matchLabels": labels},
            "template": {
                "spec": {
                    "containers": [
                        {"image": "kubeedge/iptables-manager:v1.22.0", "args": ["--ForwardPort=10013"]}
                    ]
                }
            },
        },
    )
    pod = made(
        Pod, metadata={"name": "m-1", "namespace": "kubeedge", "labels": labels}, spec={"nodeName": "cloud"}
    )
    found = iptables_manager(cluster(daemonset, pod), TIME)
    assert found.forward_port == 10013
    assert [one.metadata.name for one in found.on("cloud")] == ["m-1"]
    assert iptables_manager(cluster(kinds=[DaemonSet]), TIME).daemonset is None


FORBIDDEN = (
    'E1123 03:{at}.429623       1 reflector.go:158] "Unhandled Error" err="configmaps is forbidden: User x"'
)


def test_only_recent_complaints_count() -> None:
    assert "is forbidden" in newest_complaint(FORBIDDEN.format(at="19:01"), NOW)
    assert newest_complaint(FORBIDDEN.format(at="13:21"), NOW) == ""
    assert (
        newest_complaint(
            "W1123 03:19:21.418869 1 iptables.go:152] failed to delete all rules in tunnel port iptables chain",
            NOW,
        )
        == ""
    )


def test_samples_prove_the_diversion_of_the_only_node_metrics_server_is_on() -> None:
    selector = {"k8s-app": "metrics-server"}
    service = made(
        Service, metadata={"name": "metrics-server", "namespace": "kube-system"}, spec={"selector": selector}
    )
    pod = made(
        Pod,
        metadata={"name": "ms-1", "namespace": "kube-system", "labels": selector},
        spec={
            "nodeName": "cloud",
            "containers": [{"image": "metrics-server:v0.7.2", "args": ["--metric-resolution=15s"]}],
        },
    )
    sample = made(NodeMetrics, metadata={"name": "edge1"}, timestamp=before(12))
    port = cluster(service, pod, sample, kinds=[Deployment, APIService])
    server = metrics_server(port, metrics_registration(port))
    assert server.resolution == timedelta(seconds=15)
    assert server.version == (0, 7)
    samples = node_samples(port, TIME, server)
    assert samples.fresh("edge1")
    found = working_diversion(samples, server, edges())
    assert (found.nodes, found.edges) == ({"cloud"}, {"edge1"})
    foreign = edges(edge(version="v1.31.14"))
    assert working_diversion(samples, server, foreign).nodes == frozenset()


def test_metrics_server_of_the_helm_chart_is_found_without_its_service() -> None:
    labels = {"app.kubernetes.io/name": "metrics-server"}
    pod = made(Pod, metadata={"name": "ms-1", "namespace": "kube-system", "labels": labels})
    server = metrics_server(cluster(pod, kinds=[Service, Deployment]), MetricsRegistration(None))
    assert [one.metadata.name for one in server.live_pods] == ["ms-1"]
    assert server.service is None


def test_no_fact_asks_the_api_server_once_per_node() -> None:
    nodes = [
        node(f"edge{i}", f"10.1.{i // 250}.{i % 250}", version="v1-kubeedge-v1.22.0") for i in range(1000)
    ]
    source = FakeCluster(*nodes, kinds=[Lease, NodeMetrics])
    from kedoctor.api import Cluster  # noqa: PLC0415

    port = Cluster(source)
    found = edge_nodes(site_nodes(port), node_leases(port))
    node_samples(port, TIME, Unavailable(Reason.FORBIDDEN, "x"))
    assert len(found.names) == 1000
    assert len(source.asked) == 3
