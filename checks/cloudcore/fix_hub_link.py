"""Room for more edges in cloudcore (KE109)."""

from __future__ import annotations

from kedoctor.api import NoPlan, Plan, Status, Text, Verdict, remedy
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreConfig, CloudcoreWorkload
from kedoctor.checks.facts.cluster.nodes import EdgeNodes
from kedoctor.checks.plans.cloudcore import (
    AFTER_CLOUD,
    AFTER_CLOUDCORE,
    edit_cloudcore,
    noticed,
    put,
    restart_cloudcore,
    risk_of,
)
from kedoctor.checks.plans.touches import CONFIGURATION

__all__ = ["node_limit"]

_LIMIT = "modules.cloudHub.nodeLimit"
_STEP = 1000
"""The chart's own limit (facts.md §1.2); it is raised by so many at a time."""


@remedy("KE109", touches=CONFIGURATION)
def node_limit(
    verdict: Verdict, config: CloudcoreConfig, workload: CloudcoreWorkload, edges: EdgeNodes
) -> Plan | NoPlan:
    """Enough for every edge there is, in whole thousands, and a thousand more.

    While nobody is refused yet (the check then warns), cloudcore takes the new limit at its next start.
    """
    present = config.port(_LIMIT)
    wanted = (max(present, len(edges.items)) // _STEP + 1) * _STEP
    restarts = () if verdict.status is Status.WARN else restart_cloudcore(workload)
    later = Text(
        "Running edges notice nothing of it; cloudcore takes the new limit when it next starts.",
        zh="运行中的边缘节点不受影响；cloudcore 在下次启动时采用新的上限。",
    )
    return Plan(
        code=verdict.code,
        subject=verdict.subject,
        title=Text(
            f"raise {_LIMIT} from {present} to {wanted} in cloudcore.yaml",
            zh=f"在 cloudcore.yaml 中将 {_LIMIT} 从 {present} 提高到 {wanted}",
        ),
        prediction=noticed(restarts) if restarts else later,
        risk=risk_of(restarts),
        actions=(edit_cloudcore(put(config, _LIMIT, wanted)),),
        restarts=restarts,
        settle=AFTER_CLOUDCORE if restarts else AFTER_CLOUD,
    )
