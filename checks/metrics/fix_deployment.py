"""Metrics-server's pod, where it runs, what it requests, and its registration (KE602, KE604, KE605, KE609)."""

from __future__ import annotations

from kedoctor.api import (
    EveryHost,
    NoPlan,
    PatchObject,
    Plan,
    Text,
    Unavailable,
    Verdict,
    remedy,
)
from kedoctor.checks.facts.cluster.images import ImageArchives
from kedoctor.checks.facts.cluster.metrics import MetricsServer
from kedoctor.checks.facts.cluster.nodes import CloudNodes, SiteNodes
from kedoctor.checks.metrics.deployment_patches import (
    TEMPLATE,
    Patch,
    container_of,
    deployed,
    deployment_path,
    planned,
    strategy,
)
from kedoctor.checks.parsers.kubernetes import Deployment, Pod
from kedoctor.checks.parsers.kubernetes.pod_health import trouble
from kedoctor.checks.plans.cloudcore import tolerations_for
from kedoctor.checks.plans.images import image_for, imported
from kedoctor.checks.plans.placement import keeps_away, on_api_hosts
from kedoctor.checks.plans.touches import METRICS_SERVER

__all__ = ["metrics_apiservice", "metrics_placement", "metrics_pod", "metrics_resources"]

_SYSTEM = "kubernetes.io/os"

# ------------------------------------------------------------------------------------------------ placement


@remedy("KE604", touches=METRICS_SERVER)
def metrics_placement(
    verdict: Verdict, server: MetricsServer, cloud: CloudNodes, nodes: SiteNodes
) -> Plan | NoPlan:
    """Pinned to the hosts that run kube-apiserver, where the diversion is, and let there in spite of their taints.

    A node selector or an affinity that chose the node where it is now would keep it there.
    """
    deployment = deployed(server)
    if isinstance(deployment, NoPlan):
        return deployment
    selector = _selector(deployment)
    patch = [
        *_affinity(deployment, cloud, nodes),
        *selector,
        *_tolerations(deployment, cloud),
        *strategy(deployment),
    ]
    affinity = deployment.spec.template.spec.affinity or {}
    instead = (
        ", in place of what keeps it where it is" if selector or keeps_away(cloud, nodes, affinity) else ""
    )
    instead_zh = "，取代原有的限定" if instead else ""
    title = Text(
        f"let metrics-server run on the hosts of kube-apiserver only (node affinity{instead}, and a toleration where they are tainted)",
        zh=f"使 metrics-server 只在 kube-apiserver 所在主机运行（节点亲和性{instead_zh}；有污点时加容忍）",
    )
    return planned(verdict, title, PatchObject(deployment_path(deployment), "json", patch))


def _affinity(deployment: Deployment, cloud: CloudNodes, nodes: SiteNodes) -> Patch:
    affinity = on_api_hosts(cloud, nodes, deployment.spec.template.spec.affinity or {})
    return [{"op": "add", "path": f"{TEMPLATE}/affinity", "value": affinity}]


def _selector(deployment: Deployment) -> Patch:
    """Of its node selector only the operating system stays."""
    present = deployment.spec.template.spec.node_selector or {}
    kept = {key: value for key, value in present.items() if key == _SYSTEM}
    if kept == dict(present):
        return []
    place = f"{TEMPLATE}/nodeSelector"
    return [{"op": "add", "path": place, "value": kept} if kept else {"op": "remove", "path": place}]


def _tolerations(deployment: Deployment, cloud: CloudNodes) -> Patch:
    present = deployment.spec.template.spec.tolerations
    lacking = tolerations_for((taint for host in cloud.hosts for taint in host.taints), present)
    place = f"{TEMPLATE}/tolerations"
    if not lacking or present:
        return [{"op": "add", "path": f"{place}/-", "value": one} for one in lacking]
    return [{"op": "add", "path": place, "value": list(lacking)}]


# ------------------------------------------------------------------------------------------------- the pod


@remedy("KE602", touches=METRICS_SERVER)
def metrics_pod(
    verdict: Verdict,
    server: MetricsServer,
    *,
    cloud: CloudNodes | Unavailable,
    nodes: SiteNodes | Unavailable,
    archives: EveryHost[ImageArchives],
) -> Plan | NoPlan:
    """By the reason of the pod: a replica, an image that is at hand, a place where it may run; otherwise its log."""
    deployment = deployed(server)
    if isinstance(deployment, NoPlan):
        return deployment
    if not server.live_pods or server.ending:
        return _no_pod(verdict, deployment)
    pod = (server.staying or server.live_pods)[0]
    image = image_for(pod, archives, nodes)
    if isinstance(image, NoPlan):
        return image
    if image is not None:
        return planned(verdict, imported(image), image)
    reason = trouble(pod)
    if reason is None or reason.reason != "Unschedulable":
        return NoPlan(_read_its_log(pod))
    return _unschedulable(verdict, deployment, reason.message, cloud, nodes)


def _no_pod(verdict: Verdict, deployment: Deployment) -> Plan | NoPlan:
    if deployment.spec.replicas != 0:
        return NoPlan(
            Text(
                "the Deployment wants a pod and has none; its ReplicaSet says why: kubectl -n "
                f"{deployment.metadata.namespace} describe replicaset -l k8s-app=metrics-server",
                zh="Deployment 需要 Pod 却没有；原因见其 ReplicaSet：kubectl -n "
                f"{deployment.metadata.namespace} describe replicaset -l k8s-app=metrics-server",
            )
        )
    title = Text("scale metrics-server to one replica", zh="将 metrics-server 的副本数设为 1")
    return planned(
        verdict, title, PatchObject(deployment_path(deployment), "merge", {"spec": {"replicas": 1}})
    )


def _unschedulable(
    verdict: Verdict,
    deployment: Deployment,
    message: str,
    cloud: CloudNodes | Unavailable,
    nodes: SiteNodes | Unavailable,
) -> Plan | NoPlan:
    """The scheduler names what kept the pod off every node; ports that are taken are nobody's to free."""
    if isinstance(cloud, Unavailable) or isinstance(nodes, Unavailable) or "free ports" in message:
        return NoPlan(_no_place(message))
    patch: Patch = []
    if "selector" in message or "affinity" in message:
        place = on_api_hosts(cloud, nodes, {})
        patch = [{"op": "add", "path": f"{TEMPLATE}/affinity", "value": place}]
        patch += _selector(deployment)
    patch += _tolerations(deployment, cloud)
    if not patch:
        return NoPlan(_no_place(message))
    title = Text(
        "let metrics-server run on the hosts of kube-apiserver, which its selector, affinity or tolerations do not fit",
        zh="使 metrics-server 可在 kube-apiserver 所在主机运行（原有的选择器、亲和性或容忍不匹配）",
    )
    return planned(
        verdict, title, PatchObject(deployment_path(deployment), "json", [*patch, *strategy(deployment)])
    )


def _no_place(message: str) -> Text:
    return Text(
        f"no node takes the pod, and what is in its way is yours to decide: {message}",
        zh=f"没有节点能运行该 Pod，障碍需由您处理：“{message}”",
    )


def _read_its_log(pod: Pod) -> Text:
    name, where = pod.metadata.name, pod.metadata.namespace
    return Text(
        f"why {name} is not ready is in its own log, and no change of its Deployment is known to help: kubectl -n {where} "
        f"logs {name} --tail=50",
        zh=f"{name} 未就绪的原因见其日志，没有已知的 Deployment 修改可解决：kubectl -n {where} logs {name} --tail=50",
    )


# ---------------------------------------------------------------------------------------------- resources


@remedy("KE609", touches=METRICS_SERVER)
def metrics_resources(verdict: Verdict, server: MetricsServer) -> Plan | NoPlan:
    """Upstream's requests where there are none, and one replica where more have no node."""
    deployment = deployed(server)
    if isinstance(deployment, NoPlan):
        return deployment
    if verdict.actual.startswith("replicas:"):
        title = Text("scale metrics-server to one replica", zh="将 metrics-server 的副本数设为 1")
        return planned(
            verdict, title, PatchObject(deployment_path(deployment), "merge", {"spec": {"replicas": 1}})
        )
    place = container_of(deployment)
    present = deployment.spec.template.spec.containers[place].resources.requests or {}
    requests = {"cpu": "100m", "memory": "200Mi", **present}
    path = f"{TEMPLATE}/containers/{place}/resources"
    resources = deployment.spec.template.spec.containers[place].resources
    whole = {"requests": requests, **({"limits": resources.limits} if resources.limits else {})}
    title = Text(
        f"let metrics-server request {requests['cpu']} CPU and {requests['memory']} memory",
        zh=f"为 metrics-server 设置 requests：CPU {requests['cpu']}、内存 {requests['memory']}",
    )
    patch = [{"op": "add", "path": path, "value": whole}, *strategy(deployment)]
    return planned(verdict, title, PatchObject(deployment_path(deployment), "json", patch))


# ------------------------------------------------------------------------------------------ the registration


@remedy("KE605")
def metrics_apiservice(verdict: Verdict) -> NoPlan:
    """The condition is a consequence of metrics-server, its Service or the network; there is nothing in it to change."""
    return NoPlan(
        Text(
            f"the registration itself is right, what stands behind it does not answer; {verdict.hint.text.rstrip('.')}",
            zh=f"注册本身没有问题，是其后端没有应答；{verdict.zh.hint.rstrip('。')}",
        )
    )
