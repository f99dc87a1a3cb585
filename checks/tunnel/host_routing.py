"""What an edge needs of its own host to find itself and the cloud: an address, and the name ``localhost``."""

from __future__ import annotations

from kedoctor.api import (
    Evidence,
    Finding,
    HostContext,
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
    warned,
)
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig, EdgeName
from kedoctor.checks.facts.edge.edgecore_log import EdgecoreLog
from kedoctor.checks.facts.edge.host import EdgeAddresses
from kedoctor.checks.facts.edge.routing import EdgeNames, StreamReach, own_address
from kedoctor.checks.facts.edge.sockets_and_probes import EDGED_PORT, EdgeSockets
from kedoctor.checks.facts.edge.version import EdgecoreRelease
from kedoctor.checks.parsers.host_port import HostPort
from kedoctor.checks.parsers.releases import Release, Trait, has

__all__ = ["host_routing", "stream_exposed"]

_NO_ADDRESS = "ailed to get Local IP address"  # v1.17.0 begins these two with a capital
_NO_LOCALHOST = "failed to get kubelet healthz syncloop"
_FOUND = "et node local IP address successfully"
_SET = Text(
    "Give the host a default route, or write its address into modules.edged.nodeIP, and restart edgecore.",
    zh="为主机添加默认路由，或将其地址写入 modules.edged.nodeIP，并重启 edgecore。",
)
_CLOSED = frozenset({Reason.REFUSED, Reason.TIMEOUT, Reason.UNREACHABLE})


@check(
    code="KE510",
    slug="host-routing",
    title=Text("The edge knows its own address", zh="边缘节点能确定自身地址"),
    side=Side.EDGE,
    breaks=ALL_STREAMS,
    hop="tunnel",
    builds_on=("KE201",),
    remedy=_SET,
    risk=Risk.RESTARTS_EDGECORE,
    references=(
        "facts.md §3.5",
        "facts.md §3.6",
        "facts.md §10 (1, 2, 26)",
        "versions.md §4",
        "KubeEdge: pkg/util/util.go",
    ),
)
def host_routing(
    config: EdgecoreConfig,
    addresses: EdgeAddresses,
    names: EdgeNames,
    *,
    log: EdgecoreLog | Unavailable,
    sockets: EdgeSockets | Unavailable,
    version: EdgecoreRelease,
) -> Finding:
    """Without nodeIP edgecore asks default route and host name, in its release's order; without either no tunnel is dialled."""
    node, server = config.node_name, config.stream_server
    lost = None if isinstance(log, Unavailable) else log.newest(_NO_ADDRESS)
    known = None if isinstance(log, Unavailable) else log.newest(_FOUND)
    held = server is not None and not isinstance(sockets, Unavailable) and bool(sockets.towards(server))
    written = config.text("modules.edged.nodeIP") or config.text("modules.edged.customInterfaceName")
    if not (written or addresses.default_route or held or known) and (
        lost or not _own_name(names, addresses)
    ):
        return _no_address(node, "" if lost is None else lost.raw.strip()[:200], names, version.release)
    wrong = _localhost(names)
    if wrong:
        return _no_localhost(node, wrong)
    found = own_address(addresses, names, version.release)
    told = written or (found.address if found else "")
    return passed(
        Text(
            f"{node} takes {told or 'the address of its host name or default route'} for its own address.",
            zh=f"{node} 以{f' {told} ' if told else '主机名或默认路由的地址'}作为自身地址。",
        ),
        subject=node,
        node=node,
    )


def _own_name(names: EdgeNames, addresses: EdgeAddresses) -> bool:
    """Whether the host name leads to an address of this host; true where that is unknown."""
    if names.hosts is None or not names.hostname:
        return True
    return any(
        addresses.has(one) and not one.startswith(("127.", "::1"))
        for one in names.addresses_of(names.hostname)
    )


def _localhost(names: EdgeNames) -> str:
    """What ``localhost`` leads to, if /etc/hosts sends it somewhere but 127.0.0.1; else nothing."""
    found = names.addresses_of("localhost")
    return "" if not found or any(one.startswith("127.") for one in found) else ", ".join(found)


def _no_address(node: str, line: str, names: EdgeNames, release: Release | None) -> Finding:
    actual: str | Text = line or Text(
        f"no default route, no nodeIP, and {names.hostname} does not resolve to an address of this host",
        zh=f"没有默认路由和 nodeIP，且 {names.hostname} 不能解析为本机地址",
    )
    ends = has(release, Trait.OWN_ADDRESS_ALWAYS_NEEDED)
    what = (
        "edgecore ends at start, whether edgeStream is on or off"
        if ends
        else "edgecore never dials the tunnel"
    )
    what_zh = "edgecore 启动即退出，与 edgeStream 是否启用无关" if ends else "edgecore 不会建立隧道"
    return failed(
        Text(
            f"{node} has no default route, no nodeIP in edgecore.yaml, and its host name leads to no address of its own: {what}.",
            zh=f"{node} 没有默认路由，edgecore.yaml 中没有 nodeIP，主机名也不指向自身地址：{what_zh}。",
        ),
        expected=Text("a default route, or modules.edged.nodeIP", zh="默认路由，或 modules.edged.nodeIP"),
        actual=actual,
        hint=_SET,
        subject=node,
        node=node,
        evidence=(Evidence("ip route; /etc/hosts", line or "no default route"),),
        breaks=(*ALL_STREAMS, "ready") if ends else None,
        commands=(
            "ip route; ip -br addr; getent hosts $(hostname)",
            "sudo vi /etc/kubeedge/config/edgecore.yaml   # modules.edged.nodeIP: <address of this host>",
            "sudo systemctl restart edgecore",
        ),
    )


def _no_localhost(node: str, found: str) -> Finding:
    return warned(
        Text(
            f"localhost of {node} leads to {found}, not to 127.0.0.1, where edged listens: edgecore keeps waiting for itself and starts no pods.",
            zh=f"{node} 的 localhost 指向 {found}，而不是 edged 监听的 127.0.0.1：edgecore 会一直等待自身，无法启动 Pod。",
        ),
        expected=Text("127.0.0.1 localhost", zh="127.0.0.1 localhost"),
        actual=f"{found} localhost",
        hint=Text(
            "Correct /etc/hosts; edgecore goes on by itself.", zh="修正 /etc/hosts；edgecore 会自行恢复。"
        ),
        subject=node,
        node=node,
        evidence=(Evidence("/etc/hosts", f"{found} localhost"),),
        commands=(
            "getent hosts localhost",
            "sudo vi /etc/hosts   # 127.0.0.1 localhost",
            f"curl -s http://localhost:{EDGED_PORT}/healthz/syncloop",
        ),
        breaks=(),
        hop="edged",
    )


@check(
    code="KE507",
    slug="stream-exposed",
    title=Text("Edges cannot reach cloudcore's stream port", zh="边缘节点无法访问 cloudcore 的流端口"),
    side=Side.EDGE,
    remedy=Text(
        "Let only the API server, metrics-server and Prometheus reach 10003 (NodePort mode: 30003).",
        zh="只允许 API 服务器、metrics-server 和 Prometheus 访问 10003（NodePort 方式为 30003）。",
    ),
    references=("facts.md §0 (5)", "facts.md §4.2", "facts.md §10 (23)", "requirements.md R130"),
)
def stream_exposed(reach: StreamReach, name: EdgeName, vantage: HostContext) -> Finding:
    """10003 asks nobody for a certificate: whoever connects can run commands in every edge pod."""
    node, server = name.name, reach.server
    if "cloud" in vantage.sides:
        return skipped(
            Text(
                f"{node} is a cloud host, which may reach {server}.",
                zh=f"{node} 同时是云端主机，可以访问 {server}。",
            ),
            subject=node,
            node=node,
        )
    if isinstance(reach.tcp, Unavailable):
        if reach.tcp.reason in _CLOSED:
            return passed(
                Text(
                    f"{node} cannot reach {server}, and need not.",
                    zh=f"{node} 无法访问 {server}，也不需要访问。",
                ),
                subject=node,
                node=node,
            )
        return unknown(
            Text(
                f"Whether {node} reaches {server} was not tried: {reach.tcp}.",
                zh=f"未尝试 {node} 能否访问 {server}：{reach.tcp.in_chinese}。",
            ),
            subject=node,
            node=node,
        )
    return _exposed(node, server)


def _exposed(node: str, server: HostPort) -> Finding:
    return warned(
        Text(
            f"{node} reaches {server}, which requires no authentication: anyone on that network can run commands in the pods of every edge.",
            zh=f"{node} 可以访问 {server}，而该端口不做任何认证：该网络中的任何人都可在所有边缘节点的 Pod 中执行命令。",
        ),
        expected=Text(
            f"{server} closed to everything but the API server's host", zh=f"{server} 仅对 API 服务器主机开放"
        ),
        actual=Text("connected", zh="可以连接"),
        hint=Text(
            "On the cloud host let only its own addresses reach 10003; edges need 10000, 10002 and 10004.",
            zh="在云端主机上只允许本机地址访问 10003；边缘节点只需要 10000、10002 和 10004。",
        ),
        subject=node,
        node=node,
        evidence=(Evidence(f"TCP {server}", "connected"),),
        commands=(
            f"timeout 5 bash -c '</dev/tcp/{server.host}/{server.port}' && echo open   # on this edge",
            f"sudo iptables -I INPUT ! -i lo -p tcp --dport {server.port} -m addrtype ! --src-type LOCAL -j DROP   # on the cloud host; let Prometheus and other API servers in first",
        ),
    )
