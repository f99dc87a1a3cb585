"""What can be told from a pod: whether it is ready, and why not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from kedoctor.checks.parsers.kubernetes import Condition, ContainerStatus, Labels, Pod, Taint, Toleration
from kedoctor.checks.parsers.kubernetes.workloads import Selector

__all__ = [
    "Trouble",
    "condition",
    "is_live",
    "is_ready",
    "keeps_dying",
    "last_exit",
    "running_since",
    "selector_of",
    "tolerates",
    "trouble",
]


_DELETED = "it is being deleted"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a pod is not ready: the reason as Kubernetes names it, its message, and the last exit if there was one.

    ``restarts`` counts those of its containers.
    """

    reason: str
    message: str = ""
    restarts: int = 0
    last_exit: str = ""

    @property
    def in_chinese(self) -> str:
        """The same in Chinese; what Kubernetes itself says is quoted."""
        parts = [self.reason]
        if self.message:
            parts.append("正在删除" if self.message == _DELETED else f"“{self.message}”")
        if self.last_exit:
            parts.append(f"上次退出：{self.last_exit}")
        if self.restarts:
            parts.append(f"重启 {self.restarts} 次")
        return "，".join(parts)

    def __str__(self) -> str:
        parts = [self.reason]
        if self.message:
            parts.append(self.message)
        if self.last_exit:
            parts.append(f"last exit: {self.last_exit}")
        if self.restarts:
            parts.append(f"{self.restarts} restarts")
        return ", ".join(parts)


def selector_of(selector: Selector | Labels | None) -> str:
    """A label selector as a list request takes it."""
    labels = selector.match_labels if isinstance(selector, Selector) else selector
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items()))


def condition(conditions: tuple[Condition, ...] | None, kind: str) -> Condition | None:
    """The condition of that type."""
    return next((one for one in conditions or () if one.type == kind), None)


def is_live(pod: Pod) -> bool:
    """Whether a container of it runs and it is not being deleted; a pod in a crash loop has the phase Running, too."""
    if pod.status.phase != "Running" or pod.metadata.deletion_timestamp is not None:
        return False
    statuses = pod.status.container_statuses or ()
    return not statuses or any(status.state.running is not None for status in statuses)


def is_ready(pod: Pod) -> bool:
    """Whether it is live and all its containers are ready."""
    ready = condition(pod.status.conditions, "Ready")
    return is_live(pod) and ready is not None and ready.status == "True"


def running_since(pod: Pod) -> datetime | None:
    """When the newest of its running containers started."""
    starts = [
        status.state.running.started_at
        for status in pod.status.container_statuses or ()
        if status.state.running is not None and status.state.running.started_at is not None
    ]
    return max(starts, default=None)


_SHORT = timedelta(seconds=60)
_RECENT = timedelta(minutes=10)


def keeps_dying(pod: Pod, now: datetime) -> bool:
    """Whether a container of it ends soon after each start: its last life was short and is not long ago.

    Without a readiness probe such a pod is ready as long as each life lasts.
    """
    return any(_dies(status, now) for status in pod.status.container_statuses or ())


def _dies(status: ContainerStatus, now: datetime) -> bool:
    ended = status.state.terminated or status.last_state.terminated
    if (
        ended is None
        or ended.finished_at is None
        or (not status.restart_count and status.state.terminated is None)
    ):
        return False
    running = status.state.running
    if running is not None and running.started_at is not None and now - running.started_at >= _SHORT:
        return False
    lived = None if ended.started_at is None else ended.finished_at - ended.started_at
    return now - ended.finished_at < _RECENT and lived is not None and lived < _SHORT


def tolerates(tolerations: tuple[Toleration, ...] | None, taint: Taint) -> bool:
    """Whether a pod with these tolerations may be scheduled in spite of the taint."""
    return any(_matches(one, taint) for one in tolerations or ())


def _matches(toleration: Toleration, taint: Taint) -> bool:
    if toleration.effect not in ("", taint.effect):
        return False
    if toleration.operator == "Exists":
        return toleration.key in ("", taint.key)
    return toleration.key == taint.key and toleration.value == taint.value


def trouble(pod: Pod) -> Trouble | None:
    """Why it is not ready; ``None`` when it is."""
    if is_ready(pod):
        return None
    statuses = pod.status.container_statuses or ()
    waiting = next((status for status in statuses if status.state.waiting is not None), None)
    if waiting is not None and waiting.state.waiting is not None:
        why = waiting.state.waiting
        return Trouble(why.reason or "Waiting", why.message, waiting.restart_count, last_exit(waiting))
    ended = next((status for status in statuses if status.state.terminated is not None), None)
    if ended is not None:
        return Trouble("Terminated", "", ended.restart_count, last_exit(ended))
    return _trouble_without_containers(pod, sum(status.restart_count for status in statuses))


def _trouble_without_containers(pod: Pod, restarts: int) -> Trouble:
    if pod.metadata.deletion_timestamp is not None:
        return Trouble("Terminating", _DELETED, restarts)
    scheduled = condition(pod.status.conditions, "PodScheduled")
    if scheduled is not None and scheduled.status == "False":
        return Trouble(scheduled.reason or "Unschedulable", scheduled.message, restarts)
    if pod.status.reason:
        return Trouble(pod.status.reason, pod.status.message, restarts)
    ready = condition(pod.status.conditions, "Ready")
    reason = ready.reason if ready is not None and ready.reason else pod.status.phase or "Unknown"
    return Trouble(reason, ready.message if ready is not None else "", restarts)


def last_exit(status: ContainerStatus) -> str:
    """How its last process ended (``Error (exit code 1)``); empty if none has."""
    ended = status.state.terminated or status.last_state.terminated
    if ended is None:
        return ""
    return f"{ended.reason or 'Exited'} (exit code {ended.exit_code})"
