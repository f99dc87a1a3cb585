"""The edgeStream section of edgecore.yaml: is the tunnel switched on, where does it dial, with which certificate."""

from __future__ import annotations

from dataclasses import dataclass

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
    warned,
)
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreConfig
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig, EdgecoreUnit
from kedoctor.checks.facts.edge.edgecore_log import EdgecoreLog
from kedoctor.checks.facts.edge.sockets_and_probes import EdgeSockets
from kedoctor.checks.parsers.host_port import HostPort, is_loopback, same_host

__all__ = ["ServerFault", "edgestream_enabled", "edgestream_server", "server_fault"]

_SECTION = "modules.edgeStream"
_RESTART = (
    "sudo systemctl restart edgecore",
    "sudo journalctl -u edgecore -n 50 --no-pager | grep edgestream",
)
_OTHER_PORTS = {
    10000: "cloudHub websocket",
    10001: "cloudHub quic",
    10002: "cloudHub HTTPS",
    10003: "cloudStream stream server",
    30000: "cloudHub websocket (NodePort)",
    30002: "cloudHub HTTPS (NodePort)",
    30003: "cloudStream stream server (NodePort)",
}


@check(
    code="KE202",
    slug="edgestream-enabled",
    title=Text("edgeStream is switched on", zh="edgeStream 已启用"),
    side=Side.EDGE,
    breaks=ALL_STREAMS,
    hop="tunnel",
    builds_on=("KE201",),
    remedy=Text(
        "Set modules.edgeStream.enable to true in edgecore.yaml and restart edgecore.",
        zh="在 edgecore.yaml 中将 modules.edgeStream.enable 设为 true，并重启 edgecore。",
    ),
    risk=Risk.RESTARTS_EDGECORE,
    references=(
        "facts.md §2.2",
        "facts.md §6.1",
        "testbed.md case b",
        "KubeEdge: edge/pkg/edgestream/edgestream.go",
    ),
)
def edgestream_enabled(config: EdgecoreConfig, log: EdgecoreLog | Unavailable) -> Finding:
    """Whether the tunnel module is on, in the file and in the process that runs."""
    node, key = config.node_name, f"{_SECTION}.enable"
    running = None if isinstance(log, Unavailable) else log.module_registered("edgestream")
    written = "is not written" if config.line(key) is None else f"is {str(config.value(key)).lower()}"
    if config.stream_enabled:
        return _started_before(config, log) if running is False else _enabled(config)
    here = Evidence(config.path, f"{key} {written}", config.line(key))
    expected = Text(f"{key}: true", zh=f"{key}: true")
    hint = Text(
        "`keadm join` leaves it false; switch it on and restart edgecore.",
        zh="`keadm join` 不会启用它；请将其启用并重启 edgecore。",
    )
    commands = (f"sudo vi {config.path}   # {key}: true", *_RESTART)
    if running is True:
        summary = Text(
            f"edgeStream of {node} is switched off in {config.path}; edgecore still runs with it on and loses the tunnel at its next restart.",
            zh=f"{config.path} 中 {node} 的 edgeStream 已关闭；当前 edgecore 进程仍启用它，下次重启后隧道将消失。",
        )
        return warned(
            summary,
            expected=expected,
            actual=f"{key} {written}",
            hint=hint,
            subject=node,
            node=node,
            evidence=(here,),
            commands=commands,
            breaks=(),
        )
    summary = Text(
        f"edgeStream of {node} is switched off ({key} {written}), so no tunnel to the cloud is ever dialled.",
        zh=f"{node} 的 edgeStream 未启用（{key} {_zh(written)}），因此不会向云端建立隧道。",
    )
    return failed(
        summary,
        expected=expected,
        actual=f"{key} {written}",
        hint=hint,
        subject=node,
        node=node,
        evidence=(here,),
        commands=commands,
    )


def _zh(written: str) -> str:
    return "未写" if written == "is not written" else f"为 {written.removeprefix('is ')}"


def _enabled(config: EdgecoreConfig) -> Finding:
    return passed(
        Text(
            f"edgeStream of {config.node_name} is switched on.",
            zh=f"{config.node_name} 的 edgeStream 已启用。",
        ),
        subject=config.node_name,
        node=config.node_name,
        evidence=(Evidence(config.path, f"{_SECTION}.enable: true", config.line(f"{_SECTION}.enable")),),
    )


def _started_before(config: EdgecoreConfig, log: EdgecoreLog | Unavailable) -> Finding:
    node = config.node_name
    line = "" if isinstance(log, Unavailable) else log.module_line("edgestream")
    return failed(
        Text(
            f"edgeStream of {node} is switched on in {config.path}, but edgecore was started before that and runs without it.",
            zh=f"{config.path} 中 {node} 的 edgeStream 已启用，但 edgecore 在修改之前启动，运行时并未启用它。",
        ),
        expected=Text("edgecore started after the change", zh="edgecore 在修改之后启动"),
        actual=line,
        hint=Text("Restart edgecore.", zh="重启 edgecore。"),
        subject=node,
        node=node,
        evidence=(Evidence("journalctl -u edgecore", line),),
        commands=_RESTART,
    )


@dataclass(frozen=True, slots=True)
class ServerFault:
    """What is wrong with the address; ``sure`` unless another route to the same cloud could explain it."""

    summary: Text
    expected: Text
    sure: bool = True


@check(
    code="KE203",
    slug="edgestream-server",
    title=Text("edgeStream dials the cloud", zh="edgeStream 连接的是云端"),
    side=Side.EDGE,
    breaks=ALL_STREAMS,
    hop="tunnel",
    builds_on=("KE201",),
    remedy=Text(
        "Set modules.edgeStream.server to the host of edgeHub's server and port 10004 (NodePort mode: 30004), then restart edgecore.",
        zh="将 modules.edgeStream.server 设为 edgeHub 服务器的主机加端口 10004（NodePort 方式为 30004），并重启 edgecore。",
    ),
    risk=Risk.RESTARTS_EDGECORE,
    references=("facts.md §3.5", "facts.md §9 (2)", "facts.md §10 (19, 20)", "testbed.md case a"),
)
def edgestream_server(
    config: EdgecoreConfig,
    sockets: EdgeSockets | Unavailable,
    unit: EdgecoreUnit,
    cloudcore: CloudcoreConfig | Unavailable,
) -> Finding:
    """Whether ``edgeStream.server`` is cloudcore's tunnel server as far as configuration can tell."""
    server, node = config.stream_server, config.node_name
    held = None if isinstance(sockets, Unavailable) or server is None else bool(sockets.towards(server))
    if held and server is not None:
        return passed(
            Text(
                f"edgecore of {node} holds a connection to edgeStream's server {server}.",
                zh=f"{node} 的 edgecore 与 edgeStream 服务器 {server} 保持着连接。",
            ),
            subject=node,
            node=node,
        )
    fault = server_fault(config, unit, cloudcore)
    return (
        _server_right(config)
        if fault is None
        else _server_wrong(config, fault, looked=held is not None and unit.runs is True)
    )


def server_fault(
    config: EdgecoreConfig, unit: EdgecoreUnit, cloudcore: CloudcoreConfig | Unavailable
) -> ServerFault | None:
    """What is wrong with the written address by itself, whoever answers there; ``None`` if nothing is."""
    tunnel_port = 10004 if isinstance(cloudcore, Unavailable) else cloudcore.tunnel_port or 10004
    return _fault(config, config.stream_server, tunnel_port, cloudcore_here=_runs_here(unit))


def _runs_here(unit: EdgecoreUnit) -> bool | None:
    if isinstance(unit.table, Unavailable):
        return None
    return any(process.name == "cloudcore" for process in unit.table.items)


def _fault(
    config: EdgecoreConfig, server: HostPort | None, tunnel_port: int, *, cloudcore_here: bool | None
) -> ServerFault | None:
    hub = config.hub_server
    wanted = _wanted(hub, tunnel_port)
    if server is None or not server.port:
        written = config.text(f"{_SECTION}.server") or "nothing"
        return ServerFault(
            Text(
                f"modules.edgeStream.server is no host:port ({written}).",
                zh=f"modules.edgeStream.server 不是 主机:端口（{written}）。",
            ),
            wanted,
        )
    if is_loopback(server.host):
        return None if cloudcore_here else _loops(config, server, wanted)
    if server.port in _OTHER_PORTS and server.port != tunnel_port:
        return ServerFault(
            Text(
                f"edgeStream of {config.node_name} dials {server}, which is the port of the {_OTHER_PORTS[server.port]}, not of the tunnel.",
                zh=f"{config.node_name} 的 edgeStream 连接 {server}，这是 {_OTHER_PORTS[server.port]} 的端口，不是隧道端口。",
            ),
            wanted,
        )
    if hub is None or (is_loopback(hub.host) and not cloudcore_here):
        return None  # edgeHub's own address is no measure then (KE211)
    if hub.port >= 30000 and server.port == 10004 and same_host(server.host, hub.host):
        return ServerFault(
            Text(
                f"edgeHub dials NodePort {hub.port}, but edgeStream dials {server}: with NodePorts the tunnel is at 30004.",
                zh=f"edgeHub 连接的是 NodePort {hub.port}，而 edgeStream 连接 {server}：NodePort 方式下隧道端口为 30004。",
            ),
            wanted,
            sure=False,
        )
    return _other_place(config, server, hub, tunnel_port)


def _wanted(hub: HostPort | None, tunnel_port: int) -> Text:
    host = "<cloud>" if hub is None or is_loopback(hub.host) else hub.host
    port = 30004 if hub is not None and hub.port >= 30000 else tunnel_port
    return Text(f"server: {HostPort(host, port)}", zh=f"server: {HostPort(host, port)}")


def _loops(config: EdgecoreConfig, server: HostPort, wanted: Text) -> ServerFault:
    summary = Text(
        f"edgeStream of {config.node_name} dials {server}, which is the edge itself; the tunnel server runs on the cloud.",
        zh=f"{config.node_name} 的 edgeStream 连接 {server}，即边缘自身；隧道服务器在云端。",
    )
    return ServerFault(summary, wanted)


def _other_place(
    config: EdgecoreConfig, server: HostPort, hub: HostPort, tunnel_port: int
) -> ServerFault | None:
    if not same_host(server.host, hub.host):
        return ServerFault(
            Text(
                f"edgeStream of {config.node_name} dials {server.host}, but edgeHub dials {hub.host}.",
                zh=f"{config.node_name} 的 edgeStream 连接 {server.host}，而 edgeHub 连接 {hub.host}。",
            ),
            _wanted(hub, tunnel_port),
            sure=False,
        )
    if server.port not in (tunnel_port, 30004) and hub.port == 10000:
        return ServerFault(
            Text(
                f"edgeStream of {config.node_name} dials port {server.port}, but the tunnel server of the cloud is at {tunnel_port}.",
                zh=f"{config.node_name} 的 edgeStream 连接端口 {server.port}，而云端隧道服务器在 {tunnel_port}。",
            ),
            _wanted(hub, tunnel_port),
            sure=False,
        )
    return None


def _server_right(config: EdgecoreConfig) -> Finding:
    node, server = config.node_name, config.stream_server
    return passed(
        Text(f"edgeStream of {node} dials {server}.", zh=f"{node} 的 edgeStream 连接 {server}。"),
        subject=node,
        node=node,
        evidence=(Evidence(config.path, f"{_SECTION}.server: {server}", config.line(f"{_SECTION}.server")),),
    )


def _server_wrong(config: EdgecoreConfig, fault: ServerFault, *, looked: bool) -> Finding:
    node, key = config.node_name, f"{_SECTION}.server"
    tell = failed if fault.sure or looked else warned
    return tell(
        fault.summary,
        expected=fault.expected,
        actual=f"server: {config.text(key)}",
        hint=Text(
            "Copy the host of modules.edgeHub.websocket.server; the port is that of cloudcore's tunnel server.",
            zh="主机照抄 modules.edgeHub.websocket.server；端口为 cloudcore 隧道服务器的端口。",
        ),
        subject=node,
        node=node,
        evidence=(
            Evidence(config.path, f"{key}: {config.text(key)}", config.line(key)),
            Evidence(
                config.path,
                f"modules.edgeHub.websocket.server: {config.text('modules.edgeHub.websocket.server')}",
                config.line("modules.edgeHub.websocket.server"),
            ),
        ),
        commands=(
            f"sudo vi {config.path}   # {key}: {fault.expected.en.removeprefix('server: ')}",
            *_RESTART,
        ),
        certainty=Certainty.PROVED if fault.sure else Certainty.IMPLIED,
    )
