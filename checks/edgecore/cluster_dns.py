"""Which DNS server the pods of an edge are given (facts.md §9 (32)): an advice, names are not on the stream path."""

from __future__ import annotations

from kedoctor.api import Evidence, Finding, Risk, Side, Text, Unavailable, check, passed, unknown, warned
from kedoctor.checks.facts.cluster.cluster_dns import EDGEMESH_ADDRESS, ClusterDns
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig
from kedoctor.checks.facts.edge.host import EdgeAddresses

__all__ = ["DNS_KEY", "cluster_dns", "written_dns"]

DNS_KEY = "modules.edged.tailoredKubeletConfig.clusterDNS"
_SET = Text(
    f"Set tailoredKubeletConfig.clusterDNS to the server that answers on this edge (EdgeMesh: {EDGEMESH_ADDRESS}) and restart edgecore.",
    zh=f"将 tailoredKubeletConfig.clusterDNS 设为该边缘节点上可应答的服务器（EdgeMesh：{EDGEMESH_ADDRESS}），并重启 edgecore。",
)


@check(
    code="KE210",
    slug="cluster-dns",
    title=Text(
        "Pods of the edge are given a DNS server that exists", zh="边缘节点 Pod 使用的 DNS 服务器存在"
    ),
    side=Side.EDGE,
    builds_on=("KE201",),
    remedy=_SET,
    risk=Risk.RESTARTS_EDGECORE,
    references=("facts.md §2.2", "facts.md §9 (32)", "kubeprepare.md §3.2"),
)
def cluster_dns(
    config: EdgecoreConfig, dns: ClusterDns | Unavailable, addresses: EdgeAddresses | Unavailable
) -> Finding:
    """``clusterDNS`` against EdgeMesh's address where it runs, else against the cluster's DNS Service."""
    written = written_dns(config)
    mesh_here = not isinstance(addresses, Unavailable) and addresses.has(EDGEMESH_ADDRESS)
    mesh = True if mesh_here else None if isinstance(dns, Unavailable) else dns.edgemesh
    service = "" if isinstance(dns, Unavailable) else dns.address
    if mesh and EDGEMESH_ADDRESS not in written:
        return _without_mesh(config, written)
    if not written or (mesh and EDGEMESH_ADDRESS in written) or service in written:
        return _right(config, written)
    if mesh is False and service and written == (EDGEMESH_ADDRESS,):
        return _wrong(
            config, written, f"{service} (or nothing)", "but EdgeMesh is not installed", "但未安装 EdgeMesh"
        )
    if mesh is False and service:
        return _wrong(
            config, written, service, f"but the cluster's DNS is {service}", f"而集群 DNS 为 {service}"
        )
    return unknown(
        Text(
            f"clusterDNS of {config.node_name} is {', '.join(written)}; whether that is the cluster's DNS is unknown from here.",
            zh=f"{config.node_name} 的 clusterDNS 为 {'、'.join(written)}；从这里无法得知它是否为集群 DNS。",
        ),
        subject=config.node_name,
        node=config.node_name,
        commands=("kubectl -n kube-system get service -l k8s-app=kube-dns",),
    )


def written_dns(config: EdgecoreConfig) -> tuple[str, ...]:
    """The servers of ``clusterDNS``; empty when none is written."""
    value = config.value(DNS_KEY)
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list | tuple) else ()


def _right(config: EdgecoreConfig, written: tuple[str, ...]) -> Finding:
    node = config.node_name
    told, zh = (
        (", ".join(written),) * 2 if written else ("the servers of the host itself", "主机自身的 DNS 服务器")
    )
    return passed(
        Text(f"Pods of {node} use {told} for names.", zh=f"{node} 的 Pod 使用 {zh} 解析名称。"),
        subject=node,
        node=node,
    )


def _without_mesh(config: EdgecoreConfig, written: tuple[str, ...]) -> Finding:
    told = ", ".join(written) or "nothing"
    return _wrong(
        config,
        written,
        EDGEMESH_ADDRESS,
        f"but EdgeMesh runs and answers at {EDGEMESH_ADDRESS}, which pods do not ask ({told} is written)",
        f"但 EdgeMesh 正在运行并在 {EDGEMESH_ADDRESS} 应答，而 Pod 不会询问它（当前为 {told}）",
    )


def _wrong(config: EdgecoreConfig, written: tuple[str, ...], wanted: str, why: str, zh: str) -> Finding:
    node, told = config.node_name, ", ".join(written) or "not written"
    return warned(
        Text(
            f"clusterDNS of {node} is {told}, {why}: new pods of the edge cannot resolve Services.",
            zh=f"{node} 的 clusterDNS 为 {told}，{zh}：该边缘节点的新 Pod 无法解析 Service 名称。",
        ),
        expected=Text(f"clusterDNS: [{wanted}]", zh=f"clusterDNS: [{wanted}]"),
        actual=f"clusterDNS: {told}",
        hint=_SET,
        subject=node,
        node=node,
        evidence=(Evidence(config.path, f"clusterDNS: {told}", config.line(DNS_KEY)),),
        commands=(
            f"sudo vi {config.path}   # {DNS_KEY}: [{wanted}]",
            "sudo systemctl restart edgecore",
            "kubectl -n kube-system get service -l k8s-app=kube-dns",
        ),
    )
