"""What cloudcore is allowed to do in the cluster (facts.md §1.3)."""

from __future__ import annotations

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
)
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreWorkload
from kedoctor.checks.facts.cloud.cloudcore_log_lines import CloudcoreLines
from kedoctor.checks.facts.cloud.cloudcore_rbac import CloudcoreRights
from kedoctor.checks.facts.cluster.metrics import WorkingDiversion

__all__ = ["cloudcore_rbac"]

_SUBJECT = "clusterrole/cloudcore"
_FORBIDDEN = patterns.compiled(r'is forbidden: User "([^"]+)" cannot (\w+) resource "([^"]+)"')


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
    told = () if isinstance(lines, Unavailable) else lines.lines
    for line in reversed(told):
        found = _FORBIDDEN.search(line.raw.replace('\\"', '"'))
        if found and found[1] == rights.user:
            return _refused(
                rights.user, f"{found[2]} {found[3]}", Evidence("log of cloudcore", line.raw.strip())
            )
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
                zh=f"无法得知 {rights.user} 的权限：{rights.unanswered()[0]}。",
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


def _refused(user: str, names: str, evidence: Evidence) -> Finding:
    return failed(
        Text(f"cloudcore ({user}) may not {names}.", zh=f"cloudcore（{user}）无权 {names}。"),
        expected=Text(
            "the rights of the chart's ClusterRole cloudcore", zh="chart 中 ClusterRole cloudcore 的权限"
        ),
        actual=Text(f"denied: {names}", zh=f"无权：{names}"),
        hint=Text(
            "Apply the chart's RBAC again. ClusterRole cloudcore is put together from all roles labelled rbac/aggregate-to-cloudcore (cloudcore-common and others): edit those, because an edit of cloudcore itself is reverted.",
            zh="重新应用 chart 的 RBAC。ClusterRole cloudcore 由所有带 rbac/aggregate-to-cloudcore 标签的角色（如 cloudcore-common）聚合而成：请修改这些角色，直接修改 cloudcore 会被还原。",
        ),
        subject=_SUBJECT,
        evidence=(evidence,),
        commands=(
            f"kubectl auth can-i --list --as={user}",
            "kubectl get clusterrole -l rbac/aggregate-to-cloudcore=true",
            "kubectl get clusterrolebinding cloudcore -o yaml",
        ),
    )
