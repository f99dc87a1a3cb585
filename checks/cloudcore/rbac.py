"""What cloudcore is allowed to do in the cluster (facts.md §1.3)."""

from __future__ import annotations

from dataclasses import dataclass

from kedoctor.api import (
    Evidence,
    Finding,
    Risk,
    Side,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    patterns,
    skipped,
    unknown,
    warned,
)
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreWorkload
from kedoctor.checks.facts.cloud.cloudcore_log_lines import CloudcoreLines
from kedoctor.checks.facts.cloud.cloudcore_rbac import RIGHTS, CloudcoreRights
from kedoctor.checks.facts.cluster.metrics import WorkingDiversion
from kedoctor.checks.parsers.logs.klog import LogLine
from kedoctor.checks.parsers.releases import Release, Trait, has

__all__ = ["cloudcore_rbac"]

_SUBJECT = "clusterrole/cloudcore"
_FORBIDDEN = patterns.compiled(
    r'is forbidden: User "([^"]+)" cannot (\w+) resource "([^"]+)"(?: in API group "([^"]*)")?'
)
_GROUPS = frozenset(right.group for right in RIGHTS)
"""The API groups of what the data path needs; rights on devices, rules and jobs are for something else."""

_STATUSES = "devicestatuses"


@check(
    code="KE113",
    slug="cloudcore-rbac",
    title=Text("cloudcore may do what it needs in the cluster", zh="cloudcore 拥有所需的集群权限"),
    side=Side.SITE,
    breaks=(*ALL_STREAMS, "ready"),
    hop="stream",
    remedy=Text(
        "Apply the ClusterRoles and the binding of the chart again.",
        zh="重新应用 chart 中的 ClusterRole 与绑定。",
    ),
    risk=Risk.SAFE,
    references=("facts.md §1.3", "facts.md §5.1", "facts.md §10 (16)"),
)
def cloudcore_rbac(
    rights: CloudcoreRights,
    workload: CloudcoreWorkload,
    lines: CloudcoreLines | Unavailable,
    working: WorkingDiversion,
) -> Finding:
    """The answers of the authorizers; where they may not be asked, what cloudcore's own log complains of."""
    if workload.host_network is None:
        return skipped(
            Text(
                "There is no cloudcore in this cluster, whose account could be asked about.",
                zh="本集群中没有 cloudcore，无法查询其账号权限。",
            )
        )
    denied = rights.denied()
    if denied:
        names = ", ".join(right.name for right in denied)
        return _refused(rights.user, names, Evidence("SubjectAccessReview", f"denied: {names}"))
    told = _complaints(rights.user, lines)
    needed = next((one for one in told if one.group in _GROUPS), None)
    if needed is not None:
        return _refused(rights.user, needed.right, needed.evidence)
    if told:
        return _beside(rights.user, told[0], workload.release)
    if rights.unanswered() and working.edges:
        return skipped(
            Text(
                f"This user may not ask what {rights.user} may do; metrics for edges arrive, so it can do its work.",
                zh=f"当前用户无权查询 {rights.user} 的权限；但能收到边缘节点数据，说明其可正常工作。",
            ),
            subject=_SUBJECT,
        )
    if rights.unanswered():
        return unknown(
            Text(
                f"What {rights.user} may do is unknown: {rights.unanswered()[0]}.",
                zh=f"无法得知 {rights.user} 的权限：{rights.unanswered()[0].in_chinese}。",
            ),
            subject=_SUBJECT,
            hint=Text(
                "Run kedoctor as an administrator of the cluster.", zh="请以集群管理员身份运行 kedoctor。"
            ),
            commands=(f"kubectl auth can-i --list --as={rights.user}",),
        )
    return passed(
        Text(
            f"{rights.user} may read and write what cloudcore needs.",
            zh=f"{rights.user} 可读写 cloudcore 所需的对象。",
        ),
        subject=_SUBJECT,
    )


@dataclass(frozen=True, slots=True)
class _Complaint:
    """A right that cloudcore lacks as its own log says, and the API group that it belongs to."""

    verb: str
    resource: str
    group: str
    line: LogLine

    @property
    def right(self) -> str:
        return f"{self.verb} {self.resource}"

    @property
    def evidence(self) -> Evidence:
        return Evidence("log of cloudcore", self.line.raw.strip())


def _complaints(user: str, lines: CloudcoreLines | Unavailable) -> list[_Complaint]:
    """What its log says, the newest first; a line without a group is about the core group."""
    told = () if isinstance(lines, Unavailable) else lines.lines
    found = ((line, _FORBIDDEN.search(line.raw.replace('\\"', '"'))) for line in reversed(told))
    return [
        _Complaint(match[2], match[3], match[4] or "", line)
        for line, match in found
        if match and match[1] == user
    ]


def _beside(user: str, lacking: _Complaint, release: Release | None) -> Finding:
    """A right that no stream and no report of a Node needs (versions.md §4: devicestatuses)."""
    name = f"{lacking.resource}.{lacking.group}"
    by_chart = lacking.resource == _STATUSES and has(release, Trait.DEVICE_STATUSES_FORBIDDEN)
    why = why_zh = ""
    if by_chart:
        why = f" The chart of {release} leaves it out."
        why_zh = f"{release} 的 chart 缺少该权限。"
    elif release is None or by_chart is None:
        why = " Whether the chart of this release grants it is unknown."
        why_zh = "无法得知该版本的 chart 是否授予该权限。"
    return warned(
        Text(
            f"cloudcore ({user}) may not {lacking.verb} {name}; logs, exec and top do not need it.{why}",
            zh=f"cloudcore（{user}）无权 {lacking.verb} {name}；logs、exec、top 不需要它。{why_zh}",
        ),
        expected=Text(f"the right to {lacking.verb} {name}", zh=f"具有 {lacking.verb} {name} 的权限"),
        actual=Text(f"denied: {lacking.right}", zh=f"无权：{lacking.right}"),
        hint=_add_right(name) if by_chart else _APPLY,
        subject=_SUBJECT,
        evidence=(lacking.evidence,),
        commands=(
            f"kubectl auth can-i {lacking.verb} {name} --as={user}",
            "kubectl edit clusterrole cloudcore-common",
        ),
        breaks=(),
        hop="",
    )


def _add_right(name: str) -> Text:
    return Text(
        f"Add {name} with get, list and watch to ClusterRole cloudcore-common, if you use devices.",
        zh=f"如使用设备功能，请在 ClusterRole cloudcore-common 中为 {name} 增加 get、list、watch 权限。",
    )


_APPLY = Text(
    "Apply the chart's RBAC again. ClusterRole cloudcore is put together from all roles labelled rbac/aggregate-to-cloudcore (cloudcore-common and others): edit those, because an edit of cloudcore itself is reverted.",
    zh="重新应用 chart 的 RBAC。ClusterRole cloudcore 由所有带 rbac/aggregate-to-cloudcore 标签的角色（如 cloudcore-common）聚合而成：请修改这些角色，直接修改 cloudcore 会被还原。",
)


def _refused(user: str, names: str, evidence: Evidence) -> Finding:
    return failed(
        Text(f"cloudcore ({user}) may not {names}.", zh=f"cloudcore（{user}）无权 {names}。"),
        expected=Text(
            "the rights of the chart's ClusterRole cloudcore", zh="chart 中 ClusterRole cloudcore 的权限"
        ),
        actual=Text(f"denied: {names}", zh=f"无权：{names}"),
        hint=_APPLY,
        subject=_SUBJECT,
        evidence=(evidence,),
        commands=(
            f"kubectl auth can-i --list --as={user}",
            "kubectl get clusterrole -l rbac/aggregate-to-cloudcore=true",
            "kubectl get clusterrolebinding cloudcore -o yaml",
        ),
    )
