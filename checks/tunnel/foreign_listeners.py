"""Who listens on an edge where only KubeEdge, or nobody, should (facts.md §3.5, §9 (1, 5))."""

from __future__ import annotations

from kedoctor.api import (
    Evidence,
    Finding,
    HostContext,
    Side,
    Socket,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    warned,
)
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig, EdgeName
from kedoctor.checks.facts.edge.sockets_and_probes import EDGED_PORT, EdgeSockets
from kedoctor.checks.parsers.host_port import is_loopback, is_unspecified

__all__ = ["edge_exposure", "foreign_listeners"]

_TUNNEL, _KUBELET, _MQTT, _META = 10004, 10250, 1883, 10550
_BROKERS = (
    "mosquitto",
    "emqx",
    "beam.smp",
    "nanomq",
    "vernemq",
    "edgecore",
    "docker-proxy",
    "conmon",
    "rootlessport",
)
_LINK_LOCAL = "169.254."


@check(
    code="KE504",
    slug="foreign-listeners",
    title=Text(
        "No stranger listens on KubeEdge's ports of the edge",
        zh="边缘节点上 KubeEdge 的端口没有被其他程序占用",
    ),
    side=Side.EDGE,
    breaks=(*ALL_STREAMS, "ready"),
    hop="edged",
    remedy=Text("Stop that program or move it to another port.", zh="停止该程序或更换其端口。"),
    references=("facts.md §3.5", "facts.md §9 (1, 5)", "facts.md §10 (25, 27)"),
)
def foreign_listeners(
    sockets: EdgeSockets, name: EdgeName, vantage: HostContext, config: EdgecoreConfig | Unavailable
) -> Finding:
    """10350 is edgecore's alone; nothing of an edge listens on 10004 or 10250; 1883 is the MQTT broker's."""
    node = name.name
    taken = [one for one in sockets.listening(EDGED_PORT) if _stranger(one, "edgecore") and _in_the_way(one)]
    if taken:
        return _edged_taken(node, taken[0])
    odd = [] if "cloud" in vantage.sides else [*sockets.listening(_TUNNEL), *sockets.listening(_KUBELET)]
    odd = [one for one in odd if one.process and one.process != "cloudcore"]
    if isinstance(config, EdgecoreConfig) and config.flag("modules.eventBus.enable"):
        odd += [
            one for one in sockets.listening(_MQTT) if one.process and not one.process.startswith(_BROKERS)
        ]
    if not odd:
        return passed(
            Text(
                f"No unexpected process listens on 10004, 10250, {EDGED_PORT} or 1883 of {node}.",
                zh=f"{node} 的 10004、10250、{EDGED_PORT}、1883 端口没有异常监听。",
            ),
            subject=node,
            node=node,
        )
    return _odd(node, odd[0])


def _stranger(socket: Socket, owner: str) -> bool:
    return bool(socket.process) and socket.process != owner


def _in_the_way(socket: Socket) -> bool:
    return is_unspecified(socket.local_address) or is_loopback(socket.local_address)


def _told(socket: Socket) -> str:
    return f"{socket.process} (pid {socket.pid})"


def _edged_taken(node: str, socket: Socket) -> Finding:
    where = f"{socket.local_address}:{EDGED_PORT}"
    return failed(
        Text(
            f"{_told(socket)} holds {where} of {node}: edged cannot listen there, and edgecore ends whenever it is started.",
            zh=f"{node} 的 {where} 被 {_told(socket)} 占用：edged 无法监听，edgecore 每次启动都会退出。",
        ),
        expected=Text(f"edgecore on 127.0.0.1:{EDGED_PORT}", zh=f"由 edgecore 监听 127.0.0.1:{EDGED_PORT}"),
        actual=f"LISTEN {where} {_told(socket)}",
        hint=Text(
            "Stop that program or move it, then start edgecore.", zh="停止或移走该程序，然后启动 edgecore。"
        ),
        subject=node,
        node=node,
        evidence=(Evidence("ss -tlnp", f"LISTEN {where} {_told(socket)}"),),
        commands=(
            f"sudo ss -tlnp 'sport = :{EDGED_PORT}'",
            f"sudo systemctl status {socket.pid}",
            "sudo systemctl restart edgecore",
        ),
    )


_ODD = {
    _TUNNEL: Text(
        "edgecore dials out to 10004 of the cloud; a listener here answers nobody, and an edgeStream.server of 127.0.0.1:10004 would end there",
        zh="edgecore 是向云端 10004 拨出；此处的监听没有用处，而 edgeStream.server 若写成 127.0.0.1:10004 就会连到它",
    ),
    _KUBELET: Text(
        "an edge has no kubelet port 10250; a kubelet or an old script holds it",
        zh="边缘节点没有 kubelet 端口 10250；占用者是 kubelet 或旧脚本",
    ),
    _MQTT: Text(
        "1883 is where eventBus looks for an MQTT broker, and this is none that is known",
        zh="eventBus 在 1883 查找 MQTT 代理，而该程序不是已知的代理",
    ),
}


def _odd(node: str, socket: Socket) -> Finding:
    port, why = socket.local_port, _ODD[socket.local_port]
    return warned(
        Text(
            f"{_told(socket)} listens on port {port} of {node}: {why.en}.",
            zh=f"{_told(socket)} 监听 {node} 的端口 {port}：{why.zh}。",
        ),
        expected=Text(f"nothing strange on {port}", zh=f"{port} 上没有异常监听"),
        actual=f"LISTEN {socket.local_address}:{port} {_told(socket)}",
        hint=Text("Find out what it is; edgecore does not need it.", zh="请查明其用途；edgecore 不需要它。"),
        subject=node,
        node=node,
        evidence=(Evidence("ss -tlnp", f"LISTEN {socket.local_address}:{port} {_told(socket)}"),),
        commands=(f"sudo ss -tlnp 'sport = :{port}'", f"sudo systemctl status {socket.pid}"),
        breaks=(),
        hop="",
    )


@check(
    code="KE922",
    slug="edge-exposure",
    title=Text("edged and metaServer are not open to the network", zh="edged 和 metaServer 未暴露在网络上"),
    side=Side.EDGE,
    remedy=Text(
        "Set tailoredKubeletConfig.address and metaServer.server to 127.0.0.1 and restart edgecore.",
        zh="将 tailoredKubeletConfig.address 和 metaServer.server 设为 127.0.0.1，并重启 edgecore。",
    ),
    references=("facts.md §3.6", "facts.md §2.2", "facts.md §10 (22)"),
)
def edge_exposure(sockets: EdgeSockets, name: EdgeName) -> Finding:
    """Whether edgecore's 10350 or 10550 listens on an address that others can reach."""
    node = name.name
    open_ = [
        one
        for port in (EDGED_PORT, _META)
        for one in sockets.listening(port)
        if sockets.may_be_edgecore(one) and _reachable(one)
    ]
    if not open_:
        return passed(
            Text(
                f"Neither {EDGED_PORT} nor {_META} of {node} is open to the network.",
                zh=f"{node} 的 {EDGED_PORT} 和 {_META} 均未暴露在网络上。",
            ),
            subject=node,
            node=node,
        )
    return _exposed(node, open_[0])


def _reachable(socket: Socket) -> bool:
    address = socket.local_address
    # metaServer's dummy address lives on an interface that leads nowhere (facts.md §2.2).
    return is_unspecified(address) or not (is_loopback(address) or address.startswith(_LINK_LOCAL))


def _exposed(node: str, socket: Socket) -> Finding:
    where = f"{socket.local_address}:{socket.local_port}"
    edged = socket.local_port == EDGED_PORT
    danger = (
        Text(
            "anyone who reaches it can run commands in every pod without a password",
            zh="任何能访问者都可无认证地在所有 Pod 中执行命令",
        )
        if edged
        else Text(
            "anyone who reaches it can read what the edge knows of the cluster",
            zh="任何能访问者都可读取该边缘节点上的集群数据",
        )
    )
    key = "edged.tailoredKubeletConfig.address" if edged else "metaManager.metaServer.server"
    return warned(
        Text(
            f"edgecore of {node} listens on {where}: {danger.en}.",
            zh=f"{node} 的 edgecore 监听 {where}：{danger.zh}。",
        ),
        expected=Text("127.0.0.1 only", zh="仅 127.0.0.1"),
        actual=f"LISTEN {where}",
        hint=Text(f"Set modules.{key} to 127.0.0.1.", zh=f"将 modules.{key} 设为 127.0.0.1。"),
        subject=node,
        node=node,
        evidence=(Evidence("ss -tlnp", f"LISTEN {where} edgecore"),),
        commands=(
            "sudo vi /etc/kubeedge/config/edgecore.yaml",
            "sudo systemctl restart edgecore",
            "sudo ss -tlnp | grep -E '10350|10550'",
        ),
    )
