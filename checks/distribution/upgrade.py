"""Before and between the steps of an upgrade: a backup of the settings, and the streams of edges that have a new version.

An upgrade is under way where cloudcore and edges, or edges among themselves, run different versions of KubeEdge. Where
all are the same nothing says that one is near, so a missing backup is not a fault there (requirements.md R146-R150).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kedoctor.api import (
    BackupManifest,
    EveryHost,
    Evidence,
    Finding,
    Risk,
    SettingsDocument,
    Side,
    Text,
    Unavailable,
    check,
    differences,
    failed,
    passed,
    skipped,
    unknown,
    warned,
)
from kedoctor.checks.causality import NO_SAMPLE
from kedoctor.checks.distribution.facts_backups import BACKUPS, ConfigBackups
from kedoctor.checks.distribution.facts_settings import HostSettings, SiteSettings
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreWorkload
from kedoctor.checks.facts.cluster.metrics import NodeSamples
from kedoctor.checks.facts.cluster.nodes import EdgeNode, EdgeNodes
from kedoctor.checks.facts.cluster.site_info import kubeedge_version
from kedoctor.checks.parsers.releases import parse

__all__ = ["config_backup", "rolling_upgrade", "upgraded"]

_KEYS_SHOWN = 4


def upgraded(edges: EdgeNodes, workload: CloudcoreWorkload | Unavailable) -> tuple[EdgeNode, ...] | None:
    """The edges with the newest version while others, or cloudcore, have another; ``None``: all are the same."""
    versions = {node.name: parse(kubeedge_version(node.version) or "") for node in edges.items}
    cloud = None if isinstance(workload, Unavailable) else parse(workload.tag)
    known = {version for version in (*versions.values(), cloud) if version is not None}
    if len(known) < 2:
        return None
    newest = max(known)
    return tuple(node for node in edges.items if versions[node.name] == newest)


# ------------------------------------------------------------------------------------------ KE941


@check(
    code="KE941",
    slug="config-backup",
    title=Text("There is a backup of the settings as they are", zh="当前配置已有备份"),
    side=Side.SITE,
    remedy=Text("Write a backup: kedoctor backup.", zh="写入备份：kedoctor backup。"),
    risk=Risk.SAFE,
    references=("facts.md §1.1", "testbed.md surprise 5"),
)
def config_backup(
    site: SiteSettings | Unavailable,
    hosts: EveryHost[HostSettings],
    backups: EveryHost[ConfigBackups],
    *,
    edges: EdgeNodes | Unavailable,
    workload: CloudcoreWorkload | Unavailable,
) -> Iterator[Finding]:
    """Each document against the newest backup of it on any host in view."""
    documents = [one for found in hosts.known().values() for one in found.documents]
    if isinstance(site, SiteSettings):
        documents = [*site.documents, *documents]
    kept = [one for found in backups.known().values() for one in found.manifests]
    kept.sort(key=lambda one: one.created, reverse=True)
    unread = next((one for one in backups.items.values() if isinstance(one, Unavailable)), None)
    under_way = None if isinstance(edges, Unavailable) else upgraded(edges, workload) is not None
    for document in documents:
        yield _kept(document, kept, unread, under_way=bool(under_way))


def _kept(
    document: SettingsDocument, kept: Sequence[BackupManifest], unread: Unavailable | None, *, under_way: bool
) -> Finding:
    for manifest in kept:
        for one in manifest.documents:
            if one.name == document.name:
                return _compared(document, manifest, one.values)
    if under_way and unread is not None:
        return unknown(
            Text(
                f"Whether there is a backup of {document.name} is unknown: {unread}.",
                zh=f"无法得知 {document.name} 是否有备份：{unread}。",
            ),
            subject=document.name,
        )
    if under_way:
        return _none(document)
    return skipped(
        Text(
            f"No backup of {document.name} was seen, and no upgrade is under way; before one: sudo kedoctor backup.",
            zh=f"未发现 {document.name} 的备份，当前也没有进行升级；升级前请运行 sudo kedoctor backup。",
        ),
        subject=document.name,
    )


def _none(document: SettingsDocument) -> Finding:
    return warned(
        Text(
            f"An upgrade is under way (KubeEdge runs in several versions), and there is no backup of {document.name}.",
            zh=f"正在升级（存在多个 KubeEdge 版本），但没有 {document.name} 的备份。",
        ),
        expected=Text(f"a backup in {BACKUPS}", zh=f"{BACKUPS} 中有备份"),
        actual=Text("none", zh="无"),
        hint=Text(
            "Keep the settings before the next step; kedoctor diff then says what the upgrade changed.",
            zh="在下一步之前保存配置；之后可用 kedoctor diff 查看升级改变了什么。",
        ),
        subject=document.name,
        commands=("sudo kedoctor backup",),
        breaks=(),
    )


def _compared(document: SettingsDocument, manifest: BackupManifest, values: dict[str, str]) -> Finding:
    found = differences(document.name, values, document.without_secrets())
    made = f"{manifest.created:%Y-%m-%d %H:%M} UTC"
    if not found:
        return passed(
            Text(
                f"The backup {manifest.id} of {made} holds {document.name} as it is now.",
                zh=f"{made} 的备份 {manifest.id} 与当前的 {document.name} 一致。",
            ),
            subject=document.name,
        )
    keys = ", ".join(one.key for one in found[:_KEYS_SHOWN])
    more = f" +{len(found) - _KEYS_SHOWN}" if len(found) > _KEYS_SHOWN else ""
    return warned(
        Text(
            f"{document.name} is not what the newest backup ({manifest.id}, {made}) holds: {keys}{more}.",
            zh=f"{document.name} 与最新备份（{manifest.id}，{made}）不同：{keys}{more}。",
        ),
        expected=Text("the values of the backup, or a newer backup", zh="与备份一致，或有更新的备份"),
        actual="; ".join(f"{one.key}: {one.before} -> {one.after}" for one in found[:_KEYS_SHOWN]),
        hint=Text(
            "If that was meant, keep the settings anew; otherwise put the old values back.",
            zh="若是有意修改，请重新备份；否则恢复原值。",
        ),
        subject=document.name,
        evidence=(Evidence(f"{BACKUPS}/{manifest.id}/manifest.json", f"{len(found)} keys differ"),),
        commands=(f"sudo kedoctor diff {BACKUPS}/{manifest.id}", "sudo kedoctor backup"),
        breaks=(),
    )


# ------------------------------------------------------------------------------------------ KE942


@check(
    code="KE942",
    slug="rolling-upgrade",
    title=Text("The streams of upgraded edges are back", zh="已升级边缘节点的流已恢复"),
    side=Side.SITE,
    explained_by=(*NO_SAMPLE, "KE606"),
    references=("facts.md §7", "facts.md §8.2"),
)
def rolling_upgrade(
    edges: EdgeNodes, workload: CloudcoreWorkload | Unavailable, samples: NodeSamples | Unavailable
) -> Iterator[Finding]:
    """Each edge with the newest version: Ready, and metrics that came through its tunnel not long ago."""
    done = upgraded(edges, workload)
    if done is None:
        yield skipped(
            Text(
                "No rolling upgrade is under way: every KubeEdge that was seen has the same version.",
                zh="没有进行中的滚动升级：所见的 KubeEdge 版本均相同。",
            )
        )
        return
    for node in done:
        yield _back(node, samples)


def _back(node: EdgeNode, samples: NodeSamples | Unavailable) -> Finding:
    version = kubeedge_version(node.version)
    if node.is_ready and isinstance(samples, Unavailable):
        return unknown(
            Text(
                f"Whether the stream of {node.name} ({version}) is back is unknown: {samples}.",
                zh=f"无法得知 {node.name}（{version}）的流是否恢复：{samples.in_chinese}。",
            ),
            subject=node.name,
            node=node.name,
            hint=Text("Ask for a log through the tunnel.", zh="请通过隧道读取日志。"),
            commands=(f"sudo kedoctor run --symptom logs --node {node.name}",),
        )
    if node.is_ready and not isinstance(samples, Unavailable) and samples.fresh(node.name):
        return passed(
            Text(
                f"{node.name} runs {version} and its stream is back; the next edge can be upgraded.",
                zh=f"{node.name} 已运行 {version}，流已恢复；可以升级下一个边缘节点。",
            ),
            subject=node.name,
            node=node.name,
        )
    lacks = "is not Ready" if not node.is_ready else "has no fresh metrics through its tunnel"
    lacks_zh = "尚未 Ready" if not node.is_ready else "还没有通过隧道取得的最新指标"
    return failed(
        Text(
            f"{node.name} runs {version} and {lacks}; do not upgrade the next edge yet.",
            zh=f"{node.name} 已运行 {version}，但{lacks_zh}；请先不要升级下一个边缘节点。",
        ),
        expected=Text("Ready, with figures from the last few scrapes", zh="Ready，且有最近几次采集的指标"),
        actual=lacks,
        hint=Text(
            "Wait until it is back, or find out why it is not, before the next one.",
            zh="等待其恢复，或先查明原因，再升级下一个。",
        ),
        subject=node.name,
        node=node.name,
        commands=(f"sudo kedoctor gate --node {node.name} --wait 10m",),
        breaks=(),
    )
