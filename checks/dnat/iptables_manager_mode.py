"""Who is meant to write the diversion rules: cloudcore itself, or the DaemonSet (facts.md §1.2)."""

from __future__ import annotations

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
    unknown,
    warned,
)
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.dnat.release_words import by_default, port_moves, release_of
from kedoctor.checks.facts.cloud.acting_rules import ActingRules
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreConfig, CloudcoreWorkload
from kedoctor.checks.facts.cluster.iptables_manager import IptablesManager
from kedoctor.checks.facts.cluster.nodes import CloudNodes
from kedoctor.checks.parsers.releases import Release

__all__ = ["iptables_manager_mode"]

_CONFIG_MAP = "configmap/kubeedge/cloudcore"
_PATH = "modules.iptablesManager.mode"
_EDIT = "kubectl -n kubeedge edit configmap cloudcore"
_RECREATE = "kubectl -n kubeedge delete pod -l kubeedge=cloudcore"
_SHOW = "kubectl -n kubeedge get daemonset,pods -l kubeedge=iptables-manager -o wide"

_RESTORE_MODE = Text(
    "Set modules.iptablesManager.mode: external in ConfigMap kubeedge/cloudcore and delete the cloudcore pod.",
    zh="在 ConfigMap kubeedge/cloudcore 中设置 modules.iptablesManager.mode: external，并删除 cloudcore Pod。",
)


@check(
    code="KE107",
    slug="iptables-manager-mode",
    title=Text("Exactly one iptables-manager is meant to run", zh="恰有一个 iptables-manager 负责规则"),
    side=Side.SITE,
    breaks=ALL_STREAMS,
    hop="diversion",
    remedy=_RESTORE_MODE,
    risk=Risk.RESTARTS_CLOUDCORE,
    references=("facts.md §1.2", "facts.md §10 (13, 18)", "facts.md §10.4", "versions.md §4"),
)
def iptables_manager_mode(
    config: CloudcoreConfig,
    manager: IptablesManager,
    workload: CloudcoreWorkload | Unavailable,
    cloud: CloudNodes | Unavailable,
    acting: ActingRules,
) -> Finding:
    """``iptablesManager.mode`` (code default: internal) against the DaemonSet of the external one."""
    mode, release = config.manager_mode, release_of(workload)
    if mode == "internal":
        return (
            _two(config, manager, release) if manager.wanted else _internal(config, workload, cloud, acting)
        )
    if manager.daemonset is not None:
        return passed(
            Text(
                f"The rules are left to the DaemonSet {manager.name} (mode {mode}).",
                zh=f"规则由 DaemonSet {manager.name} 负责（模式 {mode}）。",
            ),
            subject=_CONFIG_MAP,
        )
    return _none(config, mode, cloud, acting, release=release)


def _evidence(config: CloudcoreConfig, mode: str) -> tuple[Evidence, ...]:
    written = (
        f"{_PATH}: {mode}" if config.written(_PATH) else f"{_PATH} is not written; the default is internal"
    )
    return (Evidence(f"{_CONFIG_MAP}, cloudcore.yaml", written, config.line(_PATH)),)


def _two(config: CloudcoreConfig, manager: IptablesManager, release: Release | None) -> Finding:
    default = by_default(release)
    return warned(
        Text(
            f"Two iptables-managers write rules: cloudcore itself (mode internal) and the DaemonSet {manager.name}.",
            zh=f"有两个 iptables-manager 在写规则：cloudcore 自身（internal 模式）和 DaemonSet {manager.name}。",
        ),
        expected=Text(
            f"mode external while that DaemonSet exists; {default.en}",
            zh=f"该 DaemonSet 存在时应为 external 模式；{default.zh}",
        ),
        actual="internal",
        hint=_RESTORE_MODE,
        subject=_CONFIG_MAP,
        evidence=_evidence(config, "internal"),
        commands=(_EDIT, _RECREATE),
        breaks=(),
    )


_IN_ITS_POD = Text(
    "Mode internal, and cloudcore is not on the host network: it writes its rules into the network of its own pod, where "
    "no request of kube-apiserver passes.",
    zh="internal 模式，而 cloudcore 未使用主机网络：它把规则写入自身 Pod 的网络，kube-apiserver 的请求不会经过那里。",
)


def _internal(
    config: CloudcoreConfig,
    workload: CloudcoreWorkload | Unavailable,
    cloud: CloudNodes | Unavailable,
    acting: ActingRules,
) -> Finding:
    if isinstance(workload, Unavailable) or isinstance(cloud, Unavailable):
        missing = workload if isinstance(workload, Unavailable) else cloud
        return unknown(
            Text(
                "Mode internal: cloudcore writes the rules on its own host; whether that is every API-server host "
                f"is unknown ({missing}).",
                zh="internal 模式：cloudcore 在自身主机写规则；无法判断是否覆盖所有 API 服务器主机"
                f"（{missing.in_chinese if isinstance(missing, Unavailable) else ''}）。",
            ),
            subject=_CONFIG_MAP,
        )
    if workload.host_network is False:
        diverted = all(acting.on(host.node) for host in cloud.hosts)
        return _missing(_IN_ITS_POD, config, "internal", diverted=diverted, release=workload.release)
    covered = {pod.spec.node_name for pod in workload.live if pod.spec.host_network}
    bare = [host for host in cloud.hosts if host.node not in covered]
    if not bare:
        return passed(
            Text(
                "Cloudcore writes the rules itself (mode internal) and runs on every API-server host.",
                zh="cloudcore 自行写规则（internal 模式），且在每台 API 服务器主机上运行。",
            ),
            subject=_CONFIG_MAP,
        )
    names = ", ".join(host.node or host.address for host in bare)
    summary = Text(
        f"Mode internal: cloudcore writes rules only on its own host, not on the API-server host {names}.",
        zh=f"internal 模式：cloudcore 只在自身主机写规则，API 服务器主机 {names} 上没有。",
    )
    diverted = all(acting.on(host.node) for host in bare)
    return _missing(summary, config, "internal", diverted=diverted, release=workload.release)


def _none(
    config: CloudcoreConfig,
    mode: str,
    cloud: CloudNodes | Unavailable,
    acting: ActingRules,
    *,
    release: Release | None,
) -> Finding:
    summary = Text(
        f"Nobody writes the diversion rules: the mode is {mode}, and namespace kubeedge has no iptables-manager.",
        zh=f"没有任何组件写转发规则：模式为 {mode}，而命名空间 kubeedge 中没有 iptables-manager。",
    )
    hosts = () if isinstance(cloud, Unavailable) else cloud.names
    diverted = bool(hosts) and all(acting.on(host) for host in hosts)
    return _missing(summary, config, mode, diverted=diverted, release=release)


def _missing(
    summary: Text, config: CloudcoreConfig, mode: str, *, diverted: bool, release: Release | None
) -> Finding:
    default, moves = by_default(release), port_moves(release)
    expected = Text(
        "a DaemonSet cloud-iptables-manager with mode external, or mode internal with cloudcore on the API-server host; "
        f"{default.en}",
        zh="DaemonSet cloud-iptables-manager 加 external 模式，或 internal 模式且 cloudcore 在 API 服务器主机上；"
        f"{default.zh}",
    )
    hint = Text(
        "Install the DaemonSet of the chart (iptablesManager.mode=external), with tolerations for the control plane.",
        zh="安装 chart 中的 DaemonSet（iptablesManager.mode=external），并为控制面加上容忍。",
    )
    commands = ("helm -n kubeedge get values cloudcore --all", _SHOW, _EDIT)
    if not diverted:
        return failed(
            summary,
            expected=expected,
            actual=mode,
            hint=hint,
            subject=_CONFIG_MAP,
            evidence=_evidence(config, mode),
            commands=commands,
            certainty=Certainty.IMPLIED,
        )
    return warned(
        Text(
            f"{summary.en} A rule that nothing maintains works at present; {moves.en}.",
            zh=f"{summary.zh}目前起作用的规则无人维护；{moves.zh}。",
        ),
        expected=expected,
        actual=mode,
        hint=hint,
        subject=_CONFIG_MAP,
        evidence=_evidence(config, mode),
        commands=commands,
        breaks=(),
        hop="",
    )
