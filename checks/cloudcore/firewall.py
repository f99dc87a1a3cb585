"""The firewall of the cloud host in front of the ports that edges dial: 10000, 10002 and 10004 (facts.md §9 (4))."""

from __future__ import annotations

from collections.abc import Iterator

from kedoctor.api import (
    Certainty,
    Evidence,
    Finding,
    Side,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    skipped,
    unknown,
)
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.cloud.cloud_host import CloudProcesses, CloudSockets, HostAddresses
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreWorkload
from kedoctor.checks.facts.cloud.firewall import CloudFirewall, FilterVerdict

__all__ = ["cloud_firewall"]

_ROLES = {10000: ("link", ("ready",)), 10002: ("certificates", ("install",)), 10004: ("tunnel", ALL_STREAMS)}


@check(
    code="KE506",
    slug="cloud-firewall",
    title=Text("The cloud's firewall lets edges in", zh="云端防火墙放行边缘连接"),
    side=Side.CLOUD,
    breaks=(*ALL_STREAMS, "ready"),
    hop="link",
    # An edge that was looked at itself has tried the port: its KE505 is the proof, this is the rule behind it.
    explained_by=("KE505",),
    seen_by=("KE505",),
    remedy=Text(
        "Open 10000, 10002 and 10004 in the tool that keeps this firewall.",
        zh="在管理该防火墙的工具中放行 10000、10002 和 10004。",
    ),
    references=(
        "facts.md §3.5",
        "facts.md §9 (4, 20)",
        "requirements.md R118",
        "testbed.md case h1",
        "testbed.md case h2",
    ),
)
def cloud_firewall(
    firewall: CloudFirewall,
    sockets: CloudSockets | Unavailable,
    processes: CloudProcesses | Unavailable,
    *,
    workload: CloudcoreWorkload | Unavailable,
    addresses: HostAddresses,
) -> Iterator[Finding]:
    """A rule that drops everybody is closed; firewalld is believed only while no edge is connected."""
    if not _cloudcore_here(processes, workload, addresses):
        yield skipped(
            Text("cloudcore does not listen on this host.", zh="cloudcore 不在本机监听。"), subject="firewall"
        )
        return
    for verdict in firewall.verdicts:
        connected = _connected(sockets, verdict.port, addresses)
        yield _judge(firewall, verdict, connected=connected)


def _cloudcore_here(
    processes: CloudProcesses | Unavailable,
    workload: CloudcoreWorkload | Unavailable,
    addresses: HostAddresses,
) -> bool:
    if isinstance(workload, CloudcoreWorkload) and workload.host_network is False:
        return False
    if isinstance(processes, CloudProcesses) and processes.cloudcore is not None:
        return True
    return isinstance(workload, CloudcoreWorkload) and any(addresses.has(one) for one in workload.addresses)


def _connected(sockets: CloudSockets | Unavailable, port: int, addresses: HostAddresses) -> bool:
    if isinstance(sockets, Unavailable):
        return False
    return any(
        one.state == "ESTABLISHED" and one.local_port == port and not addresses.has(one.remote_address)
        for one in sockets.sockets.items
    )


def _judge(firewall: CloudFirewall, verdict: FilterVerdict, *, connected: bool) -> Finding:
    port, zone = verdict.port, firewall.zone
    if verdict.kind == "closed":
        return _closed(port, f"iptables-{verdict.backend}", verdict.rule, sure=True)
    if connected:
        return _open(port, Text("an edge is connected", zh="已有边缘连接"))
    if zone is not None and zone.admits(port) is False:
        return _closed(
            port, f"firewalld, zone {zone.name}", f"port {port}/tcp is not in zone {zone.name}", sure=False
        )
    doubt = (
        f"iptables-{verdict.backend}: {verdict.rule}"
        if verdict.kind == "depends" and zone is None
        else ", ".join(f"nft table {one}" for one in firewall.native)
        or (
            f"rich rules or services of zone {zone.name}"
            if zone is not None and zone.admits(port) is None
            else ""
        )
    )
    if doubt:
        return unknown(
            Text(
                f"Whether the firewall lets edges reach port {port} depends on what cannot be told from its rules ({doubt}).",
                zh=f"防火墙是否放行边缘节点访问端口 {port} 无法从规则判断（{doubt}）。",
            ),
            subject=f"port {port}",
            hint=Text("Try it from an edge: KE505 does.", zh="请从边缘侧尝试：KE505 会检测。"),
            commands=(f"timeout 5 bash -c '</dev/tcp/<cloud>/{port}' && echo open   # on an edge",),
        )
    return _open(port, Text("no rule drops it", zh="没有规则丢弃它"))


def _open(port: int, why: Text) -> Finding:
    return passed(
        Text(
            f"The firewall of this host lets edges reach port {port} ({why.en}).",
            zh=f"本机防火墙放行边缘节点访问端口 {port}（{why.zh}）。",
        ),
        subject=f"port {port}",
    )


def _closed(port: int, tool: str, rule: str, *, sure: bool) -> Finding:
    hop, breaks = _ROLES.get(port, ("link", (*ALL_STREAMS, "ready")))
    return failed(
        Text(
            f"The firewall of this host closes port {port} to edges ({tool}: {rule}).",
            zh=f"本机防火墙对边缘节点关闭了端口 {port}（{tool}：{rule}）。",
        ),
        expected=Text(f"TCP {port} open to the edges", zh=f"对边缘节点放行 TCP {port}"),
        actual=rule,
        hint=Text("Open it where that rule is kept.", zh="请在维护该规则的工具中放行。"),
        subject=f"port {port}",
        evidence=(Evidence(tool, rule),),
        commands=(
            f"sudo firewall-cmd --permanent --add-port={port}/tcp && sudo firewall-cmd --reload   # firewalld",
            f"sudo ufw allow {port}/tcp                                                # ufw",
            f"sudo iptables -S INPUT | grep -n -- '{port}'                               # a rule made by hand",
        ),
        breaks=breaks,
        hop=hop,
        certainty=Certainty.PROVED if sure else Certainty.IMPLIED,
    )
