"""Edge nodes as Kubernetes sees them: ready or not, and since when they have not been heard of."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from kedoctor.api import (
    EveryHost,
    Evidence,
    Finding,
    Reason,
    Side,
    Status,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    replace,
    unknown,
    warned,
)
from kedoctor.checks.causality import NOT_READY
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreWorkload
from kedoctor.checks.facts.cloud.relayed import NOT_TRIED, ProvedEdges
from kedoctor.checks.facts.cluster.metrics import NodeSamples
from kedoctor.checks.facts.cluster.nodes import EdgeNode, EdgeNodes
from kedoctor.checks.facts.cluster.site_info import SiteTime
from kedoctor.checks.facts.edge.sockets_and_probes import HubLink
from kedoctor.checks.parsers.durations import ago

__all__ = ["node_ready"]

_LONG = timedelta(days=1)
_JOINING = timedelta(seconds=60)
_BACK = timedelta(seconds=75)  # after a start of cloudcore every edge is back by then (facts.md §10.2)
_NOT_READ = Unavailable(Reason.NOT_RECORDED, "cloudcore")
_NO_HOSTS: EveryHost[HubLink] = EveryHost({})


@check(
    code="KE702",
    slug="node-ready",
    title=Text("Every edge node is Ready", zh="每个边缘节点均为 Ready"),
    side=Side.SITE,
    breaks=(*ALL_STREAMS, "ready"),
    hop="link",
    explained_by=NOT_READY,
    proves=("ready",),
    references=("facts.md §2.2", "facts.md §7", "testbed.md case j", "testbed.md case g1"),
)
def node_ready(
    edges: EdgeNodes,
    time: SiteTime | Unavailable,
    samples: NodeSamples | Unavailable,
    proved: ProvedEdges = NOT_TRIED,
    *,
    workload: CloudcoreWorkload | Unavailable = _NOT_READ,
    links: EveryHost[HubLink] = _NO_HOSTS,
) -> Iterator[Finding]:
    """The Ready condition of every edge node; a cordoned node that is away is absent as planned.

    A Ready condition alone proves nothing, for it outlives edgecore by 40 s: the edge has to answer, or its own host
    has to show the link that the condition came through.
    """
    if not edges.items:
        yield unknown(
            Text(
                "No edge node: no node carries node-role.kubernetes.io/edge or runs KubeEdge.",
                zh="没有边缘节点：没有节点带标签 node-role.kubernetes.io/edge 或运行 KubeEdge。",
            ),
            hint=Text(
                "Join an edge with keadm join, then look again.", zh="请先用 keadm join 加入边缘节点。"
            ),
            commands=("kubectl get nodes -o wide",),
        )
    now = None if isinstance(time, Unavailable) else time.now
    started = None if isinstance(workload, Unavailable) else workload.started
    linked = {one.node for one in links.known().values() if one.held}
    for node in edges.items:
        seen = not isinstance(samples, Unavailable) and samples.fresh(node.name)
        # For 40 s after its edgecore has stopped a Node is still Ready: only what answers now is there now.
        answers = node.name in proved.names
        found = _judge(node, now, tunnel_seen=seen and (answers or node.name not in proved.asked))
        if found.status is not Status.PASS:
            yield found
        elif now is not None and _unheard(node, started, now):
            yield _not_heard(node)
        else:
            yield replace(found, proves=("ready",) if answers or node.name in linked else ())


def _unheard(node: EdgeNode, started: datetime | None, now: datetime) -> bool:
    """Whether a Node is Ready only by what it said before cloudcore was started, a moment ago."""
    if started is None or node.lease is None or not timedelta(0) <= now - started < _BACK:
        return False
    return node.lease < started


def _not_heard(node: EdgeNode) -> Finding:
    return unknown(
        Text(
            f"{node.name} reported Ready before cloudcore was started and has reported nothing since.",
            zh=f"{node.name} 的 Ready 是 cloudcore 启动之前上报的；此后尚无消息。",
        ),
        subject=node.name,
        node=node.name,
        commands=(f"kubectl -n kube-node-lease get lease {node.name} -o yaml",),
    )


def _judge(node: EdgeNode, now: datetime | None, *, tunnel_seen: bool) -> Finding:
    if node.is_ready:
        return passed(
            Text(f"{node.name} is Ready.", zh=f"{node.name} 为 Ready。"), subject=node.name, node=node.name
        )
    if node.absent_as_planned:
        return _planned(node, now)
    if node.created is not None and now is not None and now - node.created < _JOINING:
        return unknown(
            Text(
                f"{node.name} joined {ago(now, node.created).en}; it has a minute to become Ready.",
                zh=f"{node.name} 在{ago(now, node.created).zh}加入；最多需要一分钟变为 Ready。",
            ),
            subject=node.name,
            node=node.name,
        )
    return _not_ready(node, now, tunnel_seen=tunnel_seen)


def _planned(node: EdgeNode, now: datetime | None) -> Finding:
    last = _last_heard(node, now)
    return warned(
        Text(
            f"{node.name} is away and was cordoned before: taken as a planned absence.{last.en}",
            zh=f"{node.name} 不在线，且此前已被 cordon：视为计划内离线。{last.zh}",
        ),
        expected=Text("Ready once it is back", zh="恢复后变为 Ready"),
        actual=_actual(node),
        hint=Text(
            "Uncordon it when it is back, or delete the Node if it will not come back.",
            zh="恢复后执行 uncordon；若不再使用，请删除该 Node。",
        ),
        commands=(f"kubectl uncordon {node.name}",),
        subject=node.name,
        node=node.name,
        breaks=(),
        hop="",
    )


def _not_ready(node: EdgeNode, now: datetime | None, *, tunnel_seen: bool) -> Finding:
    silent = node.ready is None or node.ready.status == "Unknown"
    last = _last_heard(node, now)
    return failed(
        _silent(node, last, tunnel_seen=tunnel_seen) if silent else _reports(node),
        expected=Text("condition Ready=True, reason EdgeReady", zh="Ready=True，原因 EdgeReady"),
        actual=_actual(node),
        hint=_hint(node, now, silent=silent),
        commands=_commands(node, silent=silent),
        subject=node.name,
        node=node.name,
        evidence=(Evidence(f"node/{node.name}, status.conditions", _quoted(node)),),
        breaks=("ready",) if tunnel_seen or not silent else None,
        hop="link" if silent else "runtime",
    )


def _silent(node: EdgeNode, last: Text, *, tunnel_seen: bool) -> Text:
    if node.ready is None:
        return Text(
            f"{node.name} has never reported a status; its Node object may have been created by hand.",
            zh=f"{node.name} 从未上报状态；该 Node 对象可能是手工创建的。",
        )
    but_en = " Its tunnel still answers: only the link to port 10000 is gone." if tunnel_seen else ""
    but_zh = "其隧道仍有应答：只有到 10000 端口的连接断开。" if tunnel_seen else ""
    return Text(
        f"{node.name} is not Ready: it no longer reports ({_reason(node)}).{last.en}{but_en}",
        zh=f"{node.name} 不是 Ready：已不再上报（{_reason(node)}）。{last.zh}{but_zh}",
    )


def _reports(node: EdgeNode) -> Text:
    message = node.ready.message if node.ready else ""
    return Text(
        f"{node.name} reports itself not Ready: {_reason(node)}: {message}",
        zh=f"{node.name} 上报自身不是 Ready：{_reason(node)}：“{message}”",
    )


def _hint(node: EdgeNode, now: datetime | None, *, silent: bool) -> Text:
    silence = node.heard_before(now) if now is not None else None
    if silent and silence is not None and silence > _LONG:
        return Text(
            f"If {node.name} is switched off as planned, cordon it; otherwise look at edgecore on it.",
            zh=f"若 {node.name} 属计划内关机，请将其 cordon；否则请检查该机器上的 edgecore。",
        )
    if silent:
        return Text(
            f"Look at edgecore on {node.name}, and whether it reaches port 10000 of the cloud.",
            zh=f"请检查 {node.name} 上的 edgecore，以及它能否连到云端 10000 端口。",
        )
    return Text(
        f"Look at the container runtime and CNI on {node.name}.",
        zh=f"请检查 {node.name} 上的容器运行时和 CNI。",
    )


def _commands(node: EdgeNode, *, silent: bool) -> tuple[str, ...]:
    if silent:
        return (
            f"kubectl describe node {node.name}",
            f"sudo systemctl status edgecore  # on {node.name}",
            f"sudo journalctl -u edgecore -n 50 --no-pager  # on {node.name}",
            f"sudo kedoctor run  # on {node.name}",
        )
    return (
        f"kubectl describe node {node.name}",
        f"sudo crictl info  # on {node.name}",
        f"sudo kedoctor run  # on {node.name}",
    )


def _last_heard(node: EdgeNode, now: datetime | None) -> Text:
    silence = node.heard_before(now) if now is not None else None
    if now is None or silence is None:
        return Text("", zh="")
    when = ago(now, now - silence)
    return Text(f" It was last heard of {when.en}.", zh=f"最后一次上报在{when.zh}。")


def _reason(node: EdgeNode) -> str:
    return node.ready.reason if node.ready else "no Ready condition"


def _actual(node: EdgeNode) -> str:
    return f"Ready={node.ready.status}, {node.ready.reason}" if node.ready else "no Ready condition"


def _quoted(node: EdgeNode) -> str:
    taints = ", ".join(sorted({f"{taint.key}:{taint.effect}" for taint in node.taints}))
    told = f"{_actual(node)}: {node.ready.message}" if node.ready else _actual(node)
    return f"{told}; taints {taints}" if taints else told
