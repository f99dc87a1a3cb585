"""Metrics-server over time: what its log says, a second one beside it, its resources and its version (facts.md §8)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from kedoctor.api import (
    EveryHost,
    Evidence,
    Finding,
    Reason,
    Risk,
    Side,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    patterns,
    unknown,
    warned,
)
from kedoctor.checks.causality import NO_SAMPLE
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreWorkload
from kedoctor.checks.facts.cloud.cloudcore_log import CloudcoreLog
from kedoctor.checks.facts.cluster.metrics import MetricsServer, NodeSamples, WorkingDiversion
from kedoctor.checks.facts.cluster.nodes import EdgeNode, EdgeNodes, SiteNodes
from kedoctor.checks.facts.cluster.site_info import AboutSite
from kedoctor.checks.metrics.deployment import deployment_of, not_ours
from kedoctor.checks.metrics.facts_log import MetricsAddons, MetricsLog
from kedoctor.checks.metrics.facts_manifest import MetricsManifest
from kedoctor.checks.parsers.kubernetes import Deployment
from kedoctor.checks.parsers.logs.message_table import knowledge
from kedoctor.checks.parsers.logs.message_text import filled, named

__all__ = ["metrics_conflict", "metrics_log", "metrics_resources", "metrics_version"]

_NOT_READ = Unavailable(Reason.NOT_RECORDED, "not asked")
_KUBELET_PORT = 10250
_SILENT = (0, 9)
_URL_PORT = patterns.compiled(r'https?://[^/"]+:(\d+)/')

# ------------------------------------------------------------------------------------------------- its log


@check(
    code="KE607",
    slug="metrics-log",
    title=Text("metrics-server's log has no failed scrape", zh="metrics-server 日志中没有采集失败"),
    side=Side.SITE,
    breaks=("top",),
    hop="metrics-server",
    explained_by=(*NO_SAMPLE, "KE206", "KE407", "KE504", "KE606", "KE704"),
    references=("facts.md §8.4",),
)
def metrics_log(
    log: MetricsLog,
    server: MetricsServer,
    edges: EdgeNodes,
    samples: NodeSamples | Unavailable,
    *,
    workload: CloudcoreWorkload | Unavailable = _NOT_READ,
    cloudcore: CloudcoreLog | Unavailable = _NOT_READ,
) -> Iterator[Finding]:
    """The newest complaint about each node of which there is no fresh sample.

    One that is older than cloudcore's last start, than the tunnel of that edge, or that is about another port than the
    Node has now, says nothing about now.
    """
    fresh = {name for name in log.complaints if not isinstance(samples, Unavailable) and samples.fresh(name)}
    started = None if isinstance(workload, Unavailable) else workload.started
    tunnels = {} if isinstance(cloudcore, Unavailable) else cloudcore.tunnels
    wrong = {
        name: told
        for name, told in log.complaints.items()
        if name not in fresh
        and not _older(log.times.get(name), started, tunnels.get(name))
        and not _other_port(told, edges.named(name))
    }
    for name, told in sorted(wrong.items()):
        yield _unread(server, name, told, edge=name in edges.names)
    if not wrong:
        yield _silent(server)


def _silent(server: MetricsServer) -> Finding:
    """No complaint: since v0.9 that proves nothing of Nodes that are not Ready (versions.md: only at V(4))."""
    text = Text(
        "metrics-server's log has no recent line of a failed scrape.",
        zh="metrics-server 最近的日志中没有采集失败。",
    )
    if server.version is not None and server.version >= _SILENT:
        text = Text(
            f"{text.en} From v0.9 on it logs none of a Node that is not Ready.",
            zh=f"{text.zh}自 v0.9 起，它不再记录对未就绪节点的采集失败。",
        )
    return passed(text, subject=deployment_of(server))


def _older(time: datetime | None, *events: datetime | None) -> bool:
    return time is not None and any(event is not None and time < event for event in events)


def _other_port(told: str, node: EdgeNode | None) -> bool:
    found = _URL_PORT.search(told)
    if found is None or node is None or node.port <= 0:
        return False
    # 10250 is what it always dials where it may not use the port of the Node (KE603).
    return int(found[1]) not in (node.port, _KUBELET_PORT)


def _unread(server: MetricsServer, name: str, told: str, *, edge: bool) -> Finding:
    why = _why(told)
    make = failed if edge else warned
    return make(
        Text(
            f"metrics-server cannot read {name}: {why.en}.", zh=f"metrics-server 无法读取 {name}：{why.zh}。"
        ),
        expected=Text("a scrape that succeeds", zh="采集成功"),
        actual=told[:300],
        hint=Text(
            "Look at the other findings about this node first; they name where it breaks.",
            zh="请先看该节点的其他检查结果，它们会指出断点。",
        ),
        subject=name,
        node=name if edge else "",
        evidence=(Evidence("log of metrics-server", told[:500]),),
        commands=(
            f"kubectl -n {server.namespace} logs deployment/{deployment_of(server).rpartition('/')[2]} --tail=50",
        ),
        breaks=None if edge else (),
        hop=None if edge else "",
    )


def _why(told: str) -> Text:
    """What a complaint means: a text of the table, else the kind of error it ends with, else its own words."""
    table = knowledge()
    if (text := table.in_log("KE607", told)) is not None:
        return filled(text[0].meaning, named(text[1].groupdict()))
    if (error := table.error_in(told)) is not None:
        return filled(error[0].meaning, named(error[1].groupdict()))
    return Text(told[:200], zh=told[:200])


# ------------------------------------------------------------------------------------------------- conflict


@check(
    code="KE608",
    slug="metrics-conflict",
    title=Text(
        "There is one metrics-server, and nobody takes its settings back",
        zh="只有一个 metrics-server，且设置不会被还原",
    ),
    side=Side.SITE,
    remedy=Text(
        "Keep one: K3s' own, or yours with --disable=metrics-server.",
        zh="只保留一个：K3s 自带的，或用 --disable=metrics-server 后自行部署。",
    ),
    references=("facts.md §8.5",),
)
def metrics_conflict(
    found: MetricsAddons, server: MetricsServer, manifests: EveryHost[MetricsManifest]
) -> Finding:
    """Deployments of metrics-server in all namespaces, and K3s' addon for one that was changed."""
    subject = deployment_of(server)
    if len(found.deployments) > 1:
        names = ", ".join(found.deployments)
        return warned(
            Text(
                f"There are {len(found.deployments)} Deployments of metrics-server ({names}); only one answers kubectl top.",
                zh=f"存在 {len(found.deployments)} 个 metrics-server Deployment（{names}）；只有一个为 kubectl top 应答。",
            ),
            expected=Text("one Deployment", zh="一个 Deployment"),
            actual=names,
            hint=Text(
                "Delete the one that the APIService does not lead to.", zh="删除 APIService 未指向的那个。"
            ),
            subject=subject,
            evidence=(Evidence("deployments", names),),
            commands=(
                "kubectl get apiservice v1beta1.metrics.k8s.io -o jsonpath='{.spec.service}'",
                "kubectl get deployment -A -l k8s-app=metrics-server",
            ),
            breaks=(),
        )
    if found.addons and server.spec is not None and server.spec.host_network:
        servers = manifests.known().values()
        kept = bool(servers) and all(one.left_out for one in servers)
        return _kept(subject, next(iter(servers)).path) if kept else _taken_back(subject)
    return passed(
        Text("Nothing competes with metrics-server.", zh="没有与 metrics-server 冲突的对象。"),
        subject=subject,
    )


def _kept(subject: str, path: str) -> Finding:
    return passed(
        Text(
            f"Metrics-server is K3s' own, changed, and K3s leaves its Deployment as it is ({path}).",
            zh=f"metrics-server 为 K3s 自带并已修改，K3s 不再改动其 Deployment（{path}）。",
        ),
        subject=subject,
    )


def _taken_back(subject: str) -> Finding:
    return warned(
        Text(
            "K3s' bundled metrics-server was changed by hand (hostNetwork); K3s may apply its own manifest again at a restart.",
            zh="K3s 自带的 metrics-server 被手工修改（hostNetwork）；K3s 重启时可能重新应用其自带清单。",
        ),
        expected=Text("a metrics-server that K3s does not manage", zh="不受 K3s 管理的 metrics-server"),
        actual=Text("addon metrics-server of K3s, changed", zh="K3s 的 metrics-server 插件已被修改"),
        hint=Text(
            "Start k3s server with --disable=metrics-server and apply your own manifest, or check again after each restart.",
            zh="以 --disable=metrics-server 启动 k3s server 并应用自己的清单，或在每次重启后复查。",
        ),
        subject=subject,
        commands=("kubectl -n kube-system get addons.k3s.cattle.io | grep metrics",),
        breaks=(),
    )


# ------------------------------------------------------------------------------------------------ resources


@check(
    code="KE609",
    slug="metrics-resources",
    title=Text(
        "metrics-server has resources, and a node for each replica",
        zh="metrics-server 有资源配置，且每个副本都有节点",
    ),
    side=Side.SITE,
    remedy=Text(
        "Set requests, and as many replicas as fit.", zh="设置 requests，并将副本数设为可容纳的数量。"
    ),
    risk=Risk.SAFE,
    references=("requirements.md R136", "facts.md §9 (37)"),
)
def metrics_resources(server: MetricsServer, nodes: SiteNodes, edges: EdgeNodes) -> Iterator[Finding]:
    """Requests for CPU and memory; with hostNetwork no more replicas than nodes that are no edges."""
    skip = not_ours(server)
    if skip is not None or server.container is None:
        yield skip or unknown(
            Text(
                "Neither the Deployment nor a pod of metrics-server was seen.",
                zh="未见到 metrics-server 的 Deployment 或 Pod。",
            )
        )
        return
    subject, name = deployment_of(server), deployment_of(server).rpartition("/")[2]
    wanted = (server.deployment.spec.replicas or 0) if isinstance(server.deployment, Deployment) else 0
    room = len(nodes.items) - len(edges.items)
    lacking = sorted({"cpu", "memory"} - set(server.container.resources.requests or {}))
    crowded = server.spec is not None and server.spec.host_network and wanted > max(room, 1)
    if crowded:
        yield warned(
            Text(
                f"metrics-server wants {wanted} replicas on the host network, but only {room} nodes are no edges.",
                zh=f"metrics-server 需要 {wanted} 个主机网络副本，但非边缘节点只有 {room} 个。",
            ),
            expected=Text(f"at most {room} replicas", zh=f"最多 {room} 个副本"),
            actual=f"replicas: {wanted}",
            hint=Text("Scale it down; one replica is enough.", zh="减少副本；一个即可。"),
            subject=subject,
            commands=(f"kubectl -n {server.namespace} scale deployment {name} --replicas=1",),
            breaks=(),
        )
    if lacking:
        yield warned(
            Text(
                f"metrics-server requests no {' and no '.join(lacking)}: it is among the first to go when the node is full.",
                zh=f"metrics-server 未设置 {'、'.join(lacking)} 的 requests：节点资源不足时会最先被驱逐。",
            ),
            expected=Text("requests of 100m CPU and 200Mi memory", zh="requests 为 100m CPU、200Mi 内存"),
            actual=Text(f"no request for {', '.join(lacking)}", zh=f"没有 {'、'.join(lacking)} 的资源请求"),
            hint=Text("Set them.", zh="请设置。"),
            subject=subject,
            commands=(
                f"kubectl -n {server.namespace} set resources deployment {name} --requests=cpu=100m,memory=200Mi",
            ),
            breaks=(),
        )
    if not crowded and not lacking:
        yield passed(
            Text(
                "metrics-server requests CPU and memory, and its replicas fit.",
                zh="metrics-server 已设置 requests，副本数合适。",
            ),
            subject=subject,
        )


# -------------------------------------------------------------------------------------------------- version

_OLDEST = (0, 4)
_NEEDS = {(0, 9): (1, 34), (0, 8): (1, 31), (0, 7): (1, 27), (0, 6): (1, 25)}
"""The oldest Kubernetes for each version, by the table in metrics-server's README (facts.md §8.2)."""


@check(
    code="KE610",
    slug="metrics-version",
    title=Text("The version of metrics-server fits", zh="metrics-server 版本合适"),
    side=Side.SITE,
    breaks=("top",),
    hop="metrics-server",
    remedy=Text("Install a version that fits this Kubernetes.", zh="安装与本 Kubernetes 匹配的版本。"),
    references=("facts.md §8.1", "facts.md §8.2"),
)
def metrics_version(server: MetricsServer, about: AboutSite, working: WorkingDiversion) -> Finding:
    """At least v0.4, and not newer than this Kubernetes can take."""
    skip = not_ours(server)
    if skip is not None:
        return skip
    version, subject = server.version, deployment_of(server)
    kubernetes = minor_of(about.cluster_version)
    if version is None:
        return unknown(
            Text("The image of metrics-server names no version.", zh="metrics-server 的镜像未标明版本。"),
            subject=subject,
        )
    told = f"v{version[0]}.{version[1]}"
    needs = _NEEDS.get(version)
    too_old = version < _OLDEST
    too_new = needs is not None and kubernetes is not None and kubernetes < needs
    if not too_old and not too_new:
        return passed(
            Text(
                f"metrics-server {told} fits Kubernetes {about.cluster_version or 'of any version'}.",
                zh=f"metrics-server {told} 与 Kubernetes {about.cluster_version} 匹配。",
            ),
            subject=subject,
        )
    wants = "v0.4 or newer" if too_old or needs is None else f"Kubernetes {needs[0]}.{needs[1]} or newer"
    why = Text(
        f"metrics-server {told} is too old to reach edges."
        if too_old
        else f"metrics-server {told} needs {wants}; this is {about.cluster_version}.",
        zh=f"metrics-server {told} 过旧，无法访问边缘节点。"
        if too_old
        else f"metrics-server {told} 需要 {wants}；当前为 {about.cluster_version}。",
    )
    works = bool(working.edges) or not too_old
    return (warned if works else failed)(
        why,
        expected=Text(wants, zh=wants),
        actual=told,
        hint=Text(
            "Install another version, with all nine objects (KE601).",
            zh="安装其他版本，包括全部九个对象（KE601）。",
        ),
        subject=subject,
        commands=(f"kubectl -n {server.namespace} get deployment -o wide",),
        breaks=() if works else None,
        hop="" if works else None,
    )


def minor_of(version: str) -> tuple[int, int] | None:
    """``(1, 31)`` out of ``v1.31.14+k3s1``; ``None`` when it names no version."""
    found = patterns.compiled(r"v?(\d+)\.(\d+)").match(version)
    return (int(found[1]), int(found[2])) if found else None
