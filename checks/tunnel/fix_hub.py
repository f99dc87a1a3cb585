"""KE511: edgecore restarted, so that it dials its hub anew (facts.md §11.3)."""

from __future__ import annotations

from datetime import timedelta

from kedoctor.api import NoPlan, Plan, Text, Verdict, remedy
from kedoctor.checks.facts.edge.clock import HostTime
from kedoctor.checks.facts.edge.edgecore import EdgecoreUnit
from kedoctor.checks.plans.edgecore import edgecore_plan, no_plan

__all__ = ["hub_half_open"]

_YOUNG = timedelta(minutes=2)


@remedy("KE511")
def hub_half_open(verdict: Verdict, unit: EdgecoreUnit, time: HostTime) -> Plan | NoPlan:
    """One restart; an edgecore that has only just started has a link that is new already."""
    if not unit.runs:
        return no_plan("edgecore does not run, which KE701 judges", "edgecore 未运行，请见 KE701")
    if unit.started is not None and time.now - unit.started < _YOUNG:
        return no_plan(
            "edgecore was started less than two minutes ago, so its link is a new one and cloudcore does not answer it; look at cloudcore (KE105, KE113)",
            "edgecore 启动不足两分钟，其连接是新的而 cloudcore 不应答；请检查 cloudcore（KE105、KE113）",
        )
    return edgecore_plan(
        verdict,
        Text("restart edgecore, whose hub link is dead", zh="重启 edgecore（其 hub 连接已失效）"),
        Text("", zh=""),
    )
