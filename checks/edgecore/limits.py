"""Limits of the host that edgecore has used up: open files, inotify, tasks (facts.md §11.2)."""

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
    unknown,
    warned,
)
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.edge.edgecore import EdgeName
from kedoctor.checks.facts.edge.edgecore_log import EdgecoreLog, quoted
from kedoctor.checks.facts.edge.kernel import EdgeLimits
from kedoctor.checks.parsers.logs.klog import LogLine

__all__ = ["edge_limits"]

_INOTIFY = patterns.compiled(
    r"inotify_(?:init|add_watch)|(?:inotify|fsnotify|watcher).{0,120}(?:too many open files|no space left on device)",
    patterns.IGNORECASE,
)
_FILES = patterns.compiled(r"too many open files", patterns.IGNORECASE)
_TASKS = patterns.compiled(
    r"failed to create new OS thread|pthread_create failed|fork/exec \S+: resource temporarily unavailable"
)
_NEARLY = 0.95
_RAISE = Text("Raise that limit, then restart edgecore.", zh="提高该上限，然后重启 edgecore。")


@check(
    code="KE717",
    slug="edge-limits",
    title=Text("edgecore stays below the limits of the host", zh="edgecore 未达到主机的上限"),
    side=Side.EDGE,
    breaks=(*ALL_STREAMS, "ready"),
    hop="edgecore",
    remedy=_RAISE,
    references=("facts.md §11.2",),
)
def edge_limits(name: EdgeName, limits: EdgeLimits, log: EdgecoreLog | Unavailable) -> Finding:
    """What edgecore said in the last quarter of an hour, or as it ended, and how many file handles the host has left."""
    node = name.name
    if not isinstance(log, Unavailable):
        ended = log.ended_with() is not None
        for wrong, text, commands in _LIMITS:
            line = log.lately(wrong)
            if line is not None:
                return _reached(node, text, commands, line, limits, ended=ended)
    if limits.handles is not None and limits.handles[0] > _NEARLY * limits.handles[1]:
        return _host_full(node, limits.handles)
    if isinstance(log, Unavailable):
        return unknown(
            Text(
                f"Whether edgecore of {node} has reached a limit is unknown: {log}.",
                zh=f"无法得知 {node} 的 edgecore 是否达到上限：{log.in_chinese}。",
            ),
            subject=node,
            node=node,
        )
    return passed(
        Text(
            f"edgecore of {node} does not complain of limits{_told(limits).en}.",
            zh=f"{node} 的 edgecore 未报告达到上限{_told(limits).zh}。",
        ),
        subject=node,
        node=node,
    )


_LIMITS = (
    (
        _INOTIFY,
        Text("inotify instances or watches", zh="inotify 实例或监视数"),
        (
            "sysctl fs.inotify.max_user_instances fs.inotify.max_user_watches",
            "printf 'fs.inotify.max_user_instances = 8192\\nfs.inotify.max_user_watches = 524288\\n' | sudo tee /etc/sysctl.d/90-inotify.conf",
            "sudo sysctl --system && sudo systemctl restart edgecore",
        ),
    ),
    (
        _FILES,
        Text("open files", zh="打开文件数"),
        (
            "sudo grep 'open files' /proc/$(pidof edgecore)/limits; sudo ls /proc/$(pidof edgecore)/fd | wc -l",
            "cat /proc/sys/fs/file-nr",
            "sudo systemctl edit edgecore   # [Service] LimitNOFILE=1048576",
            "sudo systemctl restart edgecore",
        ),
    ),
    (
        _TASKS,
        Text("tasks (threads and processes)", zh="任务数（线程和进程）"),
        (
            "systemctl show edgecore -p TasksCurrent -p TasksMax",
            "sudo systemctl edit edgecore   # [Service] TasksMax=infinity",
            "sudo systemctl restart edgecore",
        ),
    ),
)


def _told(limits: EdgeLimits) -> Text:
    """The limits that were read, as an aside."""
    files = limits.open_files
    en = [f"{files} open files"] if files is not None else []
    zh = [f"打开文件 {files}"] if files is not None else []
    if limits.inotify_instances is not None and limits.inotify_watches is not None:
        en.append(f"{limits.inotify_instances} inotify instances, {limits.inotify_watches} watches")
        zh.append(f"inotify 实例 {limits.inotify_instances}、监视 {limits.inotify_watches}")
    return Text(f" ({', '.join(en)})" if en else "", zh=f"（{'，'.join(zh)}）" if zh else "")


def _reached(
    node: str, what: Text, commands: tuple[str, ...], line: LogLine, limits: EdgeLimits, *, ended: bool
) -> Finding:
    told = _told(limits)
    return failed(
        Text(
            f"edgecore of {node} has used up a limit of its host: {what.en}{told.en}.",
            zh=f"{node} 的 edgecore 已用尽主机上限：{what.zh}{told.zh}。",
        ),
        expected=Text("limits that are not reached", zh="未达到上限"),
        actual=quoted(line),
        hint=_RAISE,
        subject=node,
        node=node,
        evidence=(Evidence("journalctl -u edgecore", quoted(line)),),
        commands=commands,
        breaks=None if ended else (),  # while it runs, what fails by that depends on what it could not open
        root=ended,
    )


def _host_full(node: str, handles: tuple[int, int]) -> Finding:
    used, most = handles
    return warned(
        Text(
            f"{node} has {used} of {most} file handles in use: soon no program there can open anything.",
            zh=f"{node} 已使用 {used}/{most} 个文件句柄：很快将无法打开任何文件。",
        ),
        expected=Text("handles to spare", zh="有剩余句柄"),
        actual=f"{used} of {most}",
        hint=Text("Find the program that holds them.", zh="找出占用句柄的程序。"),
        subject=node,
        node=node,
        evidence=(Evidence("/proc/sys/fs/file-nr", f"{used} {most}"),),
        commands=(
            "cat /proc/sys/fs/file-nr",
            "sudo lsof | awk '{print $1}' | sort | uniq -c | sort -n | tail",
        ),
        breaks=(),
    )
