"""Iptables-manager: the one that writes the diversion on every API-server host (facts.md §3.4)."""

from __future__ import annotations

from collections.abc import Iterator

from kedoctor.api import (
    Certainty,
    Evidence,
    Finding,
    Risk,
    Side,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    skipped,
    unknown,
    warned,
)
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.dnat.release_words import framework, release_of, rights
from kedoctor.checks.facts.cloud.acting_rules import ActingRules
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreWorkload
from kedoctor.checks.facts.cluster.iptables_manager import IptablesManager
from kedoctor.checks.facts.cluster.nodes import ApiServerHost, CloudNodes
from kedoctor.checks.parsers.kubernetes import Taint
from kedoctor.checks.parsers.kubernetes.pod_health import Trouble, tolerates, trouble
from kedoctor.checks.parsers.releases import Release

__all__ = ["iptables_manager"]

_SHOW = "kubectl -n kubeedge get daemonset,pods -l kubeedge=iptables-manager -o wide"


@check(
    code="KE307",
    slug="iptables-manager",
    title=Text(
        "iptables-manager runs on every API-server host", zh="每台 API 服务器主机上都有 iptables-manager"
    ),
    side=Side.SITE,
    breaks=ALL_STREAMS,
    hop="diversion",
    explained_by=("KE107", "KE113", "KE302", "KE306"),
    remedy=Text(
        "Give the DaemonSet the toleration, memory limit or right that it lacks.",
        zh="为该 DaemonSet 补上所缺的容忍、内存限制或权限。",
    ),
    risk=Risk.SAFE,
    references=("facts.md §1.3", "facts.md §3.4", "facts.md §5.3", "facts.md §10 (13, 15, 16)"),
)
def iptables_manager(
    manager: IptablesManager,
    cloud: CloudNodes,
    acting: ActingRules,
    *,
    workload: CloudcoreWorkload | Unavailable,
) -> Iterator[Finding]:
    """A ready pod of the DaemonSet on each host that runs kube-apiserver, and that it may read what it needs."""
    if manager.daemonset is None:
        yield skipped(
            Text(
                "There is no DaemonSet of iptables-manager; whether there should be one is judged by KE107.",
                zh="没有 iptables-manager 的 DaemonSet；是否应有由 KE107 判断。",
            )
        )
        return
    for host in cloud.hosts:
        yield _on_host(manager, host, cloud, acting.on(host.node), release=release_of(workload))


def _on_host(
    manager: IptablesManager,
    host: ApiServerHost,
    cloud: CloudNodes,
    instead: bool | None,
    *,
    release: Release | None,
) -> Finding:
    if not host.node:
        return unknown(
            Text(
                f"kube-apiserver runs at {host.address}, which is not a node of this cluster: no DaemonSet gets there, "
                "and its rules cannot be seen from here.",
                zh=f"kube-apiserver 位于 {host.address}，不是本集群节点：DaemonSet 无法部署到那里，也无法从此处查看其规则。",
            ),
            subject=host.address,
            hint=Text("Run kedoctor on that host.", zh="请在该主机上运行 kedoctor。"),
        )
    if host.lost and manager.on(host.node) and instead is None:
        return unknown(
            Text(
                f"Whether iptables-manager works on {host.node} is unknown: its Node no longer reports. The rules it made "
                "there stay as they are.",
                zh=f"无法得知 {host.node} 上的 iptables-manager 是否工作：该节点已不再上报。它写入的规则会保持不变。",
            ),
            subject=host.node,
            hint=Text("Run kedoctor on that host.", zh="请在该主机上运行 kedoctor。"),
            commands=(f"kubectl describe node {host.node}",),
        )
    if not manager.ready_on(host.node):
        return _absent(manager, host, cloud, instead)
    complaint = manager.complaint_on(host.node)
    if complaint:
        tell = _forbidden if "is forbidden" in complaint else _unable
        return tell(host, complaint, release)
    killed = _out_of_memory(manager, host)
    if killed is not None:
        return killed
    return passed(
        Text(
            f"iptables-manager is ready on {host.node}, which runs kube-apiserver.",
            zh=f"iptables-manager 在运行 kube-apiserver 的 {host.node} 上就绪。",
        ),
        subject=host.node,
    )


def _absent(
    manager: IptablesManager, host: ApiServerHost, cloud: CloudNodes, instead: bool | None
) -> Finding:
    why, hint, commands = _why_absent(manager, host)
    summary = Text(
        f"iptables-manager does not work on {host.node}, which runs kube-apiserver: {why.en}.",
        zh=f"运行 kube-apiserver 的 {host.node} 上没有可用的 iptables-manager：{why.zh}。",
    )
    expected = Text(
        f"a ready pod of DaemonSet {manager.name} on {host.node}",
        zh=f"{host.node} 上有 DaemonSet {manager.name} 的就绪 Pod",
    )
    evidence = (
        Evidence(f"daemonset/kubeedge/{manager.name}", _counts(manager)),
        Evidence("API-server hosts", f"{', '.join(cloud.names)} (known from {cloud.known_from})"),
    )
    if not instead:
        return failed(
            summary,
            expected=expected,
            actual=why,
            hint=hint,
            subject=host.node,
            evidence=evidence,
            commands=commands,
            certainty=Certainty.IMPLIED if instead is None else Certainty.PROVED,
            root=not manager.on(host.node),  # what keeps a pod away is in the DaemonSet or the node itself
        )
    return warned(
        Text(
            f"{summary.en} A rule that nothing maintains works there: it will not follow the next port change.",
            zh=f"{summary.zh}该处起作用的规则无人维护，它不会跟随下一次端口变化。",
        ),
        expected=expected,
        actual=why,
        hint=hint,
        subject=host.node,
        evidence=evidence,
        commands=commands,
        breaks=(),
        hop="",
    )


Reasoned = tuple[Text, Text, tuple[str, ...]]


def _why_absent(manager: IptablesManager, host: ApiServerHost) -> Reasoned:
    for pod in manager.on(host.node):
        reason = trouble(pod)
        if reason is not None:
            return _of_pod(pod.metadata.name, reason, out_of_memory="OOMKilled" in str(reason))
    spec = manager.daemonset.spec.template.spec if manager.daemonset else None
    selector = (spec.node_selector or {}) if spec else {}
    if selector:
        return _of_selector(
            manager.name, ", ".join(f"{key}={value}" for key, value in sorted(selector.items()))
        )
    tolerations = spec.tolerations if spec else None
    blocking = [taint for taint in host.taints if _keeps_away(taint) and not tolerates(tolerations, taint)]
    if blocking:
        return _of_taints(manager.name, ", ".join(f"{taint.key}:{taint.effect}" for taint in blocking))
    return (
        Text("no pod of it was scheduled there", zh="没有 Pod 调度到该处"),
        Text(
            f"Look at the node affinity of DaemonSet {manager.name}; the hand-applied manifest wants both the master "
            "and the control-plane label.",
            zh=f"请检查 DaemonSet {manager.name} 的节点亲和性；手工清单同时要求 master 和 control-plane 标签。",
        ),
        (
            _SHOW,
            f"kubectl -n kubeedge get daemonset {manager.name} -o jsonpath='{{.spec.template.spec.affinity}}'",
        ),
    )


def _keeps_away(taint: Taint) -> bool:
    # A DaemonSet's pods tolerate by themselves what Kubernetes says of a node's health.
    return taint.effect != "PreferNoSchedule" and not taint.key.startswith("node.kubernetes.io/")


def _of_pod(pod: str, reason: Trouble, *, out_of_memory: bool) -> Reasoned:
    if out_of_memory:
        return (
            Text(f"pod {pod} was killed for lack of memory", zh=f"Pod {pod} 因内存不足被终止"),
            _MORE_MEMORY,
            (_SHOW, _RAISE_LIMIT),
        )
    return (
        Text(f"pod {pod}: {reason}", zh=f"Pod {pod}：{reason.in_chinese}"),
        Text("Look at the pod and its log.", zh="请查看该 Pod 及其日志。"),
        (f"kubectl -n kubeedge describe pod {pod}", f"kubectl -n kubeedge logs {pod} --tail=50"),
    )


def _of_selector(name: str, selector: str) -> Reasoned:
    return (
        Text(
            f"DaemonSet {name} only selects nodes with {selector}, and has no pod there",
            zh=f"DaemonSet {name} 只选择带 {selector} 的节点，该处没有 Pod",
        ),
        Text("Take the nodeSelector away, or label that node.", zh="去掉 nodeSelector，或为该节点加标签。"),
        (f"kubectl -n kubeedge edit daemonset {name}", _SHOW),
    )


def _of_taints(name: str, taints: str) -> Reasoned:
    return (
        Text(f"it does not tolerate the taint {taints}", zh=f"它不容忍污点 {taints}"),
        Text(
            "Add a toleration for the control plane to the DaemonSet; the chart sets none.",
            zh="为该 DaemonSet 添加控制面容忍；chart 默认不设置。",
        ),
        (f"kubectl -n kubeedge patch daemonset {name} --type merge -p '{_TOLERATE}'",),
    )


_TOLERATE = '{"spec":{"template":{"spec":{"tolerations":[{"operator":"Exists"}]}}}}'
_MORE_MEMORY = Text(
    "Raise its memory limit (the chart gives 50Mi, and it caches every ConfigMap and pod of the cluster).",
    zh="提高其内存限制（chart 默认 50Mi，而它会缓存集群中所有 ConfigMap 和 Pod）。",
)
_RAISE_LIMIT = "kubectl -n kubeedge set resources daemonset cloud-iptables-manager --limits=memory=200Mi"


def _counts(manager: IptablesManager) -> str:
    if manager.daemonset is None:
        return ""
    status = manager.daemonset.status
    return f"desired {status.desired_number_scheduled}, ready {status.number_ready}"


def _forbidden(host: ApiServerHost, line: str, release: Release | None) -> Finding:
    return failed(
        Text(
            f"iptables-manager on {host.node} may not read what it makes rules from, so it makes none.",
            zh=f"{host.node} 上的 iptables-manager 无权读取生成规则所需的对象，因此不生成任何规则。",
        ),
        expected=rights(release),
        actual=line,
        hint=Text(
            "Restore the ClusterRole and ClusterRoleBinding of the chart for iptables-manager-sa.",
            zh="恢复 chart 中 iptables-manager-sa 的 ClusterRole 与 ClusterRoleBinding。",
        ),
        subject=host.node,
        evidence=(Evidence(f"log of iptables-manager on {host.node}", line),),
        commands=(
            "kubectl auth can-i list configmaps -A --as=system:serviceaccount:kubeedge:iptables-manager-sa",
            "kubectl get clusterrole,clusterrolebinding | grep iptables-manager",
        ),
    )


def _unable(host: ApiServerHost, line: str, release: Release | None) -> Finding:
    can = framework(release)
    return failed(
        Text(
            f"iptables-manager on {host.node} cannot write its rules: {line}",
            zh=f"{host.node} 上的 iptables-manager 无法写入规则：{line}",
        ),
        expected=Text("no error in its log", zh="日志中没有错误"),
        actual=line,
        hint=Text(
            "Invalid port: the record has an IPv6 address (KE302). Table does not exist: this kernel lacks its image's "
            f"backend; {can.en}.",
            zh="invalid port：记录中有 IPv6 地址（KE302）。Table does not exist：本内核没有其镜像所用的后端；"
            f"{can.zh}。",
        ),
        subject=host.node,
        evidence=(Evidence(f"log of iptables-manager on {host.node}", line),),
        commands=(
            "kubectl -n kubeedge logs daemonset/cloud-iptables-manager --tail=20",
            f"sudo iptables-legacy-save -t nat; sudo iptables-nft-save -t nat  # on {host.node}",
        ),
    )


def _out_of_memory(manager: IptablesManager, host: ApiServerHost) -> Finding | None:
    for pod in manager.on(host.node):
        for status in pod.status.container_statuses or ():
            ended = status.last_state.terminated
            if ended is not None and ended.reason == "OOMKilled":
                return warned(
                    Text(
                        f"iptables-manager on {host.node} runs, but was killed for lack of memory before "
                        f"({status.restart_count} restarts).",
                        zh=f"{host.node} 上的 iptables-manager 在运行，但曾因内存不足被终止（重启 {status.restart_count} 次）。",
                    ),
                    expected=Text("no container killed for lack of memory", zh="没有容器因内存不足被终止"),
                    actual="OOMKilled",
                    hint=_MORE_MEMORY,
                    subject=host.node,
                    commands=(_RAISE_LIMIT,),
                    breaks=(),
                    hop="",
                )
    return None
