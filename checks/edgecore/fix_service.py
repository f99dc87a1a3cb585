"""KE701: edgecore started and enabled, after its last words were read (facts.md §4.3, §10 (56))."""

from __future__ import annotations

from datetime import timedelta

from kedoctor.api import (
    ControlUnit,
    NoPlan,
    Plan,
    Risk,
    Text,
    Unavailable,
    Unit,
    Verdict,
    remedy,
)
from kedoctor.checks.facts.edge.clock import HostTime
from kedoctor.checks.facts.edge.edgecore import UNIT_NAME, EdgecoreFile, EdgecoreUnit
from kedoctor.checks.facts.edge.edgecore_log import EdgecoreLog, quoted
from kedoctor.checks.parsers.logs.edgecore_exit_reasons import ExitMeaning
from kedoctor.checks.parsers.logs.klog import LogLine
from kedoctor.checks.plans.edgecore import AT_ONCE, SETTLE, edgecore_plan, no_plan

__all__ = ["edgecore_running"]

_YOUNG = timedelta(seconds=60)
_LOOPS = 3
_PROGRAM = "KE715"  # the program cannot be run: no change of edgecore.yaml helps


@remedy("KE701")
def edgecore_running(
    verdict: Verdict, unit: EdgecoreUnit, file: EdgecoreFile, log: EdgecoreLog | Unavailable, time: HostTime
) -> Plan | NoPlan:
    """Starts what was stopped, enables what was disabled, restarts what hangs; what dies by itself is not started again."""
    known = unit.unit
    if isinstance(known, Unavailable) or known.load_state != "loaded":
        return _no_unit(known)
    if known.active_state == "activating" or _loops(unit, known, time):
        return _dies(*((None, None) if isinstance(log, Unavailable) else log.last_words()))
    if known.active_state == "active":
        return _up(verdict, unit, known, log)
    died = _died(log, file)
    return _dies(*died) if died is not None else _started(verdict, known)


def _loops(unit: EdgecoreUnit, known: Unit, time: HostTime) -> bool:
    """Whether it runs just now, but was restarted again and again."""
    return (
        known.restarts >= _LOOPS
        and bool(unit.runs)
        and unit.started is not None
        and time.now - unit.started < _YOUNG
    )


def _no_unit(known: Unit | Unavailable) -> NoPlan:
    if isinstance(known, Unavailable):
        return no_plan(f"the unit was not read: {known}", f"未能读取 systemd 单元：{known.in_chinese}")
    if known.load_state == "masked":
        return no_plan(
            f"{UNIT_NAME} is masked, so somebody wants it not to run; if that is over: `sudo systemctl unmask edgecore && sudo systemctl enable --now edgecore`",
            f"{UNIT_NAME} 已被 mask，说明有人不希望它运行；若不再需要：`sudo systemctl unmask edgecore && sudo systemctl enable --now edgecore`",
        )
    return no_plan(
        f"there is no usable {UNIT_NAME} ({known.load_state}); `keadm join` writes one",
        f"没有可用的 {UNIT_NAME}（{known.load_state}）；`keadm join` 会写出该单元",
    )


def _died(
    log: EdgecoreLog | Unavailable, file: EdgecoreFile
) -> tuple[LogLine | None, ExitMeaning | None] | None:
    """The line that the last run ended with, and what it means, unless edgecore.yaml was changed since."""
    if isinstance(log, Unavailable) or (log.ended_with() is None and log.not_started() is None):
        return None
    last, meaning = log.last_words()
    if meaning is not None and meaning.code == _PROGRAM:
        return last, meaning
    if last is None or isinstance(file.file, Unavailable) or last.time is None:
        return last, meaning
    return None if file.file.metadata.modified > last.time else (last, meaning)


def _dies(last: LogLine | None, meaning: ExitMeaning | None) -> NoPlan:
    if meaning is not None:
        code = f" ({meaning.code})" if meaning.code else ""
        return no_plan(
            f"it would end again for the same reason: {meaning.text.en}{code}; remove that first, then `sudo systemctl enable --now edgecore`",
            f"再次启动仍会因同样原因退出：{meaning.text.zh}{code}；请先排除，再执行 `sudo systemctl enable --now edgecore`",
        )
    words = quoted(last) if last is not None else "journalctl -u edgecore -n 50"
    return no_plan(
        f"it ends by itself, and starting it again changes nothing about that; its last words: {words}",
        f"它自行退出，再次启动无济于事；最后的日志：“{words}”",
    )


def _up(verdict: Verdict, unit: EdgecoreUnit, known: Unit, log: EdgecoreLog | Unavailable) -> Plan | NoPlan:
    if unit.runs and known.unit_file_state == "disabled" and not verdict.capabilities:
        return _enabled(verdict)
    bind = None if isinstance(log, Unavailable) else log.newest("bind: address already in use")
    if bind is not None:
        return no_plan(
            f"a port that edgecore needs is taken: {quoted(bind)}; find its owner with `sudo ss -tlnp`, stop it, then `sudo systemctl restart edgecore`",
            f"edgecore 需要的端口被占用：“{quoted(bind)}”；请用 `sudo ss -tlnp` 找到占用者并停止，然后 `sudo systemctl restart edgecore`",
        )
    return edgecore_plan(
        verdict,
        Text(
            "restart edgecore, which is active and does nothing", zh="重启处于 active 却没有工作的 edgecore"
        ),
        Text("", zh=""),
    )


def _enabled(verdict: Verdict) -> Plan:
    return Plan(
        code=verdict.code,
        subject=verdict.subject,
        title=Text("let systemd start edgecore at boot", zh="设置 edgecore 开机启动"),
        prediction=Text("Nothing is restarted.", zh="不会重启任何服务。"),
        risk=Risk.SAFE,
        actions=(ControlUnit(UNIT_NAME, "enable"),),
        settle=AT_ONCE,
    )


def _started(verdict: Verdict, known: Unit) -> Plan:
    enable = (ControlUnit(UNIT_NAME, "enable"),) if known.unit_file_state == "disabled" else ()
    en = "enable and start edgecore" if enable else "start edgecore"
    zh = "启用并启动 edgecore" if enable else "启动 edgecore"
    return Plan(
        code=verdict.code,
        subject=verdict.subject,
        title=Text(en, zh=zh),
        prediction=Text(
            f"{verdict.node} connects to the cloud and its pods are synchronised; if edgecore ends at once it is stopped again.",
            zh=f"{verdict.node} 会连接云端并同步其 Pod；若 edgecore 立即退出，则恢复为停止状态。",
        ),
        risk=Risk.RESTARTS_EDGECORE,
        actions=(*enable, ControlUnit(UNIT_NAME, "start")),
        settle=SETTLE,
    )
