"""The MQTT broker of eventBus (facts.md §11.7): devices need it, logs, exec and top do not."""

from __future__ import annotations

from kedoctor.api import (
    Evidence,
    Finding,
    Side,
    Text,
    Unavailable,
    check,
    passed,
    patterns,
    skipped,
    unknown,
    warned,
)
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig, EdgecoreUnit
from kedoctor.checks.facts.edge.edgecore_log import EdgecoreLog, quoted
from kedoctor.checks.facts.edge.sockets_and_probes import EdgeSockets
from kedoctor.checks.parsers.host_port import HostPort, is_loopback, parse_host_port
from kedoctor.checks.parsers.logs.klog import LogLine

__all__ = ["mqtt_broker"]

_BUS = "modules.eventBus"
_EXTERNAL = 1  # mqttMode: 0 internal, 1 both, 2 external
_MQTT = 1883
_FAILED = patterns.compiled(r"common\.go:\d+\] connect error: |on(?:Pub|Sub)ConnectionLost with error")


@check(
    code="KE714",
    slug="mqtt-broker",
    title=Text("eventBus reaches its MQTT broker", zh="eventBus 可连接其 MQTT broker"),
    side=Side.EDGE,
    builds_on=("KE201",),
    explained_by=("KE701", "KE715", "KE717", "KE718"),
    references=("facts.md §11.7",),
)
def mqtt_broker(
    config: EdgecoreConfig,
    unit: EdgecoreUnit,
    sockets: EdgeSockets | Unavailable,
    log: EdgecoreLog | Unavailable,
) -> Finding:
    """A connection of edgecore to the broker, or a listener where it should be; edgecore tries again every five seconds."""
    node = config.node_name
    server = parse_host_port(config.text(f"{_BUS}.mqttServerExternal"), _MQTT)
    if not config.flag(f"{_BUS}.enable") or config.number(f"{_BUS}.mqttMode") < _EXTERNAL or server is None:
        return skipped(
            Text("eventBus uses no MQTT broker beside itself.", zh="eventBus 未使用外部 MQTT broker。"),
            subject=node,
            node=node,
        )
    line = None if isinstance(log, Unavailable) else log.lately(_FAILED)
    if isinstance(sockets, EdgeSockets):
        if sockets.towards(server):
            return _there(node, server)
        if is_loopback(server.host):
            return _there(node, server) if sockets.listening(server.port) else _missing(config, server, line)
    if line is not None and unit.runs:
        return _missing(config, server, line)
    return unknown(
        Text(
            f"Whether eventBus of {node} reaches {server} is unknown.",
            zh=f"无法得知 {node} 的 eventBus 能否连接 {server}。",
        ),
        subject=node,
        node=node,
    )


def _there(node: str, server: HostPort) -> Finding:
    return passed(
        Text(f"The MQTT broker of {node} is at {server}.", zh=f"{node} 的 MQTT broker 位于 {server}。"),
        subject=node,
        node=node,
    )


def _missing(config: EdgecoreConfig, server: HostPort, line: LogLine | None) -> Finding:
    node = config.node_name
    seen = quoted(line) if line is not None else f"nothing listens on port {server.port}"
    return warned(
        Text(
            f"eventBus of {node} cannot reach its MQTT broker {server}; devices do not work, logs, exec and top do.",
            zh=f"{node} 的 eventBus 无法连接 MQTT broker {server}；设备功能不可用，logs、exec、top 不受影响。",
        ),
        expected=Text(
            f"a broker at {server}, or eventBus switched off", zh=f"{server} 有 broker，或关闭 eventBus"
        ),
        actual=seen,
        hint=Text(
            "Start a broker (the chart's DaemonSet edge-eclipse-mosquitto, or mosquitto), or switch eventBus off where no devices are used.",
            zh="启动 broker（chart 的 DaemonSet edge-eclipse-mosquitto 或 mosquitto）；若不使用设备，可关闭 eventBus。",
        ),
        subject=node,
        node=node,
        evidence=(Evidence("journalctl -u edgecore" if line is not None else "ss -tln", seen),),
        commands=(
            f"sudo ss -tlnp 'sport = :{server.port}'",
            "sudo systemctl start mosquitto",
            f"sudo vi {config.path}   # {_BUS}.enable: false",
        ),
        breaks=(),
    )
