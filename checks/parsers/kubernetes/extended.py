"""The extended API: registrations, custom resources, and the samples of metrics-server."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from kedoctor.api import Fields, Object, field
from kedoctor.checks.parsers.kubernetes.common import Condition, Metadata

__all__ = [
    "APIService",
    "APIServiceSpec",
    "APIServiceStatus",
    "Addon",
    "ConfigUpdateJob",
    "ContainerMetrics",
    "CustomResourceDefinition",
    "JobAction",
    "JobNodeStatus",
    "JobStatus",
    "MetricsMetadata",
    "NodeMetrics",
    "NodeUpgradeJob",
    "PodMetrics",
    "ServiceReference",
    "Usage",
]


class ServiceReference(Fields, frozen=True):
    """The Service that answers for an API group."""

    name: str = ""
    namespace: str = ""
    port: int | None = None


class APIServiceSpec(Fields, frozen=True):
    """What an APIService registers; ``service`` is absent for groups that kube-apiserver serves itself."""

    group: str = ""
    version: str = ""
    service: ServiceReference | None = None
    insecure_skip_tls_verify: bool = field(default=False, name="insecureSkipTLSVerify")


class APIServiceStatus(Fields, frozen=True):
    """Whether it answers."""

    conditions: tuple[Condition, ...] | None = None


class APIService(Object, frozen=True):
    """An APIService."""

    api: ClassVar[str] = "apiregistration.k8s.io/v1"
    plural: ClassVar[str] = "apiservices"
    namespaced: ClassVar[bool] = False

    metadata: Metadata = Metadata()
    spec: APIServiceSpec = APIServiceSpec()
    status: APIServiceStatus = APIServiceStatus()


class CustomResourceDefinition(Object, frozen=True):
    """A CustomResourceDefinition; only its name is judged."""

    api: ClassVar[str] = "apiextensions.k8s.io/v1"
    plural: ClassVar[str] = "customresourcedefinitions"
    namespaced: ClassVar[bool] = False

    metadata: Metadata = Metadata()


class Addon(Object, frozen=True):
    """A manifest that K3s keeps applying."""

    api: ClassVar[str] = "k3s.cattle.io/v1"
    plural: ClassVar[str] = "addons"

    metadata: Metadata = Metadata()


class JobAction(Fields, frozen=True):
    """One step of a job on one node: ``Check``, ``BackUp``, ``Upgrade``, ``Update`` or ``RollBack``."""

    action: str = ""
    status: str = ""
    reason: str = ""
    time: str = ""


class JobNodeStatus(Fields, frozen=True):
    """How far a job is on one node; ``phase`` is Pending, InProgress, Successful, Failure or Unknown."""

    node_name: str = ""
    phase: str = ""
    reason: str = ""
    current_version: str = ""
    historic_version: str = ""
    action_flow: tuple[JobAction, ...] | None = None


class JobStatus(Fields, frozen=True):
    """The state of a job; ``phase`` is Init, InProgress, Completed or Failure."""

    phase: str = ""
    reason: str = ""
    node_status: tuple[JobNodeStatus, ...] | None = None


class NodeUpgradeJob(Object, frozen=True):
    """An upgrade of edges from the cloud (KubeEdge 1.21 and later)."""

    api: ClassVar[str] = "operations.kubeedge.io/v1alpha2"
    plural: ClassVar[str] = "nodeupgradejobs"
    namespaced: ClassVar[bool] = False

    metadata: Metadata = Metadata()
    status: JobStatus = JobStatus()


class ConfigUpdateJob(Object, frozen=True):
    """A change of edgecore.yaml from the cloud (KubeEdge 1.21 and later)."""

    api: ClassVar[str] = "operations.kubeedge.io/v1alpha2"
    plural: ClassVar[str] = "configupdatejobs"
    namespaced: ClassVar[bool] = False

    metadata: Metadata = Metadata()
    status: JobStatus = JobStatus()


class MetricsMetadata(Fields, frozen=True):
    """The metadata of a metrics sample; its labels are those of the node or pod and are left out."""

    name: str = ""
    namespace: str = ""


class Usage(Fields, frozen=True):
    """Quantities, e.g. ``6202596n`` and ``43584Ki``."""

    cpu: str = ""
    memory: str = ""


class NodeMetrics(Object, frozen=True):
    """The last sample of a node; ``timestamp`` is its end. How much the node uses is not judged and not kept."""

    api: ClassVar[str] = "metrics.k8s.io/v1beta1"
    plural: ClassVar[str] = "nodes"
    namespaced: ClassVar[bool] = False

    metadata: MetricsMetadata = MetricsMetadata()
    timestamp: datetime | None = None


class ContainerMetrics(Fields, frozen=True):
    """The metrics of one container."""

    name: str = ""
    usage: Usage = Usage()


class PodMetrics(Object, frozen=True):
    """The last sample of a pod."""

    api: ClassVar[str] = "metrics.k8s.io/v1beta1"
    plural: ClassVar[str] = "pods"

    metadata: MetricsMetadata = MetricsMetadata()
    timestamp: datetime | None = None
    containers: tuple[ContainerMetrics, ...] | None = None
