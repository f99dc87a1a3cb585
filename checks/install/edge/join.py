"""Joining: keadm in place, an edge with its certificate, the settings that logs and exec need, and the link to the hub."""

from __future__ import annotations

from typing import Any

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
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig, EdgecoreUnit
from kedoctor.checks.facts.edge.sockets_and_probes import EdgeSockets
from kedoctor.checks.install.edge.facts_request import HOME, EdgeTarget, InstallBundle, Joined
from kedoctor.checks.install.edge.facts_runtime import RuntimeFile
from kedoctor.checks.install.facts_keadm import KEADM, KeadmHere
from kedoctor.checks.install.steps import program_in_place

__all__ = [
    "edge_joined",
    "edge_settings",
    "hub_link",
    "keadm_installed",
    "left_behind",
    "wanted_settings",
]

_ONLY = (RunMode.INSTALL,)
_STREAM = "modules.edgeStream"
_KUBELET = "modules.edged.tailoredKubeletConfig"


@check(
    code="KE974",
    slug="install-keadm",
    title=Text("keadm of the bundle's release is installed", zh="已安装离线包版本的 keadm"),
    side=Side.EDGE,
    occasions=_ONLY,
    deadline=300.0,
    remedy=Text(f"Put the bundle's keadm at {KEADM}.", zh=f"将离线包中的 keadm 放到 {KEADM}。"),
    risk=Risk.SAFE,
    references=("facts.md §6.1", "kubeprepare.md §1.5"),
)
def keadm_installed(found: InstallBundle, keadm: KeadmHere) -> Finding:
    """Of the very release that is installed: another keadm writes another configuration."""
    return program_in_place(keadm.program, "keadm", "keadm", found.versions.release)


@check(
    code="KE978",
    slug="install-leftovers",
    title=Text("No unfinished join is in the way", zh="没有未完成的加入遗留"),
    side=Side.EDGE,
    occasions=_ONLY,
    remedy=Text("Stop what it started and move its directory aside.", zh="停止它启动的程序，并移开其目录。"),
    risk=Risk.RESTARTS_EDGECORE,
    references=("facts.md §6.1", "facts.md §10 (50)", "kubeprepare.md §1.5"),
)
def left_behind(joined: Joined) -> Finding:
    """Keadm refuses a directory that is not empty; what has no certificate yet holds nothing of value."""
    if not joined.entries:
        return passed(Text(f"{HOME} is empty or absent.", zh=f"{HOME} 为空或不存在。"), subject=HOME)
    if joined.has_certificate:
        return passed(
            Text(f"{HOME} is that of an edge with a certificate.", zh=f"{HOME} 属于已取得证书的边缘节点。"),
            subject=HOME,
        )
    names = ", ".join(joined.entries)
    return failed(
        Text(
            f"{HOME} holds what a join left that came to no certificate ({names}); keadm refuses to join then.",
            zh=f"{HOME} 中有一次未取得证书的加入所遗留的内容（{names}），keadm 会因此拒绝加入。",
        ),
        expected=Text(
            "an empty directory, or an edge with its certificate", zh="空目录，或已取得证书的边缘节点"
        ),
        actual=names,
        hint=Text("It is moved aside, not deleted.", zh="会被移开而不是删除。"),
        subject=HOME,
        evidence=(Evidence(HOME, names),),
        commands=(f"ls -la {HOME}", "sudo journalctl -u edgecore -n 20 --no-pager"),
    )


@check(
    code="KE975",
    slug="install-joined",
    title=Text("The host has joined and has its certificate", zh="本机已加入并取得证书"),
    side=Side.EDGE,
    occasions=_ONLY,
    deadline=300.0,
    remedy=Text(
        "Run keadm join with the token in a file.",
        zh="运行 keadm join，令牌通过文件传递。",
    ),
    risk=Risk.RESTARTS_EDGECORE,
    references=("facts.md §6.1", "facts.md §2.1", "kubeprepare.md §1.5", "kubeprepare.md B14"),
)
def edge_joined(target: EdgeTarget, joined: Joined, unit: EdgecoreUnit) -> Finding:
    """A configuration that names this node and this cloud, edgecore's unit, and the certificate of the first start."""
    if joined.stranger:
        return _not_joined(target, Text(f"this host is {joined.stranger}", zh=f"本机为 {joined.stranger}"))
    if isinstance(unit.unit, Unavailable):
        return unknown(
            Text(
                f"systemd was not asked: {unit.unit}.",
                zh=f"未能查询 systemd：{unit.unit.in_chinese}。",
            )
        )
    lacks = [
        (joined.configured, Text("no edgecore.yaml", zh="没有 edgecore.yaml")),
        (unit.unit.load_state == "loaded", Text("no edgecore.service", zh="没有 edgecore.service")),
        (joined.has_certificate, Text("no certificate", zh="没有证书")),
    ]
    missing = [told for there, told in lacks if not there]
    if missing:
        en, zh = ", ".join(one.en for one in missing), "、".join(one.zh for one in missing)
        return _not_joined(target, Text(f"there is {en}", zh=zh))
    return passed(
        Text(f"{target.node} has joined {target.hub}.", zh=f"{target.node} 已加入 {target.hub}。"),
        subject=target.node,
        node=target.node,
    )


def _not_joined(target: EdgeTarget, why: Text) -> Finding:
    return failed(
        Text(f"{target.node} has not joined: {why.en}.", zh=f"{target.node} 尚未加入：{why.zh}。"),
        expected=Text(
            "edgecore.yaml, edgecore.service and a certificate", zh="edgecore.yaml、edgecore.service 和证书"
        ),
        actual=why,
        hint=Text("keadm join makes all three.", zh="keadm join 会创建这三者。"),
        subject=target.node,
        node=target.node,
        evidence=(Evidence(HOME, why.en),),
        commands=(f"ls -la {HOME} {HOME}/certs", "sudo journalctl -u edgecore -n 50 --no-pager"),
    )


def wanted_settings(target: EdgeTarget, runtime: RuntimeFile) -> dict[str, Any]:
    """What edgecore.yaml must say, key by key (facts.md §2.2, §3.5); everything else is keadm's."""
    return {
        f"{_STREAM}.enable": True,
        f"{_STREAM}.server": str(target.tunnel),
        f"{_STREAM}.handshakeTimeout": 30,
        f"{_STREAM}.readDeadline": 15,
        f"{_STREAM}.writeDeadline": 15,
        f"{_KUBELET}.address": "127.0.0.1",
        f"{_KUBELET}.readOnlyPort": 10350,
        f"{_KUBELET}.cgroupDriver": runtime.driver,
        f"{_KUBELET}.containerRuntimeEndpoint": runtime.endpoint,
    }


@check(
    code="KE976",
    slug="install-settings",
    title=Text("edgecore.yaml has what logs and exec need", zh="edgecore.yaml 满足 logs 和 exec 的需要"),
    side=Side.EDGE,
    occasions=_ONLY,
    remedy=Text("Set those keys and restart edgecore.", zh="设置相应的键并重启 edgecore。"),
    risk=Risk.RESTARTS_EDGECORE,
    references=(
        "facts.md §2.2",
        "facts.md §3.5",
        "requirements.md R008",
        "requirements.md R014",
        "requirements.md R048",
    ),
)
def edge_settings(target: EdgeTarget, runtime: RuntimeFile, config: EdgecoreConfig) -> Finding:
    """Read as edgecore reads it, defaults included: keys, never lines."""
    wrong = {
        path: config.value(path)
        for path, value in wanted_settings(target, runtime).items()
        if config.value(path) != value
    }
    node = config.node_name
    if not wrong:
        return passed(
            Text(
                f"edgeStream of {node} dials {target.tunnel}.",
                zh=f"{node} 的 edgeStream 连接 {target.tunnel}。",
            ),
            subject=node,
            node=node,
        )
    told = ", ".join(f"{path} is {value!r}" for path, value in wrong.items())
    return failed(
        Text(
            f"edgecore.yaml of {node} is not as logs and exec need it: {told}.",
            zh=f"{node} 的 edgecore.yaml 不满足 logs 和 exec 的需要：{told}。",
        ),
        expected=Text(
            f"edgeStream on and {target.tunnel} as its server",
            zh=f"启用 edgeStream，服务器为 {target.tunnel}",
        ),
        actual=told,
        hint=Text("Each key is set by its place in the document.", zh="按键在文档中的位置逐一设置。"),
        subject=node,
        node=node,
        evidence=tuple(
            Evidence(config.path, f"{path}: {value}", config.line(path)) for path, value in wrong.items()
        ),
    )


@check(
    code="KE977",
    slug="install-hub-link",
    title=Text("edgecore is connected to the cloud's hub", zh="edgecore 已连接云端"),
    side=Side.EDGE,
    occasions=_ONLY,
    references=("facts.md §3.5", "facts.md §4.2", "kubeprepare.md §1.7"),
)
def hub_link(config: EdgecoreConfig, sockets: EdgeSockets) -> Finding:
    """An ESTABLISHED connection of edgecore to ``edgeHub.websocket.server``: without it the node is never Ready."""
    node, server = config.node_name, config.hub_server
    if server is not None and sockets.towards(server):
        return passed(
            Text(f"edgecore of {node} is connected to {server}.", zh=f"{node} 的 edgecore 已连接 {server}。"),
            subject=node,
            node=node,
        )
    dialling = server is not None and sockets.towards(server, "SYN_SENT")
    return failed(
        Text(
            f"edgecore of {node} holds no connection to {server}.",
            zh=f"{node} 的 edgecore 未与 {server} 建立连接。",
        ),
        expected=Text(f"ESTABLISHED to {server}", zh=f"与 {server} 为 ESTABLISHED"),
        actual=Text("no answer to its SYN", zh="SYN 无应答") if dialling else Text("none", zh="无"),
        hint=Text("Its log says what the cloud answered.", zh="其日志会说明云端的应答。"),
        subject=node,
        node=node,
        commands=("sudo journalctl -u edgecore -n 50 --no-pager", "kedoctor run"),
    )
