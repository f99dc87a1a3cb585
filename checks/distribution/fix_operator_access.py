"""Rights that an administrator has to give, printed as they have to be (KE921)."""

from __future__ import annotations

from kedoctor.api import NoPlan, Text, Verdict, remedy
from kedoctor.checks.facts.cluster.access import NEEDS, Need

__all__ = ["minimal_role", "operator_access"]


@remedy("KE921")
def operator_access(verdict: Verdict) -> NoPlan:
    """Nobody gives rights to himself: the smallest ClusterRole, ready to be applied by an administrator."""
    del verdict
    role = minimal_role()
    return NoPlan(
        Text(
            "nobody gives rights to himself; have an administrator apply this and bind it to the user (kubectl create "
            f"clusterrolebinding kubeedge-operator --clusterrole=kubeedge-operator --user=<user>):\n{role}",
            zh="用户不能给自己授权；请管理员应用以下内容并绑定给该用户（kubectl create clusterrolebinding "
            f"kubeedge-operator --clusterrole=kubeedge-operator --user=<用户>）：\n{role}",
        )
    )


def minimal_role() -> str:
    """The ClusterRole that logs, exec, attach and top need, and nothing more, as YAML."""
    grouped: dict[tuple[str, str], list[Need]] = {}
    for need in NEEDS:
        grouped.setdefault((need.group, need.verb), []).append(need)
    lines = [
        "apiVersion: rbac.authorization.k8s.io/v1",
        "kind: ClusterRole",
        "metadata:",
        "  name: kubeedge-operator",
        "rules:",
    ]
    for (group, verb), needs in grouped.items():
        names = ", ".join(_resource(need) for need in needs)
        # kubectl reads a pod before it streams from it, and lists for top.
        verbs = "get, list" if group else verb
        lines.append(f'- {{apiGroups: ["{group}"], resources: [{names}], verbs: [{verbs}]}}')
    lines.append('- {apiGroups: [""], resources: [pods, nodes], verbs: [get, list]}')
    return "\n".join(lines)


def _resource(need: Need) -> str:
    return f"{need.resource}/{need.subresource}" if need.subresource else need.resource
