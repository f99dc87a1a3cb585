"""Address and port of edge nodes: what kube-apiserver and metrics-server dial (facts.md §3.1)."""

from __future__ import annotations

from collections.abc import Iterator

from kedoctor.api import (
    EveryHost,
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
    patterns,
    replace,
    skipped,
    unknown,
    warned,
)
from kedoctor.checks.causality import NO_TUNNEL
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.dnat.release_words import release_of, since_port_changed
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreWorkload
from kedoctor.checks.facts.cloud.cloudcore_log_lines import CloudcoreLines
from kedoctor.checks.facts.cloud.diversion_probes import TunnelProbe, TunnelProbes
from kedoctor.checks.facts.cluster.nodes import EdgeNode, EdgeNodes
from kedoctor.checks.facts.cluster.tunnel_port import RecordState, TunnelPortRecord
from kedoctor.checks.parsers.releases import Release

__all__ = ["duplicate_internal_ip", "kubelet_port", "recorded_port"]

EDGED_PORT = 10350
KUBELET_PORT = 10250
_WRITING = patterns.compiled(r"KubeletEndpoint Port(?:, node: | of Node ')([\w.-]+)")

_RESTART = Text(
    "Make the tunnel of this edge work, then restart edgecore there: each tunnel that connects writes the port again.",
    zh="先使该边缘节点的隧道可用，再重启其 edgecore：每次隧道建立都会重新写入端口。",
)


@check(
    code="KE301",
    slug="kubelet-port",
    title=Text(
        "The kubelet port of every edge node leads to cloudcore",
        zh="每个边缘节点的 kubelet 端口都通向 cloudcore",
    ),
    side=Side.SITE,
    breaks=ALL_STREAMS,
    hop="address",
    explained_by=(*NO_TUNNEL, "KE302"),
    remedy=_RESTART,
    risk=Risk.RESTARTS_EDGECORE,
    references=(
        "facts.md §3.1",
        "facts.md §3.2",
        "facts.md §10 (8, 10)",
        "versions.md §4",
        "testbed.md ports",
    ),
)
def kubelet_port(
    edges: EdgeNodes,
    record: TunnelPortRecord | Unavailable,
    probes: EveryHost[TunnelProbes],
    log: CloudcoreLines | Unavailable,
    *,
    workload: CloudcoreWorkload | Unavailable,
) -> Iterator[Finding]:
    """The port in each edge's Node status against the ports that cloudcores hold on record."""
    answers = [probe for asked in probes.known().values() for probe in asked.items]
    tunnels = {probe.edge for probe in answers if _answers(probe)}
    elsewhere = {probe.edge: probe.elsewhere for probe in answers if probe.elsewhere}
    refused = {} if isinstance(log, Unavailable) else _refused(log)
    for node in edges.items:
        if node.name in elsewhere and not isinstance(record, Unavailable):
            yield _of_another(node, record, elsewhere[node.name])
            continue
        finding = recorded_port(node, record, release_of(workload))
        wrong = finding.status is Status.FAIL and node.name in tunnels
        yield _despite_tunnel(node, record, refused.get(node.name, "")) if wrong else finding


def _answers(probe: TunnelProbe) -> bool:
    return probe.edge in (probe.node_name, probe.node_name_by_name)


def _refused(log: CloudcoreLines) -> dict[str, str]:
    """By node the last line that says why cloudcore could not write the port."""
    found = (_WRITING.search(line.message) for line in log.lines)
    return {match[1]: match.string.strip() for match in found if match}


def _despite_tunnel(node: EdgeNode, record: TunnelPortRecord | Unavailable, line: str) -> Finding:
    """A tunnel writes the port when it connects: one that is there means that this failed, or was undone."""
    current = frozenset() if isinstance(record, Unavailable) else record.current
    summary = Text(
        f"Node {node.name} has port {node.port or 'none'} although its tunnel is up: "
        + ("cloudcore could not write its own." if line else "somebody wrote another one into it since."),
        zh=f"节点 {node.name} 的隧道已建立，但其端口为 {node.port or '空'}："
        + ("cloudcore 无法写入自己的端口。" if line else "此后有人写入了另一个端口。"),
    )
    finding = _wrong(node, current, summary, _RESTART)
    if line:
        return replace(finding, evidence=(*finding.evidence, Evidence("log of cloudcore", line[:300])))
    return replace(finding, root=True)


def _of_another(node: EdgeNode, record: TunnelPortRecord, address: str) -> Finding:
    """Only the cloudcore that took the tunnel has the session, and the port says which one is asked."""
    right = record.ports.get(address)
    named = next((ip for ip, port in record.ports.items() if port == node.port), "")
    whose = f", which is that of cloudcore {named}" if named else ", which is not on record"
    whose_zh = f"，属于 cloudcore {named}" if named else "，不在记录中"
    has = f"port {right}" if right else "no port on record (KE302)"
    has_zh = f"端口 {right}" if right else "记录中没有端口（见 KE302）"
    summary = Text(
        f"Node {node.name} has port {node.port}{whose}, but its tunnel is with cloudcore {address} ({has}).",
        zh=f"节点 {node.name} 的端口为 {node.port}{whose_zh}，但其隧道连接在 cloudcore {address} 上（{has_zh}）。",
    )
    finding = _wrong(node, frozenset({right} if right else ()), summary, _RESTART)
    return replace(finding, root=right is not None)


def recorded_port(node: EdgeNode, record: TunnelPortRecord | Unavailable, release: Release | None) -> Finding:
    """The port of one edge against the record, whatever its tunnel does."""
    if node.absent_as_planned:
        return skipped(
            Text(f"{node.name} is cordoned and away.", zh=f"{node.name} 已 cordon 且不在线。"),
            subject=node.name,
            node=node.name,
        )
    if node.runs_foreign_kubelet:
        return skipped(
            Text(
                f"{node.name} runs an ordinary kubelet ({node.version}), which needs no tunnel.",
                zh=f"{node.name} 运行普通 kubelet（{node.version}），不需要隧道。",
            ),
            subject=node.name,
            node=node.name,
        )
    known = not isinstance(record, Unavailable) and record.state is RecordState.READ
    current = record.current if not isinstance(record, Unavailable) else frozenset()
    if node.port in current:
        return passed(
            Text(
                f"{node.name} has port {node.port}, which is a cloudcore's tunnel port.",
                zh=f"{node.name} 的端口为 {node.port}，是 cloudcore 的隧道端口。",
            ),
            subject=node.name,
            node=node.name,
        )
    if node.port in (0, KUBELET_PORT):
        return _wrong(node, current, *_never(node))
    if node.port == EDGED_PORT:
        return _wrong(node, current, *_no_tunnel_yet(node))
    if not known or not current:
        return _unjudged(node, record)
    return _wrong(node, current, *_stale(node, current, since_port_changed(release)))


def _never(node: EdgeNode) -> tuple[Text, Text]:
    number = "no port" if node.port == 0 else f"port {node.port}"
    return (
        Text(
            f"Node {node.name} has {number}, so requests go to {KUBELET_PORT}, where no edge listens: "
            "the Node was made or re-made by hand and no tunnel has connected since.",
            zh=f"节点 {node.name} 的端口为 {node.port or '空'}，请求会发往 {KUBELET_PORT}，边缘节点不监听该端口："
            "该 Node 由手工创建或重建，之后没有隧道连接过。",
        ),
        _RESTART,
    )


def _no_tunnel_yet(node: EdgeNode) -> tuple[Text, Text]:
    return (
        Text(
            f"Node {node.name} still has edged's own port {EDGED_PORT}: no tunnel from it has connected since it "
            "joined, as is so while edgeStream is off (keadm join leaves it off).",
            zh=f"节点 {node.name} 仍为 edged 自身端口 {EDGED_PORT}：加入以来从未建立隧道，"
            "edgeStream 未启用时即如此（keadm join 不会启用它）。",
        ),
        Text(
            f"Set modules.edgeStream.enable: true in edgecore.yaml on {node.name} and restart edgecore.",
            zh=f"在 {node.name} 的 edgecore.yaml 中设置 modules.edgeStream.enable: true，并重启 edgecore。",
        ),
    )


def _stale(node: EdgeNode, current: frozenset[int], since: Text) -> tuple[Text, Text]:
    ports = _listed(current)
    return (
        Text(
            f"Node {node.name} has port {node.port}, but cloudcore now holds {ports}: "
            f"its tunnel has not connected {since.en}.",
            zh=f"节点 {node.name} 的端口为 {node.port}，而 cloudcore 现持有 {ports}："
            f"{since.zh}，其隧道未再连接。",
        ),
        _RESTART,
    )


def _wrong(node: EdgeNode, current: frozenset[int], summary: Text, hint: Text) -> Finding:
    ports = _listed(current) or "10351 or higher"
    return failed(
        summary,
        expected=Text(
            f"port {ports}, as recorded in configmap/tunnelport",
            zh=f"端口 {ports}（见 configmap/tunnelport）",
        ),
        actual=f"port {node.port}",
        hint=hint,
        subject=node.name,
        node=node.name,
        evidence=(
            Evidence(f"node/{node.name}, status.daemonEndpoints.kubeletEndpoint.Port", str(node.port)),
        ),
        commands=(
            f"kubectl get node {node.name} -o jsonpath='{{.status.daemonEndpoints.kubeletEndpoint.Port}}'",
            f"sudo grep -A8 'edgeStream:' /etc/kubeedge/config/edgecore.yaml  # on {node.name}",
            f"sudo systemctl restart edgecore  # on {node.name}",
        ),
    )


def _unjudged(node: EdgeNode, record: TunnelPortRecord | Unavailable) -> Finding:
    why = _unread(record)
    return unknown(
        Text(
            f"Whether port {node.port} of {node.name} leads to cloudcore is unknown: {why.en}.",
            zh=f"无法判断 {node.name} 的端口 {node.port} 是否通向 cloudcore：{why.zh}。",
        ),
        subject=node.name,
        node=node.name,
    )


def _unread(record: TunnelPortRecord | Unavailable) -> Text:
    if isinstance(record, Unavailable):
        return Text(str(record), zh=record.in_chinese)
    if record.state is RecordState.READ:
        return Text("configmap/tunnelport names no cloudcore", zh="configmap/tunnelport 中没有任何 cloudcore")
    return Text(
        f"configmap/tunnelport: {record.state.value}", zh=f"configmap/tunnelport：{record.state.value}"
    )


def _listed(ports: frozenset[int]) -> str:
    return ", ".join(str(port) for port in sorted(ports))


@check(
    code="KE704",
    slug="duplicate-internal-ip",
    title=Text("No two edge nodes share an InternalIP", zh="边缘节点的 InternalIP 互不相同"),
    side=Side.SITE,
    breaks=("top",),
    hop="session",
    references=("facts.md §3.5", "facts.md §10 (4)"),
)
def duplicate_internal_ip(edges: EdgeNodes) -> Iterator[Finding]:
    """Cloudcore finds the session for metrics by InternalIP, so the last edge that connected answers for all."""
    sharing: dict[str, list[EdgeNode]] = {}
    for node in edges.items:
        if node.internal_ip:
            sharing.setdefault(node.internal_ip, []).append(node)
    shared = {ip: nodes for ip, nodes in sharing.items() if len(nodes) > 1}
    for ip, nodes in shared.items():
        for node in nodes:
            yield _shared(ip, node, nodes)
    if edges.items and not shared:
        count = len(edges.items)
        yield passed(
            Text(
                f"All edge nodes ({count}) have InternalIPs of their own.",
                zh=f"全部边缘节点（{count} 个）的 InternalIP 互不相同。",
            )
        )


def _shared(ip: str, node: EdgeNode, nodes: list[EdgeNode]) -> Finding:
    others = ", ".join(other.name for other in nodes if other is not node)
    expected = Text("one edge node per InternalIP", zh="每个 InternalIP 只属于一个边缘节点")
    commands = (
        "kubectl get nodes -o wide",
        f"sudo vi /etc/kubeedge/config/edgecore.yaml  # on {node.name}: set modules.edged.nodeIP",
    )
    told = Text(
        f"{node.name} and {others} have the same InternalIP {ip}; kubectl top shows one machine's figures for all.",
        zh=f"{node.name} 与 {others} 的 InternalIP 同为 {ip}；kubectl top 会对它们显示同一台机器的数据。",
    )
    if sum(other.is_ready for other in nodes) > 1:
        return failed(
            told,
            expected=expected,
            actual=ip,
            hint=Text(
                "Give each edge its own modules.edged.nodeIP and restart edgecore; logs and exec are not affected.",
                zh="为每个边缘节点设置不同的 modules.edged.nodeIP 并重启 edgecore；logs 与 exec 不受影响。",
            ),
            subject=node.name,
            node=node.name,
            commands=commands,
        )
    return warned(
        Text(
            f"{node.name} and {others} have the same InternalIP {ip}, but at most one of them is there.",
            zh=f"{node.name} 与 {others} 的 InternalIP 同为 {ip}，但其中最多一个在线。",
        ),
        expected=expected,
        actual=ip,
        hint=Text(
            "If it is one machine that joined again under a new name, delete the old Node.",
            zh="若是同一台机器以新名称重新加入，请删除旧的 Node。",
        ),
        subject=node.name,
        node=node.name,
        commands=(
            "kubectl get nodes -o wide",
            f"kubectl delete node {node.name}  # only if it is the old name",
        ),
        breaks=(),
        hop="",
    )
