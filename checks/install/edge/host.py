"""May this host become an edge: what keadm calls while it joins, and what must not be overwritten (facts.md §6.1)."""

from __future__ import annotations

from dataclasses import dataclass

from kedoctor.api import (
    Evidence,
    Finding,
    Host,
    Identity,
    RunMode,
    Side,
    Text,
    Unavailable,
    Unit,
    check,
    fact,
    failed,
    passed,
    require,
)
from kedoctor.checks.facts.edge.edgecore import EdgecoreUnit
from kedoctor.checks.install.edge.facts_request import HOME, EdgeTarget, Joined
from kedoctor.checks.install.edge.facts_runtime import PLACES
from kedoctor.checks.install.steps import architecture_of

__all__ = ["HostBasics", "install_host", "nothing_overwritten"]

_TOOLS = ("systemctl", "sudo")
_K3S = ("k3s.service", "k3s-agent.service")
_RESET = ("sudo keadm reset edge", "ls -la /etc/kubeedge")


@dataclass(frozen=True, slots=True)
class HostBasics:
    """Who looks at which machine, which programs that keadm calls are missing, and a K3s that runs here."""

    identity: Identity
    missing: tuple[str, ...]
    k3s: str


@fact
def host_basics(host: Host) -> HostBasics:
    """``keadm join`` calls ``sudo systemctl`` (facts.md §6.1), so both have to be there, even for root."""
    missing = []
    for tool in _TOOLS:
        seen = [host.stat(f"{place}/{tool}") for place in PLACES]
        if all(isinstance(one, Unavailable) for one in seen):
            missing.append(tool)
    units = [host.unit(name) for name in _K3S]
    active = [
        one.name for one in units if isinstance(one, Unit) and one.active_state in ("active", "activating")
    ]
    return HostBasics(require(host.identity()), tuple(missing), next(iter(active), ""))


@check(
    code="KE961",
    slug="install-host",
    title=Text("This host can be made an edge", zh="本机可安装为边缘节点"),
    side=Side.EDGE,
    occasions=(RunMode.INSTALL,),
    references=("facts.md §6.1", "kubeprepare.md §1.5", "kubeprepare.md B26"),
)
def install_host(basics: HostBasics) -> Finding:
    """Root, a machine that KubeEdge is released for, systemd, and the sudo that keadm calls."""
    identity = basics.identity
    if identity.uid != 0:
        return _unfit(
            Text("only root can install here", zh="只有 root 可以安装"),
            f"uid {identity.uid}",
            Text("Run the same command with sudo.", zh="请用 sudo 重新执行同一命令。"),
        )
    if not architecture_of(identity.machine):
        return _unfit(
            Text(
                f"KubeEdge is not released for {identity.machine}",
                zh=f"KubeEdge 不支持 {identity.machine} 架构",
            ),
            identity.machine,
            Text("It needs x86_64 or aarch64.", zh="需要 x86_64 或 aarch64。"),
        )
    if basics.missing:
        names = ", ".join(basics.missing)
        return _unfit(
            Text(
                f"{names} is not installed, and keadm join calls it to start edgecore",
                zh=f"未安装 {names}，而 keadm join 要用它启动 edgecore",
            ),
            f"no {names}",
            Text(
                "Install it. Without a package of sudo a script does for root: it runs what it is given.",
                zh="请先安装。若没有 sudo 软件包，可为 root 放置一个直接执行其参数的脚本。",
            ),
            "printf '#!/bin/sh\\nexec \"$@\"\\n' >/usr/local/bin/sudo && chmod 755 /usr/local/bin/sudo",
        )
    return passed(
        Text(
            f"{identity.hostname} is {identity.machine} with systemd, and this is root.",
            zh=f"{identity.hostname} 为 {identity.machine}，有 systemd，当前用户为 root。",
        )
    )


def _unfit(why: Text, actual: str, hint: Text, *commands: str) -> Finding:
    return failed(
        Text(f"No edge can be installed here: {why.en}.", zh=f"无法在此安装边缘节点：{why.zh}。"),
        expected=Text(
            "root on x86_64 or aarch64 with systemd and sudo",
            zh="x86_64 或 aarch64 上的 root，有 systemd 和 sudo",
        ),
        actual=actual,
        hint=hint,
        commands=commands,
    )


@check(
    code="KE967",
    slug="install-no-overwrite",
    title=Text("Nothing that is installed here is overwritten", zh="不会覆盖本机已有的安装"),
    side=Side.EDGE,
    occasions=(RunMode.INSTALL,),
    references=("facts.md §6.1", "kubeprepare.md §1.5", "kubeprepare.md B21"),
)
def nothing_overwritten(
    target: EdgeTarget, joined: Joined, basics: HostBasics, unit: EdgecoreUnit
) -> Finding:
    """Empty, this very installation (finished or not), or somebody else's: only that last one is in the way."""
    if basics.k3s:
        return _in_the_way(
            Text(
                f"{basics.k3s} runs here, and its kubelet has this host",
                zh=f"本机正在运行 {basics.k3s}，由其 kubelet 管理",
            ),
            basics.k3s,
            Text("Take another host, or remove K3s first.", zh="请换一台主机，或先卸载 K3s。"),
            "systemctl status k3s k3s-agent --no-pager",
        )
    if joined.stranger:
        return _in_the_way(
            Text(
                f"{joined.file.path} joins this host as {joined.stranger}, not as {target.node} to {target.hub}",
                zh=f"{joined.file.path} 中本机为 {joined.stranger}，而不是以 {target.node} 加入 {target.hub}",
            ),
            joined.stranger,
            Text(
                "Name that node and cloud to finish that installation, or remove it first.",
                zh="若要继续该安装，请指定相同的节点和云端；否则请先将其移除。",
            ),
            *_RESET,
        )
    if not joined.configured and (joined.has_certificate or unit.runs):
        what = "edgecore runs" if unit.runs else "there is a certificate"
        return _in_the_way(
            Text(
                f"{what}, but there is no {joined.file.path}",
                zh=f"存在 edgecore 进程或证书，却没有 {joined.file.path}",
            ),
            what,
            Text("Find out whose it is, then remove it.", zh="请确认其归属后移除。"),
            *_RESET,
        )
    if "cloudcore.yaml" in joined.entries:
        return _in_the_way(
            Text(f"{HOME} holds a cloudcore.yaml", zh=f"{HOME} 中有 cloudcore.yaml"),
            "cloudcore.yaml",
            Text("This is a cloud host; take another one.", zh="这是云端主机，请换一台。"),
        )
    return passed(_free_or_ours(target, joined))


def _free_or_ours(target: EdgeTarget, joined: Joined) -> Text:
    if joined.configured:
        return Text(f"This host is {target.node} already.", zh=f"本机已经是 {target.node}。")
    if joined.entries:
        names = ", ".join(joined.entries[:4])
        return Text(
            f"{HOME} holds what an unfinished join left ({names}); it is moved aside.",
            zh=f"{HOME} 中有未完成的加入所遗留的内容（{names}），将被移开。",
        )
    return Text("No edge is installed here.", zh="本机尚未安装边缘节点。")


def _in_the_way(why: Text, actual: str, hint: Text, *commands: str) -> Finding:
    return failed(
        Text(f"Something else is installed here: {why.en}.", zh=f"本机已有其他安装：{why.zh}。"),
        expected=Text(
            "an empty /etc/kubeedge, or this installation", zh="/etc/kubeedge 为空，或即为本次安装"
        ),
        actual=actual,
        hint=hint,
        evidence=(Evidence(HOME, actual),),
        commands=commands,
    )
