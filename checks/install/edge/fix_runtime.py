"""KE969 to KE973: a runtime out of the bundle where there is none, and the keys that an existing one lacks.

An existing containerd stays what it is: no program of it is replaced, and of its configuration only a key that is in
the way is changed (kubeprepare.md B42).
"""

from __future__ import annotations

import json

from kedoctor.api import (
    Action,
    ControlUnit,
    ImportImage,
    NoPlan,
    Plan,
    RestartUnit,
    Risk,
    Text,
    Unavailable,
    Unit,
    Verdict,
    WriteFile,
    remedy,
)
from kedoctor.checks.install.edge.facts_network import PodRange
from kedoctor.checks.install.edge.facts_request import InstallBundle
from kedoctor.checks.install.edge.facts_runtime import (
    UNIT_NAME,
    HostPrograms,
    HostRuntime,
    PodNetworks,
    RuntimeFile,
    RuntimeStore,
)
from kedoctor.checks.install.edge.images import missing_images
from kedoctor.checks.install.steps import NOTHING_RUNS, copy_of, not_in_bundle, step_plan
from kedoctor.checks.parsers.cni_config import CNI_FILE, conflist
from kedoctor.checks.parsers.config.toml_edit import put
from kedoctor.checks.plans.edgecore import no_plan

__all__ = [
    "pod_network",
    "runtime_answers",
    "runtime_config",
    "runtime_configured",
    "runtime_images",
    "runtime_programs",
]

_BIN = "/usr/local/bin"
_UNIT_PATH = f"/etc/systemd/system/{UNIT_NAME}"
# Where a configuration of that version names the sandbox image; one without a version is of the first.
_SANDBOX = {
    1: ("plugins", "cri", "sandbox_image"),
    2: ("plugins", "io.containerd.grpc.v1.cri", "sandbox_image"),
    3: ("plugins", "io.containerd.cri.v1.images", "pinned_images", "sandbox"),
}


@remedy("KE969")
def runtime_programs(verdict: Verdict, found: InstallBundle, programs: HostPrograms) -> Plan | NoPlan:
    """Only what is missing."""
    files = {name: found.program(name) for name in programs.missing}
    lacking = ", ".join(name for name, file in files.items() if file is None)
    if lacking:
        return not_in_bundle(found, lacking)
    actions = [
        copy_of(found.bundle, file, f"{_BIN}/{name}") for name, file in files.items() if file is not None
    ]
    names = ", ".join(files)
    return step_plan(verdict, Text(f"put {names} into {_BIN}", zh=f"将 {names} 放入 {_BIN}"), *actions)


def runtime_config(pause: str) -> str:
    """A configuration for containerd 1.x and 2.x (which reads version 2 as well), with KubeEdge's cgroup driver.

    cgroupfs is what edgecore and keadm use unless told otherwise (facts.md §2.2); both sides must be alike.
    """
    return f"""\
# Written by kedoctor for a KubeEdge edge without a registry.
version = 2

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = {json.dumps(pause)}

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/opt/cni/bin"
    conf_dir = "/etc/cni/net.d"

  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
"""


@remedy("KE970")
def runtime_configured(
    verdict: Verdict, file: RuntimeFile, found: InstallBundle, runtime: HostRuntime
) -> Plan | NoPlan:
    """A whole file where there is none; else the one key, in a document whose every other key is the same."""
    if not file.exists:
        text: str | None = runtime_config(found.pause)
        title = Text(
            f"write {file.path} with the sandbox image {found.pause}",
            zh=f"写入 {file.path}，沙箱镜像为 {found.pause}",
        )
    else:
        text = _edited(file, found)
        title = Text(
            f"switch CRI on and set the sandbox image in {file.path}",
            zh=f"在 {file.path} 中启用 CRI 并设置沙箱镜像",
        )
    if text is None:
        return no_plan(
            f"{file.path} cannot be changed for certain: let disabled_plugins not name cri, and set sandbox_image to {found.pause}",
            f"无法可靠修改 {file.path}：请确保 disabled_plugins 不含 cri，并将 sandbox_image 设为 {found.pause}",
        )
    runs = isinstance(runtime.unit, Unit) and runtime.unit.active_state == "active"
    return step_plan(
        verdict,
        title,
        WriteFile(file.path, text.encode(), None if file.exists else 0o644),
        prediction=Text(
            "containerd restarts; containers that run keep running.",
            zh="containerd 会重启；运行中的容器不受影响。",
        )
        if runs
        else NOTHING_RUNS,
        risk=Risk.RESTARTS_EDGECORE if runs else Risk.SAFE,
        restarts=(RestartUnit(UNIT_NAME),) if runs else (),
    )


def _edited(file: RuntimeFile, found: InstallBundle) -> str | None:
    """The present document with CRI switched on and, if its sandbox image is not at hand, the bundle's."""
    text: str | None = file.text
    tree = file.tree or {}
    if file.cri_disabled:
        kept = [name for name in tree.get("disabled_plugins", []) if "cri" not in name]
        text = put(file.text, ("disabled_plugins",), kept)
    held = {image.reference for _, image in found.bundle.images()}
    if text is not None and (not file.sandbox or file.sandbox not in held):
        text = put(text, _SANDBOX.get(tree.get("version", 1), _SANDBOX[2]), found.pause)
    return text


_UNIT = """\
[Unit]
Description=containerd container runtime
Documentation=https://containerd.io
After=network.target local-fs.target

[Service]
ExecStartPre=-/sbin/modprobe overlay
ExecStart={program}
Type=notify
Delegate=yes
KillMode=process
Restart=always
RestartSec=5
LimitNPROC=infinity
LimitCORE=infinity
LimitNOFILE=1048576
TasksMax=infinity
OOMScoreAdjust=-999

[Install]
WantedBy=multi-user.target
"""


@remedy("KE971")
def runtime_answers(verdict: Verdict, runtime: HostRuntime, programs: HostPrograms) -> Plan | NoPlan:
    """A unit like upstream's where there is none, then started and enabled; a CRI that is broken is told."""
    unit = runtime.unit
    if isinstance(unit, Unavailable) or unit.load_state not in ("loaded", "not-found"):
        return no_plan(
            "its unit cannot be used (systemctl status containerd)",
            "其单元不可用（systemctl status containerd）",
        )
    if "containerd" not in programs.paths:
        return no_plan("containerd is not installed yet", "尚未安装 containerd")
    if unit.active_state == "active" and unit.unit_file_state != "disabled":
        return no_plan(
            "containerd runs and its CRI does not; `sudo journalctl -u containerd | grep -i cri` says why",
            "containerd 正在运行，但其 CRI 不可用；`sudo journalctl -u containerd | grep -i cri` 会说明原因",
        )
    actions: tuple[Action, ...] = ()
    if unit.load_state == "not-found":
        text = _UNIT.format(program=programs.paths["containerd"])
        actions = (WriteFile(_UNIT_PATH, text.encode(), 0o644), ControlUnit("", "daemon-reload"))
    return step_plan(
        verdict,
        Text("start containerd now and at every boot", zh="立即启动 containerd 并设为开机自启"),
        *actions,
        ControlUnit(UNIT_NAME, "enable-now"),
        settle=30.0,
    )


@remedy("KE972")
def pod_network(
    verdict: Verdict, present: PodNetworks, found: InstallBundle, chosen: PodRange
) -> Plan | NoPlan:
    """The bundle's plugins that are missing, and a bridge for the range that was judged before."""
    first = present.networks[0] if present.networks else None
    ours = f"{present.directory}/{CNI_FILE}"
    if first is not None and first.error:
        return no_plan(
            f"{first.path} is somebody's and cannot be read; repair or remove it",
            f"{first.path} 无法读取；请修复或删除",
        )
    if first is not None and first.two_default_routes and first.path != ours:
        return no_plan(
            f"{first.path} is somebody's; take isDefaultGateway or the route 0.0.0.0/0 out of it",
            f"{first.path} 不是 kedoctor 写入的；请从中去掉 isDefaultGateway 或路由 0.0.0.0/0",
        )
    plugins = [
        one for one in found.bundle.cni_plugins(found.architecture) if one.name not in present.installed
    ]
    actions: list[Action] = [
        copy_of(found.bundle, one, f"{present.plugin_directory}/{one.name}") for one in plugins
    ]
    lacking = set(present.missing) - {one.name for one in plugins}
    if lacking:
        names = ", ".join(sorted(lacking))
        return no_plan(f"the bundle has no CNI plugin {names}", f"离线包中没有 CNI 插件 {names}")
    title = Text(
        f"put the CNI plugins into {present.plugin_directory}",
        zh=f"将 CNI 插件放入 {present.plugin_directory}",
    )
    if first is None or first.two_default_routes:
        if chosen.network is None:
            return no_plan(
                f"there is no range for pods: {chosen.problem}", f"没有可用的 Pod 网段：{chosen.problem}"
            )
        content = conflist(str(chosen.network))
        actions.append(WriteFile(ours, content, 0o644 if first is None else None))
        title = Text(
            f"put the CNI plugins in place and give pods {chosen.network}",
            zh=f"放置 CNI 插件并为 Pod 分配 {chosen.network}",
        )
    return step_plan(verdict, title, *actions)


@remedy("KE973")
def runtime_images(verdict: Verdict, found: InstallBundle, file: RuntimeFile, store: RuntimeStore) -> Plan:
    """Into the namespace that edgecore's runtime reads; the sandbox image first, because everything begins with it."""
    missing = missing_images(found, file, store)
    return step_plan(
        verdict,
        Text(f"import {len(missing)} images into containerd", zh=f"将 {len(missing)} 个镜像导入 containerd"),
        *(ImportImage(path, name, "containerd") for name, path in missing),
    )
