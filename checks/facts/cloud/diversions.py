"""Where this host sends a new connection to each tunnel port on record (facts.md §3.1, §3.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kedoctor.api import Unavailable, fact
from kedoctor.checks.facts.cloud.cloud_host import HostAddresses
from kedoctor.checks.facts.cloud.nat import NatRules
from kedoctor.checks.facts.cluster.nodes import EdgeNode, EdgeNodes
from kedoctor.checks.facts.cluster.tunnel_port import TunnelPortRecord
from kedoctor.checks.parsers.concurrency import spread
from kedoctor.checks.parsers.netfilter import EffectivePath, Packet
from kedoctor.checks.parsers.netfilter.ruleset import ipv4

__all__ = ["Diversion", "Diversions", "diversions"]

_SAMPLE = 5
_SAMPLE_BY_ADDRESS = 200


@dataclass(frozen=True, slots=True)
class Diversion:
    """What becomes of connections to one tunnel port.

    ``nodes`` are the edges whose connections these are; empty: those of every edge. ``edge`` is one of them, from
    whose address ``path`` was followed. ``matters`` is false for a port that no edge has while others are in use.
    """

    port: int
    cloudcore: str
    edge: EdgeNode
    path: EffectivePath
    nodes: tuple[str, ...] = ()
    matters: bool = True

    @property
    def concerns(self) -> tuple[str, ...]:
        """The node of each finding that is due: every node by name, or one empty name for all of them."""
        return self.nodes or ("",)


@dataclass(frozen=True, slots=True)
class Diversions:
    """One entry for each port on record, more where rules tell edges apart. Empty without record or edges."""

    items: tuple[Diversion, ...] = ()


@fact
def diversions(
    rules: NatRules, record: TunnelPortRecord, edges: EdgeNodes, addresses: HostAddresses | Unavailable
) -> Diversions:
    """Follows connections of this host (hook OUTPUT) to edges through both backends.

    The rules of iptables-manager look at the port alone, so a few edges stand for all of a port; where a hand-made
    rule asks for an address, many more are followed.
    """
    reachable = [
        edge for edge in edges.items if ipv4(edge.internal_ip) is not None and not edge.runs_foreign_kubelet
    ]
    local = None if isinstance(addresses, Unavailable) else addresses.ipv4
    by_address = any(
        option.name == "-d" for rule in rules.dnat if rule.hand_made for option in rule.conditions
    )
    used = {edge.port for edge in reachable}
    found: list[Diversion] = []
    for ip, port in record.ports.items() if reachable else ():
        users = [edge for edge in reachable if edge.port == port]
        whole = len(record.current) == 1 or len(users) == len(reachable)
        sample = spread(users or reachable, _SAMPLE_BY_ADDRESS if by_address else _SAMPLE)
        matters = bool(users) or not used & record.current
        groups = _grouped(rules, port, sample, local)
        for path, members in groups:
            told_apart = len(groups) > 1
            names = members if told_apart else ([] if whole else users)
            found.append(Diversion(port, ip, members[0], path, tuple(edge.name for edge in names), matters))
    return Diversions(tuple(found))


def _grouped(
    rules: NatRules, port: int, sample: Sequence[EdgeNode], local: frozenset[str] | None
) -> list[tuple[EffectivePath, list[EdgeNode]]]:
    """The sample by where its connections end; a path is that of the group's first edge."""
    groups: dict[object, tuple[EffectivePath, list[EdgeNode]]] = {}
    for edge in sample:
        path = rules.effective(Packet(edge.internal_ip, port, local_addresses=local))
        key = tuple((ending.outcome.kind, ending.rule) for ending in path.endings)
        groups.setdefault(key, (path, []))[1].append(edge)
    return list(groups.values())
