"""What answers, seen from a cloud host: the stream server itself, each edge through it, and the diversion to it.

These are the safe probes of facts.md §10.1. Port 10003 asks for no credentials; a probe that times out there leaves
one connection entry behind in cloudcore, so each edge is asked once and no more than fifty edges are asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from kedoctor.api import HttpAnswer, Reason, Unavailable, Wire, fact, patterns
from kedoctor.checks.facts.cloud.diversion_targets import DiversionTargets
from kedoctor.checks.facts.cloud.nat import NatRules
from kedoctor.checks.facts.cluster.nodes import EdgeNode, EdgeNodes
from kedoctor.checks.facts.cluster.tunnel_port import TunnelPortRecord
from kedoctor.checks.parsers.concurrency import ask_all, spread
from kedoctor.checks.parsers.host_port import is_ip

__all__ = [
    "MOST_EDGES",
    "DiversionProbe",
    "DiversionProbes",
    "StreamServer",
    "StreamServers",
    "TargetProbes",
    "TunnelProbe",
    "TunnelProbes",
    "diversion_probes",
    "stream_servers",
    "target_probes",
    "tunnel_probes",
]

MOST_EDGES = 50
"""So many edges are asked; those that look wrong first, the others evenly spread over the rest."""

_MOST_SUSPECTS = 25
_MOST_CLOUDCORES = 4
SUMMARY = "/stats/summary?only_cpu_and_memory=true"
"""What is asked for at an edge: short, without content, and through the same session as everything else."""

_DIRECT = 5.0
_THROUGH = 8.0
_NODE_NAME = patterns.compiled(rb'"nodeName":\s*"([^"]*)"')
_NOT_ASKED = frozenset({Reason.NOT_RECORDED, Reason.NOT_ALLOWED})


@dataclass(frozen=True, slots=True)
class StreamServer:
    """What ``GET /`` at one cloudcore's stream port gave: a living one says 404 (facts.md §3.7)."""

    address: str
    port: int
    answer: HttpAnswer | Unavailable

    @property
    def certificate(self) -> bytes:
        """Its certificate (DER); empty when it did not answer."""
        return b"" if isinstance(self.answer, Unavailable) else self.answer.certificate


@dataclass(frozen=True, slots=True)
class StreamServers:
    """The stream servers of all cloudcores on record, by address."""

    items: Mapping[str, StreamServer] = field(default_factory=dict)

    @property
    def certificates(self) -> frozenset[bytes]:
        """The certificates that live stream servers showed."""
        return frozenset(one.certificate for one in self.items.values() if one.certificate)

    def alive(self, address: str) -> bool:
        """Whether the stream server at that address answered."""
        found = self.items.get(address)
        return found is not None and not isinstance(found.answer, Unavailable)


@fact
def stream_servers(
    wire: Wire, record: TunnelPortRecord, targets: DiversionTargets
) -> StreamServers | Unavailable:
    """Asks each cloudcore on record; unavailable when nothing could be sent at all."""
    return ask_servers(wire, record, targets, _DIRECT)


def ask_servers(
    wire: Wire, record: TunnelPortRecord, targets: DiversionTargets, seconds: float
) -> StreamServers | Unavailable:
    """What the stream servers of all cloudcores on record say within ``seconds``."""
    addresses = [ip for ip in record.ports if ip and is_ip(ip)] or sorted(targets.live)[:4]
    # A cloudcore that runs without an entry has sessions all the same.
    addresses += [one.address for one in targets.cloudcores.unrecorded if one.address not in addresses]

    def ask(address: str) -> StreamServer:
        answer = wire.get(url_at(address, targets.port, "/"), timeout=seconds)
        return StreamServer(address, targets.port, answer)

    found = ask_all(ask, addresses)
    missing = _none_asked([one.answer for one in found])
    return missing or StreamServers({one.address: one for one in found})


@dataclass(frozen=True, slots=True)
class TunnelProbe:
    """What cloudcore said when asked for the stats of one edge.

    ``key`` is what was asked for (its InternalIP, as metrics-server does). ``by_name`` is the answer for its node
    name, asked only when there was no session under the address. ``elsewhere`` is the address of another cloudcore that
    has the session; others are asked only where the one to which the Node's port belongs has none. ``cloudcore`` is empty
    where that one does not answer.
    """

    edge: str
    key: str
    cloudcore: str
    answer: HttpAnswer | Unavailable
    by_name: HttpAnswer | Unavailable | None = None
    port: int = 10003
    elsewhere: str = ""

    @property
    def url(self) -> str:
        """What was asked for."""
        return url_at(self.cloudcore, self.port, SUMMARY)

    @property
    def node_name(self) -> str:
        """The node that the stats are of; empty when the answer is not stats."""
        return node_name_of(self.answer)

    @property
    def node_name_by_name(self) -> str:
        """The same of the answer for the node name."""
        return node_name_of(self.by_name)


@dataclass(frozen=True, slots=True)
class TunnelProbes:
    """The probes of the edges that were asked; ``left_out`` how many more there are."""

    items: tuple[TunnelProbe, ...] = ()
    left_out: int = 0


@fact
def tunnel_probes(
    wire: Wire, edges: EdgeNodes, record: TunnelPortRecord, servers: StreamServers, targets: DiversionTargets
) -> TunnelProbes | Unavailable:
    """Asks the cloudcore of each edge for that edge's stats; only cloudcores that answer are asked."""
    by_port = {port: ip for ip, port in record.ports.items()}
    living = [address for address in servers.items if servers.alive(address)]

    def asked(edge: EdgeNode) -> list[str]:
        """The cloudcore to which its port belongs, and the others; the first is empty where that one is unknown or dead."""
        own = by_port.get(edge.port, "")
        if not own and len(living) == 1:
            return living
        return [own if own in living else "", *(one for one in living if one != own)][:_MOST_CLOUDCORES]

    wanted = [edge for edge in edges.items if _has_session(edge) and any(asked(edge))]
    chosen = _chosen(wanted, lambda edge: not edge.is_ready or edge.port not in record.current)

    def ask(edge: EdgeNode) -> TunnelProbe | None:
        first, *others = asked(edge)
        probe = _of_first(edge, first) if first else None
        if probe is not None and edge.name in (probe.node_name, probe.node_name_by_name):
            return probe
        elsewhere = next((one for one in others if node_name_of(get(one, edge.name)) == edge.name), "")
        if probe is not None or not elsewhere:
            return replace(probe, elsewhere=elsewhere) if probe is not None else None
        none = Unavailable(Reason.ABSENT, f"the cloudcore of port {edge.port}")
        return TunnelProbe(edge.name, edge.internal_ip, "", none, None, targets.port, elsewhere)

    def _of_first(edge: EdgeNode, address: str) -> TunnelProbe:
        key = edge.name if _is_ipv6(edge) else edge.internal_ip
        answer = get(address, key)
        lost = isinstance(answer, HttpAnswer) and answer.status == 500 and key != edge.name
        by_name = get(address, edge.name) if lost else None
        return TunnelProbe(edge.name, key, address, answer, by_name, targets.port)

    def get(address: str, key: str) -> HttpAnswer | Unavailable:
        return wire.get(url_at(address, targets.port, SUMMARY), host_header=key, timeout=_THROUGH)

    probes = [one for one in ask_all(ask, chosen, workers=25) if one is not None]
    missing = _none_asked([probe.answer for probe in probes])
    return missing or TunnelProbes(tuple(probes), len(wanted) - len(chosen))


def node_name_of(answer: HttpAnswer | Unavailable | None) -> str:
    """The node that a stats answer is about; empty if it is no such answer."""
    if (
        not isinstance(answer, HttpAnswer)
        or answer.status != 200
        or not answer.body.lstrip().startswith(b"{")
    ):
        return ""
    found = _NODE_NAME.search(answer.body)
    return found[1].decode(errors="replace") if found else ""


@dataclass(frozen=True, slots=True)
class DiversionProbe:
    """What answered when this host connected to the address and port of an edge Node."""

    edge: str
    address: str
    port: int
    answer: HttpAnswer | Unavailable


@dataclass(frozen=True, slots=True)
class DiversionProbes:
    """The probes of the edges that were tried; ``left_out`` how many more there are."""

    items: tuple[DiversionProbe, ...] = ()
    left_out: int = 0

    def on(self, port: int) -> tuple[DiversionProbe, ...]:
        """Those to one node port."""
        return tuple(probe for probe in self.items if probe.port == port)


@fact
def diversion_probes(wire: Wire, edges: EdgeNodes, record: TunnelPortRecord) -> DiversionProbes | Unavailable:
    """Connects as kube-apiserver does, for edges whose port is on record: nothing is meant to divert another."""
    wanted = [edge for edge in edges.items if _reached_by_tunnel(edge) and edge.port in record.current]
    chosen = _chosen(wanted, lambda edge: not edge.is_ready)

    def ask(edge: EdgeNode) -> DiversionProbe:
        answer = wire.get(f"https://{edge.internal_ip}:{edge.port}/", timeout=_DIRECT)
        return DiversionProbe(edge.name, edge.internal_ip, edge.port, answer)

    probes = ask_all(ask, chosen, workers=25)
    missing = _none_asked([probe.answer for probe in probes])
    return missing or DiversionProbes(tuple(probes), len(wanted) - len(chosen))


@dataclass(frozen=True, slots=True)
class TargetProbes:
    """What answered at addresses that hand-made rules lead to and that are no known cloudcore's."""

    items: Mapping[tuple[str, int], HttpAnswer | Unavailable] = field(default_factory=dict)


@fact
def target_probes(wire: Wire, rules: NatRules, targets: DiversionTargets) -> TargetProbes | Unavailable:
    """Tries the targets of hand-made rules to the stream port that nothing else is known of, eight at most."""
    places = {
        (rule.destination.address, rule.destination.port)
        for rule in rules.dnat
        if rule.hand_made and rule.destination is not None and rule.destination.port == targets.port
    }
    strange = sorted((ip, port) for ip, port in places if ip and port and targets.strange(ip, port))[:8]
    answers = ask_all(lambda place: wire.get(f"https://{place[0]}:{place[1]}/", timeout=_DIRECT), strange)
    return _none_asked(answers) or TargetProbes(dict(zip(strange, answers, strict=True)))


def url_at(address: str, port: int, path: str) -> str:
    """An https URL; IPv6 addresses get their brackets."""
    return f"https://[{address}]:{port}{path}" if ":" in address else f"https://{address}:{port}{path}"


def _reached_by_tunnel(edge: EdgeNode) -> bool:
    address = edge.internal_ip
    usable = bool(address) and is_ip(address) and ":" not in address
    return usable and not edge.runs_foreign_kubelet and not edge.absent_as_planned


def _has_session(edge: EdgeNode) -> bool:
    """Also one with an IPv6 address, which cloudcore finds by its name alone (facts.md §12.6)."""
    return _reached_by_tunnel(edge) or (
        _is_ipv6(edge) and not edge.runs_foreign_kubelet and not edge.absent_as_planned
    )


def _is_ipv6(edge: EdgeNode) -> bool:
    return ":" in edge.internal_ip and is_ip(edge.internal_ip)


def _chosen(edges: Sequence[EdgeNode], suspicious: Callable[[EdgeNode], bool]) -> tuple[EdgeNode, ...]:
    """At most ``MOST_EDGES`` of the edges, in their order."""
    if len(edges) <= MOST_EDGES:
        return tuple(edges)
    suspects = spread([edge for edge in edges if suspicious(edge)], _MOST_SUSPECTS)
    names = {edge.name for edge in suspects}
    others = spread([edge for edge in edges if edge.name not in names], MOST_EDGES - len(suspects))
    names |= {edge.name for edge in others}
    return tuple(edge for edge in edges if edge.name in names)


def _none_asked(answers: Iterable[HttpAnswer | Unavailable]) -> Unavailable | None:
    """The reason why nothing was sent, if that is so for every probe (a bundle without probes)."""
    listed = list(answers)
    refused = [one for one in listed if isinstance(one, Unavailable) and one.reason in _NOT_ASKED]
    return refused[0] if listed and len(refused) == len(listed) else None
