"""Does anything come back from an edge: asked of the API server itself, from wherever that is in reach.

This is what tells a laptop with nothing but a kubeconfig that the path is broken, and what proves that it works. Why it
is broken is said by the checks that see a part of it; where none of them is in view, the end of the request points at it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kedoctor.api import (
    ApiAnswer,
    Certainty,
    Evidence,
    Finding,
    Reason,
    Side,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    patterns,
    skipped,
    unknown,
)
from kedoctor.checks.causality import NO_STREAM
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.explain import explain
from kedoctor.checks.facts.cloud.relayed import FEW, PATIENCE, EdgeAnswer, EdgeAnswers
from kedoctor.checks.facts.cluster.nodes import CloudNodes

__all__ = ["edge_answers_api"]

_NOT_READ = Unavailable(Reason.NOT_RECORDED, "API-server hosts")
_HOPS = ("api", "address", "diversion", "stream", "session", "tunnel", "edged")
_STATUS = patterns.compiled(r"(?<!\s)\s*+\(?HTTP (\d{3})\)?$")


@check(
    code="KE513",
    slug="edge-answers-api",
    title=Text("Each edge answers the API server", zh="每个边缘节点都能应答 API 服务器"),
    side=Side.SITE,
    breaks=ALL_STREAMS,
    hop="session",
    explained_by=(*(code for code in NO_STREAM if code != "KE206"), "KE501", "KE503"),
    proves=(),
    deadline=60.0,
    references=("facts.md §3.8", "facts.md §10.1"),
)
def edge_answers_api(
    answers: EdgeAnswers | Unavailable, cloud: CloudNodes | Unavailable = _NOT_READ
) -> Iterator[Finding]:
    """Stats of that edge through the node proxy; a line of a log proves ``kubectl logs`` itself.

    Of several API servers it is the one to which the kubeconfig led; each has rules of its own.
    """
    servers = 1 if isinstance(cloud, Unavailable) else len(cloud.hosts)
    if isinstance(answers, Unavailable):
        yield _not_asked(answers)
        return
    for answer in answers.items:
        yield _judge(answer, servers)
    if answers.left_out:
        yield skipped(
            Text(
                f"{answers.left_out} more edges were not asked: on a site of more than {FEW} edges kedoctor asks those that look wrong, and a sample.",
                zh=f"另有 {answers.left_out} 个边缘节点未询问：超过 {FEW} 个时只询问看似异常的和抽样的边缘节点。",
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
            "Not checked: this user may read neither nodes/proxy nor pods/log, so no edge was asked.",
            zh="未检查：当前用户既无权读取 nodes/proxy，也无权读取 pods/log，因此没有询问任何边缘节点。",
        ),
        hint=Text(
            "Ask an administrator for the permission to get pods/log, or run kedoctor on the cloud host.",
            zh="请向管理员申请 get pods/log 权限，或在云端主机上运行 kedoctor。",
        ),
        commands=("kedoctor rbac",),
    )


def _judge(answer: EdgeAnswer, servers: int) -> Finding:
    edge = answer.edge
    if answer.proves:
        return _proved(answer, servers)
    result = _result(answer)
    if result is None:
        return unknown(
            Text(
                f"No answer of {edge} was seen: no pod there has written a log line, and this user may not read nodes/proxy.",
                zh=f"未见 {edge} 的应答：其上没有写过日志的 Pod，且当前用户无权读取 nodes/proxy。",
            ),
            subject=edge,
            node=edge,
        )
    if not result.decides:
        return unknown(
            Text(f"{edge}: {result.seen.en}", zh=f"{edge}：{result.seen.zh}"), subject=edge, node=edge
        )
    return _broken(answer, result)


def _proved(answer: EdgeAnswer, servers: int) -> Finding:
    edge = answer.edge
    by = f"a line of the log of {answer.pod}" if answer.logged else "its stats"
    by_zh = f"{answer.pod} 的一行日志" if answer.logged else "其统计数据"
    through = "the API server" if servers < 2 else f"one of {servers} API servers"
    through_zh = "API 服务器" if servers < 2 else f"{servers} 台 API 服务器中的一台"
    return passed(
        Text(
            f"{edge} answers through {through}, the DNAT rule, cloudcore and its tunnel: {by} came back.",
            zh=f"{edge} 经由 {through_zh}、DNAT 规则、cloudcore 和隧道作出应答：已取得{by_zh}。",
        ),
        subject=edge,
        node=edge,
        proves=("logs",) if answer.logged else (),
    )


@dataclass(frozen=True, slots=True)
class _End:
    """How a request ended: what that points at and on which hop; with ``decides`` false it says nothing of the edge."""

    seen: Text
    hop: str = ""
    decides: bool = True


_DEAD = Text(
    "The request succeeded with an empty body: the session of this edge in cloudcore is dead and its tunnel is gone.",
    zh="请求返回成功但内容为空：该边缘节点在 cloudcore 中的会话已失效，隧道已断开。",
)
_NO_SESSION = Text(
    "The request ended with HTTP 500 and no text: it reached cloudcore, which has no session of this edge.",
    zh="请求返回没有内容的 HTTP 500：已到达 cloudcore，但没有该边缘节点的会话。",
)
_HUNG = Text(
    f"The request got no answer within {PATIENCE:g} s: the tunnel is half open, edged does not listen on 127.0.0.1:10350, or "
    "packets to the edge's port are dropped.",
    zh=f"请求在 {PATIENCE:g} 秒内没有应答：隧道为半开连接、edged 未监听 127.0.0.1:10350，或发往边缘节点端口的报文被丢弃。",
)


def _result(answer: EdgeAnswer) -> _End | None:
    """What the end of the request points at; ``None`` where it proves nothing."""
    stats = answer.stats
    if isinstance(stats, ApiAnswer):
        return _answered(answer, stats)
    if isinstance(stats, Unavailable):
        return _unanswered(stats)
    if isinstance(answer.log, Unavailable) and answer.log.reason is not Reason.ABSENT:
        return _unanswered(answer.log)
    return None


def _answered(answer: EdgeAnswer, stats: ApiAnswer) -> _End:
    other = answer.node_name
    if other:
        return _End(
            Text(f"The answer has the stats of {other} instead.", zh=f"返回的是 {other} 的统计数据。"),
            "session",
        )
    said = " ".join(stats.body[:300].decode(errors="replace").split())
    if stats.status == 200 and not said:
        return _End(_DEAD, "session")
    if stats.status == 500 and not said:
        return _End(_NO_SESSION, "session")
    return _told(f"HTTP {stats.status}: {said}" if said else f"HTTP {stats.status}")


def _unanswered(missing: Unavailable) -> _End:
    """An answer of the API server that is none: an error of the edge's side, or one of its own."""
    if missing.reason is Reason.TIMEOUT:
        return _End(_HUNG, "tunnel")
    if missing.reason is not Reason.SERVER_ERROR:
        told = Text(f"The request was not made: {missing}.", zh=f"请求未能执行：{missing.in_chinese}。")
        return _End(told, decides=False)
    said = _STATUS.sub("", missing.detail)
    if not said and "500" in missing.detail:
        return _End(_NO_SESSION, "session")
    return _told(said or missing.detail)


def _told(text: str) -> _End:
    """An error of the API server or of the edge: what its words point at."""
    answer = explain([text])
    cause = next(iter(answer.causes), None)
    if cause is None:
        return _End(Text(f"The request ended with: {text}.", zh=f"请求的结果：“{text}”。"))
    return _End(
        Text(
            f"The request ended with: {text} ({answer.meaning.removesuffix('.')}).",
            zh=f"请求的结果：“{text}”（{answer.zh.meaning.removesuffix('。')}）。",
        ),
        cause.hop,
    )


def _broken(answer: EdgeAnswer, result: _End) -> Finding:
    edge = answer.edge
    path = f"/api/v1/nodes/{edge}/proxy/stats/summary"
    seen = result.seen
    return failed(
        Text(
            f"{edge} does not answer the API server. {seen.en}", zh=f"{edge} 没有应答 API 服务器。{seen.zh}"
        ),
        expected=Text(f"stats or a line of a log from {edge}", zh=f"来自 {edge} 的统计数据或日志"),
        actual=seen,
        hint=Text(
            f"Follow the request hop by hop: the cloud host and {edge} each see a part of the path that the other does not.",
            zh=f"逐跳跟踪该请求：云端主机与 {edge} 各能看到链路中对方看不到的部分。",
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
