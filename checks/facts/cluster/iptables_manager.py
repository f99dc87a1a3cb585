"""Iptables-manager as a DaemonSet: where it should be and where it is (facts.md §1.3, §3.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from kedoctor.api import Cluster, Unavailable, fact, patterns, require
from kedoctor.checks.facts.cluster.site_info import SiteTime
from kedoctor.checks.parsers.kubernetes import Container, DaemonSet, Pod
from kedoctor.checks.parsers.kubernetes.flags import flags
from kedoctor.checks.parsers.kubernetes.pod_health import is_ready, selector_of
from kedoctor.checks.parsers.logs.klog import parse_lines

__all__ = ["DEFAULT_FORWARD_PORT", "IptablesManager"]

DEFAULT_FORWARD_PORT = 10003
"""Where the manager sends traffic unless its flag ``--ForwardPort`` says otherwise (facts.md §3.4)."""

_COMPLAINT = patterns.compiled(
    r"is forbidden|Failed to ensure (chain|rules)|Failed to delete rules|can't initialize iptables"
)
_RECENT = timedelta(minutes=3)

_LOGS_READ = 10
"""A manager runs on each cloud node; the logs of so many of them are enough to see a fault of all."""


@dataclass(frozen=True, slots=True)
class IptablesManager:
    """The DaemonSet (``None``: there is none), its pods, and by pod name the newest line that says why one fails.

    ``complaints`` holds only lines that are a few minutes old at most: the manager repeats them as long as they
    are true, and says nothing when it succeeds (facts.md §5.3).
    """

    daemonset: DaemonSet | None
    pods: tuple[Pod, ...] = ()
    complaints: Mapping[str, str] = field(default_factory=dict)

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

    def complaint_on(self, node: str) -> str:
        """The current complaint of its pod there; empty if there is none."""
        return next((line for pod in self.on(node) if (line := self.complaints.get(pod.metadata.name))), "")

    def ready_on(self, node: str) -> bool:
        """Whether a pod of it is ready there."""
        return any(is_ready(pod) for pod in self.on(node))


@fact
def iptables_manager(cluster: Cluster, time: SiteTime) -> IptablesManager:
    """The manager of namespace ``kubeedge``, whatever its labels (the hand-applied manifest has others)."""
    daemonset = next(
        (one for one in require(cluster.list(DaemonSet, namespace="kubeedge")) if _is_manager(one)), None
    )
    if daemonset is None:
        return IptablesManager(None)
    selector = selector_of(daemonset.spec.selector)
    pods = require(cluster.list(Pod, namespace="kubeedge", label_selector=selector))
    complaints = {}
    for pod in pods[:_LOGS_READ]:
        log = cluster.pod_log("kubeedge", pod.metadata.name, lines=200)
        complaint = "" if isinstance(log, Unavailable) else newest_complaint(log.text, time.now)
        if complaint:
            complaints[pod.metadata.name] = complaint
    return IptablesManager(daemonset, pods, complaints)


def newest_complaint(log: str, now: datetime) -> str:
    """The last line that tells why no rule is made, if it is recent; a line of another time zone is not."""
    told = [line for line in parse_lines(log, now) if _COMPLAINT.search(line.raw)]
    last = told[-1] if told else None
    recent = last is not None and last.time is not None and abs(now - last.time) <= _RECENT
    return last.raw.strip() if last is not None and recent else ""


def _is_manager(daemonset: DaemonSet) -> bool:
    images = [container.image for container in daemonset.spec.template.spec.containers]
    return "iptables-manager" in daemonset.metadata.name or any(
        "iptables-manager" in image for image in images
    )
