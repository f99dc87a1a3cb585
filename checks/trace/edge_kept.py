"""Whether edgecore is the same process after the request as before: a defect of KubeEdge can end it (kubeedge#6488)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kedoctor.api import Cluster, StepResult, Text, TraceTarget, Unavailable, fact, step
from kedoctor.checks.trace.edgecore_start import EdgecoreBefore, asked_start
from kedoctor.checks.trace.requests import RequestAnswer
from kedoctor.checks.trace.step_results import broken, missing, off_api, ok
from kedoctor.checks.trace.target import Traced

__all__ = ["EdgecoreAfter", "edgecore_after", "edgecore_kept"]


@dataclass(frozen=True, slots=True)
class EdgecoreAfter:
    """The same, asked after the request; ``None`` when the edge did not answer any more."""

    started: datetime | None


@fact
def edgecore_after(
    cluster: Cluster, before: EdgecoreBefore, traced: Traced, target: TraceTarget, *, answer: RequestAnswer
) -> EdgecoreAfter:
    """Asked when the request has ended, in whatever way."""
    del before, answer
    started = asked_start(cluster, traced.node, target, "?asked=after")
    return EdgecoreAfter(None if isinstance(started, Unavailable) else started)


@step(
    name="edgecore-kept",
    title=Text("edgecore afterwards", zh="请求之后的 edgecore"),
    hop="edgecore",
    unless=off_api,
)
def edgecore_kept(
    before: EdgecoreBefore | Unavailable, later: EdgecoreAfter | Unavailable, traced: Traced
) -> StepResult:
    """The same start before and after; an edge that answered before and does not now has lost its edgecore or its tunnel."""
    if isinstance(before, Unavailable):
        return missing(before)
    if isinstance(later, Unavailable):
        return missing(later)
    began = f"{before.started:%Y-%m-%d %H:%M:%S} UTC"
    if later.started == before.started:
        return ok(
            Text(
                f"edgecore of {traced.node} is the same process as before the request (since {began}).",
                zh=f"{traced.node} 的 edgecore 与请求之前是同一进程（启动于 {began}）。",
            )
        )
    log = f"sudo journalctl -u edgecore --since '{before.started:%Y-%m-%d %H:%M:%S} UTC' | grep -A4 panic  # on {traced.node}"
    if later.started is None:
        return broken(
            Text(
                f"{traced.node} answered before the request and does not answer after it: edgecore exited there, or its tunnel "
                "broke. `send on closed channel` in its log is a known defect of KubeEdge (kubeedge/kubeedge#6488).",
                zh=f"{traced.node} 在请求之前可以应答，之后不再应答：edgecore 已退出，或隧道中断。日志中的 "
                "`send on closed channel` 是 KubeEdge 的已知缺陷（kubeedge/kubeedge#6488）。",
            ),
            code="KE905",
            commands=(log,),
        )
    return broken(
        Text(
            f"edgecore of {traced.node} restarted at {later.started:%H:%M:%S} UTC, during the request. "
            "`send on closed channel` in its log is a known defect of KubeEdge (kubeedge/kubeedge#6488).",
            zh=f"{traced.node} 的 edgecore 在请求期间（{later.started:%H:%M:%S} UTC）重新启动。日志中的 "
            "`send on closed channel` 是 KubeEdge 的已知缺陷（kubeedge/kubeedge#6488）。",
        ),
        code="KE905",
        commands=(log,),
    )
