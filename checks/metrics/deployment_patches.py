"""What repairs of metrics-server's Deployment share: the plan around a patch, and parts of patches."""

from __future__ import annotations

from typing import Any

from kedoctor.api import Action, NoPlan, Plan, Risk, Text, Verdict
from kedoctor.checks.facts.cluster.metrics import MetricsServer
from kedoctor.checks.parsers.kubernetes import Deployment

__all__ = [
    "NOTICED",
    "TEMPLATE",
    "Patch",
    "container_of",
    "deployed",
    "deployment_path",
    "planned",
    "strategy",
]

_SETTLE = 120.0
"""Seconds until metrics-server is ready and has metrics: a probe that waits 20 s, two scrapes (facts.md §10.2)."""

TEMPLATE = "/spec/template/spec"
_RECREATE = {"op": "add", "path": "/spec/strategy", "value": {"type": "Recreate"}}

NOTICED = Text(
    "metrics-server restarts: kubectl top is away for about a minute; edges notice nothing.",
    zh="metrics-server 会重启：kubectl top 约一分钟不可用；边缘节点不受影响。",
)

Patch = list[dict[str, Any]]


def deployment_path(deployment: Deployment) -> str:
    """Its path in the API."""
    name = deployment.metadata
    return f"/apis/apps/v1/namespaces/{name.namespace}/deployments/{name.name}"


def planned(
    verdict: Verdict,
    title: Text,
    *actions: Action,
    prediction: Text = NOTICED,
) -> Plan:
    """The plan for what a verdict found, with the time that metrics-server needs afterwards."""
    return Plan(
        code=verdict.code,
        subject=verdict.subject,
        title=title,
        prediction=prediction,
        risk=Risk.SAFE,
        actions=actions,
        settle=_SETTLE,
    )


def deployed(server: MetricsServer) -> Deployment | NoPlan:
    """Its Deployment, or why nothing can be changed in it."""
    if isinstance(server.deployment, Deployment):
        return server.deployment
    return NoPlan(
        Text(
            "metrics-server has no Deployment that was read; what makes its pods has to be changed there",
            zh="未读到 metrics-server 的 Deployment；需在创建其 Pod 的对象中修改",
        )
    )


def container_of(deployment: Deployment) -> int:
    """Which of its containers is metrics-server."""
    containers = deployment.spec.template.spec.containers
    return next((place for place, one in enumerate(containers) if "metrics-server" in one.image), 0)


def strategy(deployment: Deployment) -> Patch:
    """With hostNetwork a rolling update on one node waits for ever for the port of the pod it should replace."""
    spec = deployment.spec
    rolling = spec.template.spec.host_network and spec.strategy.type != "Recreate"
    return [_RECREATE] if rolling else []
