"""What is said of the diversion because of the KubeEdge release that was seen (versions.md §4); of an unknown one: not known."""

from __future__ import annotations

from kedoctor.api import Text, Unavailable
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreWorkload
from kedoctor.checks.parsers.releases import Release, Trait, has

__all__ = [
    "by_default",
    "framework",
    "port_moves",
    "record_kept",
    "release_of",
    "rights",
    "since_port_changed",
]


def release_of(workload: CloudcoreWorkload | Unavailable) -> Release | None:
    """The release of cloudcore's image; ``None`` where it was not seen or is none."""
    return None if isinstance(workload, Unavailable) else workload.release


def port_moves(release: Release | None) -> Text:
    """Whether a new cloudcore pod takes another tunnel port, as a clause."""
    moves = has(release, Trait.MOVING_TUNNEL_PORT)
    if moves is None:
        return Text(
            "whether a new cloudcore pod of this release takes another port is unknown",
            zh="无法得知该版本的新 cloudcore Pod 是否会更换端口",
        )
    if moves:
        return Text(
            f"every new cloudcore pod of {release} takes another port",
            zh=f"{release} 的每个新 cloudcore Pod 都会更换端口",
        )
    return Text(
        f"cloudcore {release} keeps its port when its pod is re-created",
        zh=f"cloudcore {release} 的 Pod 重建后端口不变",
    )


def since_port_changed(release: Release | None) -> Text:
    """When cloudcore took the port that it has now, as the end of a sentence."""
    moves = has(release, Trait.MOVING_TUNNEL_PORT)
    if moves:
        return Text("since the cloudcore pod was re-created", zh="自 cloudcore Pod 重建以来")
    if moves is None:
        return Text(
            "since the port changed (whether a new cloudcore pod of this release takes another one is unknown)",
            zh="自端口变化以来（无法得知该版本的新 cloudcore Pod 是否会更换端口）",
        )
    return Text(
        f"since the port changed, which in {release} it does when cloudcore moves to another host or its record is deleted",
        zh=f"自端口变化以来（{release} 中，cloudcore 换到其他主机或其记录被删除时端口才会变化）",
    )


def record_kept(release: Release | None) -> Text:
    """Who takes the record of a cloudcore that is gone out of the annotation, as a clause."""
    moves = has(release, Trait.MOVING_TUNNEL_PORT)
    if moves is None:
        return Text(
            "whether iptables-manager of this release does so by itself is unknown",
            zh="无法得知该版本的 iptables-manager 是否会自动删除",
        )
    if moves:
        return Text(
            f"iptables-manager {release} does so by itself when it works",
            zh=f"iptables-manager {release} 正常工作时会自动删除",
        )
    return Text(f"nothing in {release} does so by itself", zh=f"{release} 中没有组件会自动删除")


def by_default(release: Release | None) -> Text:
    """Which mode the chart and keadm of the release choose, as a clause."""
    external = has(release, Trait.EXTERNAL_MANAGER)
    if external is None:
        return Text("which mode is the default of this release is unknown", zh="无法得知该版本的默认模式")
    mode = "external" if external else "internal"
    return Text(f"the default of {release} is {mode}", zh=f"{release} 的默认模式为 {mode}")


def framework(release: Release | None) -> Text:
    """Whether the backend of iptables-manager can be chosen, as a clause."""
    can = has(release, Trait.MANAGER_FRAMEWORK)
    if can is None:
        return Text(
            "whether this release has iptablesManager.framework is unknown (v1.21 and later have it)",
            zh="无法得知该版本是否有 iptablesManager.framework（v1.21 起才有）",
        )
    if can:
        return Text(
            "iptablesManager.framework (legacy or nft) chooses its backend",
            zh="其后端由 iptablesManager.framework（legacy 或 nft）选择",
        )
    return Text(
        f"{release} has no iptablesManager.framework and no image of the other backend",
        zh=f"{release} 没有 iptablesManager.framework，也没有另一后端的镜像",
    )


def rights(release: Release | None) -> Text:
    """What iptables-manager of the release must be allowed to do."""
    reads_pods = has(release, Trait.MANAGER_READS_PODS)
    more, more_zh = "/update and pods get/list/watch", "/update、对 pods 具有 get/list/watch"
    if reads_pods is False:
        more = more_zh = ""
    unknown, unknown_zh = ("", "")
    if reads_pods is None:
        unknown, unknown_zh = " (update and pods: from v1.20 on)", "（update 与 pods：v1.20 起）"
    return Text(
        f"configmaps get/list/watch{more} in all namespaces{unknown}",
        zh=f"对所有命名空间的 configmaps 具有 get/list/watch{more_zh} 权限{unknown_zh}",
    )
