"""The network of an edge's pods: its range before it is made, then its plugins and configuration (kubeprepare.md §3.3)."""

from __future__ import annotations

from kedoctor.api import Evidence, Finding, Risk, RunMode, Side, Text, Unavailable, check, failed, passed
from kedoctor.checks.facts.cluster.nodes import EdgeNodes
from kedoctor.checks.install.edge.facts_network import PodRange
from kedoctor.checks.install.edge.facts_request import EdgeTarget
from kedoctor.checks.install.edge.facts_runtime import PodNetworks
from kedoctor.checks.node.container_runtime import two_default_routes
from kedoctor.checks.parsers.pod_cidr import network_for

__all__ = ["pod_network", "pod_range"]

_ONLY = (RunMode.INSTALL,)
_CHOOSE = Text(
    "Name a free range with --pod-cidr, a /24 that no other edge has.",
    zh="请用 --pod-cidr 指定空闲网段，例如其他边缘节点未使用的 /24。",
)


@check(
    code="KE968",
    slug="install-pod-range",
    title=Text("The pods' addresses are nobody else's", zh="Pod 网段不与其他网络冲突"),
    side=Side.EDGE,
    occasions=_ONLY,
    references=("kubeprepare.md §3.3", "kubeprepare.md B41"),
)
def pod_range(
    target: EdgeTarget, chosen: PodRange, present: PodNetworks, edges: EdgeNodes | Unavailable
) -> Finding:
    """Against this host's addresses and routes, the cluster's ranges, and what other edges take by their names."""
    if present.networks and not present.networks[0].error:
        path = present.networks[0].path
        return passed(
            Text(f"The network of {path} stays as it is.", zh=f"保留现有网络配置 {path}。"), subject=path
        )
    if chosen.network is None:
        return _refused(
            target,
            Text(
                f"there is no range for pods: {chosen.problem}", zh=f"没有可用的 Pod 网段：{chosen.problem}"
            ),
            chosen.problem,
        )
    clash = chosen.clash
    if clash is not None:
        return _refused(
            target,
            Text(
                f"{chosen.network} overlaps {clash.network}, which is {clash.whose}",
                zh=f"{chosen.network} 与 {clash.network}（{clash.whose}）重叠",
            ),
            f"{clash.network} ({clash.whose})",
        )
    others = (
        [] if isinstance(edges, Unavailable) else [one.name for one in edges.items if one.name != target.node]
    )
    same = next((name for name in others if network_for(name) == chosen.network), None)
    if same is not None:
        return _refused(
            target,
            Text(
                f"{chosen.network} is what the name of the edge {same} stands for as well",
                zh=f"边缘节点 {same} 的名称对应的网段同样是 {chosen.network}",
            ),
            f"{chosen.network} of {same}",
        )
    asked = "; other edges were not asked" if isinstance(edges, Unavailable) else ""
    return passed(
        Text(
            f"Pods get addresses of {chosen.network}, which nothing here uses{asked}.",
            zh=f"Pod 使用网段 {chosen.network}，与本机网络不冲突{asked and '（未能查询其他边缘节点）'}。",
        ),
        subject=str(chosen.network),
    )


def _refused(target: EdgeTarget, why: Text, actual: str) -> Finding:
    return failed(
        Text(
            f"The pods of {target.node} cannot get a network: {why.en}.",
            zh=f"无法为 {target.node} 的 Pod 分配网络：{why.zh}。",
        ),
        expected=Text("a range of its own", zh="独立的网段"),
        actual=actual,
        hint=_CHOOSE,
        commands=("ip -4 route", "ip -4 address"),
    )


@check(
    code="KE972",
    slug="install-pod-network",
    title=Text("Pods have a network: plugins and a configuration", zh="Pod 网络已就绪：插件和配置"),
    side=Side.EDGE,
    occasions=_ONLY,
    deadline=300.0,
    remedy=Text(
        "Put the bundle's CNI plugins in place and write a bridge network.",
        zh="放置离线包中的 CNI 插件并写入网桥网络配置。",
    ),
    risk=Risk.SAFE,
    references=("facts.md §10 (45)", "kubeprepare.md §1.5", "kubeprepare.md §3.3"),
)
def pod_network(present: PodNetworks) -> Finding:
    """A configuration that can be read, and a program for every plugin it names; one that is there is kept."""
    if not present.networks:
        return _none(
            present,
            Text(f"{present.directory} holds no network", zh=f"{present.directory} 中没有网络配置"),
        )
    first = present.networks[0]
    if first.error:
        return _none(
            present,
            Text(
                f"{first.path} cannot be read ({first.error})", zh=f"{first.path} 无法读取（{first.error}）"
            ),
        )
    if first.two_default_routes:
        return _none(present, two_default_routes(first))
    if present.missing:
        names = ", ".join(present.missing)
        return _none(
            present,
            Text(
                f"the plugins {names} of {first.path} are not in {present.plugin_directory}",
                zh=f"{present.plugin_directory} 中缺少 {first.path} 所用的插件 {names}",
            ),
        )
    return passed(
        Text(
            f"Pods use {first.path} ({', '.join(first.plugins)}).",
            zh=f"Pod 使用 {first.path}（{'、'.join(first.plugins)}）。",
        ),
        subject=first.path,
    )


def _none(present: PodNetworks, why: Text) -> Finding:
    return failed(
        Text(f"Pods have no network: {why.en}.", zh=f"Pod 没有网络：{why.zh}。"),
        expected=Text(
            f"a network in {present.directory} and its plugins in {present.plugin_directory}",
            zh=f"{present.directory} 中有网络配置，{present.plugin_directory} 中有其插件",
        ),
        actual=why,
        hint=Text(
            "A node without one stays NotReady, and with a wrong one no pod starts. A file that is not kedoctor's has to be "
            "repaired or removed by you.",
            zh="没有网络的节点会一直 NotReady；网络配置错误时 Pod 无法启动。不是 kedoctor 写入的文件请自行修复或删除。",
        ),
        subject=present.directory,
        evidence=(Evidence(present.directory, why.en),),
        commands=(f"ls -l {present.directory} {present.plugin_directory}",),
    )
