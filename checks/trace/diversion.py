"""The NAT path on the API server's host: which rule of which backend takes the connection where (facts.md §3.4)."""

from __future__ import annotations

from kedoctor.api import StepResult, StepState, Text, TraceTarget, Unavailable, step
from kedoctor.checks.dnat.dnat_rule import dnat_rule
from kedoctor.checks.dnat.dnat_target import dnat_target
from kedoctor.checks.dnat.wording import outcome_told, whose
from kedoctor.checks.facts.cloud.cloud_host import CloudProcesses, HostAddresses
from kedoctor.checks.facts.cloud.diversion_probes import StreamServers, TargetProbes
from kedoctor.checks.facts.cloud.diversion_targets import DiversionTargets
from kedoctor.checks.facts.cloud.diversions import Diversion, Diversions
from kedoctor.checks.facts.cloud.nat import NatRules
from kedoctor.checks.facts.cluster.metrics import MetricsServer
from kedoctor.checks.facts.cluster.tunnel_port import TunnelPortRecord
from kedoctor.checks.trace.step_results import judged, nothing_meant, off_apiserver, ok

__all__ = ["nat_path"]


@step(
    name="nat",
    title=Text("NAT path on this host", zh="本机的 NAT 路径"),
    hop="diversion",
    unless=off_apiserver,
)
def nat_path(
    rules: NatRules,
    diversions: Diversions,
    record: TunnelPortRecord,
    targets: DiversionTargets,
    *,
    probes: TargetProbes | Unavailable,
    servers: StreamServers | Unavailable,
    processes: CloudProcesses | Unavailable,
    metrics: MetricsServer | Unavailable,
    addresses: HostAddresses | Unavailable,
    target: TraceTarget,
) -> StepResult:
    """KE303 says whether a rule takes the edge's port, KE304 whether it leads to a live cloudcore."""
    way = next(iter(diversions.items), None)
    if way is not None and record.current and way.port not in record.current:
        to = outcome_told(way.path.outcome)
        told = Text(f"it goes to {to.en}", zh=f"去往 {to.zh}")
        return nothing_meant(f"{way.edge.internal_ip}:{way.port}", way.port, told)
    rule = dnat_rule(
        rules,
        record,
        diversions,
        targets=targets,
        processes=processes,
        metrics=metrics,
        addresses=addresses,
    )
    leads = dnat_target(rules, diversions, targets, probes=probes, servers=servers, processes=processes)
    found = judged(target.trace, (dnat_rule, rule), (dnat_target, leads))
    if found.state is not StepState.OK or way is None:
        return found
    return ok(_told(rules, way))


def _told(rules: NatRules, diversion: Diversion) -> Text:
    """The rule that acts, with its place."""
    ending = diversion.path.decided_by
    mapping = rules.mapping(ending) if ending is not None else None
    dialled = f"{diversion.edge.internal_ip}:{diversion.port}"
    to = outcome_told(diversion.path.outcome)
    if mapping is None:
        return Text(f"{dialled} goes to {to.en}.", zh=f"{dialled} 去往 {to.zh}。")
    by, rule = whose(mapping), mapping.rule
    return Text(
        f"{dialled} goes to {to.en}, by {by.en} (iptables-{mapping.backend}, chain {rule.chain}, rule {rule.position}).",
        zh=f"{dialled} 去往 {to.zh}，依据：{by.zh}（iptables-{mapping.backend}，链 {rule.chain}，第 {rule.position} 条）。",
    )
