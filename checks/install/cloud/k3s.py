"""K3s on the cloud host: its program, the images it starts with, and its unit (KE955 to KE957).

Each is a step of an install (kubeprepare.md §1.3). A K3s that is here already keeps its program, its unit and its
name; only what keeps kube-apiserver from edges is put right. Another Kubernetes is left as it is.
"""

from __future__ import annotations

import posixpath

from kedoctor.api import (
    Finding,
    Risk,
    RunMode,
    Side,
    Text,
    check,
    failed,
    passed,
    skipped,
)
from kedoctor.checks.install.cloud.facts_installed import (
    K3S_IMAGES,
    K3S_PROGRAM,
    Distribution,
    K3sArchives,
    K3sHere,
    KubernetesHere,
)
from kedoctor.checks.install.cloud.facts_request import CloudBundle
from kedoctor.checks.install.steps import program_in_place

__all__ = ["UNIT_PATH", "UNIT_TEXT", "k3s_archives", "k3s_program", "k3s_unit", "left_alone"]

_INSTALL = (RunMode.INSTALL,)
UNIT_PATH = "/etc/systemd/system/k3s.service"


def left_alone(kubernetes: KubernetesHere) -> Finding | None:
    """The skip of every K3s step beside another Kubernetes."""
    if not kubernetes.is_foreign:
        return None
    return skipped(
        Text(
            f"Another Kubernetes is here ({kubernetes.shown_by}) and is left as it is.",
            zh=f"本机已有其他 Kubernetes（{kubernetes.shown_by}），保持不变。",
        )
    )


# ------------------------------------------------------------------------------------------ the program


@check(
    code="KE955",
    slug="k3s-program",
    title=Text("The program k3s is in place", zh="k3s 程序已就位"),
    side=Side.CLOUD,
    occasions=_INSTALL,
    remedy=Text("Copy k3s out of the offline bundle.", zh="从离线包复制 k3s。"),
    risk=Risk.SAFE,
    references=("kubeprepare.md §1.3", "kubeprepare.md B38"),
)
def k3s_program(k3s: K3sHere, kubernetes: KubernetesHere) -> Finding:
    """It is there and can be run; one that is there already is kept, whatever its version."""
    skip = left_alone(kubernetes)
    if skip is not None:
        return skip
    return program_in_place(k3s.program, "k3s", "k3s-<arch>")


# ------------------------------------------------------------------------------------------ the archives


@check(
    code="KE956",
    slug="k3s-archives",
    title=Text("K3s finds the images where it imports them from", zh="镜像归档已放入 K3s 的导入目录"),
    side=Side.CLOUD,
    occasions=_INSTALL,
    remedy=Text(f"Copy the archives into {K3S_IMAGES}.", zh=f"将归档复制到 {K3S_IMAGES}。"),
    risk=Risk.SAFE,
    references=("facts.md §8.5", "kubeprepare.md §1.3", "kubeprepare.md B29"),
)
def k3s_archives(
    bundle: CloudBundle, archives: K3sArchives, k3s: K3sHere, kubernetes: KubernetesHere
) -> Finding:
    """Every archive of the bundle, whole: K3s imports them at each start, so an image that was cleaned up comes back."""
    skip = left_alone(kubernetes)
    if skip is not None:
        return skip
    if kubernetes.distribution is Distribution.K3S and not k3s.ours:
        return skipped(
            Text(
                "This K3s was not installed by kedoctor; its images are imported while it runs (KE960).",
                zh="该 K3s 并非由 kedoctor 安装；镜像将在其运行时导入（KE960）。",
            )
        )
    lacking = archives.lacking(bundle)
    if not lacking:
        return passed(
            Text(
                f"{len(bundle.archives)} archives lie in {K3S_IMAGES}.",
                zh=f"{K3S_IMAGES} 中有 {len(bundle.archives)} 个归档。",
            )
        )
    names = ", ".join(posixpath.basename(one.path) for one in lacking)
    return failed(
        Text(
            f"{len(lacking)} of {len(bundle.archives)} archives are not in {K3S_IMAGES}, so K3s starts without their images.",
            zh=f"{len(bundle.archives)} 个归档中有 {len(lacking)} 个不在 {K3S_IMAGES}，K3s 启动后将缺少这些镜像。",
        ),
        expected=Text("every archive of the cloud side, whole", zh="云端的全部归档，且完整"),
        actual=names,
        hint=Text("Copy them out of the offline bundle.", zh="请从离线包复制。"),
        subject=K3S_IMAGES,
        commands=(f"sudo mkdir -p {K3S_IMAGES}", f"sudo cp <bundle>/images/*.tar {K3S_IMAGES}/"),
    )


# ------------------------------------------------------------------------------------------ the unit

UNIT_TEXT = f"""# Written by kedoctor install cloud.
[Unit]
Description=K3s (Kubernetes of the cloud side)
Documentation=https://k3s.io
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
EnvironmentFile=-/etc/default/%N
ExecStart={K3S_PROGRAM} server
KillMode=process
Delegate=yes
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
TimeoutStartSec=600
Restart=always
RestartSec=5s

[Install]
WantedBy=multi-user.target
"""
"""Without arguments: all settings are in config.yaml.d, where they can be corrected one by one."""


@check(
    code="KE957",
    slug="k3s-unit",
    title=Text("systemd knows K3s", zh="systemd 中有 K3s 单元"),
    side=Side.CLOUD,
    occasions=_INSTALL,
    remedy=Text(f"Write {UNIT_PATH}.", zh=f"写入 {UNIT_PATH}。"),
    risk=Risk.SAFE,
    references=("kubeprepare.md §1.3", "kubeprepare.md B43"),
)
def k3s_unit(k3s: K3sHere, kubernetes: KubernetesHere) -> Finding:
    """A unit k3s.service that systemd has loaded, whoever wrote it."""
    skip = left_alone(kubernetes)
    if skip is not None:
        return skip
    if k3s.unit is not None:
        where = k3s.unit.fragment_path or "k3s.service"
        return passed(Text(f"k3s.service is {where}.", zh=f"k3s.service 为 {where}。"))
    return failed(
        Text("systemd knows no k3s.service.", zh="systemd 中没有 k3s.service。"),
        expected=Text(UNIT_PATH, zh=UNIT_PATH),
        actual=Text("not found", zh="未找到"),
        hint=Text("Write the unit and let systemd read it.", zh="请写入该单元并让 systemd 重新加载。"),
        subject="k3s.service",
        commands=("sudo systemctl daemon-reload", "systemctl cat k3s"),
    )
