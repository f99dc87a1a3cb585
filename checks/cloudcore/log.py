"""Known lines of failure in cloudcore's log (facts.md §5.1, §5.2), as the table of logs tells them (log_knowledge.py).

What cloudcore prints for every request that ends well (``find edge peer done``, ``superfluous response.WriteHeader``)
is noise there, and what a safe probe leaves behind (``client didn't provide a certificate``, ``request was not an
upgrade``) is not marked for this check. A line counts only while it is recent, and one about an edge only until that
edge came back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from kedoctor.api import Evidence, Finding, Side, Text, Unavailable, check, passed, patterns, warned
from kedoctor.checks.causality import NO_DIVERSION, NO_TUNNEL, NOT_READY
from kedoctor.checks.facts.cloud.cloudcore_log_lines import WINDOW, CloudcoreLines
from kedoctor.checks.facts.cluster.metrics import NodeSamples
from kedoctor.checks.facts.cluster.nodes import EdgeNodes
from kedoctor.checks.parsers.logs.klog import LogLine
from kedoctor.checks.parsers.logs.message_table import LogUse, knowledge
from kedoctor.checks.parsers.logs.message_text import filled, named

__all__ = ["cloudcore_log_lines"]

_CODE = "KE112"
_LOG = "log of cloudcore"
_MINUTES = round(WINDOW.total_seconds() / 60)
_AGENT = patterns.compiled(r"get a new tunnel agent hostname (\S+), internalIP")
_HUB = patterns.compiled(r"edge node (\S+) for project \S+ connected")
_AROUND = Text(
    "Look at the lines around it; the page of this code says what each means.",
    zh="查看其前后的日志；本代码的说明页解释了各行含义。",
)


@dataclass(frozen=True, slots=True)
class _Told:
    """A line that the table knows: how this check uses it, what it means, and the edge (or address) it is about."""

    use: LogUse
    meaning: Text
    about: str
    line: LogLine


@check(
    code=_CODE,
    slug="cloudcore-log",
    title=Text("cloudcore's log has no known error", zh="cloudcore 日志中没有已知故障"),
    side=Side.SITE,
    hop="stream",
    explained_by=tuple(
        dict.fromkeys(
            (
                *NO_TUNNEL,
                *NOT_READY,
                *NO_DIVERSION,
                *(
                    "KE205",
                    "KE212",
                    "KE301",
                    "KE406",
                    "KE407",
                    "KE409",
                    "KE411",
                    "KE509",
                    "KE513",
                    "KE704",
                    "KE802",
                ),
            )
        )
    ),
    references=("facts.md §5.1", "facts.md §5.2", "testbed.md surprise 1"),
)
def cloudcore_log_lines(
    lines: CloudcoreLines, edges: EdgeNodes | Unavailable, samples: NodeSamples | Unavailable
) -> Iterator[Finding]:
    """The newest line of each known kind and edge that is still true."""
    nodes = () if isinstance(edges, Unavailable) else edges.items
    by_address = {node.internal_ip: node.name for node in nodes}
    back = _back(lines.lines)
    wrong = False
    for told in _newest(lines.lines, by_address):
        time = told.line.time
        works = not isinstance(samples, Unavailable) and samples.fresh(told.about)
        if (told.about in back and time is not None and back[told.about] > time) or works:
            continue
        wrong = True
        yield _finding(told, told.about if told.about in by_address.values() else "")
    if not wrong:
        yield passed(
            Text(
                f"cloudcore's log of the last {_MINUTES} minutes has no known line of failure.",
                zh=f"cloudcore 最近 {_MINUTES} 分钟的日志中没有已知故障。",
            ),
            subject=_LOG,
        )


def _newest(lines: Sequence[LogLine], by_address: Mapping[str, str]) -> Iterator[_Told]:
    """Of each text and edge the last line."""
    table = knowledge()
    newest: dict[tuple[str, str], _Told] = {}
    for line in lines:
        found = table.in_log(_CODE, line.message)
        if found is None:
            continue
        message, match = found
        place = message.place(line.message, match)
        about = by_address.get(place, place)
        if message.logs is not None:
            meaning = filled(message.meaning, named({**match.groupdict(), "node": about}))
            newest[message.text, about] = _Told(message.logs, meaning, about, line)
    yield from newest.values()


def _back(lines: Sequence[LogLine]) -> Mapping[str, datetime]:
    """When each edge last came back, with a tunnel or to the hub."""
    found = {}
    for line in lines:
        told = _AGENT.search(line.message) or _HUB.search(line.message)
        if told and line.time is not None:
            found[told[1]] = line.time
    return found


def _finding(told: _Told, node: str) -> Finding:
    named_already = not node or node in told.meaning.en
    who, who_zh = ("", "") if named_already else (f" ({node})", f"（{node}）")
    return warned(
        Text(
            f"cloudcore's log says that {told.meaning.en}{who}.",
            zh=f"cloudcore 日志显示：{told.meaning.zh}{who_zh}。",
        ),
        expected=Text("no such line", zh="没有此类日志"),
        actual=told.line.message.strip()[:300],
        hint=told.use.hint or _AROUND,
        subject=node or _LOG,
        node=node,
        evidence=(Evidence(_LOG, told.line.raw.strip()[:500]),),
        commands=(f"kubectl -n kubeedge logs -l kubeedge=cloudcore --since={_MINUTES}m --tail=-1",),
        breaks=(),
        hop=told.use.hop,
    )
