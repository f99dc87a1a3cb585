"""The edgeStream section of edgecore.yaml: is the tunnel switched on, where does it dial, with which certificate."""

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
    warned,
)
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreConfig
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig, EdgecoreUnit
from kedoctor.checks.facts.edge.edgecore_log import EdgecoreLog
from kedoctor.checks.facts.edge.sockets_and_probes import EdgeSockets
from kedoctor.checks.facts.edge.stream_server import ServerFault, server_fault

__all__ = ["edgestream_enabled", "edgestream_server"]

_SECTION = "modules.edgeStream"
_RESTART = (
    "sudo systemctl restart edgecore",
    "sudo journalctl -u edgecore -n 50 --no-pager | grep edgestream",
)


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
    found = Text(f"{key} {written}", zh=f"{key} {_zh(written)}")
    if config.line(key) is not None:
        found = Text(value := f"{key}: {str(config.value(key)).lower()}", zh=value)
    here = Evidence(config.path, found.en, config.line(key))
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
            actual=found,
            hint=hint,
            subject=node,
            node=node,
            evidence=(here,),
            commands=commands,
            breaks=(),
        )
    summary = Text(
        f"edgeStream of {node} is switched off ({key} {written}), so edgecore never opens the tunnel to the cloud.",
        zh=f"{node} 的 edgeStream 未启用（{key} {_zh(written)}），因此不会向云端建立隧道。",
    )
    return failed(
        summary,
        expected=expected,
        actual=found,
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
