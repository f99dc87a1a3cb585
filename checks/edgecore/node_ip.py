"""The edge's own idea of its address against the one in the Node: metrics are asked for by address (facts.md §3.5)."""

from __future__ import annotations

from kedoctor.api import (
    Evidence,
    Finding,
    Reason,
    Record,
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
from kedoctor.checks.parsers.host_port import same_host

__all__ = ["node_ip"]

_NODE_IP = "modules.edged.nodeIP"
_INTERFACE = "modules.edged.customInterfaceName"
_LOGGED = "get node local IP address successfully: "
_SET = Text(
    "Write the address by which the cloud should know this edge into modules.edged.nodeIP and restart edgecore.",
    zh="将云端应识别的地址写入 modules.edged.nodeIP，并重启 edgecore。",
)


class _Own(Record, frozen=True):
    """The address that the tunnel announces, and how that is known."""

    address: str
    source: str


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
    references=("facts.md §3.5", "facts.md §10 (2, 3)", "KubeEdge: pkg/util/util.go"),
)
def node_ip(
    config: EdgecoreConfig,
    addresses: EdgeAddresses | Unavailable,
    nodes: EdgeNodes | Unavailable,
    log: EdgecoreLog | Unavailable,
) -> Finding:
    """nodeIP, else the logged or default-route address, against InternalIP; logs go by name, figures by address."""
    node, written = config.node_name, config.text(_NODE_IP)
    if written and isinstance(addresses, EdgeAddresses) and not addresses.has(written):
        return _foreign(config, written, addresses)
    own = _announced(config, addresses, log)
    if own is None:
        return unknown(
            Text(
                f"Which address {node} announces is unknown: no nodeIP is written and no default route was seen.",
                zh=f"无法得知 {node} 上报的地址：未写 nodeIP，也没有看到默认路由。",
            ),
            subject=node,
            node=node,
        )
    if isinstance(nodes, Unavailable) and nodes.reason is Reason.NOT_CONFIGURED:
        return _out_of_view(node, own)
    known = None if isinstance(nodes, Unavailable) else nodes.named(node)
    if isinstance(nodes, Unavailable) or known is None or not known.internal_ip:
        why = str(nodes) if isinstance(nodes, Unavailable) else f"no InternalIP of a Node {node} was seen"
        return unknown(
            Text(
                f"{node} announces {own.address} ({own.source}); {why}.",
                zh=f"{node} 上报 {own.address}（{own.source}）；{why}。",
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


def _out_of_view(node: str, own: _Own) -> Finding:
    """An edge has no kubeconfig as a rule; that is no gap in what can be seen from there."""
    return skipped(
        Text(
            f"{node} announces {own.address} ({own.source}); which address its Node has is judged on the cloud host.",
            zh=f"{node} 上报 {own.address}（{own.source}）；其 Node 的地址请在云端主机上检查。",
        ),
        subject=node,
        node=node,
    )


def _announced(
    config: EdgecoreConfig, addresses: EdgeAddresses | Unavailable, log: EdgecoreLog | Unavailable
) -> _Own | None:
    interface = config.text(_INTERFACE)
    if interface:  # it replaces nodeIP at start (facts.md §2.2)
        found = "" if isinstance(addresses, Unavailable) else addresses.on(interface)
        return _Own(found, f"customInterfaceName {interface}") if found else None
    if config.text(_NODE_IP):
        return _Own(config.text(_NODE_IP), "nodeIP in edgecore.yaml")
    said = None if isinstance(log, Unavailable) else log.newest(_LOGGED)
    if said is not None:
        return _Own(said.raw.partition(_LOGGED)[2].strip(), "edgecore's log")
    if isinstance(addresses, EdgeAddresses) and addresses.default_route:
        return _Own(addresses.default_route, "default route")
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


def _differ(config: EdgecoreConfig, own: _Own, internal_ip: str) -> Finding:
    node = config.node_name
    return failed(
        Text(
            f"The tunnel of {node} announces {own.address} ({own.source}), but its Node says InternalIP {internal_ip}: metrics are asked for by InternalIP and find no session. Logs and exec work.",
            zh=f"{node} 的隧道上报 {own.address}（{own.source}），而 Node 的 InternalIP 为 {internal_ip}：指标按 InternalIP 请求，找不到会话。logs、exec 可用。",
        ),
        expected=Text(
            f"both {internal_ip}, or both {own.address}", zh=f"同为 {internal_ip} 或同为 {own.address}"
        ),
        actual=f"tunnel {own.address}, InternalIP {internal_ip}",
        hint=_SET,
        subject=node,
        node=node,
        evidence=(
            Evidence(own.source, own.address),
            Evidence(f"node/{node} status.addresses", f"InternalIP {internal_ip}"),
        ),
        commands=(
            f"kubectl get node {node} -o wide",
            f"sudo vi {config.path}   # {_NODE_IP}: <one address of this host>",
            "sudo systemctl restart edgecore",
        ),
    )
