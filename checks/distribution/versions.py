"""Versions of cloudcore, the edges and Kubernetes, and what is known to be wrong with them (facts.md §7)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kedoctor.api import (
    EveryHost,
    Evidence,
    Finding,
    Side,
    Text,
    Unavailable,
    check,
    passed,
    skipped,
    unknown,
    warned,
)
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreWorkload
from kedoctor.checks.facts.cluster.nodes import EdgeNodes
from kedoctor.checks.facts.cluster.site_info import AboutSite, kubeedge_version
from kedoctor.checks.facts.edge.edgecore import EdgeName
from kedoctor.checks.facts.edge.edgecore_log import EdgecoreLog

__all__ = ["known_defects", "version_skew"]

Version = tuple[int, int, int]

_TABLE = {(1, 22): (26, 31)}
"""By KubeEdge's minor version the oldest and newest minor version of Kubernetes 1 in its README."""

_STARTED = "Version: "
_FIXED: Version = (1, 22, 2)
_DEFECTS = "CVE-2026-62371, CVE-2026-62182, CVE-2026-62369, CVE-2026-62370"


def parsed(text: str) -> Version | None:
    """``(1, 22, 0)`` out of ``v1.22.0``; ``None`` for anything that is not a release."""
    found = re.fullmatch(r"v?(\d+)\.(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def cloud_version(workload: CloudcoreWorkload) -> str:
    """The tag of cloudcore's image; empty when there is none."""
    spec = workload.deployment.spec.template.spec if workload.deployment is not None else None
    spec = spec or (workload.pods[0].spec if workload.pods else None)
    images = [one.image for one in spec.containers if "cloudcore" in one.image] if spec is not None else []
    return images[0].partition("@")[0].rpartition("/")[2].partition(":")[2] if images else ""


@check(
    code="KE803",
    slug="version-skew",
    title=Text("The versions of cloud, edges and Kubernetes fit", zh="云端、边缘节点与 Kubernetes 版本匹配"),
    side=Side.SITE,
    remedy=Text("Bring all sides to one KubeEdge version.", zh="将各端升级到同一 KubeEdge 版本。"),
    references=("facts.md §7", "versions.md §1"),
)
def version_skew(
    workload: CloudcoreWorkload,
    edges: EdgeNodes,
    about: AboutSite,
    *,
    logs: EveryHost[EdgecoreLog],
    names: EveryHost[EdgeName],
) -> Iterator[Finding]:
    """Each edge against cloudcore (equal is what the documentation asks for), cloudcore against Kubernetes.

    Of an edge in view counts what its edgecore said when it started: its Node tells what was when it last reported.
    """
    tag = cloud_version(workload)
    cloud = parsed(tag)
    if cloud is None:
        yield unknown(
            Text(
                f"The version of cloudcore is unknown: its image has the tag {tag or 'none'}.",
                zh=f"无法得知 cloudcore 的版本：其镜像标签为 {tag or '无'}。",
            )
        )
        return
    running = {node.name: kubeedge_version(node.version) for node in edges.items}
    for host, log in logs.known().items():
        edge = names.items.get(host)
        started = log.newest(_STARTED)
        if started is not None and isinstance(edge, EdgeName):
            running[edge.name] = started.message.partition(_STARTED)[2].strip()
    differing = {
        name: version for name, version in running.items() if version and parsed(version) not in (None, cloud)
    }
    for name, version in differing.items():
        yield _differs(name, version, tag)
    outside = _outside(cloud, about.cluster_version)
    if outside is not None:
        yield outside
    if not differing and outside is None:
        yield passed(
            Text(
                f"cloudcore and edges are {tag}, on Kubernetes {about.cluster_version or 'of an unknown version'}.",
                zh=f"cloudcore 与边缘节点均为 {tag}，Kubernetes 为 {about.cluster_version or '未知版本'}。",
            )
        )


def _differs(name: str, version: str, tag: str) -> Finding:
    return warned(
        Text(
            f"{name} runs KubeEdge {version}, cloudcore {tag}; they should be equal.",
            zh=f"{name} 运行 KubeEdge {version}，cloudcore 为 {tag}；两者应一致。",
        ),
        expected=Text(tag, zh=tag),
        actual=version,
        hint=Text("Upgrade the cloud first, then edge by edge.", zh="先升级云端，再逐个升级边缘节点。"),
        subject=name,
        node=name,
        commands=(f"kubectl get node {name} -o wide", f"sudo keadm upgrade edge --help  # on {name}"),
        breaks=(),
    )


def _outside(cloud: Version, kubernetes: str) -> Finding | None:
    found = re.match(r"v?1\.(\d+)", kubernetes)
    limits = _TABLE.get(cloud[:2])
    if found is None or limits is None or limits[0] <= int(found[1]) <= limits[1]:
        return None
    told = f"1.{limits[0]} to 1.{limits[1]}"
    return warned(
        Text(
            f"Kubernetes {kubernetes} is not in the table of KubeEdge 1.{cloud[1]}, which names {told}.",
            zh=f"Kubernetes {kubernetes} 不在 KubeEdge 1.{cloud[1]} 的支持表中（{told}）。",
        ),
        expected=Text(told, zh=told),
        actual=kubernetes,
        hint=Text(
            "It may work; use a listed version, or a KubeEdge that lists this one.",
            zh="可能可用；建议使用表中版本，或换用支持该版本的 KubeEdge。",
        ),
        subject="kube-apiserver",
        evidence=(Evidence("/version", kubernetes),),
        commands=("kubectl version",),
        breaks=(),
    )


@check(
    code="KE804",
    slug="known-defects",
    title=Text("No security defect of this KubeEdge version is known", zh="该 KubeEdge 版本没有已知安全缺陷"),
    side=Side.SITE,
    remedy=Text("Upgrade to v1.22.2 or newer.", zh="升级到 v1.22.2 或更新版本。"),
    references=("facts.md §7", "versions.md §1.1"),
)
def known_defects(workload: CloudcoreWorkload | Unavailable, edges: EdgeNodes) -> Finding:
    """The four defects of the 1.22 line that v1.22.2 puts right; of older lines no list is at hand."""
    tag = "" if isinstance(workload, Unavailable) else cloud_version(workload)
    seen = {tag, *(kubeedge_version(node.version) for node in edges.items)}
    versions = sorted(version for text in seen if (version := parsed(text)) is not None)
    if not versions:
        return unknown(Text("No version of KubeEdge was seen.", zh="未见到 KubeEdge 的版本。"))
    affected = [version for version in versions if _FIXED[:2] == version[:2] and version < _FIXED]
    if affected:
        return _affected(_text(affected[0]))
    if versions[0] < _FIXED:
        old = _text(versions[0])
        return skipped(
            Text(
                f"No list of defects is at hand for {old}; the four that v1.22.2 puts right may concern it, too.",
                zh=f"没有 {old} 的缺陷清单；v1.22.2 修复的四个缺陷也可能影响它。",
            )
        )
    return passed(
        Text(
            f"The defects known of v1.22.0 are put right in {_text(versions[0])}.",
            zh=f"v1.22.0 的已知缺陷在 {_text(versions[0])} 中已修复。",
        )
    )


def _affected(version: str) -> Finding:
    return warned(
        Text(
            f"KubeEdge {version} has four known security defects ({_DEFECTS}), two of them remote code execution on edges.",
            zh=f"KubeEdge {version} 有四个已知安全缺陷（{_DEFECTS}），其中两个可在边缘节点远程执行代码。",
        ),
        expected=Text("v1.22.2 or newer", zh="v1.22.2 或更新版本"),
        actual=version,
        hint=Text(
            "Upgrade; until then let only administrators create NodeUpgradeJobs and ConfigUpdateJobs.",
            zh="请升级；在此之前只允许管理员创建 NodeUpgradeJob 和 ConfigUpdateJob。",
        ),
        subject="KubeEdge",
        evidence=(Evidence("image of cloudcore and kubelet versions of edges", version),),
        commands=(
            "kubectl get nodes -o wide",
            "kubectl auth can-i create nodeupgradejobs.operations.kubeedge.io",
        ),
        breaks=(),
    )


def _text(version: Version) -> str:
    return "v" + ".".join(str(part) for part in version)
