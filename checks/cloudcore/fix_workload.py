"""Getting cloudcore to run again, as far as its Deployment is what keeps it from running (KE105)."""

from __future__ import annotations

from typing import Any

from kedoctor.api import (
    EveryHost,
    ImportImage,
    NoPlan,
    PatchObject,
    Plan,
    Risk,
    Status,
    Text,
    Unavailable,
    Verdict,
    remedy,
)
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreWorkload
from kedoctor.checks.facts.cluster.images import ImageArchives
from kedoctor.checks.facts.cluster.nodes import CloudNodes, SiteNodes
from kedoctor.checks.parsers.kubernetes.pod_health import is_ready, trouble
from kedoctor.checks.plans.cloudcore import (
    AFTER_CLOUDCORE,
    CLOUDCORE_DEPLOYMENT,
    EDGES_RECONNECT,
    tolerations_for,
)
from kedoctor.checks.plans.images import image_for, imported
from kedoctor.checks.plans.touches import DEPLOYMENT

__all__ = ["cloudcore_service"]

_RECREATE = {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}}}
_PREDICTED = Text(
    "No cloudcore runs now, so nothing more breaks; edges connect within about a minute once it is up.",
    zh="当前没有 cloudcore 运行，不会造成更多影响；启动后边缘节点会在约一分钟内连接。",
)


@remedy("KE105", touches=DEPLOYMENT)
def cloudcore_service(
    verdict: Verdict,
    workload: CloudcoreWorkload,
    cloud: CloudNodes | Unavailable,
    nodes: SiteNodes | Unavailable,
    archives: EveryHost[ImageArchives],
) -> Plan | NoPlan:
    """What the Deployment lacks: replicas, a toleration, or a strategy that can finish on one node."""
    deployment = workload.deployment
    if deployment is None:
        return NoPlan(_NOT_INSTALLED)
    if verdict.status is Status.WARN and "pod/" not in verdict.subject:
        return _patch(verdict, _STUCK, EDGES_RECONNECT, PatchObject(CLOUDCORE_DEPLOYMENT, "merge", _RECREATE))
    if not workload.pods:
        if deployment.spec.replicas:
            return NoPlan(_NO_PODS)
        one = PatchObject(CLOUDCORE_DEPLOYMENT, "merge", {"spec": {"replicas": 1}})
        return _patch(verdict, _SCALE, _PREDICTED, one)
    waiting = [pod for pod in workload.pods if not is_ready(pod)]
    pod = next((one for one in waiting if verdict.subject.endswith(one.metadata.name)), waiting[0])
    reason = str(trouble(pod))
    if "taint" in reason:
        return _tolerate(verdict, workload, cloud)
    if "free ports" in reason:
        return NoPlan(_PORTS)
    image = image_for(pod, archives, nodes)
    if isinstance(image, NoPlan):
        return image
    if image is not None:
        return _patch(verdict, imported(image), _PREDICTED, image)
    return NoPlan(_look(pod.metadata.name))


def _tolerate(
    verdict: Verdict, workload: CloudcoreWorkload, cloud: CloudNodes | Unavailable
) -> Plan | NoPlan:
    spec = workload.deployment.spec.template.spec if workload.deployment else None
    taints = () if isinstance(cloud, Unavailable) else tuple(t for host in cloud.hosts for t in host.taints)
    lacking = tolerations_for(taints, spec.tolerations if spec else None)
    if not lacking:
        return NoPlan(_TAINT)
    place = "/spec/template/spec/tolerations"
    patch: list[dict[str, Any]]
    if spec is not None and spec.tolerations:
        patch = [{"op": "add", "path": f"{place}/-", "value": one} for one in lacking]
    else:
        patch = [{"op": "add", "path": place, "value": list(lacking)}]
    names = ", ".join(f"{one['key']}:{one['effect']}" for one in lacking)
    title = Text(
        f"let cloudcore tolerate {names}, the taint of the API-server host",
        zh=f"使 cloudcore 容忍 API 服务器主机的污点 {names}",
    )
    return _patch(verdict, title, _PREDICTED, PatchObject(CLOUDCORE_DEPLOYMENT, "json", patch))


def _patch(verdict: Verdict, title: Text, prediction: Text, action: PatchObject | ImportImage) -> Plan:
    return Plan(
        code=verdict.code,
        subject=verdict.subject,
        title=title,
        prediction=prediction,
        risk=Risk.RESTARTS_CLOUDCORE,
        actions=(action,),
        settle=AFTER_CLOUDCORE,
    )


_STUCK = Text(
    "give the cloudcore Deployment the strategy Recreate: Kubernetes then stops the old pod before it starts the new "
    "one, so this rollout and all later ones can finish on one node",
    zh="将 cloudcore Deployment 的更新策略改为 Recreate：Kubernetes 会先停止旧 Pod 再启动新 Pod，"
    "本次及以后的更新在单节点上都能完成",
)
_SCALE = Text("scale the cloudcore Deployment to one replica", zh="将 cloudcore Deployment 的副本数设为 1")
_NOT_INSTALLED = Text(
    "namespace kubeedge has no cloudcore Deployment to repair; install it with keadm init --advertise-address=<address "
    "that edges dial> --kubeedge-version=v1.22.0, or run kedoctor where cloudcore runs as a binary",
    zh="命名空间 kubeedge 中没有可修复的 cloudcore Deployment；请用 keadm init --advertise-address=<边缘节点所连地址> "
    "--kubeedge-version=v1.22.0 安装；若以二进制方式运行，请在其所在主机运行 kedoctor",
)
_NO_PODS = Text(
    "the Deployment wants a pod but has none; its ReplicaSet says why: kubectl -n kubeedge describe replicaset",
    zh="Deployment 需要 Pod 却没有；原因见其 ReplicaSet：kubectl -n kubeedge describe replicaset",
)
_PORTS = Text(
    "another process holds a port of cloudcore, and stopping it is your decision; find it on the cloud host: "
    "sudo ss -tlnp '( sport = :10000 or sport = :10002 or sport = :10003 or sport = :10004 )'",
    zh="有其他进程占用 cloudcore 的端口，是否停止由您决定；请在云端主机查找："
    "sudo ss -tlnp '( sport = :10000 or sport = :10002 or sport = :10003 or sport = :10004 )'",
)
_TAINT = Text(
    "which node cloudcore may run on in spite of its taint is yours to say; add a toleration: "
    "kubectl -n kubeedge edit deployment cloudcore",
    zh="cloudcore 可在哪个带污点的节点运行需由您决定；请添加容忍：kubectl -n kubeedge edit deployment cloudcore",
)


def _look(pod: str) -> Text:
    return Text(
        f"why {pod} does not run is in its own last words, and no change of Kubernetes objects helps: "
        f"kubectl -n kubeedge logs {pod} --previous --tail=20",
        zh=f"{pod} 无法运行的原因见其最后的日志，修改 Kubernetes 对象无济于事："
        f"kubectl -n kubeedge logs {pod} --previous --tail=20",
    )
