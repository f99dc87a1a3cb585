"""Iptables-manager as a DaemonSet: where it should be and where it is (facts.md §1.3, §3.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kedoctor.api import Cluster, Unavailable, fact, needed
from kedoctor.checks.flags import flags
from kedoctor.checks.kinds import Container, DaemonSet, Pod
from kedoctor.checks.pods import is_ready, selector_of

__all__ = ["DEFAULT_FORWARD_PORT", "IptablesManager"]

DEFAULT_FORWARD_PORT = 10003
"""Where the manager sends traffic unless its flag ``--ForwardPort`` says otherwise (facts.md §3.4)."""

_LOGS_READ = 10
"""A manager runs on each cloud node; the logs of so many of them are enough to see a fault of all."""


@dataclass(frozen=True, slots=True)
class IptablesManager:
    """The DaemonSet (``None``: there is none), its pods, and the tails of their logs by pod name."""

    daemonset: DaemonSet | None
    pods: tuple[Pod, ...] = ()
    logs: Mapping[str, str] = field(default_factory=dict)

    @property
    def container(self) -> Container | None:
        """The manager's container as it is wanted."""
        if self.daemonset is None:
            return None
        return next(iter(self.daemonset.spec.template.spec.containers), None)

    @property
    def name(self) -> str:
        """The name of the DaemonSet."""
        return self.daemonset.metadata.name if self.daemonset else ""

    @property
    def forward_port(self) -> int:
        """The port it forwards to."""
        container = self.container
        given = flags((*(container.command or ()), *(container.args or ())) if container else ())
        value = given.get("ForwardPort", "")
        return int(value) if value.isdecimal() else DEFAULT_FORWARD_PORT

    @property
    def wanted(self) -> bool:
        """Whether the DaemonSet is there and selects at least one node."""
        return self.daemonset is not None and self.daemonset.status.desired_number_scheduled > 0

    def on(self, node: str) -> tuple[Pod, ...]:
        """Its pods on a node."""
        return tuple(pod for pod in self.pods if pod.spec.node_name == node)

    def ready_on(self, node: str) -> bool:
        """Whether a pod of it is ready there."""
        return any(is_ready(pod) for pod in self.on(node))


@fact
def iptables_manager(cluster: Cluster) -> IptablesManager:
    """The manager of namespace ``kubeedge``, whatever its labels (the hand-applied manifest has others)."""
    daemonset = next(
        (one for one in needed(cluster.list(DaemonSet, namespace="kubeedge")) if _is_manager(one)), None
    )
    if daemonset is None:
        return IptablesManager(None)
    selector = selector_of(daemonset.spec.selector)
    pods = needed(cluster.list(Pod, namespace="kubeedge", label_selector=selector))
    logs = {}
    for pod in pods[:_LOGS_READ]:
        log = cluster.pod_log("kubeedge", pod.metadata.name, lines=200)
        if not isinstance(log, Unavailable):
            logs[pod.metadata.name] = log.text
    return IptablesManager(daemonset, pods, logs)


def _is_manager(daemonset: DaemonSet) -> bool:
    images = [container.image for container in daemonset.spec.template.spec.containers]
    return "iptables-manager" in daemonset.metadata.name or any(
        "iptables-manager" in image for image in images
    )
