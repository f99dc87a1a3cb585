"""Netfilter rules and doubts about them in words an operator can use."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator

from kedoctor.api import Evidence, Finding, Text, Unavailable, replace, skipped
from kedoctor.checks.facts.cloud.cloud_host import CloudProcesses
from kedoctor.checks.facts.cloud.diversions import Diversion
from kedoctor.checks.facts.cloud.nat import NatRules
from kedoctor.checks.parsers.netfilter import (
    Backend,
    DnatRule,
    DoubtKind,
    Outcome,
    OutcomeKind,
    Rule,
    Uncertainty,
)

__all__ = [
    "SHOW_RULES",
    "doubts_told",
    "for_each",
    "not_an_apiserver",
    "outcome_told",
    "removal",
    "rule_evidence",
    "view_evidence",
    "whose",
]

SHOW_RULES = (
    "sudo cat /proc/net/ip_tables_names   # is there a legacy nat table? (iptables-legacy -t nat would make one)",
    "sudo iptables-nft-save -t nat | grep -E 'DNAT|TUNNEL-PORT'",
    "sudo iptables-legacy-save | grep -E 'DNAT|TUNNEL-PORT'   # only if nat is listed above",
)

_DOUBTS = {
    DoubtKind.MATCH: Text("a condition that only the kernel can decide", zh="只有内核才能判断的条件"),
    DoubtKind.TARGET: Text("a target whose effect is unknown", zh="效果未知的动作"),
    DoubtKind.CHOICE: Text("a target that lets the kernel choose", zh="由内核自行选择的目标"),
    DoubtKind.LOOP: Text("chains that call each other in a circle", zh="互相调用成环的链"),
    DoubtKind.TABLE: Text("a table that the tool could not print", zh="工具无法打印的表"),
    DoubtKind.VIEW: Text("rules that could not be read", zh="未能读取的规则"),
    DoubtKind.ORDER: Text(
        "both backends take the connection, and which of them acts first cannot be seen",
        zh="两个后端都会接管该连接，而哪个先生效无法看出",
    ),
    DoubtKind.UNSEEN: Text(
        "a native nft chain that iptables does not show", zh="iptables 看不到的原生 nft 链"
    ),
}


def doubts_told(doubts: Iterable[Uncertainty], rules: NatRules) -> Text:
    """Why it is not certain, the first three reasons."""
    told = [_doubt(doubt, rules) for doubt in doubts]
    first = [told[place] for place in range(min(3, len(told)))]
    return Text("; ".join(one.en for one in first), zh="；".join(one.zh for one in first))


def _doubt(doubt: Uncertainty, rules: NatRules) -> Text:
    words = _DOUBTS[doubt.kind]
    detail = doubt.rule.text if doubt.rule is not None else doubt.detail
    if doubt.kind is DoubtKind.ORDER:
        return words
    if doubt.kind is DoubtKind.VIEW:
        view = rules.nft if doubt.detail == "nft" else rules.legacy
        detail = str(view) if isinstance(view, Unavailable) else doubt.detail
    return Text(f"{words.en} ({detail})", zh=f"{words.zh}（{detail}）")


def outcome_told(outcome: Outcome) -> Text:
    """Where a connection ends up."""
    target = f"{outcome.address or '?'}:{outcome.port or '?'}"
    if outcome.kind is OutcomeKind.UNCHANGED:
        return Text(f"nowhere else than {target}", zh=f"未被转发，仍是 {target}")
    if outcome.kind is OutcomeKind.DROPPED:
        return Text("nowhere: it is dropped", zh="被丢弃")
    if outcome.kind is OutcomeKind.UNDECIDED:
        return Text("somewhere that cannot be told", zh="无法判断的去向")
    return Text(target, zh=target)


def rule_evidence(rule: Rule, backend: Backend | None) -> Evidence:
    """A rule with its place, as ``iptables -D CHAIN NUMBER`` counts."""
    where = f"iptables-{backend}" if backend else "iptables"
    return Evidence(f"{where}, table nat, chain {rule.chain}, rule {rule.position}", rule.text)


def view_evidence(rules: NatRules) -> tuple[Evidence, ...]:
    """How each view was read and what it holds of the diversion."""
    found = []
    for backend in ("nft", "legacy"):
        view = rules.nft if backend == "nft" else rules.legacy
        lines = [rule.rule.text for rule in rules.dnat if rule.backend == backend and _of_diversion(rule)]
        told = str(view) if isinstance(view, Unavailable) else "\n".join(lines[:6]) or "no rule that diverts"
        found.append(Evidence(f"iptables-{backend}, read by {rules.sources.get(backend, '?')}", told))
    return tuple(found)


def _of_diversion(rule: DnatRule) -> bool:
    return rule.owner in (None, "iptables-manager", "kedoctor")


def for_each(diversion: Diversion, finding: Finding) -> Iterator[Finding]:
    """The finding about a port, once for every node that it concerns (or once, when it concerns them all)."""
    for node in diversion.concerns:
        yield replace(finding, node=node, subject=f"{node}, {finding.subject}") if node else finding


def removal(rule: DnatRule) -> str:
    """The command that removes exactly this rule's like."""
    arguments = " ".join(shlex.quote(word) for word in rule.rule.arguments)
    return f"sudo iptables-{rule.backend} -t nat -D {rule.rule.chain} {arguments}"


def whose(rule: DnatRule) -> Text:
    """Who writes the chain in which a rule stands."""
    if rule.hand_made:
        return Text("a hand-made rule", zh="手工规则")
    return Text(f"a rule of {rule.owner}", zh=f"{rule.owner} 的规则")


def not_an_apiserver(processes: CloudProcesses | Unavailable, subject: str) -> Finding | None:
    """A skip for a host on which no request for an edge begins; ``None`` where one does, or may."""
    if isinstance(processes, Unavailable) or processes.serves_api:
        return None
    return skipped(
        Text(
            "kube-apiserver does not run on this host, so no rule is needed here.",
            zh="本机没有运行 kube-apiserver，因此不需要转发规则。",
        ),
        subject=subject,
    )
