"""Probes of one edge: who answers at its address, what cloudcore says of it, what the API server gets from it.

They replace the probes of whole sites where there are such (:mod:`kedoctor.checks.facts.cloud.diversion_probes`). Nothing
here completes an upgrade, so no session of an edge is touched (facts.md §10.1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import quote

from kedoctor.api import (
    ApiAnswer,
    Cluster,
    Connection,
    HttpAnswer,
    Reason,
    TlsPeer,
    TraceTarget,
    Unavailable,
    Wire,
    fact,
)
from kedoctor.checks.facts.cloud.cloud_host import HostAddresses
from kedoctor.checks.facts.cloud.diversion_probes import (
    SUMMARY,
    DiversionProbe,
    DiversionProbes,
    StreamServers,
    TunnelProbe,
    ask_servers,
    node_name_of,
    url_at,
)
from kedoctor.checks.facts.cloud.diversion_targets import DiversionTargets
from kedoctor.checks.facts.cloud.diversions import Diversion, Diversions
from kedoctor.checks.facts.cloud.nat import NatRules
from kedoctor.checks.facts.cluster.nodes import EdgeNode, EdgeNodes
from kedoctor.checks.facts.cluster.tunnel_port import TunnelPortRecord
from kedoctor.checks.parsers.concurrency import ask_all
from kedoctor.checks.parsers.netfilter import Packet
from kedoctor.checks.parsers.netfilter.ruleset import ipv4

__all__ = ["FACTS", "KUBELET_PORT", "RelayedAnswer", "SessionProbes", "TracedPeer", "dialled_port"]

KUBELET_PORT = 10250
"""What kube-apiserver dials when the Node tells no port (facts.md §3.1)."""

_DIRECT = 5.0


def dialled_port(edge: EdgeNode) -> int:
    """The port that kube-apiserver dials."""
    return edge.port if edge.port > 0 else KUBELET_PORT


@fact
def traced_diversion(
    rules: NatRules,
    edges: EdgeNodes,
    record: TunnelPortRecord | Unavailable,
    addresses: HostAddresses | Unavailable,
) -> Diversions:
    """Where this host sends a new connection to the edge's address and port, whether the port is on record or not."""
    edge = next((one for one in edges.items if ipv4(one.internal_ip) is not None), None)
    if edge is None:
        return Diversions()
    port = dialled_port(edge)
    local = None if isinstance(addresses, Unavailable) else addresses.ipv4
    by_port = {} if isinstance(record, Unavailable) else {number: ip for ip, number in record.ports.items()}
    path = rules.effective(Packet(edge.internal_ip, port, local_addresses=local))
    return Diversions((Diversion(port, by_port.get(port, ""), edge, path, (edge.name,)),))


@fact
def traced_servers(
    wire: Wire, record: TunnelPortRecord, targets: DiversionTargets, target: TraceTarget
) -> StreamServers | Unavailable:
    """The stream servers, within the time that one probe may take."""
    return ask_servers(wire, record, targets, min(_DIRECT, target.patience))


@fact
def traced_answer(wire: Wire, edges: EdgeNodes, target: TraceTarget) -> DiversionProbes | Unavailable:
    """One GET to the address and port that kube-apiserver dials."""
    edge = next((one for one in edges.items if one.internal_ip), None)
    if edge is None:
        return Unavailable(Reason.ABSENT, "the address of the edge", "its Node has no InternalIP")
    port = dialled_port(edge)
    answer = wire.get(url_at(edge.internal_ip, port, "/"), timeout=min(_DIRECT, target.patience))
    return DiversionProbes((DiversionProbe(edge.name, edge.internal_ip, port, answer),))


@dataclass(frozen=True, slots=True)
class TracedPeer:
    """How far a connection to the edge's address and port gets where no HTTP answer came: TCP, then TLS.

    Both are ``None`` where they need not be asked.
    """

    tcp: Connection | Unavailable | None = None
    tls: TlsPeer | Unavailable | None = None


@fact
def traced_peer(wire: Wire, probes: DiversionProbes, target: TraceTarget) -> TracedPeer:
    """Tells a port that takes connections and says nothing from one that nobody can connect to."""
    probe = probes.items[0]
    answer = probe.answer
    if isinstance(answer, HttpAnswer) or answer.reason in (Reason.REFUSED, Reason.UNREACHABLE):
        return TracedPeer()
    seconds = min(_DIRECT, target.patience)
    tcp = wire.connect(probe.address, probe.port, timeout=seconds)
    late = answer.reason is Reason.TIMEOUT
    tls = None if late else wire.tls(probe.address, probe.port, timeout=seconds)
    return TracedPeer(tcp, tls)


@dataclass(frozen=True, slots=True)
class SessionProbes:
    """What cloudcore says when asked for the edge's stats under its address and under its name, as a probe of each.

    The one under the address is ``None`` where the Node has none. Logs, exec and attach find the session by the name,
    ``top`` by the address (facts.md §3.5).
    """

    cloudcore: str
    by_address: TunnelProbe | None
    by_name: TunnelProbe


@fact
def session_probes(
    wire: Wire,
    edges: EdgeNodes,
    record: TunnelPortRecord,
    servers: StreamServers,
    target: TraceTarget,
    *,
    targets: DiversionTargets,
) -> SessionProbes | Unavailable:
    """Asks the cloudcore that the edge's port belongs to, or the only one that is alive."""
    alive = [address for address in servers.items if servers.alive(address)]
    edge = next(iter(edges.items), None)
    by_port = {port: ip for ip, port in record.ports.items()}
    cloudcore = by_port.get(edge.port, "") if edge is not None else ""
    cloudcore = cloudcore if cloudcore in alive else next(iter(alive), "")
    if edge is None or not cloudcore:
        what = "the session of the edge"
        return Unavailable(Reason.ABSENT, what, "no cloudcore on record has a stream server that answers")
    url = url_at(cloudcore, targets.port, SUMMARY)

    def ask(key: str) -> TunnelProbe:
        answer = wire.get(url, host_header=key, timeout=target.patience)
        return TunnelProbe(edge.name, key, cloudcore, answer, port=targets.port)

    *by_address, by_name = ask_all(ask, [*filter(None, [edge.internal_ip]), edge.name], workers=2)
    others = [one for one in alive if one != cloudcore] if by_name.node_name != edge.name else []
    for other in others:
        answer = wire.get(
            url_at(other, targets.port, SUMMARY), host_header=edge.name, timeout=target.patience
        )
        if node_name_of(answer) == edge.name:
            by_name = replace(by_name, elsewhere=other)
            break
    return SessionProbes(cloudcore, next(iter(by_address), None), by_name)


@dataclass(frozen=True, slots=True)
class RelayedAnswer:
    """What the API server relays from the edge's own stats page, and the node that these stats are of."""

    answer: ApiAnswer | Unavailable

    @property
    def node_name(self) -> str:
        """Empty when the answer is not stats."""
        if isinstance(self.answer, Unavailable):
            return ""
        return node_name_of(HttpAnswer(self.answer.status, self.answer.body))


@fact
def relayed_answer(cluster: Cluster, edges: EdgeNodes, target: TraceTarget) -> RelayedAnswer:
    """Through the node proxy; the edge knows no other form than text, so it must be accepted (facts.md §10.1)."""
    name = edges.items[0].name if edges.items else ""
    path = f"/api/v1/nodes/{quote(name, safe='')}/proxy{SUMMARY}"
    return RelayedAnswer(cluster.get(path, accept="*/*", timeout=target.patience))


FACTS: tuple[Callable[..., object], ...] = (
    traced_diversion,
    traced_servers,
    traced_answer,
    traced_peer,
    session_probes,
    relayed_answer,
)
"""The probes of every trace of this package."""
