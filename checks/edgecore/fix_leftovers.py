"""KE712, KE923: a lock that nobody holds, and permissions that nobody else needs."""

from __future__ import annotations

from kedoctor.api import ChangeMode, EveryHost, NoPlan, Plan, RemoveFile, Risk, Text, Verdict, remedy
from kedoctor.checks.facts.edge.leftovers import LOCK_PATH, KeadmLeftovers, SecretFiles
from kedoctor.checks.plans.edgecore import no_plan

__all__ = ["keadm_leftovers", "secret_permissions"]

_OTHERS = 0o007


@remedy("KE712")
def keadm_leftovers(verdict: Verdict, left: KeadmLeftovers) -> Plan | NoPlan:
    """Removes the lock when the process table shows no keadm."""
    if left.keadm_runs is not False:
        return no_plan(
            "a keadm may be running and hold the lock (`pgrep -a keadm`)",
            "可能有 keadm 正在运行并持有该锁（`pgrep -a keadm`）",
        )
    return Plan(
        code=verdict.code,
        subject=verdict.subject,
        title=Text(f"remove the lock {LOCK_PATH} that keadm left", zh=f"删除 keadm 遗留的锁文件 {LOCK_PATH}"),
        prediction=Text("Nothing that runs reads it.", zh="没有正在运行的程序使用它。"),
        risk=Risk.SAFE,
        actions=(RemoveFile(LOCK_PATH),),
        settle=1.0,
    )


@remedy("KE923")
def secret_permissions(verdict: Verdict, hosts: EveryHost[SecretFiles]) -> Plan | NoPlan:
    """Takes the permissions of others away; owner and group keep theirs."""
    files = hosts.known().get(verdict.subject)
    if files is None or len(hosts.items) > 1:
        return no_plan(
            f"this is done on the host itself: `kedoctor run --fix` on {verdict.subject}",
            f"请在该主机上处理：在 {verdict.subject} 上执行 `kedoctor run --fix`",
        )
    return Plan(
        code=verdict.code,
        subject=verdict.subject,
        title=Text(
            f"take the permissions of others from {', '.join(one.path for one in files.open)}",
            zh=f"取消其他用户对 {'、'.join(one.path for one in files.open)} 的权限",
        ),
        prediction=Text(
            "Users who are neither owner nor in the group cannot read these files any more.",
            zh="既非所有者也不在属组中的用户将无法再读取这些文件。",
        ),
        risk=Risk.SAFE,
        actions=tuple(ChangeMode(one.path, one.mode & ~_OTHERS) for one in files.open),
        settle=1.0,
    )
