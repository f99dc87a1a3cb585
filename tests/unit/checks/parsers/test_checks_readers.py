from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from siteworld import NOW, made

from kedoctor.checks.parsers.durations import ago, span
from kedoctor.checks.parsers.kubernetes import Pod, Taint, Toleration
from kedoctor.checks.parsers.kubernetes.flags import duration, flags, switched_on
from kedoctor.checks.parsers.kubernetes.pod_health import tolerates, trouble

READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}


def test_flags_as_go_programs_take_them() -> None:
    read = flags(("metrics-server", "--a", "--b=1", "--c", "2", "-d", "--b=3", "--", "--e"))
    assert read == {"a": "true", "b": "3", "c": "2", "d": "true"}
    assert switched_on("true")
    assert not switched_on("false")
    assert not switched_on(None)


@pytest.mark.parametrize(("text", "seconds"), [("15s", 15), ("1m30s", 90), ("500ms", 0.5), ("1h", 3600)])
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "15", "s", "1x"])
def test_no_durations(text: str) -> None:
    assert duration(text) is None


def test_spans_as_a_person_says_them() -> None:
    assert span(timedelta(seconds=1)).en == "1 second"
    assert span(timedelta(seconds=76)).en == "76 seconds"
    assert span(timedelta(days=9, hours=3)).en == "9 days"
    assert "future" in ago(NOW, NOW + timedelta(minutes=5)).en


def test_tolerations() -> None:
    taint = Taint(key="node-role.kubernetes.io/control-plane", effect="NoSchedule")
    assert tolerates((Toleration(operator="Exists"),), taint)
    assert tolerates((Toleration(key=taint.key, operator="Exists", effect="NoSchedule"),), taint)
    assert not tolerates((Toleration(key=taint.key, operator="Exists", effect="NoExecute"),), taint)
    assert not tolerates((Toleration(key=taint.key, operator="Equal", value="x"),), taint)
    assert not tolerates(None, taint)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (
            {
                "phase": "Pending",
                "conditions": [
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "m"}
                ],
            },
            "Unschedulable",
        ),
        (
            {
                "phase": "Running",
                "containerStatuses": [
                    {
                        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                        "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
                    }
                ],
            },
            "CrashLoopBackOff",
        ),
        ({"phase": "Failed", "reason": "Evicted"}, "Evicted"),
        (
            {
                "phase": "Running",
                "conditions": [{"type": "Ready", "status": "False", "reason": "ContainersNotReady"}],
            },
            "ContainersNotReady",
        ),
    ],
)
def test_why_a_pod_is_not_ready(status: dict[str, Any], reason: str) -> None:
    found = trouble(made(Pod, status=status))
    assert found is not None
    assert found.reason == reason


def test_a_ready_pod_has_no_trouble() -> None:
    assert trouble(made(Pod, status=READY)) is None
