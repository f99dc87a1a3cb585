"""The Service in front of cloudcore, where edges need it (facts.md §1.3)."""

from __future__ import annotations

from kedoctor.api import (
    Certainty,
    Evidence,
    Finding,
    Risk,
    Side,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    skipped,
    warned,
)
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreService, CloudcoreWorkload
from kedoctor.checks.facts.cluster.nodes import EdgeNodes
from kedoctor.checks.parsers.kubernetes import Service

__all__ = ["cloudcore_service"]

_SUBJECT = "service/kubeedge/cloudcore"
_NODE_PORTS = {10000: 30000, 10002: 30002}
"""What an edge needs besides the tunnel port (KE102): the hub and the certificates, with the chart's node ports."""


@check(
    code="KE106",
    slug="cloudcore-service",
    title=Text(
        "The Service of cloudcore lets edges in, where they need it",
        zh="需要时，cloudcore 的 Service 允许边缘节点接入",
    ),
    side=Side.SITE,
    breaks=(*ALL_STREAMS, "ready"),
    hop="link",
    remedy=Text(
        "Make the Service of type NodePort with the ports of the chart, or run cloudcore with hostNetwork.",
        zh="将 Service 设为 NodePort 并使用 chart 的端口，或让 cloudcore 使用 hostNetwork。",
    ),
    risk=Risk.SAFE,
    references=("facts.md §1.3", "facts.md §10 (20)"),
)
def cloudcore_service(
    service: CloudcoreService, workload: CloudcoreWorkload, edges: EdgeNodes | Unavailable
) -> Finding:
    """With hostNetwork edges dial the host and the Service does not matter; without it they need a node port."""
    if workload.host_network is None:
        return skipped(
            Text("There is no cloudcore in this cluster (KE105).", zh="本集群中没有 cloudcore（KE105）。"),
            subject=_SUBJECT,
        )
    if workload.host_network:
        return passed(
            Text(
                "cloudcore is on the host network: edges dial its host, and its Service does not matter to them.",
                zh="cloudcore 使用主机网络：边缘节点直接连接其主机，与 Service 无关。",
            ),
            subject=_SUBJECT,
        )
    lacking = [port for port in _NODE_PORTS if not _open(service.service, port)]
    if not lacking:
        return passed(
            Text(
                "The Service of cloudcore opens 10000 and 10002 to the outside.",
                zh="cloudcore 的 Service 对外开放 10000 和 10002。",
            ),
            subject=_SUBJECT,
        )
    reached = isinstance(edges, EdgeNodes) and any(node.is_ready for node in edges.items)
    return _closed(service.service, lacking, reached=reached)


def _open(service: Service | None, port: int) -> bool:
    if service is None or service.spec.type not in ("NodePort", "LoadBalancer"):
        return False
    return any(
        port in (one.target_port, one.port) and one.protocol == "TCP" for one in service.spec.ports or ()
    )


def _closed(service: Service | None, lacking: list[int], *, reached: bool) -> Finding:
    ports = " and ".join(str(port) for port in lacking)
    ports_zh = "、".join(str(port) for port in lacking)
    kind = service.spec.type if service is not None else "none"
    if service is None:
        why = Text("it has no Service", zh="没有 Service")
    elif service.spec.type not in ("NodePort", "LoadBalancer"):
        why = Text(f"its Service is of type {kind}", zh=f"其 Service 类型为 {kind}")
    else:
        why = Text(f"its Service has no port {ports}", zh=f"其 Service 没有端口 {ports_zh}")
    summary = Text(
        f"cloudcore is not on the host network and {why.en}: edges have no way in to {ports}.",
        zh=f"cloudcore 未使用主机网络，且{why.zh}：边缘节点无法接入 {ports_zh}。",
    )
    node_ports = ", ".join(f"{port} as {_NODE_PORTS[port]}" for port in lacking)
    expected = Text(f"type NodePort with {node_ports}", zh=f"NodePort 类型，端口映射 {node_ports}")
    hint = Text(
        "Install the chart with cloudCore.hostNetWork=false, or add the node ports by hand; edges then use 30000 to 30004.",
        zh="用 cloudCore.hostNetWork=false 安装 chart，或手工添加节点端口；边缘节点随后使用 30000 至 30004。",
    )
    commands = (
        "kubectl -n kubeedge get service cloudcore -o yaml",
        "kubectl -n kubeedge edit service cloudcore",
    )
    evidence = (Evidence(_SUBJECT, f"type: {kind}"),)
    if reached:
        return warned(
            Text(
                f"{summary.en} Something else lets them in now, for edges are Ready.",
                zh=f"{summary.zh}目前由其他方式接入，因为有边缘节点为 Ready。",
            ),
            expected=expected,
            actual=f"type {kind}",
            hint=hint,
            subject=_SUBJECT,
            evidence=evidence,
            commands=commands,
            breaks=(),
            hop="",
        )
    return failed(
        summary,
        expected=expected,
        actual=f"type {kind}",
        hint=hint,
        subject=_SUBJECT,
        evidence=evidence,
        commands=commands,
        certainty=Certainty.IMPLIED,
    )
