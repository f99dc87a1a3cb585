"""What could not be read and what was met there, in Chinese.

Evidence holds both as English words, perhaps written by an older kedoctor, so the Chinese is
found by them. What others said (the kernel, the API server, a program) stays as they said it.
"""

from __future__ import annotations

from functools import cache

from kedoctor import patterns
from kedoctor.base.phrases import Phrasebook
from kedoctor.base.text import Text

__all__ = ["asked_text", "detail_text", "noun_text"]

_DETAILS = {
    # files
    "it does not exist": "不存在",
    "permission denied to uid {}": "uid {} 没有权限",
    "a part of the path is not a directory": "路径的某一部分不是目录",
    "it is a directory": "它是目录",
    "its links lead in a circle": "链接形成循环",
    "the path is too long": "路径过长",
    "the pattern leads through more than {} names": "该模式涉及超过 {} 个文件名",
    "input/output error: the disk or driver failed to read it": "输入输出错误：磁盘或驱动读取失败",
    "it is a link to {}, which does not exist": "它是指向 {} 的链接，而目标不存在",
    "it is a directory, not a file": "它是目录，不是文件",
    "it is a {}, not a file": "它是 {}，不是文件",
    "a path starts with / and holds no NUL": "路径须以 / 开头且不含 NUL",
    "its path is absolute and holds no NUL": "路径须为绝对路径且不含 NUL",
    "it was not read within {} s": "在 {} 秒内未能读完",
    "/proc/meminfo does not tell": "/proc/meminfo 未提供",
    # programs
    "{} is not installed (looked in {})": "未安装 {}（已查找 {}）",
    "{} is there, but may not be executed": "{} 存在，但没有执行权限",
    "its interpreter is not installed": "未安装其解释器",
    "the operating system refuses to execute it": "操作系统拒绝执行",
    "it cannot be started: {}": "无法启动：{}",
    "it did not end within {} s and was killed": "{} 秒内未结束，已被终止",
    "it did not end within {} s, not even when killed (uninterruptible sleep); pid {} was left behind": (
        "{} 秒内未结束，终止也无效（不可中断睡眠）；pid {} 已放弃等待"
    ),
    "it ran, but its exit code was lost because SIGCHLD is ignored here": "已运行，但因此处忽略 SIGCHLD 而未取得退出码",
    "a program is asked for by its name": "须以名称指定程序",
    "a program is named by its bare name or its absolute path": "须以名称或绝对路径指定程序",
    # systemd, journal, iptables
    "this machine does not run systemd, or it does not answer": "本机未运行 systemd，或其没有应答",
    "this machine does not run systemd, or it does not answer: {}": "本机未运行 systemd，或其没有应答：{}",
    "systemctl does not tell the unit's LoadState": "systemctl 未给出该单元的 LoadState",
    "only root and the groups adm and systemd-journal may read the journal": (
        "只有 root 以及 adm、systemd-journal 组可以读取日志"
    ),
    "this machine keeps no journal": "本机没有 systemd 日志",
    "the kernel has no legacy iptables loaded": "内核未加载 legacy iptables",
    "the kernel does not list it in /proc/net/ip_tables_names": "内核的 /proc/net/ip_tables_names 中没有它",
    "neither iptables-legacy-save nor python-iptables is installed": "未安装 iptables-legacy-save，也未安装 python-iptables",
    "it is longer than {} MiB": "超过 {} MiB",
    # network
    "connection refused": "连接被拒绝",
    "connection refused: nothing listens there, or a firewall rejects it": "连接被拒绝：没有进程监听，或被防火墙拒绝",
    "no answer in time": "等待应答超时",
    "no answer within {} s": "{} 秒内没有应答",
    "no route: {}": "没有路由：{}",
    "no route": "没有路由",
    "No route to host": "没有到主机的路由",
    "Network is unreachable": "网络不可达",
    "the name cannot be resolved: {}": "无法解析域名：{}",
    "its name cannot be resolved ({})": "无法解析其域名（{}）",
    "the other side reset the connection": "对端重置了连接",
    "the server closed the TLS connection": "服务器关闭了 TLS 连接",
    "the server closed the connection without an answer": "服务器未应答即关闭连接",
    "the server closed the connection during the TLS handshake": "服务器在 TLS 握手期间关闭连接",
    "the server ended the TLS connection: {}": "服务器终止了 TLS 连接：{}",
    "it did not finish the TLS handshake within {} s": "未在 {} 秒内完成 TLS 握手",
    "it took the connection and then said nothing within {} s": "接受连接后 {} 秒内没有任何数据",
    "the server speaks plain HTTP, not TLS": "服务器使用明文 HTTP，而不是 TLS",
    "the server speaks TLS, not plain HTTP": "服务器使用 TLS，而不是明文 HTTP",
    "the server does not speak TLS; it said {}": "服务器不使用 TLS；其返回 {}",
    "the server's side of the TLS handshake is wrong: {}": "服务器一侧的 TLS 握手有误：{}",
    "{} is not a server name: {}": "{} 不是服务器名称：{}",
    "that is not an address with a port from 1 to 65535": "不是带有 1 到 65535 端口的地址",
    "this is not an http:// or https:// URL": "不是 http:// 或 https:// URL",
    "this is not HTTP: {}": "不是 HTTP：{}",
    # the API server
    "no kubeconfig was given or found": "未指定也未找到 kubeconfig",
    "no kubeconfig on this host": "本机没有 kubeconfig",
    "the API server sent no Date": "API 服务器未给出 Date",
    "{} sent no Date": "{} 未给出 Date",
    "the server could not find the requested resource": "服务器没有所请求的资源",
    "the server is currently unable to handle the request": "服务器目前无法处理该请求",
    "{}: no answer to {} in time": "{}：{} 等待应答超时",
    "{}: {}": "{}：{}",
    "{}; {}": "{}；{}",
    "the connection was closed before there was an answer": "连接在应答之前被关闭",
    "the connection was closed in the middle of the answer": "连接在应答途中被关闭",
    "what answers there does not speak HTTP": "该处的应答方不使用 HTTP",
    "what answers there does not speak TLS": "该处的应答方不使用 TLS",
    "TLS failed: {}": "TLS 失败：{}",
    "its certificate is not valid yet; compare its dates and this machine's clock ({})": (
        "其证书尚未生效；请核对证书日期与本机时钟（{}）"
    ),
    "its certificate has expired; compare its dates and this machine's clock ({})": (
        "其证书已过期；请核对证书日期与本机时钟（{}）"
    ),
    "its certificate is self-signed and not the one that the kubeconfig trusts ({})": (
        "其证书为自签名，且不是 kubeconfig 所信任的证书（{}）"
    ),
    "its certificate is signed by an authority that the kubeconfig does not trust ({})": (
        "其证书的签发者不受 kubeconfig 信任（{}）"
    ),
    "its certificate is not accepted ({})": "其证书未被接受（{}）",
    "its certificate is for other names: {}": "其证书适用于其他名称：{}",
    "it does not accept the client certificate (TLS alert: {})": "它不接受客户端证书（TLS 警报：{}）",
    "the answer is larger than {} bytes": "应答超过 {} 字节",
    "the answer is not the gzip that it is said to be": "应答声明为 gzip，但并不是",
    "the list has not ended after {} pages": "列表在 {} 页之后仍未结束",
    "the list takes more than {} MiB of memory": "列表占用内存超过 {} MiB",
    "the list expires again and again while it is read": "读取过程中列表反复过期",
    "the API server gives the same continue token again": "API 服务器重复给出同一个 continue 令牌",
    # evidence
    "it was not recorded": "没有记录",
    "the evidence {} does not contain it": "证据包 {} 中没有它",
    "evidence holds no options": "证据包不含选项",
    "it is on no plugin's list of what may be collected": "不在任何插件允许采集的列表中",
    "the bundle holds something else there: {}": "证据包中该处为其他内容：{}",
    "it could not be redacted safely: {}": "无法安全脱敏：{}",
    "it could not be written down: {}": "无法写入：{}",
    "HTTP {} with an empty body": "HTTP {}，应答为空",
    "HTTP {} with another certificate": "HTTP {}，证书不同",
    # documents
    "line {}, column {}: a tab is used for indentation": "第 {} 行第 {} 列：使用了 Tab 缩进",
    "line {}, column {}: {}": "第 {} 行第 {} 列：“{}”",
    # what facts make of it
    "it is larger than {} MiB": "超过 {} MiB",
    "it does not belong to root": "不属于 root",
    "it is empty": "内容为空",
    "it has no ready pod": "没有就绪的 Pod",
    "there is no such Secret": "没有该 Secret",
    "the Secret has no such key": "该 Secret 中没有这个键",
    "its value is not base64": "其值不是 base64",
    "its Node has no InternalIP": "其 Node 没有 InternalIP",
    "its output is larger than what is kept": "输出超过保留上限",
    "neither kube-apiserver nor k3s server runs on this host": "本机未运行 kube-apiserver 或 k3s server",
    "kube-apiserver does not verify kubelets": "kube-apiserver 不校验 kubelet",
    "this host is not a K3s server": "本机不是 K3s 服务器",
    "neither nodes/proxy nor pods/log may be read": "nodes/proxy 和 pods/log 均不允许读取",
    "no node has a control-plane label, and neither leases nor endpoints of kube-apiserver could be read": (
        "没有节点带有 control-plane 标签，且 kube-apiserver 的租约和 endpoints 均无法读取"
    ),
    "it and its imports set one plugin, which releases of containerd read differently": (
        "它与其导入的文件设置了同一插件，不同版本的 containerd 读法不同"
    ),
    "it imports more than {} files": "导入的文件超过 {} 个",
    "it imports other files, which were not followed": "它导入了其他文件，未继续读取",
    "{} is a runtime that is unknown here": "{} 是未知的运行时",
    "no container runtime that is known here runs": "没有已知的容器运行时在运行",
    "it printed no list of images": "没有输出镜像列表",
    "more than {} edges": "边缘节点超过 {} 个",
    "the edge did not answer before the request": "该边缘节点在请求之前没有应答",
    "its metrics do not say it (HTTP {})": "其指标中没有（HTTP {}）",
    "no pod on this node is ready; name one": "该节点上没有就绪的 Pod；请指定一个",
    "there is no socket {} yet": "尚无套接字 {}",
    "it names no host and port": "没有给出主机和端口",
    "a port is a number from 1 to 65535": "端口是 1 到 65535 的数字",
    "none was named, and none lies in {}": "未指定，{} 中也没有",
    "not needed": "不需要",
}
"""By the English sentence; ``{}`` stands for what it names, which may be such a sentence itself."""


def detail_text(detail: str) -> Text:
    """The detail of an :class:`~kedoctor.model.observations.request.Unavailable` in both languages."""
    return Text(detail, zh=_in_chinese(detail))


_LONGEST = 500
"""What is longer was not written by kedoctor: evidence may hold anything."""

_JOINTS = ("{}：{}", "{}；{}")
"""Punctuation alone is no translation: what joins two sentences of others stays as it is."""


def _in_chinese(text: str) -> str:
    return text if len(text) > _LONGEST else _book().said(text)


@cache
def _book() -> Phrasebook:
    return Phrasebook(_DETAILS, _JOINTS)


# ------------------------------------------------------------------------------------------ what was asked for

_KINDS = {"configmaps": "ConfigMaps", "daemonsets.apps": "DaemonSets", "deployments.apps": "Deployments"}
_LISTED = patterns.compiled(r"(list|get|watch) (.+?)(?: in ([\w.-]+))?\Z")
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
    (patterns.compiled(r"\AGET (.+) from the API server\Z"), r"API 服务器的 \1"),
    (
        patterns.compiled(r"\A(\S+) objects in namespace (\S+)(?: with (\S+))? from the API server\Z"),
        r"命名空间 \2 中的 \1",
    ),
    (patterns.compiled(r"\A(\S+) objects(?: with (\S+))? from the API server\Z"), r"API 服务器中的 \1"),
    (patterns.compiled(r"whether the current user may "), "当前用户是否有权 "),
    (patterns.compiled(r"(?:the )?process table\Z"), "进程表"),
    (patterns.compiled(r"(?:the )?socket table\Z|TCP sockets and their owners\Z"), "套接字表"),
    (patterns.compiled(r"(?:the )?interface addresses(?: and default route)?\Z"), "网卡地址"),
    (patterns.compiled(r"the images\Z"), "镜像"),
    (patterns.compiled(r"the version of the API server\Z"), "API 服务器的版本"),
    (patterns.compiled(r"host name, kernel and boot\Z"), "主机名和内核"),
    (patterns.compiled(r"clock of the host\Z"), "主机时钟"),
    (patterns.compiled(r"\ACPUs, memory, and disk of (\S+)\Z"), r"\1 的 CPU、内存和磁盘"),
    (patterns.compiled(r"\Aaccess review: may I "), "当前用户是否有权 "),
    (patterns.compiled(r"\Aaccess review: (\S+) (?=\w+ )"), r"\1 是否有权 "),
)


def asked_text(what: str) -> Text:
    """What was asked for, with its verb: ``list configmaps in kubeedge``, ``read file /etc/a``."""
    listed = _listed(what)
    return listed or Text(f"read {what}", zh=f"读取{_noun(what) or f' {what}'}")


def noun_text(what: str) -> Text:
    """What was asked for, by its name: ``file /etc/a``."""
    listed = _listed(what)
    return Text(what, zh=listed.zh if listed else _noun(what) or what)


def _listed(what: str) -> Text | None:
    match = _LISTED.fullmatch(what)
    if match is None:
        return None
    verb, kind, namespace = match[1], _KINDS.get(match[2], match[2]), match[3]
    inside = f" in namespace {namespace}" if namespace else ""
    zh = f"{_VERBS.get(verb, verb)}" + (f"命名空间 {namespace} 中的 {kind}" if namespace else f" {kind}")
    return Text(f"{verb} {kind}{inside}", zh=zh)


def _noun(what: str) -> str:
    """The Chinese of the name; empty where it is not known."""
    return next((one.sub(words, what, count=1) for one, words in _NOUNS if one.match(what)), "")
