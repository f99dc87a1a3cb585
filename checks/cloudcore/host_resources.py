"""What a cloud host has: an advice before it becomes a fault (requirements.md R124)."""

from __future__ import annotations

from kedoctor.api import Evidence, Finding, Resources, Side, Text, check, passed, warned
from kedoctor.checks.facts.cloud.cloud_host import CloudResources

__all__ = ["cloud_resources"]

_GB = 1_000_000_000
_NOMINAL = 0.9  # a machine sold with 4 GB shows less: firmware and kernel keep some
_CPUS, _MEMORY, _DISK = 2, 4, 20
_RECOMMENDED_CPUS, _RECOMMENDED_MEMORY = 4, 8


@check(
    code="KE911",
    slug="cloud-resources",
    title=Text("The cloud host has enough CPU, memory and disk", zh="云端主机的 CPU、内存和磁盘充足"),
    side=Side.CLOUD,
    references=("requirements.md R124",),
)
def cloud_resources(resources: CloudResources) -> Finding:
    """At least 2 CPUs, 4 GB and 20 GB; 4 CPUs and 8 GB are recommended."""
    found = resources.resources
    told = _told(found)
    lacks = _lacks(found)
    if not lacks:
        small = found.cpus < _RECOMMENDED_CPUS or found.memory_total < _NOMINAL * _RECOMMENDED_MEMORY * _GB
        more = " 4 CPUs and 8 GB are recommended." if small else ""
        more_zh = "建议 4 个 CPU、8 GB 内存。" if small else ""
        return passed(
            Text(f"Enough for the cloud side: {told.en}.{more}", zh=f"云端资源足够：{told.zh}。{more_zh}")
        )
    return warned(
        Text(
            f"This host is small for the cloud side: {'; '.join(text.en for text in lacks)}.",
            zh=f"本机作为云端资源偏小：{'；'.join(text.zh for text in lacks)}。",
        ),
        expected=Text(
            "at least 2 CPUs, 4 GB memory, 20 GB disk (4 CPUs and 8 GB recommended)",
            zh="至少 2 个 CPU、4 GB 内存、20 GB 磁盘（建议 4 个 CPU、8 GB 内存）",
        ),
        actual=told,
        hint=Text(
            "Give the machine more, or move what is not needed off it.",
            zh="为机器增加资源，或移走不需要的负载。",
        ),
        evidence=(Evidence("nproc; free; df /var/lib", told.en),),
        commands=("nproc", "free -m", "df -h /var/lib"),
        breaks=(),
    )


def _told(found: Resources) -> Text:
    memory = f"{found.memory_total / _GB:.1f} GB"
    disk = f"{found.disk_total / _GB:.1f} GB"
    free = f"{found.disk_available / _GB:.1f} GB"
    return Text(
        f"{found.cpus} CPUs, {memory} memory, {disk} disk under /var/lib ({free} free)",
        zh=f"{found.cpus} 个 CPU，内存 {memory}，/var/lib 所在磁盘 {disk}（空闲 {free}）",
    )


def _lacks(found: Resources) -> list[Text]:
    lacks = []
    if found.cpus < _CPUS:
        lacks.append(Text(f"{found.cpus} CPU", zh=f"仅 {found.cpus} 个 CPU"))
    if found.memory_total < _NOMINAL * _MEMORY * _GB:
        amount = f"{found.memory_total / _GB:.1f} GB"
        lacks.append(Text(f"{amount} memory", zh=f"内存仅 {amount}"))
    if found.disk_total < _NOMINAL * _DISK * _GB:
        amount = f"{found.disk_total / _GB:.1f} GB"
        lacks.append(Text(f"{amount} disk", zh=f"磁盘仅 {amount}"))
    return lacks
