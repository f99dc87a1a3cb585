"""Facts of cloudcore for tests of its repairs: a document that an installer wrote, its Deployment and its pod."""

from __future__ import annotations

from typing import Any

from siteworld import made

from kedoctor.checks.facts.cloud.cloudcore import (
    CloudcoreConfig,
    CloudcoreDocument,
    CloudcoreWorkload,
    cloudcore_config,
)
from kedoctor.checks.facts.cluster.nodes import ApiServerHost, CloudNodes
from kedoctor.checks.parsers.kubernetes import Deployment, Pod
from kedoctor.yaml.document import YamlError, load

SAMPLE = """\
# put here by the installer
modules:
  cloudHub:
    advertiseAddress: [10.99.0.1]   # the VIP
  cloudStream: {enable: false, streamPort: 10003, tunnelPort: 10004}
  iptablesManager:
    mode: "external"
"""
CLOUD = CloudNodes((ApiServerHost("cloud", "10.99.0.1"),), "the label")


def document(text: str) -> CloudcoreDocument:
    try:
        return CloudcoreDocument(text, load(text))
    except YamlError as error:
        return CloudcoreDocument(text, error=error)


def config(text: str) -> CloudcoreConfig:
    found = cloudcore_config(document(text))
    assert isinstance(found, CloudcoreConfig)
    return found


def pod(**status: Any) -> Pod:
    usual: dict[str, Any] = {
        "phase": "Running",
        "podIP": "10.99.0.1",
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    container = {"name": "cloudcore", "image": "kubeedge/cloudcore:v1.22.0"}
    found: Pod = made(
        Pod,
        metadata={"name": "cloudcore-1"},
        spec={"nodeName": "cloud", "hostNetwork": True, "containers": [container]},
        status=usual | status,
    )
    return found


def deployment(replicas: int = 1, **template: Any) -> dict[str, Any]:
    spec = {"hostNetwork": True, "containers": [{"name": "cloudcore"}], **template}
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}}
    return {
        "metadata": {"name": "cloudcore"},
        "spec": {"replicas": replicas, "strategy": strategy, "template": {"spec": spec}},
    }


def workload(*pods: Pod, deploy: dict[str, Any] | None = None) -> CloudcoreWorkload:
    return CloudcoreWorkload(made(Deployment, **(deploy or deployment())), pods or (pod(),))
