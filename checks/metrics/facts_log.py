"""What metrics-server says of the nodes it cannot read, and whether there is a second one (facts.md §8.4, §8.5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from kedoctor.api import Cluster, Reason, Unavailable, fact, patterns, require
from kedoctor.checks.facts.cluster.metrics import MetricsServer
from kedoctor.checks.facts.cluster.site_info import SiteTime
from kedoctor.checks.parsers.kubernetes import Addon, Deployment
from kedoctor.checks.parsers.kubernetes.pod_health import is_ready, running_since
from kedoctor.checks.parsers.logs.klog import LogLine, parse_lines

__all__ = ["MetricsAddons", "MetricsLog"]

_OLD = patterns.compiled(
    r"unable to fully scrape metrics from node (\S+?): (?:unable to fetch metrics from node \S+: )?(.*)"
)
_NEW = "Failed to scrape node"
_LABELS = ("k8s-app=metrics-server", "app.kubernetes.io/name=metrics-server")


@dataclass(frozen=True, slots=True)
class MetricsLog:
    """By node name the newest recent complaint of metrics-server's (why it could not be read), and when it was made."""

    complaints: Mapping[str, str] = field(default_factory=dict)
    times: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MetricsAddons:
    """Every Deployment that is metrics-server, as ``namespace/name``, and K3s' addons that re-apply one."""

    deployments: tuple[str, ...] = ()
    addons: tuple[str, ...] = ()


@fact
def metrics_log(cluster: Cluster, server: MetricsServer, time: SiteTime) -> MetricsLog | Unavailable:
    """The log of one ready pod; a line is recent for two scrapes and a minute."""
    pod = next((one for one in server.live_pods if is_ready(one)), None)
    if pod is None:
        return Unavailable(Reason.ABSENT, "the log of metrics-server", "it has no ready pod")
    log = require(cluster.pod_log(server.namespace, pod.metadata.name, lines=500))
    limit = 2 * server.resolution + timedelta(minutes=1)
    found: dict[str, str] = {}
    times: dict[str, datetime] = {}
    started = running_since(pod)
    for line in parse_lines(log.text, time.now):
        recent = line.time is not None and abs(time.now - line.time) <= limit
        if recent and line.time is not None and (started is None or line.time >= started):
            complaints = _complaints(line)
            found.update(complaints)
            times.update(dict.fromkeys(complaints, line.time))
    return MetricsLog(found, times)


def _complaints(line: LogLine) -> Mapping[str, str]:
    if line.message.startswith(_NEW):  # "Failed to scrape node" err="…" node="…" since 0.5
        node = line.fields.get("node", "").strip('"')
        return {node: line.fields.get("err", line.message)} if node else {}
    return {found[1]: found[2] for found in _OLD.finditer(line.message)}


@fact
def metrics_addons(cluster: Cluster) -> MetricsAddons | Unavailable:
    """By the labels of upstream and of the Helm chart, in all namespaces; addons only where K3s has them."""
    names = {
        f"{one.metadata.namespace}/{one.metadata.name}"
        for label in _LABELS
        for one in require(cluster.list(Deployment, label_selector=label))
        if any("metrics-server" in container.image for container in one.spec.template.spec.containers)
    }
    addons = cluster.list(Addon, namespace="kube-system")
    listed = () if isinstance(addons, Unavailable) else addons
    return MetricsAddons(
        tuple(sorted(names)),
        tuple(one.metadata.name for one in listed if "metrics-server" in one.metadata.name),
    )
