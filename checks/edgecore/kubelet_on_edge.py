"""A second kubelet on an edge host: edgecore refuses to start beside it (facts.md §2.1, §10 (27))."""

from __future__ import annotations

from pathlib import PurePosixPath

from kedoctor.api import (
    Evidence,
    Finding,
    HostContext,
    Process,
    Risk,
    Side,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    unknown,
    warned,
)
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.edge.edgecore import EdgecoreUnit, EdgeName
from kedoctor.checks.facts.edge.host import KubeletUnit

__all__ = ["kubelet_on_edge"]

_STOP = Text(
    "Stop and disable the kubelet; edgecore is the kubelet of an edge.",
    zh="停止并禁用 kubelet；edgecore 就是边缘节点的 kubelet。",
)
_COMMANDS = ("sudo systemctl disable --now kubelet", "sudo systemctl restart edgecore")


@check(
    code="KE705",
    slug="kubelet-on-edge",
    title=Text("No kubelet runs on the edge", zh="边缘节点上没有运行 kubelet"),
    side=Side.EDGE,
    breaks=(*ALL_STREAMS, "ready"),
    hop="edgecore",
    remedy=_STOP,
    risk=Risk.RESTARTS_EDGECORE,
    references=(
        "facts.md §2.1",
        "facts.md §5.5",
        "facts.md §10 (27)",
        "KubeEdge: edge/cmd/edgecore/app/server.go",
    ),
)
def kubelet_on_edge(
    unit: EdgecoreUnit, kubelet: KubeletUnit, name: EdgeName, vantage: HostContext
) -> Finding:
    """A process named kubelet, or an enabled unit of that name that will start one at the next boot."""
    node = name.name
    if isinstance(unit.table, Unavailable):
        return unknown(
            Text(
                f"The processes of {node} were not read: {unit.table}.",
                zh=f"未能读取 {node} 的进程：{unit.table.in_chinese}。",
            ),
            subject=node,
            node=node,
        )
    running = next(filter(_is_kubelet, unit.table.items), None)
    if running is not None:
        return _beside(running, node, edgecore_runs=unit.runs is True, cloud="cloud" in vantage.sides)
    if kubelet.enabled:
        return _waiting(node)
    return passed(
        Text(f"No kubelet runs on {node}.", zh=f"{node} 上没有运行 kubelet。"), subject=node, node=node
    )


def _is_kubelet(process: Process) -> bool:
    return process.name == "kubelet" or bool(
        process.argv and PurePosixPath(process.argv[0]).name == "kubelet"
    )


def _beside(running: Process, node: str, *, edgecore_runs: bool, cloud: bool) -> Finding:
    evidence = (Evidence("ps", f"pid {running.pid} {' '.join(running.argv[:4])}"[:200]),)
    if cloud and edgecore_runs:
        return warned(
            Text(
                f"{node} is a cloud node and an edge at once: its kubelet (pid {running.pid}) and edgecore share one host.",
                zh=f"{node} 同时是云端节点和边缘节点：kubelet（pid {running.pid}）与 edgecore 共用一台主机。",
            ),
            expected=Text("one of them", zh="只运行其一"),
            actual=f"kubelet pid {running.pid}",
            hint=Text("Fine for a trial; do not run it like that.", zh="仅适合试用，不要用于生产。"),
            subject=node,
            node=node,
            evidence=evidence,
            breaks=(),
            hop="",
        )
    if edgecore_runs:
        return warned(
            Text(
                f"A kubelet (pid {running.pid}) runs beside edgecore on {node}: both answer for this node, and edgecore will refuse its next start.",
                zh=f"{node} 上 kubelet（pid {running.pid}）与 edgecore 同时运行：两者都代表该节点，且 edgecore 下次将拒绝启动。",
            ),
            expected=Text("no process named kubelet", zh="没有名为 kubelet 的进程"),
            actual=f"kubelet pid {running.pid}",
            hint=_STOP,
            subject=node,
            node=node,
            evidence=evidence,
            commands=_COMMANDS,
            breaks=(),
        )
    return failed(
        Text(
            f"A kubelet (pid {running.pid}) runs on {node}; edgecore refuses to start beside it.",
            zh=f"{node} 上运行着 kubelet（pid {running.pid}）；edgecore 拒绝与其共存。",
        ),
        expected=Text("no process named kubelet", zh="没有名为 kubelet 的进程"),
        actual=f"kubelet pid {running.pid}",
        hint=_STOP,
        subject=node,
        node=node,
        evidence=evidence,
        commands=_COMMANDS,
    )


def _waiting(node: str) -> Finding:
    return warned(
        Text(
            f"kubelet.service of {node} is enabled: at the next boot it starts and edgecore may then refuse to.",
            zh=f"{node} 的 kubelet.service 已设为开机启动：下次开机后 edgecore 可能拒绝启动。",
        ),
        expected=Text("disabled", zh="disabled"),
        actual=Text("enabled", zh="已启用（enabled）"),
        hint=_STOP,
        subject=node,
        node=node,
        evidence=(Evidence("systemctl is-enabled kubelet", "enabled"),),
        commands=_COMMANDS[:1],
        breaks=(),
    )
