"""Metrics-server itself: its pod, its arguments, and where it runs (facts.md §8)."""

from __future__ import annotations

from collections.abc import Iterator

from kedoctor.api import (
    Certainty,
    Evidence,
    Finding,
    Reason,
    Risk,
    Side,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    skipped,
    unknown,
)
from kedoctor.checks.facts.cluster.iptables_manager import IptablesManager
from kedoctor.checks.facts.cluster.metrics import MetricsServer, WorkingDiversion
from kedoctor.checks.facts.cluster.nodes import CloudNodes, EdgeNodes
from kedoctor.checks.parsers.kubernetes import Deployment, Pod
from kedoctor.checks.parsers.kubernetes.pod_health import Trouble, condition, is_ready, trouble

__all__ = ["deployment_of", "metrics_placement", "metrics_pod", "not_ours"]


def deployment_of(server: MetricsServer) -> str:
    """The Deployment as a subject: ``deployment/kube-system/metrics-server``."""
    name = (
        server.deployment.metadata.name if isinstance(server.deployment, Deployment) else server.service_name
    )
    return f"deployment/{server.namespace}/{name}"


def not_ours(server: MetricsServer) -> Finding | None:
    """A skip when there is nothing of metrics-server to judge."""
    if not server.is_metrics_server:
        return skipped(
            Text(
                f"The metrics API is served by {server.namespace}/{server.service_name}, which is not metrics-server.",
                zh=f"指标 API 由 {server.namespace}/{server.service_name} 提供，并非 metrics-server。",
            )
        )
    if not server.installed and not server.registered:
        return skipped(
            Text("metrics-server is not installed (KE601).", zh="未安装 metrics-server（KE601）。")
        )
    return None


_NOT_READ = Unavailable(Reason.NOT_RECORDED, "nodes")


@check(
    code="KE602",
    slug="metrics-pod",
    title=Text("A pod of metrics-server is ready", zh="metrics-server 有就绪的 Pod"),
    side=Side.SITE,
    breaks=("top",),
    hop="metrics-server",
    explained_by=("KE601", "KE603", "KE604", "KE608", "KE609", "KE932"),
    remedy=Text(
        "Import the image, free or change the port, or restart it, as its reason says.",
        zh="根据原因导入镜像、释放或更换端口，或重启。",
    ),
    risk=Risk.SAFE,
    references=("facts.md §8.2", "facts.md §8.3", "facts.md §9 (12)", "testbed.md case m"),
)
def metrics_pod(server: MetricsServer, edges: EdgeNodes | Unavailable = _NOT_READ) -> Finding:
    """At least one ready pod; otherwise why there is none.

    On an edge it lacks what it would have on a host of the cloud, its image first: that it is there is the cause (KE604).
    """
    skip = not_ours(server)
    if skip is not None:
        return skip
    if isinstance(server.pods, Unavailable):
        return unknown(
            Text(
                f"The pods of metrics-server were not read: {server.pods}.",
                zh=f"未能读取 metrics-server 的 Pod：{server.pods.in_chinese}。",
            ),
            subject=deployment_of(server),
        )
    ready = [pod for pod in server.pods if is_ready(pod)]
    if ready:
        return passed(
            Text(
                f"{ready[0].metadata.name} is ready on {ready[0].spec.node_name}.",
                zh=f"{ready[0].metadata.name} 在 {ready[0].spec.node_name} 上就绪。",
            ),
            subject=deployment_of(server),
        )
    if not server.pods or server.ending:
        return _no_pod(server)
    pod = (server.staying or server.pods)[0]
    return _not_ready(
        server, pod, on_edge=not isinstance(edges, Unavailable) and pod.spec.node_name in edges.names
    )


def _no_pod(server: MetricsServer) -> Finding:
    scaled_down = isinstance(server.deployment, Deployment) and server.deployment.spec.replicas == 0
    why = _why_no_pod(server.deployment)
    name = deployment_of(server).rpartition("/")[2]
    return failed(
        Text(
            f"metrics-server has no pod in namespace {server.namespace}: {why.en}.",
            zh=f"命名空间 {server.namespace} 中没有 metrics-server 的 Pod：{why.zh}。",
        ),
        expected=Text("one ready pod", zh="一个就绪的 Pod"),
        actual="replicas: 0" if scaled_down else Text("no pod", zh="没有 Pod"),
        hint=Text(
            "Scale it to one replica; if there is no Deployment, apply the complete manifest (KE601).",
            zh="将副本数设为 1；若没有 Deployment，请应用完整清单（KE601）。",
        ),
        subject=deployment_of(server),
        commands=(
            f"kubectl -n {server.namespace} get deployment,replicaset -l k8s-app=metrics-server",
            f"kubectl -n {server.namespace} scale deployment {name} --replicas=1",
        ),
        root=scaled_down,
    )


def _why_no_pod(deployment: Deployment | Unavailable | None) -> Text:
    if isinstance(deployment, Unavailable):
        return Text("its Deployment is scaled to 0 or gone", zh="其 Deployment 副本数为 0 或不存在")
    if deployment is None:
        return Text("it has no Deployment", zh="没有对应的 Deployment")
    if deployment.spec.replicas == 0:
        return Text("its Deployment is scaled to 0", zh="其 Deployment 副本数为 0")
    said = condition(deployment.status.conditions, "ReplicaFailure")
    message = said.message if said is not None else "its Deployment has not created one"
    return Text(message, zh=message if said is not None else "其 Deployment 尚未创建 Pod")


def _not_ready(server: MetricsServer, pod: Pod, *, on_edge: bool) -> Finding:
    reason = trouble(pod) or Trouble("NotReady")
    image = server.container.image if server.container else ""
    return failed(
        Text(
            f"metrics-server's pod {pod.metadata.name} is not ready: {reason}.",
            zh=f"metrics-server 的 Pod {pod.metadata.name} 未就绪：{reason.in_chinese}。",
        ),
        expected=Text("one ready pod", zh="一个就绪的 Pod"),
        actual=reason.reason,
        hint=_pod_hint(reason.reason, image),
        subject=deployment_of(server),
        evidence=(Evidence(f"pod/{server.namespace}/{pod.metadata.name}", str(reason)),),
        commands=(
            f"kubectl -n {server.namespace} describe pod {pod.metadata.name}",
            f"kubectl -n {server.namespace} logs {pod.metadata.name} --tail=50",
        ),
        root=reason.reason in _NO_IMAGE and not on_edge,
    )


_NO_IMAGE = ("ErrImageNeverPull", "ImagePullBackOff", "ErrImagePull")


def _pod_hint(reason: str, image: str) -> Text:
    if reason in _NO_IMAGE:
        return Text(
            f"Import {image} into the runtime of that node (namespace k8s.io); docker load does not reach it.",
            zh=f"将 {image} 导入该节点的运行时（命名空间 k8s.io）；docker load 对其无效。",
        )
    if reason == "Unschedulable":
        return Text(
            "Its ports, labels or taints fit no node: read the message; on one node, hostNetwork allows one replica.",
            zh="端口、标签或污点使其没有可用节点：请看提示信息；单节点上 hostNetwork 只允许一个副本。",
        )
    if reason == "CrashLoopBackOff":
        return Text(
            "Read its log: a port in use, an unknown flag, or missing rights end it at start.",
            zh="请查看其日志：端口被占用、参数错误或权限不足都会使其启动即退出。",
        )
    return Text(
        "It becomes ready after its first successful scrape; read its log for what fails.",
        zh="首次采集成功后才会就绪；请查看其日志了解失败原因。",
    )


# -------------------------------------------------------------------------------------------- placement


@check(
    code="KE604",
    slug="metrics-placement",
    title=Text(
        "metrics-server runs where requests for edges are diverted",
        zh="metrics-server 运行在有转发规则的主机上",
    ),
    side=Side.SITE,
    breaks=("top",),
    hop="metrics-server",
    explained_by=("KE107", "KE307"),
    remedy=Text("Pin it to an API-server host.", zh="将其固定在 API 服务器主机上。"),
    risk=Risk.SAFE,
    references=("facts.md §3.4", "facts.md §8.1", "facts.md §10 (54)"),
)
def metrics_placement(
    server: MetricsServer,
    edges: EdgeNodes,
    cloud: CloudNodes,
    manager: IptablesManager,
    diversion: WorkingDiversion,
) -> Iterator[Finding]:
    """Each node that a pod of it is on: no edge, and one where iptables-manager works."""
    skip = not_ours(server)
    nodes = sorted({pod.spec.node_name for pod in server.staying if pod.spec.node_name})
    if skip is not None or not nodes:
        yield skip or _nowhere(server)
        return
    for node in nodes:
        if node in edges.names:
            yield _misplaced(server, node, *_on_edge(node), root=True)
        elif node in cloud.names or node in diversion.nodes or manager.ready_on(node):
            yield passed(_well_placed(node, cloud), subject=node)
        else:
            yield _misplaced(server, node, *_bare(node), certainty=Certainty.IMPLIED)


def _nowhere(server: MetricsServer) -> Finding:
    if _one_comes(server):
        return unknown(
            Text(
                "The next pod of metrics-server is on no node yet.",
                zh="metrics-server 的下一个 Pod 尚未分配到节点。",
            ),
            subject=deployment_of(server),
            commands=(f"kubectl -n {server.namespace} get pods -o wide",),
        )
    return skipped(
        Text(
            "No pod of metrics-server is on a node (KE602).",
            zh="没有 metrics-server 的 Pod 位于节点上（KE602）。",
        )
    )


def _one_comes(server: MetricsServer) -> bool:
    """Whether its Deployment makes a pod: between two pods of a rollout nobody knows where the next one will run."""
    deployment = server.deployment
    if not isinstance(deployment, Deployment) or deployment.spec.replicas == 0:
        return bool(server.staying)
    refused = condition(deployment.status.conditions, "ReplicaFailure")
    return refused is None or refused.status != "True"


def _well_placed(node: str, cloud: CloudNodes) -> Text:
    if node in cloud.names:
        return Text(
            f"metrics-server runs on {node}, beside kube-apiserver.",
            zh=f"metrics-server 运行在 {node}，与 kube-apiserver 同一主机。",
        )
    return Text(
        f"metrics-server runs on {node}, where requests for edges are diverted.",
        zh=f"metrics-server 运行在 {node}，该处有转发规则。",
    )


def _on_edge(node: str) -> tuple[Text, Text]:
    return (
        Text(
            f"metrics-server runs on the edge node {node}, which reaches no other edge.",
            zh=f"metrics-server 运行在边缘节点 {node} 上，无法访问其他边缘节点。",
        ),
        Text(
            "Keep it off the edges: node affinity node-role.kubernetes.io/edge DoesNotExist.",
            zh="使其避开边缘节点：节点亲和性 node-role.kubernetes.io/edge DoesNotExist。",
        ),
    )


def _bare(node: str) -> tuple[Text, Text]:
    return (
        Text(
            f"metrics-server runs on {node}, where no iptables-manager writes the diversion for it.",
            zh=f"metrics-server 运行在 {node} 上，而该处没有 iptables-manager 写转发规则。",
        ),
        Text(
            f"Let iptables-manager run on {node}, too, or pin metrics-server to an API-server host.",
            zh=f"让 iptables-manager 也在 {node} 上运行，或将 metrics-server 固定到 API 服务器主机。",
        ),
    )


def _misplaced(
    server: MetricsServer,
    node: str,
    summary: Text,
    hint: Text,
    *,
    certainty: Certainty = Certainty.PROVED,
    root: bool = False,
) -> Finding:
    name = deployment_of(server).rpartition("/")[2]
    return failed(
        summary,
        expected=Text(
            "a node with iptables-manager that is not an edge", zh="有 iptables-manager 的非边缘节点"
        ),
        actual=node,
        hint=hint,
        subject=node,
        commands=(
            f"kubectl -n {server.namespace} get pods -l k8s-app=metrics-server -o wide",
            "kubectl -n kubeedge get pods -l kubeedge=iptables-manager -o wide",
            f"kubectl -n {server.namespace} edit deployment {name}",
        ),
        certainty=certainty,
        root=root,
    )
