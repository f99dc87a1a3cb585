"""What the user who looks may do: logs, exec, attach, nodes and metrics."""

from __future__ import annotations

from kedoctor.api import Evidence, Finding, Side, Text, check, passed, unknown, warned
from kedoctor.checks.facts.cluster.access import NEEDS, Need, OperatorAccess

__all__ = ["operator_rbac"]

_SUBJECT = "current user"


@check(
    code="KE921",
    slug="operator-rbac",
    title=Text("This user may use logs, exec, attach and top", zh="当前用户可使用 logs、exec、attach 和 top"),
    side=Side.SITE,
    remedy=Text(
        "Bind the minimal role that `kedoctor rbac --operator` prints.",
        zh="绑定 `kedoctor rbac --operator` 输出的最小角色。",
    ),
    references=("facts.md §3.7",),
)
def operator_rbac(access: OperatorAccess) -> Finding:
    """One access review per need, for all namespaces; it says nothing of other users."""
    denied = access.denied()
    if denied:
        return _denied(denied)
    unanswered = access.unanswered()
    if unanswered:
        needs = ", ".join(need.name for need, _ in unanswered)
        return unknown(
            Text(
                f"Whether this user may {needs} is unknown: {unanswered[0][1]}.",
                zh=f"无法判断当前用户是否可以 {needs}：{unanswered[0][1].in_chinese}。",
            ),
            subject=_SUBJECT,
        )
    return passed(
        Text(
            "This user may use logs, exec, attach and top in every namespace.",
            zh="当前用户可在所有命名空间使用 logs、exec、attach 和 top。",
        ),
        subject=_SUBJECT,
    )


def _denied(denied: tuple[Need, ...]) -> Finding:
    names = ", ".join(need.name for need in denied)
    purposes = ", ".join(dict.fromkeys(need.purpose for need in denied))
    return warned(
        Text(
            f"This user may not {names} in all namespaces, which {purposes} need; a RoleBinding may allow it in some.",
            zh=f"当前用户无权在所有命名空间 {names}，而 {purposes} 需要这些权限；个别命名空间可能由 RoleBinding 允许。",
        ),
        expected=Text(
            "the rights " + ", ".join(need.name for need in NEEDS),
            zh="权限 " + ", ".join(need.name for need in NEEDS),
        ),
        actual=Text(f"denied: {names}", zh=f"无权：{names}"),
        hint=Text(
            "Have an administrator bind the role that kedoctor prints to this user.",
            zh="请管理员将 kedoctor 输出的角色绑定给该用户。",
        ),
        subject=_SUBJECT,
        evidence=(Evidence("SelfSubjectAccessReview", f"denied: {names}"),),
        commands=("kedoctor rbac --operator", *(_can_i(need) for need in denied)),
        breaks=(),
        hop="",
    )


def _can_i(need: Need) -> str:
    scope = " -A" if need.namespaced else ""
    return f"kubectl auth can-i {need.name}{scope}"
