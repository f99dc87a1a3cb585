"""What keadm left behind, what edgecore's database needs, and secrets that every user of a host can read."""

from __future__ import annotations

from collections.abc import Iterator

from kedoctor.api import (
    EveryHost,
    Evidence,
    Finding,
    Reason,
    Risk,
    Side,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    skipped,
    unknown,
    warned,
)
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig, EdgeName
from kedoctor.checks.facts.edge.edgecore_log import EdgecoreLog, quoted
from kedoctor.checks.facts.edge.host import EdgeResources
from kedoctor.checks.facts.edge.leftovers import LOCK_PATH, DatabaseHome, KeadmLeftovers, SecretFiles

__all__ = ["edge_database", "keadm_leftovers", "secret_permissions"]

_DB_FATAL = (
    "Failed to register db",
    "Failed to connect to DB",
    "Failed to migrate",
)  # the last two from v1.23 on
_LEAST = 20 << 20
"""Free bytes below which sqlite cannot be expected to write."""


@check(
    code="KE712",
    slug="keadm-leftovers",
    title=Text("keadm left no lock behind", zh="keadm 没有遗留锁文件"),
    side=Side.EDGE,
    remedy=Text(f"Remove {LOCK_PATH} when no keadm runs.", zh=f"确认没有 keadm 运行后删除 {LOCK_PATH}。"),
    risk=Risk.SAFE,
    references=("facts.md §6.1", "facts.md §10 (50)", "KubeEdge: keadm/cmd/keadm/app/cmd/util/idempotency"),
)
def keadm_leftovers(left: KeadmLeftovers, name: EdgeName) -> Finding:
    """The lock file of ``keadm upgrade`` and ``config-update``: without a keadm that holds it, it only refuses the next."""
    node, lock = name.name, left.lock
    if isinstance(lock, Unavailable):
        if lock.reason is not Reason.ABSENT:
            return unknown(
                Text(
                    f"Whether keadm left a lock on {node} is unknown: {lock}.",
                    zh=f"无法得知 {node} 上是否有 keadm 锁文件：{lock.in_chinese}。",
                ),
                subject=node,
                node=node,
            )
        return passed(
            Text(f"keadm left no lock on {node}.", zh=f"{node} 上没有 keadm 锁文件。"),
            subject=node,
            node=node,
        )
    if left.keadm_runs is not False:
        return skipped(
            Text(
                f"A keadm runs on {node} (or that is unknown) and may hold its lock.",
                zh=f"{node} 上有 keadm 在运行（或无法得知），可能正持有该锁。",
            ),
            subject=node,
            node=node,
        )
    return warned(
        Text(
            f"keadm left its lock {LOCK_PATH} on {node} (since {lock.modified:%Y-%m-%d %H:%M} UTC): the next upgrade or config-update ends with `the mutually exclusive command is being executed`.",
            zh=f"{node} 上遗留了 keadm 锁文件 {LOCK_PATH}（自 {lock.modified:%Y-%m-%d %H:%M} UTC）：下次 upgrade 或 config-update 会报 `the mutually exclusive command is being executed`。",
        ),
        expected=Text("no such file", zh="没有该文件"),
        actual=Text(f"{LOCK_PATH}, no keadm process", zh=f"{LOCK_PATH}，但没有 keadm 进程"),
        hint=Text("See that no keadm runs, then remove the file.", zh="确认没有 keadm 运行后删除该文件。"),
        subject=node,
        node=node,
        evidence=(Evidence(LOCK_PATH, f"modified {lock.modified:%Y-%m-%d %H:%M:%S} UTC"),),
        commands=("pgrep -a keadm", f"sudo rm {LOCK_PATH}"),
    )


@check(
    code="KE713",
    slug="edge-database",
    title=Text("edgecore can write its database", zh="edgecore 可以写入数据库"),
    side=Side.EDGE,
    breaks=(*ALL_STREAMS, "ready"),
    hop="edgecore",
    builds_on=("KE201",),
    remedy=Text(
        "Free disk space, or move a broken database away with edgecore stopped.",
        zh="释放磁盘空间，或在停止 edgecore 后移走损坏的数据库。",
    ),
    references=("facts.md §2.2", "facts.md §5.5", "KubeEdge: edge/pkg/common/dbm/db.go"),
)
def edge_database(
    config: EdgecoreConfig,
    home: DatabaseHome,
    log: EdgecoreLog | Unavailable,
    resources: EdgeResources | Unavailable,
) -> Finding:
    """What edgecore said of it when it ended, its directory, and the room on that disk."""
    node = config.node_name
    last = None if isinstance(log, Unavailable) else log.ended_with()
    if last is not None and any(words in last.raw for words in _DB_FATAL):
        told = Text("edgecore ended because it could not open it", zh="edgecore 因无法打开数据库而退出")
        return _broken(node, home, told, quoted(last))
    if isinstance(home.directory, Unavailable) and home.directory.reason is Reason.ABSENT:
        return _without_directory(node, home)
    free = None if isinstance(resources, Unavailable) else resources.resources.disk_available
    if free is not None and free < _LEAST:
        told = Text(f"only {free >> 20} MiB are free on its disk", zh=f"所在磁盘仅剩 {free >> 20} MiB")
        return _broken(node, home, told, f"{free >> 20} MiB free")
    if isinstance(log, Unavailable) and free is None:
        return unknown(
            Text(
                f"Neither the log of edgecore nor the disk of {node} was read: {log}.",
                zh=f"未能读取 {node} 的 edgecore 日志和磁盘信息：{log.in_chinese}。",
            ),
            subject=node,
            node=node,
        )
    return passed(
        Text(
            f"edgecore of {node} has no trouble with its database in {home.path}.",
            zh=f"{node} 的 edgecore 使用 {home.path} 中的数据库正常。",
        ),
        subject=node,
        node=node,
    )


def _without_directory(node: str, home: DatabaseHome) -> Finding:
    return passed(
        Text(
            f"{home.path} of {node} is not there; edgecore makes it when it starts.",
            zh=f"{node} 上没有 {home.path}；edgecore 启动时会创建。",
        ),
        subject=node,
        node=node,
    )


def _broken(node: str, home: DatabaseHome, why: Text, actual: str) -> Finding:
    return failed(
        Text(
            f"edgecore of {node} cannot use its database in {home.path}: {why.en}.",
            zh=f"{node} 的 edgecore 无法使用 {home.path} 中的数据库：{why.zh}。",
        ),
        expected=Text("a database that opens, and room to write", zh="数据库可打开且有可写空间"),
        actual=actual,
        hint=Text(
            "Everything in it comes again from the cloud when the edge is connected; keep the old file until then.",
            zh="连接云端后其中的内容会重新下发；在此之前请保留旧文件。",
        ),
        subject=node,
        node=node,
        evidence=(Evidence(home.path, actual),),
        commands=(
            f"df -h {home.path}; df -i {home.path}",
            "sudo systemctl stop edgecore",
            f"sudo mv {home.path}/edgecore.db {home.path}/edgecore.db.broken   # only if it does not open",
            "sudo systemctl start edgecore",
        ),
    )


@check(
    code="KE923",
    slug="secret-permissions",
    title=Text(
        "Keys, tokens and kubeconfigs are not open to every user",
        zh="密钥、令牌和 kubeconfig 未对所有用户开放",
    ),
    side=Side.SITE,
    remedy=Text("Take the permission to read away from others.", zh="取消其他用户的读取权限。"),
    risk=Risk.SAFE,
    references=("kubeprepare.md B43", "facts.md §4.1", "facts.md §10.3"),
)
def secret_permissions(hosts: EveryHost[SecretFiles]) -> Iterator[Finding]:
    """On every host in view: private keys, join tokens and administrators' kubeconfigs that others can read."""
    if not hosts.items:
        yield skipped(Text("No host is in view.", zh="没有可查看的主机。"), subject="hosts")
    for name, files in hosts.items.items():
        if isinstance(files, Unavailable):
            yield unknown(
                Text(
                    f"The files of {name} were not looked at: {files}.",
                    zh=f"未能查看 {name} 的文件：{files.in_chinese}。",
                ),
                subject=name,
            )
        elif files.open:
            yield _readable(name, files)
        elif files.found or not files.unread:
            yield passed(
                Text(
                    f"None of {len(files.found)} secret files of {name} can be read by every user.",
                    zh=f"{name} 的 {len(files.found)} 个敏感文件均未对所有用户开放。",
                ),
                subject=name,
            )
        else:
            yield unknown(
                Text(
                    f"The secret files of {name} were not seen: {files.unread[0]}.",
                    zh=f"未能查看 {name} 的敏感文件：{files.unread[0].in_chinese}。",
                ),
                subject=name,
            )


def _readable(name: str, files: SecretFiles) -> Finding:
    told = ", ".join(f"{one.path} ({one.mode:04o})" for one in files.open)
    return warned(
        Text(f"Every local user of {name} can read {told}.", zh=f"{name} 的任何本地用户都可读取 {told}。"),
        expected=Text("no permission for others", zh="其他用户无权限"),
        actual=told,
        hint=Text(
            "Remove the permission; give each user who needs the cluster an own kubeconfig.",
            zh="取消该权限；需要访问集群的人应使用各自的 kubeconfig。",
        ),
        subject=name,
        evidence=tuple(Evidence(one.path, f"mode {one.mode:04o}") for one in files.open),
        commands=tuple(f"sudo chmod o-rwx {one.path}" for one in files.open),
    )
