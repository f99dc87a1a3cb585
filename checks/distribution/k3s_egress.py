"""K3s' own tunnel in the way: with the egress selector on, kube-apiserver's requests never reach nat OUTPUT.

K3s then asks its own tunnel server for the kubelet of an edge, which is not a K3s agent, and gives up with 502
(facts.md §8.5). No DNAT rule can help: the connection it would divert is never made. RKE2 does the same (facts.md §12.3).
"""

from __future__ import annotations

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
from kedoctor.checks.distribution.egress_selection import judge_selection
from kedoctor.checks.facts.cloud.apiserver_flags import DEFAULT_EGRESS_MODE, ApiserverArguments
from kedoctor.checks.facts.cloud.egress_selection import EgressSelection
from kedoctor.checks.facts.cluster.nodes import EdgeNodes

__all__ = ["k3s_egress_selector"]

_FLAG = "egress-selector-mode"
_NONE = Unavailable(Reason.NOT_RECORDED, "the egress selector")
_FRAGMENT = "/etc/rancher/k3s/config.yaml.d/kubeedge.yaml"
_REMEDY = Text(
    f"Write egress-selector-mode: disabled into {_FRAGMENT} and restart K3s.",
    zh=f"在 {_FRAGMENT} 中写入 egress-selector-mode: disabled，然后重启 K3s。",
)
_COMMANDS = (
    "sudo mkdir -p /etc/rancher/k3s/config.yaml.d",
    f"echo 'egress-selector-mode: disabled' | sudo tee -a {_FRAGMENT}",
    "sudo systemctl restart k3s   # kube-apiserver is away for some seconds",
    "sudo journalctl -u k3s | grep 'egress proxy mode' | tail -1",
)


@check(
    code="KE801",
    slug="k3s-egress-selector",
    title=Text(
        "K3s lets kube-apiserver connect to edges itself", zh="K3s 允许 kube-apiserver 直接连接边缘节点"
    ),
    side=Side.CLOUD,
    breaks=("logs", "exec", "attach"),
    hop="api",
    remedy=_REMEDY,
    risk=Risk.RESTARTS_APISERVER,
    references=("facts.md §8.5", "facts.md §10 (40)", "facts.md §12.3", "kubeprepare.md §0.2"),
)
def k3s_egress_selector(
    arguments: ApiserverArguments,
    edges: EdgeNodes | Unavailable,
    egress: EgressSelection | Unavailable = _NONE,
) -> Finding:
    """The mode that K3s' files and its unit give together; ``agent`` where nothing is written.

    A kube-apiserver of its own (RKE2) shows by the file of its egress selector what became of that.
    """
    selected = bool(arguments.egress_selector_file)
    if not arguments.is_k3s and not selected:
        return skipped(Text("kube-apiserver here is not K3s'.", zh="此处的 kube-apiserver 不属于 K3s。"))
    if not isinstance(edges, Unavailable) and not edges.items:
        return skipped(
            Text("There is no edge node yet; the mode does not matter.", zh="尚无边缘节点，该模式暂无影响。")
        )
    if selected:
        return judge_selection(arguments, egress)
    mode, source = arguments.egress_selector_mode, arguments.source(_FLAG)
    evidence = (
        Evidence(
            source, f"{_FLAG}: {mode}" if source != "default" else f"{_FLAG} is not written; default {mode}"
        ),
    )
    if mode == "disabled":
        return (
            _not_in_force(source, evidence) if arguments.edited_after_start else _disabled(source, evidence)
        )
    where = f"written in {source}" if source != "default" else "the default, as nothing is written"
    where_zh = f"写在 {source}" if source != "default" else "未写时的默认值"
    return failed(
        Text(
            f"K3s runs with egress-selector-mode {mode} ({where}): kube-apiserver asks K3s' own tunnel for edges and gets "
            "502, whatever the DNAT rules say.",
            zh=f"K3s 的 egress-selector-mode 为 {mode}（{where_zh}）：kube-apiserver 会经 K3s 自己的隧道访问边缘节点并得到 502，与 DNAT 规则无关。",
        ),
        expected=Text("egress-selector-mode: disabled", zh="egress-selector-mode: disabled"),
        actual=mode if source != "default" else f"not written ({DEFAULT_EGRESS_MODE})",
        hint=_REMEDY,
        evidence=evidence,
        commands=_COMMANDS,
        certainty=Certainty.IMPLIED if arguments.edited_after_start else Certainty.PROVED,
    )


def _disabled(source: str, evidence: tuple[Evidence, ...]) -> Finding:
    return passed(
        Text(
            f"K3s' egress selector is disabled ({source}).",
            zh=f"K3s 的 egress selector 已禁用（{source}）。",
        ),
        evidence=evidence,
    )


def _not_in_force(source: str, evidence: tuple[Evidence, ...]) -> Finding:
    return unknown(
        Text(
            f"The egress selector is disabled in {source}, but a file of K3s' configuration was written after K3s started; "
            "whether it runs with this is unknown.",
            zh=f"{source} 中已禁用 egress selector，但 K3s 的某个配置文件在其启动之后被修改过；当前进程是否已生效未知。",
        ),
        evidence=evidence,
        hint=Text("The log of K3s says with which mode it started.", zh="K3s 日志会说明启动时使用的模式。"),
        commands=(
            "sudo journalctl -u k3s | grep 'egress proxy mode' | tail -1",
            "sudo systemctl restart k3s",
        ),
    )
