"""The egress selector of a kube-apiserver that shows its flags: RKE2's, or one with a konnectivity server (KE801)."""

from __future__ import annotations

from kedoctor.api import Certainty, Evidence, Finding, Text, Unavailable, failed, passed, unknown
from kedoctor.checks.facts.cloud.apiserver_flags import ApiserverArguments
from kedoctor.checks.facts.cloud.egress_selection import EgressSelection

__all__ = ["judge_selection"]

_FRAGMENT = "/etc/rancher/rke2/config.yaml.d/kubeedge.yaml"
_RKE2 = (
    "sudo mkdir -p /etc/rancher/rke2/config.yaml.d",
    f"echo 'egress-selector-mode: disabled' | sudo tee -a {_FRAGMENT}",
    "sudo systemctl restart rke2-server   # on every server; kube-apiserver is away for some minutes",
)


def judge_selection(arguments: ApiserverArguments, egress: EgressSelection | Unavailable) -> Finding:
    """RKE2's own tunnel is K3s', which knows no edge; where another proxy leads is not known here."""
    if isinstance(egress, Unavailable):
        return unknown(
            Text(
                f"kube-apiserver has an egress selector ({arguments.egress_selector_file}), and what it does with connections "
                f"to nodes is unknown: {egress}.",
                zh=f"kube-apiserver 配置了 egress selector（{arguments.egress_selector_file}），无法得知它如何处理到节点的连接："
                f"{egress.in_chinese}。",
            ),
            hint=Text("Run kedoctor as root on this host.", zh="请在本机以 root 运行 kedoctor。"),
        )
    told = f"{egress.protocol} {egress.to}".strip()
    evidence = (Evidence(egress.path, f"cluster: {told}"),)
    if egress.direct:
        return passed(
            Text(
                f"kube-apiserver connects to nodes itself ({egress.path}).",
                zh=f"kube-apiserver 直接连接节点（{egress.path}）。",
            ),
            evidence=evidence,
        )
    if arguments.is_rke2:
        return _rke2(told, evidence)
    return unknown(
        Text(
            f"kube-apiserver reaches nodes through a proxy ({told}); whether that reaches edges, and on which host the DNAT "
            "rule then has to be, cannot be judged here.",
            zh=f"kube-apiserver 经代理（{told}）访问节点；该代理能否到达边缘节点、DNAT 规则应在哪台主机上，此处无法判断。",
        ),
        evidence=evidence,
        hint=Text(
            "KE513 asks each edge. The rules have to be on the hosts where the proxy's agents run.",
            zh="KE513 会逐个询问边缘节点。规则应位于该代理的 agent 所在的主机。",
        ),
    )


def _rke2(told: str, evidence: tuple[Evidence, ...]) -> Finding:
    return failed(
        Text(
            f"RKE2 runs with its egress selector on ({told}): kube-apiserver asks RKE2's own tunnel for edges and gets 502, "
            "whatever the DNAT rules say.",
            zh=f"RKE2 启用了 egress selector（{told}）：kube-apiserver 会经 RKE2 自己的隧道访问边缘节点并得到 502，与 DNAT 规则无关。",
        ),
        expected=Text("egress-selector-mode: disabled", zh="egress-selector-mode: disabled"),
        actual=told,
        hint=Text(
            f"Write egress-selector-mode: disabled into {_FRAGMENT} and restart rke2-server.",
            zh=f"在 {_FRAGMENT} 中写入 egress-selector-mode: disabled，然后重启 rke2-server。",
        ),
        evidence=evidence,
        commands=_RKE2,
        certainty=Certainty.IMPLIED,
    )
