"""Other programs that catch the tunnel port before iptables-manager's rule sees it (EdgeMesh, service meshes, docker)."""

from __future__ import annotations

from collections.abc import Iterator

from kedoctor.api import Evidence, Finding, Side, Text, Unavailable, check, failed, passed, skipped, warned
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.dnat.wording import not_an_apiserver
from kedoctor.checks.facts.cloud.cloud_host import CloudProcesses
from kedoctor.checks.facts.cloud.diversion_targets import DiversionTargets
from kedoctor.checks.facts.cloud.diversions import Diversion, Diversions
from kedoctor.checks.facts.cloud.nat import NatRules
from kedoctor.checks.parsers.netfilter import DnatRule

__all__ = ["foreign_redirect"]

_OURS = (None, "iptables-manager", "kedoctor")
_EXCLUDE = Text(
    "Take the tunnel port out of what that program redirects; iptables-manager's rule then gets it.",
    zh="将隧道端口从该程序的重定向范围中排除，之后由 iptables-manager 的规则接管。",
)


@check(
    code="KE310",
    slug="foreign-redirect",
    title=Text("No other program redirects the tunnel port", zh="没有其他程序重定向隧道端口"),
    side=Side.CLOUD,
    breaks=ALL_STREAMS,
    hop="diversion",
    remedy=_EXCLUDE,
    references=("facts.md §3.4", "facts.md §9 (8)"),
)
def foreign_redirect(
    rules: NatRules,
    diversions: Diversions,
    targets: DiversionTargets | Unavailable,
    processes: CloudProcesses | Unavailable,
) -> Iterator[Finding]:
    """Every way in which a port on record may be mapped by a rule of a program that knows nothing of KubeEdge."""
    elsewhere = not_an_apiserver(processes, "nat OUTPUT")
    if elsewhere is not None:
        yield elsewhere
        return
    if not diversions.items:
        yield skipped(
            Text("No port is on record to be diverted (KE302).", zh="记录中没有需要转发的端口（见 KE302）。"),
            subject="nat OUTPUT",
        )
        return
    for diversion in diversions.items:
        yield from _judge(rules, diversion, targets)


def _judge(
    rules: NatRules, diversion: Diversion, targets: DiversionTargets | Unavailable
) -> Iterator[Finding]:
    foreign = [
        rule for rule in _mapping(rules, diversion) if rule.owner not in _OURS and not _right(rule, targets)
    ]
    for node in diversion.concerns:
        if foreign:
            yield _caught(diversion, foreign[0], node)
        else:
            yield passed(
                Text(
                    f"No program but iptables-manager redirects port {diversion.port} of this host's connections.",
                    zh=f"除 iptables-manager 外，没有程序重定向本机到端口 {diversion.port} 的连接。",
                ),
                subject=_subject(diversion, node),
                node=node,
            )


def _mapping(rules: NatRules, diversion: Diversion) -> Iterator[DnatRule]:
    for ending in diversion.path.endings:
        rule = rules.mapping(ending) if ending.outcome.is_mapping else None
        if rule is not None:
            yield rule


def _right(rule: DnatRule, targets: DiversionTargets | Unavailable) -> bool:
    """Whether it leads to a cloudcore all the same."""
    if isinstance(targets, Unavailable) or rule.destination is None:
        return False
    return rule.destination.address in targets.live and rule.destination.port == targets.port


def _subject(diversion: Diversion, node: str) -> str:
    return f"{node}, port {diversion.port}" if node else f"port {diversion.port}"


def _caught(diversion: Diversion, rule: DnatRule, node: str) -> Finding:
    tell = failed if diversion.path.certain and diversion.matters else warned
    return tell(
        Text(
            f"{rule.owner} catches port {diversion.port} in front of iptables-manager's rule (chain {rule.rule.chain}): requests for edges do not arrive at cloudcore.",
            zh=f"{rule.owner} 在 iptables-manager 的规则之前截获端口 {diversion.port}（链 {rule.rule.chain}）：发往边缘节点的请求到不了 cloudcore。",
        ),
        expected=Text(
            f"port {diversion.port} is diverted by iptables-manager alone",
            zh=f"端口 {diversion.port} 只由 iptables-manager 转发",
        ),
        actual=rule.rule.text,
        hint=_EXCLUDE,
        subject=_subject(diversion, node),
        node=node,
        evidence=(Evidence(f"iptables-{rule.backend}-save -t nat", rule.rule.text),),
        commands=(
            f"sudo iptables-{rule.backend}-save -t nat | grep -n -- '{rule.rule.chain}'",
            "kubectl get daemonsets -A -o wide",
        ),
    )
