"""The API server's own request to the edge: the node proxy, which goes the whole way without a pod (facts.md §10.1)."""

from __future__ import annotations

from kedoctor.api import StepResult, Text, TraceTarget, Unavailable, step
from kedoctor.checks.facts.cluster.nodes import EdgeNodes
from kedoctor.checks.trace.probes import RelayedAnswer
from kedoctor.checks.trace.request_errors import dead_session, from_text, unavailable
from kedoctor.checks.trace.step_results import broken, not_known, off_api, ok

__all__ = ["relayed"]

_WHAT = Text("The node-proxy request", zh="节点代理请求")


@step(
    name="node-proxy",
    title=Text("kube-apiserver's own request", zh="kube-apiserver 自身的请求"),
    hop="session",
    unless=off_api,
)
def relayed(answer: RelayedAnswer, edges: EdgeNodes, target: TraceTarget) -> StepResult:
    """Stats of this edge are the only right answer; 200 with nothing in it is a dead session (facts.md §3.8)."""
    edge, got = edges.items[0].name, answer.answer
    if isinstance(got, Unavailable):
        return unavailable(got, _WHAT, target.patience)
    if answer.node_name == edge:
        return ok(
            Text(
                f"Stats of {edge} come through kube-apiserver, the rule, cloudcore, the tunnel and edged.",
                zh=f"{edge} 的统计数据已依次通过 kube-apiserver、转发规则、cloudcore、隧道和 edged 返回。",
            )
        )
    if answer.node_name:
        return broken(
            Text(
                f"kube-apiserver asked for {edge} and got stats of {answer.node_name} (KE704, KE509).",
                zh=f"kube-apiserver 请求 {edge}，得到的却是 {answer.node_name} 的数据（见 KE704、KE509）。",
            ),
            hop="session",
            code="KE509",
        )
    said = got.body[:300].decode(errors="replace").strip()
    if got.status == 200 and not said:
        return dead_session(_WHAT)
    if got.status in (401, 403):
        return not_known(
            Text(
                f"The node-proxy request is not allowed: {_message(said)} (right: get nodes/proxy, KE921).",
                zh=f"无权执行节点代理请求：{_message(said)}（需要权限 get nodes/proxy，见 KE921）。",
            ),
            code="KE921",
        )
    return from_text(f"HTTP {got.status}: {_message(said)}" if said else f"HTTP {got.status}", _WHAT)


def _message(body: str) -> str:
    """The message of a Status, else the text itself, on one line."""
    before, quoted, after = body.partition('"message":')
    told = after.strip().strip('"').partition('","')[0].partition('"')[0] if quoted else before
    return " ".join(told.split())[:200]
