"""The two backends side by side: do they agree, and is the rule where somebody looks for it?

Both act in the kernel; which one meets a connection first depends on which was set up last and cannot be seen
(:mod:`kedoctor.checks.parsers.netfilter`). So nothing here is about a backend that "does not work". What goes wrong is:

* both map the same port to different places: either may win, also differently after a reboot;
* the only rule is a hand-made one outside the backend in which iptables-manager writes. Where this host's own
  ``iptables`` does not show it either, nobody will find it when it goes stale, and it is not counted as present;
* two managers, each with a filled TUNNEL-PORT in its own backend (KE107 says why).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kedoctor.api import (
    Finding,
    HttpAnswer,
    Risk,
    Side,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    skipped,
    unknown,
    warned,
)
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.dnat.backends import Standing, home_of, standing_of
from kedoctor.checks.dnat.release_words import framework, port_moves, release_of
from kedoctor.checks.dnat.wording import (
    SHOW_RULES,
    for_each,
    not_an_apiserver,
    outcome_told,
    removal,
    rule_evidence,
    view_evidence,
    whose,
)
from kedoctor.checks.facts.cloud.cloud_host import CloudProcesses
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreWorkload
from kedoctor.checks.facts.cloud.diversion_probes import DiversionProbes, StreamServers
from kedoctor.checks.facts.cloud.diversion_targets import DiversionTargets, Place
from kedoctor.checks.facts.cloud.diversions import Diversion, Diversions
from kedoctor.checks.facts.cloud.nat import NatRules
from kedoctor.checks.parsers.netfilter import DnatRule, DoubtKind, Outcome, TerminalVerdict
from kedoctor.checks.parsers.releases import Release

__all__ = ["dnat_backend"]

_MANAGER = "kubectl -n kubeedge get daemonset,pods -l kubeedge=iptables-manager -o wide"
_REMEDY = Text("Leave one rule, iptables-manager's.", zh="只保留 iptables-manager 的规则。")


def _remedy(release: Release | None) -> Text:
    can = framework(release)
    return Text(
        f"{_REMEDY.en} Its image writes to one backend; {can.en}.",
        zh=f"{_REMEDY.zh}其镜像只写入一个后端；{can.zh}。",
    )


@check(
    code="KE306",
    slug="dnat-backend",
    title=Text("The two iptables backends do not contradict each other", zh="两个 iptables 后端互不矛盾"),
    side=Side.CLOUD,
    breaks=ALL_STREAMS,
    hop="diversion",
    explained_by=("KE107",),
    remedy=_REMEDY,
    risk=Risk.RESTARTS_CLOUDCORE,
    references=("facts.md §3.4", "facts.md §10 (14, 18)", "versions.md §4", "testbed.md ports"),
)
def dnat_backend(
    rules: NatRules,
    diversions: Diversions,
    targets: DiversionTargets,
    *,
    probes: DiversionProbes | Unavailable,
    servers: StreamServers | Unavailable,
    processes: CloudProcesses | Unavailable,
    workload: CloudcoreWorkload | Unavailable,
) -> Iterator[Finding]:
    """Both views of the same host, for every port on record."""
    elsewhere = not_an_apiserver(processes, "nat")
    if elsewhere is not None:
        yield elsewhere
        return
    if rules.unreadable:
        yield _half_seen(rules)
        return
    found = [
        finding
        for diversion in diversions.items
        for finding in _judge(rules, diversion, targets, _Beside(probes, servers, release_of(workload)))
    ]
    yield from found or [_agree(rules, diversions)]


@dataclass(frozen=True, slots=True)
class _Beside:
    """What is known beside the rules: what was tried, who answers as cloudcore does, and the release."""

    probes: DiversionProbes | Unavailable
    servers: StreamServers | Unavailable
    release: Release | None


def _judge(
    rules: NatRules, diversion: Diversion, targets: DiversionTargets, beside: _Beside
) -> Iterator[Finding]:
    path = diversion.path
    mapping = [ending for ending in path.endings if ending.outcome.is_mapping]
    by = [rule for ending in mapping if (rule := rules.mapping(ending)) is not None]
    if any(doubt.kind is DoubtKind.ORDER for doubt in path.doubts):
        conflict = _conflict(rules, diversion, mapping, targets=targets, beside=beside)
        if conflict is not None:
            yield from for_each(diversion, conflict)
    elif _twice(rules, diversion.port):
        yield _two_managers(rules, diversion.port)
    elif path.certain and len(by) == 1 and _leads_right(targets, mapping[0], diversion.port):
        yield from _misplaced(rules, diversion, by[0], port_moves(beside.release))


def _leads_right(targets: DiversionTargets, ending: TerminalVerdict, port: int) -> bool:
    """Whether a rule leads to cloudcore, as far as is known; where it does not, KE304 tells all there is to tell."""
    place = targets.place(ending.outcome.address, ending.outcome.port, tunnel_port=port)
    return place in {Place.CLOUDCORE, Place.NOT_KNOWN}


def _conflict(
    rules: NatRules,
    diversion: Diversion,
    mapping: list[TerminalVerdict],
    *,
    targets: DiversionTargets,
    beside: _Beside,
) -> Finding | None:
    places = [
        targets.place(one.outcome.address, one.outcome.port, tunnel_port=diversion.port) for one in mapping
    ]
    if Place.CLOUDCORE not in places and targets.runs:
        return None  # whichever acts, the place is wrong: KE304
    # All cloudcores show one certificate, so an answer does not say which of them gave it.
    arrived = None if Place.OTHER_CLOUDCORE in places else _arrived(diversion.port, beside)
    by = {one.backend: rule for one in mapping if (rule := rules.mapping(one)) is not None}
    told = " and ".join(
        f"iptables-{backend} to {outcome_told(_of(mapping, rule)).en}" for backend, rule in by.items()
    )
    told_zh = "，".join(
        f"iptables-{backend} 指向 {outcome_told(_of(mapping, rule)).zh}" for backend, rule in by.items()
    )
    proof, proof_zh = {
        True: (" A connection made now reached cloudcore.", "此刻的连接可以到达 cloudcore。"),
        False: (" A connection made now did not reach cloudcore.", "此刻的连接没有到达 cloudcore。"),
        None: ("", ""),
    }[arrived]
    summary = Text(
        f"Port {diversion.port} is mapped twice, differently: {told}. Which of them acts depends on which backend was set "
        f"up last, and changes with a reboot.{proof}",
        zh=f"端口 {diversion.port} 被两个后端以不同方式映射：{told_zh}。哪个生效取决于哪个后端最后建立，重启后会变。{proof_zh}",
    )
    tell = failed if arrived is False else warned
    hand = [rule for rule in by.values() if rule.hand_made]
    return tell(
        summary,
        expected=Text(
            "one backend with one rule for each port on record", zh="只有一个后端，且记录中每个端口一条规则"
        ),
        actual=told,
        hint=_remedy(beside.release),
        subject=f"port {diversion.port}",
        evidence=tuple(rule_evidence(rule.rule, rule.backend) for rule in by.values()),
        commands=(*(removal(rule) for rule in hand), *SHOW_RULES),
        breaks=None if arrived is False else (),
    )


def _of(mapping: list[TerminalVerdict], rule: DnatRule) -> Outcome:
    return next(one.outcome for one in mapping if one.rule == rule.rule and one.backend == rule.backend)


def _arrived(port: int, beside: _Beside) -> bool | None:
    """Whether connections to that port reach cloudcore now; ``None`` if that was not tried."""
    tried, servers = beside.probes, beside.servers
    if isinstance(tried, Unavailable) or isinstance(servers, Unavailable) or not servers.certificates:
        return None
    answers = [probe.answer for probe in tried.on(port)]
    if not answers:
        return None
    return any(
        isinstance(answer, HttpAnswer) and answer.certificate in servers.certificates for answer in answers
    )


def _twice(rules: NatRules, port: int) -> bool:
    """Whether iptables-manager has a rule for the port in both backends."""
    backends = {
        rule.backend for rule in rules.dnat if rule.owner == "iptables-manager" and rule.asks_for(port)
    }
    return len(backends) > 1


def _two_managers(rules: NatRules, port: int) -> Finding:
    return warned(
        Text(
            f"Two iptables-managers write the rule for port {port}, one in nft and one in legacy.",
            zh=f"有两个 iptables-manager 在写端口 {port} 的规则，一个在 nft，一个在 legacy。",
        ),
        expected=Text("chain TUNNEL-PORT in one backend", zh="链 TUNNEL-PORT 只存在于一个后端"),
        actual=Text("TUNNEL-PORT in nft and in legacy", zh="nft 与 legacy 中都有 TUNNEL-PORT"),
        hint=Text(
            "Let one manager run (KE107); what the other one left behind goes with a reboot.",
            zh="只保留一个 manager（KE107）；另一个留下的规则会在重启后消失。",
        ),
        subject=f"port {port}",
        evidence=view_evidence(rules),
        commands=SHOW_RULES,
        breaks=(),
    )


def _misplaced(rules: NatRules, diversion: Diversion, rule: DnatRule, moves: Text) -> Iterator[Finding]:
    standing = standing_of(rule, rules)
    if standing is Standing.AT_HOME:
        return
    home = ", ".join(home_of(rules))
    hidden = standing is Standing.OUT_OF_SIGHT
    shown = f"this host's iptables shows {rules.host_backend}" if rules.host_backend else ""
    manager = f"iptables-manager keeps its chain in {home}" if rules.manager_backends else ""
    others = " and ".join(part for part in (manager, shown if hidden else "") if part)
    others_zh = "，".join(
        part
        for part in (
            f"iptables-manager 的链在 {home} 中" if rules.manager_backends else "",
            f"本机的 iptables 显示的是 {rules.host_backend}" if hidden else "",
        )
        if part
    )
    seen = f" Nobody who looks there finds it, and nobody keeps it up to date; {moves.en}." if hidden else ""
    seen_zh = f"在那里查看的人都找不到它，也没有人维护它；{moves.zh}。" if hidden else ""
    yield warned(
        Text(
            f"Port {diversion.port} is diverted only by {whose(rule).en} in iptables-{rule.backend}, while {others}.{seen}",
            zh=f"端口 {diversion.port} 仅由 iptables-{rule.backend} 中的{whose(rule).zh}转发，而{others_zh}。{seen_zh}",
        ),
        expected=Text(
            f"the rule in iptables-{home_of(rules)[0]}, written by iptables-manager",
            zh=f"由 iptables-manager 写在 iptables-{home_of(rules)[0]} 中的规则",
        ),
        actual=rule.rule.text,
        hint=Text(
            "Make iptables-manager work first (KE307); once its rule is there, remove this one.",
            zh="先使 iptables-manager 正常工作（KE307）；其规则出现后，再删除这一条。",
        ),
        subject=f"port {diversion.port}",
        evidence=(rule_evidence(rule.rule, rule.backend),),
        commands=(_MANAGER, f"{removal(rule)}   # afterwards", *SHOW_RULES),
        breaks=(),
        hop=None if hidden else "",
    )


def _half_seen(rules: NatRules) -> Finding:
    why = "; ".join(str(one) for one in rules.unreadable)
    why_zh = "；".join(one.in_chinese for one in rules.unreadable)
    return unknown(
        Text(f"One of the two backends was not read: {why}.", zh=f"两个后端之一未能读取：{why_zh}。"),
        subject="nat",
        evidence=view_evidence(rules),
        hint=Text("Run kedoctor as root on this host.", zh="请在本机以 root 运行 kedoctor。"),
    )


def _agree(rules: NatRules, diversions: Diversions) -> Finding:
    def names(backends: tuple[str, ...]) -> str:
        return ", ".join(backends) or "-"

    where = (
        f"iptables-manager: {names(rules.manager_backends)}; kube-proxy: {names(rules.proxy_backends)}; "
        f"command iptables: {rules.host_backend or '-'}"
    )
    if not diversions.items:
        return skipped(
            Text(f"There is no port to compare ({where}).", zh=f"没有可比较的端口（{where}）。"),
            subject="nat",
        )
    return passed(
        Text(
            f"No port on record is mapped in two ways, and both backends act in this kernel ({where}).",
            zh=f"记录中的端口没有被两种方式映射；两个后端在本内核中都生效（{where}）。",
        ),
        subject="nat",
        evidence=view_evidence(rules),
    )
