"""The first sentence of a report, and the next step where nothing can be said yet."""

from __future__ import annotations

from collections import Counter

from kedoctor.api import Reason, Status, Text
from kedoctor.api.report import NEXT_STEPS, Report, Verdict, hidden, server_reason, site_state
from kedoctor.reports.settling import settling_groups

__all__ = ["headline", "next_step"]

_RAN = (Status.PASS, Status.WARN, Status.FAIL, Status.ACCEPTED)
_HALF = 2

_ONE_CAUSE = Text("1 root cause.", zh="发现 1 个故障原因。")
_ONE_EXPLAINS = Text(
    "1 root cause; it explains all other failures.", zh="发现 1 个故障原因，其余失败均由此引起。"
)
_CAUSES = Text("{n} root causes, in request-path order.", zh="发现 {n} 个故障原因，按请求链路顺序排列。")
_CANNOT = Text("Cannot diagnose: {why} ({checks} did not run).", zh="无法诊断：{why}（{checks}未执行）。")
_PARTLY = Text(
    "Diagnosis incomplete: {checks} undetermined; the others found no failure.",
    zh="诊断不完整：{checks}因信息不足无法判断；其余检查未发现故障。",
)
_EARLY = Text("Diagnosis incomplete: the run ended early.", zh="诊断不完整：运行提前结束。")
_ONE_PATH = Text("1 path check", zh="链路上有 1 项检查")
_PATH = Text("{n} path checks", zh="链路上有 {n} 项检查")
_ONE_CHECK = Text("1 check", zh="1 项检查")
_CHECKS = Text("{n} checks", zh="{n} 项检查")
_LATER = Text("Works now; {problems} will break it later.", zh="目前可用，但有 {problems} 日后会导致故障。")
_ALSO_LATER = Text("{problems} will break it later.", zh="有 {problems} 日后会导致故障。")
_ONE_PROBLEM = Text("1 problem", zh="1 个隐患")
_PROBLEMS = Text("{n} problems", zh="{n} 个隐患")
_ACCEPTED = Text("No new problems; {n} accepted (baseline).", zh="没有新问题；已豁免 {n} 项（基线）。")
_ALSO_ACCEPTED = Text("{n} accepted (baseline).", zh="已豁免 {n} 项（基线）。")
_WARNED = Text("No failures; {warnings}.", zh="没有失败项；{warnings}。")
_ONE_WARNING = Text("1 warning", zh="1 项警告")
_WARNINGS = Text("{n} warnings", zh="{n} 项警告")
_ONE_PASSED = Text("The 1 check that ran passed.", zh="已执行的 1 项检查通过。")
_PASSED = Text("All {n} checks that ran passed.", zh="已执行的 {n} 项检查全部通过。")
_NONE = Text("No check ran.", zh="没有执行任何检查。")
_CRASHED = Text("No check gave a result: {checks} crashed.", zh="没有任何检查给出结果：{checks}出错。")
_TOO_EARLY = Text("It is too early to judge: {told}", zh="尚不能判断：{told}")
_SEE_WHY = Text("The reasons: kedoctor run -v", zh="查看原因：kedoctor run -v")
_LONGER = Text("Give it more time: kedoctor run --timeout 10m", zh="请延长时限：kedoctor run --timeout 10m")
_WIDER = Text("Select other checks: kedoctor list", zh="请选择其他检查：kedoctor list")


def headline(report: Report, language: str) -> str:
    """How the site is: broken, too early to judge, cannot diagnose, works now, accepted, nothing found, or nothing looked at."""
    broken = [cause for cause in report.causes if cause.status is Status.FAIL]
    waiting = [cause for cause in report.causes if cause.status is not Status.FAIL]
    accepted = sum(1 for one in report.verdicts if one.status is Status.ACCEPTED and not _follows(one))
    if broken:
        return _broken(report, len(broken)).in_language(language).format(n=len(broken))
    if site_state(report) == "settling":
        told = next(iter(settling_groups(report, language)))
        return _TOO_EARLY.in_language(language).format(told=told)
    unseen = _unseen(report)
    said = []
    if unseen or not report.run.complete:
        path = any(one.capabilities for one in unseen)
        seen = sum(1 for one in _ran(report) if one.capabilities or not path)
        said.append(_incomplete(unseen, seen, language))
        if waiting:
            said.append(_ALSO_LATER.in_language(language).format(problems=_problems(len(waiting), language)))
        if accepted:
            said.append(_ALSO_ACCEPTED.in_language(language).format(n=accepted))
        return ("" if language == "zh" else " ").join(said)
    if waiting:
        return _LATER.in_language(language).format(problems=_problems(len(waiting), language))
    if accepted:
        return _ACCEPTED.in_language(language).format(n=accepted)
    return _fine(report, language)


def next_step(report: Report, language: str) -> str:
    """The one thing to do where the site could not be diagnosed; empty where the report says what to do."""
    if site_state(report) in ("fail", "settling"):
        return ""
    shared = _shared(_unseen(report))
    if shared is not None and shared[0] in NEXT_STEPS:
        return NEXT_STEPS[shared[0]].in_language(language)
    if not report.run.complete:
        return _LONGER.in_language(language)
    if _unseen(report):
        return _SEE_WHY.in_language(language)
    return "" if _ran(report) else _WIDER.in_language(language)


def _broken(report: Report, number: int) -> Text:
    if number > 1:
        return _CAUSES
    others = any(one.status is Status.FAIL and one.explained_by for one in report.verdicts)
    return _ONE_EXPLAINS if others else _ONE_CAUSE


def _ran(report: Report) -> list[Verdict]:
    return [one for one in report.verdicts if one.status in _RAN]


def _unseen(report: Report) -> list[Verdict]:
    """What matters and was not found out; where no check came to a result, everything that was not found out."""
    path = hidden(report)
    if path or _ran(report):
        return path
    return [one for one in report.verdicts if one.status is Status.UNKNOWN]


def _shared(unseen: list[Verdict]) -> tuple[Reason, str] | None:
    """The reason why most of it is unknown, with what was met; nothing if there is no such reason."""
    counted = Counter((one.reason, one.actual) for one in unseen if one.reason)
    if not counted:
        return None
    (reason, detail), number = counted.most_common(1)[0]
    return (Reason(reason), detail) if number * _HALF >= len(unseen) else None


def _incomplete(unseen: list[Verdict], seen: int, language: str) -> str:
    if not unseen:
        return _EARLY.in_language(language)
    path = any(one.capabilities for one in unseen)
    one, many = (_ONE_PATH, _PATH) if path else (_ONE_CHECK, _CHECKS)
    checks = (one if len(unseen) == 1 else many).in_language(language).format(n=len(unseen))
    shared = _shared(unseen)
    # Where most of the path was looked at, it is known to be in order, whatever the rest lacks.
    if shared is None or seen > len(unseen):
        return _PARTLY.in_language(language).format(checks=checks)
    why = server_reason(*shared).in_language(language)
    return _CANNOT.in_language(language).format(why=why, checks=checks)


def _problems(number: int, language: str) -> str:
    return (_ONE_PROBLEM if number == 1 else _PROBLEMS).in_language(language).format(n=number)


def _follows(verdict: Verdict) -> bool:
    return verdict.accepted is not None and bool(verdict.accepted.by)


def _fine(report: Report, language: str) -> str:
    passed = sum(1 for one in report.verdicts if one.status is Status.PASS)
    warned = sum(1 for one in report.verdicts if one.status is Status.WARN)
    crashed = sum(1 for one in report.verdicts if one.status is Status.CRASHED)
    if warned:
        warnings = (_ONE_WARNING if warned == 1 else _WARNINGS).in_language(language).format(n=warned)
        return _WARNED.in_language(language).format(warnings=warnings)
    if passed:
        return (_ONE_PASSED if passed == 1 else _PASSED).in_language(language).format(n=passed)
    if crashed:
        checks = (_ONE_CHECK if crashed == 1 else _CHECKS).in_language(language).format(n=crashed)
        return _CRASHED.in_language(language).format(checks=checks)
    return _NONE.in_language(language)
