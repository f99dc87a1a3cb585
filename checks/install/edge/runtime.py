"""The container runtime of an edge that is being installed: its programs, its configuration, and that it answers."""

from __future__ import annotations

from kedoctor.api import (
    Evidence,
    Finding,
    Risk,
    RunMode,
    Side,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    unknown,
)
from kedoctor.checks.install.edge.facts_request import InstallBundle
from kedoctor.checks.install.edge.facts_runtime import (
    UNIT_NAME,
    HostPrograms,
    HostRuntime,
    RuntimeFile,
    RuntimeStore,
)

__all__ = ["runtime_answers", "runtime_configured", "runtime_programs"]

_ONLY = (RunMode.INSTALL,)


@check(
    code="KE969",
    slug="install-runtime-programs",
    title=Text("containerd and runc are installed", zh="已安装 containerd 和 runc"),
    side=Side.EDGE,
    occasions=_ONLY,
    deadline=300.0,
    remedy=Text("Put what is missing into /usr/local/bin.", zh="将缺少的程序放入 /usr/local/bin。"),
    risk=Risk.SAFE,
    references=("kubeprepare.md §1.5", "kubeprepare.md B42"),
)
def runtime_programs(programs: HostPrograms) -> Finding:
    """A runtime that is there is left as it is; whether docker is installed besides does not matter."""
    if not programs.missing:
        where = ", ".join(sorted(programs.paths.values()))
        return passed(Text(f"The runtime is installed: {where}.", zh=f"运行时已安装：{where}。"))
    names = ", ".join(programs.missing)
    return failed(
        Text(
            f"The container runtime is not complete: {names} is missing.",
            zh=f"容器运行时不完整：缺少 {names}。",
        ),
        expected=Text("containerd, its shim, ctr and runc", zh="containerd、其 shim、ctr 和 runc"),
        actual=Text(f"no {names}", zh=f"没有 {names}"),
        hint=Text("They come out of the offline bundle.", zh="由离线包提供。"),
        commands=("command -v containerd containerd-shim-runc-v2 ctr runc",),
    )


@check(
    code="KE970",
    slug="install-runtime-config",
    title=Text("containerd offers CRI and has a sandbox image", zh="containerd 已启用 CRI 并配置沙箱镜像"),
    side=Side.EDGE,
    occasions=_ONLY,
    deadline=300.0,
    remedy=Text(
        "Write a configuration, or change the one key in the present one, and restart containerd if it runs.",
        zh="写入配置，或只修改现有配置中的相应键；若 containerd 正在运行则重启它。",
    ),
    risk=Risk.RESTARTS_EDGECORE,
    references=("facts.md §2.2", "facts.md §10 (45)", "facts.md §10 (46)", "kubeprepare.md §1.5"),
)
def runtime_configured(file: RuntimeFile, found: InstallBundle, store: RuntimeStore | Unavailable) -> Finding:
    """CRI not disabled, and a sandbox image that is in the store or in the bundle, so that no registry is asked."""
    if not file.exists:
        return _misses(file, Text("there is no such file", zh="文件不存在"))
    if file.cri_disabled:
        return _misses(
            file, Text("disabled_plugins names the CRI plugin", zh="disabled_plugins 中禁用了 CRI 插件")
        )
    if not file.sandbox:
        return _misses(
            file,
            Text(
                "it names no sandbox image, so a registry would be asked", zh="未指定沙箱镜像，将访问镜像仓库"
            ),
        )
    held = {image.reference for _, image in found.bundle.images()}
    stored = frozenset() if isinstance(store, Unavailable) else store.names
    if file.sandbox not in held | stored:
        return _misses(
            file,
            Text(
                f"its sandbox image {file.sandbox} is neither in containerd nor in the bundle",
                zh=f"其沙箱镜像 {file.sandbox} 既不在 containerd 中，也不在离线包中",
            ),
        )
    return passed(
        Text(
            f"{file.path} offers CRI with the sandbox image {file.sandbox}, cgroup driver {file.driver}.",
            zh=f"{file.path} 已启用 CRI，沙箱镜像为 {file.sandbox}，cgroup 驱动为 {file.driver}。",
        ),
        subject=file.path,
    )


def _misses(file: RuntimeFile, why: Text) -> Finding:
    return failed(
        Text(
            f"{file.path} does not fit an edge without a registry: {why.en}.",
            zh=f"{file.path} 不适合离线边缘节点：{why.zh}。",
        ),
        expected=Text("CRI on, and a sandbox image that is at hand", zh="启用 CRI，并使用本地已有的沙箱镜像"),
        actual=why,
        hint=Text(
            "If kedoctor cannot change it for certain, do it by hand and run the same command again.",
            zh="若 kedoctor 无法可靠修改，请手动修改后重新执行同一命令。",
        ),
        subject=file.path,
        evidence=(Evidence(file.path, why.en),),
        commands=(f"sudo grep -nE 'disabled_plugins|sandbox' {file.path}",),
    )


@check(
    code="KE971",
    slug="install-runtime-answers",
    title=Text(
        "containerd runs, starts at boot and answers CRI", zh="containerd 正在运行、开机自启并应答 CRI"
    ),
    side=Side.EDGE,
    occasions=_ONLY,
    remedy=Text(
        "Write its unit if there is none, enable and start it.", zh="若没有单元则写入，然后启用并启动。"
    ),
    risk=Risk.SAFE,
    references=("facts.md §10 (45)", "kubeprepare.md §1.5"),
)
def runtime_answers(runtime: HostRuntime, file: RuntimeFile) -> Finding:
    """The unit, its socket, and the state of the CRI plugin as containerd itself tells it."""
    unit = runtime.unit
    if isinstance(unit, Unavailable):
        return unknown(Text(f"systemd was not asked: {unit}.", zh=f"未能查询 systemd：{unit.in_chinese}。"))
    if unit.load_state != "loaded":
        return _silent(Text(f"there is no {UNIT_NAME}", zh=f"没有 {UNIT_NAME}"), unit.load_state)
    if unit.active_state != "active":
        return _silent(Text("it does not run", zh="未运行"), f"{unit.active_state} ({unit.sub_state})")
    if unit.unit_file_state == "disabled":
        return _silent(Text("it does not start at boot", zh="未设为开机自启"), "disabled")
    if isinstance(runtime.socket, Unavailable):
        return _silent(
            Text(f"there is no socket {file.address}", zh=f"没有套接字 {file.address}"), str(runtime.socket)
        )
    if isinstance(runtime.plugins, Unavailable) or runtime.plugins.exit_code:
        said = runtime.plugins if isinstance(runtime.plugins, Unavailable) else runtime.plugins.stderr.strip()
        return _silent(Text("it does not answer ctr", zh="不应答 ctr"), str(said)[:200])
    if runtime.cri != "ok":
        state = runtime.cri or "absent"
        return _silent(Text(f"its CRI plugin is {state}", zh=f"其 CRI 插件状态为 {state}"), f"cri {state}")
    return passed(
        Text(f"containerd answers CRI at {file.endpoint}.", zh=f"containerd 在 {file.endpoint} 应答 CRI。"),
        subject=UNIT_NAME,
    )


def _silent(why: Text, actual: str) -> Finding:
    return failed(
        Text(
            f"containerd is of no use to an edge yet: {why.en}.",
            zh=f"containerd 尚不可用于边缘节点：{why.zh}。",
        ),
        expected=Text(
            f"{UNIT_NAME} active and enabled, CRI ok", zh=f"{UNIT_NAME} 为 active 且已启用，CRI 正常"
        ),
        actual=actual,
        hint=Text("Its log says why it does not.", zh="其日志会说明原因。"),
        subject=UNIT_NAME,
        commands=("systemctl status containerd --no-pager", "sudo journalctl -u containerd -n 50 --no-pager"),
    )
