"""KE212: the tunnel announces the address by which the cloud knows the Node (facts.md §3.5, §10 (3))."""

from __future__ import annotations

from kedoctor.api import NoPlan, Plan, Text, Unavailable, Verdict, remedy
from kedoctor.checks.facts.cluster.nodes import EdgeNodes
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig
from kedoctor.checks.facts.edge.host import EdgeAddresses
from kedoctor.checks.parsers.host_port import is_loopback
from kedoctor.checks.plans.edgecore import edgecore_plan, no_plan, set_keys

__all__ = ["node_ip"]

_NODE_IP = "modules.edged.nodeIP"
_INTERFACE = "modules.edged.customInterfaceName"
_SETTLE = 70.0  # the Node's status follows 10 s after edgecore's start, the tunnel up to 40 (facts.md §10.2)


@remedy("KE212")
def node_ip(
    verdict: Verdict, config: EdgecoreConfig, addresses: EdgeAddresses, nodes: EdgeNodes | Unavailable
) -> Plan | NoPlan:
    """Writes nodeIP: the Node's InternalIP if this host has it, else the address of the default route."""
    interface = config.text(_INTERFACE)
    if interface:
        return no_plan(
            f"modules.edged.customInterfaceName is {interface} and overrides nodeIP; remove or correct it in {config.path}, then restart edgecore",
            f"modules.edged.customInterfaceName 为 {interface}，会覆盖 nodeIP；请在 {config.path} 中删除或修正它，然后重启 edgecore",
        )
    known = None if isinstance(nodes, Unavailable) else nodes.named(config.node_name)
    internal = known.internal_ip if known is not None else ""
    wanted = internal if internal and addresses.has(internal) else addresses.default_route
    if not wanted or is_loopback(wanted):
        return no_plan(
            f"which address the cloud should know is not clear (no default route); write it into {_NODE_IP} of {config.path} and restart edgecore",
            f"无法确定云端应使用的地址（没有默认路由）；请将其写入 {config.path} 的 {_NODE_IP} 并重启 edgecore",
        )
    if wanted == config.text(_NODE_IP):
        return no_plan(
            f"nodeIP is {wanted} already; the Node says {internal or 'nothing'} until edgecore reports again, so restart edgecore if it stays so",
            f"nodeIP 已是 {wanted}；在 edgecore 再次上报之前 Node 显示 {internal or '空'}，若一直如此请重启 edgecore",
        )
    return edgecore_plan(
        verdict,
        Text(f"set nodeIP: {wanted} in {config.path}", zh=f"在 {config.path} 中设置 nodeIP: {wanted}"),
        Text(
            f"Tunnel and Node of {config.node_name} both announce {wanted}.",
            zh=f"{config.node_name} 的隧道和 Node 均上报 {wanted}。",
        ),
        set_keys(config, {_NODE_IP: wanted}),
        settle=_SETTLE,
    )
