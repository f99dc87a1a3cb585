"""Findings of checks as results of steps, and what is said of a hop that this host cannot see."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from kedoctor.api import (
    Certainty,
    Finding,
    HostContext,
    Status,
    StepResult,
    StepState,
    Text,
    TraceTarget,
    Unavailable,
)
from kedoctor.checks.facts.cloud.cloud_host import CloudProcesses
from kedoctor.checks.trace.target import Traced

__all__ = [
    "broken",
    "judged",
    "missing",
    "not_known",
    "nothing_meant",
    "off_api",
    "off_apiserver",
    "off_cloud",
    "off_edge",
    "ok",
]

_RANK = (Status.FAIL, Status.UNKNOWN, Status.PASS, Status.WARN, Status.SKIP)
# What a failure is that breaks the capability is told apart before.
_STATES = {
    Status.PASS: StepState.OK,
    Status.WARN: StepState.OK,
    Status.FAIL: StepState.OK,
    Status.SKIP: StepState.UNKNOWN,
    Status.UNKNOWN: StepState.UNKNOWN,
}


def ok(seen: Text, **more: Any) -> StepResult:
    """It is as it should be."""
    return StepResult(state=StepState.OK, seen=seen, **more)


def broken(seen: Text, **more: Any) -> StepResult:
    """It is not."""
    return StepResult(state=StepState.BROKEN, seen=seen, **more)


def not_known(seen: Text, **more: Any) -> StepResult:
    """It was looked at, and that decides nothing."""
    return StepResult(state=StepState.UNKNOWN, seen=seen, **more)


def nothing_meant(probe: str, port: int, seen: Text) -> StepResult:
    """What is seen at a port that no cloudcore has on record: nothing is meant to divert it, so nothing is judged."""
    return not_known(
        Text(
            f"{probe}: {seen.en}; port {port} is on no record, so nothing is meant to divert it (see the hop before).",
            zh=f"{probe}：{seen.zh}；端口 {port} 不在记录中，本来就不会被转发（见前面的环节）。",
        )
    )


def missing(one: Unavailable) -> StepResult:
    """Something that is needed was not read."""
    return not_known(Text(f"Not checked: {one}.", zh=f"无法判断：{one.in_chinese}。"))


Judged = tuple[Callable[..., Any], Finding | Iterable[Finding]]


def judged(capability: str, *checked: Judged) -> StepResult:
    """What checks found of one hop, the worst first: each check with its findings.

    A failure that breaks other capabilities only, and a warning, leave the hop in order for this one.
    """
    found = [
        (check, finding)
        for check, findings in checked
        for finding in ([findings] if isinstance(findings, Finding) else findings)
    ]
    check, finding = min(found, key=lambda one: _rank(one[0], one[1], capability))
    declared = check.__kedoctor_check__  # type: ignore[attr-defined]
    fails = _fails(check, finding, capability)
    state = StepState.BROKEN if fails else _STATES[finding.status]
    return StepResult(
        state=state,
        seen=finding.summary,
        hop=finding.hop or "",
        code="" if state is StepState.OK else declared.code,
        commands=finding.commands,
        certainty=finding.certainty if fails else Certainty.PROVED,
    )


def _fails(check: Callable[..., Any], finding: Finding, capability: str) -> bool:
    declared = check.__kedoctor_check__  # type: ignore[attr-defined]
    breaks = declared.breaks if finding.breaks is None else finding.breaks
    return finding.status is Status.FAIL and capability in breaks


def _rank(check: Callable[..., Any], finding: Finding, capability: str) -> int:
    if finding.status is Status.FAIL and not _fails(check, finding, capability):
        return _RANK.index(Status.WARN)
    return _RANK.index(finding.status)


def _not_seen(target: TraceTarget, where: Text, *, name: str = "") -> StepResult:
    """``name`` is what the target is called there, if not as here."""
    namespace = f" -n {target.namespace}" if target.namespace and not name else ""
    command = f"kedoctor trace {target.trace} {name or target.name}{namespace}"
    return StepResult(
        state=StepState.NOT_SEEN,
        seen=Text(
            f"Not seen from here: run `sudo {command}` {where.en}.",
            zh=f"从此处看不到：请{where.zh}执行 `sudo {command}`。",
        ),
        where=where,
    )


def off_apiserver(processes: CloudProcesses | Unavailable, target: TraceTarget) -> StepResult | None:
    """A hop that only a host with kube-apiserver sees."""
    if isinstance(processes, Unavailable) or processes.serves_api:
        return None
    return _not_seen(target, Text("on the API server's host", zh="在 API 服务器所在主机上"))


def off_cloud(vantage: HostContext, target: TraceTarget) -> StepResult | None:
    """A hop that only a cloud host should see: cloudcore's stream server asks nobody for a password (facts.md §4.2)."""
    if "cloud" in vantage.sides:
        return None
    return _not_seen(target, Text("on the cloud host", zh="在云端主机上"))


def off_edge(traced: Traced, target: TraceTarget) -> StepResult | None:
    """A hop that only the edge itself sees."""
    if traced.here:
        return None
    return _not_seen(target, Text(f"on {traced.node} itself", zh=f"在 {traced.node} 上"), name=traced.node)


def off_api(traced: Traced, target: TraceTarget) -> StepResult | None:
    """A hop for which the API must be asked, on an edge host that has no kubeconfig."""
    if traced.api is None:
        return None
    return _not_seen(target, Text("where kubectl works", zh="在可用 kubectl 处"))
