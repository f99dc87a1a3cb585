"""Cloudcore as a workload: does it run, and if not, why (facts.md §1.3, §10).

Where several are wanted, each is judged by itself: one that is down breaks the edges that hang on it and no others.
"""

from __future__ import annotations

from collections.abc import Iterator

from kedoctor.api import (
    Evidence,
    Finding,
    Reason,
    Side,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    replace,
    warned,
)
from kedoctor.checks.cloudcore.replicas import for_edges, no_place
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.cloud.cloudcore import NAMESPACE, CloudcoreWorkload
from kedoctor.checks.facts.cloud.cloudcore_log import CloudcoreLog
from kedoctor.checks.facts.cloud.cloudcores import Cloudcores
from kedoctor.checks.facts.cluster.nodes import EdgeNodes, SiteNodes
from kedoctor.checks.facts.cluster.site_info import SiteTime
from kedoctor.checks.parsers.kubernetes import Pod
from kedoctor.checks.parsers.kubernetes.pod_health import Trouble, is_ready, keeps_dying, last_exit, trouble

__all__ = ["cloudcore_running"]

_SUBJECT = "deployment/kubeedge/cloudcore"
_EXPECTED = Text(
    "one ready pod with the label kubeedge=cloudcore", zh="一个带标签 kubeedge=cloudcore 的就绪 Pod"
)
_NO_TIME = Unavailable(Reason.NOT_RECORDED, "the time")
_ONE = Cloudcores()
_NOT_READ = Unavailable(Reason.NOT_RECORDED, "nodes")
_PODS = "kubectl -n kubeedge get pods -l kubeedge=cloudcore -o wide"


@check(
    code="KE105",
    slug="cloudcore-running",
    title=Text("cloudcore runs", zh="cloudcore 在运行"),
    side=Side.SITE,
    breaks=(*ALL_STREAMS, "ready"),
    hop="stream",
    explained_by=("KE103", "KE108", "KE113", "KE501", "KE932"),
    references=("facts.md §1.3", "facts.md §5.2", "facts.md §9 (11, 22)", "facts.md §10 (35-37)"),
)
def cloudcore_running(
    workload: CloudcoreWorkload,
    log: CloudcoreLog | Unavailable,
    time: SiteTime | Unavailable = _NO_TIME,
    *,
    cloudcores: Cloudcores = _ONE,
    nodes: SiteNodes | Unavailable = _NOT_READ,
    edges: EdgeNodes | Unavailable = _NOT_READ,
) -> Iterator[Finding]:
    """A ready pod of cloudcore; otherwise the reason of the newest one. Where several are wanted, each of them.

    There is no probe, so ready means started; one that ends soon after each start does not run.
    """
    if _several(workload):
        yield from _each(workload, log, time, cloudcores, nodes=nodes, edges=edges)
    else:
        yield _only(workload, log, time)


def _several(workload: CloudcoreWorkload) -> bool:
    wanted = workload.deployment.spec.replicas if workload.deployment is not None else 0
    return (wanted or 0) > 1 and len(workload.pods) > 1


def _each(
    workload: CloudcoreWorkload,
    log: CloudcoreLog | Unavailable,
    time: SiteTime | Unavailable,
    cloudcores: Cloudcores,
    *,
    nodes: SiteNodes | Unavailable,
    edges: EdgeNodes | Unavailable,
) -> Iterator[Finding]:
    """One finding for each pod, for each edge on it where it is down."""
    if not any(is_ready(pod) for pod in workload.pods):
        yield _not_ready(workload.pods[0], _last_words(workload.pods[0], log))
        return
    for pod in workload.pods:
        subject = f"pod/{NAMESPACE}/{pod.metadata.name}"
        dying = not isinstance(time, Unavailable) and keeps_dying(pod, time.now)
        if is_ready(pod) and not dying:
            yield replace(_runs(pod), subject=subject)
            continue
        if pod.metadata.deletion_timestamp is not None:  # its successor is judged
            continue
        if not pod.spec.node_name:
            yield no_place(workload, pod, subject)
            continue
        found = _dying(pod, _last_words(pod, log)) if dying else _not_ready(pod, _last_words(pod, log))
        mine = cloudcores.of_pod(pod.metadata.name)
        users = mine.edges if mine is not None else ()
        yield from for_edges(replace(found, subject=subject), pod, users, nodes=nodes, edges=edges)


def _runs(pod: Pod) -> Finding:
    return passed(
        Text(
            f"{pod.metadata.name} runs on {pod.spec.node_name}.",
            zh=f"{pod.metadata.name} 在 {pod.spec.node_name} 上运行。",
        ),
        subject=_SUBJECT,
    )


def _only(
    workload: CloudcoreWorkload, log: CloudcoreLog | Unavailable, time: SiteTime | Unavailable
) -> Finding:
    ready = [pod for pod in workload.pods if is_ready(pod)]
    others = [pod for pod in workload.pods if not is_ready(pod)]
    if ready and others and (stuck := _stuck(others)) is not None:
        return _rollout_stuck(ready[0], *stuck)
    if ready and not isinstance(time, Unavailable) and keeps_dying(ready[0], time.now):
        return _dying(ready[0], _last_words(ready[0], log))
    if ready:
        return _runs(ready[0])
    if others:
        return _not_ready(others[0], _last_words(others[0], log))
    return _none(workload)


def _dying(pod: Pod, last_words: str) -> Finding:
    name, restarts = pod.metadata.name, sum(one.restart_count for one in pod.status.container_statuses or ())
    ended = next((exited for one in pod.status.container_statuses or () if (exited := last_exit(one))), "")
    told = f": {last_words}" if last_words else ""
    evidence = [Evidence(f"pod/{NAMESPACE}/{name}", f"last exit: {ended}, {restarts} restarts")]
    if last_words:
        evidence.append(Evidence(f"log of {name}", last_words))
    return failed(
        Text(
            f"cloudcore exits soon after each start: {name} was restarted {restarts} times{told}.",
            zh=f"cloudcore 每次启动后很快退出：{name} 已重启 {restarts} 次{told}。",
        ),
        expected=_EXPECTED,
        actual=f"last exit: {ended}",
        hint=_hint(Trouble("CrashLoopBackOff")),
        subject=_SUBJECT,
        evidence=tuple(evidence),
        commands=(f"kubectl -n {NAMESPACE} logs {name} --previous --tail=20", _PODS),
    )


def _last_words(pod: Pod, log: CloudcoreLog | Unavailable) -> str:
    found = None if isinstance(log, Unavailable) else log.of(pod.metadata.name)
    return found.last_words if found else ""


def _stuck(pods: list[Pod]) -> tuple[Pod, Trouble] | None:
    """A pod that cannot be scheduled while its predecessor holds the ports of the host."""
    for pod in pods:
        reason = trouble(pod)
        if reason is not None and "free ports" in reason.message:
            return pod, reason
    return None


def _rollout_stuck(running: Pod, pending: Pod, reason: Trouble) -> Finding:
    return warned(
        Text(
            f"A rollout of cloudcore is stuck: {pending.metadata.name} waits for ports that {running.metadata.name} holds.",
            zh=f"cloudcore 的滚动更新卡住：{pending.metadata.name} 等待被 {running.metadata.name} 占用的端口。",
        ),
        expected=Text("no pending pod beside the running one", zh="运行中的 Pod 旁没有 Pending 的 Pod"),
        actual=Text(str(reason), zh=reason.in_chinese),
        hint=Text(
            "Delete the old pod, as rollout restart can never finish on one node with hostNetwork; every edge reconnects.",
            zh="请删除旧 Pod：单节点 hostNetwork 下 rollout restart 永远无法完成；所有边缘节点将重新连接。",
        ),
        subject=_SUBJECT,
        evidence=(Evidence(f"pod/{NAMESPACE}/{pending.metadata.name}", str(reason)),),
        commands=(f"kubectl -n {NAMESPACE} delete pod {running.metadata.name}", _PODS),
        breaks=(),
    )


def _none(workload: CloudcoreWorkload) -> Finding:
    deployment = workload.deployment
    if deployment is None:
        actual, hint = (
            "no Deployment",
            "Install it with keadm init; a cloudcore outside the cluster is not seen here.",
        )
        hint_zh = "请用 keadm init 安装；运行在集群外的 cloudcore 在此不可见。"
    else:
        actual = f"replicas: {deployment.spec.replicas}"
        hint, hint_zh = "Scale it to one replica.", "将副本数设为 1。"
    return failed(
        Text(
            f"There is no pod of cloudcore in namespace {NAMESPACE} ({actual}).",
            zh=f"命名空间 {NAMESPACE} 中没有 cloudcore 的 Pod（{actual}）。",
        ),
        expected=_EXPECTED,
        actual=actual,
        hint=Text(hint, zh=hint_zh),
        subject=_SUBJECT,
        commands=(
            f"kubectl -n {NAMESPACE} get deployment,replicaset,pods",
            f"kubectl -n {NAMESPACE} scale deployment cloudcore --replicas=1",
        ),
    )


def _not_ready(pod: Pod, last_words: str) -> Finding:
    reason = trouble(pod) or Trouble("NotReady")
    name = pod.metadata.name
    evidence = [Evidence(f"pod/{NAMESPACE}/{name}", str(reason))]
    if last_words:
        evidence.append(Evidence(f"log of {name}", last_words))
    told = f": {last_words}" if last_words else ""
    told_zh = f"：“{last_words}”" if last_words else ""
    return failed(
        Text(
            f"cloudcore does not run: {name} is {reason}{told}.",
            zh=f"cloudcore 未运行：{name} 状态为 {reason.in_chinese}{told_zh}。",
        ),
        expected=_EXPECTED,
        actual=Text(str(reason), zh=reason.in_chinese),
        hint=_hint(reason),
        subject=_SUBJECT,
        evidence=tuple(evidence),
        commands=(
            f"kubectl -n {NAMESPACE} describe pod {name}",
            f"kubectl -n {NAMESPACE} logs {name} --previous --tail=20",
            _PODS,
        ),
    )


def _hint(reason: Trouble) -> Text:
    if "free ports" in reason.message:
        return Text(
            "Something else holds one of its ports on every node it may run on: find the owner of 10000-10004 there.",
            zh="其可用节点上有端口被占用：请在该节点上查找 10000-10004 的占用者。",
        )
    if "taint" in reason.message:
        return Text(
            "It tolerates no taint by default: add a toleration to the Deployment, or untaint a node.",
            zh="它默认不容忍任何污点：请为 Deployment 添加容忍，或去掉某节点的污点。",
        )
    if reason.reason == "CrashLoopBackOff":
        return Text(
            "Its last line says why it ended; mostly the configuration (KE103) or a port in use.",
            zh="最后一行日志说明退出原因；多为配置错误（KE103）或端口被占用。",
        )
    if reason.reason in ("ErrImageNeverPull", "ImagePullBackOff", "ErrImagePull"):
        return Text(
            "Import its image into the runtime of that node (namespace k8s.io).",
            zh="将其镜像导入该节点的运行时（命名空间 k8s.io）。",
        )
    return Text(
        "Describe the pod: its events say what it waits for.",
        zh="请 describe 该 Pod：事件会说明它在等待什么。",
    )
