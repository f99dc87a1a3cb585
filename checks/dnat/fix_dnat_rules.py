"""Diversion rules of a host: hand-made ones that are in the way are taken out, and one of ours only where it must be.

Rules of iptables-manager, kube-proxy, K3s and network plugins are never touched: they are made from objects, and
those are what has to be put right (KE102, KE107, KE302, KE307). A chain of our own goes stale with the next port of
cloudcore, so it is made only on a host to which no DaemonSet gets.
"""

from __future__ import annotations

from collections.abc import Iterable

from kedoctor.api import (
    EnsureChain,
    Evidence,
    HostContext,
    NoPlan,
    Plan,
    RemoveRule,
    RestartPods,
    Risk,
    Status,
    Text,
    Unavailable,
    Verdict,
    persistence,
    remedy,
)
from kedoctor.checks.dnat.backends import home_of
from kedoctor.checks.dnat.dnat_stale import dnat_stale
from kedoctor.checks.dnat.fix_iptables_manager import restart_manager
from kedoctor.checks.dnat.wording import rule_evidence
from kedoctor.checks.facts.cloud.cloud_host import CloudProcesses, HostAddresses
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreWorkload
from kedoctor.checks.facts.cloud.diversion_targets import DiversionTargets, Place
from kedoctor.checks.facts.cloud.diversions import Diversions
from kedoctor.checks.facts.cloud.nat import NatRules
from kedoctor.checks.facts.cluster.iptables_manager import IptablesManager
from kedoctor.checks.facts.cluster.nodes import EdgeNodes, SiteNodes
from kedoctor.checks.facts.cluster.tunnel_port import TunnelPortRecord
from kedoctor.checks.parsers.netfilter import DnatRule, OutcomeKind
from kedoctor.checks.plans.cloudcore import AFTER_CLOUD, NOTHING_NOTICED
from kedoctor.checks.plans.touches import PODS

__all__ = ["dnat_backend", "dnat_rule", "dnat_stale_rules", "dnat_target"]

CHAIN = "KEDOCTOR-TUNNEL"
_COMMENT = "kedoctor: to cloudcore, as no iptables-manager gets to this host"


@remedy("KE303", touches=PODS)
def dnat_rule(
    verdict: Verdict,
    vantage: HostContext,
    *,
    rules: NatRules,
    record: TunnelPortRecord,
    diversions: Diversions,
    targets: DiversionTargets,
    manager: IptablesManager | Unavailable,
    nodes: SiteNodes,
    addresses: HostAddresses | Unavailable,
) -> Plan | NoPlan:
    """The manager's pods restarted, which write their rules anew at start; a chain of our own where none can be."""
    if not verdict.subject.endswith(", pods") and not _nothing_takes(verdict, diversions):
        return NoPlan(_not_ours(verdict))
    node = _node_of(vantage, nodes, addresses)
    if node is None and isinstance(addresses, Unavailable):
        return NoPlan(_not_seen(addresses))
    if node is None:
        return _own_chain(verdict, rules, record, targets)
    if isinstance(manager, Unavailable):
        return NoPlan(_not_seen(manager))
    if manager.daemonset is None:
        return NoPlan(_NO_MANAGER)
    if not manager.ready_on(node):
        return NoPlan(_MANAGER_FIRST)
    return _restarted(verdict, restart_manager(manager.daemonset))


def _nothing_takes(verdict: Verdict, diversions: Diversions) -> bool:
    """Whether the fault is that no rule takes the port, and not that another takes or drops it."""
    port = verdict.subject.rpartition("port ")[2]
    return any(
        diversion.path.outcome.kind is OutcomeKind.UNCHANGED
        for diversion in diversions.items
        if str(diversion.port) == port and verdict.node in diversion.concerns
    )


def _node_of(vantage: HostContext, nodes: SiteNodes, addresses: HostAddresses | Unavailable) -> str | None:
    """The node that this host is; ``None`` when it certainly is none, so that no DaemonSet gets here."""
    own = frozenset() if isinstance(addresses, Unavailable) else addresses.ipv4
    for node in nodes.items:
        known = {one.address for one in node.status.addresses or ()}
        if node.metadata.name == vantage.name or vantage.name in known or known & own:
            return node.metadata.name
    return None


def _own_chain(
    verdict: Verdict, rules: NatRules, record: TunnelPortRecord, targets: DiversionTargets
) -> Plan | NoPlan:
    chain = _chain(rules, record, targets)
    if not chain.rules:
        return NoPlan(_NOWHERE)
    told = "; ".join(chain.rules)
    return Plan(
        code=verdict.code,
        subject=verdict.subject,
        title=Text(
            f"keep a chain {CHAIN} of our own in iptables-{chain.backend} with {told}, loaded again at every start",
            zh=f"在 iptables-{chain.backend} 中维护自有链 {CHAIN}：{told}，并在每次开机时加载",
        ),
        prediction=Text(
            "Running edges notice nothing. Nobody keeps this rule up to date: after cloudcore gets another port, run "
            "kedoctor run --fix here again.",
            zh="运行中的边缘节点不受影响。该规则无人自动更新：cloudcore 端口变化后请在此再次运行 kedoctor run --fix。",
        ),
        risk=Risk.SAFE,
        actions=(chain, *persistence(chain)),
        settle=AFTER_CLOUD,
    )


def _chain(rules: NatRules, record: TunnelPortRecord, targets: DiversionTargets) -> EnsureChain:
    """Our chain with a rule for each port on record whose cloudcore is certainly there."""
    live = {
        port: ip for ip, port in record.ports.items() if targets.place(ip, targets.port) is Place.CLOUDCORE
    }
    return EnsureChain(
        backend=next(iter(home_of(rules)), "nft"),
        chain=CHAIN,
        hooks=("OUTPUT", "PREROUTING"),
        rules=tuple(
            f"-p tcp -m tcp --dport {port} -j DNAT --to-destination {ip}:{targets.port}"
            for port, ip in sorted(live.items())
        ),
        comment=_COMMENT,
    )


def _restarted(verdict: Verdict, restart: RestartPods) -> Plan:
    return Plan(
        code=verdict.code,
        subject=verdict.subject,
        title=Text(
            "restart iptables-manager: it runs here without a complaint and yet its rule is not there, and at its start "
            "it writes chain and jumps anew",
            zh="重启 iptables-manager：它在此运行且没有报错，但规则不存在；启动时它会重新写入链和跳转",
        ),
        prediction=NOTHING_NOTICED,
        risk=Risk.SAFE,
        actions=(),
        restarts=(restart,),
        settle=AFTER_CLOUD,
    )


def _not_ours(verdict: Verdict) -> Text:
    return Text(
        f"a rule of another program is in the way, and only that program may change it ({verdict.actual}); "
        f"{verdict.hint.text.rstrip('.')}",
        zh=f"有其他程序的规则妨碍，只能由该程序修改（{verdict.actual}）；{verdict.zh.hint.rstrip('。')}",
    )


def _not_seen(missing: object) -> Text:
    return Text(
        f"whether iptables-manager can write the rule here is unknown: {missing}",
        zh=f"无法判断 iptables-manager 能否在此写规则：{missing}",
    )


_NO_MANAGER = Text(
    "iptables-manager should write this rule, and its DaemonSet is not there (KE107)",
    zh="该规则应由 iptables-manager 写入，但其 DaemonSet 不存在（见 KE107）",
)
_MANAGER_FIRST = Text(
    "iptables-manager should write this rule, and it does not run here (KE307)",
    zh="该规则应由 iptables-manager 写入，但它未在此运行（见 KE307）",
)
_NOWHERE = Text(
    "no cloudcore on record is known to run, so there is nowhere to divert to (KE302, KE105)",
    zh="记录中没有确定在线的 cloudcore，没有转发目标（见 KE302、KE105）",
)


# ------------------------------------------------------------------------------------ rules in the way


@remedy("KE304")
def dnat_target(
    verdict: Verdict, rules: NatRules, record: TunnelPortRecord, targets: DiversionTargets
) -> Plan | NoPlan:
    """A hand-made rule that leads to the wrong place is taken out; what feeds a program's rule is put right elsewhere."""
    rule = _rule(verdict.evidence[:1], rules)
    if rule is not None and rule.owner == "kedoctor":
        return _refreshed(verdict, rules, record, targets)
    if rule is None or not rule.hand_made:
        return NoPlan(_FED)
    return _removed(verdict, (rule,), rules)


@remedy("KE305")
def dnat_stale_rules(
    verdict: Verdict,
    rules: NatRules,
    record: TunnelPortRecord,
    targets: DiversionTargets,
    *,
    edges: EdgeNodes | Unavailable,
    processes: CloudProcesses | Unavailable,
    workload: CloudcoreWorkload | Unavailable,
) -> Plan | NoPlan:
    """Exactly the rules that the check complains of, all at once: equal ones have to go from the last to the first."""
    findings = [
        one
        for one in dnat_stale(rules, record, edges, processes, workload=workload)
        if one.status is Status.WARN
    ]
    complained = [_rule(one.evidence[:1], rules) for one in findings]
    ours = _rule(verdict.evidence[:1], rules)
    if ours is not None and ours.owner == "kedoctor":
        return _refreshed(verdict, rules, record, targets)
    made = tuple(rule for rule in complained if rule is not None and rule.hand_made)
    return _removed(verdict, made, rules) if made else NoPlan(_FED)


@remedy("KE306")
def dnat_backend(verdict: Verdict, rules: NatRules, targets: DiversionTargets) -> Plan | NoPlan:
    """Of two rules that contradict each other the hand-made one that leads astray; a manager's chain never."""
    found = [rule for one in verdict.evidence if (rule := _rule((one,), rules)) is not None]
    astray = tuple(rule for rule in found if rule.hand_made and not _right(rule, targets))
    if len(found) > 1 and astray:
        return _removed(verdict, astray, rules)
    if len(found) == 1:
        return NoPlan(_ONLY_ONE)
    return NoPlan(_TWO_MANAGERS)


def _rule(evidence: Iterable[Evidence], rules: NatRules) -> DnatRule | None:
    """The rule that a piece of evidence quotes, with its place."""
    quoted = next(iter(evidence), None)
    return next((rule for rule in rules.dnat if rule_evidence(rule.rule, rule.backend) == quoted), None)


def _right(rule: DnatRule, targets: DiversionTargets) -> bool:
    led = rule.destination
    if led is None:
        return False
    port = rule.ports[0][0] if rule.ports else 0
    return targets.place(led.address, led.port, tunnel_port=port) is Place.CLOUDCORE


def _removed(verdict: Verdict, made: tuple[DnatRule, ...], rules: NatRules) -> Plan:
    actions = _removals(made, rules)
    told = "; ".join(dict.fromkeys(f"iptables-{one.backend} {one.rule}" for one in actions))
    return Plan(
        code=verdict.code,
        subject=verdict.subject,
        title=Text(
            f"take out exactly the hand-made rule(s) {told}",
            zh=f"仅删除以下手工规则：{told}",
        ),
        prediction=Text(
            "iptables-manager's own rule acts in their place, or is written within 10 seconds; running edges notice "
            "nothing. Connections that are open stay as they are.",
            zh="改由 iptables-manager 的规则生效（或在 10 秒内写入）；运行中的边缘节点不受影响，已建立的连接保持不变。",
        ),
        risk=Risk.SAFE,
        actions=actions,
        settle=AFTER_CLOUD,
    )


def _removals(made: tuple[DnatRule, ...], rules: NatRules) -> tuple[RemoveRule, ...]:
    """A removal for each rule and for every equal one behind it, the last first."""
    firsts: dict[tuple[str, str], int] = {}
    counts: dict[tuple[str, str], int] = {}
    for rule in made:
        view = rules.view(rule.backend)
        chain = view.chain("nat", rule.rule.chain) if view is not None else None
        equal = [one.position for one in chain.rules if one.text == rule.rule.text] if chain else []
        key, place = (rule.backend, rule.rule.text), equal.index(rule.rule.position) + 1 if equal else 1
        firsts[key] = min(place, firsts.get(key, place))
        counts[key] = max(len(equal), 1)
    return tuple(
        RemoveRule(backend, text, occurrence)
        for (backend, text), first in firsts.items()
        for occurrence in range(counts[backend, text], first - 1, -1)
    )


def _refreshed(
    verdict: Verdict, rules: NatRules, record: TunnelPortRecord, targets: DiversionTargets
) -> Plan | NoPlan:
    """Our own chain with what is on record now."""
    return _own_chain(verdict, rules, record, targets)


_FED = Text(
    "a program makes this rule from objects, so the objects have to be put right: the record of tunnel ports (KE302), "
    "cloudStream's ports (KE102), or the program itself",
    zh="该规则由程序根据对象生成，需修正对象本身：隧道端口记录（KE302）、cloudStream 端口（KE102）或该程序的设置",
)
_ONLY_ONE = Text(
    "this rule is the only one that diverts the port, so it stays until iptables-manager works (KE307); then this "
    "repair takes it out",
    zh="这是唯一转发该端口的规则，在 iptables-manager 正常工作之前（KE307）予以保留；之后再删除",
)
_TWO_MANAGERS = Text(
    "chains of iptables-manager are not kedoctor's to change; once only one manager runs (KE107), what the other left "
    "behind goes with a reboot, or by hand: sudo iptables-legacy -t nat -F TUNNEL-PORT (or iptables-nft)",
    zh="iptables-manager 的链不由 kedoctor 修改；只保留一个 manager 后（KE107），另一个留下的规则会在重启后消失，"
    "也可手工清除：sudo iptables-legacy -t nat -F TUNNEL-PORT（或 iptables-nft）",
)
