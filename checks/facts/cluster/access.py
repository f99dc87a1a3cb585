"""What the user who looks may do: one access review for each thing an operator needs."""

from __future__ import annotations

from dataclasses import dataclass

from kedoctor.api import AccessReview, Cluster, Unavailable, fact

__all__ = ["NEEDS", "Need", "OperatorAccess"]


@dataclass(frozen=True, slots=True)
class Need:
    """A right: ``kubectl auth can-i VERB RESOURCE[/SUBRESOURCE]``, what it is for, and whether it is namespaced."""

    purpose: str
    verb: str
    resource: str
    subresource: str = ""
    group: str = ""
    namespaced: bool = True

    @property
    def name(self) -> str:
        """As ``kubectl auth can-i`` takes it: ``get pods/log``, ``get nodes.metrics.k8s.io``."""
        group = f".{self.group}" if self.group else ""
        part = f"/{self.subresource}" if self.subresource else ""
        return f"{self.verb} {self.resource}{group}{part}"


NEEDS = (
    Need("kubectl logs", "get", "pods", "log"),
    Need("kubectl exec", "create", "pods", "exec"),
    Need("kubectl attach", "create", "pods", "attach"),
    Need("kubectl get nodes", "get", "nodes", namespaced=False),
    Need("node probes", "get", "nodes", "proxy", namespaced=False),
    Need("kubectl top node", "get", "nodes", group="metrics.k8s.io", namespaced=False),
    Need("kubectl top pod", "get", "pods", group="metrics.k8s.io"),
)
"""What ``logs``, ``exec``, ``attach`` and ``top`` need (``pods/exec`` and ``pods/attach`` need ``create``)."""


@dataclass(frozen=True, slots=True)
class OperatorAccess:
    """For each need the answer of the API server for all namespaces, or why there is none."""

    answers: tuple[tuple[Need, AccessReview | Unavailable], ...]

    def denied(self) -> tuple[Need, ...]:
        """What the API server says is not allowed."""
        return tuple(
            need
            for need, answer in self.answers
            if not isinstance(answer, Unavailable) and not answer.allowed
        )

    def unanswered(self) -> tuple[tuple[Need, Unavailable], ...]:
        """What the API server did not answer, and why not."""
        return tuple((need, answer) for need, answer in self.answers if isinstance(answer, Unavailable))


@fact
def operator_access(cluster: Cluster) -> OperatorAccess:
    """A SelfSubjectAccessReview for each need; they change nothing in the cluster."""
    return OperatorAccess(
        tuple(
            (
                need,
                cluster.may(need.verb, need.resource, group=need.group, subresource=need.subresource),
            )
            for need in NEEDS
        )
    )
