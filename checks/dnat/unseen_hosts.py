"""API-server hosts whose rules nobody here has read: with several, each has rules of its own (facts.md §10 (13))."""

from __future__ import annotations

from collections.abc import Iterator

from kedoctor.api import EveryHost, Finding, Text, Unavailable, skipped, unknown
from kedoctor.checks.facts.cloud.cloud_host import HostAddresses
from kedoctor.checks.facts.cluster.iptables_manager import IptablesManager
from kedoctor.checks.facts.cluster.nodes import CloudNodes

__all__ = ["unseen_hosts"]


def unseen_hosts(
    cloud: CloudNodes, manager: IptablesManager | Unavailable, seen: EveryHost[HostAddresses]
) -> Iterator[Finding]:
    """What is not judged here: a skip for a host on which iptables-manager is ready, unknown for one without it."""
    if len(cloud.hosts) < 2:
        return
    for host in cloud.hosts:
        if not host.node or any(one.has(host.address) for one in seen.known().values()):
            continue
        subject = f"nat OUTPUT of {host.node}"
        told = Text(
            f"A request that enters through the kube-apiserver of {host.node} takes the rules of that host, which are not seen from here",
            zh=f"经由 {host.node} 的 kube-apiserver 进入的请求使用该主机的规则，此处无法看到",
        )
        if not isinstance(manager, Unavailable) and manager.ready_on(host.node):
            yield skipped(
                Text(
                    f"{told.en}; iptables-manager is ready there (KE307).",
                    zh=f"{told.zh}；该处 iptables-manager 就绪（见 KE307）。",
                ),
                subject=subject,
            )
        else:
            yield unknown(
                Text(f"{told.en}.", zh=f"{told.zh}。"),
                subject=subject,
                hint=Text(
                    f"Run kedoctor on {host.node}, or join its evidence.",
                    zh=f"请在 {host.node} 上运行 kedoctor，或合并其诊断数据包。",
                ),
                commands=(
                    f"sudo kedoctor run   # on {host.node}",
                    f"sudo kedoctor collect   # on {host.node}",
                ),
            )
