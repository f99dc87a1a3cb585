"""Hand-made rules that do nothing: for a port nobody has, or behind another rule that acts in their place.

They are what an operator's script left behind when the tunnel port changed (facts.md §3.3, §9 (7)). Rules that
iptables-manager itself left in TUNNEL-PORT for ports of former cloudcores are its own affair and harmless
(testbed.md Surprises 2).
"""

from __future__ import annotations

from collections.abc import Iterator

from kedoctor.api import Evidence, Finding, Risk, Side, Text, Unavailable, check, passed, warned
from kedoctor.checks.dnat.release_words import port_moves, release_of
from kedoctor.checks.dnat.wording import not_an_apiserver, removal, rule_evidence, whose
from kedoctor.checks.facts.cloud.cloud_host import CloudProcesses
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreWorkload
from kedoctor.checks.facts.cloud.nat import NatRules
from kedoctor.checks.facts.cluster.nodes import EdgeNodes
from kedoctor.checks.facts.cluster.tunnel_port import TunnelPortRecord
from kedoctor.checks.parsers.netfilter import DnatRule, duplicates

__all__ = ["dnat_stale"]

_FIRST = 10350
_ROOM = 100
"""Cloudcore counts up from 10351; a rule for a port this far above the highest on record is none of ours."""


@check(
    code="KE305",
    slug="dnat-stale",
    title=Text("No leftover diversion rules", zh="没有残留的转发规则"),
    side=Side.CLOUD,
    hop="diversion",
    remedy=Text("Remove exactly these rules.", zh="仅删除这些规则。"),
    risk=Risk.SAFE,
    references=(
        "facts.md §3.3",
        "facts.md §9 (7, 10)",
        "facts.md §10 (12)",
        "testbed.md case d3",
        "testbed.md surprise 2",
    ),
)
def dnat_stale(
    rules: NatRules,
    record: TunnelPortRecord,
    edges: EdgeNodes | Unavailable,
    processes: CloudProcesses | Unavailable,
    *,
    workload: CloudcoreWorkload | Unavailable,
) -> Iterator[Finding]:
    """Every hand-made rule for a tunnel port, against the record and against the rules before it."""
    elsewhere = not_an_apiserver(processes, "nat")
    if elsewhere is not None:
        yield elsewhere
        return
    used = frozenset() if isinstance(edges, Unavailable) else frozenset(edge.port for edge in edges.items)
    made = [rule for rule in rules.dnat if _by_hand(rule) and _for_tunnel(rule, record)]
    moves = port_moves(release_of(workload))
    wrong = [found for rule in made if (found := _judge(rule, rules, record, used, moves)) is not None]
    yield from wrong
    if not wrong:
        yield _clean(rules, record, made)


def _by_hand(rule: DnatRule) -> bool:
    # Nobody keeps kedoctor's own rules up to date either.
    return rule.owner in (None, "kedoctor")


def _for_tunnel(rule: DnatRule, record: TunnelPortRecord) -> bool:
    """Whether a rule asks for ports that cloudcores hand out, or once did."""
    last = max((*record.reserved, *record.current, _FIRST)) + _ROOM
    return any(first >= _FIRST and end <= last for first, end in rule.ports)


def _judge(
    rule: DnatRule, rules: NatRules, record: TunnelPortRecord, used: frozenset[int], moves: Text
) -> Finding | None:
    current = [port for port in record.current if rule.asks_for(port)]
    if not current and not any(rule.asks_for(port) for port in used):
        return _stale(rule, record, moves)
    before = _acting_instead(rule, rules) if current else None
    return _repeated(rule, before, moves) if before is not None else None


def _acting_instead(rule: DnatRule, rules: NatRules) -> DnatRule | None:
    """What makes a rule superfluous: one before it in its backend, or iptables-manager's own with the same target.

    Two that disagree across the backends are KE306's matter: either may act.
    """
    for repetition in duplicates(rules.dnat):
        if rule not in repetition.rules:
            continue
        earlier = repetition.rules[: repetition.rules.index(rule)]
        same = [one for one in repetition.rules if not _by_hand(one) and one.destination == rule.destination]
        before = [one for one in earlier if one.backend == rule.backend]
        if same or before:
            return (same or before)[0]
    return None


def _ports(rule: DnatRule) -> str:
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in rule.ports)


def _stale(rule: DnatRule, record: TunnelPortRecord, moves: Text) -> Finding:
    ports, now = _ports(rule), ", ".join(map(str, sorted(record.current))) or "none"
    return warned(
        Text(
            f"A hand-made rule in iptables-{rule.backend} diverts port {ports}, which no edge has; the port on record is {now}.",
            zh=f"iptables-{rule.backend} 中有一条手工规则转发端口 {ports}，但没有边缘节点使用该端口；记录中的端口为 {now}。",
        ),
        expected=Text(f"no rule for {ports}: {moves.en}", zh=f"没有针对 {ports} 的规则：{moves.zh}"),
        actual=rule.rule.text,
        hint=Text("Remove exactly this rule.", zh="仅删除这一条规则。"),
        subject=f"{rule.rule.chain} {rule.rule.position}",
        evidence=(rule_evidence(rule.rule, rule.backend),),
        commands=(removal(rule),),
        breaks=(),
    )


def _repeated(rule: DnatRule, before: DnatRule, moves: Text) -> Finding:
    ports = _ports(rule)
    same = rule.destination == before.destination
    where = f"iptables-{before.backend}, {before.rule.chain} {before.rule.position}"
    what = "repeats" if same else "stands behind"
    what_zh = "重复" if same else "被遮蔽于"
    return warned(
        Text(
            f"A hand-made rule for port {ports} in iptables-{rule.backend} {what} {whose(before).en} ({where}) and never "
            f"acts or changes nothing. Nobody keeps it up to date; {moves.en}.",
            zh=f"iptables-{rule.backend} 中针对端口 {ports} 的手工规则{what_zh}{whose(before).zh}（{where}），"
            f"不起作用。没有人维护它；{moves.zh}。",
        ),
        expected=Text("one rule for each port on record", zh="记录中的每个端口只有一条规则"),
        actual=rule.rule.text,
        hint=Text("Remove exactly this rule.", zh="仅删除这一条规则。"),
        subject=f"{rule.rule.chain} {rule.rule.position}",
        evidence=(rule_evidence(rule.rule, rule.backend), rule_evidence(before.rule, before.backend)),
        commands=(removal(rule),),
        breaks=(),
    )


def _clean(rules: NatRules, record: TunnelPortRecord, made: list[DnatRule]) -> Finding:
    left = sorted(
        {
            first
            for rule in rules.dnat
            if rule.owner == "iptables-manager"
            for first, _ in rule.ports
            if first not in record.current
        }
    )
    note = (
        f" iptables-manager keeps {', '.join(map(str, left))} of former cloudcores, which is harmless."
        if left
        else ""
    )
    note_zh = (
        f"iptables-manager 保留了旧 cloudcore 的端口 {', '.join(map(str, left))}，无害。" if left else ""
    )
    evidence: tuple[Evidence, ...] = tuple(rule_evidence(rule.rule, rule.backend) for rule in made)
    return passed(
        Text(
            f"No hand-made rule is left over for a port out of use.{note}",
            zh=f"没有针对停用端口的手工规则残留。{note_zh}",
        ),
        subject="nat",
        evidence=evidence,
    )
