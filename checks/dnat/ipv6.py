"""Edges that kube-apiserver dials at an IPv6 address: no release of iptables-manager diverts those (facts.md §12.6)."""

from __future__ import annotations

from kedoctor.api import Certainty, Evidence, Finding, Text, failed, unknown
from kedoctor.checks.facts.cloud.relayed import EdgeAnswer
from kedoctor.checks.facts.cluster.nodes import EdgeNode

__all__ = ["judge_ipv6"]

_EXPECTED = Text("an IPv4 InternalIP, listed first", zh="IPv4 的 InternalIP，且排在首位")
_HINT = Text(
    "Write an IPv4 address into modules.edged.nodeIP of that edge and restart edgecore there.",
    zh="在该边缘节点的 modules.edged.nodeIP 中写入 IPv4 地址，并重启其 edgecore。",
)


def judge_ipv6(node: EdgeNode, answer: EdgeAnswer | None) -> Finding:
    """By what the edge answered in this run: a rule of somebody's own may divert it all the same, but never ``top``."""
    told = Text(
        f"kube-apiserver dials {node.name} at its IPv6 address {node.internal_ip}, and iptables-manager writes rules for IPv4 only",
        zh=f"kube-apiserver 使用 {node.name} 的 IPv6 地址 {node.internal_ip}，而 iptables-manager 只写 IPv4 规则",
    )
    if answer is None:
        return unknown(
            Text(
                f"{told.en}; whether another rule diverts it was not asked.",
                zh=f"{told.zh}；是否有其他规则转发它，没有询问。",
            ),
            subject=node.name,
            node=node.name,
            hint=_HINT,
            commands=(f"kubectl get node {node.name} -o jsonpath='{{.status.addresses}}'",),
        )
    if answer.proves:
        text = Text(
            f"{told.en}; another rule diverts it now, but kubectl top cannot work: cloudcore does not find a session by an IPv6 address.",
            zh=f"{told.zh}；目前由其他规则转发，但 kubectl top 无法工作：cloudcore 无法按 IPv6 地址找到会话。",
        )
    else:
        text = Text(
            f"{told.en}: the connection is not diverted to cloudcore.",
            zh=f"{told.zh}：连接不会被转发到 cloudcore。",
        )
    return failed(
        text,
        expected=_EXPECTED,
        actual=node.internal_ip,
        hint=_HINT,
        subject=node.name,
        node=node.name,
        evidence=(Evidence(f"node/{node.name}, status.addresses", node.internal_ip),),
        commands=(
            f"kubectl get node {node.name} -o jsonpath='{{.status.addresses}}'",
            f"sudo grep -n nodeIP /etc/kubeedge/config/edgecore.yaml   # on {node.name}",
            "sudo ip6tables-save -t nat | grep DNAT   # on the API-server host",
        ),
        breaks=("top",) if answer.proves else None,
        certainty=Certainty.PROVED,
        root=True,
    )
