"""Does anything come back from an edge: asked of the API server itself, from wherever that is in reach.

This is what tells a laptop with nothing but a kubeconfig that the path is broken, and what proves that it works. Why it
is broken is said by the checks that see a part of it; where none of them is in view, the end of the request points at it.
"""

from __future__ import annotations

from collections.abc import Iterator

from kedoctor.api import (
    ApiAnswer,
    Certainty,
    Evidence,
    Finding,
    Reason,
    Side,
    StepResult,
    StepState,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    skipped,
    unknown,
)
from kedoctor.checks.causality import NO_STREAM
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.cluster.relayed import FEW, EdgeAnswer, EdgeAnswers
from kedoctor.checks.trace.request_errors import dead_session, from_text, unavailable

__all__ = ["edge_answers_api"]

_PROXY = Text("The API server's own request", zh="API 服务器自身的请求")
_LOG = Text("Reading a line of a log", zh="读取一行日志")
_HOPS = ("api", "address", "diversion", "stream", "session", "tunnel", "edged")
_PATIENCE = 10.0


@check(
    code="KE511",
    slug="edge-answers-api",
    title=Text("Each edge answers the API server", zh="每个边缘都能应答 API 服务器"),
    side=Side.SITE,
    breaks=ALL_STREAMS,
    hop="session",
    explained_by=(*(code for code in NO_STREAM if code != "KE206"), "KE501", "KE503"),
    proves=(),
    cost="probe",
    deadline=60.0,
    references=("facts.md §3.8", "facts.md §10.1"),
)
def edge_answers_api(answers: EdgeAnswers | Unavailable) -> Iterator[Finding]:
    """Stats of that edge through the node proxy; a line of a log proves ``kubectl logs`` itself."""
    if isinstance(answers, Unavailable):
        yield _not_asked(answers)
        return
    for answer in answers.items:
        yield _judge(answer)
    if answers.left_out:
        yield skipped(
            Text(
                f"{answers.left_out} more edges were not asked: on a site of more than {FEW} those that look wrong are asked, and a sample.",
                zh=f"另有 {answers.left_out} 个边缘未询问：超过 {FEW} 个边缘时只询问看似异常的和抽样的边缘。",
            ),
            subject=f"{answers.left_out} more edges",
        )


def _not_asked(why: Unavailable) -> Finding:
    if why.reason is not Reason.FORBIDDEN:
        return skipped(
            Text("Not asked: edges cannot be listed from here.", zh="未询问：此处无法列出边缘节点。")
        )
    return unknown(
        Text(
            "Whether anything comes back from edges was not tried: this user may read neither nodes/proxy nor pods/log.",
            zh="未尝试边缘能否应答：当前用户既无权读取 nodes/proxy，也无权读取 pods/log。",
        ),
        hint=Text(
            "Ask for the right to get pods/log, or run kedoctor on the cloud host.",
            zh="请申请 get pods/log 权限，或在云端主机上运行 kedoctor。",
        ),
        commands=("kedoctor rbac",),
    )


def _judge(answer: EdgeAnswer) -> Finding:
    edge = answer.edge
    if answer.proves:
        return _proved(answer)
    result = _result(answer)
    if result is None:
        return unknown(
            Text(
                f"Nothing that {edge} answers was seen: no pod there has written a line, and this user may not read nodes/proxy.",
                zh=f"未见 {edge} 的应答：其上没有写过日志的 Pod，且当前用户无权读取 nodes/proxy。",
            ),
            subject=edge,
            node=edge,
        )
    if result.state is not StepState.BROKEN:
        return unknown(
            Text(f"{edge}: {result.seen.en}", zh=f"{edge}：{result.seen.zh}"), subject=edge, node=edge
        )
    return _broken(answer, result)


def _proved(answer: EdgeAnswer) -> Finding:
    edge = answer.edge
    by = f"a line of the log of {answer.pod}" if answer.logged else "its stats"
    by_zh = f"{answer.pod} 的一行日志" if answer.logged else "其统计数据"
    return passed(
        Text(
            f"{edge} answers through the API server, the diversion, cloudcore and its tunnel: {by} came back.",
            zh=f"{edge} 经由 API 服务器、转发规则、cloudcore 和隧道作出应答：已取得{by_zh}。",
        ),
        subject=edge,
        node=edge,
        proves=("logs",) if answer.logged else (),
    )


def _result(answer: EdgeAnswer) -> StepResult | None:
    """What the end of the request points at; ``None`` where it proves nothing."""
    stats = answer.stats
    if isinstance(stats, ApiAnswer):
        if answer.node_name:
            return StepResult(
                state=StepState.BROKEN,
                seen=Text(
                    f"{_PROXY.en} gave the stats of {answer.node_name}.",
                    zh=f"{_PROXY.zh}得到的是 {answer.node_name} 的数据。",
                ),
                hop="session",
                code="KE509",
            )
        said = " ".join(stats.body[:300].decode(errors="replace").split())
        if stats.status == 200 and not said:
            return dead_session(_PROXY)
        return from_text(f"HTTP {stats.status}: {said}" if said else f"HTTP {stats.status}", _PROXY)
    if isinstance(stats, Unavailable):
        return unavailable(stats, _PROXY, _PATIENCE)
    if isinstance(answer.log, Unavailable) and answer.log.reason is not Reason.ABSENT:
        return unavailable(answer.log, _LOG, _PATIENCE)
    return None


def _broken(answer: EdgeAnswer, result: StepResult) -> Finding:
    edge = answer.edge
    path = f"/api/v1/nodes/{edge}/proxy/stats/summary"
    seen = result.seen
    return failed(
        Text(
            f"{edge} does not answer the API server. {seen.en}", zh=f"{edge} 没有应答 API 服务器。{seen.zh}"
        ),
        expected=Text(f"stats or a line of a log from {edge}", zh=f"来自 {edge} 的统计数据或日志"),
        actual=seen.en,
        hint=Text(
            f"Follow the request hop by hop: on the cloud host and on {edge}, each tells what the other cannot see.",
            zh=f"逐跳跟踪该请求：云端主机与 {edge} 各自能看到对方看不到的部分。",
        ),
        subject=edge,
        node=edge,
        evidence=(Evidence(f"GET {path}" if answer.stats is not None else f"log of {answer.pod}", seen.en),),
        commands=(
            f"kubectl get --raw --request-timeout=15s {path} | head -c 300",
            f"kedoctor trace top {edge}",
            f"sudo kedoctor run   # on {edge}, and on the cloud host",
        ),
        hop=result.hop if result.hop in _HOPS else None,
        certainty=Certainty.PROVED,
    )
