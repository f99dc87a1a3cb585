"""What a plan says before anybody agrees to it."""

from __future__ import annotations

import pytest

from kedoctor.changes.executor import Prepared
from kedoctor.cli.prompts import plan_lines
from kedoctor.model.declarations import Risk
from kedoctor.model.plans import MergedPlan

NOTHING = Prepared((), (), ())


def risk_line(risk: Risk, language: str) -> str:
    return plan_lines(MergedPlan(plans=(), actions=(), risk=risk, settle=0.0), NOTHING, language)[-1].strip()


@pytest.mark.parametrize("risk", Risk)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_risk_is_said_once_and_in_words(risk: Risk, language: str) -> None:
    line = risk_line(risk, language)
    assert risk.value not in line.split()  # the name of a class is for --allow
    for name in ("edgecore", "cloudcore", "API"):
        assert line.count(name) <= 1
    assert line.count(":") + line.count("：") == 1


def test_what_a_restart_of_edgecore_means() -> None:
    english = "risk: restarts edgecore; this edge node reconnects, its containers keep running"
    assert risk_line(Risk.RESTARTS_EDGECORE, "en") == english
    assert risk_line(Risk.RESTARTS_EDGECORE, "zh") == "风险：重启 edgecore；该边缘节点会重连，容器继续运行"
