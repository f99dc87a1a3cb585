"""The edge's own idea of its address against the one in the Node: metrics are asked for by address (facts.md §3.5)."""

from __future__ import annotations

from kedoctor.api import (
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
from kedoctor.checks.facts.cluster.nodes import EdgeNodes
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig
from kedoctor.checks.facts.edge.edgecore_log import EdgecoreLog
from kedoctor.checks.facts.edge.host import EdgeAddresses
from kedoctor.checks.facts.edge.routing import EdgeNames, OwnAddress, own_address
from kedoctor.checks.facts.edge.version import EdgecoreRelease
from kedoctor.checks.parsers.host_port import same_host

__all__ = ["node_ip"]

_NODE_IP = "modules.edged.nodeIP"
_INTERFACE = "modules.edged.customInterfaceName"
_LOGGED = "et node local IP address successfully: "  # v1.17.0 writes a capital G
_SET = Text(
    "Write the address by which the cloud should know this edge into modules.edged.nodeIP and restart edgecore.",
    zh="将云端应识别的地址写入 modules.edged.nodeIP，并重启 edgecore。",
)


@check(
    code="KE212",
    slug="node-ip",
    title=Text("The tunnel announces the Node's InternalIP", zh="隧道上报的地址与 Node 的 InternalIP 一致"),
    side=Side.EDGE,
    breaks=("top",),
    hop="session",
    builds_on=("KE201",),
    remedy=_SET,
    risk=Risk.RESTARTS_EDGECORE,
    references=("facts.md §3.5", "facts.md §10 (2, 3)", "versions.md §4", "KubeEdge: pkg/util/util.go"),
)
def node_ip(
    config: EdgecoreConfig,
    addresses: EdgeAddresses | Unavailable,
    nodes: EdgeNodes | Unavailable,
    log: EdgecoreLog | Unavailable,
    *,
    names: EdgeNames | Unavailable,
    version: EdgecoreRelease,
) -> Finding:
    """nodeIP, else the address that was logged or that this release finds, against InternalIP: figures go by address."""
    node, written = config.node_name, config.text(_NODE_IP)
    if written and isinstance(addresses, EdgeAddresses) and not addresses.has(written):
        return _foreign(config, written, addresses)
    own = _announced(config, addresses, log)
    if own is None and not config.text(_INTERFACE) and not isinstance(addresses, Unavailable):
        own = own_address(addresses, names, version.release)
    if own is None:
        return _not_known(node, addresses)
    if isinstance(nodes, Unavailable) and nodes.reason is Reason.NOT_CONFIGURED:
        return _out_of_view(node, own)
    known = None if isinstance(nodes, Unavailable) else nodes.named(node)
    if isinstance(nodes, Unavailable) or known is None or not known.internal_ip:
        why = (
            Text(str(nodes), zh=nodes.in_chinese)
            if isinstance(nodes, Unavailable)
            else Text(f"no InternalIP of a Node {node} was seen", zh=f"未见到 Node {node} 的 InternalIP")
        )
        return unknown(
            Text(
                f"{node} announces {own.address} ({own.source.en}); {why.en}.",
                zh=f"{node} 上报 {own.address}（{own.source.zh}）；{why.zh}。",
            ),
            subject=node,
            node=node,
            commands=(f"kubectl get node {node} -o wide",),
        )
    if same_host(own.address, known.internal_ip):
        return passed(
            Text(
                f"{node} announces {own.address}, its InternalIP.",
                zh=f"{node} 上报 {own.address}，与 InternalIP 一致。",
            ),
            subject=node,
            node=node,
        )
    return _differ(config, own, known.internal_ip)


def _not_known(node: str, addresses: EdgeAddresses | Unavailable) -> Finding:
    both = isinstance(addresses, EdgeAddresses) and addresses.default_route
    why = (
        Text(
            "its host name and its default route lead to different addresses, and which of them this release of "
            "edgecore takes is unknown",
            zh="主机名与默认路由指向不同地址，而无法得知该版本的 edgecore 采用哪一个",
        )
        if both
        else Text("no nodeIP is written and no default route was seen", zh="未写 nodeIP，也没有看到默认路由")
    )
    return unknown(
        Text(
            f"Which address {node} announces is unknown: {why.en}.",
            zh=f"无法得知 {node} 上报的地址：{why.zh}。",
        ),
        subject=node,
        node=node,
    )


def _out_of_view(node: str, own: OwnAddress) -> Finding:
    """An edge has no kubeconfig as a rule; that is no gap in what can be seen from there."""
    return skipped(
        Text(
            f"{node} announces {own.address} ({own.source.en}); which address its Node has is judged on the cloud host.",
            zh=f"{node} 上报 {own.address}（{own.source.zh}）；其 Node 的地址请在云端主机上检查。",
        ),
        subject=node,
        node=node,
    )


def _announced(
    config: EdgecoreConfig, addresses: EdgeAddresses | Unavailable, log: EdgecoreLog | Unavailable
) -> OwnAddress | None:
    """What is written or was logged; ``None`` where neither says it."""
    interface = config.text(_INTERFACE)
    if interface:  # it replaces nodeIP at start (facts.md §2.2)
        found = "" if isinstance(addresses, Unavailable) else addresses.on(interface)
        by_name = Text(f"customInterfaceName {interface}", zh=f"customInterfaceName {interface}")
        return OwnAddress(found, by_name) if found else None
    if config.text(_NODE_IP):
        source = Text("nodeIP in edgecore.yaml", zh="edgecore.yaml 中的 nodeIP")
        return OwnAddress(config.text(_NODE_IP), source)
    said = None if isinstance(log, Unavailable) else log.newest(_LOGGED)
    if said is not None:
        source = Text("edgecore's log", zh="edgecore 日志")
        return OwnAddress(said.raw.partition(_LOGGED)[2].strip(), source)
    return None


def _foreign(config: EdgecoreConfig, written: str, addresses: EdgeAddresses) -> Finding:
    node = config.node_name
    own = ", ".join(
        item.address
        for item in addresses.addresses.items
        if not item.address.startswith(("127.", "::1", "fe80"))
    )
    return failed(
        Text(
            f"nodeIP of {node} is {written}, but no interface has that address (it has {own}).",
            zh=f"{node} 的 nodeIP 为 {written}，但没有网卡具有该地址（现有 {own}）。",
        ),
        expected=Text("an address of this host", zh="本机地址"),
        actual=f"nodeIP: {written}",
        hint=_SET,
        subject=node,
        node=node,
        evidence=(
            Evidence(config.path, f"nodeIP: {written}", config.line(_NODE_IP)),
            Evidence("ip -br addr", own),
        ),
        commands=("ip -br addr", f"sudo vi {config.path}   # {_NODE_IP}", "sudo systemctl restart edgecore"),
    )


def _differ(config: EdgecoreConfig, own: OwnAddress, internal_ip: str) -> Finding:
    node = config.node_name
    return failed(
        Text(
            f"The tunnel of {node} announces {own.address} ({own.source.en}), but its Node says InternalIP {internal_ip}: metrics are asked for by InternalIP and find no session. Logs and exec work.",
            zh=f"{node} 的隧道上报 {own.address}（{own.source.zh}），而 Node 的 InternalIP 为 {internal_ip}：指标按 InternalIP 请求，找不到会话。logs、exec 可用。",
        ),
        expected=Text(
            f"both {internal_ip}, or both {own.address}", zh=f"同为 {internal_ip} 或同为 {own.address}"
        ),
        actual=f"tunnel {own.address}, InternalIP {internal_ip}",
        hint=_SET,
        subject=node,
        node=node,
        evidence=(
            Evidence(own.source.en, own.address),
            Evidence(f"node/{node} status.addresses", f"InternalIP {internal_ip}"),
        ),
        commands=(
            f"kubectl get node {node} -o wide",
            f"sudo vi {config.path}   # {_NODE_IP}: <one address of this host>",
            "sudo systemctl restart edgecore",
        ),
    )
