"""Is there a rule? Each tunnel port on record must be diverted on every host that runs kube-apiserver.

How this check and its neighbours share the ground, so that one fault is told once:

* no rule takes the port, or something else takes or drops it first: KE303;
* a rule takes it and leads to the wrong place: KE304;
* rules that take no port in use, or that never act because another does: KE305;
* rules of the two backends against each other, or a rule where nobody looks for it: KE306.

Both backends of iptables act in the kernel (:mod:`kedoctor.checks.parsers.netfilter`). "The other backend" is therefore not
one that does not work; it is one in which neither iptables-manager keeps its chain nor this host's own ``iptables``
looks. A port that only a rule over there diverts is not passed here as present: KE306 tells it.
"""

from __future__ import annotations

from collections.abc import Iterator

from kedoctor.api import (
    EveryHost,
    Evidence,
    Finding,
    Reason,
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
from kedoctor.checks.dnat.backends import Standing, standing_of
from kedoctor.checks.dnat.unseen_hosts import unseen_hosts
from kedoctor.checks.dnat.wording import (
    SHOW_RULES,
    doubts_told,
    for_each,
    not_an_apiserver,
    outcome_told,
    rule_evidence,
    view_evidence,
    whose,
)
from kedoctor.checks.facts.cloud.cloud_host import CloudProcesses, HostAddresses
from kedoctor.checks.facts.cloud.diversion_targets import DiversionTargets, Place
from kedoctor.checks.facts.cloud.diversions import Diversion, Diversions
from kedoctor.checks.facts.cloud.nat import BACKENDS, NatRules
from kedoctor.checks.facts.cluster.iptables_manager import IptablesManager
from kedoctor.checks.facts.cluster.metrics import MetricsServer
from kedoctor.checks.facts.cluster.nodes import CloudNodes
from kedoctor.checks.facts.cluster.tunnel_port import TunnelPortRecord
from kedoctor.checks.parsers.kubernetes.pod_health import is_live
from kedoctor.checks.parsers.netfilter import DnatRule, DoubtKind, OutcomeKind, Packet

__all__ = ["dnat_rule"]

_MANAGER = "kubectl -n kubeedge get daemonset,pods -l kubeedge=iptables-manager -o wide"
_NOT_READ = Unavailable(Reason.NOT_RECORDED, "it")
_NOBODY: EveryHost[HostAddresses] = EveryHost({})
_REMEDY = Text(
    "Make iptables-manager work on this host: it writes the rule within 10 seconds and follows every port change.",
    zh="使 iptables-manager 在本机正常工作：它会在 10 秒内写入规则，并跟随端口变化。",
)


@check(
    code="KE303",
    slug="dnat-rule",
    title=Text("Requests for edges are diverted to cloudcore", zh="发往边缘节点的请求被转发到 cloudcore"),
    side=Side.CLOUD,
    breaks=ALL_STREAMS,
    hop="diversion",
    explained_by=("KE107", "KE302", "KE307", "KE310"),
    remedy=_REMEDY,
    risk=Risk.SAFE,
    references=(
        "facts.md §3.3",
        "facts.md §3.4",
        "facts.md §9 (7)",
        "facts.md §10 (12, 13)",
        "testbed.md case d",
    ),
)
def dnat_rule(
    rules: NatRules,
    record: TunnelPortRecord,
    diversions: Diversions,
    *,
    targets: DiversionTargets,
    processes: CloudProcesses | Unavailable,
    metrics: MetricsServer | Unavailable,
    addresses: HostAddresses | Unavailable,
    cloud: CloudNodes | Unavailable = _NOT_READ,
    manager: IptablesManager | Unavailable = _NOT_READ,
    seen: EveryHost[HostAddresses] = _NOBODY,
) -> Iterator[Finding]:
    """Walks nat OUTPUT of both backends, jumps included, for every port on record; names API-server hosts that are not in view."""
    elsewhere = not_an_apiserver(processes, "nat OUTPUT")
    if elsewhere is not None:
        yield elsewhere
    elif not record.ports:
        yield skipped(
            Text("No port is on record to be diverted (KE302).", zh="记录中没有需要转发的端口（见 KE302）。"),
            subject="nat OUTPUT",
        )
    elif not diversions.items:
        yield skipped(
            Text(
                "There is no edge node with an IPv4 address that could be reached.",
                zh="没有可达的（具有 IPv4 地址的）边缘节点。",
            ),
            subject="nat OUTPUT",
        )
    else:
        for diversion in diversions.items:
            yield from for_each(diversion, _judge(rules, diversion, targets))
            pods = _from_pods(rules, diversion) if _has_pod_here(metrics, addresses) else None
            if pods is not None:
                yield from for_each(diversion, pods)
    if elsewhere is None and not isinstance(cloud, Unavailable):
        yield from unseen_hosts(cloud, manager, seen)


def _judge(rules: NatRules, diversion: Diversion, targets: DiversionTargets) -> Finding:
    path = diversion.path
    if not path.certain:
        return _uncertain(rules, diversion)
    if path.outcome.kind is OutcomeKind.UNCHANGED:
        return _missing(rules, diversion)
    if path.outcome.kind is OutcomeKind.DROPPED:
        return _dropped(rules, diversion)
    return _mapped(rules, diversion, targets)


def _subject(diversion: Diversion) -> str:
    return f"port {diversion.port}"


def _missing(rules: NatRules, diversion: Diversion) -> Finding:
    port, where, cloudcore = diversion.port, diversion.edge.internal_ip, diversion.cloudcore or "<cloudcore>"
    others = sorted({span for rule in rules.dnat if _near(rule) for span in rule.ports})
    stray = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in others)
    note = f" Rules exist only for {stray}." if stray else ""
    note_zh = f"只存在针对 {stray} 的规则。" if stray else ""
    if _unreached(rules, port):
        note = " Chain TUNNEL-PORT holds the rule, but no rule of OUTPUT jumps there."
        note_zh = "链 TUNNEL-PORT 中有该规则，但 OUTPUT 没有跳转到该链。"
    summary = Text(
        f"No rule on this host diverts port {port} to cloudcore {cloudcore}: requests go to {where}:{port}, "
        f"where nothing listens.{note}",
        zh=f"本机没有把端口 {port} 转发到 cloudcore {cloudcore} 的规则：请求会直接发往 {where}:{port}，"
        f"而那里没有监听。{note_zh}",
    )
    expected = Text(
        f"-p tcp --dport {port} -j DNAT --to-destination {cloudcore}:10003, reached from nat OUTPUT",
        zh=f"从 nat OUTPUT 可达的 -p tcp --dport {port} -j DNAT --to-destination {cloudcore}:10003",
    )
    tell = failed if diversion.matters else warned
    return tell(
        summary,
        expected=expected,
        actual=Text(f"rules for {stray} only", zh=f"只有 {stray} 的规则")
        if stray
        else Text("no rule", zh="没有规则"),
        hint=_REMEDY,
        subject=_subject(diversion),
        evidence=view_evidence(rules),
        commands=(_MANAGER, *SHOW_RULES),
        breaks=None if diversion.matters else (),
    )


def _unreached(rules: NatRules, port: int) -> bool:
    """Whether iptables-manager's chain has the rule and is not reached."""
    chains = (
        view.chain("nat", "TUNNEL-PORT") for backend in BACKENDS if (view := rules.view(backend)) is not None
    )
    wanted = ("--dport", (str(port),))
    return any(
        wanted in ((option.name, option.values) for option in rule.matches)
        for chain in chains
        if chain is not None
        for rule in chain.rules
    )


def _near(rule: DnatRule) -> bool:
    """Whether a rule is one for kubelet ports of edges, whatever port it is for."""
    ours = rule.owner in (None, "iptables-manager", "kedoctor") and "OUTPUT" in rule.hooks
    return ours and any(first >= 10350 and last < 11000 for first, last in rule.ports)


def _dropped(rules: NatRules, diversion: Diversion) -> Finding:
    ending = diversion.path.decided_by
    evidence = (rule_evidence(ending.rule, ending.backend),) if ending is not None and ending.rule else ()
    return failed(
        Text(
            f"A rule on this host drops connections to port {diversion.port} before they can be diverted.",
            zh=f"本机有规则在转发之前丢弃发往端口 {diversion.port} 的连接。",
        ),
        expected=Text(f"diverted to {diversion.cloudcore}:10003", zh=f"转发到 {diversion.cloudcore}:10003"),
        actual=evidence[0].excerpt if evidence else "dropped by a chain's policy",
        hint=Text("Take that rule out, or let it spare this port.", zh="删除该规则，或使其放行该端口。"),
        subject=_subject(diversion),
        evidence=evidence or view_evidence(rules),
        commands=SHOW_RULES,
    )


def _uncertain(rules: NatRules, diversion: Diversion) -> Finding:
    path = diversion.path
    why = doubts_told(path.doubts, rules)
    ends = " or ".join(dict.fromkeys(outcome_told(one).en for one in path.possible))
    ends_zh = " 或 ".join(dict.fromkeys(outcome_told(one).zh for one in path.possible))
    both = any(doubt.kind is DoubtKind.ORDER for doubt in path.doubts)
    code = " (KE306)" if both else ""
    return unknown(
        Text(
            f"Where port {diversion.port} goes is not certain: {ends}, because of {why.en}{code}.",
            zh=f"无法确定端口 {diversion.port} 的去向：{ends_zh}；原因：{why.zh}{code}。",
        ),
        subject=_subject(diversion),
        evidence=view_evidence(rules),
        hint=Text(
            "Run kedoctor as root on this host; its probe KE309 shows where connections really end.",
            zh="请在本机以 root 运行 kedoctor；其探测 KE309 会显示连接的真实去向。",
        ),
        commands=SHOW_RULES,
    )


def _mapped(rules: NatRules, diversion: Diversion, targets: DiversionTargets) -> Finding:
    ending, outcome = diversion.path.decided_by, diversion.path.outcome
    rule = rules.mapping(ending) if ending is not None else None
    told, subject = outcome_told(outcome), _subject(diversion)
    evidence = (rule_evidence(rule.rule, rule.backend),) if rule is not None else ()
    place = targets.place(outcome.address, outcome.port, tunnel_port=diversion.port)
    right = place is Place.CLOUDCORE
    if rule is not None and rule.owner not in (None, "iptables-manager", "kedoctor") and not right:
        return _taken(diversion, rule, evidence)
    if not right:
        return skipped(
            Text(
                f"Port {diversion.port} is diverted to {told.en}; whether that is right is judged by KE304.",
                zh=f"端口 {diversion.port} 被转发到 {told.zh}；是否正确由 KE304 判断。",
            ),
            subject=subject,
        )
    refusal = _refused(rules, diversion, outcome.address or "")
    if refusal is not None:
        return refusal
    if rule is not None and standing_of(rule, rules) is Standing.OUT_OF_SIGHT:
        return skipped(
            Text(
                f"Port {diversion.port} is diverted only by a hand-made rule in iptables-{rule.backend}, where nobody "
                "looks for it; KE306 tells more.",
                zh=f"端口 {diversion.port} 仅由 iptables-{rule.backend} 中的手工规则转发，而没有人会在那里查看；详见 KE306。",
            ),
            subject=subject,
        )
    by = whose(rule) if rule is not None else Text("a rule", zh="规则")
    backend = f" in iptables-{rule.backend}" if rule is not None else ""
    backend_zh = f"（iptables-{rule.backend}）" if rule is not None else " "
    return passed(
        Text(
            f"Port {diversion.port} is diverted to cloudcore {told.en} by {by.en}{backend}.",
            zh=f"端口 {diversion.port} 由{by.zh}{backend_zh}转发到 cloudcore {told.zh}。",
        ),
        subject=subject,
        evidence=evidence,
    )


def _has_pod_here(metrics: MetricsServer | Unavailable, addresses: HostAddresses | Unavailable) -> bool:
    """Whether metrics-server runs on this host in a network of its own, so that its requests enter by PREROUTING."""
    if isinstance(metrics, Unavailable) or isinstance(addresses, Unavailable):
        return False
    return any(
        is_live(pod) and not pod.spec.host_network and addresses.has(pod.status.host_ip or "?")
        for pod in metrics.live_pods
    )


def _from_pods(rules: NatRules, diversion: Diversion) -> Finding | None:
    """A failure when OUTPUT diverts the port and PREROUTING surely does not: then only ``kubectl top`` is broken."""
    packet = Packet(
        diversion.path.packet.destination,
        diversion.port,
        local_addresses=diversion.path.packet.local_addresses,
    )
    path = rules.effective(packet, hook="PREROUTING")
    here = diversion.path
    if not (here.certain and here.outcome.is_mapping and path.certain) or path.outcome.is_mapping:
        return None
    return failed(
        Text(
            f"Port {diversion.port} is diverted for this host's own programs, but not for pods: metrics-server runs here "
            "in the pod network and reaches no edge.",
            zh=f"端口 {diversion.port} 只对本机程序转发，对 Pod 无效：metrics-server 以 Pod 网络运行在本机，无法到达边缘节点。",
        ),
        expected=Text("the same rule in nat PREROUTING", zh="nat PREROUTING 中也有相同规则"),
        actual=Text("no rule in nat PREROUTING", zh="nat PREROUTING 中没有规则"),
        hint=Text(
            "Let iptables-manager write the rules (it serves both), or give metrics-server hostNetwork.",
            zh="由 iptables-manager 写规则（它会同时处理两者），或让 metrics-server 使用 hostNetwork。",
        ),
        subject=f"{_subject(diversion)}, pods",
        evidence=view_evidence(rules),
        commands=(_MANAGER, *SHOW_RULES),
        breaks=("top",),
    )


def _taken(diversion: Diversion, rule: DnatRule, evidence: tuple[Evidence, ...]) -> Finding:
    told = outcome_told(diversion.path.outcome)
    return failed(
        Text(
            f"Port {diversion.port} never reaches iptables-manager's rule: {rule.owner} takes it first and sends it to {told.en}.",
            zh=f"端口 {diversion.port} 到不了 iptables-manager 的规则：{rule.owner} 抢先接管并将其发往 {told.zh}。",
        ),
        expected=Text(f"diverted to {diversion.cloudcore}:10003", zh=f"转发到 {diversion.cloudcore}:10003"),
        actual=rule.rule.text,
        hint=Text(
            f"Take port {diversion.port} out of what {rule.owner} redirects.",
            zh=f"将端口 {diversion.port} 从 {rule.owner} 的重定向范围中排除。",
        ),
        subject=_subject(diversion),
        evidence=evidence,
        commands=SHOW_RULES,
    )


def _refused(rules: NatRules, diversion: Diversion, target: str) -> Finding | None:
    """A failure when the filter table surely keeps this host from the place the connection was diverted to."""
    packet = Packet(
        target, diversion.path.outcome.port or 0, local_addresses=diversion.path.packet.local_addresses
    )
    for path in rules.filtered(packet):
        if path.outcome.kind is OutcomeKind.DROPPED:
            rule = path.rule
            return failed(
                Text(
                    f"Port {diversion.port} is diverted to {target}, but this host's own filter rules drop it on the way out.",
                    zh=f"端口 {diversion.port} 被转发到 {target}，但本机的 filter 规则在出口处将其丢弃。",
                ),
                expected=Text(
                    f"filter OUTPUT lets {target}:{packet.port} pass",
                    zh=f"filter OUTPUT 放行 {target}:{packet.port}",
                ),
                actual=rule.text if rule is not None else "the policy of filter OUTPUT is DROP",
                hint=Text(
                    f"Allow outgoing connections to {target}:{packet.port}.",
                    zh=f"放行到 {target}:{packet.port} 的出站连接。",
                ),
                subject=_subject(diversion),
                evidence=(
                    Evidence(
                        f"iptables-{path.backend}, table filter, chain OUTPUT",
                        rule.text if rule else "policy DROP",
                    ),
                ),
                commands=(f"sudo iptables-{path.backend} -S OUTPUT",),
            )
    return None
