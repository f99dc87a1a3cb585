"""The record of tunnel ports: what iptables-manager makes its rules from (facts.md §3.3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kedoctor.api import (
    Evidence,
    Finding,
    Risk,
    Side,
    Status,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    replace,
    unknown,
    warned,
)
from kedoctor.checks.causality import CLOUDCORE_DOWN
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.dnat.release_words import record_kept, release_of
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreWorkload
from kedoctor.checks.facts.cloud.cloudcores import Cloudcore, Cloudcores
from kedoctor.checks.facts.cloud.relayed import NOT_TRIED, ProvedEdges
from kedoctor.checks.facts.cluster.nodes import EdgeNodes
from kedoctor.checks.facts.cluster.tunnel_port import RecordState, TunnelPortRecord

__all__ = ["tunnelport_record"]

_SUBJECT = "configmap/kubeedge/tunnelport"
_EDGED_PORT = 10350
_SHOW = "kubectl -n kubeedge get configmap tunnelport -o jsonpath='{.metadata.annotations}'"
_EDIT = "kubectl -n kubeedge edit configmap tunnelport"
_RECREATE = "kubectl -n kubeedge delete pod -l kubeedge=cloudcore"
_EXPECTED = Text(
    'annotation tunnelportrecord.kubeedge.io with {"ipTunnelPort":{"<IPv4 of a live cloudcore>":<port>}}',
    zh='注解 tunnelportrecord.kubeedge.io 形如 {"ipTunnelPort":{"<在线 cloudcore 的 IPv4>":<端口>}}',
)


@check(
    code="KE302",
    slug="tunnelport-record",
    title=Text("The tunnel-port record names live cloudcores", zh="隧道端口记录对应在线的 cloudcore"),
    side=Side.SITE,
    breaks=ALL_STREAMS,
    hop="diversion",
    explained_by=CLOUDCORE_DOWN,
    remedy=Text(
        "Take the stale key out of the annotation; cloudcore and iptables-manager keep the rest up to date.",
        zh="从注解中删除过期的键；其余由 cloudcore 和 iptables-manager 维护。",
    ),
    risk=Risk.SAFE,
    references=(
        "facts.md §3.3",
        "facts.md §3.4",
        "facts.md §10 (1, 11, 17)",
        "facts.md §12.1",
        "versions.md §4",
    ),
)
def tunnelport_record(
    record: TunnelPortRecord,
    cloudcores: Cloudcores,
    edges: EdgeNodes | Unavailable,
    *,
    workload: CloudcoreWorkload | Unavailable,
    proved: ProvedEdges = NOT_TRIED,
) -> Iterator[Finding]:
    """The annotation itself, each address in it, and each cloudcore that runs."""
    if record.state is not RecordState.READ:
        yield _unreadable(record)
        return
    if not record.ports:
        yield _empty(record)
        return
    wrong = [finding for ip in record.ports if (finding := _malformed(record, ip)) is not None]
    yield from wrong
    if not wrong:
        yield from _liveness(record, cloudcores, edges, proved, kept=record_kept(release_of(workload)))


def _unreadable(record: TunnelPortRecord) -> Finding:
    what = {
        RecordState.NO_CONFIG_MAP: Text(
            "ConfigMap kubeedge/tunnelport does not exist, so no rule is made: cloudcore has not started since it "
            "was deleted.",
            zh="ConfigMap kubeedge/tunnelport 不存在，因此不会生成任何规则：它被删除后 cloudcore 没有再启动过。",
        ),
        RecordState.NO_ANNOTATION: Text(
            "ConfigMap kubeedge/tunnelport lost its annotation: no rule is made, and cloudcore will panic at its "
            "next start.",
            zh="ConfigMap kubeedge/tunnelport 缺少注解：不会生成规则，且 cloudcore 下次启动会 panic。",
        ),
        RecordState.UNPARSABLE: Text(
            f"The tunnel-port record is not JSON that cloudcore can read ({record.problem}): no rule is made.",
            zh=f"隧道端口记录不是 cloudcore 可读的 JSON（“{record.problem}”）：不会生成规则。",
        ),
    }
    return failed(
        what[record.state],
        expected=_EXPECTED,
        actual=record.text or record.state.value,
        hint=Text(
            "Delete the ConfigMap and then the cloudcore pod: cloudcore writes a new record, and every edge reconnects.",
            zh="先删除该 ConfigMap，再删除 cloudcore Pod：cloudcore 会写入新记录，所有边缘节点将重新连接。",
        ),
        subject=_SUBJECT,
        evidence=(Evidence(_SUBJECT, record.text),),
        commands=(_SHOW, "kubectl -n kubeedge delete configmap tunnelport", _RECREATE),
        # A cloudcore that never ran has made no ConfigMap; one that is there and unreadable is nobody else's doing.
        root=record.state is not RecordState.NO_CONFIG_MAP,
    )


def _empty(record: TunnelPortRecord) -> Finding:
    return failed(
        Text(
            "The tunnel-port record names no cloudcore, so there is nothing to divert to.",
            zh="隧道端口记录中没有任何 cloudcore，因此没有转发目标。",
        ),
        expected=_EXPECTED,
        actual=record.text,
        hint=Text(
            "Start cloudcore; if it runs, delete its pod so that it writes its address again.",
            zh="请启动 cloudcore；若它在运行，请删除其 Pod 以便重新写入地址。",
        ),
        subject=_SUBJECT,
        evidence=(Evidence(_SUBJECT, record.text),),
        commands=("kubectl -n kubeedge get pods -l kubeedge=cloudcore -o wide", _RECREATE),
    )


def _malformed(record: TunnelPortRecord, ip: str) -> Finding | None:
    if ip and ":" not in ip:
        return None
    port = record.ports[ip]
    if not ip:
        summary = Text(
            f"The record has an empty address for port {port}: cloudcore's host has no default route and its name "
            "does not resolve, so the rule leads to the edge's own address.",
            zh=f"记录中端口 {port} 的地址为空：cloudcore 所在主机没有默认路由且主机名无法解析，"
            "规则会指向边缘节点自身的地址。",
        )
        hint = Text(
            "Give that host a default route (a dummy one will do), take the empty key out, delete the cloudcore pod.",
            zh="为该主机添加默认路由（虚设的亦可），删除空键，再删除 cloudcore Pod。",
        )
    else:
        summary = Text(
            f"The record has the IPv6 address {ip}: iptables-manager cannot make a rule of it and makes none at all.",
            zh=f"记录中有 IPv6 地址 {ip}：iptables-manager 无法据此生成规则，并因此放弃全部规则。",
        )
        hint = Text(
            "Give cloudcore's host an IPv4 default route, take the IPv6 key out, delete the cloudcore pod.",
            zh="为 cloudcore 所在主机配置 IPv4 默认路由，删除 IPv6 键，再删除 cloudcore Pod。",
        )
    return failed(
        summary,
        expected=_EXPECTED,
        actual=record.text,
        hint=hint,
        subject=_SUBJECT,
        evidence=(Evidence(_SUBJECT, record.text),),
        commands=("ip route show default  # on cloudcore's host", _EDIT, _RECREATE),
        root=True,
    )


def _liveness(
    record: TunnelPortRecord,
    cloudcores: Cloudcores,
    edges: EdgeNodes | Unavailable,
    proved: ProvedEdges,
    *,
    kept: Text,
) -> Iterator[Finding]:
    if all(one.runs is None for one in cloudcores.items):
        yield unknown(
            Text(
                "Which cloudcores are alive is unknown: no pod with the label kubeedge=cloudcore was seen.",
                zh="无法判断哪些 cloudcore 在线：未见到带标签 kubeedge=cloudcore 的 Pod。",
            ),
            subject=_SUBJECT,
            evidence=(Evidence(_SUBJECT, record.text),),
        )
        return
    strangers = [one for one in cloudcores.items if not one.pod and not one.runs]
    for one in strangers:
        yield from _stale(record, one, kept) if one.runs is False else [_ambiguous(record, one.address)]
    lacking = cloudcores.unrecorded
    if lacking:
        yield from _lacking(record, lacking, strangers, edges)
    doubtful = [one for one in cloudcores.items if one.guessed and _none_answers(one, proved)]
    for one in doubtful:
        yield _unproved(record, one)
    if not strangers and not lacking and not doubtful:
        yield passed(
            Text(
                "The tunnel-port record holds only " + _told(record) + ".",
                zh="隧道端口记录为 " + _told(record) + "，没有其他内容。",
            ),
            subject=_SUBJECT,
            evidence=(Evidence(_SUBJECT, record.text),),
        )


def _none_answers(cloudcore: Cloudcore, proved: ProvedEdges) -> bool:
    """Whether edges of a cloudcore were asked and none answered: then its address may be no cloudcore's."""
    asked = proved.asked.intersection(cloudcore.edges)
    return bool(asked) and asked.isdisjoint(proved.names)


def _unproved(record: TunnelPortRecord, cloudcore: Cloudcore) -> Finding:
    return unknown(
        Text(
            f"The record sends port {cloudcore.port} to {cloudcore.address}, which is not an address that Kubernetes knows of "
            f"cloudcore's host {cloudcore.node}, and no edge with that port answers. Whether that host has it, only the "
            "host shows.",
            zh=f"记录把端口 {cloudcore.port} 指向 {cloudcore.address}，但 Kubernetes 所知的 cloudcore 主机 {cloudcore.node} "
            "的地址中没有它，且使用该端口的边缘节点均无响应。该主机是否拥有此地址，只能在该主机上确认。",
        ),
        subject=_SUBJECT,
        evidence=(Evidence(_SUBJECT, record.text),),
        commands=(f"kedoctor run  # on {cloudcore.node}", _SHOW),
    )


def _told(record: TunnelPortRecord) -> str:
    return ", ".join(f"{ip}: {port}" for ip, port in record.ports.items())


def _ambiguous(record: TunnelPortRecord, ip: str) -> Finding:
    return unknown(
        Text(
            f"The record names {ip}, which is not an address of a cloudcore pod; more addresses are on record than "
            "cloudcores run, but which of them is stale cannot be told from here.",
            zh=f"记录中的 {ip} 不是 cloudcore Pod 的地址；记录的地址多于在线的 cloudcore，但无法从此处判断哪个已过期。",
        ),
        subject=_SUBJECT,
        evidence=(Evidence(_SUBJECT, record.text),),
        commands=("kubectl -n kubeedge get pods -l kubeedge=cloudcore -o wide", _SHOW),
    )


def _lacking(
    record: TunnelPortRecord,
    lacking: tuple[Cloudcore, ...],
    strangers: Sequence[Cloudcore],
    edges: EdgeNodes | Unavailable,
) -> Iterator[Finding]:
    """Cloudcores that run without an entry: no rule is made for their edges, whose port is on record nowhere.

    Where an entry of no cloudcore has the port of edges, that one is named, and this is the other half of the same fault.
    """
    users = () if isinstance(edges, Unavailable) else edges.items
    lost = [
        one.name
        for one in users
        if one.port > _EDGED_PORT and one.port not in record.current and not one.runs_foreign_kubelet
    ]
    names = ", ".join(f"{one.address} ({one.node})" for one in lacking)
    told = (
        f"; no rule is made for {len(lost)} edge node(s) whose port is not on record, e.g. {lost[0]}"
        if lost
        else ""
    )
    told_zh = f"；有 {len(lost)} 个边缘节点的端口不在记录中，不会为其生成规则，例如 {lost[0]}" if lost else ""
    finding = failed(
        Text(
            f"The record lacks the cloudcore at {names}, which runs{told}.",
            zh=f"记录中缺少正在运行的 cloudcore {names}{told_zh}。",
        ),
        expected=_EXPECTED,
        actual=record.text,
        hint=Text(
            "Delete the pod of that cloudcore: it writes its entry at every start. Its edges reconnect.",
            zh="请删除该 cloudcore 的 Pod：它每次启动都会写入自己的条目，其边缘节点会重新连接。",
        ),
        subject=f"{_SUBJECT}, {lacking[0].address}",
        evidence=(Evidence(_SUBJECT, record.text),),
        commands=(_SHOW, *(f"kubectl -n kubeedge delete pod {one.pod}" for one in lacking)),
        root=True,
    )
    if not lost and not any(one.runs is False and one.edges for one in strangers):
        yield replace(finding, status=Status.WARN, breaks=(), root=False)
    for name in lost:
        yield replace(finding, node=name, subject=f"{name}, {finding.subject}")


def _stale(record: TunnelPortRecord, entry: Cloudcore, kept: Text) -> Iterator[Finding]:
    """An entry of no cloudcore, for each edge that has its port; where none has, it breaks nothing."""
    ip, port, using = entry.address, entry.port, entry.edges
    summary = Text(
        f"The record still sends port {port} to {ip}, where no cloudcore runs"
        + (
            f"; {len(using)} edge node(s) have that port, e.g. {using[0]}."
            if using
            else "; no edge node has that port."
        ),
        zh=f"记录仍把端口 {port} 指向 {ip}，但该处没有 cloudcore"
        + (
            f"；有 {len(using)} 个边缘节点使用该端口，例如 {using[0]}。"
            if using
            else "；没有边缘节点使用该端口。"
        ),
    )
    hint = Text(
        f"Take the key {ip} out of the annotation; {kept.en}.",
        zh=f"从注解中删除键 {ip}；{kept.zh}。",
    )
    finding = warned(
        summary,
        expected=_EXPECTED,
        actual=record.text,
        hint=hint,
        subject=_SUBJECT,
        evidence=(Evidence(_SUBJECT, record.text),),
        commands=("kubectl -n kubeedge get pods -l kubeedge=cloudcore -o wide", _EDIT),
        breaks=(),
    )
    if not using:
        yield finding
    elif len(record.ports) == 1:
        yield replace(finding, status=Status.FAIL, breaks=None)
    else:
        for name in using:
            yield replace(finding, status=Status.FAIL, breaks=None, node=name, subject=f"{name}, {_SUBJECT}")
