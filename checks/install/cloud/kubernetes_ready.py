"""That the API server answers and this host is a Ready node (KE959)."""

from __future__ import annotations

from kedoctor.api import (
    Evidence,
    Finding,
    Risk,
    RunMode,
    Side,
    Text,
    Unavailable,
    check,
    failed,
    passed,
)
from kedoctor.checks.facts.cluster.nodes import SiteNodes
from kedoctor.checks.install.cloud.facts_installed import (
    K3S_KUBECONFIG,
    ApiReadiness,
    K3sHere,
    KubernetesHere,
)
from kedoctor.checks.parsers.kubernetes import Node
from kedoctor.checks.parsers.kubernetes.pod_health import condition

__all__ = ["k3s_ready"]

_INSTALL = (RunMode.INSTALL,)


@check(
    code="KE959",
    slug="kubernetes-ready",
    title=Text("The API server answers, and this host is a Ready node", zh="API 服务器可用且本机节点就绪"),
    side=Side.CLOUD,
    occasions=_INSTALL,
    remedy=Text("Enable and start K3s.", zh="启用并启动 K3s。"),
    risk=Risk.SAFE,
    references=("kubeprepare.md §1.3", "kubeprepare.md B33", "kubeprepare.md B7"),
)
def k3s_ready(
    ready: ApiReadiness | Unavailable,
    nodes: SiteNodes | Unavailable,
    k3s: K3sHere,
    *,
    kubernetes: KubernetesHere,
) -> Finding:
    """``/readyz`` says ok and a node that is not an edge is Ready; for K3s, its unit is enabled and runs, too."""
    who = "K3s" if not kubernetes.is_foreign else "this Kubernetes"
    if not kubernetes.is_foreign and not (k3s.active and k3s.enabled):
        state = (
            "there is no unit" if k3s.unit is None else f"{k3s.unit.active_state}, {k3s.unit.unit_file_state}"
        )
        return _not_ready(Text("K3s does not run", zh="K3s 未运行"), state)
    if isinstance(ready, Unavailable) or not ready.ok:
        said = str(ready) if isinstance(ready, Unavailable) else ready.said
        return _not_ready(
            Text(f"the API server of {who} does not answer as ready", zh=f"{who} 的 API 服务器尚未就绪"), said
        )
    if isinstance(nodes, Unavailable):
        return _not_ready(Text("its nodes cannot be listed", zh="无法列出节点"), str(nodes))
    own = [node for node in nodes.items if node.metadata.labels.edge is None]
    if not any(map(_is_ready, own)):
        told = ", ".join(f"{node.metadata.name}: {_why(node)}" for node in own) or "there is no node"
        return _not_ready(Text("no node of the cloud side is Ready", zh="云端没有就绪的节点"), told)
    names = ", ".join(node.metadata.name for node in own if _is_ready(node))
    return passed(
        Text(f"The API server is ready, and so is {names}.", zh=f"API 服务器就绪，节点 {names} 就绪。"),
        evidence=(Evidence("/readyz", "ok"),),
    )


def _is_ready(node: Node) -> bool:
    found = condition(node.status.conditions, "Ready")
    return found is not None and found.status == "True"


def _why(node: Node) -> str:
    found = condition(node.status.conditions, "Ready")
    return "it never reported" if found is None else f"{found.reason} {found.message}".strip()


def _not_ready(why: Text, actual: str) -> Finding:
    return failed(
        Text(
            f"Kubernetes is not ready: {why.en} ({actual}).", zh=f"Kubernetes 未就绪：{why.zh}（{actual}）。"
        ),
        expected=Text("/readyz ok, and a Ready node", zh="/readyz 返回 ok，且有就绪节点"),
        actual=actual,
        hint=Text("Its journal says what it waits for.", zh="其日志会说明在等待什么。"),
        subject="kubernetes",
        commands=(
            "sudo journalctl -u k3s -n 50",
            f"sudo k3s kubectl --kubeconfig {K3S_KUBECONFIG} get --raw /readyz?verbose",
        ),
    )
