"""KE106, KE109 to KE113, KE509: what cloudcore is given, and what its log says."""

from __future__ import annotations

import json
from typing import Any

from siteworld import NOW, FakeCluster, before, both_languages, cluster, edge, edges, made, only

from kedoctor.api import AccessReview, ApiAnswer, Cluster, EveryHost, Reason, Status, Unavailable
from kedoctor.checks.cloudcore.crds import kubeedge_crds
from kedoctor.checks.cloudcore.facts_crds import ServedResources, served_resources
from kedoctor.checks.cloudcore.hub_link import cloudcore_node_limit, heartbeat_keepalive, session_flapping
from kedoctor.checks.cloudcore.log import cloudcore_log_lines
from kedoctor.checks.cloudcore.rbac import cloudcore_rbac
from kedoctor.checks.cloudcore.service import cloudcore_service
from kedoctor.checks.facts.cloud.cloudcore import (
    CloudcoreConfig,
    CloudcoreDocument,
    CloudcoreService,
    CloudcoreWorkload,
    cloudcore_config,
)
from kedoctor.checks.facts.cloud.cloudcore_log_lines import CloudcoreLines, cloudcore_lines
from kedoctor.checks.facts.cloud.cloudcore_rbac import RIGHTS, CloudcoreRights, cloudcore_rights
from kedoctor.checks.facts.cluster.metrics import WorkingDiversion
from kedoctor.checks.facts.cluster.site_info import SiteTime
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig
from kedoctor.checks.parsers.kubernetes import Deployment, Pod, Service
from kedoctor.checks.parsers.logs.klog import parse_lines
from kedoctor.yaml.document import load

TIME = SiteTime(NOW, "the API server's clock")
BLIND = Unavailable(Reason.FORBIDDEN, "it")


def workload(*, host_network: bool = True, tag: str = "v1.22.0") -> CloudcoreWorkload:
    containers = [{"name": "cloudcore", "image": f"kubeedge/cloudcore:{tag}"}]
    pod_spec = {"hostNetwork": host_network, "serviceAccountName": "cloudcore", "containers": containers}
    spec = {"template": {"spec": pod_spec}}
    status = {
        "phase": "Running",
        "containerStatuses": [{"name": "cloudcore", "state": {"running": {"startedAt": before(6000)}}}],
    }
    pod = made(Pod, metadata={"name": "cloudcore-1", "namespace": "kubeedge"}, status=status)
    return CloudcoreWorkload(made(Deployment, metadata={"name": "cloudcore"}, spec=spec), (pod,))


def service(kind: str, *ports: int) -> CloudcoreService:
    spec = {"type": kind, "ports": [{"port": port, "targetPort": port} for port in ports]}
    return CloudcoreService(made(Service, metadata={"name": "cloudcore"}, spec=spec))


def config(text: str = "modules: {}\n") -> CloudcoreConfig:
    read = cloudcore_config(CloudcoreDocument(text, load(text)))
    assert isinstance(read, CloudcoreConfig)
    return read


def lines(*texts: str) -> CloudcoreLines:
    return CloudcoreLines(tuple(parse_lines("\n".join(texts), NOW)), NOW)


def klog(message: str, at: str = "03:18:00", severity: str = "E") -> str:
    return f"{severity}1123 {at}.000000       1 x.go:1] {message}"


# ----------------------------------------------------------------------------------------------- the Service


def test_on_the_host_network_the_service_does_not_matter() -> None:
    assert cloudcore_service(CloudcoreService(None), workload(), edges()).status is Status.PASS


def test_without_the_host_network_edges_need_node_ports() -> None:
    inside = workload(host_network=False)
    absent = edges(edge(ready="Unknown"))
    assert cloudcore_service(service("NodePort", 10000, 10002), inside, absent).status is Status.PASS
    closed = cloudcore_service(service("ClusterIP", 10000, 10002), inside, absent)
    assert closed.status is Status.FAIL
    assert both_languages(closed)
    half = cloudcore_service(service("NodePort", 10000), inside, absent)
    assert "10002" in half.summary.en
    assert "10000 and" not in half.summary.en


def test_ready_edges_show_that_something_lets_them_in() -> None:
    found = cloudcore_service(CloudcoreService(None), workload(host_network=False), edges())
    assert (found.status, found.hop) == (Status.WARN, "")


# ------------------------------------------------------------------------------------------------ node limit


def test_an_edge_that_is_refused_now() -> None:
    told = lines(klog("Fail to serve node edge2, reach node limit"))
    site = edges(edge(), edge("edge2", ready="Unknown"))
    found = only(cloudcore_node_limit(config(), site, told))
    assert (found.status, found.node) == (Status.FAIL, "edge2")
    assert both_languages(found)
    back = only(cloudcore_node_limit(config(), edges(edge(), edge("edge2")), told))
    assert back.status is Status.PASS


def test_nine_in_ten_are_told_before() -> None:
    small = config("modules:\n  cloudHub:\n    nodeLimit: 10\n")
    site = edges(*(edge(f"edge{n}", cloudcore="10.99.0.1") for n in range(9)))
    found = only(cloudcore_node_limit(small, site, BLIND))
    assert (found.status, found.hop, found.breaks) == (Status.WARN, "", ())


# ------------------------------------------------------------------------------------------------- heartbeat


def edgecore(heartbeat: int) -> EdgecoreConfig:
    document = load(f"modules:\n  edgeHub:\n    heartbeat: {heartbeat}\n")
    return EdgecoreConfig("/etc/kubeedge/config/edgecore.yaml", document, document.data, (), "edge1")


def test_heartbeats_below_the_keepalive() -> None:
    assert only(heartbeat_keepalive(config(), EveryHost({"e": edgecore(15)}))).status is Status.PASS
    found = only(heartbeat_keepalive(config(), EveryHost({"e": edgecore(30)})))
    assert (found.status, found.node, found.evidence[0].line) == (Status.FAIL, "edge1", 3)
    assert only(heartbeat_keepalive(config(), EveryHost({"e": BLIND}))).status is Status.SKIP


# -------------------------------------------------------------------------------------------------- flapping


def test_two_machines_with_one_name() -> None:
    told = lines(
        *(
            klog(f"get a new tunnel agent hostname edge1, internalIP 10.99.0.{n}", f"03:18:0{n}", "I")
            for n in (2, 7, 2, 7)
        )
    )
    found = only(session_flapping(told, edges()))
    assert found.status is Status.FAIL
    assert "10.99.0.2, 10.99.0.7" in found.summary.en
    assert both_languages(found)


def test_a_few_restarts_are_no_flapping() -> None:
    two = [klog("session exists for edge1, close old session", severity="W")] * 2
    assert only(session_flapping(lines(*two), edges())).status is Status.PASS
    same = klog("get a new tunnel agent hostname edge1, internalIP 10.99.0.2", severity="I")
    assert only(session_flapping(lines(*[same] * 5), edges())).status is Status.PASS
    assert only(session_flapping(lines(*two, *two), edges())).status is Status.FAIL


# ------------------------------------------------------------------------------------------------------ CRDs


class Groups(FakeCluster):
    """Serves the named groups with their resources."""

    def __init__(self, groups: dict[str, list[str]]) -> None:
        super().__init__()
        self.groups = groups

    def observe(self, request: Any) -> Any:
        names = self.groups.get(request.path.removeprefix("/apis/"))
        if names is None:
            return ApiAnswer(404, b"404 page not found")
        return ApiAnswer(200, json.dumps({"resources": [{"name": name} for name in names]}).encode())


def test_the_resources_that_cloudcore_waits_for() -> None:
    groups = {
        "reliablesyncs.kubeedge.io/v1alpha1": ["objectsyncs", "clusterobjectsyncs"],
        "devices.kubeedge.io/v1beta1": ["devices", "devicemodels"],
        "rules.kubeedge.io/v1": ["rules", "ruleendpoints"],
    }
    whole = served_resources(Cluster(Groups(groups)))
    assert only(kubeedge_crds(whole, workload(), edges())).status is Status.PASS
    # v1.23 brought a CRD (versions.md §4); an older cloudcore does not ask for it.
    newer = only(kubeedge_crds(whole, workload(tag="v1.23.0"), edges()))
    assert newer.status is Status.WARN
    assert "devicestatuses.devices.kubeedge.io" in newer.summary.en
    groups["devices.kubeedge.io/v1beta1"].append("devicestatuses")
    fits = served_resources(Cluster(Groups(groups)))
    assert only(kubeedge_crds(fits, workload(tag="v1.23.0"), edges())).status is Status.PASS
    del groups["reliablesyncs.kubeedge.io/v1alpha1"]
    found = only(kubeedge_crds(served_resources(Cluster(Groups(groups))), workload(), edges()))
    assert found.status is Status.FAIL
    assert "objectsyncs.reliablesyncs.kubeedge.io" in found.summary.en


def test_devices_and_rules_are_advice_and_no_kubeedge_is_no_fault() -> None:
    lacks = ServedResources(missing_useful=("devices.devices.kubeedge.io",))
    found = only(kubeedge_crds(lacks, workload(), edges()))
    assert (found.status, found.hop) == (Status.WARN, "")
    nothing = ServedResources(missing=("objectsyncs.reliablesyncs.kubeedge.io",))
    bare = edges()
    bare = type(bare)(())
    assert only(kubeedge_crds(nothing, CloudcoreWorkload(None, ()), bare)).status is Status.SKIP


# ---------------------------------------------------------------------------------------------------- rights


def test_a_right_that_the_authorizers_deny() -> None:
    source = FakeCluster()
    source.denied = {"update configmaps"}
    found = cloudcore_rbac(
        cloudcore_rights(Cluster(source), workload()), workload(), lines(), WorkingDiversion()
    )
    assert found.status is Status.FAIL
    assert "update configmaps" in found.summary.en
    allowed = cloudcore_rights(cluster(), workload())
    assert cloudcore_rbac(allowed, workload(), lines(), WorkingDiversion()).status is Status.PASS


def test_who_may_not_ask_reads_the_log_or_does_not_know() -> None:
    rights = CloudcoreRights("system:serviceaccount:kubeedge:cloudcore", ((RIGHTS[0], BLIND),))
    told = lines(
        klog(
            'reflector: nodes is forbidden: User "system:serviceaccount:kubeedge:cloudcore" cannot list resource '
            '"nodes" in API group ""'
        )
    )
    assert cloudcore_rbac(rights, workload(), told, WorkingDiversion()).status is Status.FAIL
    assert cloudcore_rbac(rights, workload(), lines(), WorkingDiversion()).status is Status.UNKNOWN
    arrives = WorkingDiversion(frozenset(), frozenset({"edge1"}))
    assert cloudcore_rbac(rights, workload(), lines(), arrives).status is Status.SKIP
    mixed = CloudcoreRights("u", ((RIGHTS[0], AccessReview(allowed=True)), (RIGHTS[1], BLIND)))
    assert cloudcore_rbac(mixed, workload(), lines(), WorkingDiversion()).status is Status.UNKNOWN


# --------------------------------------------------------------------------------------------------- the log

CLOSED = (
    "Failed to get container logs, err: add apiServer connection into Tunnel session [edge1] error "
    "the tunnel connection of Tunnel session [edge1] has closed"
)


def test_a_dead_session_is_told_with_its_edge() -> None:
    found = only(cloudcore_log_lines(lines(klog(CLOSED)), edges(), BLIND))
    assert (found.status, found.node, found.breaks) == (Status.WARN, "edge1", ())
    assert both_languages(found)


def test_an_edge_that_came_back_is_not() -> None:
    back = klog("get a new tunnel agent hostname edge1, internalIP 10.99.0.2", "03:19:00", "I")
    assert only(cloudcore_log_lines(lines(klog(CLOSED), back), edges(), BLIND)).status is Status.PASS


def test_the_address_in_a_line_is_its_edge() -> None:
    told = klog(
        "http: TLS handshake error from 10.99.0.2:40000: tls: failed to verify certificate: x509: certificate has "
        "expired or is not yet valid",
        severity="I",
    )
    assert only(cloudcore_log_lines(lines(told), edges(), BLIND)).node == "edge1"


def test_noise_never_counts() -> None:
    noise = lines(
        klog(
            "Failed to get metrics, err: apiconnection Serve APIServer_MetricsConnection MessageID 14 in Tunnel session "
            "[edge1] error APIServer_MetricsConnection MessageID 14 find edge peer done, so stop this connection"
        ),
        klog(
            "http: TLS handshake error from 10.99.0.2:1: tls: client didn't provide a certificate",
            severity="I",
        ),
        klog("http: superfluous response.WriteHeader call", severity="I"),
        klog("Failed to get exec, err: request was not an upgrade"),
        klog('create node edge1 error: nodes "edge1" already exists , register node failed'),
    )
    assert only(cloudcore_log_lines(noise, edges(), BLIND)).status is Status.PASS


def test_only_lines_since_the_last_start_and_of_the_last_minutes_are_read() -> None:
    log = "\n".join(
        [
            klog(CLOSED, "01:00:00"),
            klog(CLOSED, "03:17:00"),
            klog("Version: v1.22.0", "03:18:00", "I"),
            klog("timeout to receive keepalive for node edge1", "03:19:00"),
        ]
    )
    running = workload()
    pod = made(
        Pod,
        metadata={"name": "cloudcore-1"},
        status={
            "phase": "Running",
            "containerStatuses": [{"state": {"running": {"startedAt": before(113)}}}],
        },
    )
    site = cluster(logs={"cloudcore-1": log})
    read = cloudcore_lines(site, CloudcoreWorkload(running.deployment, (pod,)), TIME)
    assert isinstance(read, CloudcoreLines)
    assert [line.message.partition(" ")[0] for line in read.lines] == ["Version:", "timeout"]
    assert isinstance(cloudcore_lines(cluster(), running, TIME), Unavailable)


def test_the_log_is_gone_through_once_however_many_edges_there_are() -> None:
    told = lines(*[klog("session exists for edge7, close old session", severity="W")] * 3)
    site = edges(*(edge(f"edge{n}") for n in range(2000)))
    assert only(session_flapping(told, site)).node == "edge7"
