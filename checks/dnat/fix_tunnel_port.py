"""Correcting the record of tunnel ports, and the port of a single edge Node (KE301, KE302), and a session that is dead (KE508)."""

from __future__ import annotations

import json
from collections.abc import Mapping

from kedoctor.api import (
    EveryHost,
    NoPlan,
    PatchObject,
    Plan,
    RestartPods,
    RestartUnit,
    Risk,
    Text,
    Unavailable,
    Verdict,
    remedy,
)
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreWorkload
from kedoctor.checks.facts.cloud.cloudcores import Cloudcores
from kedoctor.checks.facts.cluster.nodes import EdgeNodes
from kedoctor.checks.facts.cluster.tunnel_port import RecordState, TunnelPortRecord
from kedoctor.checks.facts.edge.edgecore import UNIT_NAME, EdgeName
from kedoctor.checks.parsers.host_port import is_ip
from kedoctor.checks.plans.cloudcore import (
    AFTER_CLOUD,
    AFTER_CLOUDCORE,
    NOTHING_NOTICED,
    noticed,
    restart_cloudcore,
    risk_of,
)
from kedoctor.checks.plans.touches import TUNNELPORT

__all__ = ["kubelet_port", "tunnelport"]

_RECORD = "/api/v1/namespaces/kubeedge/configmaps/tunnelport"
_ANNOTATION = "tunnelportrecord.kubeedge.io"
_AFTER_EDGECORE = 60.0
"""A restarted edgecore has its tunnel in 2 s, and its port at the latest 20 s after a conflict (facts.md §3.2)."""


@remedy("KE302", touches=TUNNELPORT)
def tunnelport(
    verdict: Verdict,
    record: TunnelPortRecord,
    workload: CloudcoreWorkload,
    cloudcores: Cloudcores | Unavailable,
    edges: EdgeNodes | Unavailable,
) -> Plan | NoPlan:
    """The annotation without keys that lead nowhere and with those that lack, or an empty one that cloudcore fills at its next start."""
    if record.state is RecordState.NO_CONFIG_MAP or (record.state is RecordState.READ and not record.ports):
        return _anew(verdict, (), restart_cloudcore(workload))
    if record.state is not RecordState.READ:
        return _anew(verdict, (_annotate({}, frozenset()),), restart_cloudcore(workload))
    ports = _completed(record, cloudcores, edges) or _right(record, workload)
    if not ports or ports == dict(record.ports):
        return NoPlan(_NOT_CERTAIN if ports else _NO_ADDRESS)
    return Plan(
        code=verdict.code,
        subject=verdict.subject,
        title=_title(record.ports, ports),
        prediction=_PREDICTED if _malformed(record.ports) else NOTHING_NOTICED,
        risk=Risk.SAFE,
        actions=(_annotate(ports, record.reserved),),
        settle=AFTER_CLOUD,
    )


def _anew(
    verdict: Verdict, actions: tuple[PatchObject, ...], restarts: tuple[RestartPods, ...]
) -> Plan | NoPlan:
    if not restarts:
        return NoPlan(_CLOUDCORE_FIRST)
    return Plan(
        code=verdict.code,
        subject=verdict.subject,
        title=Text(
            "let cloudcore write the record of tunnel ports anew by restarting it",
            zh="重启 cloudcore，使其重新写入隧道端口记录",
        ),
        prediction=noticed(restarts),
        risk=risk_of(restarts),
        actions=actions,
        restarts=restarts,
        settle=AFTER_CLOUDCORE,
    )


def _annotate(ports: Mapping[str, int], reserved: frozenset[int]) -> PatchObject:
    # Go writes the keys of a map in order and without blanks; cloudcore then finds nothing to change in it.
    text = json.dumps(
        {
            "ipTunnelPort": dict(sorted(ports.items())),
            "port": {str(port): True for port in sorted(reserved)},
        },
        separators=(",", ":"),
    )
    return PatchObject(_RECORD, "merge", {"metadata": {"annotations": {_ANNOTATION: text}}})


def _malformed(ports: Mapping[str, int]) -> bool:
    return any(not ip or ":" in ip for ip in ports)


def _right(record: TunnelPortRecord, workload: CloudcoreWorkload) -> dict[str, int]:
    """The record with live addresses only. The empty or IPv6 key of a cloudcore gets that cloudcore's IPv4 address.

    Which address is stale is certain only when every running cloudcore is accounted for by another one.
    """
    unusable = {ip: port for ip, port in record.ports.items() if not ip or ":" in ip}
    kept = {ip: port for ip, port in record.ports.items() if ip not in unusable}
    missing = [ip for pod in workload.live if (ip := pod.status.host_ip or pod.status.pod_ip) not in kept]
    if len(unusable) == 1 and len(missing) == 1 and is_ip(missing[0]) and ":" not in missing[0]:
        return {**kept, missing[0]: next(iter(unusable.values()))}
    live = {ip: port for ip, port in kept.items() if ip in workload.addresses}
    return live if workload.live and len(live) >= len(workload.live) else kept


def _completed(
    record: TunnelPortRecord, cloudcores: Cloudcores | Unavailable, edges: EdgeNodes | Unavailable
) -> dict[str, int]:
    """The record with the one cloudcore that it lacks, whose port its edges have; empty where that is not certain.

    An address of nobody that stands at this port goes: it stands where that cloudcore should.
    """
    if isinstance(cloudcores, Unavailable):
        return {}
    lacking = cloudcores.unrecorded
    users = () if isinstance(edges, Unavailable) else edges.items
    nobody = [one for one in cloudcores.items if not one.pod and one.runs is False and one.edges]
    if len(lacking) == len(nobody) == 1 and is_ip(lacking[0].address) and nobody[0].port:
        kept = {ip: port for ip, port in record.ports.items() if ip != nobody[0].address}
        return {**kept, lacking[0].address: nobody[0].port}
    lost = {edge.port for edge in users if edge.port in record.reserved and edge.port not in record.current}
    if len(lacking) != 1 or len(lost) != 1 or not is_ip(lacking[0].address) or _malformed(record.ports):
        return {}
    return {**record.ports, lacking[0].address: lost.pop()}


def _title(before: Mapping[str, int], after: Mapping[str, int]) -> Text:
    gone = ", ".join(ip or repr(ip) for ip in before if ip not in after)
    new = ", ".join(f"{ip}: {port}" for ip, port in after.items() if ip not in before)
    if new and not gone:
        return Text(
            f"put the cloudcore that runs and is lacking ({new}) into the record of tunnel ports",
            zh=f"将缺少的、正在运行的 cloudcore（{new}）写入隧道端口记录",
        )
    if new:
        return Text(
            f"put cloudcore's IPv4 address into the record of tunnel ports ({new}) in place of {gone}",
            zh=f"在隧道端口记录中以 cloudcore 的 IPv4 地址（{new}）替换 {gone}",
        )
    return Text(
        f"take {gone} out of the record of tunnel ports, where no cloudcore runs",
        zh=f"从隧道端口记录中删除没有 cloudcore 的 {gone}",
    )


_PREDICTED = Text(
    "The rules are right within 10 seconds and edges notice nothing; but cloudcore writes the same key again at its "
    "next start until its host has an IPv4 default route.",
    zh="规则会在 10 秒内正确，边缘节点不受影响；但在其主机具有 IPv4 默认路由之前，cloudcore 下次启动仍会写入同样的键。",
)
_NOT_CERTAIN = Text(
    "which address on record is the stale one cannot be told from here; compare them with the pods: "
    "kubectl -n kubeedge get pods -l kubeedge=cloudcore -o wide",
    zh="无法从此处判断记录中哪个地址已过期；请与 Pod 对照：kubectl -n kubeedge get pods -l kubeedge=cloudcore -o wide",
)
_NO_ADDRESS = Text(
    "no address on record can be used, and without a running cloudcore nobody knows the right one; give cloudcore's "
    "host an IPv4 default route (ip route show default), then delete the cloudcore pod",
    zh="记录中没有可用地址，且没有运行中的 cloudcore 可供参照；请为 cloudcore 所在主机配置 IPv4 默认路由"
    "（ip route show default），然后删除 cloudcore Pod",
)
_CLOUDCORE_FIRST = Text(
    "cloudcore writes this record when it starts, and it has no pod now (KE105)",
    zh="该记录由 cloudcore 启动时写入，而它目前没有 Pod（见 KE105）",
)


@remedy("KE301", "KE508")
def kubelet_port(verdict: Verdict, names: EveryHost[EdgeName]) -> Plan | NoPlan:
    """A restart of edgecore, which only the edge can do: a new tunnel gives a new session and makes cloudcore write the port."""
    concerned = [node for node in (verdict.node, *verdict.nodes) if node]
    if not concerned:
        return NoPlan(_NO_STREAM_SERVER)
    if not {found.name for found in names.known().values()} & set(concerned):
        more = f" (+{len(concerned) - 1})" if len(concerned) > 1 else ""
        return NoPlan(_on_the_edge(f"{concerned[0]}{more}"))
    return Plan(
        code=verdict.code,
        subject=verdict.subject,
        title=Text(
            "restart edgecore: with its new tunnel cloudcore has a new session and writes the port into the Node",
            zh="重启 edgecore：新隧道建立后，cloudcore 会有新会话并将端口写入 Node",
        ),
        prediction=Text(
            "This edge reconnects within seconds; its containers keep running.",
            zh="该边缘节点会在数秒内重连；容器继续运行。",
        ),
        risk=Risk.RESTARTS_EDGECORE,
        actions=(),
        restarts=(RestartUnit(UNIT_NAME),),
        settle=_AFTER_EDGECORE,
    )


_NO_STREAM_SERVER = Text(
    "no edge is concerned but cloudcore itself, whose stream server does not answer (KE101, KE104, KE105)",
    zh="与边缘节点无关，是 cloudcore 自身的流服务没有应答（见 KE101、KE104、KE105）",
)


def _on_the_edge(node: str) -> Text:
    return Text(
        f"only {node} itself can dial a new tunnel, with which the session and the port come right: "
        f"sudo systemctl restart edgecore  (on {node}), or there: sudo kedoctor run --fix",
        zh=f"只有 {node} 自身能重新建立隧道，会话和端口随之恢复：sudo systemctl restart edgecore"
        f"（在 {node} 上），或在该机器运行 sudo kedoctor run --fix",
    )
