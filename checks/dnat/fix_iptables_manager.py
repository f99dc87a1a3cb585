"""Getting iptables-manager to work on every API-server host, and only one of it (KE107, KE307).

It writes the diversion within 10 s and follows every change of the tunnel port (facts.md §3.4), so everything about
the diversion is best repaired by making it work.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kedoctor.api import (
    ApplyObject,
    EveryHost,
    ImportImage,
    NoPlan,
    PatchObject,
    Plan,
    RestartPods,
    Risk,
    Text,
    Unavailable,
    Verdict,
    remedy,
)
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreConfig, CloudcoreWorkload
from kedoctor.checks.facts.cluster.images import ImageArchives
from kedoctor.checks.facts.cluster.iptables_manager import IptablesManager
from kedoctor.checks.facts.cluster.metrics import MetricsAccess
from kedoctor.checks.facts.cluster.nodes import ApiServerHost, CloudNodes, SiteNodes
from kedoctor.checks.parsers.kubernetes import DaemonSet, Pod
from kedoctor.checks.parsers.kubernetes.pod_health import selector_of, trouble
from kedoctor.checks.parsers.releases import Trait, has, parse
from kedoctor.checks.plans.cloudcore import (
    AFTER_CLOUD,
    AFTER_CLOUDCORE,
    edit_cloudcore,
    noticed,
    off_the_edge,
    put,
    restart_cloudcore,
    risk_of,
    tolerations_for,
)
from kedoctor.checks.plans.images import image_for, imported
from kedoctor.checks.plans.touches import CONFIGURATION, MANAGER, MANAGER_RIGHTS

__all__ = ["iptables_manager", "iptables_manager_mode", "restart_manager"]

_MODE = "modules.iptablesManager.mode"
_MEMORY = "200Mi"
_RBAC = "rbac.authorization.k8s.io"
_TEMPLATE = "/spec/template/spec"

_PREDICTED = Text(
    "Only iptables-manager restarts: rules stay in the kernel meanwhile, and edges notice nothing.",
    zh="只有 iptables-manager 会重启：期间内核中的规则保持不变，边缘节点不受影响。",
)


@remedy("KE107", touches=CONFIGURATION)
def iptables_manager_mode(
    verdict: Verdict, config: CloudcoreConfig, manager: IptablesManager, workload: CloudcoreWorkload
) -> Plan | NoPlan:
    """Mode external where the DaemonSet exists; without it there is nobody to leave the rules to."""
    if manager.daemonset is None:
        return NoPlan(_NO_DAEMONSET)
    restarts = restart_cloudcore(workload)
    return Plan(
        code=verdict.code,
        subject=verdict.subject,
        title=Text(
            f"set modules.iptablesManager.mode to external, so that DaemonSet {manager.name} alone writes the rules",
            zh=f"将 modules.iptablesManager.mode 设为 external，仅由 DaemonSet {manager.name} 写规则",
        ),
        prediction=noticed(restarts),
        risk=risk_of(restarts),
        actions=(edit_cloudcore(put(config, _MODE, "external")),),
        restarts=restarts,
        settle=AFTER_CLOUDCORE,
    )


_NO_DAEMONSET = Text(
    "the DaemonSet cloud-iptables-manager belongs to the chart, and one made by hand would be in the way of its next "
    "upgrade; let Helm make it: helm -n kubeedge upgrade cloudcore <chart cloudcore of your version> --reuse-values "
    "--set iptablesManager.enable=true --set iptablesManager.mode=external",
    zh="DaemonSet cloud-iptables-manager 属于 chart，手工创建会妨碍以后升级；请由 Helm 创建：helm -n kubeedge upgrade "
    "cloudcore <对应版本的 cloudcore chart> --reuse-values --set iptablesManager.enable=true "
    "--set iptablesManager.mode=external",
)


# ------------------------------------------------------------------------------- the DaemonSet on each host


@remedy("KE307", touches=(*MANAGER, *MANAGER_RIGHTS))
def iptables_manager(
    verdict: Verdict,
    manager: IptablesManager,
    cloud: CloudNodes,
    *,
    access: MetricsAccess | Unavailable,
    nodes: SiteNodes | Unavailable,
    archives: EveryHost[ImageArchives],
) -> Plan | NoPlan:
    """What the DaemonSet lacks there: memory, a right, a toleration, the other image, or a node affinity that fits."""
    host = next((one for one in cloud.hosts if one.node == verdict.subject), None)
    daemonset = manager.daemonset
    if host is None or daemonset is None:
        return NoPlan(_ELSEWHERE)
    pod = next((pod for pod in manager.on(host.node) if trouble(pod) is not None), None)
    complaint = manager.complaint_on(host.node)
    if "is forbidden" in complaint:
        return _rights(verdict, daemonset, access)
    if "iptables table" in complaint or "Table does not exist" in complaint:
        return _other_backend(verdict, daemonset)
    if complaint:
        return NoPlan(_complains(complaint))
    if _killed(manager, host):
        return _memory(verdict, daemonset)
    if pod is None:
        return _scheduling(verdict, daemonset, cloud)
    image = image_for(pod, archives, nodes)
    return _imported(verdict, image) if isinstance(image, ImportImage) else image or NoPlan(_last_words(pod))


def _killed(manager: IptablesManager, host: ApiServerHost) -> bool:
    """Whether a container of it there ended for lack of memory, now or before."""
    statuses = [one for pod in manager.on(host.node) for one in pod.status.container_statuses or ()]
    ended = [state.terminated for one in statuses for state in (one.state, one.last_state)]
    return any(one is not None and one.reason == "OOMKilled" for one in ended)


def _path(daemonset: DaemonSet) -> str:
    return f"/apis/apps/v1/namespaces/kubeedge/daemonsets/{daemonset.metadata.name}"


def _patched(verdict: Verdict, daemonset: DaemonSet, title: Text, patch: Sequence[dict[str, Any]]) -> Plan:
    return Plan(
        code=verdict.code,
        subject=verdict.subject,
        title=title,
        prediction=_PREDICTED,
        risk=Risk.SAFE,
        actions=(PatchObject(_path(daemonset), "json", list(patch)),),
        settle=AFTER_CLOUD,
    )


def _container(daemonset: DaemonSet) -> int:
    containers = daemonset.spec.template.spec.containers
    return next((place for place, one in enumerate(containers) if "iptables-manager" in one.image), 0)


def _memory(verdict: Verdict, daemonset: DaemonSet) -> Plan:
    place = _container(daemonset)
    container = daemonset.spec.template.spec.containers[place]
    limits = dict(container.resources.limits or {})
    where = f"{_TEMPLATE}/containers/{place}/resources"
    patch: list[dict[str, Any]]
    if limits:
        patch = [{"op": "add", "path": f"{where}/limits/memory", "value": _MEMORY}]
    else:
        patch = [{"op": "add", "path": f"{where}/limits", "value": {"memory": _MEMORY}}]
    before = limits.get("memory", "none")
    title = Text(
        f"raise the memory limit of iptables-manager from {before} to {_MEMORY}",
        zh=f"将 iptables-manager 的内存限制从 {before} 提高到 {_MEMORY}",
    )
    return _patched(verdict, daemonset, title, patch)


_ONE_IMAGE = Text(
    "KubeEdge before v1.21 has iptables-manager for one backend only (versions.md §4); switch this host to that backend, or upgrade",
    zh="v1.21 之前的 KubeEdge 只有一种后端的 iptables-manager（versions.md §4）；请将本机切换到该后端，或升级",
)
_UNKNOWN_RELEASE = Text(
    "whether there is an image of iptables-manager for the other backend in this release is unknown",
    zh="无法得知该版本是否有另一种后端的 iptables-manager 镜像",
)


def _other_backend(verdict: Verdict, daemonset: DaemonSet) -> Plan | NoPlan:
    """The image of the other backend, which is what the chart's ``iptablesManager.framework`` changes."""
    place = _container(daemonset)
    image = daemonset.spec.template.spec.containers[place].image
    name, colon, tag = image.rpartition(":")
    if not name.endswith(("/iptables-manager", "/iptables-manager-nft")):
        return NoPlan(_complains(f"image {image}"))
    exists = has(parse(tag), Trait.MANAGER_FRAMEWORK)
    if not exists:
        return NoPlan(_ONE_IMAGE if exists is False else _UNKNOWN_RELEASE)
    other = name.removesuffix("-nft") if name.endswith("-nft") else f"{name}-nft"
    patch = [
        {"op": "replace", "path": f"{_TEMPLATE}/containers/{place}/image", "value": f"{other}{colon}{tag}"}
    ]
    title = Text(
        f"give iptables-manager the image {other}{colon}{tag}: this kernel has no table for {image}",
        zh=f"将 iptables-manager 的镜像换为 {other}{colon}{tag}：本内核没有 {image} 所用的表",
    )
    return _patched(verdict, daemonset, title, patch)


def _scheduling(verdict: Verdict, daemonset: DaemonSet, cloud: CloudNodes) -> Plan | NoPlan:
    """Why no pod was scheduled there, in the order in which the scheduler says no."""
    spec = daemonset.spec.template.spec
    if spec.node_selector:
        told = ", ".join(f"{key}={value}" for key, value in sorted(spec.node_selector.items()))
        title = Text(
            f"take the nodeSelector {told} of the DaemonSet away; its affinity keeps it off edges",
            zh=f"去掉该 DaemonSet 的 nodeSelector {told}；其亲和性已避开边缘节点",
        )
        patch = [{"op": "remove", "path": f"{_TEMPLATE}/nodeSelector"}]
        return _patched(verdict, daemonset, title, [*patch, *_keep_off(spec.affinity)])
    lacking = tolerations_for((taint for host in cloud.hosts for taint in host.taints), spec.tolerations)
    if lacking:
        names = ", ".join(f"{one['key']}:{one['effect']}" for one in lacking)
        title = Text(
            f"let iptables-manager tolerate {names}, the taint of the API-server hosts",
            zh=f"使 iptables-manager 容忍 API 服务器主机的污点 {names}",
        )
        place = f"{_TEMPLATE}/tolerations"
        each: list[dict[str, Any]] = [{"op": "add", "path": f"{place}/-", "value": one} for one in lacking]
        whole: list[dict[str, Any]] = [{"op": "add", "path": place, "value": list(lacking)}]
        return _patched(verdict, daemonset, title, each if spec.tolerations else whole)
    if "node-role.kubernetes.io/master" in str(spec.affinity):
        title = Text(
            "let the DaemonSet run on every node that is not an edge; its affinity asks for the label master, which "
            "newer clusters do not have",
            zh="使该 DaemonSet 在所有非边缘节点上运行；其亲和性要求 master 标签，而新集群没有该标签",
        )
        affinity = {"nodeAffinity": _required(off_the_edge())}
        return _patched(
            verdict, daemonset, title, [{"op": "add", "path": f"{_TEMPLATE}/affinity", "value": affinity}]
        )
    return NoPlan(_UNPLACED)


def _required(term: dict[str, object]) -> dict[str, Any]:
    return {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}


def _keep_off(affinity: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Without a selector the pods would go to edges, too, unless an affinity keeps them off."""
    if affinity:
        return []
    return [
        {"op": "add", "path": f"{_TEMPLATE}/affinity", "value": {"nodeAffinity": _required(off_the_edge())}}
    ]


def _imported(verdict: Verdict, action: ImportImage) -> Plan:
    return Plan(
        code=verdict.code,
        subject=verdict.subject,
        title=imported(action),
        prediction=_PREDICTED,
        risk=Risk.SAFE,
        actions=(action,),
        settle=AFTER_CLOUD,
    )


def _last_words(pod: Pod) -> Text:
    name = pod.metadata.name
    return Text(
        f"why {name} does not run is in its own last words: kubectl -n kubeedge logs {name} --previous --tail=50",
        zh=f"{name} 无法运行的原因见其最后的日志：kubectl -n kubeedge logs {name} --previous --tail=50",
    )


def _complains(line: str) -> Text:
    return Text(
        f"iptables-manager says why it writes no rule, and that has to be put right where it arises: {line}",
        zh=f"iptables-manager 已说明其不写规则的原因，需从源头处理：“{line}”",
    )


_ELSEWHERE = Text(
    "no DaemonSet gets to that host, because it is not a node of this cluster; run kedoctor there, which can keep a rule "
    "of its own (KE303)",
    zh="该主机不是本集群节点，DaemonSet 无法部署到那里；请在该主机运行 kedoctor，它可维护自己的规则（KE303）",
)
_UNPLACED = Text(
    "neither a taint nor a selector explains why no pod of the DaemonSet is there; ask the scheduler: "
    "kubectl -n kubeedge describe daemonset cloud-iptables-manager",
    zh="污点和选择器都无法解释该处为何没有 Pod；请查看调度事件：kubectl -n kubeedge describe daemonset cloud-iptables-manager",
)


# -------------------------------------------------------------------------------------------------- rights


def _rights(verdict: Verdict, daemonset: DaemonSet, access: MetricsAccess | Unavailable) -> Plan | NoPlan:
    """The chart's rule in the ClusterRole its account is bound to; where it is bound to none, a role and binding.

    These then have a name of kedoctor's: the chart refuses to adopt objects of its own names that it did not make.
    """
    if isinstance(access, Unavailable):
        return NoPlan(_UNSEEN)
    account = daemonset.spec.template.spec.service_account_name or "default"
    rule = {"apiGroups": [""], "resources": ["pods", "configmaps"], "verbs": _VERBS}
    bound = {
        binding.role_ref.name
        for binding in access.cluster_role_bindings
        if any((s.kind, s.name, s.namespace) == _subject(account) for s in binding.subjects or ())
    }
    role = next((one for one in access.cluster_roles if one.metadata.name in bound), None)
    if role is None:
        actions: tuple[ApplyObject | PatchObject, ...] = _own_role(account, rule)
    else:
        path = f"/apis/{_RBAC}/v1/clusterroles/{role.metadata.name}"
        whole = {"op": "add", "path": "/rules", "value": [rule]}
        more = {"op": "add", "path": "/rules/-", "value": rule}
        actions = (PatchObject(path, "json", [more if role.rules else whole]),)
    return Plan(
        code=verdict.code,
        subject=verdict.subject,
        title=Text(
            f"give {account} the right to read pods and to read and update configmaps, as the chart does",
            zh=f"按 chart 的设置，授予 {account} 读取 pods、读取和更新 configmaps 的权限",
        ),
        prediction=_PREDICTED,
        risk=Risk.SAFE,
        actions=actions,
        restarts=(restart_manager(daemonset),),
        settle=AFTER_CLOUD,
    )


_VERBS = ["get", "list", "watch", "update"]
_UNSEEN = Text(
    "roles and bindings could not be read, so what iptables-manager is allowed to do is unknown",
    zh="未能读取角色与绑定，无法得知 iptables-manager 的权限",
)


def _subject(account: str) -> tuple[str, str, str]:
    return ("ServiceAccount", account, "kubeedge")


def _own_role(account: str, rule: dict[str, Any]) -> tuple[ApplyObject, ...]:
    name = "kedoctor:iptables-manager"
    role = {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": [rule],
    }
    binding = {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": "kubeedge"}],
    }
    return (
        ApplyObject(f"/apis/{_RBAC}/v1/clusterroles/{name}", role),
        ApplyObject(f"/apis/{_RBAC}/v1/clusterrolebindings/{name}", binding),
    )


def restart_manager(daemonset: DaemonSet) -> RestartPods:
    """The restart of all pods of the DaemonSet."""
    return RestartPods("kubeedge", selector_of(daemonset.spec.selector))
