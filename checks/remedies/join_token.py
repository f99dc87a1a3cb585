"""A join token that can be used again (KE409)."""

from __future__ import annotations

from kedoctor.api import NoPlan, Plan, Risk, Text, Verdict, remedy
from kedoctor.checks.facts.cloudcore import CloudcoreWorkload
from kedoctor.checks.remedies.cloud import AFTER_CLOUD, CLOUDCORE_PODS, EDGES_RECONNECT

__all__ = ["join_token"]

_SECRET = "secret/kubeedge/tokensecret"  # noqa: S105  the name of a Secret, not its content


@remedy("KE409")
def join_token(verdict: Verdict, workload: CloudcoreWorkload) -> Plan | NoPlan:
    """A restart of cloudcore, whose refresh ended for good with one failure (facts.md §4.1).

    The token of an edge is a secret that no plan may show or keep, so a person carries it there.
    """
    if verdict.subject != _SECRET:
        return NoPlan(_on_the_edge(verdict.node or verdict.subject))
    if not workload.pods:
        return NoPlan(
            Text(
                "cloudcore makes the token when it starts, and it has no pod now (KE105)",
                zh="令牌由 cloudcore 启动时生成，而它目前没有 Pod（见 KE105）",
            )
        )
    return Plan(
        code=verdict.code,
        subject=verdict.subject,
        title=Text(
            "Restart cloudcore: it makes a new join token at once and refreshes it every 12 hours again",
            zh="重启 cloudcore：它会立即生成新的加入令牌，并恢复每 12 小时刷新",
        ),
        prediction=EDGES_RECONNECT,
        risk=Risk.RESTARTS_CLOUDCORE,
        actions=(),
        restarts=(CLOUDCORE_PODS,),
        settle=AFTER_CLOUD,
    )


def _on_the_edge(node: str) -> Text:
    return Text(
        f"{node} needs a fresh token, which is a secret that kedoctor carries nowhere; on the cloud: keadm gettoken; "
        f"on {node}: write it to modules.edgeHub.token in /etc/kubeedge/config/edgecore.yaml, sudo rm -f "
        "/etc/kubeedge/bootstrap-edgecore.conf, sudo systemctl restart edgecore",
        zh=f"{node} 需要新令牌，令牌是机密，kedoctor 不会传送；云端执行 keadm gettoken；在 {node} 上将其写入 "
        "/etc/kubeedge/config/edgecore.yaml 的 modules.edgeHub.token，执行 sudo rm -f "
        "/etc/kubeedge/bootstrap-edgecore.conf 和 sudo systemctl restart edgecore",
    )
