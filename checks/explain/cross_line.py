"""What several lines tell together: ports against rules, tables of nodes, and what works beside what fails.

Each function takes the whole text (a paste, not a long log) and gives hints; alone, none of the lines would say it.
The meaning of ports and rules is ``facts.md §3.1, §3.3, §3.4``, that of what works and what fails ``§8.4, §8.5``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from kedoctor.api import Text, patterns

__all__ = ["Hint", "correlated"]


@dataclass(frozen=True, slots=True)
class Hint:
    """What several lines tell together, and the codes that decide, likeliest first; ``weight`` as for texts."""

    codes: tuple[str, ...]
    weight: float
    meaning: Text


_RULE = patterns.compiled(
    r"(?:dpt:|--dport[ =]?)(?P<port>\d{4,5})\b.{0,80}?(?:\bto:|--to(?:-destination)?[ =])\s*(?P<target>[\w.$:\[\]{}-]+)"
)
_RULE_PORT = patterns.compiled(
    r"(?:dpt:|--dport[ =]?|\brules?\b[^.;\n]{0,30}?\bdport |\brules? (?:only )?for )(?P<port>10[2-4]\d\d)\b"
)
_UNUSED = patterns.compiled(
    r"\b0 pkts|\b0 packets|counter\w{0,20} (?:is |stays |at ){0,4}0\b|^[ \t]{0,20}0[ \t]{1,20}0[ \t]{1,20}DNAT",
    patterns.MULTILINE,
)
# An empty 500 and a missing session are cloudcore's own answers: something diverted the request to it.
_REACHED = patterns.compiled(
    r"\(InternalError\): Internal error occurred:? *\"?$|can ?not find \S+ session|\] has closed",
    patterns.MULTILINE,
)
_ASKED = patterns.compiled(r"(?:dial tcp \S+?|https://[^\s/:]+):(?P<port>10(?:250|3[5-9]\d|4\d\d))\b")
_NODE_PORT = patterns.compiled(
    r"(?:daemonEndpoints|kubeletEndpoint|kubelet_?port|node'?s? port)[^\n\d]{0,40}?(?:Port\"?[:= ]*)?(?P<port>1\d{4})\b",
    patterns.IGNORECASE,
)
_RECORD = patterns.compiled(
    r"(?:ipTunnelPort|negotiated|tunnelport\b|tunnel ?port)[^\n]{0,60}?\b(?P<port>103[5-9]\d|104\d\d)\b",
    patterns.IGNORECASE,
)
_EDGE_ROW = patterns.compiled(
    r"^(?P<node>[a-z0-9][\w.-]*)\s+\S*Ready\S*\s+(?P<roles>\S+)\s+\S+\s+(?P<version>\S+)\s+(?P<address>\d+\.\d+\.\d+\.\d+)\s",
    patterns.MULTILINE,
)
_VERSION = patterns.compiled(
    r"\b(?P<what>cloudcore|edgecore)\b[^\n.;,]{0,20}?\bv?1\.(?P<minor>\d{1,2})(?:\.\d+)?\b",
    patterns.IGNORECASE,
)
_COMMAND = patterns.compiled(
    r"^(?:\S*[#$>]\s*|\$ )?(?:sudo |timeout \S+ )*kubectl\b[^\n|]*?\b(?P<verb>logs|exec|attach|top)\b",
    patterns.MULTILINE,
)
_CLOUD_POD = patterns.compiled(
    r"\b(?:cloudcore|metrics-server|iptables-manager|coredns|etcd|kube-(?:apiserver|scheduler|controller-manager))\b"
)
_PROMPT = patterns.compiled(r"^(?:\S*[#$]\s|\[\S+@\S+ [^\]]*\][#$]|\$ |\[rc 0\b)")


def correlated(text: str) -> list[Hint]:
    """All hints that the lines of a paste give together."""
    return [hint for rule in _RULES for hint in rule(text)]


def _ports(pattern: patterns.Pattern[str], text: str) -> set[int]:
    return {int(match["port"]) for match in pattern.finditer(text)}


def _rules_for_other_ports(text: str) -> Iterator[Hint]:
    """Rules that match another port than the one asked for, or that never match."""
    asked = _ports(_ASKED, text) | _ports(_NODE_PORT, text)
    rules = _ports(_RULE, text) | _ports(_RULE_PORT, text)
    if rules and asked and not asked & rules:
        of, ports = _listed(rules), _listed(asked)
        yield Hint(
            ("KE305", "KE303", "KE301"),
            90,
            Text(
                f"the rules shown are for port {of}, while the node's port is {ports}: no rule matches",
                zh=f"所示规则针对端口 {of}，而节点端口是 {ports}：没有规则匹配",
            ),
        )
    elif rules and _UNUSED.search(text) and not _REACHED.search(text):
        yield Hint(
            ("KE305", "KE303", "KE310"),
            60,
            Text("the rule shown has never matched a packet", zh="所示规则从未匹配到报文"),
        )


def _node_against_record(text: str) -> Iterator[Hint]:
    """A node's port that is not in the record of tunnel ports (facts.md §3.3)."""
    node, record = _ports(_NODE_PORT, text) or _ports(_ASKED, text), _ports(_RECORD, text)
    if node and record and not node & record:
        has, kept = _listed(node), _listed(record)
        yield Hint(
            ("KE301", "KE305", "KE303"),
            90,
            Text(
                f"the Node has port {has}, and cloudcore's tunnel port is {kept}",
                zh=f"节点端口为 {has}，而 cloudcore 的隧道端口为 {kept}",
            ),
        )


_SERVICE = patterns.compiled(r"^10\.(?:9[6-9]|10\d|11[01]|43)\.")
_LOOP = patterns.compiled(r"^(?:127\.|localhost)")


def _wrong_targets(text: str) -> Iterator[Hint]:
    """Rules that lead to a Service address, to loopback or to another port than the stream server's."""
    for match in _RULE.finditer(text):
        target = match["target"]
        host, _, port = target.rpartition(":")
        wrong_port = (
            port.isdigit() and port not in ("10003", "30003") and len(port) == 5 and not port.startswith("3")
        )
        if wrong_port or _LOOP.match(host):
            yield Hint(
                ("KE304",),
                80,
                Text(
                    f"the rule shown leads to {target}, not to cloudcore:10003",
                    zh=f"所示规则指向 {target}，而不是 cloudcore:10003",
                ),
            )
        elif _SERVICE.match(host):
            yield Hint(
                ("KE304",),
                40,
                Text(
                    f"the rule shown leads to {target}, which lies in a usual range of Service addresses",
                    zh=f"所示规则指向 {target}，位于常见的 Service 地址段",
                ),
            )


def _one_address_for_two(text: str) -> Iterator[Hint]:
    """A table of nodes in which an address occurs twice."""
    by_address: dict[str, set[str]] = defaultdict(set)
    for row in _EDGE_ROW.finditer(text):
        by_address[row["address"]].add(row["node"])
    for address, nodes in by_address.items():
        if len(nodes) > 1:
            names = ", ".join(sorted(nodes))
            yield Hint(
                ("KE704",),
                95,
                Text(
                    f"{names} all have the InternalIP {address}", zh=f"{names} 的 InternalIP 都是 {address}"
                ),
            )


def _edges_without_role(text: str) -> Iterator[Hint]:
    """A table of nodes in which a KubeEdge node has no role."""
    for row in _EDGE_ROW.finditer(text):
        if row["roles"] == "<none>" and "kubeedge" in row["version"]:
            yield Hint(
                ("KE703",),
                60,
                Text(f"{row['node']} is an edge without role", zh=f"{row['node']} 是没有角色的边缘节点"),
            )


def _versions_apart(text: str) -> Iterator[Hint]:
    minors = defaultdict(set)
    for match in _VERSION.finditer(text):
        minors[match["what"].lower()].add(int(match["minor"]))
    cloud, edge = minors["cloudcore"], minors["edgecore"]
    if cloud and edge and not cloud & edge:
        worse = max(edge) > max(cloud)
        yield Hint(
            ("KE803",),
            70 if worse else 25,
            Text(
                f"cloudcore is v1.{max(cloud)} and edgecore v1.{max(edge)}",
                zh=f"cloudcore 为 v1.{max(cloud)}，edgecore 为 v1.{max(edge)}",
            ),
        )


_WORKS = r"\b(?:works?|worked|working|fine|ok|normal|returns?|return edge data|succeeds?|good|可以|正常)\b"
_FAILS = r"\b(?:fail\w*|(?:does|do|did)(?: ?not|n.t)$|not work\w*|doesn'?t work|do not work|error\w*|refused|time[sd]? ?out|unable|can(?:no|')t|不能|失败|报错)\b"
_TOP = r"\b(?:kubectl top|top|metrics?)\b"
_LOGS = r"\b(?:kubectl )?(?:logs?|exec|attach)\b"


def _says(text: str, what: str, how: str) -> bool:
    """Whether one clause says that something works (or fails)."""
    return any(
        patterns.compiled(what, patterns.IGNORECASE | patterns.ASCII).search(clause.strip())
        and patterns.compiled(how, patterns.IGNORECASE | patterns.ASCII).search(clause.strip())
        for clause in patterns.compiled(r"[.;,，。；\n]| but | while | and |但|而").split(text)
    )


def _top_against_logs(text: str) -> Iterator[Hint]:
    """Both go to cloudcore:10003; what differs is the client and how it finds the session (facts.md §3.5, §8.5)."""
    if _says(text, _TOP, _WORKS) and _says(text, _LOGS, _FAILS):
        k3s = bool(patterns.compiled(r"\bk3[sd]\b|rke2", patterns.IGNORECASE).search(text))
        yield Hint(
            ("KE801", "KE802", "KE407", "KE303"),
            70 if k3s else 45,
            Text(
                "top works and logs or exec do not: the tunnel is fine, and only the API server's own way to it fails",
                zh="top 正常而 logs 或 exec 失败：隧道正常，只有 API 服务器到隧道的路径有问题",
            ),
        )
    elif _says(text, _LOGS, _WORKS) and _says(text, _TOP, _FAILS):
        yield Hint(
            ("KE603", "KE212", "KE604", "KE704"),
            50,
            Text(
                "logs or exec work and top does not: the tunnel is fine, and the fault is with metrics-server or the address it asks for",
                zh="logs 或 exec 正常而 top 失败：隧道正常，问题在 metrics-server 或其使用的地址",
            ),
        )


def _empty_answers(text: str) -> Iterator[Hint]:
    """A kubectl command after which nothing was printed but the next prompt (facts.md §3.8)."""
    lines = [line for line in text.splitlines() if line.strip()]
    for line, following in pairwise(lines):
        command = _COMMAND.match(line)
        if command and command["verb"] != "top" and not _CLOUD_POD.search(line) and _PROMPT.match(following):
            yield EMPTY
            return


EMPTY = Hint(
    ("KE508", "KE202", "KE701", "KE503", "KE203", "KE402", "KE505"),
    30,
    Text(
        "an empty answer without an error: cloudcore had a tunnel of this edge once, and it is gone",
        zh="没有报错的空结果：cloudcore 曾有该边缘节点的隧道，现已断开",
    ),
)

_NODEPORT = patterns.compiled(r"\bnode ?port\b|:3[01]00[0-4]\b", patterns.IGNORECASE)
_TUNNEL_DIAL = patterns.compiled(r"(?:wss://|dial tcp )\S{1,253}?:10004\b")


def _tunnel_beside_node_port(text: str) -> Iterator[Hint]:
    """Behind a NodePort the tunnel is reached at 30004; keadm writes 10004 all the same (facts.md §3.5, §10 no. 20)."""
    if _NODEPORT.search(text) and _TUNNEL_DIAL.search(text):
        yield Hint(
            ("KE203", "KE106"),
            60,
            Text(
                "cloudcore is published by NodePort, and the edge dials the tunnel at 10004",
                zh="cloudcore 通过 NodePort 发布，而边缘节点仍拨 10004",
            ),
        )


_RULES: Sequence[Callable[[str], Iterator[Hint]]] = (
    _rules_for_other_ports,
    _node_against_record,
    _wrong_targets,
    _one_address_for_two,
    _edges_without_role,
    _versions_apart,
    _top_against_logs,
    _empty_answers,
    _tunnel_beside_node_port,
)


def _listed(ports: set[int]) -> str:
    return ", ".join(map(str, sorted(ports)))
