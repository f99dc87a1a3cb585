"""One name for an edge: in edgecore.yaml, in its certificate and as a Node (facts.md §2.2, §10 (30))."""

from __future__ import annotations

from kedoctor.api import Evidence, Finding, Side, Text, Unavailable, check, failed, passed, unknown, warned
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.cluster.nodes import EdgeNodes, SiteNodes
from kedoctor.checks.facts.edge.certificates import EdgeCertificates
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig
from kedoctor.checks.facts.edge.version import EdgecoreRelease
from kedoctor.checks.parsers.releases import Trait, has
from kedoctor.checks.plans.edge_certificates import rejoin

__all__ = ["hostname_override"]

_KEY = "modules.edged.hostnameOverride"
_PREFIX = "system:node:"


@check(
    code="KE213",
    slug="hostname-override",
    title=Text("The edge has one name", zh="边缘节点名称一致"),
    side=Side.EDGE,
    breaks=(*ALL_STREAMS, "ready"),
    hop="certificates",
    builds_on=("KE201",),
    remedy=Text(
        "Write the old name back into hostnameOverride, or join again under the new one.",
        zh="将 hostnameOverride 改回原名，或以新名称重新加入。",
    ),
    references=("facts.md §2.2", "facts.md §4.3", "facts.md §10 (30)", "versions.md §4"),
)
def hostname_override(
    config: EdgecoreConfig,
    files: EdgeCertificates,
    nodes: SiteNodes | Unavailable,
    edges: EdgeNodes | Unavailable,
    *,
    version: EdgecoreRelease,
) -> Finding:
    """``hostnameOverride`` against the certificate's ``system:node:<name>`` and against the Nodes of the cluster.

    From v1.21 on edgecore compares the first two when it starts; before, it uses the certificate as it is.
    """
    node, certificate = config.node_name, files.certificate.certificate
    named = "" if certificate is None else certificate.common_name
    if named.startswith(_PREFIX) and named != f"{_PREFIX}{node}":
        old = named.removeprefix(_PREFIX)
        compared = has(version.release, Trait.COMMON_NAME_CHECKED)
        return _renamed(config, files, old, edges) if compared else _other_name(config, files, old, compared)
    if isinstance(nodes, SiteNodes) and nodes.items and nodes.named(node) is None and certificate is not None:
        return _no_node(config, nodes)
    also = f" and its certificate is for {named}" if named else ""
    return passed(
        Text(
            f"This edge is {node} in edgecore.yaml{also}.",
            zh=f"该边缘节点在 edgecore.yaml 中为 {node}{'，证书名称为 ' + named if named else ''}。",
        ),
        subject=node,
        node=node,
    )


def _other_name(config: EdgecoreConfig, files: EdgeCertificates, old: str, compared: bool | None) -> Finding:
    """What another name means where edgecore does not compare them, or where nobody knows whether it does."""
    node = config.node_name
    evidence = (
        Evidence(config.path, f"hostnameOverride: {node}", config.line(_KEY)),
        Evidence(files.certificate.path, f"CN {_PREFIX}{old}"),
    )
    if compared is None:
        return unknown(
            Text(
                f"edgecore.yaml calls this edge {node}, its certificate is for {old}; whether this release of edgecore compares them is unknown.",
                zh=f"edgecore.yaml 中该边缘名为 {node}，证书属于 {old}；无法得知该版本的 edgecore 是否比较两者。",
            ),
            subject=node,
            node=node,
            evidence=evidence,
            commands=("edgecore --version",),
        )
    return warned(
        Text(
            f"edgecore.yaml calls this edge {node}, but its certificate was issued to {old}: this release uses it as it is, cloudcore does not renew it, and from v1.21 on edgecore does not start with it.",
            zh=f"edgecore.yaml 中该边缘名为 {node}，但证书签发给 {old}：该版本照常使用，但 cloudcore 不会续期，且从 v1.21 起 edgecore 无法用它启动。",
        ),
        expected=Text(f"a certificate for {node}", zh=f"签发给 {node} 的证书"),
        actual=f"{_PREFIX}{old}",
        hint=Text("Obtain a new certificate before the upgrade.", zh="升级之前请重新获取证书。"),
        subject=node,
        node=node,
        evidence=evidence,
        commands=(rejoin(files, config.path)[1],),
        breaks=(),
    )


def _renamed(
    config: EdgecoreConfig, files: EdgeCertificates, old: str, edges: EdgeNodes | Unavailable
) -> Finding:
    node = config.node_name
    known = isinstance(edges, EdgeNodes) and edges.named(old) is not None
    there = (" The cluster knows it as that Node.", "集群中的 Node 也是该名称。") if known else ("", "")
    return failed(
        Text(
            f"edgecore.yaml calls this edge {node}, but its certificate was issued to {old}: edgecore does not take the certificate and ends with a panic.{there[0]}",
            zh=f"edgecore.yaml 中该边缘节点名为 {node}，但证书签发给 {old}：edgecore 不接受该证书并 panic 退出。{there[1]}",
        ),
        expected=Text(
            f"hostnameOverride: {old}, or a certificate for {node}",
            zh=f"hostnameOverride: {old}，或签发给 {node} 的证书",
        ),
        actual=f"hostnameOverride {node}, certificate {_PREFIX}{old}",
        hint=Text(
            f"If the machine was renamed by mistake, write {old} back. If {node} is right, it needs a new certificate (and the old Node is deleted).",
            zh=f"若为误改名，请改回 {old}；若确需命名为 {node}，则需新证书（并删除旧 Node）。",
        ),
        subject=node,
        node=node,
        evidence=(
            Evidence(config.path, f"hostnameOverride: {node}", config.line(_KEY)),
            Evidence(files.certificate.path, f"CN {_PREFIX}{old}"),
        ),
        commands=(
            f"sudo vi {config.path}   # {_KEY}: {old}",
            "sudo systemctl restart edgecore",
            f"# or, for a new certificate: {rejoin(files, config.path)[1]}",
        ),
    )


def _no_node(config: EdgecoreConfig, nodes: SiteNodes) -> Finding:
    node = config.node_name
    names = ", ".join(one.metadata.name for one in nodes.items[:8])
    return warned(
        Text(
            f"This edge calls itself {node}, but the cluster has no Node of that name: it belongs to another cluster, has not registered yet, or its Node was deleted.",
            zh=f"该边缘节点自称 {node}，但集群中没有该名称的 Node：它属于其他集群、尚未注册，或其 Node 已被删除。",
        ),
        expected=Text(f"a Node named {node}", zh=f"名为 {node} 的 Node"),
        actual=f"Nodes: {names}",
        hint=Text(
            "A deleted Node comes back when edgecore starts again: it registers once per process.",
            zh="被删除的 Node 会在 edgecore 重启后重新注册：每个进程只注册一次。",
        ),
        subject=node,
        node=node,
        evidence=(Evidence(config.path, f"hostnameOverride: {node}", config.line(_KEY)),),
        commands=("kubectl get nodes", "sudo systemctl restart edgecore"),
        breaks=(),
        hop="",
    )
