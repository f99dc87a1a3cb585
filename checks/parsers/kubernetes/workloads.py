"""Pods and what makes them: Deployments and DaemonSets."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from kedoctor.api import Fields, Object, field
from kedoctor.checks.parsers.kubernetes.common import Condition, Labels, Metadata

__all__ = [
    "ConfigMapVolume",
    "Container",
    "ContainerPort",
    "ContainerResources",
    "ContainerState",
    "ContainerStatus",
    "DaemonSet",
    "DaemonSetSpec",
    "DaemonSetStatus",
    "Deployment",
    "DeploymentSpec",
    "DeploymentStatus",
    "HostPathVolume",
    "KeyToPath",
    "Pod",
    "PodSpec",
    "PodStatus",
    "PodTemplate",
    "RollingUpdate",
    "Running",
    "SecretVolume",
    "Selector",
    "Strategy",
    "Terminated",
    "Toleration",
    "Volume",
    "VolumeMount",
    "Waiting",
]


class ContainerPort(Fields, frozen=True):
    """A port that a container declares."""

    name: str = ""
    container_port: int = 0
    host_port: int = 0


class ContainerResources(Fields, frozen=True):
    """Requests and limits, as quantities."""

    requests: dict[str, str] | None = None
    limits: dict[str, str] | None = None


class VolumeMount(Fields, frozen=True):
    """Where a container sees a volume."""

    name: str = ""
    mount_path: str = ""
    sub_path: str = ""


class Container(Fields, frozen=True):
    """A container as it is wanted."""

    name: str = ""
    image: str = ""
    image_pull_policy: str = ""
    command: tuple[str, ...] | None = None
    args: tuple[str, ...] | None = None
    ports: tuple[ContainerPort, ...] | None = None
    resources: ContainerResources = ContainerResources()
    volume_mounts: tuple[VolumeMount, ...] | None = None


class KeyToPath(Fields, frozen=True):
    """Which key of a Secret becomes which file."""

    key: str
    path: str


class SecretVolume(Fields, frozen=True):
    """A Secret mounted as files."""

    secret_name: str = ""
    items: tuple[KeyToPath, ...] | None = None


class ConfigMapVolume(Fields, frozen=True):
    """A ConfigMap mounted as files."""

    name: str = ""


class HostPathVolume(Fields, frozen=True):
    """A directory of the host."""

    path: str = ""


class Volume(Fields, frozen=True):
    """A volume; the kinds that nobody judges are left out."""

    name: str = ""
    secret: SecretVolume | None = None
    config_map: ConfigMapVolume | None = None
    host_path: HostPathVolume | None = None


class Toleration(Fields, frozen=True):
    """A toleration."""

    key: str = ""
    operator: str = ""
    value: str = ""
    effect: str = ""


class PodSpec(Fields, frozen=True):
    """What a pod is to be."""

    node_name: str = ""
    host_network: bool = False
    service_account_name: str = ""
    dns_policy: str = ""
    node_selector: Labels | None = None
    tolerations: tuple[Toleration, ...] | None = None
    containers: tuple[Container, ...] = ()
    volumes: tuple[Volume, ...] | None = None
    affinity: dict[str, Any] | None = None


class Waiting(Fields, frozen=True):
    """A container that waits, and why."""

    reason: str = ""
    message: str = ""


class Running(Fields, frozen=True):
    """A container that runs."""

    started_at: datetime | None = None


class Terminated(Fields, frozen=True):
    """A container that ended, and how."""

    exit_code: int = 0
    reason: str = ""
    message: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None


class ContainerState(Fields, frozen=True):
    """At most one of the three."""

    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Terminated | None = None


class ContainerStatus(Fields, frozen=True):
    """What became of a container."""

    name: str = ""
    ready: bool = False
    restart_count: int = 0
    image: str = ""
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()


class PodStatus(Fields, frozen=True):
    """What became of a pod."""

    phase: str = ""
    reason: str = ""
    message: str = ""
    host_ip: str = field(default="", name="hostIP")
    pod_ip: str = field(default="", name="podIP")
    start_time: datetime | None = None
    conditions: tuple[Condition, ...] | None = None
    container_statuses: tuple[ContainerStatus, ...] | None = None


class Pod(Object, frozen=True):
    """A pod."""

    plural: ClassVar[str] = "pods"

    metadata: Metadata = Metadata()
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class Selector(Fields, frozen=True):
    """The labels by which a workload knows its pods."""

    match_labels: Labels | None = None


class PodTemplate(Fields, frozen=True):
    """The pods a workload makes."""

    metadata: Metadata = Metadata()
    spec: PodSpec = PodSpec()


class RollingUpdate(Fields, frozen=True):
    """How far a rolling update may go, as a number or a percentage."""

    max_surge: int | str | None = None
    max_unavailable: int | str | None = None


class Strategy(Fields, frozen=True):
    """How new pods replace old ones."""

    type: str = ""
    rolling_update: RollingUpdate | None = None


class DeploymentSpec(Fields, frozen=True):
    """What a Deployment is to be."""

    replicas: int | None = None
    selector: Selector = Selector()
    strategy: Strategy = Strategy()
    template: PodTemplate = PodTemplate()


class DeploymentStatus(Fields, frozen=True):
    """What became of a Deployment."""

    replicas: int = 0
    ready_replicas: int = 0
    updated_replicas: int = 0
    conditions: tuple[Condition, ...] | None = None


class Deployment(Object, frozen=True):
    """A Deployment."""

    api: ClassVar[str] = "apps/v1"
    plural: ClassVar[str] = "deployments"

    metadata: Metadata = Metadata()
    spec: DeploymentSpec = DeploymentSpec()
    status: DeploymentStatus = DeploymentStatus()


class DaemonSetSpec(Fields, frozen=True):
    """What a DaemonSet is to be."""

    selector: Selector = Selector()
    template: PodTemplate = PodTemplate()


class DaemonSetStatus(Fields, frozen=True):
    """On how many nodes it should be and is."""

    desired_number_scheduled: int = 0
    number_ready: int = 0


class DaemonSet(Object, frozen=True):
    """A DaemonSet."""

    api: ClassVar[str] = "apps/v1"
    plural: ClassVar[str] = "daemonsets"

    metadata: Metadata = Metadata()
    spec: DaemonSetSpec = DaemonSetSpec()
    status: DaemonSetStatus = DaemonSetStatus()
