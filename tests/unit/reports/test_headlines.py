"""The first sentence of a report says which of these it is: broken, cannot diagnose, incomplete, later, accepted, fine, nothing."""

from __future__ import annotations

import pytest
from report_samples import accepted, cause_of, report, verdict

from kedoctor.api import Status
from kedoctor.model.report import Report, Verdict
from kedoctor.reports.headlines import headline, next_step


def _passed(number: int) -> list[Verdict]:
    return [verdict(Status.PASS, f"TOY2{place:02}") for place in range(number)]


def _unread(number: int, reason: str = "not-recorded") -> list[Verdict]:
    return [verdict(Status.UNKNOWN, f"TOY3{place:02}", actual="", reason=reason) for place in range(number)]


LATER = verdict(Status.WARN, "TOY400")
CASES: dict[str, tuple[Report, str, str]] = {
    "one cause": (report(verdict(Status.FAIL)), "1 root cause.", "发现 1 个故障原因。"),
    "two causes": (
        report(verdict(Status.FAIL), verdict(Status.FAIL, "TOY102")),
        "2 root causes, in request-path order.",
        "发现 2 个故障原因，按请求链路顺序排列。",
    ),
    "nothing of the path was read": (
        report(*_passed(2), *_unread(8, "not-configured")),
        "Cannot diagnose: no kubeconfig was found (8 path checks did not run).",
        "无法诊断：",
    ),
    "most of the path was read": (
        report(*_passed(20), *_unread(8)),
        "Diagnosis incomplete: 8 path checks undetermined; the others found no failure.",
        "诊断不完整：",
    ),
    "later": (
        report(*_passed(2), LATER, causes=(cause_of(LATER),)),
        "Works now; 1 problem will break it later.",
        "目前可用，但有 1 个隐患 日后会导致故障。",
    ),
    "accepted": (
        report(*_passed(2), accepted()),
        "No new problems; 1 accepted (baseline).",
        "没有新问题；已豁免 1 项（基线）。",
    ),
    "fine": (report(*_passed(3)), "All 3 checks that ran passed.", "已执行的 3 项检查全部通过。"),
    "nothing": (report(), "No check ran.", "没有执行任何检查。"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_headline_says_what_is_so(case: str) -> None:
    document, english, chinese = CASES[case]
    assert headline(document, "en") == english
    assert headline(document, "zh").startswith(chinese)


def test_where_nothing_can_be_said_the_next_step_is_typed_out() -> None:
    assert next_step(CASES["nothing of the path was read"][0], "en").startswith("Use --kubeconfig FILE")
    assert "kedoctor list" in next_step(CASES["nothing"][0], "en")
    assert next_step(CASES["one cause"][0], "en") == ""
