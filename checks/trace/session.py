"""cloudcore's half alone: its stream server is asked for the edge's stats, by address and by name (facts.md §10.1).

``kubectl logs``, ``exec`` and ``attach`` find the session by the name of the Node, metrics-server by the address
(facts.md §3.5); so which of the two answers counts depends on what is traced, and the other is told beside it.
"""

from __future__ import annotations

from kedoctor.api import (
    HttpAnswer,
    Reason,
    StepResult,
    StepState,
    Text,
    TraceTarget,
    Unavailable,
    replace,
    step,
)
from kedoctor.checks.facts.cloud.diversion_probes import StreamServers, TunnelProbe, TunnelProbes
from kedoctor.checks.trace.probes import SessionProbes
from kedoctor.checks.trace.step_results import broken, judged, not_known, off_cloud, ok
from kedoctor.checks.tunnel.session import tunnel_session

__all__ = ["session"]

_BY_ADDRESS = "top"
"""What finds the session by the address of the edge."""


@step(
    name="session",
    title=Text("session in cloudcore, at 10003", zh="cloudcore 中的会话（10003）"),
    hop="session",
    unless=off_cloud,
)
def session(
    servers: StreamServers | Unavailable,
    probes: SessionProbes | Unavailable,
    target: TraceTarget,
) -> StepResult:
    """KE508 judges both answers; JSON about this edge is the only one that is right (facts.md §3.8)."""
    if isinstance(servers, Unavailable):
        return _unasked(servers)
    if isinstance(probes, Unavailable):
        down = list(tunnel_session(servers, TunnelProbes()))
        return judged(target.trace, (tunnel_session, down)) if down else _unasked(probes)
    if probes.by_name.elsewhere:
        return _of_another(probes)
    if target.trace == _BY_ADDRESS:
        return _by_address(probes, target)
    return _by_name(probes, target)


def _of_another(probes: SessionProbes) -> StepResult:
    """Of several cloudcores another one took the tunnel than the one that requests for this Node reach."""
    edge, other = probes.by_name.edge, probes.by_name.elsewhere
    return broken(
        Text(
            f"cloudcore {probes.cloudcore}, to which the port of Node {edge} leads, has no session of it: its tunnel is with cloudcore {other}.",
            zh=f"Node {edge} 的端口指向 cloudcore {probes.cloudcore}，但那里没有它的会话：其隧道连接在 cloudcore {other} 上。",
        ),
        code="KE301",
        hop="address",
    )


def _unasked(missing: Unavailable) -> StepResult:
    return not_known(
        Text(f"Nobody could be asked: {missing}.", zh=f"没有可询问的对象：{missing.in_chinese}。"),
        code="KE105",
    )


def _judge(probe: TunnelProbe, target: TraceTarget) -> StepResult:
    return judged(
        target.trace, (tunnel_session, list(tunnel_session(StreamServers(), TunnelProbes((probe,)))))
    )


def _by_address(probes: SessionProbes, target: TraceTarget) -> StepResult:
    if probes.by_address is None:
        return broken(
            Text(
                "The Node has no InternalIP, under which metrics-server would ask for it.",
                zh="该 Node 没有 InternalIP，metrics-server 无法据此请求。",
            ),
            code="KE311",
            hop="address",
        )
    probe = replace_by_name(probes.by_address, probes.by_name.answer)
    found = _judge(probe, target)
    return ok(_right(probes)) if found.state is StepState.OK else found


def replace_by_name(probe: TunnelProbe, answer: HttpAnswer | Unavailable) -> TunnelProbe:
    """The probe under the address, together with what came under the name."""
    return TunnelProbe(probe.edge, probe.key, probe.cloudcore, probe.answer, answer, probe.port)


def _by_name(probes: SessionProbes, target: TraceTarget) -> StepResult:
    found = _judge(probes.by_name, target)
    if found.state is StepState.OK:
        return ok(_right(probes))
    if found.state is StepState.BROKEN and probes.by_address is not None and probes.by_address.node_name:
        key, edge = probes.by_address.key, probes.by_name.edge
        note = Text(
            f" Under its address {key} cloudcore has stats of {probes.by_address.node_name}: the edge announces another name than {edge}.",
            zh=f"按地址 {key} 可取得 {probes.by_address.node_name} 的数据：该边缘节点通告的名称不是 {edge}。",
        )
        return replace(found, seen=Text(found.seen.en + note.en, zh=found.seen.zh + note.zh), code="KE213")
    return found


def _right(probes: SessionProbes) -> Text:
    """Both answers in one sentence."""
    edge, other = probes.by_name.edge, probes.by_address
    if other is None or (other.node_name == edge and probes.by_name.node_name == edge):
        keys = edge if other is None else f"{edge} and {other.key}"
        zh = edge if other is None else f"{edge} 与 {other.key}"
        return Text(
            f"cloudcore {probes.cloudcore} has a live session: stats of {edge} come by {keys}.",
            zh=f"cloudcore {probes.cloudcore} 持有活动会话：按 {zh} 均可取得 {edge} 的统计数据。",
        )
    if probes.by_name.node_name == edge:
        said = _said(other)
        return Text(
            f"cloudcore {probes.cloudcore} has a live session of {edge} by name; by its address {other.key} it says: {said.en}, "
            "so only kubectl top fails (KE212).",
            zh=f"cloudcore {probes.cloudcore} 按名称持有 {edge} 的活动会话；按地址 {other.key} 的结果：{said.zh}，"
            "因此只有 kubectl top 会失败（KE212）。",
        )
    said = _said(probes.by_name)
    return Text(
        f"cloudcore {probes.cloudcore} gives stats of {edge} by its address {other.key}; by name it says: {said.en}.",
        zh=f"cloudcore {probes.cloudcore} 按地址 {other.key} 给出 {edge} 的数据；按名称的结果：{said.zh}。",
    )


def _said(probe: TunnelProbe) -> Text:
    answer = probe.answer
    if isinstance(answer, Unavailable):
        late = answer.reason is Reason.TIMEOUT
        return Text("no answer in time", zh="超时无应答") if late else Text(str(answer), zh=str(answer))
    if probe.node_name:
        return Text(f"stats of {probe.node_name}", zh=f"{probe.node_name} 的数据")
    if answer.status == 500:
        return Text("no session (HTTP 500)", zh="没有会话（HTTP 500）")
    if answer.status == 200 and not answer.body.strip():
        return Text("a dead session (empty HTTP 200)", zh="会话已失效（空的 HTTP 200）")
    return Text(f"HTTP {answer.status}", zh=f"HTTP {answer.status}")
