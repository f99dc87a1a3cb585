"""Whether the diversion is still right after a reboot (facts.md §9 (10)).

iptables-manager writes its rules anew within ten seconds of every start, so what it owns needs no saving, and what is
saved of it goes stale with the next tunnel port. Only a rule that somebody made by hand is lost.
"""

from __future__ import annotations

from collections.abc import Iterator

from kedoctor.api import (
    Evidence,
    Finding,
    Risk,
    Side,
    Text,
    Unavailable,
    check,
    passed,
    skipped,
    unknown,
    warned,
)
from kedoctor.checks.dnat.wording import not_an_apiserver
from kedoctor.checks.facts.cloud.cloud_host import CloudProcesses
from kedoctor.checks.facts.cloud.diversion_targets import DiversionTargets, Place
from kedoctor.checks.facts.cloud.nat import NatRules
from kedoctor.checks.facts.cloud.saved_rules import SavedRules, SavedTable
from kedoctor.checks.facts.cluster.tunnel_port import TunnelPortRecord
from kedoctor.checks.parsers.netfilter import DnatRule

__all__ = ["dnat_persistence"]

_FIRST_PORT, _LAST_PORT = 10350, 10400
"""The kubelet port and the tunnel ports that cloudcores count up from it (facts.md §3.3)."""

_STREAM_PORT = 10003

_REMEDY = Text(
    "Let iptables-manager own the diversion; where it cannot run, restore that one rule by a unit of its own, never whole tables.",
    zh="由 iptables-manager 维护转发规则；若无法运行它，用独立的单元只恢复这一条规则，不要恢复整张表。",
)


@check(
    code="KE308",
    slug="dnat-persistence",
    title=Text("The diversion is right after a reboot, too", zh="重启后转发规则仍然正确"),
    side=Side.CLOUD,
    remedy=_REMEDY,
    risk=Risk.SAFE,
    references=("facts.md §3.3", "facts.md §3.4", "facts.md §9 (10)", "requirements.md R044"),
)
def dnat_persistence(
    rules: NatRules,
    saved: SavedRules,
    record: TunnelPortRecord | Unavailable,
    processes: CloudProcesses | Unavailable,
    *,
    targets: DiversionTargets,
) -> Iterator[Finding]:
    """What is saved and stale first, then hand-made rules that lead to cloudcore and that nothing restores."""
    elsewhere = not_an_apiserver(processes, "saved rules")
    if elsewhere is not None:
        yield elsewhere
        return
    current = None if isinstance(record, Unavailable) else record.current
    stale = [(table, one) for table in saved.tables for one in table.dnat if _is_stale(one, current)]
    if stale:
        yield _stale(*stale[0], current or frozenset())
    frozen = next(
        (table for table in saved.tables if table.holds_kube_proxy and table.loaded is not False), None
    )
    if frozen is not None:
        yield _frozen(frozen)
    hand_made = [
        one
        for one in rules.dnat
        if one.hand_made and _for_tunnel(one, current) and not _leads_astray(one, targets)
    ]
    if hand_made:
        yield _hand_made(hand_made[0], saved)
    elif not stale and frozen is None:
        yield _fine(rules)


def _ports_of(rule: DnatRule) -> range:
    first, last = rule.ports[0] if rule.ports else (0, 0)
    return range(first, last + 1)


def _is_tunnel_port(rule: DnatRule) -> bool:
    to_stream = rule.destination is not None and rule.destination.port == _STREAM_PORT
    in_range = len(rule.ports) == 1 and any(_FIRST_PORT <= port <= _LAST_PORT for port in _ports_of(rule))
    return in_range and (to_stream or rule.asks_for(_FIRST_PORT))


def _is_stale(rule: DnatRule, current: frozenset[int] | None) -> bool:
    return bool(current) and _is_tunnel_port(rule) and not any(rule.asks_for(port) for port in current or ())


def _for_tunnel(rule: DnatRule, current: frozenset[int] | None) -> bool:
    if "OUTPUT" not in rule.hooks:
        return False
    return any(rule.asks_for(port) for port in current) if current else _is_tunnel_port(rule)


def _leads_astray(rule: DnatRule, targets: DiversionTargets) -> bool:
    """Whether it is known to lead to no cloudcore: then losing it is no loss (KE304 judges it)."""
    led = rule.destination
    if led is None:
        return False
    place = targets.place(led.address, led.port, tunnel_port=_ports_of(rule).start)
    return place not in (Place.CLOUDCORE, Place.NOT_KNOWN)


def _stale(table: SavedTable, rule: DnatRule, current: frozenset[int]) -> Finding:
    ports = ", ".join(map(str, sorted(current)))
    return warned(
        Text(
            f"{table.path} brings back a diversion of an old tunnel port at every boot ({rule.rule.text}); the record has {ports}.",
            zh=f"{table.path} 会在每次开机时恢复旧隧道端口的转发规则（{rule.rule.text}）；当前记录为 {ports}。",
        ),
        expected=Text("no saved rule for a tunnel port", zh="不保存隧道端口的规则"),
        actual=rule.rule.text,
        hint=Text(
            "Take that line out of the file; do not save whole tables again.",
            zh="从文件中删除该行；不要再保存整张表。",
        ),
        subject=table.path,
        evidence=(Evidence(table.path, rule.rule.text),),
        commands=(f"sudo grep -n 'dport {_ports_of(rule).start}' {table.path}", f"sudo vi {table.path}"),
    )


def _frozen(table: SavedTable) -> Finding:
    return warned(
        Text(
            f"{table.path} holds whole tables, kube-proxy's among them: at boot they come back as they were when they were saved, in front of what is written now.",
            zh=f"{table.path} 保存了整张表（含 kube-proxy 的规则）：开机时会恢复为保存时的旧状态，并排在新规则之前。",
        ),
        expected=Text("only rules of your own in that file", zh="该文件中只有自有规则"),
        actual=Text("chain KUBE-SERVICES is saved", zh="保存了链 KUBE-SERVICES"),
        hint=Text(
            "Remove the KUBE-*, CNI-* and TUNNEL-PORT chains from the file; the programs that own them write them anew.",
            zh="从文件中删除 KUBE-*、CNI-*、TUNNEL-PORT 链；它们由各自的程序重新写入。",
        ),
        subject=f"{table.path}, whole tables",
        evidence=(Evidence(table.path, ":KUBE-SERVICES"),),
        commands=(f"sudo grep -nE 'KUBE-|CNI-|TUNNEL-PORT' {table.path} | head", f"sudo vi {table.path}"),
    )


def _hand_made(rule: DnatRule, saved: SavedRules) -> Finding:
    text, subject = rule.rule.text, "hand-made rule"
    kept = next((table for table in saved.tables if any(one.rule.text == text for one in table.dnat)), None)
    if kept is not None and kept.loaded is not False:
        return passed(
            Text(
                f"The hand-made diversion ({text}) is restored from {kept.path}; it goes stale with the next tunnel port.",
                zh=f"手工转发规则（{text}）会由 {kept.path} 恢复；隧道端口变化后即失效。",
            ),
            subject=subject,
        )
    if saved.unread:
        return unknown(
            Text(
                f"Whether the hand-made diversion ({text}) survives a reboot is unknown: {saved.unread[0]}.",
                zh=f"无法得知手工转发规则（{text}）能否在重启后保留：{saved.unread[0].in_chinese}。",
            ),
            subject=subject,
        )
    return warned(
        Text(
            f"The diversion that works now was made by hand and nothing restores it: after a reboot of this host logs, exec and top of the edges fail ({text}).",
            zh=f"当前生效的转发规则是手工添加的，没有任何机制恢复：本机重启后边缘节点的 logs、exec、top 都会失败（{text}）。",
        ),
        expected=Text(
            "a rule of iptables-manager, or one that is restored",
            zh="由 iptables-manager 维护，或可自动恢复的规则",
        ),
        actual=text,
        hint=_REMEDY,
        subject=subject,
        evidence=(Evidence(f"iptables-{rule.backend}-save -t nat", text),),
        commands=(
            "kubectl -n kubeedge get daemonset,pods -l kubeedge=iptables-manager -o wide",
            "kedoctor explain KE307",
        ),
    )


def _fine(rules: NatRules) -> Finding:
    if rules.manager_backends:
        return passed(
            Text(
                f"The diversion is iptables-manager's (iptables-{rules.manager_backends[0]}): it writes it anew after every boot.",
                zh=f"转发规则由 iptables-manager 维护（iptables-{rules.manager_backends[0]}），每次开机后都会重写。",
            ),
            subject="TUNNEL-PORT",
        )
    return skipped(
        Text(
            "There is no rule for a tunnel port that could be lost (KE303).",
            zh="没有可能丢失的隧道端口规则（见 KE303）。",
        ),
        subject="nat OUTPUT",
    )
