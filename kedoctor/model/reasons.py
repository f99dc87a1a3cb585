"""Why something could not be read, and what a person does about it, in words."""

from __future__ import annotations

from kedoctor import patterns
from kedoctor.base.text import Text
from kedoctor.model.observations.request import Reason, Unavailable

__all__ = ["NEXT_STEPS", "REASONS", "observation", "server_reason"]

REASONS = {
    Reason.ABSENT: Text("it does not exist", zh="不存在"),
    Reason.PERMISSION: Text("permission denied", zh="权限不足"),
    Reason.UNAUTHORIZED: Text(
        "the API server does not accept these credentials", zh="API 服务器不接受此凭据"
    ),
    Reason.FORBIDDEN: Text(
        "the API server does not allow this user to read it", zh="API 服务器不允许该用户读取"
    ),
    Reason.NOT_CONFIGURED: Text("no kubeconfig was found", zh="未找到 kubeconfig"),
    Reason.NOT_GIVEN: Text("the option is missing", zh="缺少该选项"),
    Reason.TIMEOUT: Text("no answer in time", zh="等待应答超时"),
    Reason.REFUSED: Text("connection refused", zh="连接被拒绝"),
    Reason.UNREACHABLE: Text("it cannot be reached", zh="无法到达"),
    Reason.UNTRUSTED: Text("the server's certificate is not trusted", zh="服务器证书不受信任"),
    Reason.THROTTLED: Text("the API server asked to slow down for too long", zh="API 服务器持续限流"),
    Reason.GONE: Text("the list expired while it was read", zh="读取过程中列表已过期"),
    Reason.SERVER_ERROR: Text("the server reported an internal error", zh="服务器内部错误"),
    Reason.TOOL_MISSING: Text("the program is not installed here", zh="本机未安装该程序"),
    Reason.TOOL_FAILED: Text("the program failed", zh="程序执行失败"),
    Reason.ABANDONED: Text(
        "the program hangs in the kernel and was left behind", zh="程序卡在内核中，已放弃等待"
    ),
    Reason.TOO_LARGE: Text("it is too large", zh="内容过大"),
    Reason.INVALID: Text("it cannot be understood", zh="内容无法解析"),
    Reason.WITHHELD: Text("it was withheld because it could not be redacted", zh="无法安全脱敏，未写入"),
    Reason.NOT_RECORDED: Text("the evidence does not contain it", zh="证据包中没有记录"),
    Reason.NOT_ALLOWED: Text("it is not on the list of what may be collected", zh="不在允许采集的列表中"),
    Reason.ERROR: Text("it could not be read", zh="无法读取"),
}
"""A reason as the end of a sentence."""

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


_KINDS = {"configmaps": "ConfigMaps", "daemonsets.apps": "DaemonSets", "deployments.apps": "Deployments"}
_WHAT = ((patterns.compiled(r"(list|get|watch) (.+?)(?: in ([\w.-]+))?\Z"), "{0} {1}", "{verb} {1}"),)
_VERBS = {"list": "列出", "get": "获取"}
_NOUNS = (
    (patterns.compiled(r"file (?=/)"), "文件 "),
    (patterns.compiled(r"metadata of "), "元数据："),
    (patterns.compiled(r"files matching "), "匹配的文件："),
    (patterns.compiled(r"directory (?=/)"), "目录 "),
    (patterns.compiled(r"unit (?=\S+\Z)"), "systemd 单元 "),
    (patterns.compiled(r"(?:the )?journal of "), "日志："),
    (patterns.compiled(r"(?:the )?log of "), "日志："),
    (patterns.compiled(r"program "), "程序 "),
    (patterns.compiled(r"TCP connection to "), "TCP 连接 "),
    (patterns.compiled(r"TLS handshake with "), "TLS 握手 "),
    (patterns.compiled(r"the setting "), "选项 "),
    (patterns.compiled(r"offline bundle "), "离线包 "),
    (patterns.compiled(r"GET (.+) from the API server\Z"), r"API 服务器的 \1"),
    (
        patterns.compiled(r"(\S+) objects in namespace (\S+)(?: with (\S+))? from the API server\Z"),
        r"命名空间 \2 中的 \1",
    ),
    (patterns.compiled(r"(\S+) objects(?: with (\S+))? from the API server\Z"), r"API 服务器中的 \1"),
    (patterns.compiled(r"whether the current user may "), "当前用户是否有权 "),
    (patterns.compiled(r"(?:the )?process table\Z"), "进程表"),
    (patterns.compiled(r"(?:the )?socket table\Z|TCP sockets and their owners\Z"), "套接字表"),
    (patterns.compiled(r"(?:the )?interface addresses(?: and default route)?\Z"), "网卡地址"),
    (patterns.compiled(r"the images\Z"), "镜像"),
    (patterns.compiled(r"the version of the API server\Z"), "API 服务器的版本"),
    (patterns.compiled(r"host name, kernel and boot\Z"), "主机名和内核"),
    (patterns.compiled(r"clock of the host\Z"), "主机时钟"),
)


def observation(missing: Unavailable) -> Text:
    """What could not be read, as the object of a sentence: ``list configmaps in kubeedge``, ``read file /etc/a``."""
    what = missing.what
    if match := _WHAT[0][0].fullmatch(what):
        verb, kind, namespace = match[1], _KINDS.get(match[2], match[2]), match[3]
        inside = f" in namespace {namespace}" if namespace else ""
        zh = f"{_VERBS.get(verb, verb)}" + (f"命名空间 {namespace} 中的 {kind}" if namespace else f" {kind}")
        return Text(f"{verb} {kind}{inside}", zh=zh)
    for pattern, words in _NOUNS:
        if pattern.match(what):
            return Text(f"read {what}", zh=f"读取{pattern.sub(words, what, count=1)}")
    return Text(f"read {what}", zh=f"读取 {what}")
