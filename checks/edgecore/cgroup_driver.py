"""edgecore and the container runtime must name the same cgroup driver (facts.md §2.2, §9 (33))."""

from __future__ import annotations

from kedoctor.api import Evidence, Finding, Risk, Side, Text, Unavailable, check, failed, passed, unknown
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig
from kedoctor.checks.facts.edge.edgecore_log import EdgecoreLog, quoted
from kedoctor.checks.facts.edge.host import CgroupSetting
from kedoctor.checks.facts.edge.version import EdgecoreRelease
from kedoctor.checks.parsers.releases import Trait, has

__all__ = ["cgroup_driver"]

_KEY = "modules.edged.tailoredKubeletConfig.cgroupDriver"
_FROM_RUNTIME = "Using cgroup driver setting received from the CRI runtime"
_STARTED = "Version: v"
_ALIGN = Text(
    "Set edgecore's cgroupDriver to that of the runtime and restart edgecore.",
    zh="将 edgecore 的 cgroupDriver 设为与运行时一致，并重启 edgecore。",
)


@check(
    code="KE209",
    slug="cgroup-driver",
    title=Text("edgecore and the runtime use one cgroup driver", zh="edgecore 与运行时使用同一 cgroup 驱动"),
    side=Side.EDGE,
    breaks=ALL_STREAMS,
    hop="runtime",
    builds_on=("KE201",),
    remedy=_ALIGN,
    risk=Risk.RESTARTS_EDGECORE,
    references=("facts.md §2.2", "facts.md §9 (33)", "facts.md §10 (45)"),
)
def cgroup_driver(
    config: EdgecoreConfig,
    runtime: CgroupSetting,
    version: EdgecoreRelease,
    log: EdgecoreLog | Unavailable,
) -> Finding:
    """``cgroupDriver`` against containerd's ``SystemdCgroup`` or what docker says; containers cannot start otherwise.

    From v1.22 on a runtime that answers RuntimeConfig (containerd 2.0, CRI-O 1.28) decides and the file does not count;
    edgecore then says so when it starts (versions.md §4); a start without that line means that the file counts.
    """
    node, ours = config.node_name, config.text(_KEY)
    evidence = (
        Evidence(config.path, f"cgroupDriver: {ours}", config.line(_KEY)),
        Evidence(runtime.source, runtime.line),
    )
    if ours == runtime.driver:
        return passed(
            Text(
                f"edgecore and {runtime.runtime} of {node} both use {ours}.",
                zh=f"{node} 的 edgecore 与 {runtime.runtime} 均使用 {ours}。",
            ),
            subject=node,
            node=node,
            evidence=evidence,
        )
    told = None if isinstance(log, Unavailable) else log.newest(_FROM_RUNTIME)
    if told is not None:
        return _from_runtime(node, runtime, (*evidence, Evidence("journal of edgecore", quoted(told))))
    start_seen = not isinstance(log, Unavailable) and log.newest(_STARTED) is not None
    if not start_seen and has(version.release, Trait.CGROUP_DRIVER_FROM_CRI) is not False:
        return _not_decided(config, runtime, version)
    return failed(
        Text(
            f"edgecore of {node} uses the cgroup driver {ours}, but {runtime.runtime} uses {runtime.driver}: no new container can start (`expected cgroupsPath to be of format ...`).",
            zh=f"{node} 的 edgecore 使用 cgroup 驱动 {ours}，而 {runtime.runtime} 使用 {runtime.driver}：新容器无法启动（`expected cgroupsPath to be of format ...`）。",
        ),
        expected=Text(f"cgroupDriver: {runtime.driver}", zh=f"cgroupDriver: {runtime.driver}"),
        actual=f"cgroupDriver: {ours}",
        hint=_ALIGN,
        subject=node,
        node=node,
        evidence=evidence,
        commands=(
            f"sudo vi {config.path}   # {_KEY}: {runtime.driver}",
            "sudo systemctl restart edgecore",
            "sudo crictl ps -a",
        ),
    )


def _from_runtime(node: str, runtime: CgroupSetting, evidence: tuple[Evidence, ...]) -> Finding:
    return passed(
        Text(
            f"edgecore of {node} takes the cgroup driver from {runtime.runtime}, so cgroupDriver in its file does not count.",
            zh=f"{node} 的 edgecore 使用 {runtime.runtime} 提供的 cgroup 驱动，其文件中的 cgroupDriver 不生效。",
        ),
        subject=node,
        node=node,
        evidence=evidence,
    )


def _not_decided(config: EdgecoreConfig, runtime: CgroupSetting, version: EdgecoreRelease) -> Finding:
    node, ours = config.node_name, config.text(_KEY)
    seen = version.text or "of an unknown version"
    return unknown(
        Text(
            f"edgecore of {node} is set to {ours} and {runtime.runtime} to {runtime.driver}, but edgecore {seen} asks the runtime first; its log no longer shows the answer.",
            zh=f"{node} 的 edgecore 设为 {ours}，{runtime.runtime} 设为 {runtime.driver}；但 edgecore {version.text or '（版本未知）'} 会先询问运行时，日志中已看不到结果。",
        ),
        subject=node,
        node=node,
    )
