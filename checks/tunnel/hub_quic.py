"""The hub link over QUIC: 10001/UDP instead of the websocket on 10000 (facts.md §11.8)."""

from __future__ import annotations

from kedoctor.api import (
    Evidence,
    Finding,
    Side,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    patterns,
    skipped,
    unknown,
)
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreConfig
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig, EdgecoreUnit
from kedoctor.checks.facts.edge.edgecore_log import EdgecoreLog, quoted
from kedoctor.checks.parsers.logs.klog import LogLine

__all__ = ["hub_quic"]

_FAILED = patterns.compiled(r"Init quic connection failed")
_GOOD = "Quic connect to cloud access successful"
_QUIC = "modules.cloudHub.quic.enable"
_WAYS = Text(
    "Switch cloudHub.quic on and open 10001/UDP, or go back to the websocket (edgeHub.websocket.enable: true, quic.enable: false).",
    zh="启用 cloudHub.quic 并放行 10001/UDP，或改回 websocket（edgeHub.websocket.enable: true，quic.enable: false）。",
)


@check(
    code="KE512",
    slug="hub-quic",
    title=Text("The hub link over QUIC is possible", zh="基于 QUIC 的 hub 连接可用"),
    side=Side.EDGE,
    breaks=("ready",),
    hop="link",
    builds_on=("KE201",),
    explained_by=("KE211",),
    remedy=_WAYS,
    references=("facts.md §11.8",),
)
def hub_quic(
    config: EdgecoreConfig,
    unit: EdgecoreUnit,
    log: EdgecoreLog | Unavailable,
    cloudcore: CloudcoreConfig | Unavailable,
) -> Finding:
    """Where edgeHub uses QUIC: what edgecore says of it, and whether cloudcore serves it at all."""
    node = config.node_name
    if config.flag("modules.edgeHub.websocket.enable") or not config.flag("modules.edgeHub.quic.enable"):
        return skipped(
            Text("edgeHub uses the websocket.", zh="edgeHub 使用 websocket。"), subject=node, node=node
        )
    off = not isinstance(cloudcore, Unavailable) and cloudcore.value(_QUIC) is not True
    if unit.runs is False and not off:
        return skipped(
            Text("edgecore does not run (KE701).", zh="edgecore 未运行（KE701）。"), subject=node, node=node
        )
    line = None if isinstance(log, Unavailable) else log.lately(_FAILED)
    good = None if isinstance(log, Unavailable) else log.newest(_GOOD)
    if not isinstance(cloudcore, Unavailable) and off:
        return _failed(
            config, Text("cloudHub.quic is off", zh="cloudHub.quic 未启用"), line, cloudcore.line(_QUIC)
        )
    if line is not None and (good is None or good.time is None or line.time is None or good.time < line.time):
        return _failed(config, Text("nothing answers there", zh="对端无应答"), line, None)
    if good is not None:
        return passed(
            Text(f"edgecore of {node} is connected over QUIC.", zh=f"{node} 的 edgecore 已通过 QUIC 连接。"),
            subject=node,
            node=node,
        )
    return unknown(
        Text(
            f"Whether {node} is connected over QUIC is unknown: its log does not say, and UDP shows no connection.",
            zh=f"无法得知 {node} 是否已通过 QUIC 连接：日志未说明，而 UDP 没有连接状态。",
        ),
        subject=node,
        node=node,
        commands=("sudo journalctl -u edgecore --no-pager | grep -i quic | tail",),
    )


def _failed(config: EdgecoreConfig, why: Text, line: LogLine | None, place: int | None) -> Finding:
    node, server = config.node_name, config.hub_server
    said = (Evidence("journalctl -u edgecore", quoted(line)),) if line is not None else ()
    cloud = (Evidence("configmap/cloudcore", f"{_QUIC}: false", place),) if line is None else ()
    return failed(
        Text(
            f"{node} dials the hub over QUIC ({server}, UDP), and {why.en}.",
            zh=f"{node} 通过 QUIC（{server}，UDP）连接 hub，而{why.zh}。",
        ),
        expected=Text("cloudHub.quic on, and 10001/UDP open", zh="启用 cloudHub.quic，且 10001/UDP 放行"),
        actual=quoted(line) if line is not None else f"{_QUIC}: false",
        hint=_WAYS,
        subject=node,
        node=node,
        evidence=(*said, *cloud),
        commands=(
            "kubectl -n kubeedge get configmap cloudcore -o yaml | grep -A6 quic",
            "sudo ss -lunp 'sport = :10001'   # on the cloud host",
            f"sudo vi {config.path}   # modules.edgeHub.quic, modules.edgeHub.websocket",
            "sudo systemctl restart edgecore",
        ),
    )
