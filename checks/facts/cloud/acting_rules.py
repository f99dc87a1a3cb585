"""Whether some rule diverts requests for edges on an API-server host, whoever made it.

The rules of a host decide where they were read. Elsewhere it is what comes back from the edges in this run, and only
where nothing could be asked what metrics-server got last: its figures outlive a rule by a minute (facts.md §8).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kedoctor.api import EveryHost, Unavailable, fact
from kedoctor.checks.facts.cloud.nat import NatRules
from kedoctor.checks.facts.cloud.relayed import EdgeAnswers
from kedoctor.checks.facts.cluster.metrics import WorkingDiversion
from kedoctor.checks.facts.cluster.nodes import CloudNodes
from kedoctor.checks.facts.cluster.tunnel_port import TunnelPortRecord

__all__ = ["ActingRules", "acting_rules"]


@dataclass(frozen=True, slots=True)
class ActingRules:
    """By node name of an API-server host: whether a rule takes the recorded ports there, rightly or not."""

    known: Mapping[str, bool] = field(default_factory=dict)

    def on(self, node: str) -> bool | None:
        """Whether one acts on that host; ``None`` where that is unknown."""
        return self.known.get(node)


@fact
def acting_rules(
    cloud: CloudNodes,
    record: TunnelPortRecord | Unavailable,
    rules: EveryHost[NatRules],
    diversion: WorkingDiversion | Unavailable,
    answers: EdgeAnswers | Unavailable,
) -> ActingRules:
    """One entry for each API-server host of which something is known."""
    seen = {node: _ruled(record, rules.known().get(node)) for node in cloud.names}
    arrived = _arrived(cloud.names, diversion, answers)
    found = {
        node: acts if acts is not None else (True if node in arrived else None) for node, acts in seen.items()
    }
    return ActingRules({node: acts for node, acts in found.items() if acts is not None})


def _ruled(record: TunnelPortRecord | Unavailable, nat: NatRules | None) -> bool | None:
    """Whether any rule takes the recorded ports; ``None`` if that host was not looked at."""
    if nat is None or isinstance(record, Unavailable) or not record.current:
        return None
    acting = [rule for rule in nat.dnat if "OUTPUT" in rule.hooks]
    if all(any(rule.asks_for(port) for rule in acting) for port in record.current):
        return True
    return None if nat.unreadable else False


def _arrived(
    hosts: tuple[str, ...], diversion: WorkingDiversion | Unavailable, answers: EdgeAnswers | Unavailable
) -> frozenset[str]:
    """The hosts whose requests arrive at cloudcore; with several API servers it is not known which of them asked."""
    figures = frozenset() if isinstance(diversion, Unavailable) else diversion.nodes
    if isinstance(answers, Unavailable) or not answers.items:
        return figures
    if not any(one.arrived for one in answers.items):
        return frozenset()
    return frozenset(hosts) if len(hosts) == 1 else figures
