"""edgecore and the container runtime must name the same cgroup driver (facts.md §2.2, §9 (33))."""

from __future__ import annotations

from kedoctor.api import Evidence, Finding, Risk, Side, Text, check, failed, passed
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig
from kedoctor.checks.facts.edge.host import CgroupSetting

__all__ = ["cgroup_driver"]

_KEY = "modules.edged.tailoredKubeletConfig.cgroupDriver"
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
def cgroup_driver(config: EdgecoreConfig, runtime: CgroupSetting) -> Finding:
    """``cgroupDriver`` against containerd's ``SystemdCgroup`` or what docker says; containers cannot start otherwise."""
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
