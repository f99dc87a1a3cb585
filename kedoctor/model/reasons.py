"""Why something could not be read, and what a person does about it, in words."""

from __future__ import annotations

from kedoctor import patterns
from kedoctor.base.text import Text
from kedoctor.model.details import asked_text
from kedoctor.model.observations.request import REASONS, Reason, Unavailable

__all__ = ["NEXT_STEPS", "observation", "server_reason"]

NEXT_STEPS = {
    Reason.PERMISSION: Text("Run kedoctor as root.", zh="请以 root 运行 kedoctor。"),
    Reason.UNAUTHORIZED: Text(
        "Use --kubeconfig FILE with credentials that are valid now.",
        zh="请用 --kubeconfig FILE 指定凭据仍然有效的 kubeconfig。",
    ),
    Reason.FORBIDDEN: Text(
        "Have an administrator apply the output of: kedoctor rbac",
        zh="请管理员应用以下命令的输出：kedoctor rbac",
    ),
    Reason.NOT_CONFIGURED: Text(
        "Use --kubeconfig FILE, or run kedoctor as root on the cloud host.",
        zh="请使用 --kubeconfig FILE，或以 root 在云端主机上运行 kedoctor。",
    ),
    Reason.NOT_GIVEN: Text("kedoctor install has the option.", zh="该选项属于 kedoctor install。"),
    Reason.REFUSED: Text(
        "Check on the API server's host that kube-apiserver runs and listens on this address and port.",
        zh="请在 API 服务器主机上确认 kube-apiserver 正在运行，并监听该地址和端口。",
    ),
    Reason.TIMEOUT: Text(
        "Check the network and the firewall between this host and that address.",
        zh="请检查本机到该地址之间的网络和防火墙。",
    ),
    Reason.UNREACHABLE: Text(
        "Check the address in the kubeconfig, name resolution and routes on this host.",
        zh="请检查 kubeconfig 中的地址，以及本机的域名解析和路由。",
    ),
    Reason.UNTRUSTED: Text(
        "Use a kubeconfig whose certificate authority and server name match this API server.",
        zh="请使用 CA 证书和服务器名称与此 API 服务器匹配的 kubeconfig。",
    ),
    Reason.TOOL_MISSING: Text(
        "Install the program, or run kedoctor where it is.", zh="请安装该程序，或在已安装的主机上运行。"
    ),
    Reason.NOT_RECORDED: Text(
        "Collect again on that host as root: sudo kedoctor collect",
        zh="请在该主机上以 root 重新采集：sudo kedoctor collect",
    ),
}
"""The next step for a reason, a whole sentence; none where it depends on what was asked."""

_SERVER = {
    Reason.REFUSED: Text("{who} refused the connection", zh="{who} 拒绝连接"),
    Reason.TIMEOUT: Text("{who} did not answer in time", zh="{who} 未在规定时间内应答"),
    Reason.UNREACHABLE: Text("{who} cannot be reached", zh="无法到达 {who}"),
    Reason.UNTRUSTED: Text("the certificate of {who} is not trusted", zh="{who} 的证书不受信任"),
    Reason.UNAUTHORIZED: Text("{who} does not accept these credentials", zh="{who} 不接受此凭据"),
    Reason.SERVER_ERROR: Text("{who} reported an internal error", zh="{who} 报告内部错误"),
}
_URL = patterns.compiled(r"(https?://[^\s,;]+?)(?=[:,;]?(?:\s|$))")


def server_reason(reason: Reason, detail: str) -> Text:
    """The reason as a clause of its own, with the server where ``detail`` names one: ``API server URL refused …``."""
    found = _URL.match(detail)
    said = _SERVER.get(reason)
    if found is None or said is None:
        return REASONS[reason]
    return Text(said.en.format(who=f"API server {found[1]}"), zh=said.zh.format(who=f"API 服务器 {found[1]}"))


def observation(missing: Unavailable) -> Text:
    """What could not be read, as the object of a sentence: ``list configmaps in kubeedge``, ``read file /etc/a``."""
    return asked_text(missing.what)
