from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from siteworld import NOW, before, both_languages, made, only

from kedoctor.api import EveryHost, Finding, Reason, Status, Unavailable
from kedoctor.checks.cloudcore.cloudstream import cloudstream_enabled, cloudstream_ports
from kedoctor.checks.cloudcore.config import cloudcore_config_live, cloudcore_config_valid
from kedoctor.checks.cloudcore.workload import cloudcore_running
from kedoctor.checks.facts.cloud.cloudcore import (
    CloudcoreConfig,
    CloudcoreDocument,
    CloudcoreService,
    CloudcoreWorkload,
    Writing,
    cloudcore_config,
)
from kedoctor.checks.facts.cloud.cloudcore_log import CloudcoreLog, PodLog
from kedoctor.checks.facts.cluster.iptables_manager import IptablesManager
from kedoctor.checks.facts.cluster.metrics import WorkingDiversion
from kedoctor.checks.facts.cluster.site_info import SiteTime
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig
from kedoctor.checks.parsers.kubernetes import DaemonSet, Deployment, Pod, Service
from kedoctor.yaml.document import YamlError, load

BLIND = Unavailable(Reason.FORBIDDEN, "it")
TIME = SiteTime(NOW, "the API server's clock")
STREAM = """\
modules:
  cloudHub:
    advertiseAddress:
    - 10.99.0.1
  cloudStream:
    enable: true
    streamPort: 10003
    tunnelPort: 10004
  iptablesManager:
    enable: true
    mode: external
"""
VOLUMES = [
    {"name": "conf", "configMap": {"name": "cloudcore"}},
    {
        "name": "certs",
        "secret": {
            "secretName": "cloudcore",
            "items": [
                {"key": "stream.crt", "path": "certs/stream.crt"},
                {"key": "stream.key", "path": "certs/stream.key"},
                {"key": "streamCA.crt", "path": "ca/streamCA.crt"},
            ],
        },
    },
]
MOUNTS = [
    {"name": "conf", "mountPath": "/etc/kubeedge/config"},
    {"name": "certs", "mountPath": "/etc/kubeedge"},
]


def document(text: str = STREAM, writing: Writing | None = None) -> CloudcoreDocument:
    try:
        return CloudcoreDocument(text, load(text), writing=writing)
    except YamlError as error:
        return CloudcoreDocument(text, error=error, writing=writing)


def config(text: str = STREAM) -> CloudcoreConfig:
    found = cloudcore_config(document(text))
    assert isinstance(found, CloudcoreConfig)
    return found


def deployment(*, host_network: bool = True, replicas: int = 1) -> Deployment:
    spec = {
        "hostNetwork": host_network,
        "containers": [{"name": "cloudcore", "volumeMounts": MOUNTS}],
        "volumes": VOLUMES,
    }
    found: Deployment = made(
        Deployment, metadata={"name": "cloudcore"}, spec={"replicas": replicas, "template": {"spec": spec}}
    )
    return found


def pod(name: str = "cloudcore-1", *, started: datetime | None = None, **status: Any) -> Pod:
    usual: dict[str, Any] = {
        "phase": "Running",
        "podIP": "10.99.0.1",
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [{"ready": True, "state": {"running": {"startedAt": started or before(300)}}}],
    }
    found: Pod = made(
        Pod, metadata={"name": name}, spec={"nodeName": "cloud", "hostNetwork": True}, status=usual | status
    )
    return found


def workload(*pods: Pod, deploy: Deployment | None = None) -> CloudcoreWorkload:
    return CloudcoreWorkload(deploy or deployment(), pods or (pod(),))


DOWN = pod(
    phase="Running",
    conditions=[{"type": "Ready", "status": "False"}],
    containerStatuses=[
        {
            "restartCount": 7,
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
            "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}},
        }
    ],
)
RUNS_WITH = CloudcoreLog(
    (PodLog("cloudcore-1", from_start=True, servers=frozenset({"stream", "tunnel"}), stream_module=True),)
)
RUNS_WITHOUT = CloudcoreLog((PodLog("cloudcore-1", from_start=True, stream_module=False),))


# ------------------------------------------------------------------------------------- KE101, KE102


def test_cloudstream_on() -> None:
    assert cloudstream_enabled(config(), BLIND).status is Status.PASS


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (STREAM.replace("enable: true\n    streamPort", "enable: false\n    streamPort"), "enable: false"),
        ("modules:\n  cloudHub:\n    nodeLimit: 5\n", "default false"),  # the code default, facts.md §1.2
        ("modules:\n  cloudHub:\n    cloudStream:\n      enable: true\n", "modules.cloudHub.cloudStream"),
        ("modules:\n  cloudStream:\n    enabled: true\n", "did you mean enable"),
    ],
)
def test_cloudstream_off_or_absent(text: str, words: str) -> None:
    found = cloudstream_enabled(config(text), BLIND)
    assert (found.status, found.subject) == (Status.FAIL, "configmap/kubeedge/cloudcore")
    assert words in found.summary.en
    assert both_languages(found)


def test_go_reads_keys_without_regard_to_case() -> None:
    assert (
        cloudstream_enabled(config("modules:\n  cloudstream:\n    Enable: yes\n"), BLIND).status
        is Status.PASS
    )


def test_switched_off_but_still_running_is_a_fault_that_waits() -> None:
    off = config(STREAM.replace("enable: true\n    streamPort", "enable: false\n    streamPort"))
    found = cloudstream_enabled(off, RUNS_WITH)
    assert (found.status, found.breaks) == (Status.WARN, ())


def manager(*arguments: str) -> IptablesManager:
    template = {"spec": {"containers": [{"command": ["iptables-manager"], "args": list(arguments)}]}}
    daemonset = made(
        DaemonSet, metadata={"name": "m"}, spec={"template": template}, status={"desiredNumberScheduled": 1}
    )
    return IptablesManager(daemonset)


def ports(text: str = STREAM, **changed: Any) -> list[Finding]:
    usual: dict[str, Any] = {
        "manager": manager(),
        "service": CloudcoreService(None),
        "workload": workload(),
        "log": CloudcoreLog(),
        "edges": EveryHost[EdgecoreConfig]({}),
    }
    return list(cloudstream_ports(config=config(text), **(usual | changed)))


def edge_dialling(server: str) -> EveryHost[EdgecoreConfig]:
    text = f"modules:\n  edgeStream:\n    enable: true\n    server: {server}\n"
    read = load(text)
    return EveryHost({"edge1": EdgecoreConfig("edgecore.yaml", read, read.data, (), "edge1")})


def test_the_documented_ports_pass() -> None:
    assert {one.status for one in ports()} == {Status.PASS}


def test_a_stream_port_that_the_manager_does_not_forward_to() -> None:
    moved = STREAM.replace("streamPort: 10003", "streamPort: 20003")
    found = ports(moved)[0]
    assert (found.status, found.hop) == (Status.FAIL, "diversion")
    assert both_languages(found)
    assert ports(moved, manager=manager("--ForwardPort=20003"))[0].status is Status.PASS


def test_in_internal_mode_the_manager_follows_the_stream_port() -> None:
    text = STREAM.replace("streamPort: 10003", "streamPort: 20003").replace(
        "mode: external", "mode: internal"
    )
    assert ports(text)[0].status is Status.PASS


def test_a_tunnel_port_that_no_edge_dials() -> None:
    moved = STREAM.replace("tunnelPort: 10004", "tunnelPort: 20004")
    found = ports(moved, edges=edge_dialling("10.99.0.1:10004"))[1]
    assert (found.status, found.hop) == (Status.FAIL, "tunnel")
    assert ports(moved, edges=edge_dialling("10.99.0.1:20004"))[1].status is Status.PASS
    assert ports(moved)[1].status is Status.UNKNOWN
    assert ports(moved, log=CloudcoreLog((), {"edge1": before(60)}))[1].status is Status.PASS


def test_one_port_for_both_servers_ends_cloudcore() -> None:
    found = only(ports(STREAM.replace("tunnelPort: 10004", "tunnelPort: 10003")))
    assert found.status is Status.FAIL


def test_node_port_mode_needs_a_way_to_the_tunnel() -> None:
    away = workload(deploy=deployment(host_network=False))
    ways = made(
        Service,
        spec={
            "type": "NodePort",
            "ports": [{"name": "tunnelport", "port": 10004, "targetPort": 10004, "nodePort": 30004}],
        },
    )
    found = ports(workload=away, service=CloudcoreService(ways))[1]
    assert found.status is Status.PASS
    assert "30004" in found.summary.en
    none = made(Service, spec={"ports": [{"name": "cloudhub", "port": 10000, "targetPort": 10000}]})
    assert ports(workload=away, service=CloudcoreService(none))[1].status is Status.FAIL


# -------------------------------------------------------------------------------------------- KE103


def valid(text: str, running: CloudcoreWorkload | Unavailable) -> Finding:
    read = document(text)
    return cloudcore_config_valid(read, cloudcore_config(read), running)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("modules:\n\tcloudStream: {}\n", "line 2"),
        (STREAM.replace("mode: external", "mode: both"), "mode"),
        (STREAM.replace("streamPort: 10003", "streamPort: abc"), "streamPort"),
        (
            STREAM.replace("    advertiseAddress:\n    - 10.99.0.1\n", "    advertiseAddress: []\n"),
            "advertiseAddress",
        ),
        ("modules:\n  cloudStream:\n", "cloudStream"),
        (
            STREAM.replace(
                "tunnelPort: 10004", "tunnelPort: 10004\n    tlsStreamCertFile: /etc/other/stream.crt"
            ),
            "/etc/other/stream.crt",
        ),
    ],
)
def test_what_ends_cloudcore(text: str, words: str) -> None:
    found = valid(text, workload(DOWN))
    assert found.status is Status.FAIL
    assert words in found.summary.en
    assert both_languages(found)
    waits = valid(text, workload())
    assert (waits.status, waits.breaks, waits.hop) == (Status.WARN, (), None)


def test_ignored_keys_are_advice() -> None:
    found = valid(STREAM + "  edgeMesh:\n    enable: true\n", workload())
    assert (found.status, found.hop, found.breaks) == (Status.WARN, "", ())
    assert "edgeMesh" in found.summary.en


def test_a_good_document_passes() -> None:
    assert valid(STREAM, workload()).status is Status.PASS
    assert valid(STREAM, BLIND).status is Status.PASS


def test_a_volume_that_hides_its_content_names_no_file() -> None:
    spec = {
        "containers": [{"volumeMounts": [{"name": "host", "mountPath": "/etc/kubeedge"}]}],
        "volumes": [{"name": "host", "hostPath": {"path": "/etc/kubeedge"}}],
    }
    own = made(Deployment, spec={"template": {"spec": spec}})
    assert valid(STREAM, workload(deploy=own)).status is Status.PASS


# -------------------------------------------------------------------------------------------- KE104


def live(
    writing: Writing | None = None,
    log: CloudcoreLog | Unavailable = BLIND,
    running: CloudcoreWorkload | None = None,
    diversion: WorkingDiversion | None = None,
    text: str = STREAM,
) -> Finding:
    return cloudcore_config_live(
        read=document(text, writing),
        config=config(text),
        workload=running or workload(),
        log=log,
        time=TIME,
        diversion=diversion or WorkingDiversion(),
    )


def test_cloudcores_own_rewrite_is_no_edit() -> None:
    assert live(Writing("cloudcore", before(296))).status is Status.PASS


def test_an_edit_before_the_start_is_in_use() -> None:
    assert live(Writing("kubectl-edit", before(900))).status is Status.PASS


def test_an_edit_after_the_start_is_not() -> None:
    found = live(Writing("kubectl-edit", before(60)))
    assert (found.status, found.breaks) == (Status.WARN, ())
    assert "kubectl-edit" in found.summary.en
    assert both_languages(found)


def test_the_log_contradicts_the_document() -> None:
    found = live(Writing("kubectl-edit", before(60)), RUNS_WITHOUT)
    assert (found.status, found.hop, found.breaks) == (Status.FAIL, None, None)


def test_servers_that_never_begin() -> None:
    waiting = CloudcoreLog((PodLog("cloudcore-1", from_start=True, stream_module=True),))
    assert live(None, waiting).status is Status.FAIL
    young = workload(pod(started=before(8)))
    assert live(None, waiting, young).status is Status.UNKNOWN  # it sleeps up to 9 s before it listens


def test_the_log_alone_suffices() -> None:
    assert live(None, RUNS_WITH).status is Status.PASS


def test_fresh_figures_of_an_edge_prove_the_stream_server() -> None:
    found = live(None, CloudcoreLog(), diversion=WorkingDiversion(frozenset(), frozenset({"edge1"})))
    assert found.status is Status.PASS


def test_with_nothing_to_go_by_it_is_unknown() -> None:
    assert live().status is Status.UNKNOWN
    assert live(None, CloudcoreLog((PodLog("cloudcore-1"),))).status is Status.UNKNOWN


def test_a_cloudcore_that_does_not_run_is_not_judged_here() -> None:
    assert live(running=workload(DOWN)).status is Status.SKIP


# -------------------------------------------------------------------------------------------- KE105


def test_a_running_cloudcore() -> None:
    assert only(cloudcore_running(workload(), BLIND)).status is Status.PASS


def test_a_crash_loop_quotes_its_last_words() -> None:
    words = "F1123 03:13:21.533419       1 server.go:91] TLSStreamCertFile not exist"
    log = CloudcoreLog((PodLog("cloudcore-1", last_words=words),))
    found = only(cloudcore_running(workload(DOWN), log))
    assert found.status is Status.FAIL
    assert "CrashLoopBackOff" in found.summary.en
    assert words in found.summary.en


PORTS_TAKEN = "0/2 nodes are available: 1 node(s) didn't have free ports for the requested pod ports"
PENDING = pod(
    "cloudcore-2",
    phase="Pending",
    conditions=[
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": PORTS_TAKEN}
    ],
    containerStatuses=[],
)


def test_a_stuck_rollout_is_told_although_cloudcore_runs() -> None:
    found = only(cloudcore_running(workload(PENDING, pod()), BLIND))
    assert (found.status, found.breaks) == (Status.WARN, ())
    assert found.commands[0].endswith("delete pod cloudcore-1")
    assert both_languages(found)


def test_a_pod_that_finds_no_ports() -> None:
    found = only(cloudcore_running(workload(PENDING), BLIND))
    assert found.status is Status.FAIL
    assert found.hint is not None
    assert "10000-10004" in found.hint.en


def test_no_pod_at_all() -> None:
    scaled = CloudcoreWorkload(deployment(replicas=0), ())
    assert "replicas: 0" in only(cloudcore_running(scaled, BLIND)).summary.en
    assert only(cloudcore_running(CloudcoreWorkload(None, ()), BLIND)).status is Status.FAIL
