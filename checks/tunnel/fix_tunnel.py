"""KE503: a tunnel that is not there although everything that could be why is right (facts.md §3.5, §10 (7))."""

from __future__ import annotations

from datetime import timedelta

from kedoctor.api import File, NoPlan, Plan, Text, Unavailable, Verdict, remedy
from kedoctor.checks.facts.edge.clock import HostTime
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig, EdgecoreFile, EdgecoreUnit
from kedoctor.checks.facts.edge.edgecore_log import EdgecoreLog, quoted
from kedoctor.checks.facts.edge.sockets_and_probes import EdgeSockets
from kedoctor.checks.parsers.logs.dial_errors import dial_meaning
from kedoctor.checks.plans.edgecore import edgecore_plan, no_plan

__all__ = ["tunnel_established"]

_STARTING = timedelta(seconds=40)  # facts.md §10.2


@remedy("KE503")
def tunnel_established(
    verdict: Verdict,
    *,
    config: EdgecoreConfig,
    file: EdgecoreFile,
    unit: EdgecoreUnit,
    sockets: EdgeSockets,
    log: EdgecoreLog | Unavailable,
    time: HostTime,
) -> Plan | NoPlan:
    """Restarts edgecore only where that can help: it hangs, or it started before its file was changed.

    One that dials and fails dials again every two seconds anyway; a restart would only hide that for a moment.
    """
    server = config.stream_server
    if not unit.runs or not config.stream_enabled or server is None:
        return no_plan(
            "edgecore does not run or edgeStream is off, which KE701 and KE202 judge",
            "edgecore 未运行或 edgeStream 未启用，请见 KE701 和 KE202",
        )
    if _older_than_file(unit, file):
        return edgecore_plan(
            verdict,
            Text(
                f"restart edgecore, which was started before {config.path} was changed",
                zh=f"重启 edgecore（它在 {config.path} 修改之前启动）",
            ),
            Text(f"It reads {config.path} as it is now.", zh=f"它会读取现在的 {config.path}。"),
        )
    errors = () if isinstance(log, Unavailable) else log.tunnel_errors()
    if errors:
        meaning = dial_meaning(errors[-1].raw)
        en = meaning.text.en if meaning else quoted(errors[-1])
        zh = meaning.text.zh if meaning else quoted(errors[-1])
        return no_plan(
            f"edgecore dials {server} every 2 s and fails ({en}); a restart changes nothing about that",
            f"edgecore 每 2 秒连接 {server} 均失败（{zh}）；重启无济于事",
        )
    if sockets.towards(server, "SYN_SENT"):
        return no_plan(
            f"nothing at {server} answers edgecore's packets; look at firewalls and routes in between",
            f"{server} 对 edgecore 的报文没有应答；请检查途中的防火墙和路由",
        )
    if unit.started is not None and time.now - unit.started < _STARTING:
        return no_plan(
            "edgecore was started less than 40 s ago; run kedoctor again in a minute",
            "edgecore 启动不足 40 秒；请一分钟后再次运行 kedoctor",
        )
    held = bool(sockets.towards(server))  # then it is half open: cloudcore has no end of it
    why = (
        Text(
            "restart edgecore, whose tunnel cloudcore no longer has",
            zh="重启 edgecore（cloudcore 已没有它的隧道）",
        )
        if held
        else Text(
            "restart edgecore, which has stopped dialling the cloud", zh="重启 edgecore（它已不再连接云端）"
        )
    )
    return edgecore_plan(verdict, why, Text("", zh=""))


def _older_than_file(unit: EdgecoreUnit, file: EdgecoreFile) -> bool:
    return (
        unit.started is not None
        and isinstance(file.file, File)
        and file.file.metadata.modified > unit.started + timedelta(seconds=1)
    )
