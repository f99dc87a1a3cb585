"""KE205, KE502: edged on 127.0.0.1:10350, where the cloud asks, and nowhere else (facts.md §3.5, §3.6)."""

from __future__ import annotations

from datetime import timedelta

from kedoctor.api import NoPlan, Plan, Text, Verdict, remedy
from kedoctor.checks.facts.edge.clock import HostTime
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig, EdgecoreUnit
from kedoctor.checks.facts.edge.sockets_and_probes import EDGED_PORT, EdgeSockets
from kedoctor.checks.plans.edgecore import edgecore_plan, no_plan, set_keys

__all__ = ["edged_address", "edged_listener"]

_KUBELET = "modules.edged.tailoredKubeletConfig"
_WANTED = {f"{_KUBELET}.address": "127.0.0.1", f"{_KUBELET}.readOnlyPort": EDGED_PORT}
_STARTING = timedelta(seconds=40)  # facts.md §10.2


@remedy("KE205")
def edged_address(verdict: Verdict, config: EdgecoreConfig) -> Plan:
    """Sets the address and the port back, whichever of them is another."""
    wrong = {key: value for key, value in _WANTED.items() if config.value(key) != value}
    told = ", ".join(f"{key.rpartition('.')[2]}: {value}" for key, value in wrong.items())
    return edgecore_plan(
        verdict,
        Text(f"set {told} in {config.path}", zh=f"在 {config.path} 中设置 {told}"),
        Text(
            f"Anyone who asked edged of {verdict.node} at another address than 127.0.0.1:{EDGED_PORT} gets no answer any more.",
            zh=f"此后只能通过 127.0.0.1:{EDGED_PORT} 访问 {verdict.node} 的 edged。",
        ),
        set_keys(config, wrong),
    )


@remedy("KE502")
def edged_listener(
    verdict: Verdict, unit: EdgecoreUnit, sockets: EdgeSockets, config: EdgecoreConfig, time: HostTime
) -> Plan | NoPlan:
    """Restarts an edgecore that runs on a good file but does not answer; a stranger on its port is not touched."""
    strange = next(
        (one for one in sockets.listening(EDGED_PORT) if one.process and not sockets.may_be_edgecore(one)),
        None,
    )
    if strange is not None:
        owner = f"{strange.process} (pid {strange.pid})"
        return no_plan(
            f"port {EDGED_PORT} is held by {owner}; stop it (`sudo systemctl status {strange.pid}` tells what it belongs to), then `sudo systemctl restart edgecore`",
            f"端口 {EDGED_PORT} 被 {owner} 占用；请停止它（`sudo systemctl status {strange.pid}` 可查看来源），然后 `sudo systemctl restart edgecore`",
        )
    if not unit.runs or any(deviation.fatal for deviation in config.violations):
        return no_plan(
            "edgecore does not run, which KE701 and KE201 judge", "edgecore 未运行，请见 KE701 和 KE201"
        )
    if unit.started is not None and time.now - unit.started < _STARTING:
        return no_plan(
            "edgecore was started less than 40 s ago and may still be starting; run kedoctor again in a minute",
            "edgecore 启动不足 40 秒，可能尚未就绪；请一分钟后再次运行 kedoctor",
        )
    return edgecore_plan(
        verdict,
        Text("restart edgecore, whose edged does not answer", zh="重启 edgecore（其 edged 没有应答）"),
        Text("", zh=""),
    )
