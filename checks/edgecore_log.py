"""Lines of edgecore that tell of a fault and that no other check reads (facts.md §5.4, §5.5).

Noise never counts: lines of the first minutes of a run, lines that are long past, and failures after which the same
thing went well. A line that is only a consequence is one by ``explained_by``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from kedoctor.api import Evidence, Finding, Side, Text, check, passed, warned
from kedoctor.checks.explanations import NO_TUNNEL, NOT_READY
from kedoctor.checks.facts.edgecore import EdgeName
from kedoctor.checks.facts.edgecore_log import EdgecoreLog, quoted
from kedoctor.checks.klog import LogLine

__all__ = ["KNOWN_LINES", "KnownLine", "edgecore_log"]

_RECENT = timedelta(minutes=15)
_STARTING = timedelta(seconds=120)
_VERSION, _FIRST = "Version: v", 10  # what edgecore says among its first lines
_TRACES = ("sudo journalctl -u edgecore -n 200 --no-pager | grep -E ' [EF][0-9]{4} '",)


@dataclass(frozen=True, slots=True)
class KnownLine:
    """A failure by its words: what it means, where on the path it is, and how often it must be seen to count.

    ``healed`` are words of a later line that end it.
    """

    pattern: re.Pattern[str]
    meaning: Text
    hop: str
    least: int = 1
    healed: str = ""


KNOWN_LINES = (
    KnownLine(
        re.compile(r'request (logs|metrics) error Get "http://127\.0\.0\.1:10350/.*connection refused'),
        Text(
            "requests came through the tunnel and edged was not on 127.0.0.1:10350",
            zh="请求已通过隧道到达，但 edged 不在 127.0.0.1:10350",
        ),
        "edged",
    ),
    KnownLine(
        re.compile(r"failed to Update KubeletEndpoint Port"),
        Text(
            "the cloud could not write the tunnel port into this Node and dropped the tunnel",
            zh="云端无法将隧道端口写入该 Node，因而断开隧道",
        ),
        "session",
    ),
    KnownLine(
        re.compile(
            r"Container runtime sanity check failed|Container runtime not ready|container runtime is down"
        ),
        Text("the container runtime does not answer", zh="容器运行时没有应答"),
        "runtime",
    ),
    KnownLine(
        re.compile(r"PLEG is not healthy: pleg was last seen active"),
        Text(
            "the container runtime is too slow to be asked for its containers",
            zh="容器运行时过慢，无法及时列出容器",
        ),
        "runtime",
        least=2,
    ),
    KnownLine(
        re.compile(r"Container runtime network not ready|cni plugin not initialized"),
        Text("the container runtime has no CNI network", zh="容器运行时没有 CNI 网络"),
        "runtime",
        least=2,
    ),
    KnownLine(
        re.compile(r"failed to get sandbox image"),
        Text(
            "the sandbox image is not there and cannot be fetched, so no pod starts",
            zh="缺少沙箱镜像且无法拉取，Pod 无法启动",
        ),
        "runtime",
    ),
    KnownLine(
        re.compile(r"expected cgroupsPath to be of format"),
        Text(
            "edgecore and the runtime use different cgroup drivers", zh="edgecore 与运行时的 cgroup 驱动不同"
        ),
        "runtime",
    ),
    KnownLine(
        re.compile(r"failed to get kubelet healthz syncloop"),
        Text(
            "edgecore does not reach itself as localhost and starts no pods",
            zh="edgecore 无法通过 localhost 访问自身，不会启动 Pod",
        ),
        "edged",
        least=5,
    ),
    KnownLine(
        re.compile(r"TLSClientConnect error failed to get Local IP address"),
        Text(
            "edgecore finds no address of its own and does not dial the tunnel",
            zh="edgecore 找不到自身地址，不会建立隧道",
        ),
        "tunnel",
        least=2,
    ),
    KnownLine(
        re.compile(r"Unable to register node with API server"),
        Text("this edge cannot register its Node", zh="该边缘无法注册 Node"),
        "link",
        least=3,
        healed="Successfully registered node",
    ),
    KnownLine(
        re.compile(r"max retry count reached when connecting to cloud"),
        Text("the hub link to the cloud does not come up", zh="到云端的 hub 连接无法建立"),
        "link",
        least=2,
        healed="Websocket connect to cloud access successful",
    ),
    KnownLine(
        re.compile(r"no space left on device"),
        Text("the disk is full", zh="磁盘已满"),
        "edgecore",
    ),
    KnownLine(
        re.compile(r"database disk image is malformed"),
        Text("edgecore's database is broken", zh="edgecore 的数据库已损坏"),
        "edgecore",
    ),
    KnownLine(
        re.compile(r"Read Message error|write ping message error"),
        Text("the tunnel breaks again and again", zh="隧道反复中断"),
        "tunnel",
        least=4,
    ),
)
"""Of the last run, in the order of the path that is worth telling first."""


@check(
    code="KE711",
    slug="edgecore-log",
    title=Text("edgecore's log tells of no other fault", zh="edgecore 日志中没有其他故障"),
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
    """The known line that was seen last and often enough, in this run of edgecore and not long ago."""
    found = [(known, lines) for known in KNOWN_LINES if (lines := _recent(log, known))]
    if found:
        return _told(name.name, *found[0])
    return passed(
        Text(
            f"edgecore of {name.name} tells of no known fault.",
            zh=f"{name.name} 的 edgecore 日志中没有已知故障。",
        ),
        subject=name.name,
        node=name.name,
    )


def _recent(log: EdgecoreLog, known: KnownLine) -> tuple[LogLine, ...]:
    """The lines that count, oldest first; none when there are too few of them or it has healed."""
    run = log.last_run
    started = _started(run)
    found: list[LogLine] = []
    for line in reversed(run):
        if known.healed and known.healed in line.raw:
            break
        if line.time is None:
            continue
        if log.read - line.time > _RECENT or (started is not None and line.time - started < _STARTING):
            break
        if known.pattern.search(line.raw):
            found.append(line)
    return tuple(reversed(found)) if len(found) >= known.least else ()


def _started(run: tuple[LogLine, ...]) -> datetime | None:
    """When the run began; ``None`` when its first lines are older than what was read of the journal."""
    return next((line.time for line in run[:_FIRST] if _VERSION in line.message), None)


def _told(node: str, known: KnownLine, lines: tuple[LogLine, ...]) -> Finding:
    last = lines[-1]
    return warned(
        Text(
            f"edgecore of {node} says, {len(lines)} times within a quarter of an hour, that {known.meaning.en}.",
            zh=f"{node} 的 edgecore 在最近一刻钟内 {len(lines)} 次报告：{known.meaning.zh}。",
        ),
        expected=Text("no such line", zh="没有此类日志"),
        actual=quoted(last),
        hint=Text(
            "Look at the lines around it; the page of this code says what each means.",
            zh="查看其前后的日志；本代码的说明页解释了各行含义。",
        ),
        subject=node,
        node=node,
        evidence=(Evidence("journalctl -u edgecore", quoted(last)),),
        commands=_TRACES,
        breaks=(),
        hop=known.hop,
    )
