"""The first hops: the API server with what is traced, and the address and port that kube-apiserver dials."""

from __future__ import annotations

from kedoctor.api import EveryHost, StepResult, StepState, Text, TraceTarget, Unavailable, step
from kedoctor.checks.data_path import HOPS
from kedoctor.checks.dnat.kubelet_port import kubelet_port, recorded_port
from kedoctor.checks.dnat.preferred_address import FLAG, node_address
from kedoctor.checks.dnat.release_words import release_of
from kedoctor.checks.facts.cloud.apiserver_flags import ApiserverArguments
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreWorkload
from kedoctor.checks.facts.cluster.nodes import EdgeNode, EdgeNodes
from kedoctor.checks.facts.cluster.tunnel_port import TunnelPortRecord
from kedoctor.checks.facts.edge.routing import EdgeNames
from kedoctor.checks.trace.probes import dialled_port
from kedoctor.checks.trace.step_results import judged, off_api, ok
from kedoctor.checks.trace.target import Traced

__all__ = ["api_server", "dialled_address"]


@step(name="api", title=HOPS["api"], hop="api", unless=off_api)
def api_server(traced: Traced) -> StepResult:
    """The API server answers, and knows what was named."""
    unready = Text("", zh="") if traced.ready else Text(", which is not Ready", zh="，该节点不是 Ready")
    if traced.pod is None:
        return ok(
            Text(
                f"It answers; {traced.node} is an edge node{unready.en}.",
                zh=f"有应答；{traced.node} 是边缘节点{unready.zh}。",
            )
        )
    return ok(
        Text(
            f"It answers; pod {traced.label} is on {traced.node}{unready.en}.",
            zh=f"有应答；Pod {traced.label} 位于 {traced.node}{unready.zh}。",
        )
    )


@step(name="address", title=HOPS["address"], hop="address", unless=off_api)
def dialled_address(
    edges: EdgeNodes,
    record: TunnelPortRecord | Unavailable,
    apiservers: EveryHost[ApiserverArguments],
    names: EveryHost[EdgeNames],
    *,
    workload: CloudcoreWorkload | Unavailable,
    target: TraceTarget,
) -> StepResult:
    """What kube-apiserver dials and why: KE311 judges the address, KE301 the port."""
    found = judged(
        target.trace,
        (node_address, node_address(edges, apiservers, names)),
        (kubelet_port, [recorded_port(node, record, release_of(workload)) for node in edges.items]),
    )
    if found.state is not StepState.OK or not edges.items:
        return found
    node = edges.items[0]
    why = _why(node, next(iter(apiservers.known().values()), None))
    cloudcore = _cloudcore(node, record)
    return ok(
        Text(
            f"kube-apiserver dials {node.internal_ip}:{dialled_port(node)}: {why.en}; the port is in the Node's status and on "
            f"record for cloudcore {cloudcore}.",
            zh=f"kube-apiserver 连接 {node.internal_ip}:{dialled_port(node)}：{why.zh}；端口取自 Node 状态，且记录为 cloudcore "
            f"{cloudcore} 所有。",
        )
    )


def _why(node: EdgeNode, apiserver: ApiserverArguments | None) -> Text:
    if apiserver is None or FLAG not in apiserver.flags:
        return Text(
            "InternalIP, which kubeadm and K3s put first",
            zh="InternalIP（kubeadm 与 K3s 默认将其排在首位）",
        )
    order = apiserver.kubelet_preferred_address_types
    told = f"--{FLAG}={','.join(order)}"
    if order[0] == "Hostname" and node.hostname:
        return Text(
            f"the host name {node.hostname} comes first ({told})",
            zh=f"主机名 {node.hostname} 优先（{told}）",
        )
    return Text(f"InternalIP comes first ({told})", zh=f"InternalIP 优先（{told}）")


def _cloudcore(node: EdgeNode, record: TunnelPortRecord | Unavailable) -> str:
    by_port = {} if isinstance(record, Unavailable) else {port: ip for ip, port in record.ports.items()}
    return by_port.get(node.port, "?")
