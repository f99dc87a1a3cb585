"""Metrics-server's Deployment: its arguments, its pod and where it runs (KE602 to KE605, KE609).

K3s applies the manifest of its own metrics-server at every start and takes changed arguments back (k3s:
pkg/deploy/controller.go). HelmChartConfig is for charts and does not apply to it, and ``--disable=metrics-server``
would delete all nine objects and restart the API. So on a K3s server the one manifest of the Deployment is left out
with an empty ``.skip`` file beside it, which K3s looks for by name; its other objects stay K3s' own.
"""

from __future__ import annotations

from typing import Any

from kedoctor.api import (
    Action,
    EveryHost,
    NoPlan,
    PatchObject,
    Plan,
    Risk,
    Text,
    Unavailable,
    Verdict,
    WriteFile,
    remedy,
)
from kedoctor.checks.facts.cloud.apiserver_flags import ApiserverArguments
from kedoctor.checks.facts.cloud.cloud_host import HostAddresses
from kedoctor.checks.facts.cluster.images import ImageArchives
from kedoctor.checks.facts.cluster.metrics import MetricsServer
from kedoctor.checks.facts.cluster.nodes import CloudNodes, SiteNodes
from kedoctor.checks.metrics.facts_manifest import SKIP
from kedoctor.checks.parsers.kubernetes import Deployment, Pod
from kedoctor.checks.parsers.kubernetes.pod_health import trouble
from kedoctor.checks.plans.cloudcore import tolerations_for
from kedoctor.checks.plans.images import image_for, imported
from kedoctor.checks.plans.placement import on_api_hosts
from kedoctor.checks.plans.touches import METRICS_SERVER

__all__ = [
    "metrics_apiservice",
    "metrics_arguments",
    "metrics_placement",
    "metrics_pod",
    "metrics_resources",
]

_SETTLE = 120.0
"""Seconds until metrics-server is ready and has metrics: a probe that waits 20 s, two scrapes (facts.md §10.2)."""

_TEMPLATE = "/spec/template/spec"
_SYSTEM = "kubernetes.io/os"
_RECREATE = {"op": "add", "path": "/spec/strategy", "value": {"type": "Recreate"}}
_K3S_LABEL = "objectset.rio.cattle.io/hash"

_NOTICED = Text(
    "metrics-server restarts: kubectl top is away for about a minute; edges notice nothing.",
    zh="metrics-server 会重启：kubectl top 约一分钟不可用；边缘节点不受影响。",
)

Patch = list[dict[str, Any]]


def _path(deployment: Deployment) -> str:
    name = deployment.metadata
    return f"/apis/apps/v1/namespaces/{name.namespace}/deployments/{name.name}"


def _plan(
    verdict: Verdict,
    title: Text,
    *actions: Action,
    prediction: Text = _NOTICED,
) -> Plan:
    return Plan(
        code=verdict.code,
        subject=verdict.subject,
        title=title,
        prediction=prediction,
        risk=Risk.SAFE,
        actions=actions,
        settle=_SETTLE,
    )


def _deployed(server: MetricsServer) -> Deployment | NoPlan:
    if isinstance(server.deployment, Deployment):
        return server.deployment
    return NoPlan(
        Text(
            "metrics-server has no Deployment that was read; what makes its pods has to be changed there",
            zh="未读到 metrics-server 的 Deployment；需在创建其 Pod 的对象中修改",
        )
    )


# ------------------------------------------------------------------------------------------------ arguments


@remedy("KE603", touches=METRICS_SERVER)
def metrics_arguments(
    verdict: Verdict,
    server: MetricsServer,
    cloud: CloudNodes | Unavailable,
    apiservers: EveryHost[ApiserverArguments],
    addresses: EveryHost[HostAddresses],
) -> Plan | NoPlan:
    """Exactly the arguments that the check asks for; the port that is named https goes with ``--secure-port``."""
    deployment = _deployed(server)
    wanted = tuple(word for word in (verdict.expected or "").split() if word.startswith("--"))
    if isinstance(deployment, NoPlan) or not wanted:
        return deployment if isinstance(deployment, NoPlan) else NoPlan(_NOTHING_WANTED)
    place = _container(deployment)
    patch = [
        *_arguments(deployment, place, wanted),
        *_port(deployment, place, wanted),
        *_strategy(deployment),
    ]
    told = " ".join(wanted)
    title = Text(
        f"set {told} in the Deployment of metrics-server and leave its other arguments",
        zh=f"在 metrics-server 的 Deployment 中设置 {told}，其他参数不变",
    )
    action = PatchObject(_path(deployment), "json", patch)
    if _K3S_LABEL not in deployment.metadata.labels:
        return _plan(verdict, title, action)
    server_here = _k3s_server(cloud, apiservers, addresses)
    if server_here is None:
        return _plan(verdict, title, action, prediction=_taken_back())
    skip = WriteFile(f"{server_here.data_directory}/{SKIP}", b"")
    return _plan(verdict, title, skip, action, prediction=_kept(skip.path))


_DATA_DIR = "/var/lib/rancher/k3s"
_NOTHING_WANTED = Text("which arguments are lacking was not said", zh="未说明缺少哪些参数")


def _container(deployment: Deployment) -> int:
    containers = deployment.spec.template.spec.containers
    return next((place for place, one in enumerate(containers) if "metrics-server" in one.image), 0)


def _arguments(deployment: Deployment, place: int, wanted: tuple[str, ...]) -> Patch:
    """The words of ``command`` and ``args`` with these flags; one that is given already is replaced where it stands."""
    container = deployment.spec.template.spec.containers[place]
    words = {"command": list(container.command or ()), "args": list(container.args or ())}
    for flag in wanted:
        name = flag.partition("=")[0]
        home = next((key for key, given in words.items() if _index(given, name) >= 0), "args")
        words[home] = _replaced(words[home], name, flag)
    before = {"command": list(container.command or ()), "args": list(container.args or ())}
    return [
        {"op": "add", "path": f"{_TEMPLATE}/containers/{place}/{key}", "value": words[key]}
        for key in words
        if words[key] != before[key]
    ]


def _index(words: list[str], name: str) -> int:
    return next((place for place, word in enumerate(words) if word.partition("=")[0] == name), -1)


def _replaced(words: list[str], name: str, flag: str) -> list[str]:
    place = _index(words, name)
    if place < 0:
        return [*words, flag]
    follows = words[place + 1 : place + 2]
    # ``--flag value`` in two words: the value goes with it.
    behind = (
        place + 2 if "=" not in words[place] and follows and not follows[0].startswith("-") else place + 1
    )
    kept = [word for word in words[behind:] if word.partition("=")[0] != name]
    return [*words[:place], flag, *kept]


def _port(deployment: Deployment, place: int, wanted: tuple[str, ...]) -> Patch:
    """The port named https moved with the listener; with hostNetwork Kubernetes may have noted it as hostPort, too."""
    port = next((flag.partition("=")[2] for flag in wanted if flag.startswith("--secure-port=")), "")
    ports = deployment.spec.template.spec.containers[place].ports or ()
    patch: Patch = []
    for number, one in enumerate(ports):
        if port and one.name == "https" and one.container_port != int(port):
            where = f"{_TEMPLATE}/containers/{place}/ports/{number}"
            patch.append({"op": "replace", "path": f"{where}/containerPort", "value": int(port)})
            if one.host_port:
                patch.append({"op": "replace", "path": f"{where}/hostPort", "value": int(port)})
    return patch


def _strategy(deployment: Deployment) -> Patch:
    """With hostNetwork a rolling update on one node waits for ever for the port of the pod it should replace."""
    spec = deployment.spec
    rolling = spec.template.spec.host_network and spec.strategy.type != "Recreate"
    return [_RECREATE] if rolling else []


def _k3s_server(
    cloud: CloudNodes | Unavailable,
    apiservers: EveryHost[ApiserverArguments],
    addresses: EveryHost[HostAddresses],
) -> ApiserverArguments | None:
    """The K3s server that this host is, if it is one of this very cluster."""
    if isinstance(cloud, Unavailable):
        return None
    for name, arguments in apiservers.known().items():
        own = addresses.known().get(name)
        member = name in cloud.names or (
            own is not None and any(host.address and own.has(host.address) for host in cloud.hosts)
        )
        if arguments.is_k3s and member:
            return arguments
    return None


def _taken_back() -> Text:
    return Text(
        f"{_NOTICED.en} K3s brought this Deployment and takes the arguments back at its next start; run kedoctor on the "
        f"K3s server too, or there: sudo touch {_DATA_DIR}/{SKIP}",
        zh=f"{_NOTICED.zh}该 Deployment 由 K3s 提供，K3s 下次启动会还原参数；请在 K3s 服务器上也运行 kedoctor，"
        f"或在那里执行：sudo touch {_DATA_DIR}/{SKIP}",
    )


def _kept(path: str) -> Text:
    return Text(
        f"{_NOTICED.en} The empty file {path} keeps K3s from taking the arguments back at its next start, and from "
        "upgrading this Deployment; other K3s servers of this cluster need it, too.",
        zh=f"{_NOTICED.zh}空文件 {path} 使 K3s 下次启动时不再还原参数，也不再升级该 Deployment；"
        "本集群的其他 K3s 服务器也需要该文件。",
    )


# ------------------------------------------------------------------------------------------------ placement


@remedy("KE604", touches=METRICS_SERVER)
def metrics_placement(
    verdict: Verdict, server: MetricsServer, cloud: CloudNodes, nodes: SiteNodes
) -> Plan | NoPlan:
    """Pinned to the hosts that run kube-apiserver, where the diversion is, and let there in spite of their taints.

    A node selector that chose the node where it is now would keep it there.
    """
    deployment = _deployed(server)
    if isinstance(deployment, NoPlan):
        return deployment
    selector = _selector(deployment)
    patch = [
        *_affinity(deployment, cloud, nodes),
        *selector,
        *_tolerations(deployment, cloud),
        *_strategy(deployment),
    ]
    instead = ", in place of its node selector" if selector else ""
    instead_zh = "，取代原有的节点选择器" if selector else ""
    title = Text(
        f"let metrics-server run on the hosts of kube-apiserver only (node affinity{instead}, and a toleration where they are tainted)",
        zh=f"使 metrics-server 只在 kube-apiserver 所在主机运行（节点亲和性{instead_zh}；有污点时加容忍）",
    )
    return _plan(verdict, title, PatchObject(_path(deployment), "json", patch))


def _affinity(deployment: Deployment, cloud: CloudNodes, nodes: SiteNodes) -> Patch:
    affinity = on_api_hosts(cloud, nodes, deployment.spec.template.spec.affinity or {})
    return [{"op": "add", "path": f"{_TEMPLATE}/affinity", "value": affinity}]


def _selector(deployment: Deployment) -> Patch:
    """Of its node selector only the operating system stays."""
    present = deployment.spec.template.spec.node_selector or {}
    kept = {key: value for key, value in present.items() if key == _SYSTEM}
    if kept == dict(present):
        return []
    place = f"{_TEMPLATE}/nodeSelector"
    return [{"op": "add", "path": place, "value": kept} if kept else {"op": "remove", "path": place}]


def _tolerations(deployment: Deployment, cloud: CloudNodes) -> Patch:
    present = deployment.spec.template.spec.tolerations
    lacking = tolerations_for((taint for host in cloud.hosts for taint in host.taints), present)
    place = f"{_TEMPLATE}/tolerations"
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
    deployment = _deployed(server)
    if isinstance(deployment, NoPlan):
        return deployment
    if not server.live_pods or server.ending:
        return _no_pod(verdict, deployment)
    pod = (server.staying or server.live_pods)[0]
    image = image_for(pod, archives, nodes)
    if isinstance(image, NoPlan):
        return image
    if image is not None:
        return _plan(verdict, imported(image), image)
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
    return _plan(verdict, title, PatchObject(_path(deployment), "merge", {"spec": {"replicas": 1}}))


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
        patch = [{"op": "add", "path": f"{_TEMPLATE}/affinity", "value": place}]
        patch += _selector(deployment)
    patch += _tolerations(deployment, cloud)
    if not patch:
        return NoPlan(_no_place(message))
    title = Text(
        "let metrics-server run on the hosts of kube-apiserver, which its selector, affinity or tolerations do not fit",
        zh="使 metrics-server 可在 kube-apiserver 所在主机运行（原有的选择器、亲和性或容忍不匹配）",
    )
    return _plan(verdict, title, PatchObject(_path(deployment), "json", [*patch, *_strategy(deployment)]))


def _no_place(message: str) -> Text:
    return Text(
        f"no node takes the pod, and what is in its way is yours to decide: {message}",
        zh=f"没有节点能运行该 Pod，障碍需由您处理：{message}",
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
    deployment = _deployed(server)
    if isinstance(deployment, NoPlan):
        return deployment
    if verdict.actual.startswith("replicas:"):
        title = Text("scale metrics-server to one replica", zh="将 metrics-server 的副本数设为 1")
        return _plan(verdict, title, PatchObject(_path(deployment), "merge", {"spec": {"replicas": 1}}))
    place = _container(deployment)
    present = deployment.spec.template.spec.containers[place].resources.requests or {}
    requests = {"cpu": "100m", "memory": "200Mi", **present}
    path = f"{_TEMPLATE}/containers/{place}/resources"
    resources = deployment.spec.template.spec.containers[place].resources
    whole = {"requests": requests, **({"limits": resources.limits} if resources.limits else {})}
    title = Text(
        f"let metrics-server request {requests['cpu']} CPU and {requests['memory']} memory",
        zh=f"为 metrics-server 设置 requests：CPU {requests['cpu']}、内存 {requests['memory']}",
    )
    patch = [{"op": "add", "path": path, "value": whole}, *_strategy(deployment)]
    return _plan(verdict, title, PatchObject(_path(deployment), "json", patch))


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
