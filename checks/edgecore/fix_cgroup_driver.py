"""KE209: edgecore takes the cgroup driver of the container runtime (facts.md §2.2, §9 (33))."""

from __future__ import annotations

from kedoctor.api import Plan, Text, Verdict, remedy
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig
from kedoctor.checks.facts.edge.host import CgroupSetting
from kedoctor.checks.plans.edgecore import edgecore_plan, set_keys

__all__ = ["cgroup_driver"]

_KEY = "modules.edged.tailoredKubeletConfig.cgroupDriver"


@remedy("KE209")
def cgroup_driver(verdict: Verdict, config: EdgecoreConfig, runtime: CgroupSetting) -> Plan:
    """Writes the runtime's driver into edgecore.yaml; the runtime's own configuration stays as it is."""
    return edgecore_plan(
        verdict,
        Text(
            f"set cgroupDriver: {runtime.driver} in {config.path}, as {runtime.runtime} has it",
            zh=f"在 {config.path} 中设置 cgroupDriver: {runtime.driver}，与 {runtime.runtime} 一致",
        ),
        Text(
            "New containers can start again; pods made under the other driver may be made anew.",
            zh="新容器可以启动；在另一驱动下创建的 Pod 可能会重建。",
        ),
        set_keys(config, {_KEY: runtime.driver}),
    )
