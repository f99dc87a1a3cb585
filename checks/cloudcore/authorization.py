"""Cloudcore that authorises edges needs more rights than the chart gives by default (facts.md §11.9)."""

from __future__ import annotations

from kedoctor.api import Evidence, Finding, Side, Text, Unavailable, check, failed, passed, unknown
from kedoctor.checks.cloudcore.facts_authorization import AuthorizationRights
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreConfig

__all__ = ["cloudcore_authorization"]

_SUBJECT = "configmap/cloudcore"
_HINT = Text(
    "Let the chart make the roles (helm upgrade --reuse-values --set cloudCore.featureGates.requireAuthorization=true), or switch it off again.",
    zh="由 chart 创建角色（helm upgrade --reuse-values --set cloudCore.featureGates.requireAuthorization=true），或重新关闭该功能。",
)


@check(
    code="KE114",
    slug="cloudcore-authorization",
    title=Text(
        "cloudcore has the rights that authorising edges needs", zh="cloudcore 拥有授权功能所需的权限"
    ),
    side=Side.SITE,
    breaks=(*ALL_STREAMS, "ready"),
    hop="stream",
    remedy=_HINT,
    references=("facts.md §11.9",),
)
def cloudcore_authorization(config: CloudcoreConfig, rights: AuthorizationRights | Unavailable) -> Finding:
    """The gate requireAuthorization, with which cloudcore ends for want of a right, and cloudHub.authorization."""
    if isinstance(rights, Unavailable):
        on = config.value("featureGates.requireAuthorization") or config.value(
            "modules.cloudHub.authorization.enable"
        )
        return _not_asked(rights) if on else _off()
    if not rights.gate and not rights.hub:
        return _off()
    if rights.denied:
        return _denied(config, rights)
    if rights.unanswered is not None or not rights.user:
        return _not_asked(rights.unanswered or "its account is unknown")
    return passed(
        Text(
            f"{rights.user} has the rights that authorising needs.",
            zh=f"{rights.user} 拥有授权功能所需的权限。",
        ),
        subject=_SUBJECT,
    )


def _off() -> Finding:
    return passed(
        Text("cloudcore does not authorise edges.", zh="cloudcore 未启用对边缘的授权。"), subject=_SUBJECT
    )


def _not_asked(why: Unavailable | str) -> Finding:
    return unknown(
        Text(
            f"Whether cloudcore has the rights that authorising needs is unknown: {why}.",
            zh=f"无法得知 cloudcore 是否拥有授权功能所需的权限：{why}。",
        ),
        subject=_SUBJECT,
        commands=("kubectl get clusterrole cloudcore-feature -o yaml",),
    )


def _denied(config: CloudcoreConfig, rights: AuthorizationRights) -> Finding:
    names = ", ".join(right.name for right in rights.denied)
    key = "featureGates.requireAuthorization" if rights.gate else "modules.cloudHub.authorization.enable"
    return failed(
        Text(
            f"cloudcore is set to authorise edges ({key.rpartition('.')[2] if rights.gate else 'cloudHub.authorization'}), and {rights.user} may not {names}.",
            zh=f"cloudcore 启用了对边缘的授权（{key.rpartition('.')[2] if rights.gate else 'cloudHub.authorization'}），而 {rights.user} 无权 {names}。",
        ),
        expected=Text(
            "the rights of ClusterRole cloudcore-feature", zh="ClusterRole cloudcore-feature 的权限"
        )
        if rights.gate
        else Text("the right to impersonate users and groups", zh="impersonate users 和 groups 的权限"),
        actual=f"denied: {names}",
        hint=_HINT if rights.gate else _HUB,
        subject=_SUBJECT,
        evidence=(
            Evidence("configmap/cloudcore", f"{key}: true", config.line(key)),
            Evidence("SubjectAccessReview", f"denied: {names}"),
        ),
        commands=(
            f"kubectl auth can-i --list --as={rights.user}",
            "kubectl get clusterrole -l rbac/aggregate-to-cloudcore=true",
            "kubectl -n kubeedge edit configmap cloudcore",
        ),
        breaks=None if rights.gate else ("ready",),
        hop=None if rights.gate else "link",
    )


_HUB = Text(
    "Grant cloudcore the verb impersonate on users and groups, or set cloudHub.authorization.debug: true, which only logs.",
    zh="授予 cloudcore 对 users 和 groups 的 impersonate 权限，或设置 cloudHub.authorization.debug: true（仅记录日志）。",
)
