"""Lines of edgecore that tell of a fault and that no other check reads (facts.md §5.4, §5.5), by the table of logs.

Noise never counts: lines of the first minutes of a run, lines that are long past, and failures after which the same
thing went well. A line that is only a consequence is one by ``explained_by``.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from kedoctor.api import Evidence, Finding, Side, Text, check, passed, patterns, warned
from kedoctor.checks.causality import NO_TUNNEL, NOT_READY
from kedoctor.checks.facts.edge.edgecore import EdgeName
from kedoctor.checks.facts.edge.edgecore_log import EdgecoreLog, quoted
from kedoctor.checks.parsers.logs.klog import LogLine
from kedoctor.checks.parsers.logs.message_table import LogUse, Message, knowledge
from kedoctor.checks.parsers.logs.message_text import filled, named

__all__ = ["edgecore_log"]

_CODE = "KE711"
_RECENT = timedelta(minutes=15)
_STARTING = timedelta(seconds=120)
_VERSION, _FIRST = "Version: v", 10  # what edgecore says among its first lines
_TRACES = ("sudo journalctl -u edgecore -n 200 --no-pager | grep -E ' [EF][0-9]{4} '",)


@check(
    code=_CODE,
    slug="edgecore-log",
    title=Text("edgecore's log has no other known error", zh="edgecore 日志中没有其他故障"),
    side=Side.EDGE,
    hop="edgecore",
    explained_by=tuple(
        dict.fromkeys(
            (
                *NO_TUNNEL,
                *NOT_READY,
                "KE205",
                "KE206",
                "KE212",
                "KE301",
                "KE408",
                "KE410",
                "KE411",
                "KE504",
                "KE708",
                "KE912",
            )
        )
    ),
    references=("facts.md §5.4", "facts.md §5.5"),
)
def edgecore_log(log: EdgecoreLog, name: EdgeName) -> Finding:
    """The known line that says most, if it was seen often enough, in this run of edgecore and not long ago."""
    found = next(_counting(log), None)
    if found is not None:
        return _told(name.name, *found)
    return passed(
        Text(
            f"edgecore of {name.name} has no known error in its log.",
            zh=f"{name.name} 的 edgecore 日志中没有已知故障。",
        ),
        subject=name.name,
        node=name.name,
    )


def _counting(log: EdgecoreLog) -> Iterator[tuple[LogUse, Text, LogLine, int]]:
    """What was seen often enough, what says most first: its meaning, its last line, and how many there are."""
    table = knowledge()
    seen: dict[str, list[tuple[LogLine, patterns.Match[str]]]] = {}
    for line in _recent(log):
        found = table.in_log(_CODE, line.raw)
        if found is not None:
            seen.setdefault(found[0].text, []).append((line, found[1]))
    for message in table.of_logs[_CODE]:
        lines = seen.get(message.text, [])
        if message.logs and len(lines) >= message.logs.least and not _healed(log, message, lines[-1][0]):
            last, match = lines[-1]
            yield message.logs, filled(message.meaning, named(match.groupdict())), last, len(lines)


def _recent(log: EdgecoreLog) -> Iterator[LogLine]:
    """The lines that count, oldest first: not long past, of this run and not of its first minutes, or of a crash."""
    for line in log.earlier_crashes():
        if line.time is not None and log.read - line.time <= _RECENT:
            yield line
    started = _started(log.last_run)
    for line in log.last_run:
        if line.time is None or log.read - line.time > _RECENT:
            continue
        if started is None or line.time - started >= _STARTING:
            yield line


def _healed(log: EdgecoreLog, message: Message, last: LogLine) -> bool:
    """Whether a later line says that it went well since, or, of a failed dial of the tunnel, a tunnel has come since."""
    if message.leg == "tunnel" and message.logs is not None and message.logs.least == 1:
        start = log.tunnel_start()
        if start is not None and start.time is not None and last.time is not None and start.time > last.time:
            return not log.tunnel_errors()
    words = message.logs.healed if message.logs else ""
    well = log.newest(words) if words else None
    return well is not None and well.time is not None and last.time is not None and well.time >= last.time


def _started(run: tuple[LogLine, ...]) -> datetime | None:
    """When the run began; ``None`` when its first lines are older than what was read of the journal."""
    return next((line.time for line in run[:_FIRST] if _VERSION in line.message), None)


def _told(node: str, use: LogUse, meaning: Text, last: LogLine, count: int) -> Finding:
    return warned(
        Text(
            f"edgecore of {node} logged {'once' if count == 1 else f'{count} times'} within a quarter of an hour that {meaning.en}.",
            zh=f"{node} 的 edgecore 在最近一刻钟内 {count} 次报告：{meaning.zh}。",
        ),
        expected=Text("no such line", zh="没有此类日志"),
        actual=quoted(last),
        hint=use.hint
        or Text(
            "Look at the lines around it; the page of this code says what each means.",
            zh="查看其前后的日志；本代码的说明页解释了各行含义。",
        ),
        subject=node,
        node=node,
        evidence=(Evidence("journalctl -u edgecore", quoted(last)),),
        commands=_TRACES,
        breaks=(),
        hop=use.hop,
        root=last.kind == "panic",  # a defect of edgecore, whatever else fails
    )
