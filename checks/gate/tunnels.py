"""Whether an edge lost its tunnel while it was asked: then edgecore restarted, or its connection broke.

A defect of edgecore makes the first possible: some ends of exec and attach make it panic (kubeedge/kubeedge#6488).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from kedoctor.api import (
    Cluster,
    Evidence,
    Finding,
    GatePod,
    Side,
    Text,
    Unavailable,
    check,
    fact,
    passed,
    unknown,
    warned,
)
from kedoctor.checks.facts.cloud.cloudcore import NAMESPACE, CloudcoreWorkload
from kedoctor.checks.facts.cloud.cloudcore_log import arrivals, zoned
from kedoctor.checks.facts.cluster.nodes import EdgeNodes
from kedoctor.checks.facts.cluster.site_info import SiteTime
from kedoctor.checks.gate.facts import AttachTrips, ExecTrips, GatePods, LogTrips
from kedoctor.checks.gate.wording import each_edge
from kedoctor.checks.parsers.logs.klog import parse_lines

__all__ = ["NewTunnels", "tunnel_kept"]

_LINES = 1000


@dataclass(frozen=True, slots=True)
class NewTunnels:
    """When the tunnel of each edge last arrived at cloudcore, by the end of its log (aware)."""

    arrived: Mapping[str, datetime] = field(default_factory=dict)


@fact
def new_tunnels(
    cluster: Cluster,
    workload: CloudcoreWorkload,
    time: SiteTime,
    pods: GatePods,
    *,
    logs: LogTrips,
    execs: ExecTrips,
    attached: AttachTrips,
) -> NewTunnels | Unavailable:
    """Read after the round trips were made, whatever came of them; not at all without test pods."""
    del logs, execs, attached
    if not pods.running:
        return NewTunnels()
    found: dict[str, datetime] = {}
    for pod in workload.pods:
        answer = cluster.pod_log(NAMESPACE, pod.metadata.name, lines=_LINES)
        if isinstance(answer, Unavailable):
            return answer
        for edge, moment in arrivals(zoned(list(parse_lines(answer.text, time.now)), pod, time.now)).items():
            found[edge] = max(moment, found.get(edge, moment))
    return NewTunnels(found)


@check(
    code="KE905",
    slug="tunnel-kept",
    title=Text("No edge loses its tunnel while it is asked", zh="检查期间没有边缘节点断开隧道"),
    side=Side.SITE,
    references=("facts.md §5.1",),
    deadline=1800.0,
)
def tunnel_kept(
    pods: GatePods, tunnels: NewTunnels | Unavailable, edges: EdgeNodes | Unavailable
) -> Iterator[Finding]:
    """Each tunnel that arrives is in the log of cloudcore; none may be newer than the test pod of its edge."""
    return each_edge(pods, edges, partial(_judge, tunnels))


def _judge(tunnels: NewTunnels | Unavailable, pod: GatePod) -> Finding:
    edge, made = pod.node, pod.metadata.creation_timestamp
    if isinstance(tunnels, Unavailable):
        return unknown(
            Text(
                f"Whether {edge} kept its tunnel is unknown: {tunnels}.",
                zh=f"无法判断 {edge} 的隧道是否中断过：{tunnels.in_chinese}。",
            ),
            subject=edge,
            node=edge,
        )
    arrived = tunnels.arrived.get(edge)
    if arrived is None or made is None or arrived <= made:
        return passed(
            Text(f"{edge} kept its tunnel while it was asked.", zh=f"检查期间 {edge} 的隧道未中断。"),
            subject=edge,
            node=edge,
        )
    return _lost(edge, f"{arrived:%H:%M:%S} UTC", f"{made:%Y-%m-%d %H:%M:%S} UTC")


def _lost(edge: str, arrived: str, made: str) -> Finding:
    return warned(
        Text(
            f"The tunnel of {edge} was made anew at {arrived}, while it was asked: edgecore restarted there, or lost its "
            "connection.",
            zh=f"{edge} 的隧道在检查期间（{arrived}）重新建立：该处 edgecore 重启过，或连接中断过。",
        ),
        expected=Text("the tunnel that was there before the test pod", zh="测试 Pod 创建之前的隧道"),
        actual=f"a new one at {arrived}",
        hint=Text(
            f"See on {edge} whether edgecore panicked (`send on closed channel` is a known defect of KubeEdge, "
            "kubeedge/kubeedge#6488); if it did not, the link loses connections.",
            zh=f"请在 {edge} 上查看 edgecore 是否 panic（`send on closed channel` 是 KubeEdge 的已知缺陷 "
            "kubeedge/kubeedge#6488）；若没有，则链路不稳定。",
        ),
        subject=edge,
        node=edge,
        evidence=(Evidence("log of cloudcore", f"get a new tunnel agent hostname {edge} ({arrived})"),),
        commands=(f"sudo journalctl -u edgecore --since '{made}' | grep -A4 panic  # on {edge}",),
    )
