"""Cloudcore as the API shows it: its configuration document, its Deployment and its pods (facts.md §1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kedoctor.api import Cluster, Reason, Unavailable, fact, require
from kedoctor.api.yaml import YamlDocument, YamlError, load
from kedoctor.checks.parsers.config.schema import CLOUDCORE, Violation, effective
from kedoctor.checks.parsers.kubernetes import ConfigMap, Deployment, ManagedFields, Pod, Service
from kedoctor.checks.parsers.kubernetes.pod_health import is_live, running_since
from kedoctor.checks.parsers.releases import Release, parse

__all__ = [
    "CONFIG_KEY",
    "NAMESPACE",
    "CloudcoreConfig",
    "CloudcoreDocument",
    "CloudcoreService",
    "CloudcoreWorkload",
    "Writing",
]

NAMESPACE = "kubeedge"
CONFIG_KEY = "cloudcore.yaml"
_POD_LABEL = "kubeedge=cloudcore"


@dataclass(frozen=True, slots=True)
class Writing:
    """Who wrote ``cloudcore.yaml`` last, and when, as the API server keeps it."""

    manager: str
    time: datetime


@dataclass(frozen=True, slots=True)
class CloudcoreDocument:
    """``data["cloudcore.yaml"]`` of ConfigMap ``kubeedge/cloudcore``: the document, or where it breaks.

    Both ``document`` and ``error`` are ``None`` when the ConfigMap has no such key. ``writing`` is ``None`` when
    the API server did not say who wrote it.
    """

    text: str = ""
    document: YamlDocument | None = None
    error: YamlError | None = None
    writing: Writing | None = None


@dataclass(frozen=True, slots=True)
class CloudcoreConfig:
    """What cloudcore makes of its document: code defaults overlaid with what is written (facts.md §1.2)."""

    document: YamlDocument
    values: Mapping[str, Any]
    violations: tuple[Violation, ...] = ()

    def value(self, path: str) -> Any:
        """The effective value at a dotted path; ``None`` if neither document nor defaults have one."""
        found: Any = self.values
        for part in path.split("."):
            if not isinstance(found, Mapping) or part not in found:
                return None
            found = found[part]
        return found

    def written(self, path: str) -> bool:
        """Whether the document itself has that key."""
        return self.document.position(path) is not None

    def line(self, path: str) -> int | None:
        """The line of the key, from 1; ``None`` when it is not written."""
        position = self.document.position(path)
        return position.line if position else None

    def port(self, path: str) -> int:
        """A port; 0 when the value is not a number."""
        value = self.value(path)
        return value if isinstance(value, int) and not isinstance(value, bool) else 0

    @property
    def stream_enabled(self) -> bool:
        """``modules.cloudStream.enable``; false unless written (facts.md §1.2)."""
        return self.value("modules.cloudStream.enable") is True

    @property
    def stream_port(self) -> int:
        """Where the API server's and metrics-server's requests arrive."""
        return self.port("modules.cloudStream.streamPort")

    @property
    def tunnel_port(self) -> int:
        """Where edges dial in."""
        return self.port("modules.cloudStream.tunnelPort")

    @property
    def manager_mode(self) -> str:
        """``internal`` (also when nothing is written), ``external``, or ``off``."""
        if self.value("modules.iptablesManager.enable") is False:
            return "off"
        return str(self.value("modules.iptablesManager.mode") or "internal")


@dataclass(frozen=True, slots=True)
class CloudcoreWorkload:
    """The Deployment (``None``: there is none) and the pods of cloudcore, newest first."""

    deployment: Deployment | None
    pods: tuple[Pod, ...]

    @property
    def live(self) -> tuple[Pod, ...]:
        """The pods that run."""
        return tuple(pod for pod in self.pods if is_live(pod))

    @property
    def addresses(self) -> frozenset[str]:
        """The addresses of the pods that run; with hostNetwork those of their hosts."""
        return frozenset(ip for pod in self.live for ip in (pod.status.pod_ip, pod.status.host_ip) if ip)

    @property
    def host_network(self) -> bool | None:
        """Whether it listens on its host directly; ``None`` when neither Deployment nor pod was seen."""
        if self.deployment is not None:
            return self.deployment.spec.template.spec.host_network
        return self.pods[0].spec.host_network if self.pods else None

    @property
    def tag(self) -> str:
        """The tag of cloudcore's image (``v1.22.0``); empty when there is none."""
        spec = self.deployment.spec.template.spec if self.deployment is not None else None
        spec = spec or (self.pods[0].spec if self.pods else None)
        images = (
            [one.image for one in spec.containers if "cloudcore" in one.image] if spec is not None else []
        )
        return images[0].partition("@")[0].rpartition("/")[2].partition(":")[2] if images else ""

    @property
    def release(self) -> Release | None:
        """The KubeEdge release that the tag names; ``None`` if it names none."""
        return parse(self.tag)

    @property
    def started(self) -> datetime | None:
        """When the youngest of the running ones started."""
        starts = [start for pod in self.live if (start := running_since(pod)) is not None]
        return max(starts, default=None)


@dataclass(frozen=True, slots=True)
class CloudcoreService:
    """The Service ``kubeedge/cloudcore``; ``None``: there is none."""

    service: Service | None


@fact
def cloudcore_document(cluster: Cluster) -> CloudcoreDocument | Unavailable:
    """The document as it stands; that it is broken is a value."""
    found = require(cluster.list(ConfigMap, namespace=NAMESPACE, field_selector="metadata.name=cloudcore"))
    if not found:
        what = "ConfigMap kubeedge/cloudcore"
        return Unavailable(Reason.ABSENT, what, "there is none; cloudcore may run outside the cluster")
    config_map = found[0]
    text = (config_map.data or {}).get(CONFIG_KEY)
    if text is None:
        return CloudcoreDocument()
    writing = _writing(config_map.metadata.managed_fields or ())
    try:
        return CloudcoreDocument(text, load(text), writing=writing)
    except YamlError as error:
        return CloudcoreDocument(text, error=error, writing=writing)


@fact
def cloudcore_config(read: CloudcoreDocument) -> CloudcoreConfig | Unavailable:
    """The effective configuration; unavailable when the document cannot be read."""
    if read.document is None:
        detail = str(read.error) if read.error else f"it has no key {CONFIG_KEY}"
        return Unavailable(Reason.INVALID, "ConfigMap kubeedge/cloudcore", detail)
    values, violations = effective(CLOUDCORE, read.document)
    return CloudcoreConfig(read.document, values, tuple(violations))


@fact
def cloudcore_workload(cluster: Cluster) -> CloudcoreWorkload:
    """Deployment and pods by the label ``kubeedge=cloudcore`` (facts.md §1.3; there is no ``app`` label)."""
    deployments = require(
        cluster.list(Deployment, namespace=NAMESPACE, field_selector="metadata.name=cloudcore")
    )
    pods = require(cluster.list(Pod, namespace=NAMESPACE, label_selector=_POD_LABEL))
    newest_first = sorted(pods, key=lambda pod: str(pod.metadata.creation_timestamp), reverse=True)
    return CloudcoreWorkload(next(iter(deployments), None), tuple(newest_first))


@fact
def cloudcore_service(cluster: Cluster) -> CloudcoreService:
    """The Service in front of cloudcore."""
    found = require(cluster.list(Service, namespace=NAMESPACE, field_selector="metadata.name=cloudcore"))
    return CloudcoreService(next(iter(found), None))


def _writing(entries: tuple[ManagedFields, ...]) -> Writing | None:
    """The last writing of the document itself; labels and annotations written later do not count."""
    written = [
        Writing(entry.manager, entry.time)
        for entry in entries
        if entry.time is not None and f"f:{CONFIG_KEY}" in ((entry.fields_v1 or {}).get("f:data") or {})
    ]
    return max(written, key=lambda writing: writing.time, default=None)
