"""The images of an edge, in the store that its runtime reads (requirements.md R078, kubeprepare.md §3.5)."""

from __future__ import annotations

from kedoctor.api import Finding, Risk, RunMode, Side, Text, check, failed, passed
from kedoctor.checks.install.edge.facts_request import InstallBundle
from kedoctor.checks.install.edge.facts_runtime import RuntimeFile, RuntimeStore

__all__ = ["missing_images", "runtime_images"]


def missing_images(
    found: InstallBundle, file: RuntimeFile, store: RuntimeStore
) -> tuple[tuple[str, str], ...]:
    """What the bundle has for an edge and the store has not, with the archives; the sandbox image comes first."""
    own = [
        (image.reference, found.bundle.path(archive))
        for archive, image in found.bundle.images()
        if image.reference == file.sandbox and image.architecture in ("", found.architecture)
    ]
    wanted = dict([*own[:1], *found.held()])
    return tuple((name, path) for name, path in wanted.items() if name not in store.names)


@check(
    code="KE973",
    slug="install-images",
    title=Text(
        "The edge's images are in containerd (namespace k8s.io)",
        zh="边缘镜像已导入 containerd（k8s.io 命名空间）",
    ),
    side=Side.EDGE,
    occasions=(RunMode.INSTALL,),
    deadline=300.0,
    remedy=Text(
        "Import them from the bundle with ctr, the sandbox image first.",
        zh="用 ctr 从离线包导入，先导入沙箱镜像。",
    ),
    risk=Risk.SAFE,
    references=("facts.md §6.1", "facts.md §9 (12)", "facts.md §10 (46)", "kubeprepare.md §3.5"),
)
def runtime_images(found: InstallBundle, file: RuntimeFile, store: RuntimeStore) -> Finding:
    """Asked of containerd; what docker has beside it is in another store, which edgecore does not read."""
    missing = missing_images(found, file, store)
    if not missing:
        there = ", ".join(name for name, _ in found.held())
        return passed(Text(f"containerd has {there}.", zh=f"containerd 中已有 {there}。"))
    names = ", ".join(name for name, _ in missing)
    return failed(
        Text(f"containerd lacks {names}.", zh=f"containerd 中缺少 {names}。"),
        expected=Text("every image of the bundle that an edge uses", zh="离线包中边缘节点所需的全部镜像"),
        actual=Text(f"{len(missing)} missing", zh=f"缺少 {len(missing)} 个"),
        hint=Text(
            "Without the sandbox image and installation-package keadm join fails at `Copy resources`.",
            zh="缺少沙箱镜像或 installation-package 时，keadm join 会在 `Copy resources` 处失败。",
        ),
        commands=("sudo ctr -n k8s.io images ls -q",),
    )
