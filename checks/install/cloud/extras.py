"""What an install of the cloud side sets up for later edges, and only warns of: ServiceLB kept off them, EdgeMesh."""

from __future__ import annotations

from kedoctor.api import Finding, Risk, RunMode, Side, Text, check, failed, passed, skipped, warned
from kedoctor.checks.facts.cluster.nodes import SiteNodes
from kedoctor.checks.install.cloud.facts_edgemesh import EdgeMesh
from kedoctor.checks.install.cloud.facts_installed import Distribution, KubernetesHere
from kedoctor.checks.install.cloud.facts_request import CloudBundle
from kedoctor.checks.parsers.kubernetes import Node

__all__ = ["ENABLE_LB", "cloud_side", "edgemesh", "servicelb"]

ENABLE_LB = "svccontroller.k3s.cattle.io/enablelb"
_INSTALL = (RunMode.INSTALL,)


def cloud_side(nodes: SiteNodes) -> tuple[Node, ...]:
    """The nodes that are no edges."""
    return tuple(
        node
        for node in nodes.items
        if node.metadata.labels.edge is None and "kubeedge" not in node.status.node_info.kubelet_version
    )


@check(
    code="KE982",
    slug="servicelb-confined",
    title=Text("K3s' load balancer stays off edges", zh="K3s 负载均衡不会调度到边缘节点"),
    side=Side.CLOUD,
    occasions=_INSTALL,
    remedy=Text(
        f"Label the nodes of the cloud side {ENABLE_LB}=true.", zh=f"为云端节点打上标签 {ENABLE_LB}=true。"
    ),
    risk=Risk.SAFE,
    references=("facts.md §10 (49)", "kubeprepare.md B49"),
)
def servicelb(nodes: SiteNodes, kubernetes: KubernetesHere) -> Finding:
    """Once any node has the label, ServiceLB's pods go to labelled nodes only; no DaemonSet has to be patched for it."""
    if kubernetes.distribution is not Distribution.K3S:
        return skipped(Text("This Kubernetes is not K3s.", zh="此 Kubernetes 不是 K3s。"))
    labelled = [node.metadata.name for node in nodes.items if node.metadata.labels.enable_lb == "true"]
    if labelled:
        names = ", ".join(labelled)
        return passed(Text(f"{names} alone may run it.", zh=f"仅 {names} 可运行它。"))
    return failed(
        Text(
            "K3s' load balancer (svclb) will be scheduled on every edge, where its pods cannot start.",
            zh="K3s 负载均衡（svclb）会被调度到每个边缘节点，而其 Pod 在边缘节点无法启动。",
        ),
        expected=Text(
            f"{ENABLE_LB}=true on the nodes of the cloud side", zh=f"云端节点带有 {ENABLE_LB}=true"
        ),
        actual=Text("no node has that label", zh="没有节点带该标签"),
        hint=Text("Label the nodes of the cloud side.", zh="请为云端节点打标签。"),
        subject="nodes",
        commands=(f"kubectl label node <cloud node> {ENABLE_LB}=true",),
    )


@check(
    code="KE983",
    slug="edgemesh",
    title=Text("EdgeMesh, if it is wanted", zh="EdgeMesh（如需要）"),
    side=Side.CLOUD,
    occasions=_INSTALL,
    references=("requirements.md R083", "kubeprepare.md §3.3", "kubeprepare.md B46"),
)
def edgemesh(found: EdgeMesh, bundle: CloudBundle) -> Finding:
    """Never a reason to stop: logs, exec, attach and top do not need it."""
    if found.installed:
        return passed(Text("EdgeMesh is installed.", zh="EdgeMesh 已安装。"))
    chart = next((one for one in bundle.bundle.files if one.path.endswith("edgemesh.tgz")), None)
    place = bundle.source(chart) if chart is not None else "<bundle>/helm-charts/edgemesh.tgz"
    return warned(
        Text(
            "EdgeMesh is not installed, and kedoctor does not install it: which nodes relay, and under which address edges "
            "reach them, is yours to say.",
            zh="未安装 EdgeMesh，kedoctor 也不会安装：由哪些节点中继、边缘节点以何地址访问它们，须由您决定。",
        ),
        expected=Text(
            "EdgeMesh, if pods of several edges have to find each other",
            zh="若多个边缘节点的 Pod 需互访，则需要 EdgeMesh",
        ),
        actual=Text("no DaemonSet edgemesh-agent", zh="没有 DaemonSet edgemesh-agent"),
        hint=Text(
            "Install it with helm if services have to be reached across edges; nothing else needs it.",
            zh="若需跨边缘节点访问服务，请用 helm 安装；其他功能不需要它。",
        ),
        subject="edgemesh",
        commands=(
            f"kubectl apply -f {bundle.bundle.place}/crds/istio/",
            f"helm install edgemesh {place} -n kubeedge -f edgemesh-values.yaml   # psk and relayNodes in that file, mode 0600",
        ),
        breaks=(),
    )
