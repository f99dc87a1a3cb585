"""The words of the page that no other format has."""

from __future__ import annotations

from kedoctor.api import Text

__all__ = ["HOP_WORDS", "READ_WORDS", "SECRET_WORDS", "SIDE_WORDS", "SIGNS", "STATE_SIGNS", "label"]

HOP_WORDS = {
    "broken": Text("broken", zh="故障"),
    "follow-on": Text("follow-on", zh="连带后果"),
    "accepted": Text("accepted", zh="已豁免"),
    "settling": Text("settling", zh="正在恢复"),
    "unknown": Text("undetermined", zh="无法判断"),
    "warning": Text("warning", zh="警告"),
    "passed": Text("passed", zh="正常"),
    "unchecked": Text("not checked", zh="未检查"),
}

SIGNS = {
    "broken": "✕",
    "follow-on": "↳",
    "accepted": "=",
    "settling": "~",
    "unknown": "?",
    "warning": "!",
    "passed": "✓",
    "unchecked": "–",
    "fail": "✕",
    "warn": "!",
    "crashed": "#",
    "blocked": "–",
    "pass": "✓",
    "skip": "–",
}
"""A sign for each state of a hop and of a verdict, so that nothing is said by a colour alone."""

STATE_SIGNS = {"works": "✓", "clear": "–", "broken": "✕", "accepted": "=", "settling": "~", "unknown": "?"}
"""A sign for each state of the matrix."""

READ_WORDS = {
    "apiserver": Text("API server", zh="API 服务器"),
    "containers": Text("containers and images", zh="容器与镜像"),
    "files": Text("files", zh="文件"),
    "inputs": Text("given on the command line", zh="命令行给出的内容"),
    "logs": Text("logs", zh="日志"),
    "machine": Text("the machine itself", zh="主机信息"),
    "network": Text("sockets and routes", zh="套接字与路由"),
    "processes": Text("processes", zh="进程"),
    "tools": Text("output of programs", zh="程序输出"),
    "units": Text("systemd units", zh="systemd 单元"),
    "wire": Text("connections made", zh="主动探测的连接"),
}

SIDE_WORDS = {
    "cloud": Text("cloud host", zh="云端主机"),
    "edge": Text("edge host", zh="边缘节点主机"),
    "site": Text("whole site", zh="整个站点"),
    "host": Text("each host", zh="各主机"),
}

SECRET_WORDS = {
    "private key": Text("private key", zh="私钥"),
    "encrypted private key": Text("encrypted private key", zh="加密私钥"),
    "jwt": Text("token (JWT)", zh="令牌（JWT）"),
    "token": Text("token", zh="令牌"),
    "bearer token": Text("bearer token", zh="Bearer 令牌"),
    "password": Text("password", zh="密码"),
    "secret": Text("secret", zh="密钥信息"),
    "credential": Text("credential", zh="凭据"),
    "data": Text("secret data", zh="敏感数据"),
}

_LABELS = {
    "contents": Text("Contents", zh="目录"),
    "verdict": Text("Verdict", zh="结论"),
    "path": Text("Request path", zh="请求链路"),
    "path-hint": Text("Choose a hop to see its checks.", zh="选择一个环节可查看其检查项。"),
    "path-of": Text("Request path of {edges}", zh="{edges} 的请求链路"),
    "every-edge": Text("every edge", zh="所有边缘节点"),
    "choose-edge": Text("Edge node", zh="边缘节点"),
    "cloud": Text("Cloud", zh="云端"),
    "edge-side": Text("Edge", zh="边缘"),
    "between": Text("between", zh="云边之间"),
    "no-check": Text("No check of this hop ran.", zh="没有执行该环节的检查。"),
    "passed-here": Text("{n} passed or not applicable", zh="正常或不适用 {n} 项"),
    "expiries": Text("Certificates and tokens", zh="证书与令牌"),
    "expiries-hint": Text(
        "When each of them ends, seen from {when}. The scale is logarithmic.",
        zh="以 {when} 为基准的到期时间，采用对数刻度。",
    ),
    "now": Text("now", zh="现在"),
    "certificate": Text("certificate", zh="证书"),
    "token": Text("token", zh="令牌"),
    "reading": Text("What was read", zh="读取的内容"),
    "reads": Text("reads", zh="次数"),
    "unavailable": Text("unavailable", zh="未能读取"),
    "time": Text("time", zh="用时"),
    "host": Text("host", zh="主机"),
    "kind": Text("kind", zh="类型"),
    "run-took": Text(
        "The run took {seconds:.1f} s. Reads run side by side, so their times add up to more.",
        zh="本次运行用时 {seconds:.1f} 秒。读取是并行的，各项用时之和会更长。",
    ),
    "withheld": Text("Withheld: {what}.", zh="已隐去：{what}。"),
    "secrets": Text("{kind} ({n})", zh="{kind}（{n} 处）"),
    "texts-withheld": Text("text that could not be redacted safely ({n})", zh="无法安全脱敏的文本（{n} 段）"),
    "nothing-withheld": Text("No secret stood in what was quoted.", zh="引用的内容中没有敏感信息。"),
    "search": Text("Search", zh="搜索"),
    "search-hint": Text("code, word, file …", zh="代码、关键词、文件…"),
    "state": Text("State", zh="状态"),
    "side": Text("Side", zh="位置"),
    "sort": Text("Sort by", zh="排序"),
    "any": Text("all", zh="全部"),
    "attention": Text("needs attention", zh="需要关注"),
    "code": Text("code", zh="代码"),
    "shown": Text("{shown} of {all} shown", zh="显示 {shown} / {all}"),
    "nothing-shown": Text(
        "No check matches. Clear the filter to see all.", zh="没有匹配的检查项。清除筛选即可查看全部。"
    ),
    "clear": Text("Clear", zh="清除"),
    "copy": Text("Copy", zh="复制"),
    "copied": Text("Copied", zh="已复制"),
    "not-copied": Text("Select and copy it by hand", zh="请手动选择并复制"),
    "about": Text("About this check", zh="关于该检查"),
    "local": Text("local time", zh="本地时间"),
    "fix-does": Text("What --fix does", zh="--fix 的作用"),
    "edges-broken": Text("edges broken", zh="边缘节点故障"),
    "edge-fine": Text("edge", zh="边缘节点"),
    "edges-fine": Text("edges", zh="边缘节点"),
    "tile-causes": Text("root causes", zh="故障原因"),
    "tile-cause": Text("root cause", zh="故障原因"),
    "tile-expiry": Text("{item} ends", zh="{item} 到期"),
    "tile-expired": Text("{item} expired", zh="{item} 已到期"),
    "of": Text("{n} of {all}", zh="{n} / {all}"),
    "alike": Text("{n} alike", zh="同类 {n} 项"),
    "more-rows": Text("{n} more rows", zh="另有 {n} 行"),
    "names": Text("all names", zh="全部名称"),
    "cut": Text("… cut off here; the JSON report has all of it", zh="… 此处截断，JSON 报告中有完整内容"),
    "journal": Text("journal entry", zh="操作记录"),
    "judged-on": Text("judged on", zh="检查位置"),
    "top": Text("Back to the top", zh="返回顶部"),
}


def label(key: str, language: str) -> str:
    """A heading or label of the page."""
    return _LABELS[key].in_language(language)
