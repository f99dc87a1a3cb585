"""Known lines of failure in cloudcore's log (facts.md §5.1, §5.2).

What cloudcore prints for every request that ends well (``find edge peer done``, ``superfluous response.WriteHeader``)
and what a safe probe leaves behind (``client didn't provide a certificate``, ``request was not an upgrade``) is in
no pattern. A line counts only while it is recent, and one about an edge only until that edge came back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from kedoctor.api import Evidence, Finding, Side, Text, Unavailable, check, passed, warned
from kedoctor.checks.explanations import NO_DIVERSION, NO_TUNNEL, NOT_READY
from kedoctor.checks.facts.cloudcore_lines import WINDOW, CloudcoreLines
from kedoctor.checks.facts.metrics import NodeSamples
from kedoctor.checks.facts.nodes import EdgeNodes
from kedoctor.checks.klog import LogLine

__all__ = ["cloudcore_log_lines"]

_LOG = "log of cloudcore"
_MINUTES = round(WINDOW.total_seconds() / 60)
_AGENT = re.compile(r"get a new tunnel agent hostname (\S+), internalIP")
_HUB = re.compile(r"edge node (\S+) for project \S+ connected")


@dataclass(frozen=True, slots=True)
class _Known:
    """A line: its pattern (``edge``: the node's name or address), what it means, and what to do."""

    pattern: re.Pattern[str]
    meaning: Text
    hint: Text
    hop: str = "session"


_RECONNECT = Text(
    "See why the tunnel of that edge is gone (KE503 on the edge), or restart edgecore there.",
    zh="查明该边缘隧道中断的原因（在边缘上见 KE503），或重启其 edgecore。",
)
_KNOWN = (
    _Known(
        re.compile(r"can not find (?P<edge>\S+) session"),
        Text("requests came for an edge that has no tunnel", zh="请求所指的边缘没有隧道"),
        _RECONNECT,
    ),
    _Known(
        re.compile(r"the tunnel connection of Tunnel session \[(?P<edge>\S+)\] has closed"),
        Text("requests came for an edge whose session is dead", zh="请求所指的边缘会话已失效"),
        _RECONNECT,
    ),
    _Known(
        re.compile(
            r"(?:retry updating node KubeletEndpoint Port, node: |update node KubeletEndpoint Port, node: "
            r"|Update KubeletEndpoint Port of Node ')(?P<edge>[\w.-]+)"
        ),
        Text("the tunnel port could not be written into the Node", zh="无法将隧道端口写入 Node"),
        Text(
            "See that the Node exists and that cloudcore may update it (KE113).",
            zh="确认 Node 存在且 cloudcore 有权更新（KE113）。",
        ),
        hop="address",
    ),
    _Known(
        re.compile(r"can not get session key: get pod \S+ failed"),
        Text("cloudcore cannot read the pod that was asked for", zh="cloudcore 无法读取所请求的 Pod"),
        Text("See what cloudcore may read (KE113).", zh="检查 cloudcore 的权限（KE113）。"),
        hop="stream",
    ),
    _Known(
        re.compile(
            r"http: TLS handshake error from (?P<edge>[\d.]+):\d+: (?:tls: failed to verify certificate|remote error: tls: (?:bad|expired|unknown) certificate)"
        ),
        Text(
            "a TLS handshake failed because a certificate was not accepted", zh="证书不被接受，TLS 握手失败"
        ),
        Text(
            "Look at the certificates of that peer (KE402 to KE404, KE407).",
            zh="检查对端证书（KE402 至 KE404、KE407）。",
        ),
        hop="certificates",
    ),
    _Known(
        re.compile(r"failed to verify the certificate for edgenode: (?P<edge>[\w.-]+)"),
        Text("an edge may not renew its certificate", zh="边缘无法更新其证书"),
        Text("Give that edge a new certificate (KE402).", zh="为该边缘签发新证书（KE402）。"),
        hop="certificates",
    ),
    _Known(
        re.compile(r"timeout to receive keepalive for node (?P<edge>[\w.-]+)"),
        Text("an edge was not heard of in time", zh="边缘未按时上报"),
        Text("Look at the link of that edge (KE505, KE110).", zh="检查该边缘的链路（KE505、KE110）。"),
        hop="link",
    ),
    _Known(
        re.compile(r'The connection is rejected by CloudHub: node="(?P<edge>[\w.-]+)"'),
        Text("CloudHub rejected an edge", zh="CloudHub 拒绝了边缘连接"),
        Text("Compare its certificate with its name (KE213).", zh="核对其证书与名称（KE213）。"),
        hop="link",
    ),
    _Known(
        re.compile(r"failed to refresh the new token"),
        Text("the join token is no longer renewed", zh="加入令牌不再刷新"),
        Text(
            "Restart cloudcore, or no edge can join after 24 hours (KE409).",
            zh="重启 cloudcore，否则 24 小时后无法加入新边缘（KE409）。",
        ),
        hop="certificates",
    ),
    _Known(
        re.compile(r"unable to sync caches for objectSyncController"),
        Text("cloudcore could not read its custom resources", zh="cloudcore 无法读取自定义资源"),
        Text(
            "See that they exist (KE111) and may be read (KE113).", zh="确认其存在（KE111）且可读（KE113）。"
        ),
        hop="stream",
    ),
)


@check(
    code="KE112",
    slug="cloudcore-log",
    title=Text("cloudcore's log tells of no failure", zh="cloudcore 日志中没有已知故障"),
    side=Side.SITE,
    hop="stream",
    explained_by=tuple(
        dict.fromkeys(
            (
                *NO_TUNNEL,
                *NOT_READY,
                *NO_DIVERSION,
                *("KE205", "KE212", "KE301", "KE406", "KE407", "KE409", "KE411", "KE509", "KE704", "KE802"),
            )
        )
    ),
    references=("facts.md §5.1", "facts.md §5.2", "testbed.md Surprises (1)"),
)
def cloudcore_log_lines(
    lines: CloudcoreLines, edges: EdgeNodes | Unavailable, samples: NodeSamples | Unavailable
) -> Iterator[Finding]:
    """The newest line of each known kind and edge that is still true."""
    nodes = () if isinstance(edges, Unavailable) else edges.items
    by_address = {node.internal_ip: node.name for node in nodes}
    newest: dict[tuple[int, str], LogLine] = {}
    back = _back(lines.lines)
    for line in lines.lines:
        for place, known in enumerate(_KNOWN):
            found = known.pattern.search(line.message)
            if found is None:
                continue
            named = found.groupdict().get("edge") or ""
            newest[place, by_address.get(named, named)] = line
    wrong = False
    for (place, edge), line in newest.items():
        works = not isinstance(samples, Unavailable) and samples.fresh(edge)
        if (edge in back and line.time is not None and back[edge] > line.time) or works:
            continue
        wrong = True
        yield _told(_KNOWN[place], edge if edge in by_address.values() else "", line)
    if not wrong:
        yield passed(
            Text(
                f"cloudcore's log of the last {_MINUTES} minutes has no known line of failure.",
                zh=f"cloudcore 最近 {_MINUTES} 分钟的日志中没有已知故障。",
            ),
            subject=_LOG,
        )


def _back(lines: Sequence[LogLine]) -> Mapping[str, datetime]:
    """When each edge last came back, with a tunnel or to the hub."""
    found = {}
    for line in lines:
        told = _AGENT.search(line.message) or _HUB.search(line.message)
        if told and line.time is not None:
            found[told[1]] = line.time
    return found


def _told(known: _Known, node: str, line: LogLine) -> Finding:
    who, who_zh = (f" ({node})", f"（{node}）") if node else ("", "")
    return warned(
        Text(
            f"cloudcore's log says that {known.meaning.en}{who}.",
            zh=f"cloudcore 日志显示：{known.meaning.zh}{who_zh}。",
        ),
        expected=Text("no such line", zh="没有此类日志"),
        actual=line.message.strip()[:300],
        hint=known.hint,
        subject=node or _LOG,
        node=node,
        evidence=(Evidence(_LOG, line.raw.strip()[:500]),),
        commands=(f"kubectl -n kubeedge logs -l kubeedge=cloudcore --since={_MINUTES}m --tail=-1",),
        breaks=(),
        hop=known.hop,
    )
