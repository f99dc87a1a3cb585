"""KE705: a second kubelet on an edge is stopped and does not come back at boot (facts.md §2.1, §10 (27))."""

from __future__ import annotations

from kedoctor.api import (
    ControlUnit,
    HostContext,
    NoPlan,
    Plan,
    Process,
    RestartUnit,
    Risk,
    Text,
    Unavailable,
    Verdict,
    remedy,
)
from kedoctor.checks.facts.edge.edgecore import UNIT_NAME, EdgecoreUnit
from kedoctor.checks.facts.edge.host import KubeletUnit
from kedoctor.checks.plans.edgecore import AT_ONCE, SETTLE, no_plan

__all__ = ["kubelet_on_edge"]

_KUBELET = "kubelet.service"


@remedy("KE705")
def kubelet_on_edge(
    verdict: Verdict, unit: EdgecoreUnit, kubelet: KubeletUnit, vantage: HostContext
) -> Plan | NoPlan:
    """Stops and disables the unit; never on a host that is a cloud node as well, nor one that some other program started."""
    if "cloud" in vantage.sides:
        return no_plan(
            "this host is a cloud node as well and needs its kubelet; move edgecore to a host of its own",
            "本机同时是云端节点，需要其 kubelet；请将 edgecore 移到单独的主机",
        )
    known = kubelet.unit
    running = _running(unit)
    if isinstance(known, Unavailable) or known.load_state != "loaded":
        return _foreign(running)
    actions = []
    if known.active_state in ("active", "activating"):
        actions.append(ControlUnit(_KUBELET, "stop"))
    elif running is not None:
        return _foreign(running)
    if known.unit_file_state == "enabled":
        actions.append(ControlUnit(_KUBELET, "disable"))
    waits = running is not None and not unit.runs
    return Plan(
        code=verdict.code,
        subject=verdict.subject,
        title=Text("stop and disable kubelet", zh="停止并禁用 kubelet"),
        prediction=Text(
            f"What {_KUBELET} of {verdict.node} ran is no longer managed"
            + (", and edgecore starts in its place." if waits else "; edgecore goes on."),
            zh=f"{verdict.node} 上由 {_KUBELET} 运行的内容不再受管理"
            + ("，由 edgecore 接替启动。" if waits else "；edgecore 继续运行。"),
        ),
        risk=Risk.RESTARTS_EDGECORE,
        actions=tuple(actions),
        restarts=(RestartUnit(UNIT_NAME),) if waits else (),
        settle=SETTLE if waits else AT_ONCE,
    )


def _running(unit: EdgecoreUnit) -> Process | None:
    items = () if isinstance(unit.table, Unavailable) else unit.table.items
    return next((one for one in items if one.name == "kubelet"), None)


def _foreign(running: Process | None) -> NoPlan:
    pid = "" if running is None else str(running.pid)
    return no_plan(
        f"the kubelet (pid {pid or '?'}) does not belong to {_KUBELET}; `sudo systemctl status {pid}` tells who starts it: stop that, then `sudo systemctl restart edgecore`",
        f"该 kubelet（pid {pid or '?'}）不属于 {_KUBELET}；用 `sudo systemctl status {pid}` 查看由谁启动并停止它，然后 `sudo systemctl restart edgecore`",
    )
