"""What cloudcore's account may do, as the authorizers say (facts.md §1.3)."""

from __future__ import annotations

from dataclasses import dataclass

from kedoctor.api import AccessReview, Cluster, Unavailable, fact
from kedoctor.checks.facts.cloud.cloudcore import NAMESPACE, CloudcoreWorkload

__all__ = ["RIGHTS", "CloudcoreRights", "Right"]


@dataclass(frozen=True, slots=True)
class Right:
    """A right of the chart's ClusterRole."""

    verb: str
    resource: str
    group: str = ""
    subresource: str = ""

    @property
    def name(self) -> str:
        """As ``kubectl auth can-i`` takes it."""
        group = f".{self.group}" if self.group else ""
        part = f"/{self.subresource}" if self.subresource else ""
        return f"{self.verb} {self.resource}{group}{part}"


RIGHTS = (
    Right("list", "objectsyncs", "reliablesyncs.kubeedge.io"),
    Right("watch", "pods"),
    Right("update", "nodes"),
    Right("patch", "nodes", subresource="status"),
    Right("patch", "pods", subresource="status"),
    Right("update", "configmaps"),
    Right("get", "secrets"),
    Right("update", "leases", "coordination.k8s.io"),
)
"""One right of each kind that the data path needs; more would cost more requests and say the same."""


@dataclass(frozen=True, slots=True)
class CloudcoreRights:
    """For each right the answer for ``user``, or why there is none."""

    user: str
    answers: tuple[tuple[Right, AccessReview | Unavailable], ...]

    def denied(self) -> tuple[Right, ...]:
        """What is not allowed."""
        return tuple(
            right for right, answer in self.answers if isinstance(answer, AccessReview) and not answer.allowed
        )

    def unanswered(self) -> tuple[Unavailable, ...]:
        """Why some are unknown."""
        return tuple(answer for _, answer in self.answers if isinstance(answer, Unavailable))


@fact
def cloudcore_rights(cluster: Cluster, workload: CloudcoreWorkload) -> CloudcoreRights:
    """A SubjectAccessReview for each right; the first that nobody may ask ends the asking."""
    if workload.host_network is None:  # cloudcore runs elsewhere, under an account that nobody can name
        return CloudcoreRights("", ())
    spec = workload.deployment.spec.template.spec if workload.deployment is not None else None
    spec = spec or (workload.pods[0].spec if workload.pods else None)
    account = (spec.service_account_name if spec is not None else "") or "default"
    user = f"system:serviceaccount:{NAMESPACE}:{account}"
    answers: list[tuple[Right, AccessReview | Unavailable]] = []
    for right in RIGHTS:
        answer = cluster.may(
            right.verb, right.resource, group=right.group, subresource=right.subresource, user=user
        )
        answers.append((right, answer))
        if isinstance(answer, Unavailable):
            break
    return CloudcoreRights(user, tuple(answers))
