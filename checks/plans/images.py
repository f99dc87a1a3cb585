"""Bringing an image into the store of the runtime from an archive on this host (part of KE105, KE307, KE602)."""

from __future__ import annotations

from kedoctor.api import EveryHost, ImportImage, NoPlan, Text, Unavailable
from kedoctor.checks.facts.cluster.images import ImageArchives
from kedoctor.checks.facts.cluster.nodes import SiteNodes
from kedoctor.checks.parsers.kubernetes import Node, Pod
from kedoctor.checks.parsers.kubernetes.pod_health import trouble

__all__ = ["image_for", "imported"]

_REASONS = ("ErrImageNeverPull", "ImagePullBackOff", "ErrImagePull")


def image_for(
    pod: Pod, archives: EveryHost[ImageArchives], nodes: SiteNodes | Unavailable
) -> ImportImage | NoPlan | None:
    """The import of the image that a pod waits for, or what a person does instead; ``None`` if it waits for none.

    Only an archive on the very node of the pod helps, and only while kedoctor runs there.
    """
    image, where = _lacking(pod), pod.spec.node_name
    if not image:
        return None
    held = archives.known().get(where)
    archive = held.of(image) if held is not None else None
    if archive is None:
        return NoPlan(_by_hand(image, where))
    node = None if isinstance(nodes, Unavailable) else nodes.named(where)
    return ImportImage(archive, image, _runtime(node))


def imported(action: ImportImage) -> Text:
    """The title of such a repair."""
    return Text(
        f"import {action.reference} from {action.archive} into the store of this host's runtime",
        zh=f"从 {action.archive} 将 {action.reference} 导入本机运行时的镜像库",
    )


def _lacking(pod: Pod) -> str:
    """The image that a pod waits for; empty when it waits for none."""
    reason = trouble(pod)
    if reason is None or reason.reason not in _REASONS:
        return ""
    waiting = {
        status.name
        for status in pod.status.container_statuses or ()
        if status.state.waiting is not None and status.state.waiting.reason in _REASONS
    }
    return next((one.image for one in pod.spec.containers if one.name in waiting or not waiting), "")


def _runtime(node: Node | None) -> str:
    """Which runtime's store a node reads: ``k3s``, ``docker`` or ``containerd``."""
    version = node.status.node_info.container_runtime_version if node is not None else ""
    if "k3s" in version:
        return "k3s"
    return "docker" if version.startswith("docker://") else "containerd"


def _by_hand(image: str, node: str) -> Text:
    on, zh = (f" on {node}", f"在 {node} 上") if node else ("", "")
    return Text(
        f"the image {image} is not in the store of the runtime{on}, and no archive of it is in /var/lib/kedoctor/images "
        "there; import it from the offline bundle: sudo k3s ctr images import <archive>.tar (containerd: sudo ctr -n "
        "k8s.io images import <archive>.tar; docker load does not reach it)",
        zh=f"运行时的镜像库中没有 {image}，/var/lib/kedoctor/images 中也没有其归档；请{zh}从离线包导入："
        "sudo k3s ctr images import <归档>.tar（containerd：sudo ctr -n k8s.io images import <归档>.tar；docker load 无效）",
    )
