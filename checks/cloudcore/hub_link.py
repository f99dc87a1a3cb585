"""The link of edges to CloudHub over time: how many it takes, how often it hears of them, who replaces whom."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence

from kedoctor.api import (
    Certainty,
    EveryHost,
    Evidence,
    Finding,
    Risk,
    Side,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    patterns,
    skipped,
    unknown,
    warned,
)
from kedoctor.checks.causality import CLOUD_OUT_OF_REACH, EDGECORE_ENDS
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreConfig
from kedoctor.checks.facts.cloud.cloudcore_log_lines import WINDOW, CloudcoreLines
from kedoctor.checks.facts.cluster.nodes import EdgeNodes
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig
from kedoctor.checks.parsers.logs.klog import LogLine

__all__ = ["cloudcore_node_limit", "heartbeat_keepalive", "session_flapping"]

_CONFIG_MAP = "configmap/kubeedge/cloudcore"
_EDIT = "kubectl -n kubeedge edit configmap cloudcore"
_RECREATE = "kubectl -n kubeedge delete pod -l kubeedge=cloudcore"
_MINUTES = round(WINDOW.total_seconds() / 60)

# ---------------------------------------------------------------------------------------------- node limit

_REFUSED = patterns.compiled(r"Fail to serve node (\S+), reach node limit")
_NEARLY = 0.9


@check(
    code="KE109",
    slug="cloudcore-node-limit",
    title=Text("cloudcore may serve as many edges as there are", zh="cloudcore 允许的节点数足够"),
    side=Side.SITE,
    breaks=("ready",),
    hop="link",
    explained_by=("KE103",),
    remedy=Text("Raise modules.cloudHub.nodeLimit.", zh="提高 modules.cloudHub.nodeLimit。"),
    risk=Risk.RESTARTS_CLOUDCORE,
    references=("facts.md §1.2", "facts.md §5.2", "facts.md §10 (42)"),
)
def cloudcore_node_limit(
    config: CloudcoreConfig, edges: EdgeNodes, lines: CloudcoreLines | Unavailable
) -> Iterator[Finding]:
    """The edges that are Ready on the fullest cloudcore against ``nodeLimit``, and edges it said no to."""
    limit = config.port("modules.cloudHub.nodeLimit")
    told = () if isinstance(lines, Unavailable) else lines.lines
    refused = {found[1]: line for line in told if (found := _REFUSED.search(line.message))}
    absent = {node.name for node in edges.items if not node.is_ready}
    for name in sorted(refused.keys() & absent):
        yield _over(name, limit, refused[name])
    if not refused.keys() & absent:
        yield _filled(limit, edges)


def _over(name: str, limit: int, line: LogLine) -> Finding:
    return failed(
        Text(
            f"cloudcore refuses {name}: it already serves {limit} edges, its nodeLimit.",
            zh=f"cloudcore 拒绝 {name}：已达到 nodeLimit（{limit} 个边缘节点）。",
        ),
        expected=Text("a nodeLimit above the number of edges", zh="nodeLimit 大于边缘节点数量"),
        actual=f"nodeLimit {limit}",
        hint=Text("Raise nodeLimit, then restart cloudcore.", zh="提高 nodeLimit，然后重启 cloudcore。"),
        subject=name,
        node=name,
        evidence=(Evidence("log of cloudcore", line.raw.strip()),),
        commands=(_EDIT, _RECREATE),
    )


def _filled(limit: int, edges: EdgeNodes) -> Finding:
    served = Counter(node.cloudcore for node in edges.items if node.is_ready)
    most = max(served.values(), default=0)
    if limit <= 0 or most < _NEARLY * limit:
        return passed(
            Text(
                f"{most} edges are Ready on one cloudcore; it takes {limit}.",
                zh=f"单个 cloudcore 上有 {most} 个边缘节点 Ready；上限为 {limit}。",
            ),
            subject=_CONFIG_MAP,
        )
    return warned(
        Text(
            f"{most} edges are Ready on one cloudcore, which refuses more than {limit} (nodeLimit).",
            zh=f"单个 cloudcore 上有 {most} 个边缘节点 Ready，超过 {limit} 个（nodeLimit）将被拒绝。",
        ),
        expected=Text("at most 90 % of nodeLimit", zh="不超过 nodeLimit 的 90%"),
        actual=Text(f"{most} of {limit}", zh=f"{most}／上限 {limit}"),
        hint=Text(
            "Raise nodeLimit before more edges join, then restart cloudcore.",
            zh="在更多边缘节点加入前提高 nodeLimit，然后重启 cloudcore。",
        ),
        subject=_CONFIG_MAP,
        commands=(_EDIT, _RECREATE),
        breaks=(),
        hop="",
    )


# ----------------------------------------------------------------------------------- heartbeat, keepalive


@check(
    code="KE110",
    slug="heartbeat-keepalive",
    title=Text("Edges report more often than cloudcore expects", zh="边缘节点心跳比 cloudcore 期望的更频繁"),
    side=Side.SITE,
    breaks=("ready",),
    hop="link",
    remedy=Text(
        "Set edgeHub.heartbeat below cloudHub.keepaliveInterval (15 and 30).",
        zh="使 edgeHub.heartbeat 小于 cloudHub.keepaliveInterval（15 与 30）。",
    ),
    risk=Risk.RESTARTS_EDGECORE,
    references=("facts.md §1.2", "facts.md §2.2", "facts.md §10 (41)"),
)
def heartbeat_keepalive(cloud: CloudcoreConfig, edges: EveryHost[EdgecoreConfig]) -> Iterator[Finding]:
    """``heartbeat`` of every edge that is seen against the one ``keepaliveInterval``."""
    keepalive = cloud.port("modules.cloudHub.keepaliveInterval")
    seen = edges.known()
    if not seen or keepalive <= 0:
        yield skipped(
            Text(
                "Not compared: no edge host is in view, whose edgecore.yaml says how often it reports.",
                zh="未比较：当前没有边缘主机可供查看其 edgecore.yaml 中的心跳间隔。",
            )
        )
    for config in seen.values() if keepalive > 0 else ():
        yield _beat(config, keepalive)


def _beat(config: EdgecoreConfig, keepalive: int) -> Finding:
    node, heartbeat = config.node_name, config.number("modules.edgeHub.heartbeat")
    if heartbeat < keepalive:
        return passed(
            Text(
                f"{node} reports every {heartbeat} s; cloudcore waits {keepalive} s.",
                zh=f"{node} 每 {heartbeat} 秒上报一次；cloudcore 等待 {keepalive} 秒。",
            ),
            subject=node,
            node=node,
        )
    return failed(
        Text(
            f"{node} reports every {heartbeat} s, but cloudcore drops an edge after {keepalive} s of silence.",
            zh=f"{node} 每 {heartbeat} 秒上报一次，而 cloudcore 在 {keepalive} 秒未收到后即断开。",
        ),
        expected=Text(f"heartbeat below {keepalive}", zh=f"heartbeat 小于 {keepalive}"),
        actual=f"heartbeat {heartbeat}, keepaliveInterval {keepalive}",
        hint=Text(
            "Set edgeHub.heartbeat to 15 (or keepaliveInterval above it), then restart that side.",
            zh="将 edgeHub.heartbeat 设为 15（或提高 keepaliveInterval），然后重启相应一侧。",
        ),
        subject=node,
        node=node,
        evidence=(
            Evidence(
                config.path,
                f"modules.edgeHub.heartbeat: {heartbeat}",
                config.line("modules.edgeHub.heartbeat"),
            ),
        ),
        commands=(f"sudo vi {config.path}  # on {node}", f"sudo systemctl restart edgecore  # on {node}"),
    )


# ------------------------------------------------------------------------------------------------ flapping

_REPLACED = patterns.compiled(r"session exists for (\S+), close old session")
_AGENT = patterns.compiled(r"get a new tunnel agent hostname (\S+), internalIP (\S+)")
_OFTEN = 3


@check(
    code="KE509",
    slug="session-flapping",
    title=Text("No edge replaces its own session again and again", zh="没有边缘节点反复替换自身会话"),
    side=Side.SITE,
    breaks=(*ALL_STREAMS, "ready"),
    hop="session",
    # What makes edgecore start, or the hub connect, again and again; who is refused never has a session to lose.
    explained_by=(*EDGECORE_ENDS, *CLOUD_OUT_OF_REACH, "KE110"),
    remedy=Text(
        "Give each machine a name of its own (hostnameOverride, new certificate).",
        zh="为每台机器使用各自的名称（hostnameOverride 与新证书）。",
    ),
    references=("facts.md §5.1", "facts.md §5.2", "facts.md §10 (5)"),
)
def session_flapping(lines: CloudcoreLines, edges: EdgeNodes) -> Iterator[Finding]:
    """Sessions that cloudcore closed for a new one of the same name, and tunnels from changing addresses."""
    replaced, tunnels = _by_name(_REPLACED, lines.lines), _by_name(_AGENT, lines.lines)
    flapping = [
        (name, shown, _addresses(tunnels.get(name, [])))
        for name in edges.names
        if (shown := _flapping(replaced.get(name, []), tunnels.get(name, [])))
    ]
    for name, shown, addresses in flapping:
        yield _two_of(name, shown, sorted(set(addresses)))
    if not edges.items:
        yield unknown(Text("There is no edge node to judge.", zh="没有可判断的边缘节点。"))
    elif not flapping:
        yield passed(
            Text(
                f"No session was replaced repeatedly in the last {_MINUTES} minutes.",
                zh=f"最近 {_MINUTES} 分钟内没有会话被反复替换。",
            )
        )


def _by_name(pattern: patterns.Pattern[str], lines: Sequence[LogLine]) -> dict[str, list[LogLine]]:
    """The lines that match, by the name of the edge; the log is gone through once, however many edges there are."""
    found: dict[str, list[LogLine]] = {}
    for line in lines:
        if match := pattern.search(line.message):
            found.setdefault(match[1], []).append(line)
    return found


def _flapping(replaced: list[LogLine], tunnels: list[LogLine]) -> list[LogLine]:
    """The lines that show it, none when it is no more than a few restarts."""
    changes = sum(one != other for one, other in itertools.pairwise(_addresses(tunnels)))
    if changes >= _OFTEN:
        return tunnels
    return replaced if len(replaced) >= _OFTEN else []


def _addresses(tunnels: list[LogLine]) -> list[str]:
    return [match[2] for line in tunnels if (match := _AGENT.search(line.message))]


def _two_of(name: str, shown: list[LogLine], addresses: list[str]) -> Finding:
    several = len(addresses) > 1
    told = ", ".join(addresses)
    summary = Text(
        f"Two machines call themselves {name}: tunnels of that name come from {told} in turn."
        if several
        else f"cloudcore replaced the session of {name} {len(shown)} times in {_MINUTES} minutes.",
        zh=f"有两台机器都叫 {name}：该名称的隧道轮流来自 {told}。"
        if several
        else f"cloudcore 在 {_MINUTES} 分钟内替换了 {name} 的会话 {len(shown)} 次。",
    )
    return failed(
        summary,
        expected=Text("one session per edge that stays", zh="每个边缘节点一个稳定的会话"),
        actual=Text(f"{len(shown)} in {_MINUTES} minutes", zh=f"{_MINUTES} 分钟内 {len(shown)} 次"),
        hint=Text(
            "Look for a second machine of that name (a cloned image); if there is none, see why edgecore reconnects.",
            zh="查找同名的另一台机器（克隆的镜像）；若没有，请查明 edgecore 为何反复重连。",
        ),
        subject=name,
        node=name,
        evidence=tuple(Evidence("log of cloudcore", line.raw.strip()) for line in shown[-3:]),
        commands=(
            f"kubectl -n kubeedge logs -l kubeedge=cloudcore --since=10m | grep {name}",
            f"sudo journalctl -u edgecore -n 50 --no-pager  # on {name}",
        ),
        certainty=Certainty.PROVED if several else Certainty.IMPLIED,
    )
