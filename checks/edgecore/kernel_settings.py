"""What edged refuses to start with: swap, cgroup v1, kernel parameters, each only where it is set so (facts.md §11.2)."""

from __future__ import annotations

from dataclasses import dataclass

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
    unknown,
    warned,
)
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig, EdgecoreUnit
from kedoctor.checks.facts.edge.edgecore_log import EdgecoreLog, quoted
from kedoctor.checks.facts.edge.kernel import WANTED_PARAMETERS, EdgeKernel
from kedoctor.checks.facts.edge.version import EdgecoreRelease
from kedoctor.checks.parsers.logs.klog import LogLine
from kedoctor.checks.parsers.releases import reads

__all__ = ["kernel_settings"]

_KUBELET = "modules.edged.tailoredKubeletConfig"
_SWAP, _CGROUP = f"{_KUBELET}.failSwapOn", f"{_KUBELET}.failCgroupV1"
_KERNEL = f"{_KUBELET}.protectKernelDefaults"
_REFUSED = patterns.compiled(
    r"running with swap on is not supported|invalid kernel flag|configured to not run on a host using cgroup v1"
)


@dataclass(frozen=True, slots=True)
class _Refusal:
    """A setting of edged that this host does not satisfy."""

    key: str
    is_so: Text
    seen: str
    commands: tuple[str, ...]


@check(
    code="KE718",
    slug="kernel-settings",
    title=Text("edged accepts the settings of this kernel", zh="edged 接受本机内核的设置"),
    side=Side.EDGE,
    breaks=(*ALL_STREAMS, "ready"),
    hop="edgecore",
    builds_on=("KE201",),
    remedy=Text(
        "Change the host, or take the key out of edgecore.yaml: its default accepts all of these.",
        zh="修改主机设置，或从 edgecore.yaml 中删除该键：其默认值均可接受。",
    ),
    references=("facts.md §11.2", "versions.md §3"),
)
def kernel_settings(
    config: EdgecoreConfig,
    kernel: EdgeKernel,
    unit: EdgecoreUnit,
    release: EdgecoreRelease,
    log: EdgecoreLog | Unavailable,
) -> Finding:
    """By default edged refuses none of them; a key that makes it refuse is held against the host."""
    node = config.node_name
    line = None if isinstance(log, Unavailable) or log.ended_with() is None else log.lately(_REFUSED)
    read = reads("edgecore", _CGROUP, release.release)
    found = _refusal(config, kernel, cgroup_read=read)
    if found is not None and unit.runs and line is None:
        return _waits(config, found)
    if found is not None or line is not None:
        return _refuses(config, found, line)
    unread = _unread(config, kernel, cgroup_read=read)
    if unread is not None:
        return unknown(
            Text(
                f"Whether edged of {node} accepts this kernel is unknown: {unread}.",
                zh=f"无法得知 {node} 的 edged 是否接受本机内核：{unread}。",
            ),
            subject=node,
            node=node,
        )
    return passed(
        Text(
            f"edged of {node} accepts swap, cgroups and kernel parameters as they are.",
            zh=f"{node} 的 edged 接受当前的 swap、cgroup 和内核参数。",
        ),
        subject=node,
        node=node,
    )


def _refusal(config: EdgecoreConfig, kernel: EdgeKernel, *, cgroup_read: bool | None) -> _Refusal | None:
    if config.flag(_SWAP) and not isinstance(kernel.swaps, Unavailable) and kernel.swaps:
        return _Refusal(
            _SWAP,
            Text("swap is on", zh="启用了 swap"),
            f"/proc/swaps: {', '.join(kernel.swaps)}",
            ("cat /proc/swaps", "sudo swapoff -a   # and take it out of /etc/fstab"),
        )
    if config.flag(_CGROUP) and cgroup_read and kernel.unified is False:
        return _Refusal(
            _CGROUP,
            Text("this host uses cgroup v1", zh="本机使用 cgroup v1"),
            "no /sys/fs/cgroup/cgroup.controllers",
            ("stat -fc %T /sys/fs/cgroup   # cgroup2fs is v2",),
        )
    wrong = {
        name: value
        for name, value in kernel.parameters.items()
        if value != WANTED_PARAMETERS[name] and config.flag(_KERNEL)
    }
    if wrong:
        seen = ", ".join(f"{name.replace('/', '.')} = {value}" for name, value in wrong.items())
        wanted = " ".join(f"{name.replace('/', '.')}={WANTED_PARAMETERS[name]}" for name in wrong)
        return _Refusal(
            _KERNEL,
            Text(
                f"kernel parameters are not those that it wants ({seen})",
                zh=f"内核参数与其要求不符（{seen}）",
            ),
            seen,
            (f"sudo sysctl -w {wanted}   # and keep them in /etc/sysctl.d",),
        )
    return None


def _unread(config: EdgecoreConfig, kernel: EdgeKernel, *, cgroup_read: bool | None) -> str | None:
    """What a key that is set asks for and nobody could see."""
    if config.flag(_SWAP) and isinstance(kernel.swaps, Unavailable):
        return str(kernel.swaps)
    if config.flag(_CGROUP) and cgroup_read is not False and isinstance(kernel.unified, Unavailable):
        return str(kernel.unified)
    if config.flag(_CGROUP) and cgroup_read is None and kernel.unified is False:
        return "whether this release of edgecore reads failCgroupV1 is unknown"
    if config.flag(_KERNEL) and len(kernel.parameters) < len(WANTED_PARAMETERS):
        return "not all kernel parameters could be read"
    return None


def _evidence(config: EdgecoreConfig, found: _Refusal | None, line: LogLine | None) -> tuple[Evidence, ...]:
    evidence = []
    if found is not None:
        name = found.key.rpartition(".")[2]
        evidence += [
            Evidence(config.path, f"{name}: true", config.line(found.key)),
            Evidence("this host", found.seen),
        ]
    if line is not None:
        evidence.append(Evidence("journalctl -u edgecore", quoted(line)))
    return tuple(evidence)


def _refuses(config: EdgecoreConfig, found: _Refusal | None, line: LogLine | None) -> Finding:
    node = config.node_name
    key = found.key.rpartition(".")[2] if found is not None else ""
    why = found.is_so if found is not None else Text("it says so itself", zh="其日志如此说明")
    by_en, by_zh = (f" and {key} is true", f"，且 {key} 为 true") if key else ("", "")
    return failed(
        Text(
            f"edged of {node} refuses to start on this kernel: {why.en}{by_en}.",
            zh=f"{node} 的 edged 拒绝在此内核上启动：{why.zh}{by_zh}。",
        ),
        expected=Text("settings that edged accepts", zh="edged 可接受的设置"),
        actual=quoted(line) if line is not None else (found.seen if found is not None else ""),
        hint=Text(
            "Change the host, or take the key out of edgecore.yaml, then restart edgecore.",
            zh="修改主机设置，或从 edgecore.yaml 中删除该键，然后重启 edgecore。",
        ),
        subject=node,
        node=node,
        evidence=_evidence(config, found, line),
        commands=(
            *(found.commands if found is not None else ("cat /proc/swaps",)),
            "sudo systemctl restart edgecore",
        ),
        root=True,
    )


def _waits(config: EdgecoreConfig, found: _Refusal) -> Finding:
    node, key = config.node_name, found.key.rpartition(".")[2]
    return warned(
        Text(
            f"edgecore of {node} runs, but its next start fails: {found.is_so.en}, and {key} is true.",
            zh=f"{node} 的 edgecore 正在运行，但下次启动会失败：{found.is_so.zh}，且 {key} 为 true。",
        ),
        expected=Text(f"{key}: false, or the host changed", zh=f"{key}: false，或修改主机设置"),
        actual=found.seen,
        hint=Text("Put it right before the next restart.", zh="请在下次重启之前修正。"),
        subject=node,
        node=node,
        evidence=_evidence(config, found, None),
        commands=found.commands,
        breaks=(),
    )
