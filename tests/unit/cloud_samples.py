"""Facts of a cloud host for tests, in values of the recorded sites (cloud 10.99.0.1, edge1 10.99.0.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from kedoctor.api import (
    Addresses,
    File,
    FileMetadata,
    Finding,
    HttpAnswer,
    Process,
    Reason,
    Record,
    Socket,
    Sockets,
    Status,
    ToolOutput,
    Unavailable,
)
from kedoctor.checks.facts.cloud.cloud_host import CloudProcesses, CloudSockets, HostAddresses
from kedoctor.checks.facts.cloud.diversion_targets import DiversionTargets
from kedoctor.checks.facts.cloud.diversions import Diversions, diversions
from kedoctor.checks.facts.cloud.nat import NatRules
from kedoctor.checks.facts.cluster.nodes import EdgeNode, EdgeNodes
from kedoctor.checks.facts.cluster.tunnel_port import TunnelPortRecord, parse_record
from kedoctor.checks.parsers.kubernetes import Condition
from kedoctor.checks.parsers.netfilter import Backend, dnat_rules, parse_save
from kedoctor.model.observations.network import InterfaceAddress
from kedoctor.model.observations.request import Request

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
MISSING = Unavailable(Reason.NOT_RECORDED, "something", "it was not recorded")
CLOUD = "10.99.0.1"
CLUSTER_IP = "10.96.129.161"
RIGHT = f"--to-destination {CLOUD}:10003"
JUMPS = ("OUTPUT -j TUNNEL-PORT", "PREROUTING -j TUNNEL-PORT")
APISERVER = CloudProcesses(apiserver=Process(58, 0, "kube-apiserver", ("kube-apiserver",)), now=NOW)


def rule(port: int = 10351, to: str = RIGHT, chain: str = "OUTPUT") -> str:
    """A rule of ``-A`` for one tunnel port."""
    return f"{chain} -p tcp -m tcp --dport {port} -j DNAT {to}"


def manager(*ports: int, to: str = RIGHT) -> tuple[str, ...]:
    """What iptables-manager writes: its chain, reached from both hooks, with a rule for each port."""
    return (*JUMPS, *(rule(port, to, "TUNNEL-PORT") for port in ports))


def saved(*rules: str) -> str:
    """These rules as iptables-save prints table nat."""
    targets = [one.split()[-1] for one in rules if one.split()[-2] == "-j"]
    names = dict.fromkeys([*(one.split()[0] for one in rules), *targets])
    users = [name for name in names if name not in {"OUTPUT", "PREROUTING", "DROP"}]
    heads = [":PREROUTING ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]", *(f":{name} - [0:0]" for name in users)]
    return "\n".join(["*nat", *heads, *(f"-A {one}" for one in rules), "COMMIT", ""])


def nat(
    nft: Sequence[str] | Unavailable = (),
    legacy: Sequence[str] | Unavailable = (),
    *,
    host: Backend | None = "nft",
    **more: Any,
) -> NatRules:
    """Both views with these rules; the chain TUNNEL-PORT stands in the legacy one unless rules say otherwise."""
    views = {
        name: rules if isinstance(rules, Unavailable) else parse_save(saved(*rules), name)
        for name, rules in (("nft", nft), ("legacy", legacy))
    }
    found = [one for view in views.values() if not isinstance(view, Unavailable) for one in dnat_rules(view)]
    return NatRules(
        views["nft"],
        views["legacy"],
        sources={"nft": "iptables-nft-save", "legacy": "iptables-legacy-save"},
        host_backend=host,
        dnat=tuple(found),
        **more,
    )


def edge(name: str = "edge1", ip: str = "10.99.0.2", port: int = 10351, **more: Any) -> EdgeNode:
    """An edge node that is ready."""
    ready = Condition(type="Ready", status="True")
    return EdgeNode(name, ip, name, port, **{"ready": ready, "version": "v1.31.12-kubeedge-v1.22.0", **more})


def record(**ports: int) -> TunnelPortRecord:
    """The record with one port for each cloudcore; ``record()`` is the usual one."""
    by_ip = {ip.replace("_", "."): port for ip, port in ports.items()} or {CLOUD: 10351}
    listed = ", ".join(f'"{ip}": {port}' for ip, port in by_ip.items())
    reserved = ", ".join(f'"{port}": true' for port in {10351, *by_ip.values()})
    return parse_record(f'{{"ipTunnelPort": {{{listed}}}, "port": {{{reserved}}}}}')


def targets(**more: Any) -> DiversionTargets:
    """What is known on the recorded cloud host: cloudcore runs there."""
    usual: dict[str, Any] = {
        "live": frozenset({CLOUD}),
        "here": True,
        "recorded": frozenset({CLOUD}),
        "services": {CLUSTER_IP: "kubeedge/cloudcore"},
        "edges": {"10.99.0.2": "edge1"},
        "others": {CLOUD: "cloud"},
        "own": frozenset({CLOUD, "127.0.0.1"}),
    }
    return DiversionTargets(**{**usual, **more})


def found(rules: NatRules, *edges: EdgeNode, on: TunnelPortRecord | None = None) -> Diversions:
    """Where the rules send connections to these edges."""
    return diversions(rules, on or record(), EdgeNodes(edges or (edge(),)), addresses())


def addresses(*more: tuple[str, str]) -> HostAddresses:
    """The addresses of the cloud host."""
    pairs = [("lo", "127.0.0.1"), ("eth0", CLOUD), *more]
    return HostAddresses(Addresses(tuple(InterfaceAddress(name, ip, 24) for name, ip in pairs)))


def listening(*sockets: tuple[int, str], address: str = "::", complete: bool = True) -> CloudSockets:
    """Listening sockets as (port, owner)."""
    items = [Socket(address, port, "", 0, "LISTEN", 618 if owner else None, owner) for port, owner in sockets]
    return CloudSockets(Sockets(tuple(items), complete))


def http(status: int, body: bytes = b"", certificate: bytes = b"") -> HttpAnswer:
    """An answer."""
    return HttpAnswer(status, body, NOW, certificate)


def file(path: str, text: str, modified: datetime = NOW) -> File:
    """A file of root."""
    return File(FileMetadata(path, "file", 0o600, 0, 0, len(text), modified), text.encode())


def printed(tool: str, stdout: str = "", *, exit_code: int = 0, stderr: str = "") -> ToolOutput:
    """What a program printed."""
    return ToolOutput((f"/usr/sbin/{tool}",), exit_code, stdout, stderr)


class Told(Record, frozen=True):
    """A finding reduced to what tests compare."""

    status: Status
    subject: str
    node: str


def told(findings: Any) -> list[Told]:
    """Every finding of a check, each looked at for its texts in both languages."""
    listed = [findings] if isinstance(findings, Finding) else list(findings)
    for one in listed:
        assert one.summary.en
        assert one.summary.zh
        assert one.summary.en[-1] in ".?!"
        if one.status in {Status.FAIL, Status.WARN}:
            assert one.expected
            assert one.hint
            assert one.actual
    return [Told(one.status, one.subject, one.node) for one in listed]


class Answers:
    """A source that knows what it was given, and says of everything else that it does not exist.

    Keys are requests, or the name of a file, unit or tool (with its arguments) for short.
    """

    def __init__(self, answers: Mapping[Any, Any]) -> None:
        self.answers = dict(answers)
        self.asked: list[Request] = []

    def observe(self, request: Request) -> Any:
        self.asked.append(request)
        for key in (request, *_names(request)):
            if key in self.answers:
                return self.answers[key]
        reason = Reason.TOOL_MISSING if type(request).__name__ == "RunTool" else Reason.ABSENT
        return Unavailable(reason, str(_names(request)), "it does not exist")


def _names(request: Request) -> list[str]:
    arguments = " ".join(getattr(request, "arguments", ()))
    tool = getattr(request, "tool", None)
    if tool is not None:
        return [f"{tool} {arguments}".strip()]
    table = getattr(request, "table", None)
    if table is not None:
        return [f"table {table}"]
    for field in ("path", "pattern", "name", "url"):
        value = getattr(request, field, None)
        if value is not None:
            return [value]
    return [type(request).__name__]
