"""Versions of cloudcore, the edges and Kubernetes, and what is known to be wrong with them (facts.md §7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kedoctor.api import (
    EveryHost,
    Evidence,
    Finding,
    Side,
    Text,
    Unavailable,
    check,
    passed,
    patterns,
    unknown,
    warned,
)
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreWorkload
from kedoctor.checks.facts.cluster.nodes import EdgeNodes
from kedoctor.checks.facts.cluster.site_info import AboutSite, kubeedge_version
from kedoctor.checks.facts.edge.edgecore import EdgeName
from kedoctor.checks.facts.edge.edgecore_log import EdgecoreLog
from kedoctor.checks.parsers.releases import (
    Line,
    Release,
    Trait,
    fixed_releases,
    has,
    line_of,
    newest_line,
    parse,
)

__all__ = ["known_defects", "version_skew"]

_STARTED = "Version: "


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
    What is no release, or in no table, is not known: it never passes.
    """
    tag = workload.tag
    cloud = parse(tag)
    if cloud is None:
        yield unknown(
            Text(
                f"The version of cloudcore is unknown: its image has the tag {tag or 'none'}.",
                zh=f"无法得知 cloudcore 的版本：其镜像标签为 {tag or '无'}。",
            )
        )
        return
    running = _running(edges, logs, names)
    differing = {name: version for name, version in running.items() if parse(version) not in (None, cloud)}
    strange = {name: version for name, version in running.items() if parse(version) is None}
    for name, version in differing.items():
        yield _differs(name, version, tag)
    for name, version in strange.items():
        yield _no_release(name, version, tag)
    fit = _kubernetes(cloud, about.cluster_version)
    if fit is not None:
        yield fit
    elif not differing and not strange:
        yield passed(
            Text(
                f"cloudcore and edges are {tag}, on Kubernetes {about.cluster_version}.",
                zh=f"cloudcore 与边缘节点均为 {tag}，Kubernetes 为 {about.cluster_version}。",
            )
        )


def _running(edges: EdgeNodes, logs: EveryHost[EdgecoreLog], names: EveryHost[EdgeName]) -> Mapping[str, str]:
    """The KubeEdge version of each edge, as its Node or, better, its edgecore says."""
    running = {
        node.name: kubeedge_version(node.version) or node.version for node in edges.items if node.version
    }
    for host, log in logs.known().items():
        edge = names.items.get(host)
        started = log.newest(_STARTED)
        if started is not None and isinstance(edge, EdgeName):
            running[edge.name] = started.message.partition(_STARTED)[2].strip()
    return running


def _no_release(name: str, version: str, tag: str) -> Finding:
    return unknown(
        Text(
            f"{name} runs {version}, which is not a KubeEdge release; whether it fits cloudcore {tag} is unknown.",
            zh=f"{name} 运行的 {version} 不是 KubeEdge 发行版；无法判断它是否与 cloudcore {tag} 匹配。",
        ),
        subject=name,
        node=name,
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


def _kubernetes(cloud: Release, kubernetes: str) -> Finding | None:
    """What is to be said of the Kubernetes version; nothing where the release's table names it."""
    line, found = line_of(cloud), patterns.compiled(r"v?1\.(\d+)\.").match(kubernetes)
    if line is None or found is None:
        what = (
            f"KubeEdge {cloud.line}"
            if line is None
            else f"Kubernetes {kubernetes or 'of an unknown version'}"
        )
        what_zh = f"KubeEdge {cloud.line}" if line is None else f"Kubernetes {kubernetes or '（版本未知）'}"
        return unknown(
            Text(
                f"No support table names {what}; kedoctor knows KubeEdge up to {newest_line().name}.",
                zh=f"没有包含 {what_zh} 的支持表；kedoctor 已知的 KubeEdge 最高为 {newest_line().name}。",
            ),
            subject="kube-apiserver",
        )
    minor = int(found[1])
    if line.tested[0] <= minor <= line.tested[1] or line.works[0] <= minor <= line.works[1]:
        return None
    return _outside(line, kubernetes)


def _outside(line: Line, kubernetes: str) -> Finding:
    told = f"1.{min(line.works[0], line.tested[0])} to 1.{line.tested[1]}"
    told_zh = told.replace(" to ", " 至 ")
    return warned(
        Text(
            f"Kubernetes {kubernetes} is not in the support table of KubeEdge {line.name}, which names {told}.",
            zh=f"Kubernetes {kubernetes} 不在 KubeEdge {line.name} 的支持表中（{told_zh}）。",
        ),
        expected=Text(told, zh=told_zh),
        actual=kubernetes,
        hint=Text(
            "It may work, but nobody tested it; use a listed version, or a KubeEdge that lists this one.",
            zh="可能可用，但未经测试；建议使用表中版本，或换用支持该版本的 KubeEdge。",
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
    remedy=Text(
        "Upgrade to a release that puts them right, with keadm: it sets the image tags, the chart does not.",
        zh="使用 keadm 升级到已修复的版本：keadm 会设置镜像标签，chart 不会。",
    ),
    references=("facts.md §7", "versions.md §1.1"),
)
def known_defects(workload: CloudcoreWorkload | Unavailable, edges: EdgeNodes) -> Iterator[Finding]:
    """The vulnerabilities of 2026 (versions.md §1.1), for every release that was seen; the others are not known."""
    tag = "" if isinstance(workload, Unavailable) else workload.tag
    texts = {tag, *(kubeedge_version(node.version) or node.version for node in edges.items)} - {""}
    releases = {text: parse(text) for text in texts}
    lines = {release: line_of(release) for release in releases.values() if release is not None}
    strange = sorted(text for text, release in releases.items() if release is None or lines[release] is None)
    affected = sorted(
        release for release, line in lines.items() if line and (line.fixed is None or release < line.fixed)
    )
    if affected:
        yield _affected(affected, lines)
    if strange or not releases:
        told = ", ".join(strange)
        yield unknown(
            Text(
                f"No list of vulnerabilities is at hand for {told}."
                if told
                else "No version of KubeEdge was seen.",
                zh=f"没有 {told} 的漏洞清单。" if told else "未见到 KubeEdge 的版本。",
            )
        )
    elif not affected:
        told = ", ".join(str(release) for release in sorted(lines))
        yield passed(
            Text(
                f"The vulnerabilities that are known of KubeEdge are fixed in {told}.",
                zh=f"KubeEdge 的已知漏洞在 {told} 中均已修复。",
            )
        )


def _affected(releases: list[Release], lines: Mapping[Release, Line | None]) -> Finding:
    told = ", ".join(map(str, releases))
    jobs = any(has(release, Trait.CONFIG_UPDATE_JOBS) for release in releases)
    defects = "CVE-2026-62371, CVE-2026-62182, CVE-2026-62370" if jobs else "CVE-2026-62371, CVE-2026-62370"
    kinds = "a NodeUpgradeJob or ConfigUpdateJob" if jobs else "a NodeUpgradeJob"
    worst, worst_zh = ("two of them let", "其中两个") if jobs else ("one of them lets", "其中一个")
    kinds_zh = kinds.removeprefix("a ").replace(" or ", " 或 ")
    fixes = [str(line.fixed) for release in releases if (line := lines[release]) and line.fixed]
    wanted = ", ".join(dict.fromkeys(fixes)) or " / ".join(map(str, fixed_releases()))
    return warned(
        Text(
            f"KubeEdge {told} has known vulnerabilities ({defects}); {worst} {kinds} run commands on edge nodes.",
            zh=f"KubeEdge {told} 存在已知漏洞（{defects}）；{worst_zh}可通过 {kinds_zh} 在边缘节点上执行命令。",
        ),
        expected=Text(f"{wanted} or newer", zh=f"{wanted} 或更新版本"),
        actual=told,
        hint=Text(
            "Upgrade with keadm (a bare `helm upgrade` keeps the old image tags); until then let only administrators create NodeUpgradeJobs and ConfigUpdateJobs.",
            zh="请使用 keadm 升级（单独执行 `helm upgrade` 会保留旧镜像标签）；在此之前只允许管理员创建 NodeUpgradeJob 和 ConfigUpdateJob。",
        ),
        subject="KubeEdge",
        evidence=(Evidence("image of cloudcore and kubelet versions of edges", told),),
        commands=(
            "kubectl get nodes -o wide",
            "kubectl auth can-i create nodeupgradejobs.operations.kubeedge.io",
        ),
        breaks=(),
    )
