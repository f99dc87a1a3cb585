"""What cloudcore's pods say in their logs: which modules started, which tunnels arrived, why one ended (facts.md §5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from kedoctor.api import Cluster, LogText, Unavailable, fact, patterns
from kedoctor.checks.facts.cloud.cloudcore import NAMESPACE, CloudcoreWorkload
from kedoctor.checks.facts.cluster.site_info import SiteTime
from kedoctor.checks.parsers.kubernetes import Pod
from kedoctor.checks.parsers.kubernetes.pod_health import is_ready, keeps_dying, running_since
from kedoctor.checks.parsers.logs.klog import LogLine, parse_lines

__all__ = ["LINES", "CloudcoreLog", "PodLog", "arrivals", "zoned"]

LINES = 5000
_AGENT = patterns.compiled(r"get a new tunnel agent hostname (\S+), internalIP (\S*)")
_LOST = patterns.compiled(
    r"get Tunnel session \[(\S+?)\] reader error|edge node (\S+) for project \S+ disConnected"
)
_MODULE = patterns.compiled(r"Module cloudStream (registered successfully|is disabled)")
_SERVER = patterns.compiled(r"Prepare to start (stream|tunnel) server")
_START = "Version: v"
_QUARTER = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class PodLog:
    """The log of one pod of cloudcore.

    ``from_start`` is whether its first lines are there; ``servers`` are those of ``stream`` and ``tunnel`` that
    were about to listen; ``stream_module`` is whether cloudStream was switched on at start (``None``: no line
    says so). ``last_words`` is the line with which the last process that ended did so, if that was read.
    """

    pod: str
    from_start: bool = False
    servers: frozenset[str] = frozenset()
    stream_module: bool | None = None
    last_words: str = ""


@dataclass(frozen=True, slots=True)
class CloudcoreLog:
    """The logs of all pods of cloudcore.

    ``tunnels`` is when the tunnel of each edge last arrived, as far as logged, ``lost`` when the tunnel or the hub link
    of an edge broke that has brought no tunnel since.
    """

    pods: tuple[PodLog, ...] = ()
    tunnels: Mapping[str, datetime] = field(default_factory=dict)
    lost: Mapping[str, datetime] = field(default_factory=dict)

    def of(self, pod: str) -> PodLog | None:
        """The log of that pod."""
        return next((one for one in self.pods if one.pod == pod), None)


@fact
def cloudcore_log(
    cluster: Cluster, workload: CloudcoreWorkload, time: SiteTime
) -> CloudcoreLog | Unavailable:
    """The tails of the logs; for a pod that is not ready also how its last process ended."""
    logs: list[PodLog] = []
    tunnels: dict[str, datetime] = {}
    lost: dict[str, datetime] = {}
    missing: Unavailable | None = None
    for pod in workload.pods:
        answer = cluster.pod_log(NAMESPACE, pod.metadata.name, lines=LINES)
        if isinstance(answer, Unavailable):
            missing = answer
            answer = LogText("")
        lines = zoned(list(parse_lines(answer.text, time.now)), pod, time.now)
        logs.append(_read(pod.metadata.name, lines, _last_words(cluster, pod, lines, time.now)))
        for edge, moment in arrivals(lines).items():
            tunnels[edge] = max(moment, tunnels.get(edge, moment))
        for line in lines:
            gone = _LOST.search(line.message)
            if gone and line.time is not None:
                lost[gone[1] or gone[2]] = line.time
    lost = {name: time for name, time in lost.items() if time > tunnels.get(name, time - _QUARTER)}
    readable = [log for log in logs if log != PodLog(log.pod)]
    return missing if missing is not None and not readable else CloudcoreLog(tuple(logs), tunnels, lost)


def arrivals(lines: Iterable[LogLine]) -> dict[str, datetime]:
    """When the tunnel of each edge last arrived."""
    found: dict[str, datetime] = {}
    for line in lines:
        match = _AGENT.search(line.message)
        if match and line.time is not None:
            found[match[1]] = max(line.time, found.get(match[1], line.time))
    return found


def _read(pod: str, lines: Sequence[LogLine], last_words: str) -> PodLog:
    servers = {found[1] for line in lines if (found := _SERVER.search(line.message))}
    modules = [found[1] for line in lines if (found := _MODULE.search(line.message))]
    return PodLog(
        pod,
        from_start=any(line.message.startswith(_START) for line in lines),
        servers=frozenset(servers),
        stream_module=modules[-1] == "registered successfully" if modules else None,
        last_words=last_words,
    )


def _last_words(cluster: Cluster, pod: Pod, lines: Sequence[LogLine], now: datetime) -> str:
    if (is_ready(pod) and not keeps_dying(pod, now)) or not any(
        status.restart_count for status in pod.status.container_statuses or ()
    ):
        return ""
    previous = cluster.pod_log(NAMESPACE, pod.metadata.name, lines=200, previous=True)
    before = () if isinstance(previous, Unavailable) else tuple(parse_lines(previous.text, now))
    fatal = [line.raw for line in (*before, *lines) if line.severity == "F" or line.kind == "panic"]
    if fatal:
        return fatal[-1].strip()
    # Validation errors end cloudcore through klog.Exit, whose line may be split; the last line is what there is.
    return before[-1].raw.strip() if before else ""


def zoned(lines: list[LogLine], pod: Pod, now: datetime) -> list[LogLine]:
    """The lines with times in UTC: klog writes the zone of cloudcore's host, which the chart mounts."""
    started = running_since(pod)
    first = next((line.time for line in lines if line.message.startswith(_START)), None)
    if first is not None and started is not None:
        shift = round((first - started) / _QUARTER) * _QUARTER
    else:
        last = next((line.time for line in reversed(lines) if line.time is not None), None)
        shift = round((last - now) / _QUARTER) * _QUARTER if last is not None and last > now else timedelta(0)
    return [_shifted(line, shift) for line in lines] if shift else lines


def _shifted(line: LogLine, shift: timedelta) -> LogLine:
    if line.time is None or line.kind != "klog":
        return line
    return LogLine(
        line.severity,
        line.time - shift,
        line.pid,
        line.source,
        line.message,
        line.raw,
        line.kind,
        line.fields,
    )
