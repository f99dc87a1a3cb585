"""What has become of upgrades and changes of edges that were asked for in the cloud, and of keadm's on the edge (facts.md §11.10)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from kedoctor.api import (
    Cluster,
    EveryHost,
    Evidence,
    File,
    Finding,
    Host,
    Reason,
    Side,
    Text,
    Unavailable,
    check,
    fact,
    passed,
    patterns,
    require,
    skipped,
    warned,
)
from kedoctor.checks.facts.cluster.site_info import SiteTime
from kedoctor.checks.facts.edge.edgecore import EdgeName
from kedoctor.checks.parsers.durations import ago
from kedoctor.checks.parsers.kubernetes import ConfigUpdateJob, JobNodeStatus, NodeUpgradeJob

__all__ = ["KeadmLog", "UpgradeJobs", "upgrade_jobs"]

_KEADM_LOG = "/tmp/keadm.log"  # noqa: S108  where edgecore sends what keadm says (edge/pkg/taskmanager/actions/nodeupgradejob.go)
_FAILED = patterns.compiled(
    r"^(?:Error|[EF]\d{4} ).{0,400}|.{0,200}(?:failed|error):.{0,200}", patterns.IGNORECASE
)
_OPEN = ("", "Init", "InProgress")
_SLOW = timedelta(minutes=30)  # a job waits 300 s for each node unless it says otherwise
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class UpgradeJobs:
    """All jobs, upgrades first."""

    items: tuple[NodeUpgradeJob | ConfigUpdateJob, ...]


@fact
def upgrade_jobs_of_site(cluster: Cluster) -> UpgradeJobs | Unavailable:
    """Both kinds of ``operations.kubeedge.io/v1alpha2``; a cluster that serves neither has none (before KubeEdge 1.21)."""
    upgrades = cluster.list(NodeUpgradeJob)
    if isinstance(upgrades, Unavailable):
        return upgrades
    changes = cluster.list(ConfigUpdateJob)
    if isinstance(changes, Unavailable) and changes.reason is Reason.ABSENT:
        return UpgradeJobs(upgrades)
    return UpgradeJobs((*upgrades, *require(changes)))


@dataclass(frozen=True, slots=True)
class KeadmLog:
    """The last line of keadm on an edge that tells of a failure, or nothing."""

    node: str
    failure: str


@fact
def keadm_log(host: Host, name: EdgeName) -> KeadmLog | Unavailable:
    """``/tmp/keadm.log``, which only an upgrade or a roll-back asked for in the cloud writes.

    Others may write to that directory, so it is read only if it is a file of root, which nobody else can put there.
    """
    found = require(host.stat(_KEADM_LOG))
    if found.kind != "file" or found.uid != 0:
        return Unavailable(Reason.INVALID, _KEADM_LOG, "it does not belong to root")
    file: File = require(host.read(_KEADM_LOG, limit=64 << 10, from_end=True))
    lines = [line.strip() for line in file.text().splitlines() if _FAILED.search(line)]
    return KeadmLog(name.name, lines[-1][:400] if lines else "")


@check(
    code="KE943",
    slug="upgrade-jobs",
    title=Text("Upgrades and changes of edges came to their end", zh="边缘的升级和配置更新任务已完成"),
    side=Side.SITE,
    references=("facts.md §11.10",),
)
def upgrade_jobs(
    jobs: UpgradeJobs | Unavailable,
    time: SiteTime | Unavailable,
    logs: EveryHost[KeadmLog],
) -> Iterator[Finding]:
    """Each NodeUpgradeJob and ConfigUpdateJob that failed, or that has been under way for half an hour."""
    if isinstance(jobs, Unavailable):
        if jobs.reason is not Reason.ABSENT:
            require(jobs)
        yield skipped(
            Text(
                "This cluster serves no upgrade jobs of KubeEdge 1.21 or later.",
                zh="本集群没有 KubeEdge 1.21 及以上版本的升级任务。",
            )
        )
        return
    said = {log.node: log.failure for log in logs.known().values() if log.failure}
    told = [found for job in jobs.items if (found := _judge(job, time, said)) is not None]
    yield from told
    if not told:
        count = len(jobs.items)
        yield passed(
            Text(f"None of {count} upgrade and change jobs failed.", zh=f"{count} 个升级和更新任务均未失败。")
        )


def _judge(
    job: NodeUpgradeJob | ConfigUpdateJob, time: SiteTime | Unavailable, said: dict[str, str]
) -> Finding | None:
    nodes = job.status.node_status or ()
    failed = [one for one in nodes if one.phase == "Failure"]
    made = job.metadata.creation_timestamp
    age = None if isinstance(time, Unavailable) or made is None else time.now - made
    if job.status.phase == "Failure" or failed:
        return _failed(job, failed, said)
    if job.status.phase in _OPEN and age is not None and age > _SLOW and not isinstance(time, Unavailable):
        waiting = [one for one in nodes if one.phase not in ("Successful", "Failure")]
        since = ago(time.now, time.now - age)
        return _waiting(job, waiting, since)
    return None


def _name(job: NodeUpgradeJob | ConfigUpdateJob) -> str:
    return f"{type(job).__name__.lower()}/{job.metadata.name}"


def _of(one: JobNodeStatus) -> str:
    """A node, the step it failed at, and why."""
    step = next((act for act in reversed(one.action_flow or ()) if act.status == "False"), None)
    where = f" ({step.action})" if step is not None and step.action else ""
    reason = one.reason or (step.reason if step is not None else "")
    return f"{one.node_name}{where}: {reason}" if reason else f"{one.node_name}{where}"


def _failed(
    job: NodeUpgradeJob | ConfigUpdateJob, nodes: list[JobNodeStatus], said: dict[str, str]
) -> Finding:
    name = _name(job)
    shown = "; ".join(_of(one)[:200] for one in nodes[:_SHOWN]) or job.status.reason[:300]
    more = len(nodes) - _SHOWN
    rest_en, rest_zh = (f"; and {more} more", f"；另有 {more} 个") if more > 0 else ("", "")
    keadm = [
        Evidence(f"{_KEADM_LOG} of {one.node_name}", said[one.node_name])
        for one in nodes
        if one.node_name in said
    ]
    return warned(
        Text(
            f"{name} has failed: {shown or 'no reason is given'}{rest_en}.",
            zh=f"{name} 已失败：{shown or '未给出原因'}{rest_zh}。",
        ),
        expected=Text("phase Completed", zh="phase 为 Completed"),
        actual=f"phase {job.status.phase or '-'}",
        hint=Text(
            "Read keadm's log on the edge, see which version of edgecore runs there, then make the job anew under another name.",
            zh="查看边缘节点上 keadm 的日志及实际运行的 edgecore 版本，然后用新名称重新创建任务。",
        ),
        subject=name,
        evidence=(Evidence(name, shown or job.status.phase), *keadm[:_SHOWN]),
        commands=_commands(name),
        breaks=(),
    )


def _waiting(job: NodeUpgradeJob | ConfigUpdateJob, nodes: list[JobNodeStatus], since: Text) -> Finding:
    name = _name(job)
    names = ", ".join(one.node_name for one in nodes[:_SHOWN]) or "-"
    return warned(
        Text(
            f"{name} was made {since.en} and is still {job.status.phase or 'not begun'}; it waits for {names}.",
            zh=f"{name} 创建于{since.zh}，仍为 {job.status.phase or '未开始'}；等待 {names}。",
        ),
        expected=Text("phase Completed", zh="phase 为 Completed"),
        actual=f"phase {job.status.phase or '-'}",
        hint=Text(
            "An edge that is not Ready does not begin it; requireConfirmation waits for keadm ctl confirm on the edge; cloudcore and edgecore need modules.taskManager on.",
            zh="未 Ready 的边缘不会开始；requireConfirmation 需在边缘执行 keadm ctl confirm；cloudcore 和 edgecore 需启用 modules.taskManager。",
        ),
        subject=name,
        evidence=(Evidence(name, f"phase {job.status.phase or '-'}"),),
        commands=_commands(name),
        breaks=(),
    )


def _commands(name: str) -> tuple[str, ...]:
    return (
        f"kubectl get {name} -o yaml",
        "kubectl get nodes -o wide",
        f"sudo tail -n 30 {_KEADM_LOG}   # on the edge",
    )
