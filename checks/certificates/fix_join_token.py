"""A join token that can be used again, on the cloud and on an edge that was refused with its own (KE409)."""

from __future__ import annotations

from kedoctor.api import (
    EveryHost,
    NoPlan,
    Plan,
    RemoveFile,
    Risk,
    TemporaryFile,
    Text,
    Unavailable,
    Verdict,
    remedy,
)
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreWorkload
from kedoctor.checks.facts.edge.certificates import EdgeCertificates
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig
from kedoctor.checks.facts.edge.join_token import TokenAtHand, UsableToken
from kedoctor.checks.plans.cloudcore import AFTER_CLOUD, CLOUDCORE_PODS, EDGES_RECONNECT
from kedoctor.checks.plans.edgecore import edgecore_plan, set_keys
from kedoctor.checks.plans.touches import PODS

__all__ = ["join_token"]

_SECRET = "secret/kubeedge/tokensecret"  # noqa: S105  the name of a Secret, not its content


@remedy("KE409", touches=PODS)
def join_token(
    verdict: Verdict,
    workload: CloudcoreWorkload | Unavailable,
    *,
    tokens: EveryHost[TokenAtHand],
    configs: EveryHost[EdgecoreConfig],
    files: EveryHost[EdgeCertificates],
) -> Plan | NoPlan:
    """On the cloud a restart of cloudcore, whose refresh ends for good with one failure (facts.md §4.1).

    On the edge a good token, where one is at hand: it lies in the file in which edgecore looks first, and only until
    edgecore has its certificate.
    """
    if verdict.subject == _SECRET:
        return _refreshed(verdict, workload)
    host = next((name for name, one in configs.known().items() if one.node_name == verdict.node), "")
    at_hand = tokens.known().get(host)
    if at_hand is None or host not in files.known():
        return NoPlan(_by_hand(verdict.node or verdict.subject))
    if not isinstance(at_hand.usable, UsableToken):
        return NoPlan(at_hand.usable)
    return _lent(verdict, configs.known()[host], files.known()[host], at_hand.usable)


def _refreshed(verdict: Verdict, workload: CloudcoreWorkload | Unavailable) -> Plan | NoPlan:
    if isinstance(workload, Unavailable) or not workload.pods:
        return NoPlan(
            Text(
                "cloudcore makes the token when it starts, and no pod of it was seen (KE105)",
                zh="令牌由 cloudcore 启动时生成，而未见到它的 Pod（见 KE105）",
            )
        )
    return Plan(
        code=verdict.code,
        subject=verdict.subject,
        title=Text(
            "restart cloudcore: it makes a new join token at once and refreshes it every 12 hours again",
            zh="重启 cloudcore：它会立即生成新的加入令牌，并恢复每 12 小时刷新",
        ),
        prediction=EDGES_RECONNECT,
        risk=Risk.RESTARTS_CLOUDCORE,
        actions=(),
        restarts=(CLOUDCORE_PODS,),
        settle=AFTER_CLOUD,
    )


def _lent(verdict: Verdict, config: EdgecoreConfig, files: EdgeCertificates, token: UsableToken) -> Plan:
    # A bad token in the file is of no use any more, and one in the token file would win over the good one.
    cleared = [set_keys(config, {"modules.edgeHub.token": ""})] if token.in_file else []
    stale = [RemoveFile(token.bootstrap)] if token.bootstrap_present else []
    return edgecore_plan(
        verdict,
        Text(
            f"let edgecore obtain its certificate with the token from {token.source}",
            zh=f"用 {token.source} 中的令牌让 edgecore 获取证书",
        ),
        Text("", zh=""),
        *cleared,
        *stale,
        loan=TemporaryFile(token.bootstrap, token.text.encode(), until=files.certificate.path),
    )


def _by_hand(node: str) -> Text:
    return Text(
        f"only on {node} itself can a token be put in place; on the cloud: keadm gettoken; on {node}: write it to "
        "modules.edgeHub.token in /etc/kubeedge/config/edgecore.yaml, sudo rm -f /etc/kubeedge/bootstrap-edgecore.conf, "
        "then there: sudo kedoctor run --fix",
        zh=f"令牌只能在 {node} 上放置；云端执行 keadm gettoken；在 {node} 上将其写入 "
        "/etc/kubeedge/config/edgecore.yaml 的 modules.edgeHub.token，执行 sudo rm -f "
        "/etc/kubeedge/bootstrap-edgecore.conf，然后在该机器运行 sudo kedoctor run --fix",
    )
