"""Where the rule leads: it must be the address of a live cloudcore and the port of its stream server.

What acts is judged here, that is where the kernel sends connections to a port on record. Of a rule that never acts
KE305 speaks. A ClusterIP is a black hole for a reason of its own: a connection is mapped once, so kube-proxy's rules
never see the new address, though ``curl`` to the same ClusterIP works (facts.md §9 (8), testbed.md case i).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kedoctor.api import (
    Certainty,
    Evidence,
    Finding,
    HttpAnswer,
    Risk,
    Side,
    Text,
    Unavailable,
    check,
    detail_text,
    failed,
    passed,
    skipped,
    unknown,
    warned,
)
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.dnat.wording import (
    SHOW_RULES,
    for_each,
    not_an_apiserver,
    outcome_told,
    removal,
    rule_evidence,
    whose,
)
from kedoctor.checks.facts.cloud.cloud_host import CloudProcesses
from kedoctor.checks.facts.cloud.diversion_probes import StreamServers, TargetProbes
from kedoctor.checks.facts.cloud.diversion_targets import DiversionTargets, Place
from kedoctor.checks.facts.cloud.diversions import Diversion, Diversions
from kedoctor.checks.facts.cloud.nat import NatRules
from kedoctor.checks.parsers.netfilter import DnatRule, Packet, TerminalVerdict

__all__ = ["dnat_target"]

_MANAGER = "kubectl -n kubeedge get daemonset,pods -l kubeedge=iptables-manager -o wide"
_WRITTEN_BY_PROGRAMS = (None, "iptables-manager", "kedoctor")
_USUAL_PORT = 10003  # where iptables-manager always leads (facts.md §3.4)
_RIGHT_ENOUGH = frozenset({Place.CLOUDCORE, Place.IPVS_ADDRESS, Place.NOT_KNOWN})


@dataclass(frozen=True, slots=True)
class _Target:
    """One place where connections to a port end, and the rule that sends them there."""

    address: str | None
    port: int | None
    place: Place
    rule: DnatRule | None
    ending: TerminalVerdict

    def __str__(self) -> str:
        return f"{self.address or '?'}:{self.port or '?'}"


@check(
    code="KE304",
    slug="dnat-target",
    title=Text("The diversion leads to a live cloudcore", zh="转发目标是在线的 cloudcore"),
    side=Side.CLOUD,
    breaks=ALL_STREAMS,
    hop="diversion",
    explained_by=("KE102", "KE302"),
    remedy=Text(
        "Take the wrong rule out; iptables-manager writes the right one.",
        zh="删除错误的规则；正确的规则由 iptables-manager 写入。",
    ),
    risk=Risk.SAFE,
    references=(
        "facts.md §3.4",
        "facts.md §9 (8, 9)",
        "facts.md §10 (1, 11, 19)",
        "testbed.md case e",
        "testbed.md case i",
    ),
)
def dnat_target(
    rules: NatRules,
    diversions: Diversions,
    targets: DiversionTargets,
    *,
    probes: TargetProbes | Unavailable,
    servers: StreamServers | Unavailable,
    processes: CloudProcesses | Unavailable,
) -> Iterator[Finding]:
    """What each port on record is mapped to, in every way in which it may be mapped."""
    elsewhere = not_an_apiserver(processes, "nat OUTPUT")
    if elsewhere is not None:
        yield elsewhere
        return
    judged = False
    for diversion in diversions.items:
        found = [
            _target(rules, targets, ending, diversion.port)
            for ending in diversion.path.endings
            if ending.outcome.is_mapping
        ]
        found = [one for one in found if one.rule is None or one.rule.owner in _WRITTEN_BY_PROGRAMS]
        if not found or len(found) < len(diversion.path.endings):
            continue
        judged = True
        finding = _judge(rules, diversion, found, targets=targets, probes=(probes, servers))
        yield from for_each(diversion, finding)
    if not judged:
        yield skipped(
            Text(
                "No rule diverts a port on record (KE303, KE306).",
                zh="没有规则转发记录中的端口（见 KE303、KE306）。",
            ),
            subject="nat OUTPUT",
        )


def _target(rules: NatRules, targets: DiversionTargets, ending: TerminalVerdict, tunnel_port: int) -> _Target:
    rule, outcome = rules.mapping(ending), ending.outcome
    kept = (
        rule is not None
        and not rule.redirect
        and rule.destination is not None
        and rule.destination.address is None
    )
    place = targets.place(outcome.address, outcome.port, kept=kept, tunnel_port=tunnel_port)
    return _Target(outcome.address, outcome.port, place, rule, ending)


_Probes = tuple[TargetProbes | Unavailable, StreamServers | Unavailable]


def _onward(rules: NatRules, target: _Target) -> str:
    """Where a connection made to the target itself would be mapped; empty if it surely is not mapped again."""
    if target.address is None or target.port is None or target.place is Place.KEPT:
        return ""
    path = rules.effective(Packet(target.address, target.port))
    mapped = path.possible and all(outcome.is_mapping for outcome in path.possible)
    return outcome_told(path.possible[0]).en if mapped else ""


def _virtual(target: _Target, onward: str) -> Text:
    return Text(
        f"{target.address} is a virtual address that only another rule turns into {onward}, and a connection is mapped "
        "only once, so it ends nowhere (curl to that address works all the same)",
        zh=f"{target.address} 是虚拟地址，要靠另一条规则才会变成 {onward}，而连接只会被映射一次，因此无处可达"
        "（但直接 curl 该地址仍然成功）",
    )


def _judge(
    rules: NatRules,
    diversion: Diversion,
    found: list[_Target],
    *,
    targets: DiversionTargets,
    probes: _Probes,
) -> Finding:
    subject = f"port {diversion.port}"
    if targets.runs is False:
        return skipped(
            Text(
                "No cloudcore runs to which a rule could lead (KE105).",
                zh="没有 cloudcore 在运行，无法判断转发目标（见 KE105）。",
            ),
            subject=subject,
        )
    if all(one.place is Place.DOWN for one in found):
        return skipped(
            Text(
                f"Port {diversion.port} leads to cloudcore {found[0].address}, which does not run (KE105).",
                zh=f"端口 {diversion.port} 指向 cloudcore {found[0].address}，而它未运行（见 KE105）。",
            ),
            subject=subject,
        )
    wrong = [one for one in found if one.place not in _RIGHT_ENOUGH]
    if not wrong:
        return _fine(diversion, found[0])
    if len(wrong) < len(found):
        return skipped(
            Text(
                f"Port {diversion.port} has two rules that disagree; KE306 tells which.",
                zh=f"端口 {diversion.port} 有两条互相矛盾的规则；详见 KE306。",
            ),
            subject=subject,
        )
    onward = _onward(rules, wrong[0])
    if onward and wrong[0].place is not Place.CLUSTER_IP:
        return _wrong(diversion, wrong[0], targets, _virtual(wrong[0], onward))
    if wrong[0].place is Place.STRANGER:
        return _stranger(diversion, wrong[0], targets, probes)
    return _wrong(diversion, wrong[0], targets, _why(wrong[0], targets, diversion))


def _fine(diversion: Diversion, target: _Target) -> Finding:
    evidence, subject = _evidence(target), f"port {diversion.port}"
    if target.place is Place.CLOUDCORE:
        return passed(
            Text(
                f"Port {diversion.port} leads to {target}, a live cloudcore's stream server.",
                zh=f"端口 {diversion.port} 指向 {target}，即在线 cloudcore 的流服务。",
            ),
            subject=subject,
            evidence=evidence,
        )
    known = Text(
        f"Port {diversion.port} leads to {target}; which cloudcores are alive is unknown here.",
        zh=f"端口 {diversion.port} 指向 {target}；此处不知道哪些 cloudcore 在线。",
    )
    ipvs = Text(
        f"Port {diversion.port} leads to the ClusterIP {target}, which IPVS holds on this host; whether IPVS takes a "
        "connection that was mapped before is unknown.",
        zh=f"端口 {diversion.port} 指向 ClusterIP {target}，它由本机 IPVS 持有；IPVS 是否接管已被映射的连接无法判断。",
    )
    return unknown(
        ipvs if target.place is Place.IPVS_ADDRESS else known,
        subject=subject,
        evidence=evidence,
        hint=Text("KE309 tells by a connection.", zh="KE309 会通过实际连接判断。"),
    )


def _stranger(diversion: Diversion, target: _Target, targets: DiversionTargets, probes: _Probes) -> Finding:
    """An address that nobody knows: only a connection shows whether a cloudcore is behind it."""
    tried, servers = probes
    answer = (
        None if isinstance(tried, Unavailable) else tried.items.get((target.address or "", target.port or 0))
    )
    known = frozenset() if isinstance(servers, Unavailable) else servers.certificates
    if isinstance(answer, HttpAnswer) and answer.certificate and answer.certificate in known:
        return warned(
            Text(
                f"Port {diversion.port} leads to {target}, which answers as cloudcore but is not an address on record; the "
                "rule will not follow cloudcore when it moves.",
                zh=f"端口 {diversion.port} 指向 {target}，该地址以 cloudcore 身份应答，但不在记录中；cloudcore 迁移后规则不会跟随。",
            ),
            expected=_expected(diversion, targets),
            actual=str(target),
            hint=Text("Leave the rule to iptables-manager.", zh="请交由 iptables-manager 维护规则。"),
            subject=f"port {diversion.port}",
            evidence=_evidence(target),
            breaks=(),
            hop="",
        )
    why = Text(
        f"{target} is not an address of a cloudcore that runs",
        zh=f"{target} 不是任何在线 cloudcore 的地址",
    )
    if isinstance(answer, Unavailable):
        why = Text(
            f"{why.en}, and a connection to it fails ({answer.detail or answer.reason})",
            zh=f"{why.zh}，且无法连接（{detail_text(answer.detail).zh or answer.reason}）",
        )
    elif answer is not None:
        why = Text(f"{why.en}, and something else answers there", zh=f"{why.zh}，且那里应答的是其他程序")
    return _wrong(diversion, target, targets, why, proved=answer is not None)


def _why(target: _Target, targets: DiversionTargets, diversion: Diversion) -> Text:
    address = target.address or ""
    service = (targets.services or {}).get(address, "")
    node = targets.others.get(address, "") or targets.edges.get(address, "")
    reasons = {
        Place.OTHER_CLOUDCORE: Text(
            f"this port belongs to cloudcore {diversion.cloudcore}, and the cloudcore at {address} has no session of its edges",
            zh=f"该端口属于 cloudcore {diversion.cloudcore}，而 {address} 上的 cloudcore 没有这些边缘节点的会话",
        ),
        Place.OTHER_PORT: Text(
            f"cloudcore's stream server is on port {targets.port}, not {target.port}",
            zh=f"cloudcore 的流服务端口是 {targets.port}，不是 {target.port}",
        ),
        Place.CLUSTER_IP: Text(
            f"{address} is the ClusterIP of Service {service}: a connection is mapped only once, so kube-proxy never "
            "sees it and it ends nowhere (curl to the ClusterIP works all the same)",
            zh=f"{address} 是 Service {service} 的 ClusterIP：连接只会被映射一次，kube-proxy 看不到它，"
            "连接无处可达（但直接 curl 该 ClusterIP 仍然成功）",
        ),
        Place.LOOPBACK: Text(
            "it leads to this host itself, and no cloudcore runs here",
            zh="它指向本机，而本机没有运行 cloudcore",
        ),
        Place.KEPT: Text(
            f"it names no address, so the connection goes to the edge's own address on port {target.port}",
            zh=f"它没有写地址，连接会发往边缘节点自身地址的 {target.port} 端口",
        ),
        Place.EDGE: Text(
            f"{address} is the edge node {node}, which listens to nobody",
            zh=f"{address} 是边缘节点 {node}，那里没有监听",
        ),
        Place.NODE: Text(
            f"no cloudcore runs on {node} ({address})", zh=f"{node}（{address}）上没有运行 cloudcore"
        ),
        Place.DEAD_RECORD: Text(
            f"{address} is on record, but no cloudcore runs there any more",
            zh=f"{address} 在记录中，但那里已没有 cloudcore",
        ),
    }
    return reasons.get(target.place, Text("it is not a cloudcore", zh="那里不是 cloudcore"))


def _expected(diversion: Diversion, targets: DiversionTargets) -> Text:
    # The record may itself be what is wrong; then the live address is what is wanted.
    right = (
        diversion.cloudcore
        if diversion.cloudcore in targets.live or targets.cloudcores.several
        else next(iter(sorted(targets.live)), "<cloudcore>")
    )
    return Text(
        f"--dport {diversion.port} -j DNAT --to-destination {right}:{targets.port}",
        zh=f"--dport {diversion.port} -j DNAT --to-destination {right}:{targets.port}",
    )


def _wrong(
    diversion: Diversion,
    target: _Target,
    targets: DiversionTargets,
    why: Text,
    *,
    proved: bool | None = None,
) -> Finding:
    rule = target.rule
    by = whose(rule) if rule is not None else Text("a rule", zh="规则")
    backend = f" in iptables-{rule.backend}" if rule is not None else ""
    backend_zh = f"（iptables-{rule.backend}）" if rule is not None else " "
    sure = proved if proved is not None else True
    # A rule for the usual port is right again once cloudcore's streamPort is (KE102).
    follows = target.place is Place.OTHER_PORT and target.port == _USUAL_PORT
    tell = failed if diversion.matters else warned  # a record that no node uses breaks nothing
    return tell(
        Text(
            f"Port {diversion.port} is diverted to {target} by {by.en}{backend}, the wrong place: {why.en}.",
            zh=f"端口 {diversion.port} 被{by.zh}{backend_zh}转发到错误的目标 {target}：{why.zh}。",
        ),
        expected=_expected(diversion, targets),
        actual=rule.rule.text if rule is not None else str(target),
        hint=_hint(rule),
        subject=f"port {diversion.port}",
        evidence=_evidence(target),
        commands=_commands(rule),
        certainty=Certainty.PROVED if sure else Certainty.IMPLIED,
        root=diversion.matters and rule is not None and rule.owner != "iptables-manager" and not follows,
        breaks=None if diversion.matters else (),
    )


def _hint(rule: DnatRule | None) -> Text:
    if rule is not None and rule.owner == "iptables-manager":
        return Text(
            "iptables-manager makes this rule from the record: correct ConfigMap kubeedge/tunnelport (KE302) or the "
            "ports (KE102), never the rule.",
            zh="该规则由 iptables-manager 依据记录生成：请修正 ConfigMap kubeedge/tunnelport（KE302）或端口（KE102），不要改规则。",
        )
    return Text(
        "Take this rule out; where iptables-manager works (KE307), it writes the right one within 10 seconds.",
        zh="删除该规则；iptables-manager 若正常工作（KE307），会在 10 秒内写入正确的规则。",
    )


def _commands(rule: DnatRule | None) -> tuple[str, ...]:
    if rule is not None and rule.owner == "iptables-manager":
        return (
            "kubectl -n kubeedge get configmap tunnelport -o jsonpath='{.metadata.annotations}'",
            *SHOW_RULES,
        )
    taken = (removal(rule),) if rule is not None else ()
    return (*taken, _MANAGER)


def _evidence(target: _Target) -> tuple[Evidence, ...]:
    return (rule_evidence(target.rule.rule, target.rule.backend),) if target.rule is not None else ()
