"""What the remedies of the cloud side share: the objects they change, restarts, and how long these take."""

from __future__ import annotations

from collections.abc import Iterable

from kedoctor.api import EditObjectYaml, RestartPods, Risk, Text, YamlChange
from kedoctor.checks.facts.cloud.cloudcore import CONFIG_KEY, NAMESPACE, CloudcoreConfig, CloudcoreWorkload
from kedoctor.checks.parsers.kubernetes import Taint, Toleration
from kedoctor.checks.parsers.kubernetes.pod_health import tolerates

__all__ = [
    "AFTER_CLOUD",
    "AFTER_CLOUDCORE",
    "CLOUDCORE_CONFIG",
    "CLOUDCORE_DEPLOYMENT",
    "CLOUDCORE_PODS",
    "EDGES_RECONNECT",
    "NOTHING_NOTICED",
    "edit_cloudcore",
    "noticed",
    "off_the_edge",
    "put",
    "remove",
    "restart_cloudcore",
    "risk_of",
    "spelt",
    "tolerations_for",
]

AFTER_CLOUD = 60.0
"""Seconds until a change of the cloud side shows: reconciling takes 10 s, a Node's status 10 s (facts.md §10.2)."""

AFTER_CLOUDCORE = 120.0
"""Seconds until everything is back after cloudcore restarted: it sleeps up to 9 s, a hub tries 5 times and then waits
30 s, a tunnel that meets a conflict gets its port 20 s later, and metrics take two scrapes (facts.md §3.2, §10.2)."""

CLOUDCORE_CONFIG = f"/api/v1/namespaces/{NAMESPACE}/configmaps/cloudcore"
CLOUDCORE_DEPLOYMENT = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/cloudcore"
CLOUDCORE_PODS = RestartPods(NAMESPACE, "kubeedge=cloudcore")

EDGES_RECONNECT = Text(
    "Every edge loses cloudcore for about a minute and reconnects by itself: logs, exec, attach and top pause, "
    "containers keep running. The tunnel port may go up by one, so hand-made rules for the old port stop matching.",
    zh="所有边缘节点会与 cloudcore 断开约一分钟并自动重连：logs、exec、attach、top 暂停，容器继续运行。"
    "隧道端口可能加一，针对旧端口的手工规则将失效。",
)
NOTHING_NOTICED = Text("Running edges notice nothing of it.", zh="运行中的边缘节点不受影响。")


def restart_cloudcore(workload: CloudcoreWorkload) -> tuple[RestartPods, ...]:
    """The restart after which cloudcore has read its new configuration; none when no pod of it is there."""
    return (CLOUDCORE_PODS,) if workload.pods else ()


def risk_of(restarts: tuple[RestartPods, ...]) -> Risk:
    """What a plan with these restarts of cloudcore disturbs."""
    return Risk.RESTARTS_CLOUDCORE if restarts else Risk.SAFE


def noticed(restarts: tuple[RestartPods, ...]) -> Text:
    """What running edges notice of a plan with these restarts."""
    return EDGES_RECONNECT if restarts else NOTHING_NOTICED


def edit_cloudcore(*changes: YamlChange) -> EditObjectYaml:
    """Keys of ``cloudcore.yaml`` inside its ConfigMap; every other byte of the document stays."""
    return EditObjectYaml(CLOUDCORE_CONFIG, CONFIG_KEY, changes)


def put(config: CloudcoreConfig, path: str, value: object) -> YamlChange:
    """The change that gives a key a value, under the name the document has it."""
    return YamlChange("set", spelt(config, path), value)


def remove(path: str) -> YamlChange:
    """The change that takes a key out, so that the code default counts."""
    return YamlChange("remove", path)


def spelt(config: CloudcoreConfig, path: str) -> str:
    """The path as the document spells it: Go takes ``cloudstream`` for ``cloudStream``, and of two the last counts."""
    found: object = config.document.data
    parts = []
    for part in path.split("."):
        names = [name for name in found if name.lower() == part.lower()] if isinstance(found, dict) else []
        name = max(names, default=part)
        found = found.get(name) if isinstance(found, dict) else None
        parts.append(name)
    return ".".join(parts)


def tolerations_for(
    taints: Iterable[Taint], present: tuple[Toleration, ...] | None
) -> tuple[dict[str, str], ...]:
    """The tolerations that are lacking for taints; those that tell of a node's health are nobody's to tolerate."""
    lacking = {
        (taint.key, taint.effect): None
        for taint in taints
        if taint.effect != "PreferNoSchedule"
        and not taint.key.startswith("node.kubernetes.io/")
        and not tolerates(present, taint)
    }
    return tuple({"key": key, "operator": "Exists", "effect": effect} for key, effect in sorted(lacking))


def off_the_edge() -> dict[str, object]:
    """The node affinity of KubeEdge's chart: every node that is not an edge (facts.md §1.3)."""
    expression = {"key": "node-role.kubernetes.io/edge", "operator": "DoesNotExist"}
    return {"matchExpressions": [expression]}
