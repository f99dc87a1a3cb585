"""Repairs of cloudcore: one key changed and nothing else, its Deployment."""

from __future__ import annotations

from typing import Any

import pytest
from cloudcore_samples import SAMPLE, config, deployment, document, pod, workload
from edge_samples import Pki
from edge_samples import config as edge_config
from remedied import after_edit, after_patch, changed_lines, planned, told, verdict_of, verdicts
from siteworld import edge, made

from kedoctor.api import (
    EveryHost,
    ImportImage,
    Reason,
    RestartPods,
    Risk,
    Unavailable,
)
from kedoctor.checks.cloudcore.cloudstream import cloudstream_enabled, cloudstream_ports
from kedoctor.checks.cloudcore.config import cloudcore_config_live, cloudcore_config_valid
from kedoctor.checks.cloudcore.fix_cloudstream import cloudstream
from kedoctor.checks.cloudcore.fix_cloudstream import cloudstream_ports as ports_set
from kedoctor.checks.cloudcore.fix_config import cloudcore_config as corrected
from kedoctor.checks.cloudcore.fix_config import cloudcore_restart
from kedoctor.checks.cloudcore.fix_hub_link import node_limit
from kedoctor.checks.cloudcore.fix_workload import cloudcore_service
from kedoctor.checks.cloudcore.hub_link import cloudcore_node_limit as limit_check
from kedoctor.checks.cloudcore.workload import cloudcore_running
from kedoctor.checks.facts.cloud.cloudcore import (
    CloudcoreService,
    CloudcoreWorkload,
)
from kedoctor.checks.facts.cloud.cloudcore_log import CloudcoreLog, PodLog
from kedoctor.checks.facts.cluster.images import ImageArchives
from kedoctor.checks.facts.cluster.iptables_manager import IptablesManager
from kedoctor.checks.facts.cluster.metrics import WorkingDiversion
from kedoctor.checks.facts.cluster.nodes import ApiServerHost, CloudNodes, EdgeNodes
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig
from kedoctor.checks.parsers.kubernetes import DaemonSet, Deployment, Pod, Service, Taint

BLIND = Unavailable(Reason.FORBIDDEN, "it")
NO_EDGE: EveryHost[EdgecoreConfig] = EveryHost({})
NO_ARCHIVE: EveryHost[ImageArchives] = EveryHost({})
PKI = Pki()


# ------------------------------------------------------------------------------------- KE101, KE102


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (SAMPLE, "  cloudStream: {enable: true, streamPort: 10003, tunnelPort: 10004}"),
        (SAMPLE.replace("cloudStream: {enable", "CloudStream: {Enable"), "  CloudStream: {Enable: true,"),
        ("modules:\r\n  cloudStream:\r\n    enable: off # why\r\n", "    enable: true # why"),
    ],
)
def test_cloudstream_is_switched_on_by_one_word(text: str, line: str) -> None:
    wrong = verdict_of(cloudstream_enabled, cloudstream_enabled(config(text), BLIND))
    plan = planned(cloudstream(wrong, config(text), workload()), wrong)
    after = after_edit(plan, text)
    (change,) = changed_lines(text, after)
    assert change[1].startswith(line)
    assert after.count("\r") == text.count("\r")
    assert not verdicts(cloudstream_enabled, cloudstream_enabled(config(after), BLIND))
    assert plan.risk is Risk.RESTARTS_CLOUDCORE
    assert plan.restarts == (RestartPods("kubeedge", "kubeedge=cloudcore"),)


@pytest.mark.parametrize("text", ["modules: {}\n", "modules:\n  cloudHub:\n    nodeLimit: 5\n", "kind: x\n"])
def test_a_section_that_is_not_there_is_made(text: str) -> None:
    wrong = verdict_of(cloudstream_enabled, cloudstream_enabled(config(text), BLIND))
    after = after_edit(planned(cloudstream(wrong, config(text), workload()), wrong), text)
    assert config(after).stream_enabled


def test_a_cloudcore_that_still_runs_with_it_is_not_restarted() -> None:
    log = CloudcoreLog((PodLog("cloudcore-1", from_start=True, stream_module=True),))
    wrong = verdict_of(cloudstream_enabled, cloudstream_enabled(config(SAMPLE), log))
    plan = planned(cloudstream(wrong, config(SAMPLE), workload()), wrong)
    assert (plan.risk, plan.restarts) == (Risk.SAFE, ())


def _ports(text: str, forward: str = "", *edges: EdgecoreConfig) -> tuple[str, dict[str, Any]]:
    container = {"image": "kubeedge/iptables-manager:v1.22.0", "command": ["iptables-manager", forward]}
    daemonset = made(
        DaemonSet, metadata={"name": "m"}, spec={"template": {"spec": {"containers": [container]}}}
    )
    known: dict[str, Any] = {
        "config": config(text),
        "manager": IptablesManager(daemonset),
        "edges": EveryHost({f"e{place}": one for place, one in enumerate(edges)}),
        "workload": workload(),
    }
    wrong = verdict_of(
        cloudstream_ports, cloudstream_ports(service=CloudcoreService(None), log=BLIND, **known)
    )
    plan = planned(ports_set(wrong, **known), wrong)
    after = after_edit(plan, text)
    again = cloudstream_ports(service=CloudcoreService(None), log=BLIND, **{**known, "config": config(after)})
    assert not verdicts(cloudstream_ports, again)
    return after, config(after).value("modules.cloudStream")


def test_the_stream_port_is_the_one_that_is_forwarded_to() -> None:
    text = SAMPLE.replace("enable: false, streamPort: 10003", "enable: true, streamPort: 11003")
    assert _ports(text)[1]["streamPort"] == 10003
    assert _ports(text, "--ForwardPort=12003")[1]["streamPort"] == 12003


def test_the_tunnel_port_is_the_one_that_edges_dial() -> None:
    text = SAMPLE.replace("enable: false", "enable: true").replace("tunnelPort: 10004", "tunnelPort: 10044")
    after, section = _ports(text, "", edge_config())
    assert section["tunnelPort"] == 10004
    assert len(changed_lines(text, after)) == 1


def test_one_port_for_both_becomes_two() -> None:
    text = SAMPLE.replace("enable: false", "enable: true").replace("10003", "10004")
    section = _ports(text)[1]
    assert (section["streamPort"], section["tunnelPort"]) == (10003, 10004)


def test_a_service_without_the_port_is_left_to_a_person() -> None:
    text = SAMPLE.replace("enable: false", "enable: true")
    service = CloudcoreService(made(Service, metadata={"name": "cloudcore"}))
    pods = workload(deploy=deployment(hostNetwork=False))
    found = cloudstream_ports(
        config=config(text), manager=BLIND, service=service, workload=pods, log=BLIND, edges=NO_EDGE
    )
    wrong = next(one for one in verdicts(cloudstream_ports, found) if one.subject.startswith("service"))
    assert "nodePort" in told(ports_set(wrong, config(text), pods, BLIND, NO_EDGE))


# ------------------------------------------------------------------------------------- KE103, KE104


@pytest.mark.parametrize(
    ("bad", "good"),
    [
        ('mode: "external"', "mode: Extern"),
        ("streamPort: 10003", "streamPort: '10003'"),
        ("enable: false", 'enable: "yes"'),
        ("advertiseAddress: [10.99.0.1]   # the VIP", "advertiseAddress: []"),
        ("cloudHub:", "router:\n  cloudHub:\n    tokenRefreshDuration: 0"),
    ],
)
def test_what_stops_cloudcore_is_corrected(bad: str, good: str) -> None:
    text = SAMPLE.replace(bad, good)
    wrong = verdict_of(cloudcore_config_valid, cloudcore_config_valid(document(text), config(text), BLIND))
    plan = planned(corrected(wrong, document(text), config(text), workload(), IptablesManager(None)), wrong)
    after = after_edit(plan, text)
    assert not verdicts(cloudcore_config_valid, cloudcore_config_valid(document(after), config(after), BLIND))


def test_text_that_is_no_yaml_is_not_guessed() -> None:
    read = document("modules:\n\tcloudStream: {}\n")
    wrong = verdict_of(cloudcore_config_valid, cloudcore_config_valid(read, BLIND, BLIND))
    assert "line 2" in told(corrected(wrong, read, BLIND, workload(), BLIND))


def test_a_value_that_could_mean_anything_is_not_guessed() -> None:
    text = SAMPLE.replace("streamPort: 10003", "streamPort: ten")
    wrong = verdict_of(cloudcore_config_valid, cloudcore_config_valid(document(text), config(text), BLIND))
    told(corrected(wrong, document(text), config(text), workload(), BLIND))


def test_cloudcore_is_restarted_by_deleting_its_pod() -> None:
    text = SAMPLE.replace("enable: false", "enable: true")
    log = CloudcoreLog((PodLog("cloudcore-1", from_start=True, stream_module=False),))
    found = cloudcore_config_live(
        read=document(text),
        config=config(text),
        workload=workload(),
        log=log,
        time=BLIND,
        diversion=WorkingDiversion(),
    )
    wrong = verdict_of(cloudcore_config_live, found)
    plan = planned(cloudcore_restart(wrong, workload()), wrong)
    assert (plan.actions, plan.restarts[0].target) == ((), "restart:kubeedge/kubeedge=cloudcore:do")
    told(cloudcore_restart(wrong, CloudcoreWorkload(None, ())))


# -------------------------------------------------------------------------------------------- KE105


def _pending(message: str) -> Pod:
    conditions = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]
    return pod(phase="Pending", conditions=conditions)


def _repaired(found: CloudcoreWorkload, *, archives: EveryHost[ImageArchives] = NO_ARCHIVE) -> Any:
    wrong = verdict_of(cloudcore_running, cloudcore_running(found, BLIND))
    taint = Taint(key="node-role.kubernetes.io/control-plane", effect="NoSchedule")
    cloud = CloudNodes((ApiServerHost("cloud", "10.99.0.1", (taint,)),), "the label")
    return wrong, cloudcore_service(wrong, found, cloud, BLIND, archives)


def test_a_rollout_that_waits_for_its_own_ports_is_let_through() -> None:
    stuck = _pending("0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.")
    wrong, answer = _repaired(workload(pod(), stuck))
    after = after_patch(planned(answer, wrong), deployment())
    assert after["spec"]["strategy"] == {"type": "Recreate"}
    assert after["spec"]["template"] == deployment()["spec"]["template"]


def test_a_deployment_that_is_scaled_down_is_scaled_up() -> None:
    found = CloudcoreWorkload(made(Deployment, **deployment(0)), ())
    wrong, answer = _repaired(found)
    assert after_patch(planned(answer, wrong), deployment(0))["spec"]["replicas"] == 1


@pytest.mark.parametrize("present", [[], [{"key": "mine", "operator": "Exists"}]])
def test_a_taint_of_the_control_plane_is_tolerated(present: list[dict[str, str]]) -> None:
    lacking = _pending("0/1 nodes are available: 1 node(s) had untolerated taint {node-role...: }.")
    made_of = deployment(tolerations=present) if present else deployment()
    wrong, answer = _repaired(workload(lacking, deploy=made_of))
    spec = after_patch(planned(answer, wrong), made_of)["spec"]["template"]["spec"]
    wanted = {"key": "node-role.kubernetes.io/control-plane", "operator": "Exists", "effect": "NoSchedule"}
    assert spec["tolerations"] == [*present, wanted]


def test_an_image_is_brought_from_an_archive_of_that_node() -> None:
    waiting = {"name": "cloudcore", "state": {"waiting": {"reason": "ErrImageNeverPull"}}}
    found = workload(pod(conditions=[], containerStatuses=[waiting]))
    wrong, answer = _repaired(found)
    assert "kubeedge/cloudcore:v1.22.0" in told(answer)
    path = "/var/lib/kedoctor/images/docker.io-kubeedge-cloudcore-v1.22.0.tar"
    wrong, answer = _repaired(found, archives=EveryHost({"cloud": ImageArchives((path,))}))
    assert planned(answer, wrong).actions == (ImportImage(path, "kubeedge/cloudcore:v1.22.0", "containerd"),)


@pytest.mark.parametrize(
    "found",
    [
        CloudcoreWorkload(None, ()),
        workload(_pending("1 node(s) didn't have free ports for the requested pod ports")),
        workload(
            pod(conditions=[], containerStatuses=[{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}])
        ),
    ],
)
def test_what_no_object_can_help_is_told(found: CloudcoreWorkload) -> None:
    told(_repaired(found)[1])


def test_the_node_limit_has_room_again() -> None:
    text = SAMPLE.replace("cloudHub:", "cloudHub:\n    nodeLimit: 2")
    several = EdgeNodes(tuple(edge(f"edge{n}", cloudcore="10.99.0.1") for n in range(2)))
    wrong = verdict_of(limit_check, limit_check(config(text), several, BLIND))
    plan = planned(node_limit(wrong, config(text), workload(), several), wrong)
    after = after_edit(plan, text)
    assert config(after).value("modules.cloudHub.nodeLimit") == 1000
    assert (plan.restarts, plan.risk) == ((), Risk.SAFE), "nobody is refused yet"
