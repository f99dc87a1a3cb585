"""Which words of a Chinese text are English sentences: three or more words in a row that nobody quotes and no program reads."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kedoctor.model.report import Report
from kedoctor.reports.headlines import headline

__all__ = ["english_in", "texts_of"]

# What stands in a Chinese text as it is: what a program said or reads, names, paths, addresses, settings.
_VERBATIM = re.compile(
    r"“[^”]*”|\"[^\"]*\"|「[^」]*」|`[^`]*`|<[^<>]*>"
    r"|\{[^{}]*\}"
    r"|\b(?:sudo|kubectl|ip|helm|docker|systemctl|keadm|ctr|crictl|openssl|curl)(?: [\w./:=<>{}'|*-]+)+"  # a command
    r"|-{1,2}[A-Za-z][\w-]*(?:[= ][\w./:,-]+)?"  # a flag and its value
    r"|[\w./@:*~+-]*[\d_./:=@*~+][\w./@:*~+=-]*"  # a path, an address, a version, a key
)
_WORD = r"[A-Za-z]+(?:'[a-z]+)?"
_RUN = re.compile(rf"(?<![\w-]){_WORD}(?:[ ,;]+{_WORD}){{2,}}(?![\w-])")
# Names of things and verbs of rights, which stay as they are however many stand together.
_NAMES = frozenset(
    [
        "api",
        "server",
        "pod",
        "pods",
        "node",
        "nodes",
        "kubernetes",
        "kubeedge",
        "cloudcore",
        "edgecore",
        "edgestream",
        "cloudstream",
        "edgehub",
        "cloudhub",
        "kubelet",
        "configmap",
        "configmaps",
        "secret",
        "secrets",
        "daemonset",
        "daemonsets",
        "deployment",
        "deployments",
        "clusterrole",
        "service",
        "services",
        "lease",
        "leases",
        "logs",
        "exec",
        "attach",
        "top",
        "get",
        "list",
        "watch",
        "create",
        "update",
        "patch",
        "delete",
        "impersonate",
        "objectsyncs",
        "token",
        "tls",
        "tcp",
        "udp",
        "http",
        "https",
        "dnat",
        "nat",
        "output",
        "prerouting",
        "dns",
        "ca",
        "crt",
        "key",
        "internal",
        "external",
        "legacy",
        "nft",
        "iptables",
        "manager",
        "metrics",
        "ready",
        "true",
        "false",
        "none",
        "any",
        "containerd",
        "crictl",
        "kubectl",
        "helm",
        "keadm",
        "systemd",
        "root",
        "sudo",
        "stats",
        "summary",
        "internalip",
        "hostname",
        "unknown",
        "chain",
        "table",
        "filter",
        "raw",
        "input",
        "postrouting",
        "kube",
        "proxy",
        "system",
        "service",
        "account",
        "accounts",
        "status",
        "events",
        "endpoints",
        "mangle",
    ]
)


def english_in(text: str) -> list[str]:
    """The English sentences, or parts of them, that a Chinese text holds."""
    bare = _VERBATIM.sub(" | ", text)
    found = (match[0] for match in _RUN.finditer(bare))
    return [
        run
        for run in found
        if len([word for word in re.findall(_WORD, run) if word.lower() not in _NAMES]) > 2
    ]


def texts_of(report: Report) -> Iterator[tuple[str, str]]:
    """Every Chinese text of a report, with the code and the field that it stands in."""
    yield "headline", headline(report, "zh")
    for one in (*report.causes, *report.verdicts):
        for field in ("title", "summary", "expected", "actual", "hint", "remedy"):
            text = getattr(one.zh, field)
            if text:
                yield f"{one.code} {field}", text
    for verdict in report.verdicts:
        if verdict.settling is not None:
            yield f"{verdict.code} event", verdict.settling.event_zh
            yield f"{verdict.code} awaited", verdict.settling.awaited_zh
