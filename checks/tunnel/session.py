"""The cloud-to-edge half alone: cloudcore is asked for each edge's stats, as metrics-server would (facts.md §10.1).

An answer proves the session, the tunnel and edged behind it, for this edge; it says nothing of the diversion or of
kube-apiserver, so it proves no capability as a whole. HTTP 200 proves nothing either: a dead session gives 200 and
an empty body (facts.md §3.8), so the body is what is judged.
"""

from __future__ import annotations

from collections.abc import Iterator

from kedoctor.api import (
    Evidence,
    Finding,
    HttpAnswer,
    Reason,
    Risk,
    Side,
    Text,
    Unavailable,
    check,
    detail_text,
    failed,
    passed,
    replace,
    skipped,
    unknown,
)
from kedoctor.checks.causality import NO_TUNNEL
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.cloud.diversion_probes import (
    StreamServer,
    StreamServers,
    TunnelProbe,
    TunnelProbes,
)
from kedoctor.checks.facts.cluster.nodes import EdgeNodes
from kedoctor.checks.facts.cluster.tunnel_port import TunnelPortRecord

__all__ = ["tunnel_session"]

_RESTART = Text(
    "Restart edgecore on that edge: it dials a new tunnel, and cloudcore forgets the old session.",
    zh="在该边缘节点重启 edgecore：它会重新建立隧道，cloudcore 会放弃旧会话。",
)


_NOT_READ = Unavailable(Reason.NOT_RECORDED, "not asked")


@check(
    code="KE508",
    slug="tunnel-session",
    title=Text("cloudcore reaches every edge through its tunnel", zh="cloudcore 能通过隧道到达每个边缘节点"),
    side=Side.CLOUD,
    breaks=ALL_STREAMS,
    hop="session",
    explained_by=(
        *(code for code in NO_TUNNEL if code != "KE508"),
        "KE205",
        "KE206",
        "KE212",
        "KE302",
        "KE409",
        "KE410",
        "KE504",
        "KE509",
        "KE704",
    ),
    remedy=_RESTART,
    risk=Risk.RESTARTS_EDGECORE,
    deadline=60.0,
    references=(
        "facts.md §3.5",
        "facts.md §3.8",
        "facts.md §10 (3, 4, 6, 7)",
        "facts.md §10.1",
        "testbed.md case h",
    ),
)
def tunnel_session(
    servers: StreamServers,
    probes: TunnelProbes,
    *,
    record: TunnelPortRecord | Unavailable = _NOT_READ,
    edges: EdgeNodes | Unavailable = _NOT_READ,
) -> Iterator[Finding]:
    """The stream servers first, then every probed edge; an address on record that no edge uses breaks nothing."""
    for one in servers.items.values():
        if not isinstance(one.answer, Unavailable):
            continue
        if _used(one, servers, record, edges):
            yield from _stream_down(one, _users(one, servers, record, edges))
        else:
            yield _unused(one)
    for probe in probes.items:
        yield _judge(probe)
    if probes.left_out:
        yield skipped(
            Text(
                f"{probes.left_out} more edges were not asked, to spare cloudcore; a fresh sample in the metrics API (KE606) "
                "says the same of them.",
                zh=f"为减轻 cloudcore 负担，另有 {probes.left_out} 个边缘节点未探测；指标 API 中的新样本（KE606）可说明同样的事。",
            ),
            subject=f"{probes.left_out} more edges",
        )


def _used(
    server: StreamServer,
    servers: StreamServers,
    record: TunnelPortRecord | Unavailable,
    edges: EdgeNodes | Unavailable,
) -> bool:
    """Whether edges hang on it, as far as that can be told; where no other answers, it may be the only one."""
    if isinstance(record, Unavailable) or isinstance(edges, Unavailable):
        return True
    port = record.ports.get(server.address)
    if port is None or any(edge.port == port for edge in edges.items):
        return True
    return not any(servers.alive(other) for other in servers.items)


def _users(
    server: StreamServer,
    servers: StreamServers,
    record: TunnelPortRecord | Unavailable,
    edges: EdgeNodes | Unavailable,
) -> tuple[str, ...]:
    """The edges that hang on it, where others hang on another; empty: it concerns them all."""
    if isinstance(record, Unavailable) or isinstance(edges, Unavailable) or len(servers.items) < 2:
        return ()
    port = record.ports.get(server.address)
    return tuple(edge.name for edge in edges.items if edge.port == port)


def _unused(server: StreamServer) -> Finding:
    where = f"{server.address}:{server.port}"
    return skipped(
        Text(
            f"{where} is on record and does not answer; no edge uses it (KE302).",
            zh=f"{where} 在记录中但没有应答；没有边缘节点使用它（见 KE302）。",
        ),
        subject=where,
    )


def _stream_down(server: StreamServer, users: tuple[str, ...]) -> Iterator[Finding]:
    where = f"{server.address}:{server.port}"
    reason = server.answer if isinstance(server.answer, Unavailable) else None
    told = reason.detail or reason.reason.value if reason is not None else ""
    finding = failed(
        Text(
            f"cloudcore's stream server {where} does not answer: {told}.",
            zh=f"cloudcore 的流服务 {where} 没有应答：{detail_text(told).zh}。",
        ),
        expected=Text("“404: Page Not Found”", zh="“404: Page Not Found”"),
        actual=told,
        hint=Text(
            "Look whether cloudStream is on (KE101), whether cloudcore runs (KE105) and what it listens on (KE501).",
            zh="请检查 cloudStream 是否启用（KE101）、cloudcore 是否运行（KE105）及其监听端口（KE501）。",
        ),
        subject=where,
        evidence=(Evidence(f"GET https://{where}/", told),),
        commands=(
            f"curl -sk --max-time 5 https://{where}/",
            "kubectl -n kubeedge get pods -l kubeedge=cloudcore -o wide",
        ),
        hop="stream",
    )
    for node in users or ("",):
        yield replace(finding, node=node, subject=f"{node}, {where}" if node else where)


def _judge(probe: TunnelProbe) -> Finding:
    if probe.elsewhere:
        return _elsewhere(probe)
    answer = probe.answer
    if isinstance(answer, Unavailable):
        return _silent(probe, answer)
    if probe.node_name:
        return _right(probe) if probe.node_name == probe.edge else _other_edge(probe)
    if answer.status == 500:
        return _only_by_name(probe) if probe.node_name_by_name == probe.edge else _no_session(probe)
    if answer.status == 200 and not answer.body.strip():
        return _dead(probe)
    return _odd(probe, answer)


def _right(probe: TunnelProbe) -> Finding:
    return passed(
        Text(
            f"cloudcore {probe.cloudcore} gets stats of {probe.edge} through the tunnel.",
            zh=f"cloudcore {probe.cloudcore} 可通过隧道取得 {probe.edge} 的统计数据。",
        ),
        subject=probe.edge,
        node=probe.edge,
    )


def _elsewhere(probe: TunnelProbe) -> Finding:
    return passed(
        Text(
            f"The tunnel of {probe.edge} is with cloudcore {probe.elsewhere}, which gets its stats; its Node names another one (KE301).",
            zh=f"{probe.edge} 的隧道连接在 cloudcore {probe.elsewhere} 上，可取得其统计数据；而其 Node 指向另一个 cloudcore（见 KE301）。",
        ),
        subject=probe.edge,
        node=probe.edge,
    )


def _wrong(
    probe: TunnelProbe,
    summary: Text,
    actual: str,
    hint: Text,
    *,
    hop: str | None = None,
    breaks: tuple[str, ...] | None = None,
) -> Finding:
    return failed(
        summary,
        expected=Text(f"JSON with nodeName {probe.edge}", zh=f"nodeName 为 {probe.edge} 的 JSON"),
        actual=actual,
        hint=hint,
        subject=probe.edge,
        node=probe.edge,
        evidence=(Evidence(f"GET {probe.url} with Host: {probe.key}", actual),),
        commands=(
            f"curl -sk --max-time 10 -H 'Host: {probe.key}' '{probe.url}' | head",
            f"sudo journalctl -u edgecore -n 50 --no-pager | grep -iE 'stream|tunnel'   # on {probe.edge}",
            f"sudo systemctl restart edgecore   # on {probe.edge}",
        ),
        hop=hop,
        breaks=breaks,
    )


def _no_session(probe: TunnelProbe) -> Finding:
    return _wrong(
        probe,
        Text(
            f"cloudcore has no session of {probe.edge}: since cloudcore started, no tunnel of this edge has arrived.",
            zh=f"cloudcore 中没有 {probe.edge} 的会话：cloudcore 启动后该边缘节点的隧道从未到达。",
        ),
        "HTTP 500 with an empty body",
        Text(
            "Look at edgeStream on that edge: switched on (KE202), the right server (KE203), no error in its log.",
            zh="请检查该边缘节点的 edgeStream：是否启用（KE202）、服务地址是否正确（KE203）、日志有无错误。",
        ),
    )


def _dead(probe: TunnelProbe) -> Finding:
    return _wrong(
        probe,
        Text(
            f"The session of {probe.edge} in cloudcore is dead: there was a tunnel and it is gone. kubectl logs then prints "
            "nothing and exits with 0.",
            zh=f"cloudcore 中 {probe.edge} 的会话已失效：隧道曾经存在但已断开。此时 kubectl logs 没有输出却返回 0。",
        ),
        "HTTP 200 with an empty body",
        Text(
            "Look at edgecore on that edge; a new tunnel replaces the dead session at once.",
            zh="请检查该边缘节点上的 edgecore；新的隧道会立即替换失效的会话。",
        ),
    )


def _silent(probe: TunnelProbe, answer: Unavailable) -> Finding:
    if answer.reason is not Reason.TIMEOUT:
        return unknown(
            Text(
                f"The session of {probe.edge} was not found out: {answer}.",
                zh=f"无法得知 {probe.edge} 的会话状态：{answer.in_chinese}。",
            ),
            subject=probe.edge,
            node=probe.edge,
        )
    return _wrong(
        probe,
        Text(
            f"{probe.edge} does not answer through its tunnel: cloudcore holds the session, but the tunnel is half open or "
            "nothing listens on 127.0.0.1:10350 of the edge. kubectl logs hangs.",
            zh=f"{probe.edge} 没有通过隧道应答：cloudcore 持有会话，但隧道处于半开状态，或边缘节点的 127.0.0.1:10350 没有监听。"
            "kubectl logs 会一直挂起。",
        ),
        answer.detail or "no answer in time",
        Text(
            "On that edge: curl http://127.0.0.1:10350/healthz. If it says ok, the tunnel is half open: restart edgecore.",
            zh="在该边缘节点执行 curl http://127.0.0.1:10350/healthz；若返回 ok，则隧道半开：请重启 edgecore。",
        ),
        hop="tunnel",
    )


def _only_by_name(probe: TunnelProbe) -> Finding:
    return _wrong(
        probe,
        Text(
            f"cloudcore knows {probe.edge} by name, but not by its InternalIP {probe.key}: kubectl top fails while logs and "
            "exec work.",
            zh=f"cloudcore 能按名称找到 {probe.edge}，但按 InternalIP {probe.key} 找不到：kubectl top 失败，而 logs 与 exec 正常。",
        ),
        f"HTTP 500 for {probe.key}, stats for {probe.edge}",
        Text(
            "The edge announces another address in its tunnel: set modules.edged.nodeIP to its InternalIP (KE212).",
            zh="该边缘节点在隧道中通告了另一个地址：请将 modules.edged.nodeIP 设为其 InternalIP（KE212）。",
        ),
        breaks=("top",),
    )


def _other_edge(probe: TunnelProbe) -> Finding:
    return _wrong(
        probe,
        Text(
            f"Asked for {probe.key}, cloudcore gives the stats of {probe.node_name} instead of {probe.edge}: both announce this address.",
            zh=f"请求 {probe.key} 时，cloudcore 返回的是 {probe.node_name} 而不是 {probe.edge} 的数据：两者通告了同一地址。",
        ),
        f"nodeName {probe.node_name}",
        Text("Give each edge an address of its own (KE704).", zh="请为每个边缘节点设置唯一地址（KE704）。"),
        breaks=("top",),
    )


def _odd(probe: TunnelProbe, answer: HttpAnswer) -> Finding:
    said = answer.body[:120].decode(errors="replace").strip()
    return _wrong(
        probe,
        Text(
            f"edged of {probe.edge} answers through the tunnel, but not with stats: HTTP {answer.status} {said!r}.",
            zh=f"{probe.edge} 的 edged 通过隧道作出应答，但不是统计数据：HTTP {answer.status} {said!r}。",
        ),
        f"HTTP {answer.status}: {said}",
        Text(
            '"Debug endpoints are disabled" means enableDebuggingHandlers is false (KE206).',
            zh="“Debug endpoints are disabled” 表示 enableDebuggingHandlers 为 false（KE206）。",
        ),
        hop="edged",
    )
