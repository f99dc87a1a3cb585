"""The runtime's own programs: the shim, runc or what stands in for it, the snapshotter (facts.md §11.4)."""

from __future__ import annotations

from kedoctor.api import (
    Evidence,
    Finding,
    Side,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    patterns,
    skipped,
    unknown,
)
from kedoctor.checks.facts.edge.container_runtime import ContainerdSettings
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig
from kedoctor.checks.facts.edge.edgecore_log import EdgecoreLog, quoted
from kedoctor.checks.facts.edge.runtime_programs import RuntimePrograms

__all__ = ["oci_runtime"]

# runc: utils_linux.go, containerd: core/runtime/v2/shim_manager.go, pkg/cri; nvidia-container-toolkit.
_WRONG = (
    (
        patterns.compiled(
            r"nvidia-container-(?:runtime|cli).{0,80}|exec: \\?\"?(?:runc|crun|nvidia-container-runtime|containerd-shim[\w-]*)\\?\"?: executable file not found"
        ),
        Text("a program that starts containers is not installed or fails", zh="启动容器的程序未安装或失败"),
    ),
    (
        patterns.compiled(
            r"symbol lookup error: \S*runc|undefined symbol: seccomp|runc did not terminate success"
        ),
        Text("runc and libseccomp of this host do not fit together", zh="本机的 runc 与 libseccomp 不匹配"),
    ),
    (
        patterns.compiled(
            r"snapshotter \S+ was not found|overlay\w* is not supported|failed to mount (?:overlay|rootfs component)"
        ),
        Text(
            "this kernel has no overlay file system, or containerd not that snapshotter",
            zh="内核没有 overlay 文件系统，或 containerd 没有该快照器",
        ),
    ),
)
_HINT = Text(
    "Install a runtime that fits this kernel, or name the one that is there in containerd's configuration.",
    zh="安装适合本机内核的运行时组件，或在 containerd 配置中指定已有的组件。",
)


@check(
    code="KE716",
    slug="oci-runtime",
    title=Text("The runtime has the programs that start containers", zh="运行时具备启动容器所需的程序"),
    side=Side.EDGE,
    hop="runtime",
    builds_on=("KE201",),
    explained_by=("KE706",),
    remedy=_HINT,
    references=("facts.md §11.4",),
)
def oci_runtime(
    config: EdgecoreConfig,
    settings: ContainerdSettings | Unavailable,
    programs: RuntimePrograms | Unavailable,
    log: EdgecoreLog | Unavailable,
) -> Finding:
    """Whether what containerd starts for a pod is there, and what edgecore was told of it in the last quarter of an hour."""
    node = config.node_name
    if not isinstance(log, Unavailable):
        for wrong, text in _WRONG:
            line = log.lately(wrong)
            if line is not None:
                return _broken(node, text, quoted(line), Evidence("journalctl -u edgecore", quoted(line)))
    if isinstance(programs, RuntimePrograms) and programs.missing:
        names = ", ".join(programs.missing)
        told = Text(f"{names} is not there", zh=f"缺少 {names}")
        seen = f"not in {', '.join(programs.places)}"
        return _broken(node, told, f"{names}: {seen}", Evidence(programs.source, names))
    if isinstance(settings, Unavailable) and "containerd" not in config.text(_ENDPOINT):
        return skipped(
            Text(
                f"{node} uses another runtime than containerd, whose programs kedoctor does not know.",
                zh=f"{node} 使用 containerd 以外的运行时，其组件未知。",
            ),
            subject=node,
            node=node,
        )
    if isinstance(programs, Unavailable):
        return unknown(
            Text(
                f"Whether containerd of {node} has its programs is unknown: {programs}.",
                zh=f"无法得知 {node} 的 containerd 是否具备其程序：{programs.in_chinese}。",
            ),
            subject=node,
            node=node,
            commands=("command -v runc containerd-shim-runc-v2",),
        )
    return passed(
        Text(
            f"containerd of {node} has what it starts for a pod: {', '.join(programs.found)}.",
            zh=f"{node} 的 containerd 具备启动 Pod 所需的程序：{'、'.join(programs.found)}。",
        ),
        subject=node,
        node=node,
    )


_ENDPOINT = "modules.edged.tailoredKubeletConfig.containerRuntimeEndpoint"


def _broken(node: str, why: Text, actual: str, evidence: Evidence) -> Finding:
    return failed(
        Text(
            f"The runtime of {node} cannot start containers: {why.en}.",
            zh=f"{node} 的运行时无法启动容器：{why.zh}。",
        ),
        expected=Text("containers that start", zh="容器可以启动"),
        actual=actual,
        hint=_HINT,
        subject=node,
        node=node,
        evidence=(evidence,),
        commands=(
            "runc --version; command -v runc containerd-shim-runc-v2",
            "sudo grep -nE 'default_runtime_name|BinaryName|snapshotter' /etc/containerd/config.toml",
            "grep overlay /proc/filesystems || sudo modprobe overlay",
            "sudo journalctl -u containerd -n 30 --no-pager",
        ),
        breaks=(),
    )
