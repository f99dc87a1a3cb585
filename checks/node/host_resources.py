"""What an edge host has: an advice before it becomes a fault (requirements.md R125)."""

from __future__ import annotations

from kedoctor.api import Evidence, Finding, Resources, Side, Text, check, passed, warned
from kedoctor.checks.facts.edge.edgecore import EdgeName
from kedoctor.checks.facts.edge.host import EdgeResources

__all__ = ["edge_resources"]

_GB = 1_000_000_000
_NOMINAL = 0.9  # a machine sold with 1 GB shows less: firmware and kernel keep some
_EVICTION_MEMORY = 100 << 20  # edged's own eviction thresholds (facts.md §2.2, recording healthy)
_EVICTION_DISK = 0.15


@check(
    code="KE912",
    slug="edge-resources",
    title=Text("The edge has enough CPU, memory and disk", zh="边缘节点的 CPU、内存和磁盘充足"),
    side=Side.EDGE,
    references=("requirements.md R125",),
)
def edge_resources(resources: EdgeResources, name: EdgeName) -> Finding:
    """At least 1 CPU, 1 GB and 10 GB, and more free than the thresholds at which edged evicts pods."""
    found, node = resources.resources, name.name
    told = _told(found)
    lacks = _lacks(found)
    if not lacks:
        return passed(
            Text(f"{node} has enough: {told.en}.", zh=f"{node} 资源充足：{told.zh}。"),
            subject=node,
            node=node,
        )
    return warned(
        Text(
            f"{node} is short of resources: {'; '.join(text.en for text in lacks)}.",
            zh=f"{node} 资源不足：{'；'.join(text.zh for text in lacks)}。",
        ),
        expected=Text(
            "at least 1 CPU, 1 GB memory, 10 GB disk (2 CPUs and 2 GB recommended)",
            zh="至少 1 个 CPU、1 GB 内存、10 GB 磁盘（建议 2 个 CPU、2 GB 内存）",
        ),
        actual=told,
        hint=Text(
            "Remove what is not needed there: images, logs, other programs.",
            zh="清理不需要的镜像、日志和其他程序。",
        ),
        subject=node,
        node=node,
        evidence=(Evidence("nproc; free; df", told.en),),
        commands=("free -m", "df -h /var/lib", "sudo crictl rmi --prune"),
        breaks=(),
    )


def _told(found: Resources) -> Text:
    memory = f"{found.memory_available / _GB:.1f}/{found.memory_total / _GB:.1f} GB"
    disk = f"{found.disk_available / _GB:.1f}/{found.disk_total / _GB:.1f} GB"
    return Text(
        f"{found.cpus} CPUs, memory {memory} free, disk {disk} free",
        zh=f"{found.cpus} 个 CPU，内存空闲 {memory}，磁盘空闲 {disk}",
    )


def _lacks(found: Resources) -> list[Text]:
    lacks = []
    if found.cpus < 1:
        lacks.append(Text("no CPU is counted", zh="CPU 数量为零"))
    if found.memory_total < _NOMINAL * _GB:
        lacks.append(
            Text(f"{found.memory_total / _GB:.1f} GB memory", zh=f"内存仅 {found.memory_total / _GB:.1f} GB")
        )
    elif found.memory_available < _EVICTION_MEMORY:
        lacks.append(
            Text(
                f"{found.memory_available >> 20} MiB memory free, edged evicts pods below 100 MiB",
                zh=f"空闲内存 {found.memory_available >> 20} MiB，低于 100 MiB 时 edged 会驱逐 Pod",
            )
        )
    if found.disk_total < _NOMINAL * 10 * _GB:
        lacks.append(
            Text(f"{found.disk_total / _GB:.1f} GB disk", zh=f"磁盘仅 {found.disk_total / _GB:.1f} GB")
        )
    elif found.disk_available < _EVICTION_DISK * found.disk_total:
        percent = 100 * found.disk_available // max(found.disk_total, 1)
        lacks.append(
            Text(
                f"{percent} % of the disk free, edged evicts pods and images below 15 %",
                zh=f"磁盘仅剩 {percent}%，低于 15% 时 edged 会驱逐 Pod 和镜像",
            )
        )
    return lacks
